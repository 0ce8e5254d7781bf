# SPDX-License-Identifier: BSL-1.0
"""Mounts a filesystem over the data folder for one run.

The mount is in a mount namespace that ends with the program of the run.
"""
import os
import subprocess

from .outcome import NotRun

TMPFS, OVERLAYFS, XFS, BTRFS = "tmpfs", "overlayfs", "xfs", "btrfs"

# The image of a filesystem is a sparse file. It has room for the data files of several workloads.
_IMAGE_BYTES = 2 << 30

# mount -n does not write to /etc/mtab: no other process sees these mounts.
_MOUNTS = {
    TMPFS: 'mount -n -t tmpfs tmpfs "$folder"',
    # Like the root of a container: the data files are in the lower layer, and the upper layer is
    # empty. The upper layer is in a tmpfs over the data folder. The shell's current directory is
    # still the data folder below that tmpfs, so "." names the folder.
    OVERLAYFS: 'cd "$folder"; mount -n -t tmpfs tmpfs "$folder"; mkdir "$folder/upper" "$folder/work"; '
               'mount -n -t overlay -o "lowerdir=.,upperdir=$folder/upper,workdir=$folder/work" overlay "$folder"',
    # The kernel removes the loop device with the mount.
    **{name: f'mount -n -t {name} -o loop "$folder/{name}.image" "$folder"' for name in (XFS, BTRFS)},
}


def command(filesystem, folder, inner):
    """The command that runs `inner` with that filesystem at `folder`.

    All of it is one process. When it ends or is killed, the kernel removes the mounts.
    """
    root = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    script = f'folder=$1; shift; {_MOUNTS[filesystem]}; exec "$@"'
    return ["unshare", *root, "--mount", "--propagation", "private", "sh", "-ec", script, "sh", str(folder), *inner]


def check(filesystem, folder):
    """Mounts the filesystem once, as a run does. Raises NotRun if the kernel refuses that.

    Most containers do not allow mounts.
    """
    if filesystem in (XFS, BTRFS):
        _make_image(filesystem, folder)
    try:
        done = subprocess.run(command(filesystem, folder, ["true"]), capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise NotRun("unshare(1) is not installed") from error
    if done.returncode != 0:
        raise NotRun((done.stderr.strip().splitlines() or ["no message"])[0])


def _make_image(filesystem, folder):
    """Makes the image of the filesystem, unless the folder has one."""
    image = folder / f"{filesystem}.image"
    if image.exists():
        return
    unfinished = folder / f"{filesystem}.image.part"
    with unfinished.open("wb") as file:
        file.truncate(_IMAGE_BYTES)
    try:
        done = subprocess.run([f"mkfs.{filesystem}", "-q", str(unfinished)], capture_output=True, text=True,
                              check=False)
    except FileNotFoundError as error:
        raise NotRun(f"mkfs.{filesystem} is not installed") from error
    if done.returncode != 0:
        raise NotRun((done.stderr.strip().splitlines() or ["no message"])[-1])
    unfinished.rename(image)
