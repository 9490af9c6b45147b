# SPDX-License-Identifier: Apache-2.0
"""From a toolbox for the host to one beside a target: the plan is turned into another one.

In our image a program of ours joins the target, for it does what no engine does: mounts, the user
namespace, the target as `/`. Any other image is started in the target's namespaces by its engine.
"""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Final

from admin_image import spec
from launcher.errors import UsageError
from launcher.host import CAPABILITIES
from toolbox import observing
from toolbox.target import resolve
from toolbox.target.name import parse

if TYPE_CHECKING:
    from collections.abc import Iterable

    from launcher.host import Host
    from launcher.plan import Plan
    from launcher.runtimes import Wish
    from launcher.runtimes.base import Image
    from toolbox.target.found import Target

# What joining takes; the command itself keeps what its profile has.
NEEDS: Final = {
    "SYS_ADMIN": "join the target's namespaces, copy its mounts",
    "SYS_PTRACE": "open the namespaces and files of its process",
    "SYS_CHROOT": "setns(2) into a mount namespace",
    "SETUID": "become the target's root",
    "SETGID": "become the target's root",
    "SETPCAP": "take away what the profile does not have",
    "CHOWN": "a home for another user",
    "FOWNER": "the image's files, laid over by memory",
    "DAC_OVERRIDE": "the target's /proc, and places for mounts",
    "KILL": "end what the command leaves behind",
}
_USER: Final = re.compile(r"[0-9]{1,10}(:[0-9]{1,10})?", re.ASCII)
# By the names of plans and of /proc/PID/ns.
_NAMESPACES: Final = {"network": "net", "ipc": "ipc", "uts": "uts", "pid": "pid"}
# docker joins another container of its own, and only these.
_DOCKERS: Final = ("network", "pid")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Joining:
    """A target and how to be beside it. With `root` it is `/`, and our tools are at `tools_at`.

    With `root`, `ptrace` says whether the command may look into processes.
    """

    target: Target
    root: bool = False
    tools_at: str = ""
    ptrace: bool = False
    environment: bool = False
    variables: tuple[str, ...] = ()
    directory: bool = False

    def notes(self, *, ours: bool) -> list[str]:
        """What whoever enters should know first."""
        found = [f"{self.target.name} is paused: it answers nothing"] if self._paused() else []
        if not ours:
            found.append(
                "another image than the admin image: the target's files are at /proc/1/root"
            )
        return found

    def _paused(self) -> bool:
        return self.target.state.value == "paused"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A target as it was asked for, to be looked for yet; the other fields are `Joining`'s."""

    text: str
    socket: str = ""
    root: bool = False
    tools_at: str = ""
    ptrace: bool = False
    environment: bool = False
    variables: tuple[str, ...] = ()
    directory: bool = False

    def look(self, wish: Wish, host: Host) -> Joining:
        """Find the target; see `toolbox.target.resolve` for what is raised."""
        return Joining(
            target=resolve(self.text, wish, host, socket=self.socket),
            root=self.root,
            tools_at=self.tools_at,
            ptrace=self.ptrace,
            environment=self.environment,
            variables=self.variables,
            directory=self.directory,
        )


def wanted(
    text: str, *, socket: str, root: str, tools_at: str, ptrace: bool, environment: bool,
    variables: tuple[str, ...], directory: bool,
) -> Wanted | None:  # fmt: skip
    """What the flags ask for; None without `--target`, `UsageError` when they do not fit."""
    given = {
        "--target-socket": socket, "--root": root, "--tools-at": tools_at,
        "--ptrace": ptrace, "--env-from-target": environment, "--target-env": variables,
        "--cwd-from-target": directory,
    }  # fmt: skip
    if not text:
        if lost := [flag for flag, value in given.items() if value]:
            message = f"{', '.join(lost)}: without --target it means nothing"
            raise UsageError("usage.invalid", message)
        return None
    if root not in ("", "toolbox", "target"):
        message = f"--root {root}: it is `target` or `toolbox`"
        raise UsageError("usage.invalid", message)
    if tools_at and (root != "target" or not tools_at.startswith("/")):
        message = "--tools-at takes an absolute path, and --root target"
        raise UsageError("usage.invalid", message)
    if ptrace and root != "target":
        message = "--ptrace: without --root target the profile decides about it"
        raise UsageError("usage.invalid", message)
    parse(text)
    return Wanted(
        text=text, socket=socket, root=root == "target", tools_at=tools_at,
        ptrace=ptrace, environment=environment, variables=variables, directory=directory,
    )  # fmt: skip


