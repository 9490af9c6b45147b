# SPDX-License-Identifier: Apache-2.0
"""After an essential failure at boot: the admin door opens by itself, if the settings say so.

The node will not join, and who looks after it needs a way in. That this failed as well is told,
and is never what the boot is said to have failed of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bootstrap_image.spec import KEYS_FILE
from launcher import interrupt
from launcher.admin import opening
from launcher.admin.request import Opened, Request
from launcher.errors import HatchwayError
from launcher.host import Host
from launcher.keys import access as access_
from launcher.keys import rules
from launcher.references import Reference
from launcher.runtimes import Wish
from launcher.settings import decode_user_data, parse_listen, parse_size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from launcher.bootstrap.context import Ensure
    from launcher.monitor import Monitor
    from launcher.settings import Settings


def attempt(settings: Settings, ensure: Ensure, monitor: Monitor) -> Iterator[str]:
    """Open the door for the keys of the settings and of user data; lines that say what came of it.

    Raises nothing.
    """
    yield "opening the admin door, because [bootstrap] on-failure says so"
    try:
        opened = _open(settings, ensure, monitor)
    except HatchwayError as error:
        yield f"the door could not be opened: {error.message} [{error.code}]"
        yield error.hint or "Open it by hand: hatchway admin start"
    except (Exception, interrupt.Interrupted) as defect:  # noqa: BLE001 - the boot's own failure counts
        yield f"the door could not be opened: {type(defect).__name__}: {defect}"
    else:
        door = opened.door
        yield f"the door is open: ssh -p {door.port} {door.user}@{door.host}"
        yield f"its host key is {door.fingerprint}"


def _open(settings: Settings, ensure: Ensure, monitor: Monitor) -> Opened:
    admin, engine = settings.admin, settings.runtime
    access = access_.collect(
        access_.Request(
            user=admin.user,
            principals=tuple(admin.principals),
            user_data=decode_user_data(admin.user_data),
            kept_file=KEYS_FILE,
            revoked_file=admin.revoked_keys,
            rules=rules.of(admin),
        ),
        lambda _limit: b"",
    )
    for finding in access.warnings:
        monitor.note(f"key skipped: {finding}")
    request = Request(
        image=str(Reference.parse(admin.source)),
        listen=parse_listen(admin.listen),
        access=access,
        wish=Wish(engine.name or "auto", engine.socket, engine.namespace, engine.selinux_type),
        memory=parse_size(admin.memory),
        cpus=admin.cpus,
        pids=admin.pids,
        timeout=admin.timeout,
    )
    return opening.open_door(
        request, Host.read(), lambda runtime, limit: ensure(request.image, runtime, limit), monitor
    )
