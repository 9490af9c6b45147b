# SPDX-License-Identifier: Apache-2.0
"""`#cloud-config-archive`: a list of parts in YAML, as others write MIME messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bootstrap_image import yamltext
from bootstrap_image.findings import child, printable
from bootstrap_image.mime import Leaf

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bootstrap_image.budget import Budget
    from bootstrap_image.findings import Report

_KNOWN = frozenset({"type", "content", "filename", "merge_type"})


def leaves(data: bytes, path: str, budget: Budget, report: Report) -> list[Leaf]:
    try:
        value = yamltext.load(data.decode())
    except UnicodeDecodeError as error:
        report.error(path, f"byte {error.start} is no UTF-8")
        return []
    except yamltext.YamlError as error:
        report.error(path, str(error))
        return []
    if not isinstance(value, list):
        report.error(path, "a cloud-config-archive is a list of parts")
        return []
    return [
        leaf
        for number, item in enumerate(value, 1)
        for leaf in _leaf(item, f"{path}: part {number}", budget, report)
    ]


def _leaf(item: object, path: str, budget: Budget, report: Report) -> Iterator[Leaf]:
    budget.part()
    fields = {"content": item} if isinstance(item, str | bytes) else item
    if not isinstance(fields, dict):
        report.error(path, "a part is a text, or a table with type and content")
        return
    for key in fields.keys() - _KNOWN:
        report.error(child(f"{path}: ", key), "this key of a part is not supported")
    content = fields.get("content")
    if isinstance(content, str):
        content = content.encode(errors="surrogatepass")
    words = [fields.get(key) or "" for key in ("type", "filename", "merge_type")]
    if not isinstance(content, bytes) or not all(isinstance(word, str) for word in words):
        report.error(path, "content, type and filename are texts, and content must be there")
        return
    budget.spend(len(content))
    kind, name, merge = (str(word) for word in words)
    place = f"{path} ({printable(name)})" if name else path
    yield Leaf(content, kind.lower().strip(), name, place, merge)
