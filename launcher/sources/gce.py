# SPDX-License-Identifier: Apache-2.0
"""Google Compute Engine: the attribute `user-data`, or else the older `startup-script`.

https://cloud.google.com/compute/docs/metadata/querying-metadata
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from launcher.sources.base import Found

if TYPE_CHECKING:
    from launcher.sources.service import Service

ADDRESS: Final = "http://169.254.169.254"
# Without it the service refuses: no browser can be tricked into sending it.
HEADERS: Final = {"Metadata-Flavor": "Google"}
_PATH: Final = "/computeMetadata/v1/instance"


def read(service: Service) -> Found:
    instance = service.text(f"{_PATH}/id", HEADERS)
    for name in ("user-data", "startup-script"):
        data = service.get(f"{_PATH}/attributes/{name}", HEADERS)
        if data:
            return Found("gce", instance, data)
    return Found("gce", instance)
