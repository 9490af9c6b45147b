# SPDX-License-Identifier: Apache-2.0
"""The whole job: check the host, collect, redact, pack; and end well however it ends."""

from __future__ import annotations

import dataclasses
import json
import socket
import time
from typing import TYPE_CHECKING, Any

from launcher import VERSION, interrupt
from launcher.interrupt import Interrupted
from toolbox.collect import page
from toolbox.collect.bundle import Bundle
from toolbox.collect.collector import Wishes, collect
from toolbox.collect.disguise import Disguise, known_names
from toolbox.collect.gathering import Work, gather
from toolbox.collect.manifest import Entry, Manifest
from toolbox.collect.redaction import Redactor
from toolbox.doctor import checkup
from toolbox.doctor.checkup import Checkup

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from launcher.findings import Finding
    from launcher.monitor import Monitor
    from toolbox.collect.bundle import Form
    from toolbox.collect.gathering import Ending
    from toolbox.collect.item import Item, Outcome
    from toolbox.collect.sink import Sink


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked for: `timeout` in seconds and `size` in bytes bound the whole bundle."""

    name: str
    items: Sequence[Item]
    recipe_findings: Sequence[Finding] = ()
    since: str = "-24h"
    allowed: frozenset[str] = frozenset()
    anonymise: bool = False
    form: Form = "zst"
    recipients: Sequence[Any] = ()
    timeout: float = 600.0
    size: int = 512 << 20


@dataclasses.dataclass(frozen=True, slots=True)
class Result:
    """`names` is the mapping of `--anonymise`: originals with their stand-ins, by kind."""

    manifest: Manifest
    checkup: Checkup
    names: Mapping[str, Mapping[str, str]]


def run(request: Request, sink: Sink, monitor: Monitor) -> Result:
    """Write a bundle to `sink`; it is whole and says so also when a signal cut it short."""
    began, clock = time.time(), time.monotonic()
    disguise = Disguise(known_names()) if request.anonymise else None
    monitor.step("checking the host")
    try:
        examined = _clean(checkup.examine(seconds=_share(request.timeout)), disguise)
    except Interrupted:  # gathering ends at once, and says so
        examined = Checkup({}, (), {"all": "interrupted"}, 0.0)
    packing = _Packing(request, sink, disguise)
    wishes = Wishes(since=request.since, allowed=request.allowed)
    until = clock + request.timeout

    def bounded(item: Item) -> Outcome:
        left = max(until - time.monotonic(), 1.0)
        return collect(dataclasses.replace(item, timeout=min(item.timeout, left)), wishes)

    work = Work(
        items=request.items, collect=bounded, keep=packing.keep, room=packing.has_room,
        until=until, monitor=monitor,
    )  # fmt: skip
    try:
        ending = gather(work)
        monitor.step("writing the summary")
        with interrupt.held():
            manifest = packing.finish(examined, ending, began, time.monotonic() - clock)
    except BaseException:
        packing.abandon()
        raise
    return Result(manifest, examined, disguise.mapping() if disguise else {})


def _share(timeout: float) -> float:
    """The seconds of the whole that the checkup may take: the items need the rest."""
    return min(timeout / 2, checkup.MOST_OF_ALL)


class _Packing:
    """Outcomes on their way into the bundle, and into the manifest."""

    def __init__(self, request: Request, sink: Sink, disguise: Disguise | None) -> None:
        self._request = request
        self._sink = sink
        self._disguise = disguise
        self._entries: list[Entry] = []
        self._cut = False  # for want of room
        self._bundle = Bundle(sink, request.name, request.form, request.recipients)

    def abandon(self) -> None:
        self._bundle.abandon()

    def has_room(self) -> bool:
        room = self._sink.room()
        return not self._sink.full and self._sink.written < self._request.size and room != 0

    def keep(self, outcome: Outcome) -> None:
        outcome = self._fitted(self._disguised(outcome))
        cleaner = Redactor(self._disguise)
        path = cleaner.text(f"items/{outcome.item.name}") if outcome.content else ""
        if outcome.content:
            given = self._bundle.add(path, outcome.content, time.time())
            if given < len(outcome.content):
                self._cut = True
                note = f"the disk became full: what follows byte {given} is zeros"
                whole = outcome.content[:given] + bytes(len(outcome.content) - given)
                outcome = dataclasses.replace(outcome, content=whole, note=note, truncated=True)
        outcome = dataclasses.replace(outcome, note=cleaner.text(outcome.note))
        source = cleaner.text(" ".join(outcome.item.argument))
        self._entries.append(Entry.of(outcome, path, source))

    def _disguised(self, outcome: Outcome) -> Outcome:
        """With stand-ins, which are the same in all items only if one process gives them away."""
        if self._disguise is None or outcome.item.binary:
            return outcome
        return dataclasses.replace(outcome, content=self._disguise.whole(outcome.content))

    def _fitted(self, outcome: Outcome) -> Outcome:
        """The end of what would not fit on the disk even if it did not pack at all."""
        disk, limit = self._sink.room(), max(self._request.size - self._sink.written, 0)
        room = limit if disk is None else min(disk, limit)
        if len(outcome.content) <= room:
            return outcome
        self._cut = True
        content = outcome.content[-max(room, 1) :]
        content = content[content.find(b"\n") + 1 :]
        which = "--max-size" if room == limit else "the disk"
        note = f"{which} has room for its end alone"
        return dataclasses.replace(outcome, content=content, note=note, truncated=True)

    def finish(self, examined: Checkup, ending: Ending, began: float, seconds: float) -> Manifest:
        cleaner = Redactor(self._disguise)
        if ending == "complete" and (self._cut or self._sink.full):
            ending = "full"
        manifest = Manifest(
            version=VERSION,
            host=cleaner.text(socket.gethostname()),
            began=began,
            seconds=seconds,
            ending=ending,
            since=self._request.since,
            anonymised=self._disguise is not None,
            checkup=examined.as_json(),
            recipe_findings=[
                {"path": each.path, "message": cleaner.text(each.message)}
                for each in self._request.recipe_findings
            ],
            items=sorted(self._entries, key=lambda entry: (entry.path == "", entry.path)),
        )
        now = time.time()
        facts = json.dumps(manifest.as_json(), indent=1).encode()
        self._bundle.add("manifest.json", facts, now)
        self._bundle.add("index.html", page.render(manifest, examined, cleaner.text).encode(), now)
        self._bundle.close()
        return manifest


def _clean(examined: Checkup, disguise: Disguise | None) -> Checkup:
    """The findings with their evidence, which is the host's own words, searched for secrets."""

    def text(value: str) -> str:
        return Redactor(disguise).text(value)

    findings = tuple(
        dataclasses.replace(
            each, title=text(each.title), evidence=tuple(map(text, each.evidence)),
            advice=text(each.advice),
        )
        for each in examined.findings
    )  # fmt: skip
    gaps = {name: text(why) for name, why in examined.gaps.items()}
    return dataclasses.replace(examined, findings=findings, gaps=gaps)
