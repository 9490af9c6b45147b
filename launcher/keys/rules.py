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
    """`policy` chooses the algorithms and host keys; the others are those of `DoorSpec`."""

    policy: Policy = DEFAULT_POLICY
    ca_signature_algorithms: tuple[str, ...] = ()
    certificate_lifetime: int = 0
    verify_required: bool = False


DEFAULT_RULES: Final = Rules()


def of(admin: Admin, *, policy: str = "") -> Rules:
    """The rules of the settings; `policy` is a flag's, or empty. `ValueError` when it is none."""
    from launcher.settings import parse_duration

    if policy and policy not in OFFERS:
        message = f"{policy!r} is none of {', '.join(OFFERS)}"
        raise ValueError(message)
    longest = admin.max_certificate_lifetime
    return Rules(
        policy=cast("Policy", policy) if policy else admin.ssh_policy,
        ca_signature_algorithms=tuple(admin.ca_signature_algorithms),
        certificate_lifetime=parse_duration(longest) if longest else 0,
        verify_required=admin.verify_required,
    )
