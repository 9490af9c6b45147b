# SPDX-License-Identifier: Apache-2.0
"""Google Compute Engine: the attribute `user-data`, and beside it `startup-script`.

https://cloud.google.com/compute/docs/metadata/querying-metadata
https://cloud.google.com/compute/docs/instances/startup-scripts/linux
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from launcher.sources.base import Found

if TYPE_CHECKING:
    from launcher.sources.service import Service

ADDRESS: Final = "http://169.254.169.254"
# Without it the service refuses: no browser can be tricked into sending it.
HEADERS: Final = {"Metadata-Flavor": "Google"}
_ROOT: Final = "/computeMetadata/v1"
_SCRIPT: Final = "startup-script"
_URL: Final = "startup-script-url"


def read(service: Service) -> Found:
    instance = service.text(f"{_ROOT}/instance/id", HEADERS)
    data = service.get(f"{_ROOT}/instance/attributes/user-data", HEADERS) or b""
    # As with Google's own agent, the project's stand in for a machine that has neither.
    for owner in ("instance", "project"):
        place = f"{_ROOT}/{owner}/attributes"
        script = service.get(f"{place}/{_SCRIPT}", HEADERS) or b""
        address = service.get(f"{place}/{_URL}", HEADERS)
        if script or address:
            break
    if script and not script.startswith(b"#!"):
        script = b"#!/bin/bash\n" + script  # which Google runs it by
    why = f"scripts are not fetched; put the script itself into {_SCRIPT}"
    return Found(
        "gce", instance, data, {_SCRIPT: script} if script else {}, {_URL: why} if address else {}
    )
