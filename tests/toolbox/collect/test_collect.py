# SPDX-License-Identifier: Apache-2.0
"""`hatchway toolbox collect` on this machine: whole bundles, and what becomes of broken ones."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conftest import ROOT
from tests.toolbox.collect.opened import Opened
from tests.toolbox.collect.planted import WORD

if TYPE_CHECKING:
    from collections.abc import Iterator

HATCHWAY = (sys.executable, "-m", "launcher.cli.main")

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="collects as root")


def collect(*argv: str, check: bool = True) -> subprocess.CompletedProcess[bytes]:
    done = subprocess.run(
        (*HATCHWAY, "toolbox", "collect", *argv), capture_output=True, check=False, cwd=ROOT,
        timeout=120,
    )  # fmt: skip
    if check:
        assert done.returncode == 0, done.stderr.decode()
    return done


def recipe(directory: Path, *lines: str) -> tuple[str, ...]:
    """Flags that ask for these lines and nothing else."""
    path = directory / "mine.conf"
    path.write_text("\n".join(lines))
    return ("--recipe", str(path), "--only", "mine")


def bundle_of(directory: Path) -> Path:
    (found,) = (path for path in directory.iterdir() if path.name.startswith("hatchway-"))
    return found


@pytest.mark.parametrize(("flags", "suffix"), [((), ".tar.zst"), (("--gzip",), ".tar.gz")])
def test_a_bundle_is_one_private_file_with_a_manifest_and_a_page(
    tmp_path: Path, flags: tuple[str, ...], suffix: str
) -> None:
    lines = ("exec hello echo hello", f"exec secret echo password={WORD}", "exec gone no-such-one")
    (tmp_path / "out").mkdir()
    done = collect(str(tmp_path / "out"), *recipe(tmp_path, *lines), *flags, "--output", "json")
    facts = json.loads(done.stdout)
    path = bundle_of(tmp_path / "out")
    assert facts["path"] == str(path)
    assert path.name.endswith(suffix)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    opened = Opened.at(path)
    opened.check()
    assert opened.manifest["ending"] == facts["ending"] == "complete"
    assert opened.members["items/mine/hello"] == b"hello\n"
    assert opened.members["items/mine/secret"] == b"password=[redacted]\n"
    assert (facts["redactions"], facts["items"]) == (1, {"absent": 1, "ok": 2})
    assert 'href="items/mine/hello"' in opened.page


def test_everything_that_hatchway_collects_by_itself_is_there(tmp_path: Path) -> None:
    path = tmp_path / "all.tar.zst"
    collect(str(path), "--timeout", "90")
    opened = Opened.at(path)
    opened.check()
    topics = {name.split("/")[1] for name in opened.members if name.startswith("items/")}
    assert topics >= {"kernel", "disks", "network", "cgroups", "hatchway"}
    statuses = {item["status"] for item in opened.manifest["items"]}
    assert statuses <= {"ok", "failed", "absent", "refused"}
    assert b"tcp LISTEN" in opened.members["items/network/sockets"]


def test_a_bundle_can_be_streamed(tmp_path: Path) -> None:
    done = collect("-", *recipe(tmp_path, "exec hello echo hello"))
    opened = Opened.of(done.stdout)
    opened.check()
    assert b"1/1 mine/hello" in done.stderr


def test_what_an_item_does_stops_no_other(tmp_path: Path) -> None:
    lines = (
        "@timeout=1 exec hangs sleep 600",
        "@limit=64K exec endless yes",
        "exec fails false",
        "nonsense",
        "file shadow /etc/shadow",
        "http elsewhere http://192.0.2.1/",
        "exec last echo last",
    )
    done = collect(str(tmp_path / "x.tar.zst"), *recipe(tmp_path, *lines), check=False)
    assert done.returncode == 2
    assert b"mine.conf:4: 'nonsense' is none of" in done.stderr
    opened = Opened.at(tmp_path / "x.tar.zst")
    opened.check()
    assert opened.statuses() == {
        "mine.conf:1": "timeout",
        "mine.conf:2": "endless",
        "mine.conf:3": "failed",
        "mine.conf:5": "refused",
        "mine.conf:6": "refused",
        "mine.conf:7": "ok",
    }
    (finding,) = opened.manifest["recipe_findings"]
    assert finding["path"].endswith("mine.conf:4")
    assert "mine.conf:4" in opened.page


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_leaves_a_valid_part_that_says_so(tmp_path: Path, number: signal.Signals) -> None:
    lines = (
        "exec first echo first",
        "exec slow sleep 600",
        "exec slower sleep 600",
        "exec never echo x",
    )
    argv = (*HATCHWAY, "toolbox", "collect", str(tmp_path / "x.tar.zst"))
    with subprocess.Popen(
        (*argv, *recipe(tmp_path, *lines)), cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stderr
        for line in child.stderr:
            if b"mine/slower" in line:
                break
        time.sleep(0.3)
        child.send_signal(number)
        assert child.wait(30) == 128 + number
    opened = Opened.at(tmp_path / "x.tar.zst")
    opened.check()
    assert opened.manifest["ending"] == "interrupted"
    assert opened.manifest["complete"] is False
    assert opened.statuses() == {
        "mine.conf:1": "ok",
        "mine.conf:2": "interrupted",
        "mine.conf:3": "interrupted",
        "mine.conf:4": "skipped",
    }
    assert "Collection was interrupted" in opened.page


def test_when_the_time_is_up_what_is_there_is_shipped(tmp_path: Path) -> None:
    lines = [f"exec slow{number} sleep 600" for number in range(5)]
    flags = (*recipe(tmp_path, "exec first echo first", *lines), "--timeout", "8")
    done = collect(str(tmp_path / "x.tar.zst"), *flags, check=False)
    opened = Opened.at(tmp_path / "x.tar.zst")
    opened.check()
    assert (done.returncode, opened.manifest["ending"]) == (2, "timeout")
    assert opened.members["items/mine/first"] == b"first\n"


def test_two_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    argv = (*HATCHWAY, "toolbox", "collect", str(tmp_path / "out"), "--quiet")
    flags = recipe(tmp_path, *(f"exec n{number} echo {number}" for number in range(20)))
    running = [subprocess.Popen((*argv, *flags), cwd=ROOT) for _ in range(2)]
    assert [child.wait(60) for child in running] == [0, 0]
    paths = list((tmp_path / "out").iterdir())
    assert len(paths) == 2
    for path in paths:
        Opened.at(path).check()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 12 MiB."""
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(("mount", "-t", "tmpfs", "-o", "size=12M", "none", place), check=True)
    yield place
    subprocess.run(("umount", place), check=True)


