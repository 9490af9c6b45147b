# SPDX-License-Identifier: Apache-2.0
"""Settings: /etc/hatchway/config.toml, then config.d/*.toml, then HATCHWAY_*, then flags.

The names are Bottlerocket's where it has them, so that its users can paste theirs, also below
their `[settings]`. Every finding is reported at once, with file and path; unknown keys are errors.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import ipaddress
import os
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from bootstrap_image import spec as bootstrap_spec
from launcher import VERSION
from launcher.findings import Finding, raise_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

DIRECTORY: Final = Path("/etc/hatchway")
DEFAULT_IMAGE: Final = f"localhost/hatchway-admin:{VERSION}"
DEFAULT_BOOTSTRAP_IMAGE: Final = f"localhost/hatchway-bootstrap:{VERSION}"
_UNIT: Final = re.compile(r"[A-Za-z0-9:_.@-]{1,200}\.(?:service|target)")
_UNITS: Final = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30}


class Admin(msgspec.Struct, rename="kebab", forbid_unknown_fields=True, frozen=True):
    """[host-containers.admin]: the admin container. `user_data` is base64, as in Bottlerocket."""

    enabled: bool = False
    superpowered: bool = True
    source: str = DEFAULT_IMAGE
    user_data: str = ""
    command: list[str] = []
    # Ours:
    listen: str = "22"
    user: str = ""
    principals: list[str] = []
    memory: str = "1G"
    cpus: float = 2.0
    pids: int = 2048
    timeout: float = 120.0


class Bootstrap(msgspec.Struct, rename="kebab", forbid_unknown_fields=True, frozen=True):
    """[bootstrap-containers.NAME]: user data to run before kubelet. `user_data` is base64.

    `file` names a file or a directory of the host instead; `timeout` is for one attempt of one
    step, in seconds.
    """

    source: str = DEFAULT_BOOTSTRAP_IMAGE
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
    openstack; `address` replaces the metadata service's. `timeout` in seconds bounds everything.
    """

    source: str = "auto"
    address: str = ""
    image: str = DEFAULT_BOOTSTRAP_IMAGE
    essential: bool = False
    gate: str = "kubelet.service"
    timeout: float = 3600.0
    memory: str = "2G"
    cpus: float = 64.0
    pids: int = 8192


class RuntimeSettings(msgspec.Struct, rename="kebab", forbid_unknown_fields=True, frozen=True):
    """[runtime]: which engine, where its socket is, and in which containerd namespace."""

    name: str = "auto"
    socket: str = ""
    namespace: str = "hatchway"


class RegistrySettings(msgspec.Struct, rename="kebab", forbid_unknown_fields=True, frozen=True):
    """[registries."HOST"]: how one registry, or one mirror, is reached.

    `mirrors` name endpoints that are asked before the registry; each may have a table of its own.
    `"*"` stands for every registry that has no table; credentials in it would go to anyone.
    """

    plain_http: bool | None = None
    ca_file: str = ""
    mirrors: list[str] = []
    username: str = ""
    password: str = ""
    identity_token: str = ""

    def has_secret(self) -> bool:
        return bool(self.password or self.identity_token)


class Settings(msgspec.Struct, rename="kebab", forbid_unknown_fields=True, frozen=True):
    """All settings of a host."""

    host_containers: dict[str, Admin] = {}
    bootstrap_containers: dict[str, Bootstrap] = {}
    bootstrap: BootstrapSettings = BootstrapSettings()
    runtime: RuntimeSettings = RuntimeSettings()
    registries: dict[str, RegistrySettings] = {}
    authfile: str = ""

    @property
    def admin(self) -> Admin:
        return self.host_containers.get("admin", Admin())


# Environment variable -> path in the settings.
ENVIRONMENT: Final[dict[str, tuple[str, ...]]] = {
    "HATCHWAY_IMAGE": ("host-containers", "admin", "source"),
    "HATCHWAY_LISTEN": ("host-containers", "admin", "listen"),
    "HATCHWAY_USER": ("host-containers", "admin", "user"),
    "HATCHWAY_TIMEOUT": ("host-containers", "admin", "timeout"),
    "HATCHWAY_RUNTIME": ("runtime", "name"),
    "HATCHWAY_SOCKET": ("runtime", "socket"),
    "HATCHWAY_NAMESPACE": ("runtime", "namespace"),
    "HATCHWAY_AUTHFILE": ("authfile",),
}


