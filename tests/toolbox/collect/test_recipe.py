# SPDX-License-Identifier: Apache-2.0
"""Recipes: logdog's lines as they are, ours, and wrong ones that stop nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from toolbox.collect import recipe
from toolbox.collect.item import Item
from toolbox.collect.looks import LOOKS

# As Bottlerocket ships them.
LOGDOG = """
# a comment
exec containerd-config containerd config dump
exec journalctl-system journalctl "SYSTEMD_UNIT=a b.service" -b 0
file os-release /etc/os-release

glob /var/log/kdump/*
http metrics http://localhost:9100/metrics
https healthz https://localhost:10250/healthz
settings settings.json
"""


def test_lines_of_logdog_are_taken_as_they_are() -> None:
    items, findings = recipe.parse(LOGDOG, "logdog.conf", "logdog")
    assert findings == []
    assert [(item.kind, item.name, item.argument) for item in items] == [
        ("exec", "logdog/containerd-config", ("containerd", "config", "dump")),
        (
            "exec",
            "logdog/journalctl-system",
            ("journalctl", "SYSTEMD_UNIT=a b.service", "-b", "0"),
        ),
        ("file", "logdog/os-release", ("/etc/os-release",)),
        ("glob", "logdog", ("/var/log/kdump/*",)),
        ("http", "logdog/metrics", ("http://localhost:9100/metrics",)),
        ("http", "logdog/healthz", ("https://localhost:10250/healthz",)),
        ("settings", "logdog/settings.json", ()),
    ]


def test_a_sharp_begins_a_comment_only_where_it_begins_a_word() -> None:
    lines = (
        "  # exec a true\n"
        "exec a grep -c foo#bar '# b' \"#c\" \\#d /etc/x # why\n"
        "http b http://127.0.0.1:9000/#/health\n"
        "glob /var/log/a#b*\n"
    )
    items, findings = recipe.parse(lines, "r")
    assert findings == []
    assert [item.argument for item in items] == [
        ("grep", "-c", "foo#bar", "# b", "#c", "#d", "/etc/x"),
        ("http://127.0.0.1:9000/#/health",),
        ("/var/log/a#b*",),
    ]


def test_limits_stand_before_a_line() -> None:
    items, _ = recipe.parse("@timeout=5 @limit=2K @binary file x /x\n@needs=/y exec z z", "r")
    assert items == [
        Item("file", "x", ("/x",), "r:1", timeout=5.0, limit=2048, binary=True),
        Item("exec", "z", ("z",), "r:2", needs="/y"),
    ]


@pytest.mark.parametrize(
    "line",
    [
        "exce out true",
        "exec out",
        "file out relative/path",
        "file ../../etc/cron.d/x /etc/passwd",
        "file /abs /etc/passwd",
        "file a/../b /etc/passwd",
        "glob *",
        'exec out "unclosed',
        "@timeout=0 exec out true",
        "@timeout=9999 exec out true",
        "@limit=1T exec out true",
        "@nonsense exec out true",
        "@needs=relative exec out true",
        "settings",
        "look out",
    ],
)
def test_a_wrong_line_is_named_by_its_place_and_the_others_count(line: str) -> None:
    items, findings = recipe.parse(f"exec a true\n{line}\nexec b true", "x.conf")
    assert [item.name for item in items] == ["a", "b"]
    (finding,) = findings
    assert finding.path == "x.conf:2"


def test_two_items_of_one_name_get_two_names(tmp_path: Path) -> None:
    (tmp_path / "10-x.conf").write_text("exec a true\nexec a false\n")
    items, _ = recipe.read([tmp_path / "10-x.conf"])
    assert [item.name for item in items] == ["x/a", "x/a-2"]


def test_a_file_that_cannot_be_read_is_a_finding_and_hides_no_other(tmp_path: Path) -> None:
    (tmp_path / "good.conf").write_text("exec a true\n")
    (tmp_path / "odd.conf").write_bytes(b"\xff\xfe")
    items, findings = recipe.read([tmp_path / "odd.conf", tmp_path / "good.conf"])
    assert [item.name for item in items] == ["good/a"]
    assert len(findings) == 1


def test_our_own_recipes_are_right() -> None:
    items, findings = recipe.read(recipe.files(Path("/nowhere")))
    assert findings == []
    topics = {item.name.partition("/")[0] for item in items}
    assert topics >= {"kernel", "boot", "journal", "units", "disks", "network", "cgroups"}
    assert topics >= {"runtimes", "kubelet", "hatchway"}
    assert {item.argument[0] for item in items if item.kind == "look"} <= LOOKS.keys()
