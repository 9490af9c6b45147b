# SPDX-License-Identifier: Apache-2.0
"""mounts: lines of the host's /etc/fstab, mounted at once; the mounts propagate to the host."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from bootstrap_image import aliases, devices, places
from bootstrap_image.fstab import keep
from bootstrap_image.host import ModuleError
from bootstrap_image.module import Module, Params
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
        if not words or len(words) > 6 or not words[0]:
            config.error(path, "expected [device, mount point, type, options, dump, pass]")
        elif len(words) == 1 or words[1] is None:
            removed.append(_source(words[0], config))
        else:
            words[0] = _source(words[0], config)
            filled = [word if word is not None else other for word, other in
                      zip([*words, *[None] * (6 - len(words))], defaults, strict=True)]  # fmt: skip
            if problem := _problem(filled):
                config.error(path, problem)
            else:
                lines.append([str(word) for word in filled])
            _warn(config, path, filled)
    return {"lines": lines, "removed": removed} if lines or removed else None


def _defaults(config: Table) -> list[str | None]:
    given = config.rows("mount_default_fields")
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
    if point != "none" and (problem := places.problem(point)):
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


def swap_on(source: str, host: Host) -> None:
    used = {line.split()[0] for line in host.read("/proc/swaps").splitlines() if line.split()}
    if {source, devices.node(host, source)} & used:
        host.say(f"{source} is used as swap already")
        return
    host.run("swapon", source)
    host.say(f"{source} is used as swap")


def _act(params: Params, host: Host) -> None:
    keep(params["lines"], params["removed"], host)

    def mount(line: list[Any]) -> None:
        source, point, fstype, options = line[:4]
        if "noauto" in options.split(","):
            return
        if fstype == "swap":
            swap_on(source, host)
        elif point != "none":
            _mount(source, point, options, host)

    host.each(params["lines"], mount)


def _mount(source: str, point: str, options: str, host: Host) -> None:
    before = devices.mounted_at(host, point)
    if before and _same(source, options, before, host):
        host.say(f"{point} is mounted already")
        return
    host.path(point).mkdir(parents=True, exist_ok=True)
    try:
        host.run("mount", point)
    except ModuleError as error:
        raise ModuleError(f"{point}: {error}") from error
    # With `nofail`, mount(8) says nothing when there is no such device.
    if devices.mounted_at(host, point) == before:
        raise ModuleError(f"{point}: nothing was mounted; is the device there?")
    host.say(f"mounted {point}")


def _same(source: str, options: str, mount: devices.Mounted, host: Host) -> bool:
    """Whether this is the mount that a line of fstab asks for."""
    device = devices.node(host, source)
    if not device:
        return mount.source == source
    part = re.search(r"(?:^|,)subvol=/?([^,]*)", options)
    # What is a directory of the disk elsewhere is not the disk.
    whole = mount.root == (f"/{part[1]}" if part else "/")
    # btrfs has a number of its own; other names may be those of another /dev.
    return whole and (
        mount.device == devices.number(host, device) or mount.source in (source, device)
    )


MODULE = Module(
    "mounts", _read, _act,
    lambda params: [f"mount {line[0]} at {line[1]}" for line in params["lines"]]
    + [f"remove {name} from fstab" for name in params["removed"]],
)  # fmt: skip
