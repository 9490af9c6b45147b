# SPDX-License-Identifier: Apache-2.0
"""Names of devices that user data makes up: `device_aliases`, and `data.1` for a partition."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bootstrap_image import devices

if TYPE_CHECKING:
    from bootstrap_image.table import Table

# The first partition of `data`, or of /dev/vdb. Other names may end like that by themselves:
# ids below /dev/disk, volumes below /dev/mapper.
_DOTTED = re.compile(r"((?:/dev/)?[^/]+)\.([0-9]{1,3})")
_OF_CLOUDS = re.compile(r"(ami|root|swap|(/dev/)?(ephemeral|ebs)[0-9]*)(\.[0-9]+)?")


def device_of(name: str, config: Table) -> str:
    """The device behind a name of user data, through `device_aliases`; empty when there is none."""
    target = _aliases(config).get(name, name)
    return devices.full_name(target) if isinstance(target, str) else ""


def place_of(name: str, config: Table) -> tuple[str, str]:
    """The device, and the number of the partition that the name ends with; 0 is all of it."""
    dotted = _DOTTED.fullmatch(name)
    if dotted and name not in _aliases(config):
        return device_of(dotted[1], config), dotted[2]
    return device_of(name, config), ""


def is_of_a_cloud(name: str) -> bool:
    """Whether only a cloud's metadata could tell which device is meant."""
    return bool(_OF_CLOUDS.fullmatch(name))


def _aliases(config: Table) -> dict[object, object]:
    aliases = config.value("device_aliases")
    return aliases if isinstance(aliases, dict) else {}
