# SPDX-License-Identifier: Apache-2.0
"""What a job of the settings is to run: base64, a file of the host, or each file of a directory."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from bootstrap_image.spec import NAME_PATTERN, USER_DATA_LIMIT
from launcher.settings import decode_user_data

if TYPE_CHECKING:
    from launcher.settings import Bootstrap


def of(name: str, job: Bootstrap) -> dict[str, bytes]:
    """The content of each job that this one makes, by name; `OSError` or `ValueError` says why not.

    A file is one job; each file of a directory is one, in the order of their names.
    """
    if not job.file:
        return {name: decode_user_data(job.user_data)}
    path = Path(job.file)
    if not path.is_dir():
        return {name: _content(path)}
    members = sorted(each for each in path.iterdir() if each.is_file())
    return {_part(name, each): _content(each) for each in members}


def _part(name: str, path: Path) -> str:
    part = f"{name}.{path.name}"
    if not re.fullmatch(NAME_PATTERN, part):
        message = f"{path} makes no name of a job: {NAME_PATTERN}"
        raise ValueError(message)
    return part


def _content(path: Path) -> bytes:
    with path.open("rb") as stream:
        data = stream.read(USER_DATA_LIMIT + 1)
    if len(data) > USER_DATA_LIMIT:
        message = f"{path} is larger than {USER_DATA_LIMIT >> 20} MiB"
        raise ValueError(message)
    return data
