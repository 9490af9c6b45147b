# SPDX-License-Identifier: Apache-2.0
"""Cloud-configs: read, merged to one, and turned into what is to be done."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

from bootstrap_image import frequencies, merge, whole, yamltext
from bootstrap_image.findings import child
from bootstrap_image.modules import EARLY, LAST, LATE, commands, unsupported
from bootstrap_image.spelling import unknown
from bootstrap_image.table import Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bootstrap_image.findings import Report
    from bootstrap_image.module import Module, Params
    from bootstrap_image.parts import Part
    from bootstrap_image.step import Frequency


@dataclasses.dataclass(frozen=True, slots=True)
class Action:
    """A module with its parameters as JSON."""

    module: Module
    content: bytes
    summary: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Settings:
    """What all cloud-configs together ask for."""

    source: str = ""
    early: tuple[Action, ...] = ()
    late: tuple[Action, ...] = ()
    last: tuple[Action, ...] = ()
    bootcmd: bytes | None = None
    runcmd: bytes | None = None
    frequencies: Mapping[str, Frequency] = dataclasses.field(default_factory=dict)


def read(parts: Sequence[Part], report: Report) -> Settings:
    """Everything that is wrong with them goes to the report."""
    config: dict[Any, Any] = {}
    for part in parts:
        value = _load(part, report)
        config = _merged(config, value, part, report) if value else config
    if not config:
        return Settings()
    # With several parts a key may stem from any of them.
    source = parts[0].path if len(parts) == 1 else f"{parts[0].path} and {len(parts) - 1} more"
    table = Table(config, f"{source}: ", report)
    settings = Settings(
        source,
        _actions(EARLY, table),
        _actions(LATE, table),
        _actions(LAST, table),
        _commands("bootcmd", table),
        _commands("runcmd", table),
        frequencies.read(table),
    )
    _leftover(table)
    return settings


def _load(part: Part, report: Report) -> dict[Any, Any]:
    try:
        value = yamltext.load(part.content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        report.error(part.path, f"byte {error.start} is no UTF-8; a cloud-config has to be")
        return {}
    except yamltext.YamlError as error:
        report.error(part.path, str(error))
        return {}
    if value is None:
        report.warning(part.path, "this cloud-config is empty")
        return {}
    if not isinstance(value, dict):
        report.error(part.path, "a cloud-config is a table of keys and values")
        return {}
    return value


def _merged(
    config: dict[Any, Any], value: dict[Any, Any], part: Part, report: Report
) -> dict[Any, Any]:
    inside = [value.pop(key, None) for key in ("merge_how", "merge_type")]
    try:
        how = merge.parse(inside[0] or inside[1] or part.merge)
    except merge.MergeError as error:
        report.error(part.path, str(error))
        return config
    if how.replace:
        for key in sorted(str(key) for key in config.keys() & value.keys()):
            report.warning(
                child(f"{part.path}: ", key),
                "this replaces what an earlier part has, as in cloud-init; a merge type "
                "such as list(append)+dict(recurse_array)+str() would join them",
            )
    return merge.merge(config, value, how)


def _actions(modules: Sequence[Module], table: Table) -> tuple[Action, ...]:
    found: dict[Module, Params] = {}
    refused = set[str]()
    for module in modules:
        before = table.report.errors
        params = module.read(table) if module.apart else whole.read(table, module.key, module.read)
        if table.report.errors > before:
            refused.add(module.key)
        if params is not None:
            found[module] = params
    held = whole.disks(refused, {module.key for module in found}, table)
    return tuple(
        Action(
            module,
            json.dumps({"module": module.name, "params": params}, sort_keys=True).encode(),
            tuple(module.describe(params)),
        )
        for module, params in found.items()
        if module.key not in held
    )


def _commands(key: str, table: Table) -> bytes | None:
    return whole.read(table, key, lambda config: commands.script(config, key))


def _leftover(table: Table) -> None:
    known = {*table.used, *unsupported.ERRORS, *unsupported.WARNINGS}
    for key in table.unused():
        if key not in known:
            table.error(key, unknown(key, known))
        elif not unsupported.asks(table.value(key)):
            continue
        elif key in unsupported.ERRORS:
            table.error(key, unsupported.ERRORS[key])
        else:
            table.report.warning(table.at(key), unsupported.WARNINGS[key])
