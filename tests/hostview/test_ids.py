# SPDX-License-Identifier: Apache-2.0
"""Who has a number: account files as they are written, and real processes of this machine."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from hostview import ids

FREE = 2_100_000_000
ETC = {
    "passwd": "a:x:101:201::/:/bin/sh\n+@netgroup::::::\nodd line\n",
    "group": "g:x:301:a\n",
    "subuid": "a:400000:65536\n",
    "subgid": "1000:600000:10\n\n# nothing\n",
}


def owner(number: int, spans: list[ids.Span]) -> str:
    return next((span.owner for span in spans if span.has(number)), "")


@pytest.mark.parametrize(
    ("number", "who"),
    [
        (101, "a in {etc}/passwd"),
        (201, "a in {etc}/passwd"),
        (301, "g in {etc}/group"),
        (399_999, ""),
        (400_000, "the range of a in {etc}/subuid"),
        (465_535, "the range of a in {etc}/subuid"),
        (465_536, ""),
        (600_009, "the range of 1000 in {etc}/subgid"),
    ],
)
def test_accounts_and_ranges_are_read_from_the_hosts_files(
    tmp_path: Path, number: int, who: str
) -> None:
    for name, text in ETC.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "proc").mkdir()
    spans = ids.taken(etc=str(tmp_path), proc=f"{tmp_path}/proc")
    assert owner(number, spans) == who.format(etc=tmp_path)


def test_a_host_without_these_files_has_no_accounts(tmp_path: Path) -> None:
    assert ids.taken(etc=f"{tmp_path}/none", proc=str(tmp_path)) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@pytest.mark.parametrize(
    "flags",
    [
        ("--reuid", f"{FREE}", "--clear-groups"),
        ("--ruid", f"{FREE}", "--clear-groups"),
        ("--regid", f"{FREE}", "--clear-groups"),
        ("--groups", f"5,{FREE}"),
    ],
    ids=["effective user", "real user", "group", "supplementary group"],
)
def test_a_process_has_every_number_that_it_runs_with(flags: tuple[str, ...]) -> None:
    with subprocess.Popen(
        ("setpriv", *flags, "sh", "-c", "echo; exec cat"),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as child:  # fmt: skip
        assert child.stdin
        assert child.stdout
        child.stdout.readline()
        assert owner(FREE, ids.taken()) == f"process {child.pid}"
        assert ids.holders(FREE) == {child.pid}
        child.stdin.close()
    assert ids.holders(FREE) == set()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@pytest.mark.parametrize(("first", "found"), [(FREE, True), (0, False)], ids=["range", "root's"])
def test_a_user_namespace_has_the_numbers_that_it_maps_unless_the_hosts_root_is_one(
    first: int, found: bool
) -> None:
    with subprocess.Popen(
        ("unshare", "--user", "sh", "-c", "echo; exec cat"),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as child:  # fmt: skip
        assert child.stdin
        assert child.stdout
        child.stdout.readline()
        for name in ("uid_map", "gid_map"):
            Path(f"/proc/{child.pid}/{name}").write_text(f"0 {first} {FREE + 10 - first}")
        said = owner(FREE + 5, ids.taken())
        assert (said == f"the user namespace of process {child.pid}") is found
        child.stdin.close()
