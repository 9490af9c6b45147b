# SPDX-License-Identifier: Apache-2.0
"""What the admin container may do: what work on a sick host takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from admin_image import spec
from launcher.plan import Mount, Plan
from launcher.profiles import rights

if TYPE_CHECKING:
    from launcher.host import Host
    from launcher.runtimes.base import Image

NAME: Final = "hatchway-admin"

# Without these nobody could enter the host, or log in at all.
NEEDS: Final = {
    "SYS_ADMIN": "join the host's namespaces, seal the view of the host",
    "SYS_PTRACE": "open the namespaces and files of any process below /proc",
    "SYS_CHROOT": "setns(2) into a mount namespace, sshd's own sandbox",
    "SETUID": "sshd becomes the user, sudo becomes root",
    "SETGID": "sshd becomes the user, sudo becomes root",
}
# What work on a sick host takes. PERFMON, BPF and CHECKPOINT_RESTORE are parts of SYS_ADMIN since
# kernel 5.8; docker 20.10 does not know their names.
WANTS: Final = {
    "CHOWN": "repair ownership",
    "DAC_OVERRIDE": "read and repair files of any user",
    "DAC_READ_SEARCH": "read files of any user",
    "FOWNER": "repair permissions",
    "FSETID": "keep setuid bits when files are restored",
    "KILL": "end processes of any user",
    "SETPCAP": "drop rights for a child",
    "LINUX_IMMUTABLE": "clear chattr +i",
    "NET_BIND_SERVICE": "sshd on a port below 1024",
    "NET_BROADCAST": "network diagnostics",
    "NET_ADMIN": "ip, nft, tc, ethtool",
    "NET_RAW": "tcpdump, ping",
    "IPC_LOCK": "perf and bpf buffers",
    "IPC_OWNER": "look at and remove System V IPC",
    "SYS_MODULE": "modprobe on the host",
    "SYS_RAWIO": "dmidecode, disk firmware tools",
    "SYS_PACCT": "process accounting",
    "SYS_BOOT": "reboot, kexec",
    "SYS_NICE": "renice, taskset",
    "SYS_RESOURCE": "quotas, rlimits, reserved disk space",
    "SYS_TIME": "correct the clock",
    "SYS_TTY_CONFIG": "consoles",
    "MKNOD": "device nodes for repair",
    "LEASE": "file leases",
    "AUDIT_WRITE": "sudo and sshd write audit records",
    "AUDIT_CONTROL": "auditctl",
    "SETFCAP": "restore file capabilities",
    "MAC_OVERRIDE": "repair labels",
    "MAC_ADMIN": "repair labels",
    "SYSLOG": "dmesg, kernel addresses",
    "WAKE_ALARM": "rtc tools",
    "BLOCK_SUSPEND": "keep the host awake",
    "AUDIT_READ": "follow the audit log",
}

# The door must outlive what makes the host sick; its memory limit bounds what it takes.
OOM_SCORE_ADJ: Final = -900


def plan(
    image: Image,
    host: Host,
    *,
    memory: int,
    cpus: float,
    pids: int,
) -> Plan:
    """The admin container: a view of the whole host, read-only until one enters it by `hostsh`."""
    notes: list[str] = []
    return Plan(
        name=NAME,
        image=image,
        host_namespaces=("pid", "network", "ipc", "uts", "cgroup"),
        mounts=_mounts(host, notes),
        capabilities=rights.capabilities(host, NEEDS, WANTS, notes),
        limits=rights.limits(
            host, notes, memory=memory, cpus=cpus, pids=pids, oom_score_adj=OOM_SCORE_ADJ
        ),
        environment={"HOST": spec.HOST, "container": "hatchway"},
        labels=rights.labels("admin"),
        notes=tuple(notes),
    )


def _mounts(host: Host, notes: list[str]) -> tuple[Mount, ...]:
    if not host.root_shared:
        notes.append(
            "/ is a private mount here: mounts made later on the host stay unseen at /host"
        )
    return (
        Mount(
            source="/",
            target=spec.HOST,
            read_only=True,
            # A slave sees the host unmount: a private copy would hold its disks busy.
            propagation="rslave" if host.root_shared else "rprivate",
            reason="the host, to look at; the container seals all that is mounted below it",
        ),
        Mount(source="/dev", target="/dev", reason="the host's devices, also those to come"),
        Mount(source="/sys", target="/sys", reason="the host's devices, cgroups and tracing"),
        Mount(source=spec.RUN, target=spec.RUN, reason="the launcher's word to the container"),
        Mount(source=spec.STATE, target=spec.STATE, reason="SSH host keys, which must not change"),
        Mount(source=spec.LOG, target=spec.LOG, reason="the door's log outlives the door"),
    )
