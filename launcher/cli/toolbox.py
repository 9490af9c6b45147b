# SPDX-License-Identifier: Apache-2.0
"""`hatchway toolbox`: tools for this host, in a container that is gone when they end."""

from __future__ import annotations

import dataclasses
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from launcher.cli import collect, options, output, toolbox_records
from launcher.cli.flags import AS_SET, EngineFlags, spread
from launcher.cli.options import OutputOption
from launcher.cli.output import Output
from launcher.cli.toolbox_flags import Flags
from launcher.errors import Exit, HatchwayError, UsageError

if TYPE_CHECKING:
    from launcher.host import Host
    from launcher.runtimes.base import Image, Runtime
    from launcher.settings import Settings
    from toolbox.request import Request
    from toolbox.target.joining import Wanted

app = typer.Typer(
    help="Tools for this host, in a container that is gone when they end. Alone: a shell.",
    invoke_without_command=True,
    rich_markup_mode=None,
)

# The first word that is no option begins the command, with or without `--`.
_PASS_ON = {"allow_interspersed_args": False}

KeepOption = Annotated[
    str, typer.Option("--keep", help="In the toolbox of this name, which stays. Made if need be.")
]
DetachOption = Annotated[
    bool, typer.Option("--detach", "-d", help="Print an id and go on in the background.")
]
AsOption = Annotated[str, typer.Option("--as", hidden=True)]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Print the plan; do nothing.")]


@app.callback()
def _bare(context: typer.Context) -> int | None:
    if context.invoked_subcommand is not None:
        return None
    return _enter("", Flags(), AS_SET)


app.command()(collect.collect)
app.command("list")(toolbox_records.list_)
app.command()(toolbox_records.rm)
app.command()(toolbox_records.logs)
app.command()(toolbox_records.wait)
app.command()(toolbox_records.stop)
app.command(hidden=True)(toolbox_records.work)


@app.command(context_settings=_PASS_ON)
@spread("asked", Flags)
@spread("engine", EngineFlags)
def run(
    command: Annotated[list[str], typer.Argument(help="The command and its arguments.")],
    asked: Flags,
    engine: EngineFlags,
    keep: KeepOption = "",
    detach: DetachOption = False,
    dry_run: DryRunOption = False,
    form: OutputOption = Output.TEXT,
    own: AsOption = "",
) -> int:
    """Run a command in a toolbox of its own; its exit status is ours."""
    settings = options.load_settings()
    beside = asked.beside()
    request, authfile = asked.request(settings, tuple(command), engine)
    request = _kept(request, keep, beside)
    if dry_run:
        return _print_plan(request, beside, form)
    if detach and not own:
        return _detach(request, form)
    return _run(request, beside, asked, settings, authfile, own=own)


@app.command()
@spread("asked", Flags)
@spread("engine", EngineFlags)
def enter(
    asked: Flags,
    engine: EngineFlags,
    name: Annotated[str, typer.Argument(help="A toolbox that is kept; else one of its own.")] = "",
) -> int:
    """A shell in a toolbox: the image's own, whichever it has."""
    return _enter(name, asked, engine)


def _enter(name: str, asked: Flags, engine: EngineFlags) -> int:
    settings = options.load_settings()
    beside = asked.beside()
    request, authfile = asked.request(settings, (), engine)
    request = _kept(request, name, beside)
    return _run(request, beside, asked, settings, authfile, make=False)


def _kept(request: Request, name: str, beside: Wanted | None) -> Request:
    if not name:
        return request
    from toolbox.request import parse_name

    if beside is not None:
        message = "a toolbox that is kept has its own namespaces: --keep excludes --target"
        raise UsageError("usage.invalid", message)
    return dataclasses.replace(request, keep=parse_name(name))


def _detach(request: Request, form: Output) -> int:
    """The same command line in the background; its id at once."""
    from launcher.host import require_root
    from toolbox import detaching

    require_root()
    made = detaching.detach(request, sys.argv[1:])
    with output.answer():
        if form is Output.TEXT:
            output.line(made.id)
        else:
            output.data({"id": made.id, "log": str(made.log)}, form)
    return Exit.DONE


def _run(
    request: Request, beside: Wanted | None, asked: Flags, settings: Settings, authfile: str, *,
    make: bool = True, own: str = "",
) -> int:  # fmt: skip
    """What fails on our side is status 125: every other one is the command's."""
    from launcher import monitor
    from launcher.host import Host, require_root
    from toolbox import running, visiting

    policy = options.checked("--pull", options.pull_policy, asked.pull)
    sys.stdout.flush()
    try:
        require_root()
        host = Host.read()
        request = _joined(request, beside, host)
        with monitor.for_terminal(quiet=asked.quiet) as listener:
            have = options.ensure(settings, listener, policy, authfile)

            def ensure(engine: Runtime, limit: float) -> Image:
                return have(request.image, engine, limit)

            if request.keep:
                changes = asked.changes
                return visiting.run(request, host, ensure, listener, changes=changes, make=make)
            return running.run(request, host, ensure, listener, own=own)
    except UsageError:
        raise
    except HatchwayError as problem:
        output.error(problem, Output.TEXT)
        return Exit.OURS


def _joined(request: Request, beside: Wanted | None, host: Host) -> Request:
    """The request with its target, which has to run by now."""
    if beside is None:
        return request
    return dataclasses.replace(request, joining=beside.look(request.wish, host))


def _print_plan(request: Request, beside: Wanted | None, form: Output) -> int:
    """The plan, with the image's digest where the image is here already."""
    from launcher import door as doors
    from launcher import images, runtimes
    from launcher.host import Host
    from launcher.references import Reference
    from launcher.runtimes.base import Image
    from toolbox import planning

    host = Host.read()
    request = _joined(request, beside, host)
    choice = runtimes.choose(request.wish, host)
    reference = Reference.parse(request.image)
    found = images.find(reference, runtime=choice.runtime, store=doors.STATE)
    image = found or Image(reference.local_name(), "")
    # Values may be secret, and what is printed here is passed around.
    hidden = dataclasses.replace(request, environment=dict.fromkeys(request.environment, "***"))
    planned = planning.plan(hidden, host, image, f"{planning.PREFIX}ID", engine=choice.runtime.name)
    output.plan(planned, choice, form)
    return Exit.DONE
