# SPDX-License-Identifier: Apache-2.0
"""What loggers put around a line, and terminals into it: off before the search, on again after.

What spans lines (keys, blocks, lists) is told by how its lines begin, which a prefix hides.
"""

from __future__ import annotations

import re
from typing import Final

_TIME: Final = rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[\d.,:+Z-]{0,20}"
_PREFIX: Final = re.compile(
    # `kubectl logs --prefix`, with `--timestamps` or without
    rb"(?:\[pod/[\w./-]{1,300}\] )?"
    rb"(?:"
    # syslog and `journalctl -o short`, `short-iso`: time, host, program
    rb"(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?:\.\d{1,9})?|"
    + _TIME
    + rb") [\w.-]{1,255} [^\s:\[]{1,64}(?:\[\d{1,10}\])?: "
    # the container runtime interface
    rb"|" + _TIME + rb" std(?:out|err) [FP] "
    rb"|" + _TIME + rb" "
    rb")?"
    # klog
    rb"(?:[IWEF]\d{4} \d\d:\d\d:\d\d\.\d{1,9} {1,4}\d{1,10} [\w.-]{1,64}:\d{1,6}\] )?"
)
_DOCKER: Final = re.compile(
    rb'(?P<before>\{"log":")(?P<line>.*?)(?P<after>(?:\\r)?(?:\\n)?","stream":.*)'
)
_COLOUR: Final = re.compile(rb"\x1b\[[0-9;:]{0,32}m")


def split(line: bytes) -> tuple[bytes, bytes, bytes]:
    """What stands before the line, the line itself, and what stands after it."""
    if line.startswith(b'{"log":"') and (found := _DOCKER.fullmatch(line)):
        return found["before"], found["line"], found["after"]
    found = _PREFIX.match(line)
    end = found.end() if found else 0
    return line[:end], line[end:], b""


def plain(line: bytes) -> bytes:
    """The line without colours."""
    return _COLOUR.sub(b"", line) if b"\x1b" in line else line
