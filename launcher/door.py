# SPDX-License-Identifier: Apache-2.0
"""The record of the door in /run: what was opened, so that status, stop and exec need no engine.

The record is a claim; the process that it names is the truth. /run is empty after a reboot.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Self

from admin_image import spec
from launcher import files, logfile
from launcher.errors import HostError
from launcher.proc import Process

if TYPE_CHECKING:
    from launcher.keys.public_key import PublicKey

RUN: Final = Path("/run/hatchway")
STATE: Final = Path("/var/lib/hatchway")
RECORD: Final = RUN / "admin.json"
LOCK: Final = RUN / "admin.lock"
LOG: Final = Path(spec.LOG_FILE)
# Listen addresses that stand for many, and that nobody can dial: all, those of IPv4, those of IPv6.
# Each with addresses that lie outward (RFC 5737, RFC 3849).
EVERYWHERE: Final = {
    "": ("192.0.2.1", "2001:db8::1"),
    "0.0.0.0": ("192.0.2.1",),  # noqa: S104 - asked for
    "::": ("2001:db8::1",),
}


@dataclasses.dataclass(frozen=True, slots=True)
class Key:
    """An admitted key as people know it; `source` is where it came from, `file:line`."""

    fingerprint: str
    type: str
    comment: str
    source: str = ""

    @classmethod
    def of(cls, key: PublicKey) -> Self:
        return cls(key.fingerprint, key.kind, key.comment, key.source)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """One door. `pid` and `started` are the launcher's while `starting`, then the container's.

    `opened` is in seconds since the epoch; `host_keys` are `TYPE BASE64`, ed25519 first. One that
    is `closed` stays on record while its engine has its container yet; `uncleared` says why.
    """

    state: Literal["starting", "open", "closed"]
    pid: int
    started: int
    runtime: str
    socket: str
    namespace: str
    container: str
    container_id: str = ""
    image: str = ""
    image_digest: str = ""
    plan: str = ""
    address: str = ""
    port: int = 0
    user: str = ""
    uid: int = 0
    host_keys: tuple[str, ...] = ()
    keys: tuple[Key, ...] = ()
    trusted_cas: tuple[Key, ...] = ()
    principals: tuple[str, ...] = ()
    opened: float = 0.0
    notes: tuple[str, ...] = ()
    uncleared: str = ""

    def process(self) -> Process:
        return Process(self.pid, self.started)

    def alive(self) -> bool:
        return self.process().alive()

    @property
    def host_key(self) -> str:
        """The ed25519 one, which every door has."""
        return self.host_keys[0] if self.host_keys else ""

    @property
    def fingerprint(self) -> str:
        """`SHA256:...` of the ed25519 host key."""
        return host_fingerprint(self.host_key) if self.host_key else ""

    @property
    def host(self) -> str:
        """An address that a client can dial: the listen address, or the host's own first one."""
        return outward_address(self.address) if self.address in EVERYWHERE else self.address

    @property
    def known_hosts(self) -> str:
        """The lines for a client's known_hosts; `[ADDRESS]:PORT` unless the port is 22."""
        host = self.host if self.port == 22 else f"[{self.host}]:{self.port}"
        return "\n".join(f"{host} {key}" for key in self.host_keys)


def host_fingerprint(key: str) -> str:
    """`SHA256:...` of a host key, `TYPE BASE64`."""
    return spec.fingerprint(key.split()[1])


def read() -> Door | None:
    """The record, or None; a damaged one counts as none, for the next start cleans up anyway."""
    try:
        return _decode(json.loads(RECORD.read_bytes()))
    except (FileNotFoundError, NotADirectoryError, ValueError, TypeError, KeyError):
        return None
    except PermissionError:
        raise HostError("host.not-root", f"cannot read {RECORD}", "Run it with sudo.") from None


def write(door: Door) -> None:
    files.write(RECORD, json.dumps(dataclasses.asdict(door)).encode())


def _decode(fields: dict[str, Any]) -> Door:
    if "host_key" in fields:  # a door that an earlier release opened
        fields["host_keys"] = [fields.pop("host_key")]
    keys = {name: tuple(Key(**key) for key in fields[name]) for name in ("keys", "trusted_cas")}
    lists = {name: tuple(fields[name]) for name in ("host_keys", "principals", "notes")}
    return Door(**{**fields, **keys, **lists})


def phase() -> spec.Phase | None:
    """What the container last said of itself."""
    try:
        return spec.Phase.from_json(Path(spec.PHASE_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError):
        return None


def notes(door: Door) -> tuple[str, ...]:
    """What one should know of it: from its start, and what the container has told since."""
    told = phase() if door.state == "open" else None
    return tuple(dict.fromkeys((*door.notes, *(told.warnings if told else ()))))


def log_tail(lines: int) -> str:
    """The last lines of the door's log; none is empty."""
    return "\n".join(logfile.tail(LOG, lines))


def outward_address(listen: str = "") -> str:
    """The address that this host uses outwards, by its routes alone: nothing is sent.

    `listen` is one of `EVERYWHERE`.
    """
    import socket

    for target in EVERYWHERE[listen]:
        family = socket.AF_INET6 if ":" in target else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as probe, contextlib.suppress(OSError):
            probe.connect((target, 9))
            return str(probe.getsockname()[0])
    return "::1" if listen == "::" else "127.0.0.1"
