# SPDX-License-Identifier: Apache-2.0
"""A secret with the text around it."""

from __future__ import annotations

from typing import NamedTuple

WORD = "hunter2-Zq9"


class Planted(NamedTuple):
    """`secrets` are the parts of `text` that must not leave the host."""

    name: str
    text: str
    secrets: tuple[str, ...]


def planted(name: str, text: str, *secrets: str) -> Planted:
    secrets = secrets or (WORD,)
    assert [secret for secret in secrets if secret not in text] == []
    return Planted(name, text, secrets)
