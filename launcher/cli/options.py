# SPDX-License-Identifier: Apache-2.0
"""Options that several commands share, and how flags lie on top of the settings."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from launcher import streams
from launcher.cli.output import Output
from launcher.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from launcher.images import Pull
    from launcher.monitor import Monitor
    from launcher.runtimes.base import Image, Runtime
    from launcher.settings import Settings

OutputOption = Annotated[Output, typer.Option("--output", "-o", help="text, json or jsonl.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")]
AuthfileOption = Annotated[
    str, typer.Option("--authfile", help="Registry credentials, as docker and podman keep them.")
]
TimeoutOption = Annotated[
    float | None, typer.Option("--timeout", min=1, help="Seconds for all of it, the pull too.")
]
StopTimeoutOption = Annotated[
    float, typer.Option("--timeout", min=1, help="Seconds for all of it, the engine's part too.")
]

T = TypeVar("T")


def load_settings() -> Settings:
    """The settings of this host; what is odd in them goes to stderr."""
    from launcher import settings
    from launcher.cli import output

    loaded, findings = settings.load()
    for finding in findings:
        output.warning(str(finding))
    return loaded


def standard_input(limit: int, *, what: str = "the public keys") -> bytes:
    """Up to `limit` bytes that are piped into us; a terminal is told what is awaited."""
    if sys.stdin.isatty():
        streams.tell(f"Paste {what}, then press ctrl-D:")
    return sys.stdin.buffer.read(limit)


def ensure(
    settings: Settings, monitor: Monitor, pull: Pull, authfile: str = ""
) -> Callable[[str, Runtime, float], Image]:
    """What has an image, by its reference, in a runtime within so many seconds."""
    from launcher import door, images, registries
    from launcher.references import Reference

    known = registries.from_settings(settings, authfile)

    def have(image: str, runtime: Runtime, limit: float) -> Image:
        return images.ensure(
            Reference.parse(image),
            runtime=runtime,
            policy=pull,
            registries=known,
            store=door.STATE,
            monitor=monitor,
            timeout=limit,
        )

    return have


def find_image(image: str, runtime: Runtime) -> Image | None:
    """An image by its reference, if the runtime holds it; asks no registry."""
    from launcher import door, images
    from launcher.references import Reference

    return images.find(Reference.parse(image), runtime=runtime, store=door.STATE)


def checked_image(text: str) -> str:
    """The canonical form of an image reference; `ImageError` when it is malformed."""
    from launcher.references import Reference

    return str(Reference.parse(text))


def pull_policy(text: str) -> Pull:
    from launcher.images import Pull

    try:
        return Pull(text)
    except ValueError:
        known = ", ".join(Pull)
        message = f"{text!r} is none of {known}"
        raise ValueError(message) from None


def checked(option: str, parse: Callable[[str], T], text: str) -> T:
    """Parse the value of an option; what is wrong with it names the option."""
    try:
        return parse(text)
    except ValueError as error:
        raise UsageError("usage.invalid", f"{option}: {error}") from None
