# SPDX-License-Identifier: Apache-2.0
"""A plan as an OCI runtime configuration, for engines that take one (containerd's ctr).

https://github.com/opencontainers/runtime-spec/blob/main/config.md
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from hostview import seccomp_allow
from launcher.runtimes import confinement
from launcher.runtimes.accounts import Account
from launcher.runtimes.lsm import APPARMOR, LEVEL, NONE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from launcher.plan import Mount, Plan
    from launcher.runtimes.lsm import Lsm

CPU_PERIOD: Final = 100_000  # microseconds, the kernel's default
DEFAULT_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ROOT: Final = Account(0, 0)
_NAMESPACES: Final = ("pid", "network", "ipc", "uts", "cgroup", "mount")


def configuration(
    plan: Plan, image: Mapping[str, Any], rootfs: str, account: Account = ROOT, lsm: Lsm = NONE
) -> dict[str, Any]:
    """The `config.json` for `plan`.

    `image` is the image's own configuration (`config` of it); `account` is whom the plan's user,
    or else the image's, stands for.
    """
    names = [capability.name for capability in plan.capabilities]
    return {
        "ociVersion": "1.0.2",
        "process": {**_process(plan, image, account, names), **_lsm(plan, lsm)},
        "root": {"path": rootfs},
        **({"hostname": plan.hostname} if plan.hostname else {}),
        "mounts": _mounts(plan),
        "annotations": plan.labels,
        "linux": {
            "namespaces": _namespaces(plan),
            "cgroupsPath": f"/hatchway/{plan.name}",
            "resources": _resources(plan),
            "rootfsPropagation": _propagation(plan),
            **(_confinement(plan, names) if plan.confined else {}),
        },
    }


def _process(
    plan: Plan, image: Mapping[str, Any], account: Account, names: list[str]
) -> dict[str, Any]:
    capabilities = [f"CAP_{name}" for name in names]
    kinds = ["bounding", "effective", "permitted"]
    if account.uid:  # else exec(2) would leave another user without any of them
        kinds += ["inheritable", "ambient"]
    own = [*(image.get("Entrypoint") or ()), *(image.get("Cmd") or ())]
    return {
        "terminal": plan.terminal,
        # From the beginning: the client tells it of changes, and of the first size too late.
        **(_console_size() if plan.terminal else {}),
        "user": {
            "uid": account.uid, "gid": account.gid, "additionalGids": list(account.groups),
        },
        "args": list(plan.command) or own,
        "env": _environment(plan, image),
        "cwd": plan.workdir or image.get("WorkingDir") or "/",
        "capabilities": dict.fromkeys(kinds, capabilities),
        **({"noNewPrivileges": True} if plan.looks_only else {}),
        "rlimits": _rlimits(plan),
        "oomScoreAdj": plan.limits.oom_score_adj,
    }  # fmt: skip


def _console_size() -> dict[str, Any]:
    try:
        columns, lines = os.get_terminal_size(0)
    except OSError:
        return {}
    return {"consoleSize": {"height": lines, "width": columns}} if lines and columns else {}


def _lsm(plan: Plan, lsm: Lsm) -> dict[str, str]:
    """Names of what is not there would be errors."""
    found = {}
    if APPARMOR in plan.lsm and lsm.profile:
        found["apparmorProfile"] = lsm.profile
    if lsm.domain:  # also for others: their files have no label that a narrower one may read
        found["selinuxLabel"] = f"system_u:system_r:{lsm.domain}:{LEVEL}"
    return found


def _environment(plan: Plan, image: Mapping[str, Any]) -> list[str]:
    """What is set later wins; there is always a PATH, and runc sees to HOME."""
    own = dict(pair.partition("=")[::2] for pair in image.get("Env") or ())
    return _pairs({"PATH": DEFAULT_PATH, **own, **plan.environment})


def _mounts(plan: Plan) -> list[dict[str, Any]]:
    taken = {mount.target for mount in plan.mounts}
    return [
        {"destination": "/proc", "type": "proc", "source": "proc"},
        *(mount for mount in confinement.mounts() if not _below(mount["destination"], taken)),
        *(_bind(mount) for mount in plan.mounts),
        *({"destination": place, "type": "tmpfs", "source": "tmpfs"} for place in plan.tmpfs),
    ]


def _below(place: str, taken: set[str]) -> bool:
    return any(place == other or place.startswith(f"{other}/") for other in taken)


def _namespaces(plan: Plan) -> list[dict[str, str]]:
    own = [kind for kind in _NAMESPACES if kind not in plan.host_namespaces]
    kinds = dict.fromkeys([*own, *plan.joins])
    joined = plan.joins.get
    return [{"type": kind, **({"path": p} if (p := joined(kind)) else {})} for kind in kinds]


def _confinement(plan: Plan, names: list[str]) -> dict[str, Any]:
    return {
        "seccomp": (
            confinement.observers_seccomp() if plan.looks_only else confinement.seccomp(names)
        ),
        "maskedPaths": list(confinement.MASKED),
        "readonlyPaths": list(confinement.READ_ONLY),
    }


def _propagation(plan: Plan) -> str:
    """A mount passes back to the host only where the container's root does."""
    shared = any(mount.propagation == "rshared" for mount in plan.mounts)
    return "rshared" if shared else "rslave"


def _pairs(environment: Mapping[str, str]) -> list[str]:
    return [f"{name}={value}" for name, value in environment.items()]


def _bind(mount: Mount) -> dict[str, Any]:
    kind = "rbind" if mount.recursive else "bind"
    options = [kind, mount.propagation, "ro" if mount.read_only else "rw"]
    return {
        "destination": mount.target, "type": "bind", "source": mount.source, "options": options,
    }  # fmt: skip


def _rlimits(plan: Plan) -> list[dict[str, Any]]:
    kinds = {
        "RLIMIT_NOFILE": plan.limits.nofile,
        "RLIMIT_NPROC": plan.limits.nproc,
        "RLIMIT_CORE": seccomp_allow.CORE_LIMIT if plan.looks_only else None,
    }
    return [
        {"type": kind, "hard": hard, "soft": hard}
        for kind, hard in kinds.items()
        if hard is not None
    ]


def _resources(plan: Plan) -> dict[str, Any]:
    limits = plan.limits
    return {
        "devices": confinement.devices() if plan.confined else [{"allow": True, "access": "rwm"}],
        "memory": {"limit": limits.memory},
        "pids": {"limit": limits.pids},
        "cpu": {"quota": int(limits.cpus * CPU_PERIOD), "period": CPU_PERIOD},
    }
