# SPDX-License-Identifier: Apache-2.0
"""Both sides of redaction, in figures: planted values left in, ordinary lines changed.

    python -m tests.toolbox.collect.figures [DIRECTORY...]

The values are those of the tests; the lines are those of text files of this machine.
"""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.toolbox.collect.test_redaction import PLANTED
from toolbox.collect.redaction import Redactor

if TYPE_CHECKING:
    from collections.abc import Iterator

PLACES = ("/etc", "/var/log", "/usr/lib/systemd/system", "/usr/share/doc")
LINES = 60_000
LARGEST = 200_000  # bytes of one file: many kinds of files are wanted, not one large log
# Those that are secret as a whole, and those that are no text.
LEFT_OUT = ("shadow", "private", ".gz", "ssl/certs", "ssh_host")


def planted() -> tuple[int, int]:
    """How many values there are, and how many are left in."""
    through = [(each, Redactor().whole(each.text.encode()).decode()) for each in PLANTED]
    left = sum(secret in text for each, text in through for secret in each.secrets)
    return sum(len(each.secrets) for each in PLANTED), left


def ordinary(places: tuple[str, ...]) -> tuple[int, int]:
    """How many lines there are, and how many of them are changed."""
    lines = changed = 0
    for content in _contents(places):
        through = Redactor().whole(content)
        pairs = list(zip(content.split(b"\n"), through.split(b"\n"), strict=True))
        lines += len(pairs)
        changed += sum(before != after for before, after in pairs)
        if lines >= LINES:
            break
    return lines, changed


def _contents(places: tuple[str, ...]) -> Iterator[bytes]:
    files = sorted(
        Path(directory, name)
        for place in places
        for directory, _, names in os.walk(place)
        for name in names
    )
    random.Random(7).shuffle(files)
    for file in files:
        if file.is_file() and file.stat().st_size < LARGEST and not _left_out(file):
            content = file.read_bytes()
            if b"\0" not in content:
                yield content


def _left_out(file: Path) -> bool:
    return any(word in os.fspath(file) for word in LEFT_OUT)


def main() -> None:
    values, left = planted()
    lines, changed = ordinary(tuple(sys.argv[1:]) or PLACES)
    print(f"{left} of {values} planted values left in: {100 * left / values:.2f} %")
    print(f"{changed} of {lines} ordinary lines changed: {100 * changed / lines:.3f} %")


if __name__ == "__main__":
    main()
