# SPDX-License-Identifier: Apache-2.0
"""fs_setup: a file system on a data disk. What holds one is never overwritten unasked."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from bootstrap_image import devices
from bootstrap_image.aliases import place_of
from bootstrap_image.host import ModuleError
from bootstrap_image.module import Module, Params
from bootstrap_image.step import Frequency

if TYPE_CHECKING:
    from bootstrap_image.host import Host
    from bootstrap_image.table import Table

# The longest label, and the option that makes the program overwrite.
_KINDS = {
    "ext2": (16, "-F"),
    "ext3": (16, "-F"),
    "ext4": (16, "-F"),
    "xfs": (12, "-f"),
    "swap": (15, "-f"),
}


def _read(config: Table) -> Params | None:
    made = [entry for table in config.tables("fs_setup") if (entry := _entry(table, config))]
    return {"filesystems": made} if made else None


def _entry(entry: Table, config: Table) -> dict[str, Any] | None:
    name, kind, label = entry.text("device"), entry.text("filesystem"), entry.text("label")
    number, old = entry.text("partition", "auto"), entry.text("replace_fs")
    overwrite, options = entry.flag("overwrite"), entry.texts("extra_opts")
    entry.close()
    device, dotted = place_of(name, config)
    number = dotted or number
    limit, _ = _KINDS.get(kind, (0, ""))
    problems = {
        "device": "" if device else "expected a device such as /dev/vdb",
        "filesystem": "" if limit else f"expected one of {', '.join(_KINDS)}",
        "label": "" if not limit or re.fullmatch(rf"[\w.:/-]{{0,{limit}}}", label, re.ASCII)
        else f"a label of {kind} has at most {limit} plain signs",
        "partition": "" if re.fullmatch(r"auto|any|none|[0-9]{1,3}", number)
        else "expected auto, any, none or a number",
    }  # fmt: skip
    for key, problem in problems.items():
        if problem:
            entry.error(key, problem)
    if any(problems.values()):
        return None
    words = [word for option in options for word in option.split()]
    return {"device": device, "kind": kind, "label": label, "partition": number,
            "overwrite": overwrite, "replace": old, "options": words}  # fmt: skip


def _act(params: Params, host: Host) -> None:
    def make(entry: dict[str, Any]) -> None:
        device = _target(entry, host)
        found = devices.signature(host, device)
        kind, label = entry["kind"], entry["label"]
        if _is_made(entry, found):
            host.say(f"{device} has its {kind} already")
            return
        devices.require_unused(host, device)
        if found and not entry["overwrite"] and found.get("TYPE") != (entry["replace"] or None):
            what = found.get("TYPE") or found.get("PTTYPE", "something")
            raise ModuleError(f"{device} holds {what}; `overwrite: true` would replace it")
        program = "mkswap" if kind == "swap" else f"mkfs.{kind}"
        names = ("-L", label) if label else ()
        host.run("wipefs", "--all", "--quiet", device)
        host.run(program, _KINDS[kind][1], *names, *entry["options"], device)
        host.say(f"{device} has {kind}")

    host.each(params["filesystems"], make)


def _is_made(entry: dict[str, Any], found: dict[str, str]) -> bool:
    """With `any` one of the kind will do, whatever its label."""
    same = entry["partition"] == "any" or found.get("LABEL", "") == entry["label"]
    return same and found.get("TYPE") == str(entry["kind"])


def _target(entry: dict[str, Any], host: Host) -> str:
    device, which = str(entry["device"]), entry["partition"]
    if which.isdecimal() and int(which):  # cloud-init's 0 is the whole disk
        device = devices.partition(device, int(which))
    devices.wait_for(host, device)
    if which not in ("auto", "any") or not (parts := devices.partitions(host, device)):
        return device
    # The one that has it already, then the first that has nothing, then the first.
    found = {part: devices.signature(host, part) for part in parts}
    ours = [part for part in parts if _is_made(entry, found[part])]
    free = [part for part in parts if "TYPE" not in found[part]]
    return (*ours, *free, *parts)[0]


MODULE = Module(
    "fs_setup", _read, _act,
    lambda params: [
        f"{entry['kind']} on {entry['device']}" + (", overwriting" if entry["overwrite"] else "")
        for entry in params["filesystems"]
    ],
    # Never `always`: with `overwrite` each boot would empty the disk.
    Frequency.ONCE,
)  # fmt: skip
