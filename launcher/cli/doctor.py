# SPDX-License-Identifier: Apache-2.0
"""`hatchway doctor`: what looks wrong with this host."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from launcher.cli import output
from launcher.cli.options import OutputOption
from launcher.cli.output import Output
from launcher.errors import Exit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from toolbox.doctor.checkup import Checkup


def doctor(
    host: Annotated[  # noqa: ARG001 - says what is meant, where later more can be
        bool, typer.Option("--host", help="This host: the only thing to look at so far.")
    ] = True,
    form: OutputOption = Output.TEXT,
) -> int:
    """Look for what is wrong with this host: units, disks, kernel, certificates, clock, names."""
    from launcher import interrupt
    from launcher.host import require_root
    from toolbox.doctor import checkup

    require_root()
    with interrupt.noted():
        found = checkup.examine()
    if form is Output.TEXT:
        output.lines(_lines(found))
    else:
        output.data(found.as_json(), form)
    return Exit.DONE if found.healthy else Exit.DEGRADED


def _lines(found: Checkup) -> Iterator[str]:
    for finding in found.findings:
        yield f"{finding.severity:9} {finding.title} [{finding.code}]"
        yield from (f"          | {line}" for line in finding.evidence)
        yield f"          hint: {finding.advice}"
    for name, why in found.gaps.items():
        yield f"unchecked {name}: {why}"
    if not found.findings:
        yield "nothing looks wrong"
