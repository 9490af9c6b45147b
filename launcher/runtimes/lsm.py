# SPDX-License-Identifier: Apache-2.0
"""AppArmor and SELinux of this host, as far as containers of ours have to do with them.

A plan names in `lsm` those by which its engine confines it as it confines any container. It is
free of the others: an AppArmor profile of an engine allows neither mounts nor signals and ptrace
to the host's processes, and under SELinux only a domain for such containers may touch its files.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from launcher.host import Host

APPARMOR: Final = "apparmor"
SELINUX: Final = "selinux"
# https://github.com/containers/container-selinux: the domain of privileged containers.
_DOMAIN: Final = "spc_t"
# Where the policy is another one: os-release's ID -> domain.
_DOMAINS: Final = {"bottlerocket": "super_t"}
# Profiles that engines load, the one for containerd first: ctr itself loads none.
_PROFILES: Final = ("cri-containerd.apparmor.d", "docker-default", "nerdctl-default")
_APPARMOR_ON: Final = Path("/sys/module/apparmor/parameters/enabled")
_APPARMOR_LOADED: Final = Path("/sys/kernel/security/apparmor/profiles")
_SELINUX: Final = Path("/sys/fs/selinux/enforce")


# Of all categories, as root has on a host with such a policy.
LEVEL: Final = "s0-s0:c0.c1023"


@dataclasses.dataclass(frozen=True, slots=True)
class Lsm:
    """`profile` is AppArmor's for an ordinary container, if one is loaded.

    `domain` is SELinux's for those that work on the host, empty where there is no SELinux.
    """

    profile: str = ""
    domain: str = ""

    @classmethod
    def read(cls, host: Host, domain: str = "") -> Lsm:
        """What the kernel says; `domain` is what the settings name, if they do."""
        found = domain or _DOMAINS.get(host.os_id, _DOMAIN)
        return cls(_profile(), found if _SELINUX.exists() else "")


NONE: Final = Lsm()


def _profile() -> str:
    try:
        if _APPARMOR_ON.read_text().strip() != "Y":
            return ""
        loaded = set(_APPARMOR_LOADED.read_text().splitlines())
    except OSError:  # none, or securityfs is not mounted
        return ""
    return next((name for name in _PROFILES if f"{name} (enforce)" in loaded), "")