@dataclasses.dataclass(frozen=True, slots=True)
class Listen:
    """Where sshd listens: `address` is a literal, or empty for every address."""

    address: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"{host}:{self.port}" if host else str(self.port)


def load(
    directory: Path = DIRECTORY, environment: Mapping[str, str] = os.environ
) -> tuple[Settings, list[Finding]]:
    """The settings of this host, and what is worth a warning; `SettingsError` holds all errors."""
    merged: dict[str, Any] = {}
    findings: list[Finding] = []
    for path in (directory / "config.toml", *sorted(directory.glob("config.d/*.toml"))):
        table = _read(path, findings)
        _check(Settings, table, f"{path}: ", findings)
        _check_privacy(path, table, findings)
        _merge(merged, table)
    for name, value in environment.items():
        if name in ENVIRONMENT:
            _merge(merged, _nested(ENVIRONMENT[name], value))
        elif name.startswith("HATCHWAY_"):
            known = ", ".join(ENVIRONMENT)
            findings.append(Finding(f"environment: {name}", f"unknown; known are {known}"))
    raise_errors(findings, hint="Mend the settings; nothing was started.")
    try:
        settings = msgspec.convert(merged, Settings, strict=False)
    except msgspec.ValidationError as error:  # only an environment variable is left unchecked
        raise_errors([Finding("environment", str(error))])
        raise
    findings += _meaning(settings)
    raise_errors(findings, hint="Mend the settings; nothing was started.")
    return settings, findings


def _read(path: Path, findings: list[Finding]) -> dict[str, Any]:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        findings.append(Finding(str(path), f"cannot be read: {error}"))
        return {}
    pasted = table.pop("settings", {})
    _merge(table, pasted if isinstance(pasted, dict) else {})
    return table


def _check_privacy(path: Path, table: dict[str, Any], findings: list[Finding]) -> None:
    """A file with a password in it is root's alone."""
    entries = table.get("registries", {})
    tables = [entry for entry in entries.values() if isinstance(entry, dict)]
    secret = any("password" in entry or "identity-token" in entry for entry in tables)
    if secret and path.stat().st_mode & 0o077:
        findings.append(Finding(str(path), "holds a password but others may read it: chmod 600"))


def _merge(into: dict[str, Any], new: Mapping[str, Any]) -> None:
    for key, value in new.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value


def _nested(path: tuple[str, ...], value: str) -> dict[str, Any]:
    nested: Any = value
    for key in reversed(path):
        nested = {key: nested}
    return dict(nested)


def _check(kind: Any, value: Any, place: str, findings: list[Finding]) -> None:
    """Check `value` against the struct `kind`, key by key, so that one error hides no other."""
    if not isinstance(value, dict):
        findings.append(Finding(place.rstrip(".: "), "expected a table"))
        return
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    for key, item in value.items():
        where = f"{place}{key}"
        if key not in fields:
            findings.append(Finding(where, f"unknown key; known are {', '.join(fields)}"))
            continue
        expected = fields[key].type
        inner = _table_of(expected)
        if _is_struct(expected):
            _check(expected, item, f"{where}.", findings)
        elif inner is not None and isinstance(item, dict):
            for name, entry in item.items():
                _check(inner, entry, f"{where}.{name}.", findings)
        else:
            try:
                msgspec.convert(item, expected)
            except msgspec.ValidationError as error:
                findings.append(Finding(where, _plain(str(error))))


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _table_of(kind: Any) -> Any:
    """The struct type of a `dict[str, Struct]`, or None."""
    inner = getattr(kind, "__args__", (None, None))
    return inner[1] if len(inner) == 2 and _is_struct(inner[1]) else None


def _plain(message: str) -> str:
    return message[:1].lower() + message[1:]


