# SPDX-License-Identifier: Apache-2.0
"""What the bundle runs: the command, and nothing before it."""

from __future__ import annotations

from launcher.cli.main import main

main()
