# SPDX-License-Identifier: Apache-2.0
"""The outcome, for people and for programs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from bench.contest import Line


def text(
    lines: Sequence[Line], sizes: Mapping[str, float], failures: Mapping[str, str]
) -> Iterator[str]:
    width = max((len(line.contender) for line in lines), default=20)
    contest = ""
    for line in lines:
        if line.contest != contest:
            contest = line.contest
            yield f"\n{contest:{width + 2}} {'median':>9} {'best':>9} {'ratio':>7}"
        milliseconds = f"{line.median * 1000:6.0f} ms {line.best * 1000:6.0f} ms"
        yield f"  {line.contender:{width}} {milliseconds} {line.ratio:7.2f}"
    yield f"\n{'sizes':{width + 2}}"
    yield from (f"  {name:{width}} {size:6.1f} MiB" for name, size in sizes.items())
    yield from (f"\nleft out: {name}: {why}" for name, why in failures.items())


def encoded(lines: Iterable[Line], sizes: Mapping[str, float], failures: Mapping[str, str]) -> str:
    value = {
        "times": [line.as_json() for line in lines],
        "sizes_mib": {name: round(size, 1) for name, size in sizes.items()},
        "left_out": dict(failures),
    }
    return json.dumps(value, indent=2)
