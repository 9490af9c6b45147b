# SPDX-License-Identifier: Apache-2.0
"""Facts of this host and of the caller, read from /proc and /etc, as one value."""

from __future__ import annotations

import dataclasses
import os
import resource
from pathlib import Path
from typing import Final

from launcher.errors import HostError

# By number, as include/uapi/linux/capability.h has them.
CAPABILITIES: Final = (
    "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID",
    "SETPCAP", "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW",
    "IPC_LOCK", "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT",
    "SYS_ADMIN", "SYS_BOOT", "SYS_NICE", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD",
    "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP", "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG",
    "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF", "CHECKPOINT_RESTORE",
)  # fmt: skip

_FIRST_USER_NAMESPACE: Final = 0xEFFFFFFD  # include/linux/proc_ns.h, PROC_USER_INIT_INO


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """What a plan must fit: limits that the caller cannot exceed, and how the host is built.

    `nofile` and `nproc` are hard limits, None where there is none; `memory` is in bytes.
    """

    capabilities: frozenset[str]
    nofile: int | None
    nproc: int | None
    oom_score_adj: int
    cpus: int
    memory: int
    root_shared: bool
    hybrid_cgroups: bool
    os_id: str
    os_name: str

    @classmethod
    def read(cls) -> Host:
        release = _os_release()
        return cls(
            capabilities=_bounding_set(),
            nofile=_hard_limit(resource.RLIMIT_NOFILE),
            nproc=_process_limit(),
            oom_score_adj=int(Path("/proc/self/oom_score_adj").read_text()),
            cpus=os.cpu_count() or 1,
            memory=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
            root_shared=_root_is_shared(Path("/proc/self/mountinfo").read_bytes()),
            hybrid_cgroups=Path("/sys/fs/cgroup/unified/cgroup.procs").exists(),
            os_id=release.get("ID", "linux"),
            os_name=release.get("PRETTY_NAME", "Linux"),
        )


def require_root() -> None:
    """Fail early and clearly: every act of the launcher needs root on the host."""
    if os.geteuid() != 0:
        raise HostError("host.not-root", "this needs root on the host", "Run it with sudo.")
    if not _is_hosts_root():
        message = "this needs root on the host, and here root is another user of it"
        hint = "Run it outside of containers, podman unshare and other user namespaces."
        raise HostError("host.not-root", message, hint)


def _is_hosts_root() -> bool:
    """Whether our user namespace is that of PID 1, which need not be the kernel's first one."""
    own = Path("/proc/self/ns/user")
    if own.stat().st_ino == _FIRST_USER_NAMESPACE:
        return True
    try:
        return own.samefile("/proc/1/ns/user")
    except OSError:  # it is not for us to look at
        return False


def _bounding_set() -> frozenset[str]:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapBnd:"):
            mask = int(line.split()[1], 16)
            return frozenset(name for bit, name in enumerate(CAPABILITIES) if mask >> bit & 1)
    return frozenset()


def _hard_limit(which: int) -> int | None:
    hard = resource.getrlimit(which)[1]
    return None if hard == resource.RLIM_INFINITY else hard


def _process_limit() -> int | None:
    """The hard limit, but no more than there are pids: podman lowers its own to that first."""
    hard = _hard_limit(resource.RLIMIT_NPROC)
    return None if hard is None else min(hard, int(Path("/proc/sys/kernel/pid_max").read_text()))


def _root_is_shared(mountinfo: bytes) -> bool:
    """Whether `/` can pass its mounts on to a slave: optional fields of proc(5) mountinfo.

    Bytes, for anybody may mount something under a name that is no text.
    """
    for line in mountinfo.split(b"\n"):
        fields = line.split(b" - ")[0].split(b" ")
        if fields[4:5] == [b"/"]:
            return any(field.startswith((b"shared:", b"master:")) for field in fields[6:])
    return False


def _os_release() -> dict[str, str]:
    """os-release(5) as a mapping; a host without it is still a host."""
    for place in ("/etc/os-release", "/usr/lib/os-release"):
        try:
            lines = Path(place).read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            continue
        pairs = (line.partition("=") for line in lines if "=" in line and not line.startswith("#"))
        return {name: value.strip().strip("\"'") for name, _, value in pairs}
    return {}
