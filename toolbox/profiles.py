# SPDX-License-Identifier: Apache-2.0
"""What a toolbox may do, by name: kubectl's names, and `observe`. Data, with a reason each."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

from launcher.errors import UsageError
from launcher.profiles import admin

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """`sees_host` mounts the host at /host; `devices` gives all of the host's, and /sys to write.

    `confined`, `looks_only` and `lsm` are those of a plan.
    """

    name: str
    what: str
    capabilities: Mapping[str, str]
    host_namespaces: tuple[str, ...] = ("pid", "network", "ipc", "uts", "cgroup")
    sees_host: bool = True
    devices: bool = False
    confined: bool = True
    looks_only: bool = False
    lsm: tuple[str, ...] = ()


# What engines give to any container: without it no package manager works in there.
_ORDINARY: Final = {
    "CHOWN": "install packages",
    "DAC_OVERRIDE": "install packages, write files of any user in the toolbox",
    "FOWNER": "install packages",
    "FSETID": "install packages",
    "SETFCAP": "install packages",
    "SETUID": "package managers fetch as another user; su",
    "SETGID": "the same for groups",
    "SETPCAP": "drop rights for a child",
    "SYS_CHROOT": "chroot /host, and package managers",
    "MKNOD": "install packages",
    "KILL": "end processes of any user",
    "NET_BIND_SERVICE": "listen on a low port",
    "AUDIT_WRITE": "su writes an audit record",
}
_NETWORK: Final = {
    "NET_RAW": "tcpdump, ping, traceroute",
    "NET_ADMIN": "ip, tc, nft, ethtool, conntrack, promiscuous mode",
}
_PROCESSES: Final = {"SYS_PTRACE": "strace, gdb, ss -p, lsof: see into processes of any user"}

TABLE: Final = {
    profile.name: profile
    for profile in (
        Profile(
            name="observe",
            what="look, change nothing: no signals, no daemon's socket, no packets",
            # Neither SYS_PTRACE, by which /proc/1/root is a way round the read-only /host, nor
            # SYSLOG, which also clears the kernel's log.
            capabilities={"DAC_READ_SEARCH": "read files of any user"},
            host_namespaces=("pid", "network", "uts", "cgroup"),
            looks_only=True,
            # AppArmor's profiles let it read, and keep it from writing below /sys and /proc; a
            # label of SELinux's would keep it from the host's files.
            lsm=("apparmor",),
        ),
        Profile(
            name="general",
            what="look, capture and trace: tcpdump, ss, strace, dmesg; the default",
            capabilities={
                **_ORDINARY, **_NETWORK, **_PROCESSES,
                "DAC_READ_SEARCH": "read files of any user",
                "SYSLOG": "dmesg",
            },
        ),
        Profile(
            name="netadmin",
            what="the host's network, without its files",
            capabilities={**_ORDINARY, **_NETWORK, **_PROCESSES},
            sees_host=False,
        ),
        Profile(
            name="sysadmin",
            what="everything: mount, perf, bpf, modules, nsenter, all devices, no filter",
            capabilities={**admin.NEEDS, **admin.WANTS},
            devices=True,
            confined=False,
        ),
    )
}  # fmt: skip
DEFAULT: Final = "general"


def named(name: str) -> Profile:
    """The profile of that name; `UsageError` lists all of them."""
    if name in TABLE:
        return TABLE[name]
    message = f"there is no profile {name!r}"
    raise UsageError("usage.invalid", message, f"Profiles are: {', '.join(TABLE)}.")
