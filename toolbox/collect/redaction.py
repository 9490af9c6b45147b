# SPDX-License-Identifier: Apache-2.0
"""Secrets are taken out of a stream before anything else sees it.

The stream is cut into whole lines, so that it does not matter where its chunks end. What spans
lines (keys, lists, blocks) is remembered from one to the next. A line that is too long to be looked
at is left out.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from toolbox.collect import openings, prefixes
from toolbox.collect.contexts import CONTEXTS
from toolbox.collect.forms import FORMS
from toolbox.collect.named import BY_NAME
from toolbox.collect.names import HINTS, NAMED
from toolbox.collect.patterns import MARK, Pattern
from toolbox.collect.programs import PROGRAMS
from toolbox.collect.servers import SERVERS
from toolbox.collect.spans import Key
from toolbox.collect.structures import STRUCTURES
from toolbox.collect.variables import VARIABLES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from toolbox.collect.spans import Span

FIRST: Final = (*CONTEXTS, *VARIABLES, *PROGRAMS, *SERVERS, *STRUCTURES)

LONGEST_LINE: Final = 256 * 1024
TOO_LONG: Final = b"[a line of more than 256 KiB: left out, it could not be searched for secrets]"
_MOST_LINES: Final = 400  # of one block: more than any key has

_KEY_BEGIN: Final = re.compile(rb"-----BEGIN [\w ]{0,40}PRIVATE KEY(?: BLOCK)?-----", re.IGNORECASE)
_KEY_END: Final = re.compile(rb"-----END [\w ]{0,40}PRIVATE KEY(?: BLOCK)?-----", re.IGNORECASE)
_PUBLIC_BEGIN: Final = re.compile(
    rb"-----BEGIN (?:(?:TRUSTED |X509 |NEW )?CERTIFICATE(?: REQUEST)?|X509 CRL"
    rb"|(?:RSA |SSH2 )?PUBLIC KEY|PKCS7)-----"
)
_PUBLIC_LINE: Final = re.compile(rb"[A-Za-z0-9+/=]{1,80}\r?")
_LONE_BLOB: Final = re.compile(rb"^(?P<k>.{0,200}\]: )?\s{0,80}[A-Za-z0-9+/]{1,100}={0,2}$")


class Redactor:
    """One stream's secrets: bytes in, bytes without them out; `count` is how many were found."""

    def __init__(self, disguise: Callable[[bytes], bytes] | None = None) -> None:
        self.count = 0
        self._disguise = disguise
        self._pending = bytearray()
        self._overlong = False
        # Looks at the lines that follow, until it gives up its place.
        self._inside: Span | None = None
        self._lines = 0
        self._after_blob = False
        self._public = False
        self._worth_a_look(b"")

    def feed(self, chunk: bytes) -> bytes:
        """What of the stream is whole so far."""
        head, newline, rest = chunk.rpartition(b"\n")
        if not newline:
            self._keep(chunk)
            return b""
        self._keep(head)
        done = self._flush() + b"\n"
        self._keep(rest)
        return done

    def finish(self) -> bytes:
        """The last line, where no newline ended it."""
        return self._flush()

    def whole(self, content: bytes) -> bytes:
        """All of a stream at once."""
        return self.feed(content) + self.finish()

    def text(self, text: str) -> str:
        """One text of its own, such as a line of evidence."""
        return self.whole(text.encode("utf-8", "replace")).decode("utf-8", "replace")

    def _keep(self, part: bytes) -> None:
        """Hold what no newline has ended yet; what is too long is dropped, but for a note."""
        if self._overlong:
            _, newline, part = part.partition(b"\n")
            if not newline:
                return
            self._overlong = False
            self._pending += TOO_LONG + b"\n"
        self._pending += part
        if len(self._pending) - self._pending.rfind(b"\n") > LONGEST_LINE:
            del self._pending[self._pending.rfind(b"\n") + 1 :]
            self._overlong = True

    def _flush(self) -> bytes:
        if self._overlong:
            self._overlong = False
            self._pending += TOO_LONG
            self.count += 1
        whole = bytes(self._pending)
        self._pending.clear()
        self._worth_a_look(whole.lower())
        return b"\n".join(map(self._line, whole.split(b"\n")))

    def _worth_a_look(self, low: bytes) -> None:
        """Choose what to look for: most of it is nowhere in all these lines."""
        self._hints = tuple(hint for hint in HINTS if hint in low)
        self._first = tuple(each.within(low) for each in FIRST if each.possible(low))
        self._last = tuple(each.within(low) for each in FORMS if each.possible(low))
        hints = {hint for each in (*self._first, *self._last) for hint in each.hints}
        # One look at a line for all of them: most lines have none.
        self._hinted = re.compile(b"|".join(map(re.escape, sorted(hints)))) if hints else None

    def _line(self, line: bytes) -> bytes:
        if len(line) > LONGEST_LINE:
            self.count += 1
            line = TOO_LONG
        before, inner, after = prefixes.split(line)
        plain = prefixes.plain(inner)
        searched = self._searched(plain)
        # Colours stay where nothing was found among them.
        replaced = before + (inner if searched == plain else searched) + after
        return self._disguise(replaced) if self._disguise else replaced

    def _searched(self, line: bytes) -> bytes:
        before = self._inside
        if self._is_public(line):
            return line
        # What begins on a line is seen also where the line itself is taken out.
        whole = self._keys(line)
        low = line.lower()
        named = any(hint in low for hint in self._hints) and NAMED.search(low) is not None
        replaced = self._patterns(self._within(whole, before), named=named)
        if self._inside is None or self._inside.yields:
            self._look_ahead(line.rstrip(), named=named)
        return replaced

    def _is_public(self, line: bytes) -> bool:
        """Whether it is a line of a certificate or a public key."""
        if self._public:
            self._public = _PUBLIC_LINE.fullmatch(line) is not None
        elif line.startswith(b"-----BEGIN ") and self._inside is None:
            self._public = _PUBLIC_BEGIN.fullmatch(line.rstrip()) is not None
        return self._public

    def _within(self, line: bytes, inside: Span | None) -> bytes:
        """The line as a member of what an earlier line began."""
        if inside is None or isinstance(inside, Key):
            return line
        self._lines += 1
        replaced = inside(line) if self._lines <= _MOST_LINES else None
        if replaced is None:
            if self._inside is inside:
                self._inside = None
            return line
        self.count += replaced != line
        return replaced

    def _keys(self, line: bytes) -> bytes:
        """Cut out whole keys, and the lines of one that goes on."""
        kept = b""
        if isinstance(self._inside, Key):
            end = _KEY_END.search(line)
            if end is None:
                self._lines += 1
                if self._lines > _MOST_LINES:
                    self._inside = None
                return MARK
            self._inside = None
            kept, line = MARK, line[end.end() :]
        if b"PRIVATE KEY" not in line.upper():
            return kept + line
        while begin := _KEY_BEGIN.search(line):
            self.count += 1
            kept += line[: begin.start()] + MARK
            end = _KEY_END.search(line, begin.end())
            if end is None:
                self._begin(Key())
                return kept
            line = line[end.end() :]
        return kept + line

    def _patterns(self, line: bytes, *, named: bool) -> bytes:
        low = line.lower()
        before = self.count
        hinted = self._hinted is not None and self._hinted.search(low) is not None
        if hinted:
            line = self._replace(self._first, line, low)
        if named:
            line = self._replace(BY_NAME, line, low)
        last = self._last if hinted else (each for each in self._last if not each.hints)
        line = self._replace(last, line, low)
        # The rest of something long in base64 is shorter than a line of it.
        if self._after_blob and (found := _LONE_BLOB.match(line.rstrip())):
            self.count += 1
            return (found["k"] or b"") + MARK
        self._after_blob = self.count > before and line.rstrip().endswith(MARK)
        return line

    def _replace(self, patterns: Iterable[Pattern], line: bytes, low: bytes) -> bytes:
        for pattern in patterns:
            if pattern.possible(low):
                line, count = pattern.replace(line)
                self.count += count
        return line

    def _look_ahead(self, line: bytes, *, named: bool) -> None:
        """See whether a secret begins on the next line."""
        span = openings.environment(line)
        if span is None and named:
            span = openings.named(line)
        if span is not None:
            self._begin(span)

    def _begin(self, inside: Span) -> None:
        self._inside, self._lines = inside, 0
