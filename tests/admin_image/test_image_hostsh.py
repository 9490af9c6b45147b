# SPDX-License-Identifier: Apache-2.0
"""The real image: `hostsh` into a stand-in for a host that has no shell."""

from __future__ import annotations

import re
import subprocess
import time
from typing import TYPE_CHECKING

import pexpect
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.admin_image.door import Door
    from tests.admin_image.stand_in import StandIn

pytestmark = pytest.mark.engine

# Ours among all sleeps of this machine, and whether it is gone.
SLEEP = "-f '^sleep 60[.]5'"
GONE = f"for _ in $(seq 200); do pgrep {SLEEP} || break; sleep 0.05; done"
PROMPT = r"\[host:stand-in [^]]*\]# "
# Until hostsh runs the command: three starts of Python and sudo take their time.
RUNS_SLEEP = "for _ in $(seq 600); do pgrep -P $! -x sleep && break; sleep 0.05; done"


@pytest.fixture(autouse=True)
def never_the_machine_itself(entrance: Door, inner_host: StandIn) -> None:
    assert entrance.execute("readlink", "/proc/1/exe").strip() == "/usr/bin/busybox"


@pytest.fixture
def terminal(entrance: Door) -> Iterator[pexpect.spawn[str]]:
    command = entrance.ssh_command(options=("-tt",))
    child = pexpect.spawn(
        command[0], list(command[1:]), encoding="utf-8", timeout=20, dimensions=(33, 101)
    )
    child.expect(r"\[admin@admin:[^]]* ~/files\]\$ ")
    child.sendline("hostsh")
    child.expect(PROMPT)
    yield child
    child.close(force=True)


@pytest.mark.parametrize(
    ("command", "status", "message"),
    [
        ("hostsh true", 0, ""),
        ("hostsh false", 1, ""),
        ("sheltie false", 1, ""),
        ("superman false", 1, ""),
        ("sudo hostsh false", 1, ""),
        ("hostsh nonesuch", 127, "the host has no nonesuch"),
        ("hostsh sh -c true", 127, "the host has no sh"),
        ("hostsh ''", 127, "hostsh: the name of the command is empty"),
        ("hostsh /nonesuch", 127, "the host has no /nonesuch"),
        ("hostsh data", 126, "cannot execute /usr/bin/data: Permission denied"),
        ("hostsh /etc", 126, "Permission denied"),
        ("hostsh script", 127, "lacks the interpreter"),
        ("hostsh --bogus", 64, "unknown option --bogus"),
        ("hostsh --help", 0, ""),
    ],
)
def test_the_exit_status_is_exact(entrance: Door, command: str, status: int, message: str) -> None:
    done = entrance.ssh(command)
    assert done.returncode == status
    assert message in done.stderr


def test_a_signal_that_ends_the_command_is_seen_as_such(entrance: Door) -> None:
    done = entrance.ssh(f"hostsh sleep 60 & {RUNS_SLEEP}; sudo pkill -9 -P $!; wait $!")
    assert done.returncode == 137


@pytest.mark.parametrize("signal", ["TERM", "HUP", "INT", "USR1", "RTMIN+3"])
def test_a_signal_sent_to_hostsh_reaches_the_command_itself(entrance: Door, signal: str) -> None:
    done = entrance.ssh(
        f"trap '' EXIT; set -m; hostsh sleep 60.5 & {RUNS_SLEEP} >/dev/null; kill -{signal} $!; "
        f"wait $!; kill -l $?; {GONE}"
    )
    assert done.stdout == f"{signal}\n"


def test_a_command_that_takes_too_long_ends_with_what_it_has_started(entrance: Door) -> None:
    script = "sleep 60.5; echo never"
    done = entrance.ssh(
        f"timeout 3 hostsh sleep 60.5; echo $?; echo '{script}' | timeout 3 hostsh; echo $?; {GONE}"
    )
    assert done.stdout == "124\n124\n"


def test_a_command_that_heeds_a_signal_decides_what_becomes_of_it(entrance: Door) -> None:
    script = "trap 'echo caught; exit 9' TERM; sleep 60.5"
    done = entrance.ssh(
        f'echo "{script}" > /tmp/script; hostsh < /tmp/script & '
        f"until pgrep {SLEEP}; do sleep 0.05; done >/dev/null; kill $!; wait $!; echo $?"
    )
    assert done.stdout == "caught\n9\n"


def test_a_signal_that_is_ignored_is_ignored_by_the_command_too(entrance: Door) -> None:
    done = entrance.ssh(
        f"nohup hostsh sleep 60.5 2>/dev/null & {RUNS_SLEEP} >/dev/null; kill -HUP $!; sleep 1; "
        f"pgrep -c -P $! -x sleep; kill -TERM $!; wait $!; echo $?; {GONE}"
    )
    assert done.stdout == "1\n143\n"


def test_a_lost_connection_ends_the_command_that_it_ran(entrance: Door) -> None:
    with subprocess.Popen(
        entrance.ssh_command("hostsh sleep 60.5"), stdin=subprocess.PIPE
    ) as client:
        assert entrance.ssh(f"until pgrep {SLEEP}; do sleep 0.05; done").returncode == 0
        client.kill()
    assert entrance.ssh(f"{GONE}; pgrep {SLEEP}").returncode == 1


def test_arguments_arrive_untouched(entrance: Door) -> None:
    done = entrance.ssh(
        r"""hostsh env -i 'A=a  b' 'B=$HOME' 'C="' "D=$(printf '\377')" 'E=*' env"""
    )
    assert done.stdout == 'A=a  b\nB=$HOME\nC="\nD=\udcff\nE=*\n'


