# SPDX-License-Identifier: Apache-2.0
"""The page: opens in a browser without a network, and shows hostile words as words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.toolbox.collect import browser
from toolbox.collect import page
from toolbox.collect.item import Item, Outcome
from toolbox.collect.manifest import Entry, Manifest
from toolbox.doctor.boot import Boot
from toolbox.doctor.checkup import Checkup
from toolbox.doctor.diagnosis import Diagnosis
from toolbox.doctor.disks import Disks, FileSystem
from toolbox.doctor.mounts import Mount
from toolbox.doctor.pressure import Pressure
from toolbox.doctor.units import Unit

if TYPE_CHECKING:
    from pathlib import Path

HOSTILE = "<script>document.title='owned'</script><img src=http://x.invalid onerror=1>\"'&amp;"


def checkup(word: str = HOSTILE) -> Checkup:
    mount = Mount(
        device="1:1",
        place=f"/mnt/{word}",
        kind="ext4",
        source=word,
        options=frozenset(),
        super_options=frozenset(),
    )
    facts: dict[str, Any] = {
        "units": (Unit(name=word, began=2.0, ready=5.5), Unit(name="b", began=3.0, ready=3.2)),
        "boot": Boot((("kernel", 2.0), ("userspace", 6.0)), 8.0, 99.0),
        "disks": Disks((), (FileSystem(mount=mount, size=100, free=5, inodes=9, inodes_free=8),)),
        "pressure": Pressure({"io": (50.0, 1.0)}, 1 << 30, 1 << 29),
    }
    finding = Diagnosis("units.failed", "critical", word, (word, word), word)
    return Checkup(facts, (finding,), {"names": word}, 0.1)


def manifest(word: str = HOSTILE) -> Manifest:
    item = Item("exec", f"mine/{word}", (word,), f"{word}:1")
    entries = [
        Entry.of(
            Outcome(item=item, status="ok", content=b"x", note=word), f"items/mine/{word}", word
        ),
        Entry.of(Outcome(item=item, status="absent", note=word), "", word),
    ]
    return Manifest(
        version="0",
        host=word,
        began=0.0,
        seconds=1.0,
        ending="interrupted",
        since=word,
        anonymised=True,
        checkup={},
        recipe_findings=[{"path": word, "message": word}],
        items=entries,
    )


def written(directory: Path) -> Path:
    path = directory / "index.html"
    path.write_text(page.render(manifest(), checkup(), str))
    return path


def test_a_hostile_word_stays_a_word(tmp_path: Path) -> None:
    dom = browser.dom(tmp_path, written(tmp_path))
    assert "<script" not in dom
    assert "<img" not in dom
    assert dom.count("&lt;script&gt;document.title=") > 10
    assert "<title>owned" not in dom


def test_the_browser_has_nothing_to_complain_of_and_asks_nobody(tmp_path: Path) -> None:
    assert browser.console(tmp_path, written(tmp_path)) == ""
    text = written(tmp_path).read_text()
    # As attributes: a quote in a word would be escaped.
    assert re.findall(r'(?:src|href)="(?:https?:)?//|url\(|@import', text) == []
    assert "default-src 'none'" in text


def test_what_looks_wrong_comes_first_then_charts_then_items(tmp_path: Path) -> None:
    dom = browser.dom(tmp_path, written(tmp_path))
    places = [dom.index(f'id="{name}"') for name in ("findings", "boot", "disks", "items")]
    assert places == sorted(places)
    assert dom.count("<svg") == 2


@pytest.mark.parametrize("word", ["", "ü 漢字 \U0001f600", "a" * 5000, "\x00\x01\x1b[0m", "]]>-->"])
def test_odd_words_break_no_page(word: str) -> None:
    text = page.render(manifest(word), checkup(word), str)
    assert text.endswith("</html>\n")


def test_a_page_can_be_made_of_nothing() -> None:
    text = page.render(manifest("x"), Checkup({}, (), {"all": "interrupted"}, 0.0), str)
    assert "Not checked" in text
