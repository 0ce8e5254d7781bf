# SPDX-License-Identifier: BSL-1.0
"""A filesystem for one run: mounted over the data folder, in a mount namespace that ends with the run's program."""
import os
import subprocess

from .outcome import NotRun

TMPFS, OVERLAYFS = "tmpfs", "overlayfs"

# Without the table in /etc (-n): the mounts are nobody else's.
_MOUNTS = {
    TMPFS: 'mount -n -t tmpfs tmpfs "$folder"',
    # As a container's root: the files are in the layer below, and the one that takes writes is empty. It is in memory,
    # over the data folder; the shell is still in the folder underneath, "." is the way there.
    OVERLAYFS: 'cd "$folder"; mount -n -t tmpfs tmpfs "$folder"; mkdir "$folder/upper" "$folder/work"; '
               'mount -n -t overlay -o "lowerdir=.,upperdir=$folder/upper,workdir=$folder/work" overlay "$folder"',
}


def command(filesystem, folder, inner):
    """`inner` with such a filesystem at `folder`. All of it is one process: who kills that ends the mounts, too."""
    root = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    script = f'folder=$1; shift; {_MOUNTS[filesystem]}; exec "$@"'
    return ["unshare", *root, "--mount", "--propagation", "private", "sh", "-ec", script, "sh", str(folder), *inner]


def check(filesystem, folder):
    """Mounts it once, as a run does. NotRun where that is refused: in containers it mostly is."""
    try:
        done = subprocess.run(command(filesystem, folder, ["true"]), capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise NotRun("unshare(1) is not installed") from error
    if done.returncode != 0:
        raise NotRun((done.stderr.strip().splitlines() or ["no message"])[0])
