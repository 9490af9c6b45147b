# SPDX-License-Identifier: Apache-2.0
"""The contract between the launcher and the admin image; `algorithms.py` is its other part.

The launcher writes `DoorSpec` and the key files into `RUN` before it starts the container; the
container writes `Phase` there while it starts, and keeps its SSH host keys in `STATE`.
Everything else that the container needs is in the image or below `HOST`.
"""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from admin_image.algorithms import DEFAULT_POLICY, Policy

CONTRACT = 1
# Label of the image: the contract that it speaks. A launcher refuses an image without it.
CONTRACT_LABEL = "io.hatchway.admin.contract"

# Mount points in the container. RUN and STATE have the same path on the host.
HOST = "/host"
RUN = "/run/hatchway/admin"
STATE = "/var/lib/hatchway/admin"
LOG = "/var/log/hatchway"
LOG_FILE = f"{LOG}/admin.log"
# Where people who come from other systems look for the host.
HOST_ALIASES = ("/.lifsea/rootfs", "/.bottlerocket/rootfs", "/media/root", "/run/host")

# Files in RUN.
SPEC_FILE = f"{RUN}/spec.json"  # 0600: may carry a password hash
PHASE_FILE = f"{RUN}/phase.json"
# Read by sshd at every login, so that keys change without a restart. 0644: public by nature.
KEYS_FILE = f"{RUN}/authorized_keys"
CA_FILE = f"{RUN}/trusted_ca_keys"
PRINCIPALS_FILE = f"{RUN}/principals"
# Lines for those who log in, where the launcher has any.
NOTICE_FILE = f"{RUN}/notice"
REVOKED_FILE = f"{RUN}/revoked_keys"

# By the type that a client sees; sshd has those of its policy.
HOST_KEY_FILES = {
    "ssh-ed25519": f"{STATE}/ssh/ssh_host_ed25519_key",
    "ecdsa-sha2-nistp256": f"{STATE}/ssh/ssh_host_ecdsa_key",
}

# In the container: its memory group, where it could be divided, with one group for each session in
# `sessions`; and what a session does first, in words: the file of its limit, and the limit.
GROUP = "/run/hatchway/cgroup"
SESSIONS = f"{GROUP}/sessions"
BELOW_SESSIONS = "/sessions/"  # in the path of every session's group, as the kernel tells it
SPARE = "spare"  # for those that get none of their own
SESSION_LIMIT_FILE = "/run/hatchway/session-limit"

DEFAULT_USER = "admin"
# The account's user and group number is one of these: above what systemd, container engines,
# OpenShift and SSSD give out, below what systemd calls foreign and what programs take for negative.
UIDS = range(2_147_000_000, 2_147_000_064)
# As Bottlerocket's admin container has it.
USER_PATTERN = r"[a-z_][a-z0-9_-]{0,31}"
# Accounts that the image has for itself; a test compares them with its /etc/passwd.
IMAGE_USERS = frozenset(
    {
        *("root", "daemon", "bin", "sys", "sync", "games", "man", "lp", "mail", "news", "uucp"),
        *("proxy", "www-data", "backup", "list", "irc", "_apt", "nobody"),
        *("sshd", "systemd-network", "tcpdump"),
    }
)

_LISTS = ("ciphers", "key_exchange_algorithms", "macs", "ca_signature_algorithms")


