# SPDX-License-Identifier: Apache-2.0
"""Options that several commands have, as one value instead of a parameter each.

Typer reads a function's parameters; `spread` shows it the fields of a dataclass in place of one.
"""

from __future__ import annotations

import dataclasses
import inspect
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

    from launcher.runtimes import Wish
    from launcher.settings import Settings


@dataclasses.dataclass(frozen=True)
class EngineFlags:
    """Which engine, on top of what the settings say."""

    runtime: Annotated[
        str, typer.Option("--runtime", help="auto, docker, containerd, podman or nerdctl.")
    ] = ""
    socket: Annotated[str, typer.Option("--socket", help="The engine's socket.")] = ""
    namespace: Annotated[str, typer.Option("--namespace", help="The containerd namespace.")] = ""

    def wish(self, settings: Settings) -> Wish:
        from launcher.runtimes import Wish, require_known

        own = settings.runtime
        name = self.runtime or own.name or "auto"
        require_known(name)  # also where no engine is asked, for the door is open already
        return Wish(
            name,
            self.socket or own.socket,
            self.namespace or own.namespace,
            own.selinux_type,
        )


AS_SET = EngineFlags()


def spread(name: str, kind: type) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Let typer see the fields of `kind`, a dataclass, where the parameter `name` stands.

    Each field is annotated as a parameter of typer's, and has a default.
    """
    fields = [field.name for field in dataclasses.fields(kind)]

    def decorate(function: Callable[..., int]) -> Callable[..., int]:
        def call(**given: Any) -> int:
            flags = kind(**{field: given.pop(field) for field in fields if field in given})
            return function(**given, **{name: flags})

        own = _parameters(function)
        at = next(index for index, one in enumerate(own) if one.name == name)
        spread_out = [*own[:at], *_parameters(kind), *own[at + 1 :]]
        call.__name__, call.__doc__ = function.__name__, function.__doc__
        call.__signature__ = inspect.Signature(spread_out)  # type: ignore[attr-defined]
        call.__annotations__ = {one.name: one.annotation for one in spread_out}
        return call

    return decorate


def _parameters(source: Callable[..., Any]) -> list[inspect.Parameter]:
    """By keyword, so that those with a default may come first, and with types that are read."""
    hints = get_type_hints(source, include_extras=True)
    return [
        one.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=hints[one.name])
        for one in inspect.signature(source).parameters.values()
    ]
