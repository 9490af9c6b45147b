# SPDX-License-Identifier: Apache-2.0
"""Each in a mount namespace of its own, below a directory of its own, by the real kernel."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hostview import kernel, mountinfo, seal
from hostview.mountinfo import Mount

ROOT = Path(seal.__file__).parents[1]
PRELUDE = """
import json, os, subprocess, sys, time
from hostview import kernel, mountinfo, seal
root, walk = sys.argv[1], sys.argv[2] == "walk"
# Line ends of str.splitlines, and a byte that is no UTF-8: the kernel escapes none of them.
STRANGE = [f"a{c}b" for c in "\\r\\x0b\\x0c\\x1c\\x85\\u2028\\u2029\\udcff"]

def tmpfs(path, flags=0, source="none", **more):
    os.makedirs(path, exist_ok=True)
    kernel.mount(source, path, "tmpfs", flags)

def options(path):
    return sorted([m for m in mountinfo.read() if m.point == path][-1].options)

def writes(path):
    try:
        open(path + "/probe", "w").close()
        return True
    except OSError:
        return False

tmpfs(root)
"""

engine = [
    pytest.mark.engine,
    pytest.mark.skipif(os.geteuid() != 0, reason="mounts are root's"),
]
Run = Callable[[str], Any]


def _run(script: str, root: Path, way: str) -> Any:
    code = PRELUDE + textwrap.dedent(script)
    done = subprocess.run(
        ("unshare", "--mount", "--propagation=private", sys.executable, "-c", code, str(root), way),
        capture_output=True, text=True, cwd=ROOT, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(params=["mount_setattr", "walk"])
def sealed(request: pytest.FixtureRequest, tmp_path: Path) -> Run:
    return lambda script: _run(script, tmp_path / "a root with spaces", request.param)


@pytest.fixture
def walked(tmp_path: Path) -> Run:
    return lambda script: _run(script, tmp_path / "root", "walk")


class TestTree:
    pytestmark = engine

    def test_all_that_is_mounted_below_becomes_read_only(self, sealed: Run) -> None:
        found = sealed("""
            names = ["/var", "/var/lib", "/with space", "/tab\\there", "/back\\\\slash"]
            for name in names:
                tmpfs(root + name)
            seal.seal(root, walk=walk)
            print(json.dumps([writes(root + name) for name in ["", *names]]))
        """)
        assert found == [False] * 6

    def test_a_mount_of_any_name_becomes_read_only(self, sealed: Run) -> None:
        found = sealed("""
            names = [root + "/" + name for name in STRANGE]
            for name in names:
                tmpfs(name)
            before = seal.writable(root)
            seal.seal(root, walk=walk)
            print(json.dumps([[writes(name) for name in names], before]))
        """)
        answers, before = found
        assert answers == [False] * 8
        assert "".join(before).isprintable()

    def test_a_mount_of_any_name_leaves_the_door_open(self, sealed: Run) -> None:
        found = sealed("""
            from admin_image import supervisor
            supervisor.HOST, supervisor.PHASE_FILE = root, root + "-phase.json"
            watch = supervisor.Supervisor()
            for name in STRANGE:
                tmpfs(root + "/" + name)
            printed = os.dup(1)
            os.dup2(os.open(root + "-log", os.O_CREAT | os.O_WRONLY), 1)
            watch._seal_new()
            os.dup2(printed, 1)
            answers = [writes(root + "/" + name) for name in STRANGE]
            print(json.dumps([answers, open(root + "-log").read()]))
        """)
        answers, log = found
        assert answers == [False] * 8
        assert log.count("\n") == log.count("sealed what was mounted meanwhile") == 1

    def test_what_was_forbidden_stays_forbidden(self, sealed: Run) -> None:
        found = sealed("""
            all_of_them = kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC
            tmpfs(root + "/strict", all_of_them | kernel.MS_NOATIME)
            tmpfs(root + "/nodir", kernel.MS_NODIRATIME | kernel.MS_STRICTATIME)
            before = [options(root + "/strict"), options(root + "/nodir")]
            seal.seal(root, walk=walk)
            print(json.dumps([before, [options(root + "/strict"), options(root + "/nodir")]]))
        """)
        before, after = found
        assert [sorted({*words, "ro"} - {"rw"}) for words in before] == after
        assert after[0] == ["noatime", "nodev", "noexec", "nosuid", "ro"]

    def test_the_disk_beneath_stays_writable_for_others(self, sealed: Run) -> None:
        found = sealed("""
            tmpfs(root + "/../disk"); os.makedirs(root + "/view")
            kernel.mount(root + "/../disk", root + "/view", flags=kernel.MS_BIND)
            seal.seal(root, walk=walk)
            print(json.dumps([writes(root + "/view"), writes(root + "/../disk")]))
        """)
        assert found == [False, True]

    def test_a_mount_that_appears_later_wakes_the_watch_and_is_sealed(self, sealed: Run) -> None:
        found = sealed("""
            import select
            seal.seal(root, walk=walk)
            with open(mountinfo.FILE) as file:
                poll = select.poll(); poll.register(file, select.POLLPRI | select.POLLERR)
                quiet = poll.poll(50) or poll.poll(50)
                kernel.mount("none", "/mnt", "tmpfs"); os.makedirs("/mnt/late")
                kernel.mount("none", "/mnt/late", "tmpfs")
                kernel.mount("/mnt", root, flags=kernel.MS_BIND | kernel.MS_REC)
                woken = bool(poll.poll(5000))
            new = seal.writable(root)
            seal.seal(root, walk=walk)
            print(json.dumps([woken, [n.removeprefix(root) for n in new], writes(root + "/late")]))
        """)
        assert found == [True, ["", "/late"], False]

    def test_the_upper_of_two_on_one_point_is_sealed(self, sealed: Run) -> None:
        found = sealed("""
            tmpfs(root + "/a", kernel.MS_NOEXEC)
            tmpfs(root + "/a/b")
            tmpfs(root + "/a", kernel.MS_NODEV)
            seal.seal(root, walk=walk)
            print(json.dumps([writes(root + "/a"), options(root + "/a")]))
        """)
        assert found == [False, ["nodev", "relatime", "ro"]]

    def test_a_place_where_nothing_is_mounted_is_an_error(self, sealed: Run) -> None:
        found = sealed("""
            os.makedirs(root + "/plain")
            try:
                seal.seal(root + "/plain", walk=walk); print(json.dumps("sealed"))
            except seal.SealError as error:
                print(json.dumps(str(error)))
        """)
        assert "nothing is mounted at" in found

    def test_hundreds_of_mounts_are_sealed_in_a_moment(self, sealed: Run) -> None:
        found = sealed("""
            for number in range(300):
                tmpfs(f"{root}/{number}")
            start = time.monotonic()
            seal.seal(root, walk=walk)
            print(json.dumps([time.monotonic() - start, len(seal.writable(root))]))
        """)
        assert found[0] < 5
        assert found[1] == 0


class TestWalk:
    pytestmark = engine

    def test_what_comes_and_goes_meanwhile_is_no_failure(self, walked: Run) -> None:
        found = walked("""
            for name in "a", "goes", "stays":
                tmpfs(f"{root}/{name}")
            remount = seal._remount
            def meanwhile(mount):
                if mount.point == f"{root}/goes":
                    kernel.umount2(mount.point, 0)
                    tmpfs(f"{root}/a/comes")
                return remount(mount)
            os.mkdir(f"{root}/a/comes")
            seal._remount = meanwhile
            done = seal.seal(root, walk=True)
            print(json.dumps([done.detached, writes(root + "/stays"), writes(root + "/a/comes")]))
        """)
        assert found == [[], False, False]

    def test_a_mount_that_hangs_leaves_the_view(self, walked: Run) -> None:
        found = walked("""
            tmpfs(root + "/nfs"); open(root + "/nfs/file", "w").close()
            seal.PATIENCE, seal.NETWORK_TYPES = 0.2, {"tmpfs"}
            real = kernel.mount
            def slow(source, target, fstype="", flags=0, data=""):
                if target.endswith("/nfs"):
                    time.sleep(60)
                real(source, target, fstype, flags, data)
            kernel.mount = slow
            start = time.monotonic()
            done = seal.seal(root, walk=True)
            gone = [point.removeprefix(root) for point in done.detached]
            print(json.dumps([gone, os.listdir(root + "/nfs"), time.monotonic() - start < 10]))
        """)
        assert found == [["/nfs"], [], True]

    def test_a_trigger_of_autofs_is_left_alone(self) -> None:
        trigger = Mount(1, 0, "/host/proc/sys/fs/binfmt_misc", frozenset({"rw"}), "autofs")
        assert not seal._needs_seal(trigger)


def test_a_remount_repeats_the_flags_that_a_mount_has() -> None:
    mount = Mount(1, 0, "/x", frozenset({"rw", "nosuid", "nodev", "relatime"}), "ext4")
    kept = kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_RELATIME
    assert seal.flags_of(mount) == kernel.MS_REMOUNT | kernel.MS_BIND | kernel.MS_RDONLY | kept


def test_a_mount_without_a_word_on_access_times_keeps_them_strict() -> None:
    flags = seal.flags_of(Mount(1, 0, "/x", frozenset({"rw"}), "ext4"))
    assert flags & kernel.MS_STRICTATIME
    assert not flags & kernel.MS_RELATIME


def test_the_parser_reads_the_real_table() -> None:
    assert "/" in [mount.point for mount in mountinfo.read()]
