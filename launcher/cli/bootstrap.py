# SPDX-License-Identifier: Apache-2.0
"""`hatchway bootstrap`: run user data before kubelet, and say what became of it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from launcher.cli import options, output
from launcher.cli.options import OutputOption, QuietOption
from launcher.cli.output import Output
from launcher.errors import Exit

if TYPE_CHECKING:
    from bootstrap_image.spec import Summary
    from launcher.bootstrap.running import Request
    from launcher.settings import Settings

POLL = 0.5  # seconds

app = typer.Typer(
    help="User data: run it once, before kubelet, and keep its results.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command()
def run(
    names: Annotated[list[str] | None, typer.Argument(help="Only these jobs.")] = None,
    quiet: QuietOption = False,
    form: OutputOption = Output.TEXT,
) -> int:
    """Run what is due: the machine's own user data and the bootstrap containers of the settings."""
    from launcher import settings as settings_
    from launcher import sources
    from launcher.bootstrap import batches, outcome, running
    from launcher.host import require_root

    require_root()
    settings = options.load_settings()
    own = settings.bootstrap
    found = sources.read(own.source, own.address)
    request = running.Request(
        batches=batches.select(batches.plan(settings, found), names or []),
        instance_id=found.instance_id,
        memory=settings_.parse_size(own.memory),
        cpus=own.cpus,
        pids=own.pids,
        timeout=own.timeout,
    )
    summaries = _run(request, settings, form, quiet=quiet)
    if form is Output.TEXT:
        output.lines(outcome.lines(summaries, own.gate))
    else:
        _print_status(form)
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
    from launcher.bootstrap import results
    from launcher.host import require_root

    require_root()
    results.reset(name)
    output.lines([f"{name} runs again at the next `hatchway bootstrap run`, or boot."])
    return Exit.DONE


def _run(request: Request, settings: Settings, form: Output, *, quiet: bool) -> tuple[Summary, ...]:
    from launcher import monitor, runtimes
    from launcher.bootstrap import running
    from launcher.host import Host
    from launcher.images import Pull

    if not request.batches:
        return ()
    host = Host.read()
    runtime = runtimes.choose(options.wish(settings, "", "", ""), host).runtime
    with monitor.for_terminal(quiet=quiet) as listener:
        have = options.ensure(settings, listener, Pull.MISSING)
        return running.run(
            request,
            host,
            runtime=runtime,
            ensure=lambda image, limit: have(image, runtime, limit),
            monitor=listener,
            show=output.line if form is Output.TEXT else lambda _line: None,
        )


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
