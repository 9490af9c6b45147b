# SPDX-License-Identifier: Apache-2.0
"""Where a time client of the host gets the time: its own sources, ours in their place, or pools."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from bootstrap_image.spec import HOST

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bootstrap_image.host import Host

_BEGIN, _END = "# hatchway: begin", "# hatchway: end"
_OFF: Final = "#hatchway# "
_CHRONY: Final = re.compile(r"\s*(server|pool|peer)\s", re.IGNORECASE)
_TIMESYNCD: Final = re.compile(r"\s*(NTP|FallbackNTP)\s*=\s*\S")
# Files besides the main one that may hold sources.
_BESIDE_CHRONY: Final = (
    "/etc/chrony/sources.d/*.sources", "/etc/chrony/conf.d/*.conf", "/etc/chrony.d/*.conf",
)  # fmt: skip
_OF_TIMESYNCD: Final = (
    f"{HOST}/usr/lib/systemd/timesyncd.conf.d/*.conf", "/run/systemd/timesyncd.conf.d/*.conf",
    "/etc/systemd/timesyncd.conf", "/etc/systemd/timesyncd.conf.d/*.conf",
)  # fmt: skip
# Distributions that have names of their own in the pool project; an image of a cloud has none.
_ZONES: Final = frozenset(
    {"alpine", "amazon", "arch", "centos", "coreos", "debian", "fedora", "flatcar", "gentoo",
     "opensuse", "rhel", "ubuntu"}
)  # fmt: skip
_ALIASES: Final = {"amzn": "amazon", "opensuse-leap": "opensuse", "opensuse-tumbleweed": "opensuse"}


def chrony_text(text: str, servers: list[str], pools: list[str]) -> str:
    """The configuration with our sources instead of its own; twice the same changes nothing."""
    kept = [f"{_OFF}{line}" if _CHRONY.match(line) else line for line in _restored(text)]
    sources = [f"server {name} iburst" for name in servers]
    sources += [f"pool {name} iburst" for name in pools]
    return "\n".join([*kept, _BEGIN, *sources, _END]) + "\n"


def chrony_own(text: str) -> str:
    """The configuration as it was before ours."""
    return "".join(f"{line}\n" for line in _restored(text))


def chrony_has_own(text: str, host: Host) -> bool:
    lines = [*_restored(text), *_lines(_BESIDE_CHRONY, host)]
    return any(map(_CHRONY.match, lines))


def timesyncd_has_own(ours: str, host: Host) -> bool:
    return any(map(_TIMESYNCD.match, _lines(_OF_TIMESYNCD, host, but=ours)))


def default_pools(host: Host) -> list[str]:
    """Four names, as the distribution's own configuration would have them."""
    release = host.read(f"{HOST}/etc/os-release") or host.read(f"{HOST}/usr/lib/os-release")
    match = re.search(r"^ID=[\"']?([a-z0-9._-]+)", release, re.MULTILINE)
    name = _ALIASES.get(match[1], match[1]) if match else ""
    zone = f"{name}." if name in _ZONES else ""
    return [f"{number}.{zone}pool.ntp.org" for number in range(4)]


def _restored(text: str) -> list[str]:
    kept, ours = list[str](), False
    for line in text.splitlines():
        ours = ours or line == _BEGIN
        if not ours:
            kept.append(line.removeprefix(_OFF))
        ours = ours and line != _END
    return kept


def _lines(patterns: tuple[str, ...], host: Host, but: str = "") -> Iterator[str]:
    root = host.path("/")
    for pattern in patterns:
        for path in sorted(root.glob(pattern.lstrip("/"))):
            name = f"/{path.relative_to(root)}"
            if name != but:
                yield from host.read(name).splitlines()
