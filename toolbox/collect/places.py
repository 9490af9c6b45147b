# SPDX-License-Identifier: Apache-2.0
"""Where a bundle is put, and what it is called."""

from __future__ import annotations

import re
import secrets
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from launcher import files
from launcher.errors import HostError, UsageError

if TYPE_CHECKING:
    from launcher.monitor import Monitor
    from toolbox.collect.bundle import Form

KEPT: Final = Path("/var/lib/hatchway/bundles")
# In memory, for a host whose disk is full or has become read-only.
SPARE: Final = Path("/run/hatchway/bundles")
_LEAST: Final = 16 << 20  # bytes that a place must have free to be worth a try


def name(host: str) -> str:
    """`hatchway-HOST-20261121T134500Z-3f2a`: sorts by time, and no two are the same."""
    when = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    short = re.sub(r"[^A-Za-z0-9_-]", "_", host.partition(".")[0])[:60]
    return "-".join(part for part in ("hatchway", short, when, secrets.token_hex(2)) if part)


def suffix(form: Form, *, encrypted: bool) -> str:
    return f".tar.{form}" + (".age" if encrypted else "")


def directory(monitor: Monitor) -> Path:
    """A directory of our own with room, on disk or else in memory; both are root's alone."""
    for place in (KEPT, SPARE):
        try:
            files.own_directory(place.parent)
            files.own_directory(place, mode=0o700)
            probe = place / f".probe-{secrets.token_hex(4)}"
            with files.explained(place):
                probe.touch(mode=0o600)
                probe.unlink()
        except HostError as error:
            monitor.note(f"not in {place}: {error.message}")
            continue
        if _free(place) >= _LEAST or place == SPARE:
            return place
        monitor.note(f"not in {place}: it has less than {_LEAST >> 20} MiB left")
    message = f"neither {KEPT} nor {SPARE} can hold a bundle"
    hint = (
        "Name a place: `hatchway toolbox collect FILE`; or stream it: `hatchway toolbox collect -`."
    )
    raise HostError("host.read-only", message, hint)


def given(text: str, default: str) -> Path:
    """The file that the user named; a directory gets `default` in it. An existing file stays."""
    path = Path(text).absolute()
    if path.is_dir():
        path /= default
    if path.exists() or path.is_symlink():
        raise UsageError("usage.invalid", f"{path} exists already", "Name another file.")
    if not path.parent.is_dir():
        raise UsageError("usage.invalid", f"there is no directory {path.parent}", "Make it first.")
    return path


def form_of(text: str, *, gzip: bool) -> Form:
    """Gzip where it is asked for, by the flag or by the name."""
    bare = text.removesuffix(".age")
    return "gz" if gzip or bare.endswith((".tar.gz", ".tgz")) else "zst"


def _free(place: Path) -> int:
    import os

    facts = os.statvfs(place)
    return facts.f_bavail * facts.f_frsize
