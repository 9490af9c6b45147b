# SPDX-License-Identifier: Apache-2.0
"""The host's /etc/fstab: our lines in it, all others as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bootstrap_image.host import Host

_FILE = "/etc/fstab"
_MARK = "x-hatchway"  # an option that everybody ignores: which lines are ours


def keep(lines: list[list[Any]], removed: list[str], host: Host) -> None:
    """Have the host mount these at later boots as well."""
    host.write(_FILE, fstab(host.read(_FILE), lines, removed).encode())
    if host.exists("/run/systemd/private"):
        # So that systemd has units for the new lines: a mount without one it may end.
        host.run("systemctl", "daemon-reload")


def fstab(text: str, lines: list[list[Any]], removed: list[str]) -> str:
    """The file with our lines in place of those that we, or it, had for the same mount points."""
    points = {line[1] for line in lines if line[1] != "none"}
    # Swap has no mount point by which to know it again.
    removed = [*removed, *(line[0] for line in lines if line[1] == "none")]
    kept = [line for line in text.splitlines() if not _replaced(line, points, removed)]
    ours = ["\t".join([*line[:3], f"{line[3]},{_MARK}", *line[4:]]) for line in lines]
    return "\n".join([*kept, *dict.fromkeys(ours)]) + "\n"


def _replaced(line: str, points: set[Any], removed: list[str]) -> bool:
    fields = line.split()
    if len(fields) < 4 or line.lstrip().startswith("#"):
        return False
    return fields[1] in points or fields[0] in removed
