# SPDX-License-Identifier: Apache-2.0
"""What the reference host is made of: plain data, and the name of a build of it."""

from __future__ import annotations

import hashlib
from pathlib import Path

HERE = Path(__file__).parent
PROJECT = HERE.parent.parent
CACHE = PROJECT / ".cache" / "refhost"

# The main suite alone: parts of bullseye's security suite are gone from the mirrors.
SUITE = "bullseye"
SOURCE = "deb http://deb.debian.org/debian bullseye main"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
PACKAGES = (
    "systemd",
    "systemd-sysv",
    "systemd-timesyncd",
    "udev",
    "dbus",
    "coreutils",
    "util-linux",
    "mount",
    "procps",
    "kmod",
    "iproute2",
    "e2fsprogs",  # mkfs and fsck for further data disks
    "libc-bin",
    "ca-certificates",
    "containerd",
    "runc",
    "qemu-guest-agent",
    "busybox-static",  # for the initrd alone, taken out of the root
    "linux-image-amd64",
)

# Everything below /etc that Debian brings and this host needs; the rest is for packages we drop.
ETC_KEPT = frozenset(
    {
        "containerd",
        "dbus-1",
        "iproute2",
        "ld.so.conf",
        "ld.so.conf.d",
        "mke2fs.conf",
        "modprobe.d",
        "ssl",
        "sysctl.d",
        "systemd",
        "udev",
    }
)
# Programs that would give a shell, an interpreter or a package manager; scripts go by their "#!".
PROGRAMS_REMOVED = (
    *("sh", "bash", "rbash", "dash", "busybox", "klibc", "klibc-*", "perl", "perl5*", "python*"),
    *("apt*", "dpkg*", "debconf*", "deb-systemd-*", "update-alternatives", "tar", "capsh"),
    # Each of these ends in a shell that is not there.
    *("su", "sulogin", "login", "agetty", "getty", "runuser", "newgrp", "sg", "start-stop-daemon"),
)
TREES_REMOVED = (
    *("usr/share/doc", "usr/share/man", "usr/share/info", "usr/share/locale", "usr/share/lintian"),
    *("usr/share/perl5", "usr/share/bash-completion", "usr/share/zsh", "usr/share/debconf"),
    *("usr/share/initramfs-tools", "usr/share/bug", "usr/share/dpkg", "usr/lib/klibc"),
    *("usr/share/pkgconfig", "usr/share/adduser", "usr/share/pam", "usr/share/pam-configs"),
    *("usr/lib/x86_64-linux-gnu/perl", "usr/lib/x86_64-linux-gnu/perl-base"),
    *("usr/lib/apt", "usr/lib/dpkg", "usr/lib32", "usr/libx32", "usr/include", "usr/games"),
    # Made when packages are configured; ours are never configured, udev then reads its text files.
    *("usr/lib/udev/hwdb.d", "usr/lib/systemd/catalog"),
    # These speak of directories and programs that are not there.
    *("usr/lib/tmpfiles.d/home.conf", "usr/lib/udev/rules.d/85-hwclock.rules"),
    *("boot", "home", "root", "opt", "mnt", "media", "srv", "usr/local", "var", "tmp"),
)
# What Debian's systemd starts at boot and this host does without, for the sake of a fast boot.
WANTS_REMOVED = (
    *("getty.target", "getty-static.service", "systemd-ask-password-wall.path"),
    *("systemd-ask-password-console.path", "systemd-logind.service", "cryptsetup.target"),
    *("remote-cryptsetup.target", "dev-hugepages.mount", "proc-sys-fs-binfmt_misc.automount"),
    *("sys-fs-fuse-connections.mount", "sys-kernel-config.mount", "systemd-binfmt.service"),
    *("systemd-boot-system-token.service", "systemd-hwdb-update.service"),
    *("systemd-machine-id-commit.service", "systemd-sysusers.service", "systemd-initctl.socket"),
    *("systemd-update-utmp.service", "systemd-update-utmp-runlevel.service"),
    *("systemd-user-sessions.service", "systemd-journald-audit.socket"),
    # It comes a quarter of an hour after the boot, in the midst of some test.
    "systemd-tmpfiles-clean.timer",
)
# Units that this host starts, by the target that wants them.
WANTS = {
    "multi-user.target": (
        "containerd.service",
        "kubelet.service",
        "qemu-guest-agent.service",
        "systemd-networkd.service",
    ),
    "local-fs.target": ("tmp.mount",),
    "sysinit.target": ("systemd-timesyncd.service",),
    "network-online.target": ("systemd-networkd-wait-online.service",),
}

