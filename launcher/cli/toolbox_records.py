# SPDX-License-Identifier: Apache-2.0
"""`hatchway toolbox list`, `rm`, `logs`, `wait` and `stop`: what there is, and work without us."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from launcher import streams
from launcher.cli import output
from launcher.cli.options import OutputOption, StopTimeoutOption
from launcher.cli.output import Output
from launcher.errors import Exit, HatchwayError

IdArgument = Annotated[str, typer.Argument(help="As `run --detach` printed it; its beginning.")]


def list_(timeout: StopTimeoutOption = 10.0, form: OutputOption = Output.TEXT) -> int:
    """Toolboxes that are kept, those that run now, and work in the background."""
    from launcher.deadline import Deadline
    from launcher.host import Host, require_root
    from toolbox import listing

    require_root()
    found = listing.look(Host.read(), Deadline.after(timeout))
    if form is Output.TEXT:
        output.lines(listing.render(found))
    else:
        output.data(found, form)
    return Exit.DONE


def rm(
    name: Annotated[str, typer.Argument(help="A toolbox that is kept.")],
    force: Annotated[
        bool, typer.Option("--force", help="End who is inside; forget it if its engine is gone.")
    ] = False,
    timeout: StopTimeoutOption = 60.0,
) -> int:
    """Remove a toolbox that is kept, with all that was installed in it."""
    from launcher.deadline import Deadline
    from launcher.host import Host, require_root
    from toolbox import kept
    from toolbox.request import parse_name

    require_root()
    gone = kept.remove(parse_name(name), Host.read(), Deadline.after(timeout), force=force)
    what = "gone" if gone else "forgotten; what its engine still has of it stays there"
    with output.answer():
        output.line(f"The toolbox {name} is {what}.")
    return Exit.DONE


def logs(
    own: IdArgument,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Until the work ends.")] = False,
) -> int:
    """Print what detached work printed, each stream where it belongs."""
    from launcher.host import require_root
    from toolbox import work, worklog

    require_root()
    there = work.found(own)

    def going() -> bool:
        return work.found(there.id).state in ("starting", "running")

    chunks = worklog.follow(there.log, going) if follow else worklog.read(there.log)
    with output.heard():
        streams.pour(chunks)
    return Exit.DONE


def wait(
    own: IdArgument,
    timeout: Annotated[float, typer.Option("--timeout", min=0, help="Seconds; then 124.")] = 0,
) -> int:
    """Wait until detached work has ended; its exit status is ours."""
    from launcher.host import require_root
    from toolbox import detaching
    from toolbox.running import TIMED_OUT

    try:
        require_root()
        status = detaching.wait(own, timeout=timeout)
    except HatchwayError as problem:
        output.error(problem, Output.TEXT)
        return Exit.OURS
    return TIMED_OUT if status is None else status


def stop(
    own: IdArgument, timeout: StopTimeoutOption = 60.0, form: OutputOption = Output.TEXT
) -> int:
    """End detached work: SIGTERM, and SIGKILL ten seconds later. Twice is as good as once."""
    from launcher.host import require_root
    from toolbox import detaching

    require_root()
    now = detaching.stop(own, timeout=timeout)
    with output.answer():
        if form is Output.TEXT:
            output.line(f"{now.id} has {now.state} with status {now.status}.")
        else:
            output.data(now.as_json(), form)
    return Exit.DONE


def work(own: IdArgument) -> int:
    """Carry out what `run --detach` ordered."""
    from launcher.cli.main import main
    from toolbox import detaching

    def call(words: list[str]) -> int:
        sys.argv[1:] = words
        try:
            main()
        except SystemExit as end:
            return end.code if isinstance(end.code, int) else Exit.FAILED

    return detaching.carry_out(own, call)
