# SPDX-License-Identifier: Apache-2.0
"""The modules of cloud-config, in the order in which they run.

The order is cloud-init's: files before what reads them, disks before what is mounted from them.
But accounts come before the files that they own, and homes when what holds them is mounted.
"""

from __future__ import annotations

from typing import Final

from bootstrap_image.modules import (
    ca_certs,
    disk_setup,
    final_message,
    fs_setup,
    growpart,
    hostname,
    hosts,
    mounts,
    ntp,
    ssh_authorized_keys,
    swap,
    sysctl,
    timezone,
    users,
    write_files,
)

EARLY: Final = (
    users.MODULE,
    write_files.MODULE,
    growpart.MODULE,
    disk_setup.MODULE,
    fs_setup.MODULE,
    mounts.MODULE,
    swap.MODULE,
    users.HOMES,
    hostname.MODULE,
    hosts.MODULE,
    ca_certs.MODULE,
    ssh_authorized_keys.MODULE,
    ntp.MODULE,
    timezone.MODULE,
    sysctl.MODULE,
)
LATE: Final = (write_files.DEFERRED,)
LAST: Final = (final_message.MODULE,)
BY_NAME: Final = {module.name: module for module in (*EARLY, *LATE, *LAST)}
