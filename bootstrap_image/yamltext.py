# SPDX-License-Identifier: Apache-2.0
"""YAML of a cloud-config, within bounds: depth, size after aliases, no key twice.

PyYAML is imported where it is used: scripts, which most user data is, start without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bootstrap_image import indentation, scalars
from bootstrap_image.findings import printable

if TYPE_CHECKING:
    import yaml

DEPTH_LIMIT: Final = 50
NODE_LIMIT: Final = 100_000
# 16 MiB of YAML take minutes to read; content of that size belongs into a script or an include.
SIZE_LIMIT: Final = 4 << 20
# What YAML says of a text that begins with @, ` or %, with & or *, or with !.
_NEED_QUOTES: Final = (
    "cannot start any token",
    "alphabetic or numeric",
    "a constructor for the tag",
)


class YamlError(ValueError):
    """The text is no YAML that we take; a sentence with the line."""


def load(text: str) -> Any:
    """The one document of `text`."""
    import yaml

    if len(text) > SIZE_LIMIT:
        raise YamlError(f"a cloud-config may have {SIZE_LIMIT >> 20} MiB; this has more")
    try:
        _check(yaml.parse(text, Loader=scalars.base()))
        return _construct(text)
    except yaml.MarkedYAMLError as error:
        raise YamlError(_explained(error, text)) from error
    except yaml.YAMLError as error:
        raise YamlError(_one_line(error)) from error
    except (ValueError, OverflowError, RecursionError) as error:
        raise YamlError(_one_line(error)) from error


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())


def _explained(error: yaml.MarkedYAMLError, text: str) -> str:
    mark = error.problem_mark or error.context_mark
    problem = str(error.problem or error.context)
    if not mark:
        return problem
    if tab := indentation.tab_near(text, mark.line):
        return f"line {tab}: it is indented with a tab; YAML takes spaces only"
    if any(words in problem for words in _NEED_QUOTES):
        problem = f"{problem}; put the text in quotes"
    return f"line {mark.line + 1}, column {mark.column + 1}: {problem}"


def _check(events: Any) -> None:
    """Depth, and the number of nodes that there are once every alias is followed."""
    import yaml

    sizes = [0]  # of the collections that are open, innermost last
    names: list[str | None] = []
    anchors: dict[str, int] = {}
    for event in events:
        if isinstance(event, yaml.CollectionStartEvent):
            sizes.append(1)
            names.append(event.anchor)
            # Opened, not closed: an alias to it from within would never end.
            anchors |= {event.anchor: -1} if event.anchor else {}
        elif isinstance(event, yaml.CollectionEndEvent):
            size, name = sizes.pop(), names.pop()
            sizes[-1] += size
            anchors |= {name: size} if name else {}
        elif isinstance(event, yaml.ScalarEvent):
            sizes[-1] += 1
            anchors |= {event.anchor: 1} if event.anchor else {}
        elif isinstance(event, yaml.AliasEvent):
            sizes[-1] += _alias(event, anchors)
        if len(sizes) > DEPTH_LIMIT or sizes[-1] > NODE_LIMIT:
            raise YamlError(f"{_at(event)}it is nested too deeply, or too large once unfolded")


def _alias(event: yaml.AliasEvent, anchors: dict[str, int]) -> int:
    size = anchors.get(str(event.anchor))
    if size is None:
        raise YamlError(
            f"{_at(event)}the alias *{event.anchor} has no anchor before it; "
            "put it in quotes if it is no alias"
        )
    if size < 0:
        raise YamlError(f"{_at(event)}the alias *{event.anchor} holds itself")
    return size


def _construct(text: str) -> Any:
    loader = scalars.loader()(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _prepare(node, text)
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _prepare(root: yaml.Node, text: str) -> None:
    """Refuse what would be misread silently, and have keys be the texts that were written."""
    import yaml

    todo, seen = [root], set[int]()
    while todo:
        node = todo.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            _keys(node)
            todo += [item for pair in node.value for item in pair]
        elif isinstance(node, yaml.SequenceNode):
            todo += node.value
        elif (
            isinstance(node, yaml.ScalarNode)
            and not node.style
            and (line := indentation.swallowed(text, node))
        ):
            raise YamlError(
                f"line {line}: this begins with a hyphen, but its indentation makes it a part of "
                "the text above it"
            )


def _keys(node: yaml.MappingNode) -> None:
    """A key that comes twice is refused: PyYAML would silently forget the first."""
    names = set[str]()
    for key, _ in node.value:
        if not isinstance(key.value, str) or key.tag == scalars.MERGE:
            continue
        if key.value in names:
            raise YamlError(f"{_at(key)}the key {printable(key.value)!r} comes twice")
        names.add(key.value)
        key.tag = scalars.STR if scalars.is_word(key.tag) else key.tag


def _at(node: yaml.Node | yaml.Event) -> str:
    return f"line {node.start_mark.line + 1}: " if node.start_mark else ""