def _meaning(settings: Settings) -> list[Finding]:
    """What the types cannot say."""
    admin = settings.admin
    place = "host-containers.admin."
    findings = [
        Finding(f"host-containers.{name}", "only the container `admin` is known")
        for name in settings.host_containers
        if name != "admin"
    ]
    findings += _bootstrap_meaning(settings)
    if settings.registries.get("*", RegistrySettings()).has_secret():
        message = "credentials for every registry would go to whoever is named: name the registry"
        findings.append(Finding('registries."*"', message))
    checks: dict[str, Callable[[], object]] = {
        "listen": lambda: parse_listen(admin.listen),
        "memory": lambda: parse_size(admin.memory),
        "user-data": lambda: decode_user_data(admin.user_data),
    }
    for key, check in checks.items():
        try:
            check()
        except ValueError as error:
            findings.append(Finding(f"{place}{key}", str(error)))
    for key, value in (("cpus", admin.cpus), ("pids", admin.pids), ("timeout", admin.timeout)):
        if value <= 0:
            findings.append(Finding(f"{place}{key}", "must be more than 0"))
    if not admin.superpowered:
        message = "false is not possible: without privilege the container cannot enter the host"
        findings.append(Finding(f"{place}superpowered", message))
    if admin.enabled:
        message = "has no effect: the door opens on demand, by `hatchway admin start`"
        findings.append(Finding(f"{place}enabled", message, "warning"))
    if admin.command:
        findings.append(
            Finding(f"{place}command", "has no effect: the door runs its own", "warning")
        )
    return findings


def _bootstrap_meaning(settings: Settings) -> list[Finding]:
    findings = []
    if not _UNIT.fullmatch(settings.bootstrap.gate):
        findings.append(Finding("bootstrap.gate", "expected the name of a unit"))
    if settings.bootstrap.timeout <= 0:
        findings.append(Finding("bootstrap.timeout", "must be more than 0"))
    for name, job in settings.bootstrap_containers.items():
        place = f"bootstrap-containers.{name}"
        if not re.fullmatch(bootstrap_spec.NAME_PATTERN, name):
            findings.append(Finding(place, f"expected a name: {bootstrap_spec.NAME_PATTERN}"))
        if job.file and job.user_data:
            findings.append(Finding(place, "file and user-data exclude each other"))
        if job.file and not job.file.startswith("/"):
            findings.append(Finding(f"{place}.file", "expected an absolute path"))
        if job.command:
            message = "an own command is not supported: give what is to run as user-data or file"
            findings.append(Finding(f"{place}.command", message))
        if job.mode != "off" and not (job.file or job.user_data):
            findings.append(Finding(place, "there is nothing to run: no user-data, no file"))
        if not 0 < job.timeout <= 86_400:
            findings.append(Finding(f"{place}.timeout", "expected 0 to 86400 seconds"))
        if not 0 <= job.retries <= 100:
            findings.append(Finding(f"{place}.retries", "expected 0 to 100"))
        try:
            decode_user_data(job.user_data)
        except ValueError as error:
            findings.append(Finding(f"{place}.user-data", str(error)))
    return findings


def parse_listen(text: str) -> Listen:
    """`PORT`, `ADDRESS:PORT` or `[ADDRESS]:PORT`; `ValueError` says what is wrong."""
    address, _, port = text.strip().rpartition(":")
    if not re.fullmatch(r"[0-9]{1,5}", port) or not 0 < int(port) < 65536:
        message = f"expected PORT or ADDRESS:PORT with a port from 1 to 65535, not {text!r}"
        raise ValueError(message)
    if address.startswith("[") and address.endswith("]"):
        address = address[1:-1]
    elif ":" in address:
        message = f"an IPv6 address stands in brackets: [{address}]:{port}"
        raise ValueError(message)
    if address in ("", "*"):
        return Listen("", int(port))
    try:
        return Listen(str(ipaddress.ip_address(address)), int(port))
    except ValueError:
        message = f"{address!r} is no IP address; sshd listens on addresses, not names"
        raise ValueError(message) from None


def parse_size(text: str) -> int:
    """`512M` or `1G` or plain bytes, as a number of bytes; `ValueError` says what is wrong."""
    match = re.fullmatch(r"([0-9]+)([KMG]?)(?:i?B)?", text.strip(), re.IGNORECASE)
    size = int(match[1]) * _UNITS[match[2].upper()] if match else 0
    if size < 64 * 2**20:
        message = f"expected a size of at least 64M, such as 512M or 1G, not {text!r}"
        raise ValueError(message)
    return size


def decode_user_data(text: str) -> bytes:
    """The bytes behind the base64 of `user-data`; `ValueError` when it is none."""
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except binascii.Error:
        raise ValueError("expected base64") from None
