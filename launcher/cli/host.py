# SPDX-License-Identifier: Apache-2.0
"""`hatchway install` and `uninstall`: what of Hatchway a host starts by itself."""

from __future__ import annotations

from launcher.cli import options, output
from launcher.errors import Exit


def install() -> int:
    """Let user data run before kubelet at each boot: write the units. The door needs none."""
    import sys
    from pathlib import Path

    from launcher.bootstrap import units
    from launcher.host import require_root

    require_root()
    settings = options.load_settings()
    own = settings.bootstrap
    # The door may be opened by the unit as well, see on-failure; it may be set later than now.
    limit = own.timeout + settings.admin.timeout
    program = Path(sys.executable if getattr(sys, "frozen", False) else sys.argv[0]).resolve()
    written = units.install(program, gate=own.gate, timeout=limit)
    with output.answer():
        output.lines([*map(str, written), "It takes effect at the next boot."])
    return Exit.DONE


def uninstall() -> int:
    """Remove the units; records, host keys and images stay."""
    from launcher.bootstrap import units
    from launcher.host import require_root

    require_root()
    removed = [str(path) for path in units.uninstall()]
    with output.answer():
        output.lines(removed or ["There was nothing to remove."])
    return Exit.DONE
