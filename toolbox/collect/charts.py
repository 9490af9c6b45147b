# SPDX-License-Identifier: Apache-2.0
"""Charts as inline SVG: how the host booted, and how full its disks are."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING, Final

from toolbox.doctor.boot import slowest
from toolbox.doctor.disks import human

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from toolbox.doctor.boot import Boot
    from toolbox.doctor.disks import FileSystem
    from toolbox.doctor.units import Unit

_WIDTH: Final = 960
_LABEL: Final = 250
_ROW: Final = 24
_PLOT: Final = _WIDTH - _LABEL - 170


def boot(units: Sequence[Unit], facts: Boot, clean: Callable[[str], str]) -> str:
    """Stages and the slowest units along one axis of seconds since the kernel began."""
    slow = slowest(units, facts)
    end = max([facts.finished, *(unit.ready for unit in slow), 0.001])
    # The page must not be stretched by a unit that came much later by hand.
    scale = _PLOT / end
    rows = list(_stages(facts, scale))
    for unit in slow:
        length = unit.ready - unit.began
        rows.append(
            _row(len(rows), clean(unit.name), _LABEL + unit.began * scale, length * scale,
                 f"{length:.2f} s", kind="unit")
        )  # fmt: skip
    return _svg(len(rows), "boot time", "".join([*_axis(end, scale, len(rows)), *rows]))


def _stages(facts: Boot, scale: float) -> Iterator[str]:
    at = 0.0
    shown = [(name, length) for name, length in facts.stages if name not in ("firmware", "loader")]
    for number, (name, length) in enumerate(shown):
        text = f"{length:.2f} s"
        yield _row(number, name, _LABEL + at * scale, length * scale, text, kind="stage")
        at += length


def _axis(end: float, scale: float, rows: int) -> Iterator[str]:
    step = 10 ** math.floor(math.log10(end / 4)) if end > 0.01 else 0.01
    step *= next((factor for factor in (1, 2, 5) if end / (step * factor) <= 6), 10)
    for number in range(int(end / step) + 1):
        x = _LABEL + number * step * scale
        yield (
            f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{rows * _ROW}"/>'
            f'<text class="tick" x="{x:.1f}" y="{rows * _ROW + 16}">{number * step:g} s</text>'
        )


def disks(systems: Sequence[FileSystem], clean: Callable[[str], str]) -> str:
    """A bar for each file system, the fullest first; inodes where they are the tighter."""
    rows = []
    # What lies in memory and holds nothing is no disk that anyone asks for.
    shown = [each for each in systems if each.mount.kind != "tmpfs" or each.used >= 1]
    order = sorted(shown, key=lambda each: -max(each.used, each.inodes_used))[:20]
    for number, each in enumerate(order):
        y = number * _ROW
        kind = "bad" if max(each.used, each.inodes_used) >= 90 else "unit"
        rows.append(
            f'<rect class="empty" x="{_LABEL}" y="{y + 5}" width="{_PLOT}" height="14" rx="2"/>'
            + _row(number, clean(each.mount.place), _LABEL, _PLOT * each.used / 100,
                   f"{each.used:.0f} %, {human(each.free)} left", kind=kind, at=_LABEL + _PLOT)
        )  # fmt: skip
        if each.inodes_used >= 1:
            x = _LABEL + _PLOT * each.inodes_used / 100
            rows.append(
                f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="{y + 3}" y2="{y + 21}">'
                f"<title>{each.inodes_used:.0f} % of inodes</title></line>"
            )
    return _svg(len(order), "disk use", "".join(rows), axis=False)


def _row(
    number: int,
    label: str,
    x: float,
    width: float,
    text: str,
    *,
    kind: str,
    at: float | None = None,
) -> str:
    y = number * _ROW
    shown = label if len(label) <= 34 else f"{label[:16]}…{label[-17:]}"
    after = (x + max(width, 1.5) if at is None else at) + 8
    return (
        f'<text class="label" x="{_LABEL - 10}" y="{y + 16}">{escape(shown)}'
        f"<title>{escape(label)}</title></text>"
        f'<rect class="{kind}" x="{x:.1f}" y="{y + 5}" width="{max(width, 1.5):.1f}" height="14" '
        f'rx="2"><title>{escape(label)}: {escape(text)}</title></rect>'
        f'<text class="value" x="{after:.1f}" y="{y + 16}">{escape(text)}</text>'
    )


def _svg(rows: int, title: str, content: str, *, axis: bool = True) -> str:
    height = rows * _ROW + (24 if axis else 6)
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{escape(title)}">'
        f"{content}</svg>"
    )
