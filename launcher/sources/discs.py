# SPDX-License-Identifier: Apache-2.0
"""Discs in this machine's CD drives, by the name that ECMA-119 (ISO 9660) gives a volume.

A volume that is attached to a machine of a cloud is no CD drive, whatever its label says. Labels
are read here: the links that udev makes by label are whoever's who had that label last.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

BLOCK: Final = Path("/sys/class/block")
DEVICES: Final = Path("/dev")
_DESCRIPTOR: Final = 16 * 2048  # where the primary volume descriptor is
_PRIMARY: Final = b"\x01CD001"
_NAME: Final = slice(40, 72)


def named(name: str, block: Path = BLOCK, devices: Path = DEVICES) -> Path | None:
    """The first drive with a disc of that name, in whichever letters."""
    return next((drive for drive in _drives(block, devices) if _name(drive) == name.lower()), None)


def _drives(block: Path, devices: Path) -> Iterator[Path]:
    numbered = (path.name for path in block.glob("sr*") if path.name[2:].isdigit())
    yield from (devices / name for name in sorted(numbered, key=lambda name: int(name[2:])))


def _name(drive: Path) -> str:
    """The volume's name in small letters, or nothing where there is none to read."""
    try:
        # Without O_NONBLOCK, opening a drive closes its tray and waits for it.
        descriptor = os.open(drive, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb", buffering=0) as disc:
            disc.seek(_DESCRIPTOR)
            sector = disc.read(2048)
    except OSError:  # no disc
        return ""
    if not sector.startswith(_PRIMARY):
        return ""
    return sector[_NAME].decode("ascii", "replace").rstrip(" \0").lower()
