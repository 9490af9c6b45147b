# SPDX-License-Identifier: Apache-2.0
"""Secrets are taken out of a stream before anything else sees it.

The stream is cut into whole lines, so that it does not matter where its chunks end. What spans
lines (keys, lists, blocks) is remembered from one to the next. A line that is too long to be looked
at is left out.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from toolbox.collect.patterns import BY_NAME, FIRST, HINTS, LAST, MARK, NAME, NAMED, Pattern

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Inside = Callable[[bytes], bytes | None]

LONGEST_LINE: Final = 256 * 1024
TOO_LONG: Final = b"[a line of more than 256 KiB: left out, it could not be searched for secrets]"
_MOST_LINES: Final = 400  # of one block: more than any key has

_KEY_BEGIN: Final = re.compile(rb"-----BEGIN [\w ]{0,40}PRIVATE KEY(?: BLOCK)?-----", re.IGNORECASE)
_KEY_END: Final = re.compile(rb"-----END [\w ]{0,40}PRIVATE KEY(?: BLOCK)?-----", re.IGNORECASE)
_LONE_BLOB: Final = re.compile(rb"^(?P<k>.{0,200}\]: )?\s{0,80}[A-Za-z0-9+/]{1,100}={0,2}$")
_ENVIRONMENT: Final = re.compile(
    rb"""^\s*+(?:-\s)?["']?env(?:ironment)?["']?\s{0,8}[:=]\s{0,8}(?P<list>\[)?$""", re.IGNORECASE
)
_VALUE: Final = re.compile(rb"""(?P<k>["']?value["']?\s{0,8}[:=]\s{0,8})[^\n]*+""", re.IGNORECASE)
_ASSIGNED: Final = re.compile(rb"""^\s*+(?:-\s{1,8})?["']?[\w.\-]{1,200}\s{0,8}[:=](?=.)""")
_BARE_NAME: Final = re.compile(
    rb"""^(?:-\s+)?["']?(?:name["']?\s*:.*|[\w.\-]+["']?:|[{}\[\]],?)$"""
)
# What ends a line whose secret stands on the next one.
_FOLDED: Final = re.compile(NAME + rb"""["']?\s{0,8}:\s{0,8}[|>][-+\d]{0,2}$""", re.IGNORECASE)
_MULTILINE: Final = re.compile(
    NAME + rb"""["']?\s{0,8}=\s{0,8}(?P<quote>\"\"\"|\'\'\')""", re.IGNORECASE
)
_OPEN_LIST: Final = re.compile(NAME + rb"""["']?\s{0,8}[:=]\s{0,8}\[$""", re.IGNORECASE)
_OPEN_NAME: Final = re.compile(
    rb"""["']?name["']?\s{0,8}[:=]\s{0,8}["']?[\w.\-]{0,64}?""" + NAME + rb"""["']?,?$""",
    re.IGNORECASE,
)
_OPEN_FLAG: Final = re.compile(
    rb"""(?:^\s*+-\s{1,8}|["'])--?[\w\-]{0,64}?""" + NAME + rb"""["']?,?$""", re.IGNORECASE
)
_OPEN_KEY: Final = re.compile(NAME + rb"""["']?\s{0,8}[:=]\s{0,8}\\?$""", re.IGNORECASE)


