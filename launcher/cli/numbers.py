# SPDX-License-Identifier: Apache-2.0
"""`nan` and `inf` are numbers to Python, and pass every comparison with a limit; here they end."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

# Typer carries its own copy of Click, and offers its types nowhere else.
from typer._click.types import FloatParamType, FloatRange

if TYPE_CHECKING:
    from typer._click.core import Command


class Finite(FloatRange):
    """A number that one could count to, within the limits of the option."""

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is no number.", param, ctx)
        return number


def be_finite(command: Command) -> None:
    """Make every number of the command and of those below it finite."""
    for parameter in command.params:
        kind = parameter.type
        if isinstance(kind, FloatParamType):
            parameter.type = Finite(getattr(kind, "min", None), getattr(kind, "max", None))
    for below in getattr(command, "commands", {}).values():
        be_finite(below)
