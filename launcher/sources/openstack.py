# SPDX-License-Identifier: Apache-2.0
"""OpenStack: its own tree, not the one that imitates EC2.

https://docs.openstack.org/nova/latest/user/metadata.html
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from launcher.sources.base import Found

if TYPE_CHECKING:
    from launcher.sources.service import Service

ADDRESS: Final = "http://169.254.169.254"


def read(service: Service) -> Found:
    described = service.get("/openstack/latest/meta_data.json") or b"{}"
    try:
        instance = str(json.loads(described).get("uuid", ""))
    except (ValueError, AttributeError):
        instance = ""
    return Found("openstack", instance, service.get("/openstack/latest/user_data") or b"")
