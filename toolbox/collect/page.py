# SPDX-License-Identifier: Apache-2.0
"""index.html: what looks wrong, two charts, and the way to every item; opens without a network.

Everything in it may come from a hostile container, so every text is escaped, nothing is run, and
the policy in the head forbids whatever would be loaded.
"""

from __future__ import annotations

import re
import time
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from toolbox.collect import charts
from toolbox.doctor.checkup import CHECKS
from toolbox.doctor.disks import human

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from toolbox.collect.manifest import Entry, Manifest
    from toolbox.doctor.checkup import Checkup
    from toolbox.doctor.diagnosis import Diagnosis

_STYLE: Final = Path(__file__).with_name("page.css")
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"
_ENDINGS: Final = {
    "interrupted": "Collection was interrupted: this is a part of what was asked for.",
    "timeout": "The time was up before all was collected: this is a part of what was asked for.",
    "full": "The disk had no room for more: this is a part of what was asked for.",
}
_GOOD: Final = "ok"
# What is no fault of the node or of the recipe.
_EXPECTED: Final = ("absent", "refused")


def render(manifest: Manifest, checkup: Checkup, clean: Callable[[str], str]) -> str:
    """The page; `clean` takes secrets, and names where that was asked for, out of a text."""
    parts = [
        "<!DOCTYPE html>\n<html lang=en><head><meta charset=utf-8>",
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        '<meta name=viewport content="width=device-width">',
        f"<title>{escape(manifest.host)}: {len(checkup.findings)} findings</title>",
        f"<style>{_STYLE.read_text(encoding='utf-8')}</style></head><body><main>",
        *_head(manifest, checkup),
        *_findings(checkup, {entry.path for entry in manifest.items}),
        *_charts(checkup, clean),
        *_items(manifest),
        *_footer(manifest),
        "</main></body></html>\n",
    ]
    return "\n".join(parts)


def _head(manifest: Manifest, checkup: Checkup) -> Iterator[str]:
    when = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(manifest.began))
    counts = dict.fromkeys(("critical", "warning", "notice"), 0)
    for finding in checkup.findings:
        counts[finding.severity] += 1
    yield f"<header><h1>{escape(manifest.host)}</h1><p class=sub>{when}"
    yield f" · collected in {manifest.seconds:.1f} s · since {escape(manifest.since)}"
    yield f" · Hatchway {escape(manifest.version)}</p><p class=counts>"
    yield " ".join(
        f'<a href="#findings" class="count {kind}"><b>{number}</b> {kind}</a>'
        for kind, number in counts.items()
    )
    kept = sum(1 for entry in manifest.items if entry.path)
    yield f'<a href="#items" class="count"><b>{kept}</b> items</a></p></header>'
    if manifest.ending in _ENDINGS:
        yield f"<p class=banner>{_ENDINGS[manifest.ending]}</p>"


def _findings(checkup: Checkup, paths: Collection[str]) -> Iterator[str]:
    yield "<section id=findings><h2>What looks wrong</h2>"
    if not checkup.findings:
        yield "<p class=fine>Nothing that is looked for.</p>"
    for finding in checkup.findings:
        yield _finding(finding, paths)
    bad = {finding.code.partition(".")[0] for finding in checkup.findings}
    fine = [name for name in CHECKS if name in checkup.facts and name not in bad]
    if fine:
        yield f"<p class=fine>Nothing wrong with: {', '.join(fine)}.</p>"
    for name, why in checkup.gaps.items():
        yield f"<p class=gap>Not checked: <b>{escape(name)}</b> — {escape(why)}</p>"
    yield "</section>"


# Where more about a subject stands.
_MORE: Final = {
    "units": "items/units/status",
    "boot": "items/boot/blame",
    "disks": "items/disks/file-systems",
    "kernel": "items/kernel/kernel.log",
    "network": "items/kernel/kernel.log",
    "pressure": "items/cgroups/cgroups",
    "processes": "items/kernel/processes",
    "limits": "items/kernel/sysctl",
    "certificates": "items/kubelet/certificates",
    "clock": "items/network/timedatectl",
    "names": "items/network/resolv.conf",
    "pods": "items/kubelet/pods",
    "hatchway": "items/hatchway/state",
}


def _finding(finding: Diagnosis, paths: Collection[str]) -> str:
    evidence = "\n".join(finding.evidence)
    shown = f"<pre>{escape(evidence)}</pre>" if evidence else ""
    path = _MORE.get(finding.code.partition(".")[0], "")
    more = f'<a href="{path}">{path.partition("/")[2]}</a> ' if path in paths else ""
    return (
        f'<article class="finding {finding.severity}"><h3><span class=badge>{finding.severity}'
        f"</span> {escape(finding.title)}</h3>{shown}<p>{_prose(finding.advice)}</p>"
        f"<p class=more>{more}<code>{escape(finding.code)}</code></p></article>"
    )


