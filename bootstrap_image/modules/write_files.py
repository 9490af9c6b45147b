# SPDX-License-Identifier: Apache-2.0
"""write_files: content, encoding, owner, permissions, append; those with `defer` come last."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Any

from bootstrap_image import permissions, places
from bootstrap_image.budget import UNPACKED_LIMIT
from bootstrap_image.decode import DecodeError, gunzip, unbase64
from bootstrap_image.host import ModuleError
from bootstrap_image.module import Module, Params
from bootstrap_image.spec import TMP
from bootstrap_image.table import as_text, kind

if TYPE_CHECKING:
    from bootstrap_image.host import Host
    from bootstrap_image.table import Table

# Where cloud-init, which these hosts have not, looks for scripts.
_SCRIPTS = "/var/lib/cloud/scripts/"
_GZIP, _BASE64 = ("gz", "gzip"), ("b64", "base64")
_ENCODINGS = {
    "": (),
    "text/plain": (),
    **dict.fromkeys(_GZIP, (gunzip,)),
    **dict.fromkeys(_BASE64, (unbase64,)),
    **{f"{gz}+{b64}": (unbase64, gunzip) for gz in _GZIP for b64 in _BASE64},
}


def _read(config: Table, *, deferred: bool) -> Params | None:
    files = [file for entry in config.tables("write_files") if (file := _entry(entry))]
    mine = [file for file in files if file.pop("defer") == deferred]
    return {"files": mine} if mine else None


def _entry(entry: Table) -> dict[str, Any] | None:
    path, content = entry.text("path"), _content(entry)
    mode, owner = permissions.read(entry), entry.text("owner", "root:root")
    append, defer = entry.flag("append"), entry.flag("defer")
    if "source" in entry:
        entry.value("source")
        entry.error("source", "files are not fetched here; use #include with a hash, or a script")
        return None
    entry.close()
    if places.is_private(path):
        entry.report.warning(entry.at("path"), f"{TMP} is the container's own and ends with it")
    elif problem := places.problem(path) if path else "the path is missing":
        entry.error("path", problem)
        return None
    if path.startswith(_SCRIPTS):
        entry.report.warning(
            entry.at("path"),
            "nothing runs what lies there at later boots; a part of the type "
            "text/x-shellscript-per-boot does",
        )
    if not re.fullmatch(r"[\w.-]*(:[\w.-]*)?", owner):
        entry.error("owner", "expected user:group")
        return None
    if content is None or mode is None:
        return None
    # What is only added to has a mode and an owner already; it may be secret.
    return {"path": path, "content": base64.b64encode(content).decode(),
            "mode": None if append and "permissions" not in entry else mode,
            "owner": "" if append and "owner" not in entry else owner,
            "append": append, "defer": defer}  # fmt: skip


def _content(entry: Table) -> bytes | None:
    value, encoding = entry.written("content"), entry.text("encoding").lower().strip()
    text = as_text(value) if value is not None else ""
    data = (
        value
        if isinstance(value, bytes)
        else text.encode(errors="surrogatepass")
        if text is not None
        else None
    )
    steps = _ENCODINGS.get(encoding)
    if data is None:
        entry.error("content", f"expected a text, found {kind(value)}; put it in quotes")
    if steps is None:
        entry.error("encoding", f"expected one of {', '.join(filter(None, _ENCODINGS))}")
    if data is None or steps is None:
        return None
    try:
        for step in steps:
            data = gunzip(data, limit=UNPACKED_LIMIT) if step is gunzip else unbase64(data)
    except DecodeError as error:
        entry.error("content", str(error))
        return None
    return data


def _act(params: Params, host: Host) -> None:
    # All places and owners first: without one of them nothing is written.
    host.each(params["files"], lambda file: host.require_inside(file["path"]))
    owners = dict[str, tuple[int, int]]()
    host.each(
        {file["owner"] for file in params["files"] if file["owner"]},
        lambda owner: owners.update({owner: _ids(owner, host)}),
    )

    def write(file: dict[str, Any]) -> None:
        owner = owners.get(file["owner"])
        data = base64.b64decode(file["content"])
        put = host.append if file["append"] else host.write
        try:
            put(file["path"], data, mode=file["mode"], owner=owner)
        except OSError as error:
            raise ModuleError(f"{file['path']}: {error.strerror}") from error
        host.say(f"{'appended to' if file['append'] else 'wrote'} {file['path']}")

    host.each(params["files"], write)


def _ids(owner: str, host: Host) -> tuple[int, int]:
    user, _, group = owner.partition(":")
    return _id(user or "root", "/etc/passwd", host), _id(group or "root", "/etc/group", host)


def _id(name: str, file: str, host: Host) -> int:
    if name.isdecimal():
        return int(name)
    if name == "root":
        return 0
    for line in host.read(file).splitlines():
        fields = line.split(":")
        if fields[0] == name and len(fields) > 2:
            return int(fields[2])
    raise ModuleError(f"{name} is not in {file} of the host; `users` and `groups` can add it")


def _describe(params: Params) -> list[str]:
    return [
        f"add to {file['path']}"
        if file["append"]
        else f"write {file['path']} ({file['mode']:04o} {file['owner']})"
        for file in params["files"]
    ]


MODULE = Module("write_files", lambda config: _read(config, deferred=False), _act, _describe)
DEFERRED = Module(
    "write_files_deferred", lambda config: _read(config, deferred=True), _act, _describe,
    of="write_files",
)  # fmt: skip
