# SPDX-License-Identifier: Apache-2.0
"""Units of systemd: which failed, which restart, and which of a node's own are down."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING, Final

from launcher import process
from toolbox.doctor.diagnosis import Diagnosis, count

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_PROPERTIES: Final = (
    "Id", "Description", "LoadState", "ActiveState", "SubState", "Result", "NRestarts",
    "UnitFileState", "ExecMainStatus", "InactiveExitTimestampMonotonic",
    "ActiveEnterTimestampMonotonic",
)  # fmt: skip
# Without one of these a node is none.
NODE_UNITS: Final = ("containerd.service", "docker.service", "crio.service", "kubelet.service")
# What a node needs one of, and whatever starts pods there.
_RUNTIMES: Final = NODE_UNITS[:-1]
_KUBELET: Final = NODE_UNITS[-1]
_RESTARTS_WARN: Final = 3
_RESTARTS_CRITICAL: Final = 20
_RECENT: Final = 24 * 3600.0  # seconds
_LONG: Final = 300.0  # seconds that a start may take before it is worth a word
# They end with each login.
_CONSOLES: Final = ("getty@", "serial-getty@")
_SHOWN: Final = 20
TIME_LIMIT: Final = 20.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A unit as systemd has it; times are seconds since the kernel began, 0 where it never was."""

    name: str
    description: str = ""
    load: str = "loaded"
    active: str = "active"
    sub: str = ""
    result: str = "success"
    restarts: int = 0
    enabled: str = ""
    exit_status: int = 0
    began: float = 0.0
    ready: float = 0.0


def read() -> tuple[Unit, ...]:
    """All units that systemd has loaded, and the node's own; `HostError` if it does not answer."""
    # One that is masked or stopped, and that no other unit names, is not loaded: `*` leaves it out.
    argv = ("systemctl", "show", "--no-pager", f"--property={','.join(_PROPERTIES)}", "*")
    return parse(process.run((*argv, *NODE_UNITS), timeout=TIME_LIMIT).text())


def parse(text: str) -> tuple[Unit, ...]:
    """The units of `systemctl show`, each once."""
    blocks = (
        dict(line.partition("=")[::2] for line in block.splitlines())
        for block in text.split("\n\n")
    )
    named = {block["Id"]: block for block in blocks if block.get("Id")}
    return tuple(_unit(block) for block in named.values() if _is_known(block))


def _is_known(block: dict[str, str]) -> bool:
    """Whether the host has it: one that is asked for by name is answered for in any case."""
    return block["Id"] not in NODE_UNITS or block.get("LoadState") != "not-found"


def _unit(block: dict[str, str]) -> Unit:
    return Unit(
        name=block["Id"],
        description=block.get("Description", ""),
        load=block.get("LoadState", ""),
        active=block.get("ActiveState", ""),
        sub=block.get("SubState", ""),
        result=block.get("Result", ""),
        restarts=_number(block.get("NRestarts", "")),
        enabled=block.get("UnitFileState", ""),
        exit_status=_number(block.get("ExecMainStatus", "")),
        began=_number(block.get("InactiveExitTimestampMonotonic", "")) / 1e6,
        ready=_number(block.get("ActiveEnterTimestampMonotonic", "")) / 1e6,
    )


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else 0


def check(units: Sequence[Unit], now: float | None = None) -> Iterator[Diagnosis]:
    """`now` is seconds since the kernel began."""
    now = time.monotonic() if now is None else now
    yield from _masked(units)
    yield from _failed(units)
    yield from _restarting(units, now)
    yield from _down(units)
    yield from _stuck(units, now)


def _masked(units: Sequence[Unit]) -> Iterator[Diagnosis]:
    masked = [unit for unit in units if unit.name in NODE_UNITS and unit.load == "masked"]
    runtime = any(unit.name in _RUNTIMES and unit.active == "active" for unit in units)
    for unit in masked:
        # Hosts with one runtime mask the other one's unit, so that nobody starts it.
        spare = unit.name in _RUNTIMES and runtime
        yield Diagnosis(
            "units.masked",
            "notice" if spare else "critical",
            f"{unit.name} is masked",
            (f"{unit.name}: masked, {unit.active} ({unit.sub})",),
            f"`systemctl unmask {unit.name}`, then start it"
            + (", if this host needs it beside the runtime that runs." if spare else "."),
        )


