# SPDX-License-Identifier: Apache-2.0
"""disk_setup: a partition table on a data disk. What holds data is never overwritten unasked."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from bootstrap_image import devices, parttypes
from bootstrap_image.aliases import device_of
from bootstrap_image.host import ModuleError
from bootstrap_image.module import Module, Params
from bootstrap_image.scalars import plain
from bootstrap_image.step import Frequency
from bootstrap_image.table import Table, as_text

if TYPE_CHECKING:
    from bootstrap_image.host import Host

_TABLES = {"gpt": "gpt", "mbr": "dos"}
_ALIGNMENT = 1 << 20
_LARGEST = 128


def _read(config: Table) -> Params | None:
    aliases = config.table("device_aliases")
    for alias, target in aliases.items():
        if not isinstance(target, str) or not devices.full_name(target):
            aliases.error(alias, "expected a device such as /dev/vdb")
    table, disks = config.table("disk_setup"), list[dict[str, Any]]()
    for name, value in table.items():
        entry = Table(value, table.at(name), config.report)
        device = device_of(str(name), config)
        if not device:
            table.error(
                name, "expected a device such as /dev/vdb; names of a cloud are not known here"
            )
        elif disk := _entry(entry, device):
            disks.append(disk)
    return {"disks": disks} if disks else None


def _entry(entry: Table, device: str) -> dict[str, Any] | None:
    kind, layout = entry.text("table_type", "mbr").lower(), entry.value("layout")
    overwrite = entry.flag("overwrite")
    entry.close()
    if kind not in _TABLES:
        entry.error("table_type", "expected gpt or mbr")
        return None
    if layout is None or layout is False:
        return None
    shares: list[list[Any]] = [[100, ""]] if layout is True else _shares(layout)
    if not shares or sum(share for share, _ in shares) > 100:
        entry.error("layout", "expected true, or a list of percentages that sum up to 100 at most")
        return None
    types = [parttypes.known(kind, word) for _, word in shares]
    if None in types:
        word = shares[types.index(None)][1]
        which = "a gpt" if kind == "gpt" else "an mbr"
        entry.error("layout", f"{word} is no type of a partition in {which} that is known here")
        return None
    shares = [[share, word] for (share, _), word in zip(shares, types, strict=True)]
    return {"device": device, "table": _TABLES[kind], "shares": shares, "overwrite": overwrite}


def _shares(layout: Any) -> list[list[Any]]:
    """Each item is a percentage, or a percentage and a partition type; empty when one is not."""
    if not isinstance(layout, list) or len(layout) > _LARGEST:
        return []
    found = [_share(item if isinstance(item, list) else [item]) for item in layout]
    return [share for share in found if share] if all(found) else []


def _share(item: list[Any]) -> list[Any]:
    share: Any = plain(item[0]) if item else None
    kind = as_text(item[1]) if len(item) == 2 else ""
    good = type(share) in (int, float) and 0 < share <= 100 and len(item) <= 2
    return (
        [share, kind]
        if good and re.fullmatch(r"[A-Za-z0-9-]*", "!" if kind is None else kind)
        else []
    )


def _act(params: Params, host: Host) -> None:
    def make(disk: dict[str, Any]) -> None:
        device = disk["device"]
        devices.wait_for(host, device)
        found = devices.signature(host, device)
        parts = devices.partitions(host, device)
        if found.get("PTTYPE") == disk["table"] and len(parts) == len(disk["shares"]):
            host.say(f"{device} has its partitions already")
            return
        devices.require_unused(host, device)
        if found and not disk["overwrite"]:
            what = found.get("PTTYPE") or found.get("TYPE", "something")
            raise ModuleError(f"{device} holds {what}; `overwrite: true` would replace it")
        host.run("wipefs", "--all", "--quiet", *parts, device)
        size = int(host.run("blockdev", "--getsize64", device))
        host.run("sfdisk", "--quiet", "--wipe=always", "--wipe-partitions=always", device,
                 given=script(disk["table"], disk["shares"], size))  # fmt: skip
        devices.settle(host)
        for number in range(1, len(disk["shares"]) + 1):
            devices.wait_for(host, devices.partition(device, number))
        host.say(f"{device} has {len(disk['shares'])} partitions")

    host.each(params["disks"], make)


def script(table: str, shares: list[list[Any]], size: int) -> str:
    """What sfdisk is told; the last partition takes the rest when all is shared out."""
    lines = [f"label: {table}"]
    full = math.isclose(sum(share for share, _ in shares), 100)
    for number, (share, kind) in enumerate(shares, 1):
        mebibytes = int((size - 2 * _ALIGNMENT) * share / 100) // _ALIGNMENT
        fields = [] if full and number == len(shares) else [f"size={mebibytes}MiB"]
        fields += [f"type={kind}"] if kind else []
        lines.append(",".join(fields) or ",")
    return "\n".join(lines) + "\n"


MODULE = Module(
    "disk_setup", _read, _act,
    lambda params: [
        f"{'overwrite' if disk['overwrite'] else 'partition'} {disk['device']}: {disk['table']}, "
        f"{len(disk['shares'])} partitions"
        for disk in params["disks"]
    ],
    # Never `always`: with `overwrite` each boot would empty the disk.
    Frequency.ONCE,
)  # fmt: skip
