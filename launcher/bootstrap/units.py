# SPDX-License-Identifier: Apache-2.0
"""The systemd units of the bootstrap container, and of nothing else: the door has none."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from launcher import files

UNITS: Final = Path("/etc/systemd/system")
NAME: Final = "hatchway-bootstrap.service"
DROP_IN: Final = "10-hatchway.conf"
MARGIN: Final = 60.0  # seconds that systemd waits longer than we do, for the clean-up

# Every runtime that may be ours; the absent ones are ignored by systemd.
_RUNTIMES: Final = "containerd.service host-containerd.service docker.service"


def service(program: Path, *, gate: str, timeout: float) -> str:
    """The oneshot unit that runs user data after the runtime and the network, before `gate`.

    Status 2 (degraded) counts as success: only essential failures keep the gate closed.
    """
    return f"""\
# Written by `hatchway install`.
[Unit]
Description=Run user data before {gate}
After={_RUNTIMES} network-online.target
Wants=network-online.target
Before={gate}

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart={program} bootstrap run --at-boot
SuccessExitStatus=2
TimeoutStartSec={timeout + MARGIN:.0f}
StandardOutput=journal+console
StandardError=journal+console

[Install]
WantedBy=multi-user.target
"""


def drop_in() -> str:
    """What keeps the gated unit from starting before user data has run, or when it failed."""
    return f"""\
# Written by `hatchway install`.
[Unit]
Requires={NAME}
After={NAME}
"""


def install(program: Path, *, gate: str, timeout: float) -> list[Path]:
    """Write the units, enabled; the files that were written. Twice is as good as once."""
    wants = UNITS / "multi-user.target.wants"
    gated = UNITS / f"{gate}.d"
    for place in (UNITS, wants, gated):
        files.own_directory(place)
    files.write(UNITS / NAME, service(program, gate=gate, timeout=timeout).encode(), mode=0o644)
    files.write(gated / DROP_IN, drop_in().encode(), mode=0o644)
    link = wants / NAME
    with files.explained(link):
        link.unlink(missing_ok=True)
        link.symlink_to(UNITS / NAME)
    return [UNITS / NAME, gated / DROP_IN, link]


def uninstall() -> list[Path]:
    """Remove what `install` wrote, whatever the gated unit was; the files that were removed."""
    found = [UNITS / NAME, UNITS / "multi-user.target.wants" / NAME, *UNITS.glob(f"*.d/{DROP_IN}")]
    there = [path for path in found if path.is_symlink() or path.exists()]
    for path in there:
        with files.explained(path):
            path.unlink()
    for path in there:
        if path.name == DROP_IN and not any(path.parent.iterdir()):
            path.parent.rmdir()
    return there
