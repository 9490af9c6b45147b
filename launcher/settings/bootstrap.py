# SPDX-License-Identifier: Apache-2.0
"""[bootstrap] and [bootstrap-containers.NAME]: what runs before kubelet."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import urlsplit

import msgspec

from bootstrap_image import spec
from launcher import VERSION
from launcher.findings import Finding
from launcher.host import CAPABILITIES
from launcher.settings.values import decode_user_data

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DEFAULT_IMAGE: Final = f"localhost/hatchway-bootstrap:{VERSION}"
MACHINE: Final = "user-data"  # the job that the machine's own user data is; others begin with it
_UNIT: Final = re.compile(r"[A-Za-z0-9:_.@-]{1,200}\.(?:service|target)")


class Bootstrap(msgspec.Struct, rename="kebab", forbid_unknown_fields=True, frozen=True):
    """[bootstrap-containers.NAME]: user data to run before kubelet. `user_data` is base64.

    `file` names a file or a directory of the host instead; `timeout` is for one attempt of one
    step, in seconds.
    """

    source: str = DEFAULT_IMAGE
    mode: Literal["off", "once", "once-attempted", "always"] = "off"
    essential: bool = False
    user_data: str = ""
    command: list[str] = []
    # Ours:
    file: str = ""
    order: int = 0
    timeout: float = 300.0
    retries: int = 0


class BootstrapSettings(msgspec.Struct, rename="kebab", forbid_unknown_fields=True, frozen=True):
    """[bootstrap]: the machine's own user data, and what waits for all of it.

    `source` is where the machine's user data comes from: auto, none, nocloud, aliyun, aws, gce or
    openstack; `address` replaces the metadata service's. `step_timeout` and `retries` are for each
    of its steps; `timeout` bounds everything. Both are in seconds.
    `on_failure` open-admin opens the admin door when an essential job failed at boot.
    `capabilities` come on top of those of the profile, by the kernel's names without CAP_.
    """

    source: str = "auto"
    address: str = ""
    image: str = DEFAULT_IMAGE
    essential: bool = False
    gate: str = "kubelet.service"
    on_failure: Literal["none", "open-admin"] = "none"
    timeout: float = 3600.0
    # Half of it: elsewhere user data has no limit, and a step that hangs leaves time for others.
    step_timeout: float = 1800.0
    retries: int = 0
    memory: str = "2G"
    cpus: float = 64.0
    pids: int = 8192
    capabilities: list[str] = []


def findings(own: BootstrapSettings, containers: Mapping[str, Bootstrap]) -> Iterator[Finding]:
    """What the types cannot say."""
    if not _UNIT.fullmatch(own.gate):
        yield Finding("bootstrap.gate", "expected the name of a unit")
    if own.address and not _is_service(own.address):
        yield Finding("bootstrap.address", "expected http://HOST or http://HOST:PORT")
    if own.timeout <= 0:
        yield Finding("bootstrap.timeout", "must be more than 0")
    yield from _of_tries("bootstrap", "step-timeout", own.step_timeout, own.retries)
    if unknown := sorted(set(own.capabilities) - set(CAPABILITIES)):
        message = f"the kernel knows no {', '.join(unknown)}; names are such as SYS_RAWIO"
        yield Finding("bootstrap.capabilities", message)
    for name, job in containers.items():
        yield from _of_job(name, job)


def _of_job(name: str, job: Bootstrap) -> Iterator[Finding]:
    place = f"bootstrap-containers.{name}"
    if not re.fullmatch(spec.NAME_PATTERN, name):
        yield Finding(place, f"expected a name: {spec.NAME_PATTERN}")
    if name == MACHINE or name.startswith(f"{MACHINE}."):
        yield Finding(place, "names like this are for the machine's own user data")
    if job.file and job.user_data:
        yield Finding(place, "file and user-data exclude each other")
    if job.file and not job.file.startswith("/"):
        yield Finding(f"{place}.file", "expected an absolute path")
    if job.command and ("" in job.command[:1] or "\0" in "".join(job.command)):
        yield Finding(f"{place}.command", "expected a program and its arguments")
    ours = job.source == DEFAULT_IMAGE and not job.command
    if job.mode != "off" and ours and not (job.file or job.user_data):
        yield Finding(place, "there is nothing to run: no user-data, no file")
    yield from _of_tries(place, "timeout", job.timeout, job.retries)
    try:
        decode_user_data(job.user_data)
    except ValueError as error:
        yield Finding(f"{place}.user-data", str(error))


def _is_service(address: str) -> bool:
    try:
        where = urlsplit(address)
        return address == f"http://{where.netloc}" and bool(where.hostname) and where.port != 0
    except ValueError:
        return False


def _of_tries(place: str, key: str, timeout: float, retries: int) -> Iterator[Finding]:
    if not 0 < timeout <= 86_400:
        yield Finding(f"{place}.{key}", "expected 0 to 86400 seconds")
    if not 0 <= retries <= 100:
        yield Finding(f"{place}.retries", "expected 0 to 100")
