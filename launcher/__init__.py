# SPDX-License-Identifier: Apache-2.0
"""The launcher: what runs on the host and opens, proves, watches and closes the door."""

from __future__ import annotations

from typing import Final

VERSION: Final = "0.1.0"
