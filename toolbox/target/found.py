# SPDX-License-Identifier: Apache-2.0
"""What engines answer when they are asked for a target, and what is made of it."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Any, Final

from launcher.errors import TargetError
from launcher.proc import Process
from launcher.runtimes.base import State

if TYPE_CHECKING:
    from collections.abc import Iterable

    from toolbox.target.name import Name

# Of a long list, what a person reads; each may cost a question to an engine.
SHOWN: Final = 8
_FULL_ID: Final = re.compile(r"[0-9a-f]{64}")
_SHORT: Final = 12


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A container that an engine knows; `pid` is 0 while that is not known or it does not run.

    `prefix` is what stands before the id when it is named, such as `containerd://k8s.io/`.
    """

    runtime: str
    prefix: str
    id: str
    name: str = ""
    state: State = State.RUNNING
    pid: int = 0

    @property
    def live(self) -> bool:
        return self.state in (State.RUNNING, State.PAUSED)

    def uri(self) -> str:
        """How a user names exactly this one."""
        return self.prefix + (self.id[:_SHORT] if _FULL_ID.fullmatch(self.id) else self.id)

    def describe(self) -> str:
        more = [word for word in (self.name, "" if self.live else self.state.value) if word]
        return f"{self.uri()} ({', '.join(more)})" if more else self.uri()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A container to be joined, by a process that cannot be mistaken for a later one."""

    runtime: str
    id: str
    name: str
    state: State
    process: Process

    def as_json(self) -> dict[str, Any]:
        return {
            "runtime": self.runtime,
            "id": self.id,
            "name": self.name,
            "state": self.state.value,
            "pid": self.process.pid,
            "started": self.process.started,
        }


def pick(name: Name, found: Iterable[Candidate]) -> Candidate | None:
    """The one that is meant, or None when nothing fits; `TargetError` when several do.

    A whole id goes before a name, a name before the beginning of an id. Among several that fit
    equally, those that have ended are what a restart left.
    """
    candidates = list(found)
    for fits in (
        [one for one in candidates if one.id == name.name],
        [one for one in candidates if one.name == name.name],
        candidates,
    ):
        if fits:
            live = [one for one in fits if one.live] or fits
            if len(live) > 1:
                raise _ambiguous(name, live)
            return live[0]
    return None


def target(candidate: Candidate, name: Name) -> Target:
    """Tie the candidate to its process; `TargetError` when it has none any more."""
    if not candidate.live or not candidate.pid:
        message = f"{name.text} does not run: it is {candidate.state.value}"
        hint = "Start it first; a container that has ended has nothing to be joined."
        raise TargetError("target.not-running", message, hint)
    process = Process.of(candidate.pid)
    if process is None:
        raise TargetError("target.gone", f"{name.text} ended just now", "Look for it again.")
    return Target(
        runtime=candidate.runtime,
        id=candidate.id,
        name=candidate.name or name.name,
        state=candidate.state,
        process=process,
    )


def missing(name: Name, near: Iterable[str], where: str) -> TargetError:
    """Nothing fits; `near` is what may have been meant, `where` says what was searched."""
    close = list(near)[:SHOWN]
    hint = f"Did you mean {', '.join(close)}?" if close else "pid:N names any process of this host."
    return TargetError("target.not-found", f"there is no {name.text} {where}", hint, near=close)


def nearest(word: str, words: Iterable[str]) -> list[str]:
    """Those most like `word`, the most like first."""
    import difflib

    return difflib.get_close_matches(word, sorted(set(words)), n=SHOWN, cutoff=0.6)


def _ambiguous(name: Name, fits: list[Candidate]) -> TargetError:
    listed = sorted(one.describe() for one in fits)
    shown = ", ".join(listed[:SHOWN]) + (", ..." if len(listed) > SHOWN else "")
    message = f"{name.text} fits {len(fits)} containers: {shown}"
    hint = "Write one of them, or more of the id."
    return TargetError("target.ambiguous", message, hint, candidates=[one.uri() for one in fits])
