# SPDX-License-Identifier: Apache-2.0
"""`toolbox run --target` on each engine: beside a container that has nothing, and no trace left."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pexpect
import pytest

from launcher.errors import TargetError
from launcher.host import Host
from launcher.monitor import SilentMonitor
from launcher.proc import Process
from launcher.runtimes import Wish
from launcher.runtimes.base import State
from tests.engine import target as targets
from tests.engine.target import PROGRAM, SCRATCH, Target
from tests.engine.toolbox import CLIENT_LISTENS, Toolbox, busybox_archive, eventually, processes
from toolbox import running
from toolbox.request import Request
from toolbox.target import found as targets_found
from toolbox.target.joining import Joining

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from launcher.runtimes.base import Image, Runtime

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image of one static program and no directory, whose user is not root."""
    place = tmp_path_factory.mktemp("images") / "scratch.tar"
    return busybox_archive(place, SCRATCH, (PROGRAM,), user="1234:1234")


@pytest.fixture(scope="module")
def box(engine: tuple[str, tuple[str, ...]], archive: Path) -> Toolbox:
    found = Toolbox(*engine)
    found.load(archive)
    if found.engine == "containerd":
        socket = found.flags[-1]
        targets.said("ctr", "--address", socket, "-n", "k8s.io", "images", "import", str(archive))
    Toolbox("podman", ("--runtime", "podman")).load(archive)
    return found


@pytest.fixture(autouse=True)
def nothing_stays(box: Toolbox) -> Iterator[None]:
    before = box.left()
    yield
    assert box.left() <= before


