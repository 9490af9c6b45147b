# SPDX-License-Identifier: Apache-2.0
"""final_message: a word in the log when everything else is done."""

from __future__ import annotations

import email.utils
import re
from typing import TYPE_CHECKING

from bootstrap_image.module import Module, Params

if TYPE_CHECKING:
    from bootstrap_image.host import Host
    from bootstrap_image.table import Table

# $UPTIME, ${UPTIME}, {{uptime}}: cloud-init's three ways of writing it.
_WORD = re.compile(r"\$\{?([A-Za-z]+)\}?|\{\{\s*([A-Za-z]+)\s*\}\}")


def _read(config: Table) -> Params | None:
    text = config.text("final_message").strip()
    return {"text": text} if text else None


def _act(params: Params, host: Host) -> None:
    uptime = host.read("/proc/uptime").split(".")[0]
    values = {
        "uptime": uptime,
        "timestamp": email.utils.formatdate(localtime=False),
        "version": "hatchway",
        "datasource": "hatchway",
    }

    def value(match: re.Match[str]) -> str:
        return values.get((match[1] or match[2]).lower(), match[0])

    host.say(_WORD.sub(value, params["text"]))


MODULE = Module("final_message", _read, _act, lambda _: ["a word at the end"])