@dataclasses.dataclass(frozen=True, slots=True)
class DoorSpec:
    """How the door is to be: what sshd listens on and whom it lets in.

    `uid` is the account's number, of its group too.
    `listen` is an address literal or `""` for every address; the algorithm lists are empty for
    the policy's own choice, and their first item may begin with `+`, `-` or `^` as in sshd_config.
    `certificate_lifetime` is the most that a certificate may be valid for, in seconds; 0 is any
    time. `verify_required` is about security keys: their owner gave a PIN or a finger.
    """

    user: str = DEFAULT_USER
    uid: int = UIDS[0]
    listen: str = ""
    port: int = 22
    trusted_cas: bool = False
    principals: bool = False
    ssh_policy: Policy = DEFAULT_POLICY
    ciphers: tuple[str, ...] = ()
    key_exchange_algorithms: tuple[str, ...] = ()
    macs: tuple[str, ...] = ()
    ca_signature_algorithms: tuple[str, ...] = ()
    certificate_lifetime: int = 0
    verify_required: bool = False
    authorized_keys_command: str = ""
    authorized_keys_command_user: str = ""
    password_hash: str = ""
    contract: int = CONTRACT

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> DoorSpec:
        """Read what `to_json` wrote; `ValueError` when it is not ours or of another contract."""
        fields = _object(text)
        if fields.get("contract") != CONTRACT:
            message = (
                f"the launcher speaks contract {fields.get('contract')}, this image {CONTRACT}"
            )
            raise ValueError(message)
        known = {field.name for field in dataclasses.fields(cls)}
        if unknown := sorted(fields.keys() - known):
            message = f"unknown fields in the door's spec: {', '.join(unknown)}"
            raise ValueError(message)
        for name in _LISTS:
            fields[name] = tuple(fields.get(name, ()))
        return cls(**fields)


@dataclasses.dataclass(frozen=True, slots=True)
class Phase:
    """How far the container is: `preparing`, `open` or `failed` (then with an error code)."""

    phase: str
    pid: int
    code: str = ""
    message: str = ""
    warnings: tuple[str, ...] = ()

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Phase:
        fields = _object(text)
        fields["warnings"] = tuple(fields.get("warnings", ()))
        return cls(**fields)


# The program that puts a command beside a container; to be followed by `JoinSpec.words()`.
JOIN = ("/usr/bin/python3", "-IS", "/usr/lib/hatchway/join")
# The program that becomes an observer and then its arguments: `UID COMMAND ARGUMENT...`.
OBSERVE = ("/usr/bin/python3", "-IS", "/usr/lib/hatchway/observe")
# Where the joiner shows the target's files.
TARGET = "/target"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class JoinSpec:
    """Which process to join, and how.

    `started` is field 22 of its /proc/PID/stat. `root`, `environment` and `directory` are
    `target` for the target's, or empty; `variables` are names of its variables, with commas
    between them; `tools_at` is a name at the target's root for our tools,
    when that is `/`, and `ptrace` lets the command then keep SYS_PTRACE; `volumes` are places
    that are taken along, with colons between them; `user` is `UID[:GID]`, `target` for that of
    the process, or empty for the target's root; `observer` is the user of one who only looks, or
    0; `capabilities` are bits, of what the command
    keeps; `confined` keeps it from changing the kernel's settings in /proc.
    """

    pid: int
    started: int
    name: str
    root: str = ""
    tools_at: str = ""
    ptrace: bool = False
    volumes: str = ""
    read_only: bool = False
    confined: bool = True
    environment: str = ""
    variables: str = ""
    directory: str = ""
    workdir: str = ""
    user: str = ""
    observer: int = 0
    capabilities: int = (1 << 64) - 1

    def argv(self, command: tuple[str, ...]) -> tuple[str, ...]:
        """The whole command line; an empty `command` is a shell."""
        words = dataclasses.asdict(self)
        words |= {name: "yes" for name, value in words.items() if value is True}
        words |= {name: "" for name, value in words.items() if value is False}
        words["capabilities"] = f"{self.capabilities:x}"
        options = (f"--{name.replace('_', '-')}={value}" for name, value in words.items())
        return (*JOIN, *options, "--", *command)


def fingerprint(blob: str) -> str:
    """`SHA256:` and 43 characters for the base64 of a public key, as `ssh-keygen -l` prints it."""
    import base64
    import hashlib

    digest = hashlib.sha256(base64.b64decode(blob)).digest()
    return f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"


def _object(text: str) -> dict[str, Any]:
    value = json.loads(text)
    if not isinstance(value, dict):
        message = "expected a JSON object"
        raise ValueError(message)  # noqa: TRY004 - one error type for a damaged file
    return value
