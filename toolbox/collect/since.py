# SPDX-License-Identifier: Apache-2.0
"""From when on logs are wanted, as people say it and as journalctl takes it."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

_SPAN: Final = re.compile(r"-?([0-9]{1,6})\s*(s|m|min|h|d|w)")
_UNITS: Final = {"s": "s", "m": "min", "min": "min", "h": "h", "d": "d", "w": "w"}


def parse(text: str) -> str:
    """`90m` is 90 minutes ago, `2026-11-21 13:00` a UTC time; `ValueError` says what is wrong."""
    text = text.strip()
    if match := _SPAN.fullmatch(text):
        return f"-{match[1]}{_UNITS[match[2]]}"
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        message = f"expected 90m, 24h, 7d or 2026-11-21T13:00, not {text!r}"
        raise ValueError(message) from None
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC")
