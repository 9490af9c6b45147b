# SPDX-License-Identifier: Apache-2.0
"""Measure Hatchway beside its peers: `python -m bench [--rounds N] [--json] [CONTEST...]`."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from bench import bundles, commands, engines, programs, report, sizes

if TYPE_CHECKING:
    from bench.contest import Line

ENGINES = ("podman", "docker", "containerd")
BUNDLES = "bundles"


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="rounds of each contest (7)")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    parser.add_argument(
        "engines", nargs="*", metavar="CONTEST", help=", ".join((*ENGINES, BUNDLES))
    )
    options = parser.parse_args()
    if unknown := set(options.engines) - {*ENGINES, BUNDLES}:
        parser.error(f"no such contest: {', '.join(sorted(unknown))}")
    programs.enter_namespace()
    lines: list[Line] = []
    failures: dict[str, str] = {}
    found: dict[str, float] = {}
    for name in options.engines or (*ENGINES, BUNDLES):
        sys.stderr.write(f"{name} ...\n")
        try:
            if name == BUNDLES:
                lines += bundles.measure(rounds=options.rounds, sizes=found)
            else:
                lines += engines.measure(name, rounds=options.rounds)
        except (RuntimeError, AssertionError, OSError) as problem:
            failures[name] = str(problem)
    sys.stderr.write("short commands ...\n")
    try:
        lines += commands.measure(rounds=options.rounds)
    except RuntimeError as problem:
        failures["short commands"] = str(problem)
    found |= sizes.measure()
    if options.json:
        sys.stdout.write(report.encoded(lines, found, failures) + "\n")
    else:
        sys.stdout.writelines(f"{line}\n" for line in report.text(lines, found, failures))
    return 0 if lines else 1


if __name__ == "__main__":
    sys.exit(main())