def adapt(plan: Plan, joining: Joining, *, engine: str, kept: Iterable[str]) -> Plan:
    """The plan of a toolbox for the host, turned to the target.

    `kept` are the capabilities that the command is to have of those in the plan. Raises
    `UsageError` for what its image cannot do.
    """
    return _beside(plan, joining, kept) if is_ours(plan.image) else _within(plan, joining, engine)


def is_ours(image: Image) -> bool:
    """Whether the image has our own program for this, and a shell that it starts."""
    return spec.CONTRACT_LABEL in image.labels


def _beside(plan: Plan, joining: Joining, kept: Iterable[str]) -> Plan:
    held = {capability.name for capability in plan.capabilities}
    joined = spec.JoinSpec(
        pid=joining.target.process.pid,
        started=joining.target.process.started,
        name=joining.target.name,
        root="target" if joining.root else "",
        tools_at=joining.tools_at,
        ptrace=joining.ptrace,
        volumes=":".join(mount.target for mount in plan.mounts),
        read_only=plan.looks_only,
        confined=plan.confined,
        environment="target" if joining.environment else "",
        variables=",".join(joining.variables),
        directory="target" if joining.directory else "",
        workdir=plan.workdir,
        user=_user(plan.user),
        observer=observing.user(plan.name) if plan.looks_only else 0,
        capabilities=sum(1 << CAPABILITIES.index(name) for name in held & set(kept)),
    )
    return dataclasses.replace(
        plan,
        host_namespaces=("pid", "network", "ipc", "uts", "cgroup"),
        command=joined.argv(plan.command),
        user="0:0",
        workdir="",
        # The joiner sends signals and mounts; it makes an observer of the command.
        looks_only=False,
        tmpfs=(),
        own_filter=True,
        lsm=(),  # no profile of an engine lets it mount
        notes=(*plan.notes, *joining.notes(ours=True)),
    )


def _user(text: str) -> str:
    if text in ("", "root", "0:0"):  # as the target's root, whatever number that has here
        return ""
    if text == "target":
        return text
    if not _USER.fullmatch(text):
        message = f"--user {text}: beside a target, users are numbers"
        raise UsageError("usage.invalid", message, "Write UID[:GID], or `target` for its own.")
    return text


def _within(plan: Plan, joining: Joining, engine: str) -> Plan:
    asked = {
        "--root": joining.root, "--env-from-target": joining.environment,
        "--target-env": joining.variables, "--cwd-from-target": joining.directory,
    }  # fmt: skip
    if wrong := [flag for flag, given in asked.items() if given]:
        message = f"{', '.join(wrong)}: only the admin image can do that"
        raise UsageError("usage.invalid", message, "Leave --image out, or the flags.")
    return dataclasses.replace(
        plan,
        host_namespaces=("cgroup",),
        joins=_joins(joining.target, engine),
        notes=(*plan.notes, *joining.notes(ours=False)),
    )


def _joins(target: Target, engine: str) -> dict[str, str]:
    if engine == "docker" and target.runtime == "docker":
        return dict.fromkeys(_DOCKERS, f"container:{target.id}")
    return {kind: f"/proc/{target.process.pid}/ns/{file}" for kind, file in _NAMESPACES.items()}
