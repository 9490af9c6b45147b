# SPDX-License-Identifier: Apache-2.0
"""Files that are secret as a whole: no recipe gets them, by whatever name it asks."""

from __future__ import annotations

import fnmatch
from typing import Final

# Matched against the real path, links followed; `*` passes over `/`.
PATTERNS: Final = (
    "/etc/shadow*", "/etc/gshadow*", "*/shadow-", "*/krb5.keytab", "*.keytab",
    # Keys, by the names that they usually have
    "*.key", "*.p12", "*.pfx", "*.jks", "*/id_rsa", "*/id_ecdsa", "*/id_ed25519", "*/id_dsa",
    "*/ssh_host_*_key", "*/identity", "*/private/*", "*/.gnupg/*",
    # kubelet's own certificate and key are one file; a pod's token is a file, too
    "/var/lib/kubelet/pki/*.pem", "/var/lib/kubelet/pods/*/volumes/*", "*/serviceaccount/token",
    # Credentials of registries and clouds
    "*/.docker/config.json", "/var/lib/kubelet/config.json", "*/containers/auth.json",
    "*/.dockercfg", "*/.aws/credentials", "*/.aliyun/config.json", "*/.netrc", "*/.pgpass",
    "*/.my.cnf", "*/.git-credentials",
    # User data, wherever a cloud leaves it
    "*/user-data*", "*/user_data*", "*/userdata*", "*/vendor-data*", "*/ovf-env.xml",
    "*/CustomData*", "/var/lib/cloud/instances/*/scripts/*", "/var/lib/cloud/instances/*/obj.pkl",
    "/var/lib/cloud/instances/*/cloud-config.txt", "/run/cloud-init/instance-data-sensitive.json",
    "/run/hatchway/bootstrap/*", "/run/hatchway/admin/*",
    # A process's environment, its memory and the machine's
    "/proc/*/environ", "/proc/*/mem", "/proc/kcore", "/proc/keys", "/proc/*/task/*/environ",
    "/dev/mem", "/dev/kmem", "/var/lib/systemd/random-seed", "/var/lib/systemd/credential.secret",
    "*/shell_history", "*/.bash_history", "*/.ash_history", "*/.zsh_history",
)  # fmt: skip


def reason(path: str) -> str:
    """Why this file stays where it is, or an empty string."""
    for pattern in PATTERNS:
        if fnmatch.fnmatchcase(path, pattern):
            return f"withheld: it matches {pattern}, which is secret as a whole"
    return ""
