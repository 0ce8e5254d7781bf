# SPDX-License-Identifier: BSL-1.0
# shellcheck shell=bash
# Fresh Debian systems made by debootstrap, for tools/matrix and others that source this file.

# own_mounts <name of the tool> <argument>...: checks what the tool needs, and runs it again in a
# mount namespace of its own. No mount outlives the run, so that the systems can be removed.
own_mounts() {
    local tool=$1
    shift
    ((EUID == 0)) || { echo "$tool: needs root, for debootstrap and chroot" >&2; exit 2; }
    command -v debootstrap >/dev/null || { echo "$tool: debootstrap is not installed" >&2; exit 2; }
    if [[ -z "${ASIO_AIO_OWN_MOUNTS-}" ]]; then
        ASIO_AIO_OWN_MOUNTS=yes exec unshare --mount "$tool" "$@"
    fi
}

# make_root <suite> <root>: a minimal system with security updates. An existing one stays as it is.
make_root() {
    local suite=$1 root=$2 mirror
    if [[ ! -e $root/.complete ]]; then
        # shellcheck disable=SC2016 # apt-get replaces $(REPO_URI)
        mirror=$(apt-get indextargets --format '$(REPO_URI)' | head -n 1)
        rm -rf --one-file-system "$root"
        mkdir -p "$root"
        debootstrap --variant=minbase "$suite" "$root" "$mirror" >"$root.log" 2>&1
        if [[ $suite != sid ]]; then
            echo "deb ${mirror%/}-security $suite-security main" >>"$root/etc/apt/sources.list"
        fi
        # The mirror may be a copy that was not renewed for weeks.
        echo 'Acquire::Check-Valid-Until "false";' >"$root/etc/apt/apt.conf.d/99copy"
        cp -f /etc/hosts /etc/resolv.conf "$root/etc/" 2>/dev/null || true
        touch "$root/.complete"
    fi
}

# mount_filesystems <root>: the filesystems of the kernel, for in_root.
mount_filesystems() {
    local root=$1 name
    mount -t proc proc "$root/proc"
    for name in sys dev; do
        mount --rbind --make-rslave "/$name" "$root/$name"
    done
}

# in_root <root> <script>: runs the script there, with a clean environment.
in_root() {
    env -i HOME=/root TERM=dumb DEBIAN_FRONTEND=noninteractive \
        PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        chroot "$1" /bin/bash -euo pipefail -c "$2"
}

# in_root_install <root> <package>...
in_root_install() {
    in_root "$1" "apt-get update -qq && apt-get install -y -qq --no-install-recommends ${*:2} >/dev/null"
}

# copy_sources <root>: the last commit, in /root/asio_aio there.
copy_sources() {
    rm -rf "$1/root/asio_aio"
    mkdir -p "$1/root/asio_aio"
    git archive HEAD | tar -x -C "$1/root/asio_aio"
}
