# SPDX-License-Identifier: Apache-2.0
"""Amazon EC2, by version 2 of its service, which works whatever the instance demands.

https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from launcher.sources.base import Found

if TYPE_CHECKING:
    from launcher.sources.service import Service

ADDRESS: Final = "http://169.254.169.254"
LIFETIME: Final = "300"  # seconds


def read(service: Service) -> Found:
    ask = {"X-aws-ec2-metadata-token-ttl-seconds": LIFETIME}
    token = service.put("/latest/api/token", ask)
    headers = {"X-aws-ec2-metadata-token": token.decode()} if token else {}
    instance = service.text("/latest/meta-data/instance-id", headers)
    return Found("aws", instance, service.get("/latest/user-data", headers) or b"")
