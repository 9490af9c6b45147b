# SPDX-License-Identifier: Apache-2.0
"""systemctl, reboot, shutdown and the like, in front of systemd's own.

A unit that is ordered after user data cannot start before user data has ended: whoever waits for
it in a script waits for himself. So where a job would wait for ours, it is not waited for.
Shutdowns are counted, see `shutdown`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Final, NoReturn

from bootstrap_image import shutdown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

REAL: Final = "/usr/lib/hatchway/systemctl.real"
OURS: Final = "hatchway-bootstrap.service"
_LIMIT: Final = 10.0  # seconds for a question
_SHUTDOWNS: Final = ("reboot", "poweroff", "halt", "kexec", "soft-reboot")
_STARTS: Final = (
    "start", "restart", "try-restart", "condrestart", "reload-or-restart",
    "try-reload-or-restart", "force-reload", "isolate",
)  # fmt: skip
_ENABLES: Final = ("enable", "reenable")
_USAGE: Final = 64


def main(argv: list[str]) -> int:
    """As the program of that name; `argv[0]` decides."""
    name, *words = argv
    name = name.rpartition("/")[2]
    if name == "systemctl":
        return _systemctl(words)
    if name == "service":
        return _systemctl([words[1], words[0]]) if len(words) == 2 else _usage("service UNIT VERB")
    if name in ("init", "telinit"):
        verb = {"0": "poweroff", "6": "reboot"}.get(words[0] if words else "", "")
        return _shut_down(verb) if verb else _usage(f"{name} 0|6")
    if name == "shutdown":
        return _shutdown(words)
    return _shut_down("poweroff" if "-p" in words else name)


def _systemctl(words: list[str]) -> int:
    plain = [word for word in words if not word.startswith("-")]
    verb, units = (plain[0], plain[1:]) if plain else ("", [])
    if verb in _SHUTDOWNS:
        return _shut_down(verb)
    starts = verb in _STARTS or (verb in _ENABLES and "--now" in words)
    if starts and "--no-block" not in words and (waiting := waits_for_us(units, *_jobs(units))):
        names = ", ".join(waiting)
        _say("systemctl", f"{names} starts after user data has ended; it is not waited for")
        words = ["--no-block", *words]
    return _become(*words)


def waits_for_us(
    units: Iterable[str], after: Mapping[str, set[str]], pending: set[str]
) -> list[str]:
    """Those of `units` whose start would wait until our own has ended.

    `after` has what each is ordered after, `pending` the units that have a job, ours among them.
    """

    def waits(unit: str, seen: frozenset[str]) -> bool:
        before = (after.get(unit, set()) & pending) - seen
        return OURS in before or any(waits(each, seen | before) for each in before)

    if OURS not in pending:
        return []
    return [unit for unit in units if waits(_full(unit), frozenset())]


def _jobs(units: Iterable[str]) -> tuple[dict[str, set[str]], set[str]]:
    pending = {words[1] for line in _ask("list-jobs") if len(words := line.split()) > 3}
    if OURS not in pending:
        return {}, pending
    after, name = dict[str, set[str]](), ""
    for line in _ask("show", "--property=Id,After", *pending, *map(_full, units)):
        key, _, value = line.partition("=")
        name = value if key == "Id" else name
        if key == "After":
            after[name] = set(value.split())
    return after, pending


def waiting() -> list[str]:
    """Units whose jobs wait for something, ours aside: what a script may be waiting for."""
    jobs = [words for line in _ask("list-jobs") if len(words := line.split()) > 3]
    return sorted({words[1] for words in jobs if words[3] == "waiting" and words[1] != OURS})


def _ask(*words: str) -> list[str]:
    argv = (REAL, "--no-legend", "--no-pager", *words)
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=_LIMIT, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    # `show` gives a unit's properties in an order of its own: Id comes first here.
    blocks = [sorted(block.splitlines(), reverse=True) for block in done.stdout.split("\n\n")]
    return [line for block in blocks for line in block]


def _full(unit: str) -> str:
    return unit if "." in unit else f"{unit}.service"


def _shutdown(words: list[str]) -> int:
    options = {word for word in words if word.startswith("-")}
    plain = [word for word in words if not word.startswith("-")]
    if plain and plain[0] not in ("now", "+0", "0"):
        _say("shutdown", f"{plain[0]}: only `now` is supported here")
        return _USAGE
    if options & {"-c", "-k"}:
        return 0
    short = "".join(word[1:] for word in options if not word.startswith("--"))
    if "r" in short or "--reboot" in options:
        return _shut_down("reboot")
    return _shut_down("halt" if "H" in short or "--halt" in options else "poweroff")


def _shut_down(verb: str) -> int:
    if why := shutdown.ask():
        _say(verb, why)
        return 1
    # Never by force: the step's result would be lost, and it would run again.
    return _become("--no-block", verb)


def _become(*words: str) -> NoReturn:
    os.execv(REAL, ["systemctl", *words])  # noqa: S606 - no shell is the point


def _usage(text: str) -> int:
    sys.stderr.write(f"usage: {text}\n")
    return _USAGE


def _say(name: str, text: str) -> None:
    sys.stderr.write(f"{name}: {text}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
