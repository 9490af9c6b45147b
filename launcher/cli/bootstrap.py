# SPDX-License-Identifier: Apache-2.0
"""`hatchway bootstrap`: run user data before kubelet, and say what became of it."""

from __future__ import annotations

import contextlib
import time
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
from launcher.errors import Exit, HatchwayError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bootstrap_image.spec import Summary
    from launcher.settings import Settings

POLL = 0.5  # seconds
PULL_LIMIT = 600.0  # seconds

app = typer.Typer(
    help="User data: run it once, before kubelet, and keep its results.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command()
def run(
    names: Annotated[list[str] | None, typer.Argument(help="Only these jobs.")] = None,
    at_boot: Annotated[
        bool, typer.Option("--at-boot", help="As the unit does: obey [bootstrap] on-failure.")
    ] = False,
    quiet: QuietOption = False,
    form: OutputOption = Output.TEXT,
) -> int:
    """Run what is due: the machine's own user data and the bootstrap containers of the settings."""
    from launcher.bootstrap import outcome
    from launcher.host import require_root

    require_root()
    with _on_record(at_boot):
        settings = options.load_settings()
        summaries = _run(settings, names or [], form, quiet=quiet)
    with output.answer():
        if form is Output.TEXT:
            output.lines(outcome.lines(summaries, settings.bootstrap.gate))
        else:
            _print_status(form)
    if at_boot and outcome.keeps_the_gate_shut(summaries):
        _rescue(settings)
    return outcome.status(summaries)


@app.command()
def status(
    wait: Annotated[bool, typer.Option("--wait", help="Until nothing runs any more.")] = False,
    form: OutputOption = Output.TEXT,
) -> int:
    """Say what ran, when, for how long, and how it ended."""
    from launcher.host import require_root

    require_root()
    _print_status(form, wait=wait)
    return Exit.DONE


@app.command()
def logs(
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many lines.")] = 100,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as it grows.")] = False,
) -> int:
    """Print what the steps printed."""
    from pathlib import Path

    from bootstrap_image import spec
    from launcher import logfile
    from launcher.host import require_root

    require_root()
    output.lines(logfile.tail(Path(spec.LOG_FILE), lines))
    if follow:
        output.lines(logfile.follow(Path(spec.LOG_FILE)))
    return Exit.DONE


@app.command()
def reset(name: Annotated[str, typer.Argument(help="A job, as `status` names it.")]) -> int:
    """Forget that a job ran, so that the next run runs it again."""
    from launcher.bootstrap import records
    from launcher.host import require_root

    require_root()
    records.reset(name)
    with output.answer():
        output.line(f"{name} runs again at the next `hatchway bootstrap run`, or boot.")
    return Exit.DONE


@app.command()
@spread("engine", EngineFlags)
def validate(
    file: Annotated[str, typer.Argument(help="User data; - is standard input.")],
    image: Annotated[str, typer.Option(help="The bootstrap image.")] = "",
    engine: EngineFlags = AS_SET,
    authfile: AuthfileOption = "",
    timeout: TimeoutOption = PULL_LIMIT,
    quiet: QuietOption = False,
    form: OutputOption = Output.TEXT,
) -> int:
    """Say everything that is wrong with user data, and run nothing of it."""
    from bootstrap_image.spec import USER_DATA_LIMIT
    from launcher import monitor, runtimes
    from launcher.bootstrap import validation
    from launcher.deadline import Deadline
    from launcher.host import Host

    settings = options.load_settings()
    reference = options.checked_image(image or settings.bootstrap.image)
    if file == "-":
        data = options.standard_input(USER_DATA_LIMIT + 1, what="the user data")
    else:
        data = validation.read(file)
    host = Host.read()
    limit = Deadline.after(timeout or PULL_LIMIT)
    chosen = runtimes.choose(engine.wish(settings), host, limit).runtime
    with monitor.for_terminal(quiet=quiet) as listener:
        have = options.ensure(settings, listener, options.pull_policy("missing"), authfile)
        found = have(reference, chosen, limit.left())
        facts = validation.look(data, found, host, chosen, asked=reference)
    if form is Output.TEXT:
        output.lines(validation.lines(facts, "standard input" if file == "-" else file))
    else:
        output.data(facts, form)
    return Exit.DONE if facts["valid"] else Exit.FAILED


@contextlib.contextmanager
def _on_record(at_boot: bool) -> Iterator[None]:
    """What keeps everything from running stays on record too: nobody sees what a boot prints."""
    from launcher.bootstrap import results

    try:
        yield
    except HatchwayError as error:
        if at_boot:
            with contextlib.suppress(HatchwayError):
                results.keep(results.nothing_run(f"{error.message} [{error.code}]"))
        raise


def _run(
    settings: Settings, names: Sequence[str], form: Output, *, quiet: bool
) -> tuple[Summary, ...]:
    from launcher import monitor, runtimes
    from launcher.bootstrap import gathering, running
    from launcher.deadline import Deadline
    from launcher.host import Host
    from launcher.images import Pull

    request = gathering.request(settings, gathering.gather(settings, names))
    if not request.batches:
        return ()
    host, limit = Host.read(), Deadline.after(request.timeout)
    with monitor.for_terminal(quiet=quiet) as listener:
        return running.run(
            request,
            host,
            runtime=lambda: runtimes.choose(AS_SET.wish(settings), host, limit).runtime,
            ensure=options.ensure(settings, listener, Pull.MISSING),
            find=options.find_image,
            monitor=listener,
            show=output.passing if form is Output.TEXT else lambda _line: None,
        )


def _rescue(settings: Settings) -> None:
    """Open the door if the settings say so; whatever comes of it is said, and nothing more."""
    from launcher import monitor
    from launcher.bootstrap import rescue

    if settings.bootstrap.on_failure != "open-admin":
        return
    with monitor.for_terminal(quiet=False) as listener:
        have = options.ensure(settings, listener, options.pull_policy("missing"))
        for line in rescue.attempt(settings, have, listener):
            output.notice(line)


def _print_status(form: Output, *, wait: bool = False) -> None:
    from launcher.bootstrap import results

    facts = results.look()
    while wait and facts["state"] == "running":
        time.sleep(POLL)
        facts = results.look()
    if form is not Output.TEXT:
        output.data(facts, form)
        return
    from launcher.cli import bootstrap_text

    output.lines(bootstrap_text.render(facts))
