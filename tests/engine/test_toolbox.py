# SPDX-License-Identifier: Apache-2.0
"""`toolbox run` and `enter` on each engine: plumbing that changes nothing, and nothing left."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pexpect
import pytest

from tests.engine.toolbox import (
    CLIENT_LISTENS,
    Toolbox,
    busybox_archive,
    eventually,
    places,
    processes,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.engine

# What happens before, or beside, the engine.
on_one_engine = pytest.mark.parametrize("engine", ["podman"], indirect=True)

SHELL_ONLY = "localhost/shell-only:1"
STATIC = "localhost/static:1"


@pytest.fixture(scope="module")
def box(engine: tuple[str, tuple[str, ...]], tmp_path_factory: pytest.TempPathFactory) -> Toolbox:
    """Toolboxes on an engine that also holds an image with a mere sh, and one with two programs."""
    found = Toolbox(*engine)
    place = tmp_path_factory.mktemp("images")
    found.load(busybox_archive(place / "1.tar", SHELL_ONLY, ("bin/sh", "bin/busybox"), user="1000"))
    found.load(busybox_archive(place / "2.tar", STATIC, ("echo", "true")))
    return found


@pytest.fixture(autouse=True)
def nothing_stays(box: Toolbox) -> Iterator[None]:
    before = box.left()  # of others on this machine
    yield
    assert box.left() - before == set()


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (("true",), 0),
        (("sh", "-c", "exit 7"), 7),
        (("sh", "-c", "exit 1"), 1),
        (("sh", "-c", "exit 125"), 125),
        (("sh", "-c", "kill -KILL $$"), 137),
        (("no-such-program",), 127),
        (("/no/such/program",), 127),
        (("/etc",), 126),
        (("/etc/passwd",), 126),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_the_status_is_the_commands_own(
    box: Toolbox, command: tuple[str, ...], status: int
) -> None:
    done = box.run("--", *command)
    assert done.status == status, done.stderr


def test_arguments_streams_and_environment_arrive_as_they_are(box: Toolbox) -> None:
    script = 'printf "%s|" "$@" "$A" "$B"; cat; echo err >&2'
    values = ("-e", 'A= two "words" #x $HOME', "-e", "B")
    done = box.run(
        *values, "--", "sh", "-c", script, "x", "", "a b", "$C", "--", "-t",
        stdin="in\0put", env={"B": "s3cret"},
    )  # fmt: skip
    assert done.status == 0, done.stderr
    assert done.stdout == '|a b|$C|--|-t| two "words" #x $HOME|s3cret|in\0put'
    assert done.stderr == "err\n"


def test_a_pipe_of_many_megabytes_passes_unchanged_and_ends(box: Toolbox, tmp_path: Path) -> None:
    data = os.urandom(1 << 20) * 16
    done = subprocess.run(
        box.argv("run", "--", "cat"), input=data, capture_output=True, check=True, timeout=100
    )
    assert done.stdout == data


@on_one_engine
def test_output_that_a_full_disk_cannot_take_ends_the_command_and_is_told(box: Toolbox) -> None:
    for command in ("echo short", "exec head -c 5000000 /dev/zero", "exec cat /dev/zero"):
        with open("/dev/full", "w") as full:  # noqa: PTH123
            done = subprocess.run(
                box.argv("run", "--", "sh", "-c", command), stdout=full, stderr=subprocess.PIPE,
                stdin=subprocess.DEVNULL, text=True, check=False, timeout=120,
            )  # fmt: skip
        assert done.returncode == 125
        assert "output is lost" in done.stderr
        assert "No space left on device" in done.stderr


def test_neither_a_large_value_nor_a_directory_that_is_gone_hinders_a_start(
    box: Toolbox, tmp_path: Path
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    value = "x" * 65_000
    script = 'cd "$0"; rmdir "$0"; exec "$@"'
    argv = box.argv(
        "run", "--env", f"LARGE={value}", "--", "sh", "-c", "echo ${#LARGE}; echo ${#0}", value
    )
    done = subprocess.run(
        ("sh", "-c", script, gone, *argv), capture_output=True, text=True, check=False,
        stdin=subprocess.DEVNULL, timeout=120,
    )  # fmt: skip
    assert done.stdout.split() == ["65000", "65000"], done.stderr


def test_no_value_is_seen_among_the_processes_arguments(box: Toolbox) -> None:
    with box.start("-e", "TOKEN", "--", "sh", "-c", "echo up; cat") as going:
        assert going.stdout is not None
        assert going.stdout.readline() == "up\n"
        seen = b"".join(_read(path) for path in Path("/proc").glob("[0-9]*/cmdline"))
        going.communicate("")
    assert b"TOKEN" in seen
    assert os.environ["TOKEN"].encode() not in seen


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "v4lue-that-nobody-sees")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_all_of_the_host_is_seen_and_none_of_it_can_be_written(box: Toolbox) -> None:
    points = ["/host", "/host/var", "/host/run", "/host/tmp", "/host/proc/sys/kernel"]
    script = 'for p; do touch "$p/hatchway-was-here" 2>&1 && echo "$p can be written"; done; true'
    done = box.run("--profile", "sysadmin", "--", "sh", "-c", script, "x", *points)
    assert "can be written" not in done.stdout
    assert done.stdout.count("Read-only file system") >= 4, done.stdout
    seen = box.run("--", "cat", "/host/etc/os-release").stdout
    assert seen == Path("/etc/os-release").read_text()


def test_the_host_can_be_written_on_request(box: Toolbox, tmp_path: Path) -> None:
    done = box.run("--host-rw", "--", "touch", f"/host{tmp_path}/made")
    assert (done.status, (tmp_path / "made").exists()) == (0, True), done.stderr


def test_volumes_users_and_directories_are_as_asked(box: Toolbox, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("content")
    tmp_path.chmod(0o777)
    script = "pwd; id -u; cat file; echo; touch made && echo writable"
    flags = ("--user", "1234:5", "--workdir", "/data")
    written = box.run("-v", f"{tmp_path}:/data", *flags, "--", "sh", "-c", script)
    assert written.stdout.split() == ["/data", "1234", "content", "writable"], written.stderr
    sealed = box.run("-v", f"{tmp_path}:/data:ro", *flags, "--", "sh", "-c", script)
    assert sealed.stdout.split() == ["/data", "1234", "content"]


@on_one_engine
@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--volume", "relative:/x"), "relative:/x"),
        (("--volume", "/no/such/place:/x"), "/no/such/place"),
        (("--volume", "/tmp:/a/../b"), "/a/../b"),
        (("--volume", "/tmp:/proc"), "/proc is the toolbox's own"),
        (("--volume", "/tmp:/dev/shm"), "/dev is the toolbox's own"),
        (("--volume", "/tmp://proc/x"), "/proc is the toolbox's own"),
        (("--volume", "/tmp:/./sys"), "/sys is the toolbox's own"),
        (("--volume", "/tmp:/host/x"), "/host is the toolbox's own"),
        (("--volume", "/tmp:/\udcff"), "no UTF-8"),
        (("--env", "no name=1"), "no name"),
        (("--env", "NAME=a\udcff"), "the value of NAME holds bytes that are no UTF-8"),
        (("--user", "99999999999"), "the last one is 4294967294"),
        (("--user", "0:4294967295"), "the last one is 4294967294"),
        (("--env", "NOT_SET_ANYWHERE"), "NOT_SET_ANYWHERE"),
        (("--user", "a b"), "a b"),
        (("--workdir", "here"), "here"),
        (("--profile", "root"), "observe, general, netadmin, sysadmin"),
        (("--pull", "sometimes"), "sometimes"),
        (("--tty", "--no-tty"), "exclude"),
        (("--", "echo", "\udcff"), "word 2 of the command"),
    ],
    ids=lambda value: ascii(" ".join(value)) if isinstance(value, tuple) else None,
)
def test_bad_input_is_refused_before_anything_starts(
    box: Toolbox, arguments: tuple[str, ...], word: str
) -> None:
    refused = box.run(*arguments, "--", "true")
    assert refused.status == 64
    assert word in refused.stderr


@on_one_engine
def test_an_image_that_is_nowhere_is_ours_to_tell(box: Toolbox) -> None:
    refused = box.run("--image", "localhost/none:1", "--pull", "never", "--", "true")
    assert refused.status == 125
    assert "[image.missing]" in refused.stderr


def test_a_profile_gives_what_it_says_and_no_more(box: Toolbox) -> None:
    # Until it says so, however long that takes; what goes on after that ends with the toolbox.
    capture = "grep -m 1 'listening on any' < <(timeout 100 tcpdump -ni any icmp 2>&1)"
    assert box.run("--", "bash", "-c", capture).stdout.startswith("listening on any")
    script = (
        "mount -t tmpfs none /mnt && echo mounted; strace -qq -e trace=none true && echo traced"
    )
    assert box.run("--", "sh", "-c", script).stdout.split() == ["traced"]
    assert box.run("--profile", "sysadmin", "--", "sh", "-c", script).stdout.split() == [
        "mounted", "traced",
    ]  # fmt: skip
    network = box.run(
        "--profile",
        "netadmin",
        "--",
        "sh",
        "-c",
        "ls /host; a=127.0.0.77/32; ip addr add $a dev lo && ip addr del $a dev lo && echo made",
    )
    assert network.stdout.split() == ["made"], network.stderr


def test_an_image_with_two_programs_runs_them_and_has_no_shell(box: Toolbox) -> None:
    done = box.run("--image", STATIC, "--", "/echo", "hello")
    assert (done.status, done.stdout) == (0, "hello\n"), done.stderr
    entered = box.call("enter", "--image", STATIC)
    assert entered.status == 125
    assert "[toolbox.no-shell]" in entered.stderr


def test_a_shell_is_found_in_an_image_that_has_but_one(box: Toolbox) -> None:
    entered = box.call("enter", "--image", SHELL_ONLY, stdin="echo $0; busybox id -u; exit 4\n")
    assert (entered.status, entered.stdout.split()[-1]) == (4, "0"), entered.stderr


def test_a_terminal_has_its_size_its_keys_and_its_status(box: Toolbox) -> None:
    # Clients of others tell the size when the command runs already.
    for _ in range(3 if box.engine == "containerd" else 0):
        assert "33 101" in box.on_terminal("run", "-t", "--", "stty", "size").read()
    shell = box.on_terminal("enter")
    shell.expect(r"\[root@toolbox:\S+ /\]# ")
    shell.sendline("stty size; tty")
    shell.expect(r"33 101\s+/dev/pts/")
    shell.setwinsize(40, 120)
    for _ in range(50):
        shell.sendline("stty size")
        if shell.expect([r"40 120\s", r"33 101\s"]) == 0:
            break
        time.sleep(0.1)
    else:
        pytest.fail("the size does not follow")
    shell.sendline("echo going $((1+1)); sleep 100")
    shell.expect(r"going 2\s")
    time.sleep(0.3)
    shell.sendintr()
    shell.sendline("echo status $?")
    shell.expect(r"status 130\s")
    shell.sendline("exit 9")
    shell.expect(pexpect.EOF)
    shell.close()
    assert shell.exitstatus == 9


@on_one_engine
def test_a_command_on_a_terminal_has_one_unless_told_otherwise(box: Toolbox) -> None:
    for flags, said in (((), "/dev/pts/"), (("-T",), "not a tty")):
        child = box.on_terminal("run", *flags, "--", "tty")
        child.expect(said)
        child.expect(pexpect.EOF)
        child.close()
    piped = box.run("-t", "--", "sh", "-c", "tty; exit 3")
    assert (piped.status, piped.stdout) == (3, "not a tty\n")
    assert "no terminal" in piped.stderr


def test_ctrl_c_without_a_terminal_reaches_the_command_once(box: Toolbox) -> None:
    script = 'trap "echo got; exit 42" INT; echo ready; while :; do sleep 0.1; done'
    child = box.on_terminal("run", "-T", "--", "bash", "-c", script)
    child.expect("ready")
    time.sleep(CLIENT_LISTENS)
    child.sendintr()
    child.expect("got")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 42


@pytest.mark.parametrize("name", ["TERM", "USR1"])
def test_a_signal_to_the_launcher_is_the_commands(box: Toolbox, name: str) -> None:
    script = f'trap "echo got; exit 42" {name}; echo ready; while :; do sleep 0.1; done'
    with box.start("--", "bash", "-c", script) as going:
        assert going.stdout is not None
        assert going.stdout.readline() == "ready\n"
        time.sleep(CLIENT_LISTENS)
        going.send_signal(signal.Signals[f"SIG{name}"])
        assert going.stdout.read() == "got\n"
        assert going.wait(30) == 42


def test_a_command_that_takes_too_long_is_ended(box: Toolbox) -> None:
    done = box.run("--timeout", "1", "--", "sleep", "1000.25")
    assert done.status == 124
    assert "1 s are over" in done.stderr
    assert processes("1000.25") == []


@pytest.mark.parametrize("limit", ["0.03", "0.1", "0.2"])
def test_a_time_limit_that_is_over_before_the_command_runs_leaves_nothing(
    box: Toolbox, limit: str
) -> None:
    before = box.monitors()
    done = box.run("--timeout", limit, "--", "sleep", "1000.26")
    assert done.status == 124
    assert processes("1000.26") == []
    assert eventually(lambda: box.monitors() <= before)


@pytest.mark.parametrize("after", [0.0, 0.05, 0.1])
def test_a_signal_before_the_command_runs_leaves_nothing(box: Toolbox, after: float) -> None:
    before, known = box.monitors(), places()
    with box.start("--", "sleep", "1000.27") as going:
        assert eventually(lambda: places() != known)
        time.sleep(after)
        going.send_signal(signal.SIGTERM)
        assert going.wait(60) == 143
    assert processes("1000.27") == []
    assert eventually(lambda: box.monitors() <= before)


def test_what_a_command_leaves_in_the_background_ends_with_it(box: Toolbox) -> None:
    done = box.run("--", "bash", "-c", "setsid sleep 1000.75 >/dev/null 2>&1 & exit 5")
    assert done.status == 5
    assert eventually(lambda: processes("1000.75") == [])


def test_several_at_once_do_not_disturb_one_another(box: Toolbox) -> None:
    with contextlib.ExitStack() as stack:
        going = [
            stack.enter_context(box.start("--", "sh", "-c", f"cat; exit {number}"))
            for number in range(5)
        ]
        for number, one in reversed(list(enumerate(going))):
            out, _ = one.communicate(f"for {number}", timeout=100)
            assert (one.returncode, out) == (number, f"for {number}")


def test_a_launcher_that_was_killed_is_cleared_by_the_next_one_and_the_living_stay(
    box: Toolbox,
) -> None:
    before = places()
    with box.start("--", "sh", "-c", "echo up; cat") as living:
        assert living.stdout is not None
        assert living.stdout.readline() == "up\n"
        script = 'trap "" TERM HUP; echo up; while :; do sleep 1; done'
        with box.start("--", "bash", "-c", script) as killed:
            assert killed.stdout is not None
            assert killed.stdout.readline() == "up\n"
            killed.kill()
            killed.wait()
            assert len(places() - before) == 2
            next_one = box.run("--", "true")
        assert next_one.status == 0
        assert "whose launcher had been killed" in next_one.stderr
        assert len(places() - before) == 1
        out, _ = living.communicate("still here", timeout=60)
        assert (living.returncode, out) == (0, "still here")


@on_one_engine
def test_a_dry_run_prints_the_plan_and_no_value(box: Toolbox) -> None:
    printed = box.run("--dry-run", "--output", "json", "-e", "TOKEN", "--", "true")
    assert printed.json()["plan"]["environment"]["TOKEN"] == "***"
    assert printed.json()["plan"]["command"] == ["true"]
    assert "v4lue" not in printed.stdout + box.run("--dry-run", "-e", "TOKEN", "--", "true").stdout


def test_a_launcher_that_is_told_to_end_at_any_moment_leaves_nothing(box: Toolbox) -> None:
    before = box.left()
    for after in (0.20, 0.25, 0.30, 0.35, 0.40, 0.45, 0.50, 0.55, 0.60, 0.70):
        with box.start("--", "sleep", "1007.5") as launcher:
            time.sleep(after)
            launcher.terminate()
        assert box.left() - before == set()
