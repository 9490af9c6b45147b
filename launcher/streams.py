# SPDX-License-Identifier: Apache-2.0
"""Standard streams, and the one way to them for text.

The caller may have closed one, its reader may be gone, its disk full: what we do for him is done
all the same. What a terminal would take for a command is shown on it (`visible`); what is piped is
written as it is, bytes that are no text too.
"""

from __future__ import annotations

import codecs
import contextlib
import io
import os
import sys
from typing import TYPE_CHECKING, Final, TextIO

from launcher import escape

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_ERRORS: Final = "hatchway"


def complete() -> None:
    """Let a stream that the caller closed lead nowhere: a file of ours would take its number."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            _fill(number)
            mode = "w" if number else "r"
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
    codecs.register_error(_ERRORS, _bytes_or_escapes)
    for stream in (sys.stdout, sys.stderr):
        # Once: a stream that has been led elsewhere since then cannot be told where it is.
        if isinstance(stream, io.TextIOWrapper) and stream.errors != _ERRORS:
            stream.reconfigure(errors=_ERRORS)


def _bytes_or_escapes(error: UnicodeError) -> tuple[str | bytes, int]:
    """Bytes of a name or a log as they were; what a stream's encoding lacks, by its number."""
    try:
        return codecs.lookup_error("surrogateescape")(error)
    except UnicodeError:
        return codecs.backslashreplace_errors(error)


def _fill(number: int) -> None:
    try:
        os.fstat(number)
    except OSError:
        # The lowest number that is free, which is this one; children are to have it as well.
        os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)


def abandon(stream: TextIO) -> None:
    """Let what a stream still holds, and all that is to come, lead nowhere.

    Python would complain at our exit otherwise, with a status of its own.
    """
    nowhere = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    with contextlib.suppress(OSError):
        os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def write(text: str, stream: TextIO, shown: Callable[[str], str] = escape.line) -> None:
    """A line, to be seen at once; `OSError` where it cannot be written.

    With every other line that we print it passes here, so that none commands a terminal.
    """
    print(shown(text) if stream.isatty() else text, file=stream, flush=True)


def tell(
    text: str, stream: TextIO | None = None, shown: Callable[[str], str] = escape.line
) -> None:
    """A line on standard error, or another stream, for whoever is still there to read it."""
    stream = stream or sys.stderr
    try:
        write(text, stream, shown)
    except OSError:
        abandon(stream)


def pour(chunks: Iterable[tuple[int, bytes]]) -> None:
    """Hand on what was printed before, each piece to its descriptor, as `write` does with lines."""
    sys.stdout.flush()
    flows = {number: escape.Flow() for number in (1, 2) if os.isatty(number)}
    for number, data in chunks:
        _write_all(number, flows[number].feed(data) if number in flows else data)
    for number, flow in flows.items():
        _write_all(number, flow.feed(b"", final=True))


def _write_all(number: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(number, view) :]
