# SPDX-License-Identifier: Apache-2.0
"""Hatchway's own records: user data that failed, a door that was left open or broke."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING, Any, Final

from toolbox.doctor.diagnosis import Diagnosis

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_LONG_OPEN: Final = 8 * 3600.0  # seconds


@dataclasses.dataclass(frozen=True, slots=True)
class Own:
    """`door` and `bootstrap` as `admin status` and `bootstrap status` have them."""

    door: Mapping[str, Any]
    bootstrap: Mapping[str, Any]


def read() -> Own:
    from launcher.admin import status
    from launcher.bootstrap import results

    return Own(status.as_json(status.look()), results.look())


def check(own: Own, now: float | None = None) -> Iterator[Diagnosis]:
    now = time.time() if now is None else now
    yield from _bootstrap(own.bootstrap)
    state, reason = own.door.get("state"), own.door.get("reason") or {}
    opened = float(own.door.get("since") or now)
    if state in ("failed", "died", "interrupted"):
        yield Diagnosis(
            "hatchway.door-broken",
            "warning",
            f"the admin container's door: {state}",
            (f"{reason.get('message', '')} [{reason.get('code', '')}]",),
            str(reason.get("hint") or "`hatchway admin status` says more."),
        )
    elif state == "open" and not own.door.get("sessions") and now - opened > _LONG_OPEN:
        yield Diagnosis(
            "hatchway.door-left-open",
            "notice",
            f"the admin container's door has been open for {(now - opened) / 3600:.0f} hours",
            ("nobody is inside",),
            "`hatchway admin stop` closes it.",
        )


def _bootstrap(facts: Mapping[str, Any]) -> Iterator[Diagnosis]:
    last = facts.get("last") or {}
    if facts.get("state") in ("failed", "degraded"):
        bad = [step for step in last.get("steps", ()) if step.get("status") in _BAD]
        yield Diagnosis(
            "hatchway.bootstrap-failed",
            "critical" if facts["state"] == "failed" else "warning",
            f"user data {facts['state']}: {last.get('message') or 'a step did not succeed'}",
            tuple(
                f"{step.get('job')}/{step.get('step')}: {step.get('status')} {step.get('message')}"
                for step in bad
            ),
            "`hatchway bootstrap logs` has what it printed; `hatchway bootstrap run` tries again.",
        )


_BAD: Final = ("failed", "timed-out", "interrupted", "not-run")
