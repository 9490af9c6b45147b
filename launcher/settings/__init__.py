# SPDX-License-Identifier: Apache-2.0
"""Settings: /etc/hatchway/config.toml, then config.d/*.toml, then HATCHWAY_*, then flags.

The names are Bottlerocket's where it has them, so that its users can paste theirs, also below
their `[settings]`. Every finding is reported at once, with file and path; unknown keys are errors.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from launcher.findings import Finding, raise_errors
from launcher.settings import admin as admin_
from launcher.settings import bootstrap as bootstrap_
from launcher.settings import images as images_
from launcher.settings import reading
from launcher.settings import registries as registries_
from launcher.settings import toolbox as toolbox_
from launcher.settings.admin import DEFAULT_IMAGE, Admin
from launcher.settings.bootstrap import Bootstrap, BootstrapSettings
from launcher.settings.images import ImageSettings
from launcher.settings.registries import RegistrySettings, RuntimeSettings
from launcher.settings.toolbox import ToolboxSettings
from launcher.settings.values import (
    Listen,
    decode_user_data,
    parse_duration,
    parse_listen,
    parse_size,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "DEFAULT_IMAGE", "Admin", "Bootstrap", "BootstrapSettings", "ImageSettings", "Listen",
    "RegistrySettings", "RuntimeSettings", "Settings", "ToolboxSettings",
    "decode_user_data", "load", "parse_duration", "parse_listen", "parse_size",
]  # fmt: skip

DIRECTORY: Final = Path("/etc/hatchway")


class Settings(msgspec.Struct, rename="kebab", forbid_unknown_fields=True, frozen=True):
    """All settings of a host."""

    host_containers: dict[str, Admin] = {}
    bootstrap_containers: dict[str, Bootstrap] = {}
    bootstrap: BootstrapSettings = BootstrapSettings()
    toolbox: ToolboxSettings = ToolboxSettings()
    runtime: RuntimeSettings = RuntimeSettings()
    images: ImageSettings = ImageSettings()
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
    "HATCHWAY_SSH_POLICY": ("host-containers", "admin", "ssh-policy"),
    "HATCHWAY_TIMEOUT": ("host-containers", "admin", "timeout"),
    "HATCHWAY_RUNTIME": ("runtime", "name"),
    "HATCHWAY_SOCKET": ("runtime", "socket"),
    "HATCHWAY_NAMESPACE": ("runtime", "namespace"),
    "HATCHWAY_AUTHFILE": ("authfile",),
}


def load(
    directory: Path = DIRECTORY, environment: Mapping[str, str] = os.environ
) -> tuple[Settings, list[Finding]]:
    """The settings of this host, and what is worth a warning; `SettingsError` holds all errors."""
    merged: dict[str, Any] = {}
    findings: list[Finding] = []
    for path in (directory / "config.toml", *sorted(directory.glob("config.d/*.toml"))):
        table = reading.read(path, findings)
        reading.check(Settings, table, f"{path}: ", findings)
        reading.check_privacy(path, table, findings)
        reading.merge(merged, table)
    for name, value in environment.items():
        if name in ENVIRONMENT:
            reading.merge(merged, reading.nested(ENVIRONMENT[name], value))
        elif name.startswith("HATCHWAY_"):
            known = ", ".join(ENVIRONMENT)
            findings.append(Finding(f"environment: {name}", f"unknown; known are {known}"))
    raise_errors(findings, hint="Mend the settings; nothing was started.")
    try:
        settings = msgspec.convert(merged, Settings, strict=False)
    except msgspec.ValidationError as error:  # only an environment variable is left unchecked
        raise_errors([Finding("environment", str(error))])
        raise
    # Files were looked at one by one: what is left is the environment's.
    findings += (
        Finding(f"environment: {found.path}", found.message)
        for found in reading.not_finite(msgspec.to_builtins(settings), "")
    )
    findings += admin_.findings(settings.host_containers)
    findings += bootstrap_.findings(settings.bootstrap, settings.bootstrap_containers)
    findings += toolbox_.findings(settings.toolbox)
    findings += images_.findings(settings.images)
    findings += registries_.findings(settings.registries)
    raise_errors(findings, hint="Mend the settings; nothing was started.")
    return settings, findings
