# SPDX-License-Identifier: Apache-2.0
"""Alibaba Cloud: with a session token, which its hardened mode demands, and plainly without one.

https://www.alibabacloud.com/help/en/ecs/user-guide/view-instance-metadata
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from launcher.sources.base import Found

if TYPE_CHECKING:
    from launcher.sources.service import Service

ADDRESS: Final = "http://100.100.100.200"
LIFETIME: Final = "300"  # seconds


def read(service: Service) -> Found:
    ask = {"X-aliyun-ecs-metadata-token-ttl-seconds": LIFETIME}
    token = service.put("/latest/api/token", ask)
    headers = {"X-aliyun-ecs-metadata-token": token.decode()} if token else {}
    instance = service.text("/latest/meta-data/instance-id", headers)
    return Found("aliyun", instance, service.get("/latest/user-data", headers) or b"")
