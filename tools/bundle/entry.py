# SPDX-License-Identifier: Apache-2.0
"""What the bundle runs."""

from __future__ import annotations

import gc
import os

# Notes of the bundle's start to itself; a child would take them for its own.
for _name in [n for n in os.environ if n.startswith(("_PYI_", "LD_LIBRARY_PATH"))]:
    del os.environ[_name]

# Importing makes many objects and no garbage. Not to look through them for some, now and at the
# end, spares a fifth of a short command.
gc.disable()
from launcher.cli.main import main  # noqa: E402 - the lines above are for this import

gc.freeze()
gc.enable()
main()