class Redactor:
    """One stream's secrets: bytes in, bytes without them out; `count` is how many were found."""

    def __init__(self, disguise: Callable[[bytes], bytes] | None = None) -> None:
        self.count = 0
        self._disguise = disguise
        self._pending = bytearray()
        self._overlong = False
        # Looks at the lines that follow, until it gives up its place.
        self._inside: Inside | None = None
        self._lines = 0
        self._after_blob = False
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
        self._first = tuple(each for each in FIRST if each.possible(low))
        self._last = tuple(each for each in LAST if each.possible(low))

    def _line(self, line: bytes) -> bytes:
        if len(line) > LONGEST_LINE:
            self.count += 1
            line = TOO_LONG
        before = self._inside
        # What begins on a line is seen also where the line itself is taken out.
        whole = self._keys(line)
        replaced = self._patterns(self._within(whole, before))
        if self._inside is None or isinstance(self._inside, _Next | _Value):
            self._look_ahead(line.rstrip())
        return self._disguise(replaced) if self._disguise else replaced

    def _within(self, line: bytes, inside: Inside | None) -> bytes:
        """The line as a member of what an earlier line began."""
        if inside is None or inside == self._in_key:
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
        if self._inside == self._in_key:
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
                self._begin(self._in_key)
                return kept
            line = line[end.end() :]
        return kept + line

    def _patterns(self, line: bytes) -> bytes:
        low = line.lower()
        before = self.count
        line = self._replace(self._first, line, low)
        if any(hint in low for hint in self._hints) and NAMED.search(line):
            line = self._replace(BY_NAME, line, low)
        line = self._replace(self._last, line, low)
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

    def _look_ahead(self, line: bytes) -> None:
        """See whether a secret begins on the next line."""
        low = line.lower()
        if b"env" in low and (found := _ENVIRONMENT.match(line)):
            self._begin(_Environment(_indent(line), in_list=found["list"] is not None))
        if not any(hint in low for hint in self._hints):
            return
        if found := _MULTILINE.search(line):
            if found["quote"] not in line[found.end() :]:
                self._begin(_Until(found["quote"]))
        elif _OPEN_NAME.search(line):
            self._begin(_Value())
        elif _FOLDED.search(line):
            self._begin(_Block(_indent(line)))
        elif _OPEN_LIST.search(line):
            self._begin(_Until(b"]"))
        elif _OPEN_FLAG.search(line) or _OPEN_KEY.search(line):
            self._begin(_Next())

    def _begin(self, inside: Inside) -> None:
        self._inside, self._lines = inside, 0

    def _in_key(self, _line: bytes) -> bytes:
        """The state of being within a key; `_keys` deals with it before anything else."""
        return MARK


class _Until:
    """Every line up to the one that has `end`."""

    def __init__(self, end: bytes) -> None:
        self._end = end
        self._over = False

    def __call__(self, line: bytes) -> bytes | None:
        if self._over:
            return None
        before, end, rest = line.partition(self._end)
        if not end:
            return _marked(line)
        self._over = True
        return (_marked(before) if before.strip() else before) + end + rest


class _Block:
    """Every line that is further in than the one that began it."""

    def __init__(self, indent: int) -> None:
        self._indent = indent

    def __call__(self, line: bytes) -> bytes | None:
        if line.strip() and _indent(line) <= self._indent:
            return None
        return _marked(line) if line.strip() else line


class _Next:
    """The next line, whatever it is; nothing but an opening bracket, or a key of its own."""

    def __init__(self) -> None:
        self._over = False

    def __call__(self, line: bytes) -> bytes | None:
        if self._over or line.strip() in (b"", b"{", b"}", b"}]", b"]"):
            return None
        self._over = True
        return _marked(line)


class _Value:
    """`value:` in one of the next lines, after `name: DB_PASSWORD`."""

    def __init__(self) -> None:
        self._left = 3

    def __call__(self, line: bytes) -> bytes | None:
        self._left -= 1
        if self._left < 0 or line.strip() in (b"}", b"},"):
            return None
        found = _VALUE.search(line)
        if found is None:
            return line
        self._left = 0
        return line[: found.end("k")] + MARK + _comma(line)


class _Environment:
    """The values of a list or table of variables; their names stay."""

    def __init__(self, indent: int, *, in_list: bool) -> None:
        self._indent = indent
        self._in_list = in_list

    def __call__(self, line: bytes) -> bytes | None:
        bare = line.strip()
        if not bare or self._ends(line, bare):
            return None
        if _BARE_NAME.match(bare):
            return line
        found = _ASSIGNED.match(line)
        return (line[: found.end()] if found else b"") + MARK + _comma(line)

    def _ends(self, line: bytes, bare: bytes) -> bool:
        if self._in_list:
            return bare.startswith(b"]")
        depth = _indent(line)
        return depth < self._indent or (depth == self._indent and not bare.startswith(b"-"))


def _comma(line: bytes) -> bytes:
    return b"," if line.rstrip().endswith(b",") else b""


def _indent(line: bytes) -> int:
    return len(line) - len(line.lstrip())


def _marked(line: bytes) -> bytes:
    """The line's place without its content."""
    return line[: _indent(line)] + MARK
