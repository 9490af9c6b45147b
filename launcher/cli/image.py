# SPDX-License-Identifier: Apache-2.0
"""`hatchway image`: have images here before they are needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from launcher.cli import options, output
from launcher.cli.flags import AS_SET, EngineFlags, spread
from launcher.cli.options import (
    AuthfileOption,
    OutputOption,
    QuietOption,
    TimeoutOption,
)
from launcher.cli.output import Output
from launcher.errors import Exit

if TYPE_CHECKING:
    from launcher.runtimes.base import Image

PULL_LIMIT = 600.0  # seconds

app = typer.Typer(
    help="Images: pull them ahead of need, or bring them along as a file.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command()
@spread("engine", EngineFlags)
def pull(
    image: Annotated[str, typer.Argument(help="Reference; the admin image by default.")] = "",
    policy: Annotated[str, typer.Option("--pull", help="missing or always.")] = "always",
    engine: EngineFlags = AS_SET,
    authfile: AuthfileOption = "",
    timeout: TimeoutOption = PULL_LIMIT,
    quiet: QuietOption = False,
    form: OutputOption = Output.TEXT,
) -> int:
    """Fetch an image from its registry, so that a later start needs no network."""
    from launcher import monitor, runtimes
    from launcher.deadline import Deadline
    from launcher.host import Host, require_root

    settings = options.load_settings()
    reference = options.checked_image(image or settings.admin.source)
    chosen_policy = options.checked("--pull", options.pull_policy, policy)
    require_root()
    limit = Deadline.after(timeout or PULL_LIMIT)
    choice = runtimes.choose(engine.wish(settings), Host.read(), limit)
    with monitor.for_terminal(quiet=quiet) as listener:
        have = options.ensure(settings, listener, chosen_policy, authfile)
        found = have(reference, choice.runtime, limit.left())
    _print(found, form)
    return Exit.DONE


@app.command()
@spread("engine", EngineFlags)
def load(
    archive: Annotated[str, typer.Argument(help="An image archive; - is standard input.")],
    name: Annotated[str, typer.Option(help="What to call it, whatever it calls itself.")] = "",
    digest: Annotated[str, typer.Option(help="What it must be: sha256:...")] = "",
    engine: EngineFlags = AS_SET,
    timeout: TimeoutOption = PULL_LIMIT,
    quiet: QuietOption = False,
    form: OutputOption = Output.TEXT,
) -> int:
    """Take an image from a file (docker save, podman save), for hosts without any registry."""
    import sys
    from pathlib import Path

    from launcher import door as doors
    from launcher import image_names, images, monitor, runtimes
    from launcher.deadline import Deadline
    from launcher.host import Host, require_root
    from launcher.incoming import Limits
    from launcher.settings import parse_size

    require_root()
    settings = options.load_settings()
    terms = image_names.terms(settings, name=name, digest=digest)
    most, reserve = settings.images.archive_limit, settings.images.disk_reserve
    limit = Deadline.after(timeout or PULL_LIMIT)
    choice = runtimes.choose(engine.wish(settings), Host.read(), limit)
    source = sys.stdin.buffer if archive == "-" else Path(archive)
    with monitor.for_terminal(quiet=quiet) as listener:
        found = images.load(
            source,
            runtime=choice.runtime,
            store=doors.STATE,
            monitor=listener,
            timeout=limit.left(),
            terms=terms,
            limits=Limits(unpacked=parse_size(most), reserve=parse_size(reserve)),
        )
    _print(found, form)
    return Exit.DONE


@output.answer()
def _print(image: Image, form: Output) -> None:
    if form is Output.TEXT:
        output.line(f"{image.name} {image.config_digest}")
        return
    facts = {
        "name": image.name,
        "config_digest": image.config_digest,
        "manifest_digest": image.manifest_digest,
        "labels": dict(image.labels),
    }
    output.data(facts, form)
