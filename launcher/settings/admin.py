# SPDX-License-Identifier: Apache-2.0
"""[host-containers.admin]: the admin container, by Bottlerocket's names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from admin_image.algorithms import (
    CA_SIGNATURES,
    DEFAULT_POLICY,
    KNOWN_CA_SIGNATURES,
    Policy,
    problem,
)
from launcher import VERSION
from launcher.findings import Finding
from launcher.settings.values import (
    decode_user_data,
    parse_duration,
    parse_listen,
    parse_size,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

DEFAULT_IMAGE: Final = f"localhost/hatchway-admin:{VERSION}"
_PLACE: Final = "host-containers.admin."


class Admin(msgspec.Struct, rename="kebab", forbid_unknown_fields=True, frozen=True):
    """[host-containers.admin]: the admin container. `user_data` is base64, as in Bottlerocket."""

    enabled: bool = False
    superpowered: bool = True
    source: str = DEFAULT_IMAGE
    user_data: str = ""
    command: list[str] = []
    # Ours:
    listen: str = "22"
    user: str = ""
    uid: int = 0
    principals: list[str] = []
    ssh_policy: Policy = DEFAULT_POLICY
    revoked_keys: str = ""
    ca_signature_algorithms: list[str] = []
    max_certificate_lifetime: str = ""
    verify_required: bool = False
    memory: str = "1G"
    cpus: float = 2.0
    pids: int = 2048
    timeout: float = 120.0


def findings(containers: Mapping[str, Admin]) -> Iterator[Finding]:
    """What the types cannot say."""
    for name in containers:
        if name != "admin":
            yield Finding(f"host-containers.{name}", "only the container `admin` is known")
    admin = containers.get("admin", Admin())
    checks: dict[str, Callable[[], object]] = {
        "listen": lambda: parse_listen(admin.listen),
        "memory": lambda: parse_size(admin.memory),
        "user-data": lambda: decode_user_data(admin.user_data),
        "max-certificate-lifetime": lambda: parse_duration(admin.max_certificate_lifetime or "1"),
    }
    for key, check in checks.items():
        try:
            check()
        except ValueError as error:
            yield Finding(f"{_PLACE}{key}", str(error))
    for key, value in (("cpus", admin.cpus), ("pids", admin.pids), ("timeout", admin.timeout)):
        if value <= 0:
            yield Finding(f"{_PLACE}{key}", "must be more than 0")
    if admin.uid and not 2**16 <= admin.uid < 2**31:
        message = "must be from 65536, for numbers below are the host's own, to 2147483647"
        yield Finding(f"{_PLACE}uid", message)
    wanted = tuple(admin.ca_signature_algorithms)
    if why := problem(wanted, KNOWN_CA_SIGNATURES, CA_SIGNATURES):
        yield Finding(f"{_PLACE}ca-signature-algorithms", why)
    if not admin.superpowered:
        message = "false is not possible: without privilege the container cannot enter the host"
        yield Finding(f"{_PLACE}superpowered", message)
    if admin.enabled:
        message = "has no effect: the door opens on demand, by `hatchway admin start`"
        yield Finding(f"{_PLACE}enabled", message, "warning")
    if admin.command:
        yield Finding(f"{_PLACE}command", "has no effect: the door runs its own", "warning")