# Kernel modules kept in the root: enough for containers, their networks and whatever disk a test
# brings; Debian's whole set is five times the rest of the host.
MODULE_TREES = (
    *("arch/x86/crypto", "crypto", "lib", "net/802", "net/bridge", "net/core", "net/ipv4"),
    *("net/ipv6", "net/llc", "net/netfilter", "net/packet", "net/sched", "net/unix"),
    *("net/vmw_vsock", "fs/ext4", "fs/jbd2", "fs/mbcache.ko", "fs/squashfs", "fs/overlayfs"),
    *("fs/isofs", "fs/fat", "fs/nls", "fs/fuse", "fs/xfs", "fs/autofs", "fs/binfmt_misc.ko"),
    "drivers/virtio",
    *("drivers/block/virtio_blk.ko", "drivers/block/loop.ko", "drivers/block/null_blk"),
    *("drivers/net/virtio_net.ko", "drivers/net/net_failover.ko", "net/core/failover.ko"),
    *(
        "drivers/net/veth.ko",
        "drivers/net/tun.ko",
        "drivers/net/dummy.ko",
        "drivers/net/macvlan.ko",
    ),
    *("drivers/net/ipvlan", "drivers/net/vxlan.ko", "drivers/char/virtio_console.ko"),
    *("drivers/char/hw_random", "drivers/cdrom", "drivers/md"),
    *(f"drivers/scsi/{name}.ko" for name in ("scsi_mod", "sr_mod", "virtio_scsi")),
)
# Loaded by the initrd, with what they depend on.
INITRD_MODULES = (
    *("virtio_pci", "virtio_blk", "virtio_net", "virtio_console", "virtio_rng"),
    *("squashfs", "overlay", "ext4", "crc32c_generic"),
)

# Directories of the root that lie on the data disk, as ContainerOS has it. The links are relative
# so that the initrd, in which the root is mounted elsewhere, can follow them too.
LINKS_INTO_VAR = {
    "opt": "var/opt",
    "root": "var/roothome",
    "home": "var/home",
    "mnt": "var/mnt",
    "usr/local": "../var/usrlocal",
}
DISK_SIZE = "8G"

USERS = {
    "root": 0,
    "daemon": 1,
    "messagebus": 101,
    "systemd-network": 102,
    "systemd-timesync": 103,
    "nobody": 65534,
}
GROUPS = {
    "root": 0,
    "daemon": 1,
    "adm": 4,
    "tty": 5,
    "disk": 6,
    "lp": 7,
    "kmem": 15,
    "dialout": 20,
    "cdrom": 24,
    "floppy": 25,
    "tape": 26,
    "audio": 29,
    "utmp": 43,
    "video": 44,
    "users": 100,
    "messagebus": 101,
    "systemd-network": 102,
    "systemd-timesync": 103,
    "input": 104,
    "kvm": 105,
    "render": 106,
    "sgx": 107,
    "systemd-journal": 108,
    "nogroup": 65534,
}


def recipe_hash() -> str:
    """Name of a build: changes with any file that the build is made from."""
    digest = hashlib.sha256()
    sources = [HERE / f"{name}.py" for name in ("recipe", "rootfs", "initrd", "build")]
    sources.append(HERE / "init")
    sources += sorted(path for path in (HERE / "host").rglob("*") if path.is_file())
    for source in sources:
        digest.update(f"{source.relative_to(HERE)}\0".encode())
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]