def test_a_disk_that_fills_ends_collection_and_the_bundle_is_whole(
    tmp_path: Path, small_disk: Path
) -> None:
    # Random bytes in hexadecimal pack to half their size: all of it would be 20 MiB.
    line = "exec r{} od -An -tx1 -w64 -v -N 1400000 /dev/urandom"
    flags = recipe(tmp_path, *(line.format(number) for number in range(30)))
    done = collect(str(small_disk / "x.tar.zst"), *flags, check=False)
    assert done.returncode == 2, done.stderr.decode()
    opened = Opened.at(small_disk / "x.tar.zst")
    opened.check()
    assert opened.manifest["ending"] == "full"
    statuses = list(opened.statuses().values())
    assert statuses.count("ok") > 1
    assert "skipped" in statuses
    assert [path.name for path in small_disk.iterdir()] == ["x.tar.zst"]
    assert "The disk had no room" in opened.page


def test_somebody_else_who_fills_the_disk_meanwhile_costs_no_bundle(
    tmp_path: Path, small_disk: Path
) -> None:
    fill = f"exec fill dd if=/dev/zero of={small_disk}/ballast bs=64k"
    line = "exec r{} od -An -tx1 -w64 -v -N 900000 /dev/urandom"
    flags = recipe(tmp_path, line.format(1), fill, line.format(2), line.format(3))
    done = collect(str(small_disk / "x.tar.zst"), *flags, check=False)
    assert done.returncode == 2, done.stderr.decode()
    opened = Opened.at(small_disk / "x.tar.zst")
    opened.check()
    assert opened.manifest["ending"] == "full"


def test_a_host_that_cannot_be_written_keeps_its_bundle_in_memory() -> None:
    script = (
        "mount -t tmpfs none /run && mkdir -p /var/lib/hatchway"
        " && mount -t tmpfs -o ro none /var/lib/hatchway"
        f" && cd {ROOT} && {sys.executable} -m launcher.cli.main toolbox collect --only kernel"
        " && ls /run/hatchway/bundles"
    )
    argv = ("unshare", "--mount", "--propagation", "private", "sh", "-c", script)
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert "not in /var/lib/hatchway/bundles" in done.stderr
    assert done.stdout.splitlines()[-1].endswith(".tar.zst")