@pytest.fixture
def scratch(box: Toolbox, tmp_path: Path) -> Iterator[Target]:
    """A target of the same engine, with a read-only root and a volume."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data/file").write_text("theirs")
    with contextlib.ExitStack() as stack:
        if box.engine == "containerd":
            volume = f"--mount=type=bind,src={tmp_path}/data,dst=/data,options=rbind:rw"
            made = targets.containerd(box.flags[-1], "--read-only", volume)
        elif box.engine == "docker":
            options = ("--read-only", "-v", f"{tmp_path}/data:/data", "--tmpfs", "/scratch")
            made = targets.docker(box.flags[-1], *options)
        else:
            options = ("--read-only", "-v", f"{tmp_path}/data:/data", "--tmpfs", "/scratch")
            made = targets.podman(*options)
        yield stack.enter_context(made)


@pytest.fixture(scope="module")
def other(box: Toolbox) -> Iterator[Target]:
    """A target that podman runs, whatever engine the toolboxes are of."""
    with targets.podman() as found:
        yield found


def test_a_target_with_nothing_is_seen_whole_and_is_the_same_afterwards(
    box: Toolbox, scratch: Target
) -> None:
    before = scratch.snapshot()
    script = (
        "cat /target/data/file; echo; readlink /proc/1/exe; hostname; ls /sys/class/net;"
        " readlink /proc/self/ns/net /proc/self/ns/ipc /proc/self/ns/uts /proc/self/ns/pid;"
        " strace -qq -p 1 -e trace=none & sleep 0.2; kill $!; nohup sleep 555 & setsid sleep 555 &"
    )
    seen = box.run("--target", scratch.uri, "--", "sh", "-c", script)
    assert seen.status == 0, seen.stderr
    assert seen.stdout.startswith("theirs")
    joined = {targets.namespace(scratch.pid, kind) for kind in ("net", "ipc", "uts", "pid")}
    assert {f"/{PROGRAM}", "lo", *joined} <= set(seen.stdout.split())
    assert eventually(lambda: not processes("555"))
    assert scratch.snapshot() == before


def test_a_target_can_be_the_root_with_our_tools_in_it_and_is_the_same_afterwards(
    box: Toolbox, scratch: Target
) -> None:
    before = scratch.snapshot()
    script = (
        "cat /data/file; echo; ls /; ls -d /host /target; touch ~/x && echo home; jq --version;"
        " ip -br link; ps -o comm= 1; /sleep 0.01 && echo own; echo $PATH; curl --version | head -1"
    )
    seen = box.run("--root", "target", "--target", scratch.uri, "--", "sh", "-c", script)
    assert seen.status == 0, seen.stderr
    assert seen.stdout.startswith("theirs")
    for word in ("home", "own", "curl", PROGRAM):
        assert word in seen.stdout.split(), word
    assert re.search(r"^jq-", seen.stdout, re.MULTILINE)
    assert seen.stderr.count("No such file") == 2  # neither /host nor /target
    assert scratch.snapshot() == before


def test_tools_go_where_it_is_asked_and_nowhere_else(box: Toolbox, scratch: Target) -> None:
    def at(place: str) -> tuple[int, str]:
        flags = ("--root", "target", "--tools-at", place, "--target", scratch.uri)
        done = box.run(*flags, "--", "sh", "-c", "echo $PATH")
        return done.status, done.stdout + done.stderr

    assert at("/tools")[0] == 0
    assert "/tools/bin:" in at("/tools")[1]
    for place in ("/data", "/dev/shm", "/dev/../data", f"/{PROGRAM}"):
        status, said = at(place)
        assert status == 125, said
        assert "target.no-place" in said


def test_the_status_the_streams_and_the_signals_are_the_commands_own(
    box: Toolbox, other: Target
) -> None:
    beside = ("--target", other.uri, "--")
    echoed = box.run(*beside, "sh", "-c", "cat; echo aside >&2; exit 7", stdin="in\0out")
    assert (echoed.status, echoed.stdout, echoed.stderr) == (7, "in\0out", "aside\n")
    assert box.run(*beside, "sh", "-c", "kill -KILL $$").status == 137
    assert box.run(*beside, "no-such-program").status == 127
    assert box.run(*beside, "/etc/passwd").status == 126
    trap = "trap 'echo heard; exit 9' USR1; echo up; while :; do sleep 0.05; done"
    with box.start(*beside, "sh", "-c", trap) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "up\n"
        time.sleep(CLIENT_LISTENS)
        child.send_signal(signal.SIGUSR1)
        assert child.stdout.read() == "heard\n"
        assert child.wait(30) == 9


def test_a_shell_beside_a_target_has_the_terminal(box: Toolbox, other: Target) -> None:
    shell = box.on_terminal("enter", "--target", other.uri)
    shell.expect(r"\[target .*\]# ")
    shell.sendline("stty size; sleep 100")
    shell.expect("33 101")
    time.sleep(0.3)
    shell.sendintr()
    shell.expect(r"\[target .*\]# ")
    # What the job says shows that it has the terminal: a key before that would be the shell's.
    job = 'trap "echo again$((1))" CONT; echo up$((1)); while :; do sleep 0.1; done'
    shell.sendline(f"sh -c '{job}'")
    shell.expect("up1")
    shell.send("\x1a")
    shell.expect("Stopped")
    shell.sendline("fg")
    shell.expect("again1")
    shell.sendintr()
    shell.expect(r"\[target .*\]# ")
    shell.sendline("exit 3")
    shell.expect(pexpect.EOF)
    shell.close()
    assert shell.exitstatus == 3


def test_a_paused_target_is_entered_and_said_to_be_paused(box: Toolbox, scratch: Target) -> None:
    scratch.pause()
    try:
        seen = box.run("--target", scratch.uri, "--", "cat", "/target/data/file")
    finally:
        scratch.resume()
    assert (seen.status, seen.stdout) == (0, "theirs")
    assert "paused" in seen.stderr


def test_a_target_that_ends_takes_the_session_along_and_it_is_said(box: Toolbox) -> None:
    with (
        targets.podman() as found,
        box.start("--target", found.uri, "--", "sh", "-c", "echo up; sleep 500") as child,
    ):
        assert child.stdout is not None
        assert child.stdout.readline() == "up\n"
        os.kill(found.pid, signal.SIGKILL)
        assert child.wait(60) == 137
        assert child.stderr is not None
        assert "ended" in child.stderr.read()


def test_in_a_user_namespace_the_command_is_the_targets_root(box: Toolbox, tmp_path: Path) -> None:
    (tmp_path / "theirs").write_text("")
    os.chown(tmp_path / "theirs", 101000, 101000)
    tmp_path.chmod(0o755)
    options = ("--uidmap=0:100000:65536", "--gidmap=0:100000:65536", "--user=1000:1000")
    with targets.podman(*options, "--tmpfs=/scratch", f"--volume={tmp_path}:/data") as found:
        before = found.snapshot()
        script = (
            "id -u; cat /proc/self/uid_map; stat -c %u:%g /target/data/theirs; ls /proc/1/root/;"
            " touch ~/y && echo home; strace -qq -p 1 -e trace=none & sleep 0.2; kill $!"
        )
        for more in ((), ("--root", "target", "--ptrace")):
            used = script.replace("/target/", "/") if more else script
            seen = box.run(*more, "--target", found.uri, "--", "sh", "-c", used)
            assert seen.status == 0, seen.stderr
            assert seen.stdout.split()[:5] == ["0", "0", "100000", "65536", "1000:1000"]
            assert "home" in seen.stdout.split()
        assert found.snapshot() == before
        own = box.run("--user", "target", "--target", found.uri, "--", "id", "-u")
        assert own.stdout == "1000\n"
        nobody = box.run("--user", "99999", "--target", found.uri, "--", "id", "-u")
        assert (nobody.status, "target.user" in nobody.stderr) == (125, True)


def test_environment_and_directory_come_from_the_target_on_request(
    box: Toolbox, tmp_path: Path
) -> None:
    variables = (
        *("FOO=theirs", "LD_PRELOAD=/x.so", "BASH_ENV=/x", "LANG=xx", "HOME=/theirs", "TZ=CET"),
        "TAR_OPTIONS=--checkpoint=1 --checkpoint-action=exec=env",
    )
    flags = [word for variable in variables for word in ("--env", variable)]
    with targets.podman(*flags, f"--volume={tmp_path}:/data", "--workdir=/data") as found:
        beside = ("--target", found.uri)
        plain = box.run(*beside, "--", "sh", "-c", "pwd; env")
        assert plain.stdout.startswith("/target\n")
        assert "FOO" not in plain.stdout
        wanted = ("--env-from-target", "--cwd-from-target", "--env", "MINE=1")
        packed = box.run(*beside, *wanted, "--", "sh", "-c", "pwd; tar -cf /dev/null /etc/passwd")
        assert packed.stdout == "/target/data\n"
        seen = box.run(*beside, *wanted, "--", "env").stdout.splitlines()
        assert {"TZ=CET", "MINE=1", "HOME=/root"} <= set(seen)
        steer = ("FOO", "LD_PRELOAD", "BASH_ENV", "LANG=xx", "TAR_OPTIONS")
        assert not any(line.startswith(steer) for line in seen)
        names = ("--target-env", "FOO", "--target-env", "NONE")
        named = box.run(*beside, *names, "--", "env")
        assert "FOO=theirs" in named.stdout.splitlines()
        assert "has no variable NONE" in named.stderr
        other = (*beside, "--cwd-from-target", *names, "--root", "target")
        root = box.run(*other, "--", "sh", "-c", "pwd; echo $FOO")
        assert root.stdout == "/data\ntheirs\n"


def test_the_profile_holds_beside_a_target_too(box: Toolbox, other: Target) -> None:
    def held(*flags: str) -> int:
        done = box.run(*flags, "--target", other.uri, "--", "cat", "/proc/self/status")
        lines = dict(line.split(":\t") for line in done.stdout.splitlines())
        assert lines["CapEff"] == lines["CapBnd"], done.stderr
        return int(lines["CapEff"], 16)

    from launcher.host import CAPABILITIES
    from toolbox import profiles

    for name in ("observe", "general"):
        wanted = {1 << CAPABILITIES.index(each) for each in profiles.named(name).capabilities}
        assert held("--profile", name) == sum(wanted)
    # With the target as `/` its own programs may run: it has no SYS_ADMIN, so they have none.
    assert not held("--root", "target", "--profile", "sysadmin") >> 21 & 1
    written = box.run("--profile", "observe", "--target", other.uri, "--", "touch", "/target/x")
    assert "Read-only file system" in written.stderr
    kernel = box.run("--target", other.uri, "--", "sh", "-c", "echo x > /proc/sys/kernel/hostname")
    assert "Read-only file system" in kernel.stderr


def test_another_image_joins_what_its_engine_can_join(box: Toolbox, other: Target) -> None:
    if box.engine == "docker":
        refused = box.run("--image", SCRATCH, "--target", other.uri, "--", "/sleep", "0")
        assert refused.status == 125
        assert "joins no" in refused.stderr
        return
    argv = ("--image", SCRATCH, "--target", other.uri, "--", "/sleep", "100")
    with box.start(*argv) as child:
        assert eventually(
            lambda: len([one for one in targets.beside(other.pid) if one[0] == "pid"]) > 1
        )
        time.sleep(0.5)
        child.terminate()
        assert child.wait(60) == 143
        assert child.stderr is not None
        assert "/proc/1/root" in child.stderr.read()


def test_another_image_is_not_started_beside_whoever_has_the_targets_pid_by_now(
    box: Toolbox, other: Target
) -> None:
    """As it was looked at, the target was another process of that pid, which ended since."""
    if box.engine == "docker":
        pytest.skip("docker joins containers by their id")
    process = Process.of(other.pid)
    assert process is not None
    before = dataclasses.replace(process, started=process.started - 1)
    joining = Joining(
        target=targets_found.Target(
            runtime="pid", id=str(other.pid), name="before", state=State.RUNNING, process=before
        )
    )
    _, name, _, socket = (*box.flags, "", "")[:4]
    request = Request(
        image=SCRATCH, command=("/sleep", "0"), joining=joining, interactive=False,
        wish=Wish(name, socket),
    )  # fmt: skip
    with pytest.raises(TargetError) as caught:
        running.run(request, Host.read(), lambda runtime, _: _held(runtime), SilentMonitor())
    assert caught.value.code == "target.gone"


def _held(runtime: Runtime) -> Image:
    image = runtime.find_image(SCRATCH)
    assert image is not None
    return image


@pytest.mark.parametrize(
    ("flags", "word"),
    [
        (("--target", "nonsense"), "names no target"),
        (("--target", "pid:0"), "names no target"),
        (("--root", "target"), "without --target"),
        (("--target", "pid:1", "--root", "elsewhere"), "--root elsewhere"),
        (("--target", "pid:1", "--tools-at", "/mnt"), "--tools-at"),
        (("--target", "containerd://a b"), "names no target"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_starts(
    box: Toolbox, flags: tuple[str, ...], word: str
) -> None:
    refused = box.run(*flags, "--", "true")
    assert refused.status == 64
    assert word in refused.stderr


def test_a_target_that_is_not_there_or_ended_is_told_with_125(box: Toolbox) -> None:
    gone = subprocess.Popen(("true",))
    gone.wait()
    for uri, code in ((f"pid:{gone.pid}", "not-found"), ("podman://no-such-thing", "not-found")):
        refused = box.run("--target", uri, "--", "true")
        assert refused.status == 125
        assert f"target.{code}" in refused.stderr
    name = "target-that-ended"
    client = ("podman", "--runtime=runc")
    targets.said(*client, "create", "--name", name, SCRATCH, f"/{PROGRAM}", "1")
    try:
        ended = box.run("--target", f"podman://{name}", "--", "true")
        assert (ended.status, "target.not-running" in ended.stderr) == (125, True)
    finally:
        targets.said(*client, "rm", name)