def _charts(checkup: Checkup, clean: Callable[[str], str]) -> Iterator[str]:
    facts = checkup.facts
    yield "<section id=boot><h2>Boot</h2>"
    if "boot" in facts and "units" in facts:
        boot = facts["boot"]
        total = f"{boot.finished:.1f} s" if boot.finished else "it has not finished"
        before = [f"{name} {s:.1f} s" for name, s in boot.stages if name in ("firmware", "loader")]
        earlier = f"; before that: {', '.join(before)}" if before else ""
        yield f"<p class=sub>From the kernel's start to the end of boot: {total}{earlier}.</p>"
        yield charts.boot(facts["units"], boot, clean)
    else:
        yield "<p class=gap>systemd did not say.</p>"
    yield "</section><section id=disks><h2>Disks</h2>"
    if "disks" in facts:
        yield "<p class=sub>How full; the thin mark is inodes.</p>"
        yield charts.disks(facts["disks"].file_systems, clean)
    yield "</section>"
    if "pressure" in facts:
        yield from _pressure(facts["pressure"])


def _pressure(pressure: Any) -> Iterator[str]:
    yield "<section id=pressure><h2>Pressure</h2><table class=small><tr><th>resource"
    yield "<th>some task waits<th>all tasks wait</tr>"
    for resource, (some, full) in pressure.stalls.items():
        yield f"<tr><td>{escape(resource)}<td>{some:.1f} %<td>{full:.1f} %</tr>"
    yield f"</table><p class=sub>Of the last minute. Memory: {human(pressure.available)} of "
    yield f"{human(pressure.memory)} available.</p></section>"


def _items(manifest: Manifest) -> Iterator[str]:
    yield "<section id=items><h2>Items</h2>"
    missing = [entry for entry in manifest.items if not entry.path]
    for topic, entries in _by_topic(entry for entry in manifest.items if entry.path):
        yield f"<h3>{escape(topic)}</h3><table>"
        yield from (_item(entry) for entry in entries)
        yield "</table>"
    if missing:
        yield f"<details><summary>Not here: {len(missing)}</summary><table>"
        yield from (_item(entry) for entry in missing)
        yield "</table></details>"
    if manifest.recipe_findings:
        yield "<h3>Recipes with errors</h3><table>"
        for finding in manifest.recipe_findings:
            yield f"<tr><td><code>{escape(finding['path'])}</code><td>{escape(finding['message'])}"
        yield "</table>"
    yield "</section>"


def _by_topic(entries: Iterable[Entry]) -> Iterator[tuple[str, Sequence[Entry]]]:
    topics: dict[str, list[Entry]] = {}
    for entry in entries:
        topics.setdefault(entry.path.split("/")[1], []).append(entry)
    yield from topics.items()


def _item(entry: Entry) -> str:
    name = entry.path.partition("/")[2].partition("/")[2]
    link = f'<a href="{escape(quote(entry.path))}">{escape(name)}</a>' if name else ""
    notes = [entry.note] if entry.note else []
    if entry.truncated:
        notes.append(f"cut: {human(entry.size)} before")
    if entry.redactions:
        notes.append(f"{entry.redactions} redacted")
    if entry.status == _GOOD:
        kind = ""
    elif entry.status in _EXPECTED:
        kind = f"<span class=state>{entry.status}</span> "
    else:
        kind = f'<span class="state bad">{entry.status}</span> '
    return (
        f"<tr><td>{link}<td class=source><code>{escape(entry.source)}</code>"
        f"<td class=number>{human(entry.kept) if entry.path else ''}"
        f"<td class=number>{entry.seconds:.2f} s<td>{kind}{escape('; '.join(notes))}</tr>"
    )


def _prose(text: str) -> str:
    """A sentence; what stands in backticks is something to type."""
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", escape(text))


def _footer(manifest: Manifest) -> Iterator[str]:
    total = sum(entry.redactions for entry in manifest.items)
    yield f"<footer><p>{total} secrets were taken out and stand as <code>[redacted]</code>. "
    if manifest.anonymised:
        yield "Names and addresses are stand-ins; who collected this has their mapping. "
    yield "No search finds every secret: treat this bundle as you treat the node. "
    yield 'All facts: <a href="manifest.json">manifest.json</a>.</p></footer>'