def test_what_a_killed_collection_left_is_removed_by_the_next_and_what_runs_stays(
    tmp_path: Path,
) -> None:
    from toolbox.collect.sink import FileSink, stale

    (tmp_path / ".old.tar.zst.abcd1234.partial").write_bytes(b"x")
    running = FileSink(tmp_path / "new.tar.zst")
    assert [path.name for path in stale(tmp_path)] == [".old.tar.zst.abcd1234.partial"]
    running.abort()
    running.abort()
    assert [path.name for path in tmp_path.iterdir()] == [".old.tar.zst.abcd1234.partial"]


def test_names_and_addresses_become_stand_ins_and_the_mapping_stays_here(tmp_path: Path) -> None:
    host = os.uname().nodename
    lines = (
        f"exec a echo {host} asks 10.7.8.9",
        "exec b echo 10.7.8.9 answers",
        f"exec {host}.x true",
    )
    collect(str(tmp_path / "x.tar.zst"), *recipe(tmp_path, *lines), "--anonymise")
    opened = Opened.at(tmp_path / "x.tar.zst")
    opened.check()
    mapping = tmp_path / "x.tar.zst.names.json"
    names = json.loads(mapping.read_text())
    assert stat.S_IMODE(mapping.stat().st_mode) == 0o600
    stand_in, address = names["names"][host], names["ipv4"]["10.7.8.9"]
    assert opened.members["items/mine/a"].decode() == f"{stand_in} asks {address}\n"
    assert opened.members["items/mine/b"].decode() == f"{address} answers\n"
    assert [name for name, data in opened.members.items() if b"10.7.8.9" in data] == []
    whole_word = rb"(?<!\w)" + host.encode() + rb"(?!\w)"
    import re

    assert [name for name, data in opened.members.items() if re.search(whole_word, data)] == []
    assert host not in opened.top


@pytest.mark.parametrize("kind", ["age", "ssh-ed25519", "ssh-rsa"])
def test_an_encrypted_bundle_opens_with_age_and_with_nothing_else(
    tmp_path: Path, kind: str
) -> None:
    identity = tmp_path / "identity"
    if kind == "age":
        made = subprocess.run(
            ("age-keygen", "-o", identity), capture_output=True, text=True, check=True
        )
        public = made.stderr.rpartition(": ")[2].strip()
    else:
        keygen = ("ssh-keygen", "-q", "-t", kind.removeprefix("ssh-"), "-N", "", "-f", identity)
        subprocess.run(keygen, check=True)
        public = Path(f"{identity}.pub").read_text().strip()
    (tmp_path / "out").mkdir()
    flags = recipe(tmp_path, "exec hello echo hello")
    collect(str(tmp_path / "out"), *flags, "--encrypt-to", public)
    path = bundle_of(tmp_path / "out")
    assert path.name.endswith(".tar.zst.age")
    assert path.read_bytes().startswith(b"age-encryption.org/v1")
    plain = subprocess.run(("age", "-d", "-i", identity, path), capture_output=True, check=True)
    opened = Opened.of(plain.stdout)
    opened.check()
    assert opened.members["items/mine/hello"] == b"hello\n"


@pytest.mark.parametrize("flags", [(), ("--gzip",), ("--encrypt-to", "KEY")], ids=str)
def test_a_reader_that_has_enough_hears_nothing_of_what_is_left(
    tmp_path: Path, flags: tuple[str, ...]
) -> None:
    keygen = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "identity"))
    subprocess.run(keygen, check=True)
    flags = tuple(word.replace("KEY", str(tmp_path / "identity.pub")) for word in flags)
    wished = recipe(tmp_path, *(f"exec {name} shuf -i 1-900000" for name in "abc"))
    argv = (*HATCHWAY, "toolbox", "collect", "-", *wished, *flags, "--quiet")
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT) as going:
        assert going.stdout
        assert going.stderr
        assert len(going.stdout.read(100)) == 100
        going.stdout.close()
        assert going.stderr.read() == b""
        assert going.wait(60) == 1


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("--since", "yesterday"), "--since"),
        (("--only", "nothing"), "--only"),
        (("--recipe", "/nowhere"), "/nowhere"),
        (("--encrypt-to", "age1nonsense"), "--encrypt-to"),
        (("--encrypt-to", "/nowhere"), "--encrypt-to"),
        (("--encrypt-to", "AGE-SECRET-KEY-1X"), "--encrypt-to"),
        (("/etc/hosts",), "exists already"),
        (("/nowhere/x.tar.zst",), "/nowhere"),
        (("-", "--output", "json"), "standard output"),
    ],
)
def test_a_wrong_wish_is_refused_before_anything_is_done(argv: tuple[str, ...], words: str) -> None:
    done = collect(*argv, check=False)
    assert done.returncode == 64
    assert words.encode() in done.stderr + done.stdout
