# SPDX-License-Identifier: Apache-2.0
"""Who observes: a user that nobody else is, in any image; see the rationale for the borders."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import TYPE_CHECKING, Final

from admin_image import spec
from launcher.errors import UsageError

if TYPE_CHECKING:
    from launcher.plan import Plan
    from toolbox.request import Request

# Above what systemd, sssd and engines give away, below what they cannot read (2**31).
_FIRST: Final = 2_100_000_000
_COUNT: Final = 1 << 24
# What it writes is in memory, within the limit: it must not fill the disk of the host.
PLACES: Final = ("/tmp", "/var/tmp")  # noqa: S108 - the toolbox's
# What becoming the observer takes in our image; the command itself has none of it.
NEEDS: Final = {
    "CHOWN": "let the observer open its own standard streams again",
    "SETGID": "become the observer",
    "SETPCAP": "give up all other rights",
    "SETUID": "become the observer",
}
_ROOT: Final = ("", "root", "0", "0:0", "root:root")
_DOCKER_NOTE: Final = (
    "docker gives no right to another user than root, and only the admin image can do it itself: "
    "in this image observe reads what everyone may read"
)
_TARGET_NOTE: Final = "observe in another image sees the target's processes and network, no files"


def check(profile: str, request: Request) -> None:
    """Refuse what would make an observer somebody else, or let it write."""
    if request.user not in _ROOT:
        message = f"--user {request.user}: whoever observes is a user that nobody else is"
        raise UsageError("usage.invalid", message, f"Leave --user out, or --profile {profile}.")
    if request.host_rw:
        message = "--host-rw: whoever observes changes nothing"
        raise UsageError("usage.invalid", message, "Take --profile general for it.")


def user(name: str) -> int:
    """The observer's uid and gid in the container of that name: another one in each."""
    digest = hashlib.sha256(name.encode()).digest()
    return _FIRST + int.from_bytes(digest[:4], "big") % _COUNT


def prefix(plan: Plan) -> tuple[str, ...]:
    """What stands before each command in that container; nothing where its image is not ours."""
    ours = plan.looks_only and spec.CONTRACT_LABEL in plan.image.labels
    return (*spec.OBSERVE, str(user(plan.name))) if ours else ()


def adapt(plan: Plan, engine: str) -> Plan:
    """The plan with an observer in it, which runs in the container's own namespaces."""
    if before := prefix(plan):
        return dataclasses.replace(plan, command=(*before, *plan.command), user="0:0")
    number = user(plan.name)
    notes = [_DOCKER_NOTE] if engine == "docker" else []
    notes += [_TARGET_NOTE] if plan.joins else []
    return dataclasses.replace(plan, user=f"{number}:{number}", notes=(*plan.notes, *notes))
