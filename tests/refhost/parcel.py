# SPDX-License-Identifier: Apache-2.0
"""A parcel: files and trees packed into a disk image, to be copied by the host itself.

The guest agent carries files through JSON, far too slow for a program of many megabytes.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import uuid
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

# Where the host mounts it.
PARCEL = "/run/parcel"


def pack_parcel(files: Mapping[str, Path], image: Path) -> list[list[str]]:
    """Pack each local file or tree for its absolute path on the host.

    Owner becomes root; modes and links stay. Returns the argv that put the items into place when
    the image is mounted at `PARCEL`.
    """
    steps: list[list[str]] = []
    listed: list[str] = []
    with tempfile.TemporaryDirectory(prefix="parcel-") as scratch:
        for number, (place, source) in enumerate(files.items()):
            _check(place)
            item, inside = Path(scratch, str(number)), f"{PARCEL}/{number}"
            if source.is_dir():
                shutil.copytree(source, item, symlinks=True)
                listed.append(f"{number}\ttree\t{place}\n")
                steps += [["mkdir", "-p", place], ["cp", "-a", f"{inside}/.", place]]
            else:
                shutil.copy2(source, item)
                listed.append(f"{number}\tfile\t{place}\n")
                parent = os.fspath(PurePosixPath(place).parent)
                steps += [["mkdir", "-p", parent], ["cp", "-a", inside, place]]
        # For the initrd: number, kind and place of each item; and a name, so that it unpacks a
        # parcel once although the disk stays plugged over reboots.
        Path(scratch, "list").write_text("".join(listed))
        Path(scratch, "id").write_text(f"{uuid.uuid4()}\n")
        image.unlink(missing_ok=True)
        # Without compression: it is read once, by an emulated processor.
        argv = ["mksquashfs", scratch, os.fspath(image), "-all-root", "-no-progress", "-quiet"]
        argv += ["-noI", "-noD", "-noF", "-noX"]
        subprocess.run(argv, check=True, stdin=subprocess.DEVNULL)
    return steps


def _check(place: str) -> None:
    if not PurePosixPath(place).is_absolute() or "\n" in place or "\t" in place:
        raise ValueError(f"not a place on the host: {place!r}")
