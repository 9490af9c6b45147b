# SPDX-License-Identifier: Apache-2.0
"""What the bundle runs."""

from __future__ import annotations

import gc

# Importing makes many objects and no garbage: looking for some costs a sixth of a short command.
gc.set_threshold(50_000)

from launcher.cli.main import main  # noqa: E402 - the line above is for this import

main()
