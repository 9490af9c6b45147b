# SPDX-License-Identifier: Apache-2.0
"""mounts: lines of the host's /etc/fstab, mounted at once; the mounts propagate to the host."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from bootstrap_image import aliases, devices, places
from bootstrap_image.fstab import keep
from bootstrap_image.module import Module, Params
from bootstrap_image.mounting import mount_at, swap_on
from bootstrap_image.table import as_text

if TYPE_CHECKING:
    from bootstrap_image.host import Host
    from bootstrap_image.table import Table

# nofail: a disk that is missing at a later boot must not keep the node from starting.
_DEFAULTS = (None, None, "auto", "defaults,nofail", "0", "2")
_ON_DISKS = ("auto", "swap", "ext2", "ext3", "ext4", "xfs", "btrfs", "vfat")
_SOURCE = re.compile(r"((LABEL|UUID|PARTLABEL|PARTUUID)=)?[^\s#\\]+|[^\s#\\]+:[^\s\\]*|//[^\s#\\]+")


def _read(config: Table) -> Params | None:
    defaults = _defaults(config)
    lines, removed = list[list[str]](), list[str]()
    for number, row in enumerate(config.rows("mounts")):
        path = f"mounts[{number}]"
        words = (
            [None if word is None else as_text(word) for word in row]
            if isinstance(row, list)
            else []
        )
        if not words or len(words) > 6 or not words[0] or _odd(row):
            config.error(path, "expected [device, mount point, type, options, dump, pass]")
        elif len(words) == 1 or words[1] is None:
            removed.append(_source(words[0], config))
        else:
            words[:2] = _source(words[0], config), _point(words[1])
            filled = [word if word is not None else other for word, other in
                      zip([*words, *[None] * (6 - len(words))], defaults, strict=True)]  # fmt: skip
            if problem := _problem(filled):
                config.error(path, problem)
            else:
                lines.append([str(word) for word in filled])
            _warn(config, path, filled)
    return {"lines": lines, "removed": removed} if lines or removed else None


def _odd(row: list[Any]) -> bool:
    """Whether it has a field that is there, but no text."""
    return any(word is not None and as_text(word) is None for word in row)


def _defaults(config: Table) -> list[str | None]:
    given = config.rows("mount_default_fields")
    if len(given) > 6 or _odd(given):
        config.error("mount_default_fields", "expected six fields, each a text or null")
    words = [None if word is None else as_text(word) for word in given[:6]]
    words += [None] * (6 - len(words))
    return [
        word if word is not None else other for word, other in zip(words, _DEFAULTS, strict=True)
    ]


def _source(name: str, config: Table) -> str:
    device, number = aliases.place_of(name, config)
    if device and int(number or 0):
        return devices.partition(device, int(number))
    return device or name


def _point(path: str) -> str:
    """As the kernel will show it."""
    return re.sub(r"/+", "/", path).rstrip("/") or path


def _problem(fields: list[str | None]) -> str:
    source, point, *rest = fields
    if not source or not _SOURCE.fullmatch(source):
        return "the device is no name that fstab could hold"
    if aliases.is_of_a_cloud(source):
        return f"{source} is a name of a cloud, not known here; name the device"
    if rest[0] in _ON_DISKS and not re.search(r"[/:=]", source):
        return f"{source} is no device such as /dev/vdb, and no name in device_aliases"
    if not point:
        return "the mount point is missing"
    if point != "none" and (problem := places.mount_problem(point)):
        return f"the mount point: {problem}"
    if any(re.search(r"[\s#\\]", word or "") for word in (point, *rest)):
        return "fields must not hold blanks, # or backslashes"
    if not all((word or "").isdecimal() for word in rest[2:]):
        return "the last two fields are numbers"
    return ""


def _warn(config: Table, path: str, fields: list[str | None]) -> None:
    if "password=" in (fields[3] or ""):
        config.report.warning(config.at(path), "every user of the host can read this password in "
                              "/etc/fstab; use credentials=FILE")  # fmt: skip


def _act(params: Params, host: Host) -> None:
    # A whole disk is what people name; disk_setup may have made a partition of it.
    lines = [[devices.first_of(host, line[0]), *line[1:]] for line in params["lines"]]
    removed = [name for each in params["removed"] for name in (each, devices.first_of(host, each))]
    keep(lines, removed, host)

    def mount(line: list[Any]) -> None:
        source, point, fstype, options = line[:4]
        if "noauto" in options.split(","):
            return
        if fstype == "swap":
            swap_on(source, host)
        elif point != "none":
            mount_at(point, source, options, host)

    host.each(lines, mount)


MODULE = Module(
    "mounts", _read, _act,
    lambda params: [f"mount {line[0]} at {line[1]}" for line in params["lines"]]
    + [f"remove {name} from fstab" for name in params["removed"]],
)  # fmt: skip
