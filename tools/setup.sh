#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Install what is missing on a Debian or Ubuntu machine: packages, uv, the project's environment.
# Does nothing, and needs no network, where all of it is there.
set -eu
cd "$(dirname "$0")/.."

UV_VERSION=0.13.8

# A program, then the package that brings it.
programs='
python3 python3
podman podman
runc runc
dockerd docker.io
docker docker.io
containerd containerd
docker-registry docker-registry
qemu-system-x86_64 qemu-system-x86
qemu-img qemu-utils
mmdebstrap mmdebstrap
mksquashfs squashfs-tools
mkfs.ext4 e2fsprogs
mkfs.vfat dosfstools
mcopy mtools
genisoimage genisoimage
ssh openssh-client
sshd openssh-server
dbclient dropbear-bin
plink putty-tools
rsync rsync
busybox busybox-static
cpio cpio
zstd zstd
strip binutils
openssl openssl
ip iproute2
curl curl
age age
apparmor_parser apparmor
chromium chromium
'

PATH=$PATH:/usr/sbin:/sbin
missing=''
want() { missing="$missing $1"; }

echo "$programs" | {
    while read -r program package; do
        [ -z "$program" ] || command -v "$program" >/dev/null 2>&1 || want "$package"
    done
    [ -e /usr/share/keyrings/debian-archive-keyring.gpg ] || want debian-archive-keyring
    [ -e /usr/share/doc/ca-certificates ] || want ca-certificates
    if command -v /usr/bin/python3 >/dev/null 2>&1; then
        version=$(/usr/bin/python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        /usr/bin/python3 -c 'import ensurepip' 2>/dev/null || want python3-venv
        # PyInstaller takes the interpreter as a library.
        ls /usr/lib/*/libpython"$version".so.1.0 >/dev/null 2>&1 || want "libpython$version"
    else
        want python3-venv
        want libpython3-dev
    fi
    if [ -n "$missing" ]; then
        [ "$(id -u)" = 0 ] || { echo "setup: run as root to install:$missing" >&2; exit 1; }
        echo "setup: installing$missing"
        apt-get update -q
        # shellcheck disable=SC2086 - one word for each package
        DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing
    fi
}

if command -v uv >/dev/null 2>&1; then
    uv=uv
else
    uv=.cache/uv/bin/uv
    if [ ! -x "$uv" ]; then
        echo "setup: installing uv $UV_VERSION"
        /usr/bin/python3 -m venv .cache/uv
        .cache/uv/bin/pip install -q "uv==$UV_VERSION"
    fi
fi

stamp=.venv/.synced
if [ ! -e "$stamp" ] || [ uv.lock -nt "$stamp" ] || [ pyproject.toml -nt "$stamp" ]; then
    "$uv" sync -q --locked --compile-bytecode --group bundle
    touch "$stamp"
fi
