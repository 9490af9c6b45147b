# SPDX-License-Identifier: Apache-2.0
"""A start that finds the door open: proven once more, it lets the new keys in as well."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING, Final

from launcher import door as doors
from launcher import interrupt, probe, sessions, tcp
from launcher.admin import address, inputs
from launcher.admin.request import Opened
from launcher.door import Key
from launcher.errors import DoorError
from launcher.keys import revocation

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from launcher.admin.request import Request
    from launcher.deadline import Deadline
    from launcher.door import Door
    from launcher.keys.access import Access
    from launcher.keys.public_key import PublicKey
    from launcher.keys.rules import Rules

PATIENCE: Final = 20.0  # seconds for a door on a host under load, or with many at it
PAUSE: Final = 0.5


def adopt(found: Door, request: Request, deadline: Deadline) -> Opened | None:
    """The open door, if it answers; None where one may be opened in its place.

    `DoorError` when it does not answer, but somebody is inside: nobody is thrown out by a start.
    """
    until = deadline.within(min(PATIENCE, deadline.left() / 2))
    while problem := _problem(found):
        if tcp.listener(found.address, found.port) is None:
            return None
        if until.passed:
            _require_empty(found, problem)
            return None
        interrupt.check()
        time.sleep(PAUSE)
    present = inputs.read()
    admitted = _admit(found, request, present)
    _prove(admitted, request.access.provable, min(PATIENCE, deadline.left()))
    return Opened(admitted, True, tuple(_differences(found, request, present)))


def _problem(found: Door) -> DoorError | None:
    """What is wrong with the door itself, whoever may enter by now."""
    try:
        _prove(found, (), probe.CONNECT_LIMIT)
    except DoorError as error:
        return error
    return None


def _prove(found: Door, keys: Sequence[PublicKey], timeout: float) -> None:
    probe.prove(
        found.address, found.port, user=found.user, host_keys=found.host_keys, keys=keys,
        timeout=timeout,
    )  # fmt: skip


def _require_empty(found: Door, problem: DoorError) -> None:
    inside = sessions.current(found.port, tcp.sockets())
    if inside:
        who = ", ".join(sorted({session.user for session in inside}))
        message = f"the open door does not answer, and {who} is inside: {problem.message}"
        hint = "Try again; or end all sessions and open it anew: hatchway admin restart"
        raise DoorError("door.handshake", message, hint)


def _admit(found: Door, request: Request, present: Access | None) -> Door:
    """Let in the keys that sshd's own file lacks: somebody may have taken one out of it."""
    admitted = present or dataclasses.replace(request.access, keys=(), cas=())
    known = {key.fingerprint for key in admitted.keys}
    fresh = [key for key in request.access.keys if key.fingerprint not in known]
    if fresh:
        inputs.append_keys(fresh)
    if request.access.revoked and request.access.revoked != admitted.revoked:
        inputs.revoke(request.access.revoked)  # it holds from the next login on
    gone = revocation.blobs(request.access.revoked or admitted.revoked)
    keys_now = (key for key in (*admitted.keys, *fresh) if key.blob not in gone)
    inside = dataclasses.replace(admitted, keys=tuple(keys_now))
    keys, cas = tuple(map(Key.of, inside.logins)), tuple(map(Key.of, inside.authorities))
    if (keys, cas) != (found.keys, found.trusted_cas):
        found = dataclasses.replace(found, keys=keys, trusted_cas=cas)
        doors.write(found)
    return found


def _differences(found: Door, request: Request, present: Access | None) -> list[str]:
    """What is asked for and cannot be given without closing the door on those who are inside."""
    access = request.access
    lists = {
        "the trusted CAs are": {key.fingerprint for key in access.cas}
        - {key.fingerprint for key in found.trusted_cas},
        "the principals are": set(access.principals) - set(found.principals),
    }
    other = [f"{name} not all those asked for" for name, missing in lists.items() if missing]
    if access.data.settings() not in ((), present.data.settings() if present else ()):
        other.append("the user data's algorithms, command or password are not as asked")
    if present:
        other += _of_rules(present.rules, access.rules)
        gone = revocation.blobs(access.revoked or present.revoked)
        other += [f"{key.fingerprint} is revoked" for key in access.keys if key.blob in gone]
    options = {key.fingerprint: key.options for key in present.keys} if present else {}
    other += [
        f"the options of {key.fingerprint} are not those asked for"
        for key in access.keys
        if options.get(key.fingerprint, key.options) != key.options
    ]
    asked = {
        "image": (found.image, request.image),
        "address": (address.meant(found.address), address.meant(request.listen.address)),
        "port": (found.port, request.listen.port),
        "user": (found.user, access.user),
    }
    return other + [
        f"{name} is {is_now or 'every address'}, not {wanted or 'every address'} as asked"
        for name, (is_now, wanted) in asked.items()
        if is_now != wanted
    ]


def _of_rules(present: Rules, asked: Rules) -> Iterator[str]:
    if present.policy != asked.policy:
        yield f"SSH policy is {present.policy}, not {asked.policy} as asked"
    if dataclasses.replace(present, policy=asked.policy) != asked:
        yield "the rules for certificates and security keys are not those asked for"