def test_pipes_pass_through(entrance: Door) -> None:
    text = "line\n" * 50_000
    assert entrance.ssh("hostsh cat", given=text).stdout == text
    assert entrance.ssh("hostsh yes | head -1").stdout == "y\n"


def test_it_is_the_host_that_is_entered(entrance: Door) -> None:
    assert (
        entrance.ssh("hostsh hostname; hostsh cat /etc/os-release").stdout
        == "stand-in\nID=stand-in\n"
    )


def test_the_environment_is_clean(entrance: Door) -> None:
    names = {line.partition("=")[0] for line in entrance.ssh("hostsh env").stdout.splitlines()}
    assert not {name for name in names if name.startswith(("SSH", "SUDO"))} | (
        {"HOST", "container"} & names
    )
    assert {"PATH", "HOME", "LANG"} <= names


def test_piped_input_is_read_as_a_shell_reads_it(entrance: Door) -> None:
    done = entrance.ssh(
        "hostsh", given="echo $((6*7)) ${BASH_ENV-none}\nls /etc/os-release | cat\nexit 7\n"
    )
    assert (done.stdout, done.returncode) == ("42 none\n/etc/os-release\n", 7)


def test_busybox_stands_in_only_for_what_the_host_lacks(entrance: Door) -> None:
    done = entrance.ssh("hostsh", given="type -p ls; echo abc | sed s/b/x/; nonesuch; echo $?\n")
    assert done.stdout == "/usr/bin/ls\naxc\n127\n"
    assert "neither the host nor busybox has nonesuch" in done.stderr


def test_the_image_describes_terminals_that_the_host_does_not_know(entrance: Door) -> None:
    done = entrance.ssh(
        "hostsh", given="[[ -e ${TERMINFO_DIRS#:}/x/xterm-256color ]] && echo known\n"
    )
    assert done.stdout == "known\n"


def test_read_only_means_every_mount_and_only_here(entrance: Door, inner_host: StandIn) -> None:
    places = ("/tmp/x", "/var/x", "/root/x")
    tried = [entrance.ssh(f"hostsh --read-only touch {place}") for place in places]
    assert all(done.returncode == 1 and "Read-only file system" in done.stderr for done in tried)
    assert entrance.ssh("hostsh touch /var/now").returncode == 0
    assert inner_host.path("/var/now").exists()
    done = entrance.ssh("hostsh --read-only", given="touch /tmp/y; echo still >/dev/null; exit 4\n")
    assert done.returncode == 4
    assert "Read-only" in done.stderr


def test_it_says_so_when_the_host_has_no_ctr(entrance: Door) -> None:
    done = entrance.ssh("hostps")
    assert (done.returncode, "the host has no ctr" in done.stderr) == (127, True)


def test_the_terminal_has_job_control_and_its_size(terminal: pexpect.spawn[str]) -> None:
    terminal.sendline("echo size $LINES $COLUMNS")
    terminal.expect(r"size 33 101\s")
    terminal.setwinsize(40, 120)
    terminal.sendline("stty size")
    terminal.expect(r"40 120\s")
    _sleep(terminal)
    terminal.sendcontrol("z")
    terminal.expect("Stopped")
    terminal.sendline("kill %1; wait; echo gone $((1+1))")
    terminal.expect("gone 2")


def test_hostsh_is_a_job_of_the_shell_that_started_it(terminal: pexpect.spawn[str]) -> None:
    terminal.sendline("exit")
    outer = r"\[admin@admin:[^]]* ~/files\]\$ "
    terminal.expect(outer)
    terminal.sendline("hostsh sleep 60.5")
    assert terminal.expect("sleep 60.5") == 0
    _await_sleep()
    terminal.sendcontrol("z")
    terminal.expect("Stopped")
    terminal.expect(outer)
    terminal.sendline("jobs; kill %1; fg; echo ended $?")
    terminal.expect(r"Stopped\s+hostsh sleep 60.5")
    terminal.expect("ended 143")
    terminal.expect(outer)
    terminal.sendline("hostsh sleep 60.5")
    _await_sleep()
    terminal.sendcontrol("c")
    terminal.expect(outer)
    terminal.sendline("echo then $?")
    terminal.expect("then 130")


def test_an_interrupt_ends_the_command_and_not_the_shell(terminal: pexpect.spawn[str]) -> None:
    _sleep(terminal)
    terminal.sendcontrol("c")
    terminal.expect(PROMPT)
    terminal.sendline("echo status $?")
    terminal.expect("status 130")


def test_the_shell_says_where_it_is_and_leaves_no_history(terminal: pexpect.spawn[str]) -> None:
    terminal.sendline("echo history=${HISTFILE-none} home=$PWD; exit 5")
    terminal.expect("history=none home=/root")
    terminal.expect(r"\[admin@admin:")
    terminal.sendline("echo status $?")
    terminal.expect("status 5")
    assert not re.search("cannot set terminal process group|no job control", str(terminal.before))


def _await_sleep() -> None:
    """Returns when the command runs: a key pressed earlier would be sudo's."""
    end = time.monotonic() + 30
    while subprocess.run(f"pgrep {SLEEP}", shell=True, check=False, capture_output=True).returncode:
        assert time.monotonic() < end
        time.sleep(0.05)


def _sleep(terminal: pexpect.spawn[str]) -> None:
    """Returns when the sleep has the terminal: a key pressed earlier would be the shell's."""
    terminal.sendline("echo going $((1+1)); sleep 100")
    terminal.expect(r"going 2\s")
    time.sleep(0.5)
