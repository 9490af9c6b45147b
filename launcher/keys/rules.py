# SPDX-License-Identifier: Apache-2.0
"""How sshd is to deal with everyone alike, whoever comes."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final, cast

from admin_image.algorithms import DEFAULT_POLICY, OFFERS, Policy

if TYPE_CHECKING:
    from launcher.settings import Admin


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """`policy` chooses the algorithms and host keys."""

    policy: Policy = DEFAULT_POLICY


DEFAULT_RULES: Final = Rules()


def of(admin: Admin, *, policy: str = "") -> Rules:
    """The rules of the settings; `policy` is a flag's, or empty. `ValueError` when it is none."""
    if policy and policy not in OFFERS:
        message = f"{policy!r} is none of {', '.join(OFFERS)}"
        raise ValueError(message)
    return Rules(policy=cast("Policy", policy) if policy else admin.ssh_policy)
