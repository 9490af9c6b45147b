# SPDX-License-Identifier: Apache-2.0
"""`hatchway toolbox collect`: a bundle of this host's state, without its secrets, to hand on."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from launcher import streams
from launcher.cli import options, output
from launcher.cli.options import OutputOption, QuietOption
from launcher.cli.output import Output
from launcher.errors import Exit, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from launcher.monitor import Monitor
    from toolbox.collect.collecting import Request, Result
    from toolbox.collect.sink import FileSink, PipeSink

MEBIBYTE = 1 << 20


def collect(
    file: Annotated[
        str, typer.Argument(help="Where to; a directory will do, - is standard output.")
    ] = "",
    since: Annotated[
        str, typer.Option("--since", help="Logs from then on: 90m, 24h, 7d, or a UTC time.")
    ] = "24h",
    only: Annotated[
        list[str] | None, typer.Option("--only", help="Only this topic, such as disks. Repeatable.")
    ] = None,
    recipe: Annotated[
        list[str] | None, typer.Option("--recipe", help="One more file of recipes. Repeatable.")
    ] = None,
    encrypt_to: Annotated[
        list[str] | None,
        typer.Option("--encrypt-to", help="A public key of age or SSH, or a file. Repeatable."),
    ] = None,
    anonymise: Annotated[
        bool, typer.Option("--anonymise", help="Stand-ins for host names and addresses.")
    ] = False,
    gzip: Annotated[bool, typer.Option("--gzip", help=".tar.gz instead of .tar.zst.")] = False,
    allow_http: Annotated[
        list[str] | None,
        typer.Option("--allow-http", help="Another host that recipes may ask. Repeatable."),
    ] = None,
    max_size: Annotated[
        int, typer.Option("--max-size", min=1, help="MiB that the bundle may reach.")
    ] = 512,
    timeout: Annotated[
        float, typer.Option("--timeout", min=1, help="Seconds for all of it.")
    ] = 600.0,
    quiet: QuietOption = False,
    form: OutputOption = Output.TEXT,
) -> int:
    """Gather logs and state into one file, without the secrets in it, and say what looks wrong."""
    import socket

    from launcher import interrupt, monitor
    from launcher.host import require_root
    from toolbox.collect import collecting, encryption, places
    from toolbox.collect import since as times

    packed = places.form_of(file, gzip=gzip)
    _check_output(file, form)
    items, findings = _items(only or [], recipe or [])
    request = collecting.Request(
        name=places.name("" if anonymise else socket.gethostname()),
        items=items,
        recipe_findings=findings,
        since=options.checked("--since", times.parse, since),
        allowed=frozenset(allow_http or ()),
        anonymise=anonymise,
        form=packed,
        recipients=encryption.recipients(encrypt_to or []),
        timeout=timeout,
        size=max_size * MEBIBYTE,
    )
    require_root()
    for finding in findings:
        output.warning(str(finding))
    with interrupt.noted(), monitor.for_terminal(quiet=quiet) as listener:
        with _sink(file, request, listener) as sink:
            result = _run(request, sink, listener)
            names = _keep_names(result.names, sink)
            sink.finish()
        with output.answer():
            _tell(result, sink, names, form)
        interrupt.check()
    return Exit.DONE if result.manifest.ending == "complete" and not findings else Exit.DEGRADED


def _run(request: Request, sink: FileSink | PipeSink, listener: Monitor) -> Result:
    from toolbox.collect import collecting
    from toolbox.collect.sink import OutputLostError

    try:
        return collecting.run(request, sink, listener)
    except OutputLostError as lost:
        streams.abandon(sys.stdout)
        raise output.UnheardError(lost.why) from None


def _check_output(file: str, form: Output) -> None:
    if file != "-":
        return
    if form is not Output.TEXT:
        message = "standard output is the bundle: there is no room for JSON on it"
        raise UsageError("usage.invalid", message, "manifest.json in the bundle has all of it.")
    if sys.stdout.isatty():
        raise UsageError(
            "usage.invalid", "a bundle is nothing for a terminal", "Pipe it, or name a file."
        )


def _items(only: list[str], more: list[str]) -> tuple[list[Any], list[Any]]:
    """What the recipes of this host and those that were named ask for."""
    from pathlib import Path

    from toolbox.collect import recipe

    paths = [*recipe.files(), *map(Path, more)]
    for path in map(Path, more):
        if not path.is_file():
            raise UsageError("settings.unreadable", f"--recipe: there is no file {path}")
    items, findings = recipe.read(paths)
    topics = dict.fromkeys(item.name.partition("/")[0] for item in items)
    for topic in only:
        if topic not in topics:
            message = f"--only: {topic!r} is none of {', '.join(topics)}"
            raise UsageError("usage.invalid", message)
    return recipe.only(items, only), findings


@contextlib.contextmanager
def _sink(file: str, request: Request, listener: Any) -> Iterator[FileSink | PipeSink]:
    """Where the bundle goes; nothing is left there when it does not come to be."""
    from toolbox.collect import places
    from toolbox.collect.sink import FileSink, PipeSink, stale

    if file == "-":
        sys.stdout.flush()
        yield PipeSink(sys.stdout.fileno())
        return
    name = request.name + places.suffix(request.form, encrypted=bool(request.recipients))
    if file:
        path = places.given(file, name)
    else:
        path = places.directory(listener) / name
        for left in stale(path.parent):
            left.unlink(missing_ok=True)
    sink = FileSink(path)
    try:
        yield sink
    except BaseException:
        sink.abort()
        raise


def _keep_names(names: Mapping[str, Mapping[str, str]], sink: FileSink | PipeSink) -> Path | None:
    """Write the mapping of `--anonymise` beside the bundle, never into it."""
    import json

    from launcher import files
    from toolbox.collect import places

    if not names:
        return None
    beside: Path | None = getattr(sink, "path", None)
    if beside is None:
        files.own_directory(places.SPARE.parent)
        files.own_directory(places.SPARE, mode=0o700)
        beside = places.SPARE / places.name("")
    target = beside.with_name(f"{beside.name}.names.json")
    files.write(target, json.dumps(names, indent=2).encode() + b"\n")
    return target


def _tell(result: Result, sink: FileSink | PipeSink, names: Path | None, form: Output) -> None:
    """The outcome; on standard error where standard output was the bundle."""
    path: Path | None = getattr(sink, "path", None)
    if form is not Output.TEXT:
        output.data(_facts(result, sink, path, names), form)
        return
    manifest = result.manifest
    kept = sum(1 for entry in manifest.items if entry.path)
    redactions = sum(entry.redactions for entry in manifest.items)
    say = streams.tell if path is None else output.line
    for finding in result.checkup.findings:
        say(f"{finding.severity:9} {finding.title}")
    size = f"{sink.written / MEBIBYTE:.1f} MiB"
    say(f"{kept} items, {redactions} secrets taken out, {size}")
    if manifest.ending != "complete":
        say(f"a part of it: {manifest.ending}")
    if names is not None:
        say(f"names     {names}")
    if path is not None:
        say(f"bundle    {path}")


def _facts(
    result: Result, sink: FileSink | PipeSink, path: Path | None, names: Path | None
) -> dict[str, Any]:
    manifest = result.manifest
    statuses = [entry.status for entry in manifest.items]
    return {
        "path": os.fspath(path) if path else "",
        "size": sink.written,
        "names": os.fspath(names) if names else "",
        "ending": manifest.ending,
        "seconds": round(manifest.seconds, 2),
        "items": {status: statuses.count(status) for status in sorted(set(statuses))},
        "redactions": sum(entry.redactions for entry in manifest.items),
        "recipe_findings": manifest.recipe_findings,
        "findings": [finding.as_json() for finding in result.checkup.findings],
    }
