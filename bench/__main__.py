# SPDX-License-Identifier: Apache-2.0
"""Measure Hatchway beside its peers: `python -m bench [--rounds N] [--json] [CONTEST...]`."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from bench import bundles, commands, engines, programs, report, sizes, toolboxes, userdata

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.contest import Line

ENGINES = ("podman", "docker", "containerd")
BUNDLES, COMMANDS, TOOLBOXES, USER_DATA = "bundles", "commands", "toolboxes", "user-data"
CONTESTS = (*ENGINES, BUNDLES, COMMANDS, TOOLBOXES, USER_DATA)


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="rounds of each contest (7)")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    parser.add_argument("contests", nargs="*", metavar="CONTEST", help=", ".join(CONTESTS))
    options = parser.parse_args()
    if unknown := set(options.contests) - set(CONTESTS):
        parser.error(f"no such contest: {', '.join(sorted(unknown))}")
    programs.enter_namespace()
    lines: list[Line] = []
    failures: dict[str, str] = {}
    found: dict[str, float] = {}
    for name in options.contests or CONTESTS:
        sys.stderr.write(f"{name} ...\n")
        try:
            lines += hold(name, options.rounds, found)
        except (RuntimeError, AssertionError, OSError) as problem:
            failures[name] = str(problem)
    found |= sizes.measure()
    if options.json:
        sys.stdout.write(report.encoded(lines, found, failures) + "\n")
    else:
        sys.stdout.writelines(f"{line}\n" for line in report.text(lines, found, failures))
    return 0 if lines else 1


def hold(name: str, rounds: int, sizes: dict[str, float]) -> Iterator[Line]:
    if name == BUNDLES:
        return bundles.measure(rounds=rounds, sizes=sizes)
    if name == COMMANDS:
        return commands.measure(rounds=rounds)
    if name == TOOLBOXES:
        return toolboxes.measure(rounds=rounds)
    if name == USER_DATA:
        return userdata.measure(rounds=rounds)
    return engines.measure(name, rounds=rounds)


if __name__ == "__main__":
    sys.exit(main())
