# SPDX-License-Identifier: Apache-2.0
"""A plan as an OCI runtime configuration, for engines that take one (containerd's ctr).

https://github.com/opencontainers/runtime-spec/blob/main/config.md
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from launcher.plan import Limits, Mount, Plan

CPU_PERIOD: Final = 100_000  # microseconds, the kernel's default
_NAMESPACES: Final = ("pid", "network", "ipc", "uts", "cgroup", "mount")


def configuration(plan: Plan, image: Mapping[str, Any], rootfs: str) -> dict[str, Any]:
    """The `config.json` for `plan`; `image` is the image's own configuration (`config` of it)."""
    capabilities = [f"CAP_{capability.name}" for capability in plan.capabilities]
    return {
        "ociVersion": "1.0.2",
        "process": {
            "user": {"uid": 0, "gid": 0},
            "args": [*(image.get("Entrypoint") or ()), *(image.get("Cmd") or ())],
            "env": [*(image.get("Env") or ()), *_pairs(plan.environment)],
            "cwd": image.get("WorkingDir") or "/",
            "capabilities": dict.fromkeys(("bounding", "effective", "permitted"), capabilities),
            "rlimits": _rlimits(plan.limits),
            "oomScoreAdj": plan.limits.oom_score_adj,
        },
        "root": {"path": rootfs},
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            *(_bind(mount) for mount in plan.mounts),
            *({"destination": place, "type": "tmpfs", "source": "tmpfs"} for place in plan.tmpfs),
        ],
        "annotations": plan.labels,
        "linux": {
            "namespaces": [
                {"type": kind} for kind in _NAMESPACES if kind not in plan.host_namespaces
            ],
            "cgroupsPath": f"/hatchway/{plan.name}",
            "resources": _resources(plan.limits),
            "rootfsPropagation": _propagation(plan),
        },
    }


def _propagation(plan: Plan) -> str:
    """A mount passes back to the host only where the container's root does."""
    shared = any(mount.propagation == "rshared" for mount in plan.mounts)
    return "rshared" if shared else "rslave"


def _pairs(environment: Mapping[str, str]) -> list[str]:
    return [f"{name}={value}" for name, value in environment.items()]


def _bind(mount: Mount) -> dict[str, Any]:
    options = ["rbind", mount.propagation, "ro" if mount.read_only else "rw"]
    return {
        "destination": mount.target, "type": "bind", "source": mount.source, "options": options,
    }  # fmt: skip


def _rlimits(limits: Limits) -> list[dict[str, Any]]:
    kinds = {"RLIMIT_NOFILE": limits.nofile, "RLIMIT_NPROC": limits.nproc}
    return [
        {"type": kind, "hard": hard, "soft": hard}
        for kind, hard in kinds.items()
        if hard is not None
    ]


def _resources(limits: Limits) -> dict[str, Any]:
    return {
        "devices": [{"allow": True, "access": "rwm"}],
        "memory": {"limit": limits.memory},
        "pids": {"limit": limits.pids},
        "cpu": {"quota": int(limits.cpus * CPU_PERIOD), "period": CPU_PERIOD},
    }
