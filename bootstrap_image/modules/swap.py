# SPDX-License-Identifier: Apache-2.0
"""swap: a swap file, used at once and at later boots."""

from __future__ import annotations

import math
import os
import re
from typing import TYPE_CHECKING, Any

from bootstrap_image import places
from bootstrap_image.fstab import keep
from bootstrap_image.host import ModuleError
from bootstrap_image.module import Module, Params
from bootstrap_image.mounting import swap_on

if TYPE_CHECKING:
    from bootstrap_image.host import Host
    from bootstrap_image.table import Table

_DEFAULT = "/swap.img"
_UNITS = {"": 1, "B": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_GIB = 1 << 30
_PAGE = 4096
_SMALLEST = 10 * _PAGE  # what mkswap takes


def _read(config: Table) -> Params | None:
    if "swap" not in config:
        config.value("swap")
        return None
    table = config.table("swap")
    size, most = _size(table, "size"), _size(table, "maxsize")
    path = _place(table) if size else table.text("filename")
    table.close()
    if not size or not path or most is None:
        return None
    if most == "auto" or 0 < int(most) < _SMALLEST or (size != "auto" and int(size) < _SMALLEST):
        table.error("size", f"swap has at least {_SMALLEST} bytes")
        return None
    config.report.warning(
        config.at("swap"), "kubelet does not start with swap unless its failSwapOn is false"
    )
    return {"path": path, "size": size, "most": most}


def _place(table: Table) -> str:
    path = table.text("filename", _DEFAULT)
    if path.startswith("/") and path.count("/") == 1:
        table.report.warning(
            table.at("filename"), f"the host's root is read-only: it is made at /var{path}"
        )
        path = f"/var{path}"
    if problem := places.problem(path):
        table.error("filename", problem)
        return ""
    if re.search(r"[\s#\\]", path):
        table.error("filename", "the path must not hold blanks, # or backslashes")
        return ""
    return path


def _size(table: Table, key: str) -> Any:
    """Bytes, or "auto"; 0 when there is none, None when it is nonsense."""
    text = table.text(key, "0").strip().upper()
    if text == "AUTO":
        return "auto"
    match = re.fullmatch(r"([0-9]{1,18})([KMGT]?)(?:I?B)?", text)
    if not match:
        table.error(key, "expected bytes, or a size such as 2G, or auto")
        return None
    return int(match[1]) * _UNITS[match[2]]


def _act(params: Params, host: Host) -> None:
    path = params["path"]
    if not host.exists(path):
        _make(path, _wanted(params, host), host)
    keep([[path, "none", "swap", "sw,nofail", "0", "0"]], [], host)
    swap_on(path, host)


def _make(path: str, size: int, host: Host) -> None:
    # Beside it first: after a power cut half of one must not be taken for it.
    fresh = f"{path}.hatchway"
    host.remove(fresh)
    try:
        host.reserve(fresh, size)
        host.run("mkswap", fresh)
        host.rename(fresh, path)
    except (ModuleError, OSError) as error:
        host.remove(fresh)
        raise ModuleError(f"{path} of {size >> 20} MiB: {error}") from error
    host.say(f"made {path} of {size >> 20} MiB")


def _wanted(params: Params, host: Host) -> int:
    size, most = params["size"], params["most"]
    if size == "auto":
        match = re.search(r"^MemTotal:\s+([0-9]+) kB", host.read("/proc/meminfo"), re.MULTILINE)
        size = suggested(int(match[1]) << 10 if match else 0, _free(params["path"], host))
    size = min(size, most) if most else size
    return int(size) // _PAGE * _PAGE


def suggested(memory: int, free: int) -> int:
    """Bytes: as much as there is memory, 4 GiB or its root at most, and a quarter of the disk."""
    most = max(4, math.isqrt(memory // _GIB)) * _GIB
    return min(memory, most, free // 4)


def _free(path: str, host: Host) -> int:
    place = host.path(path).parent
    while not place.exists():
        place = place.parent
    found = os.statvfs(place)
    return found.f_bavail * found.f_frsize


MODULE = Module("swap", _read, _act, lambda params: [f"swap in {params['path']}"])