def _failed(units: Sequence[Unit]) -> Iterator[Diagnosis]:
    failed = [unit for unit in units if unit.active == "failed"]
    if failed:
        own = any(unit.name in NODE_UNITS for unit in failed)
        yield Diagnosis(
            "units.failed",
            "critical" if own else "warning",
            f"{count(len(failed), 'unit')} failed: {_names(failed)}",
            tuple(
                f"{unit.name}: {unit.result}, exit status {unit.exit_status} ({unit.description})"
                for unit in failed[:_SHOWN]
            ),
            f"Look at `journalctl -u {failed[0].name}`; "
            "then `systemctl reset-failed` and `restart` it.",
        )


def _restarting(units: Sequence[Unit], now: float) -> Iterator[Diagnosis]:
    restless = sorted(
        (unit for unit in units if _is_restless(unit, now)), key=lambda unit: -unit.restarts
    )
    if restless:
        worst = restless[0].restarts
        yield Diagnosis(
            "units.restarts",
            "critical" if worst >= _RESTARTS_CRITICAL else "warning",
            f"{count(len(restless), 'unit')} restarted again and again: {_names(restless)}",
            tuple(f"{unit.name}: {unit.restarts} restarts, now {unit.sub}" for unit in restless),
            f"Look at `journalctl -u {restless[0].name}` for why it ends.",
        )


def _is_restless(unit: Unit, now: float) -> bool:
    """Whether its restarts go on: systemd counts them for as long as the unit is loaded."""
    if unit.restarts < _RESTARTS_WARN or unit.name.startswith(_CONSOLES):
        return False
    last = max(unit.began, unit.ready)
    return unit.active == "activating" or (last > 0 and now - last < _RECENT)


def _down(units: Sequence[Unit]) -> Iterator[Diagnosis]:
    for unit in units:
        if unit.name not in NODE_UNITS or unit.load != "loaded":
            continue
        wanted = unit.enabled.startswith("enabled")
        if unit.active == "inactive" and (wanted or unit.name == _KUBELET):
            yield Diagnosis(
                "units.down",
                # Images for nodes carry a kubelet that is enabled when the node joins.
                "warning" if unit.enabled == "disabled" else "critical",
                f"{unit.name} is {unit.enabled or 'installed'} but not running",
                (f"{unit.name}: {unit.active} ({unit.sub})",),
                f"Look at `systemctl status {unit.name}`, then start it.",
            )
        elif _crashes(unit):
            yield Diagnosis(
                "units.down",
                "critical",
                f"{unit.name} does not stay up",
                (f"{unit.name}: auto-restart, {count(unit.restarts, 'restart')} so far",),
                f"Look at `journalctl -u {unit.name}`.",
            )


def _crashes(unit: Unit) -> bool:
    return unit.active == "activating" and unit.sub == "auto-restart"


def _stuck(units: Sequence[Unit], now: float) -> Iterator[Diagnosis]:
    """Units that have been starting for long, or that wait for yet another try."""
    stuck = [unit for unit in units if _is_stuck(unit, now) and not _is_restless(unit, now)]
    if stuck:
        yield Diagnosis(
            "units.stuck",
            "critical" if any(unit.name in NODE_UNITS for unit in stuck) else "warning",
            f"{count(len(stuck), 'unit is', 'units are')} stuck in activating: {_names(stuck)}",
            tuple(
                f"{unit.name}: activating ({unit.sub}) for {(now - unit.began) / 60:.0f} min"
                if unit.began and not _crashes(unit)
                else f"{unit.name}: activating ({unit.sub}), {count(unit.restarts, 'restart')}"
                for unit in stuck[:_SHOWN]
            ),
            f"Look at `systemctl list-jobs` and `systemctl status {stuck[0].name}`.",
        )


def _is_stuck(unit: Unit, now: float) -> bool:
    # A device that is only tentative counts as activating for as long as it is.
    if unit.active != "activating" or unit.name.endswith(".device"):
        return False
    if _crashes(unit):
        return unit.name not in NODE_UNITS
    return unit.began > 0 and now - unit.began > _LONG


def _names(units: Sequence[Unit]) -> str:
    shown = ", ".join(unit.name for unit in units[:3])
    return shown if len(units) <= 3 else f"{shown} and {len(units) - 3} more"
