# SPDX-License-Identifier: Apache-2.0
"""The door's account among the host's users: nobody outside becomes root by way of it."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from admin_image.spec import UIDS
from tests.engine.client import Client
from tests.engine.toolbox import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.engine.door import DoorCommand

pytestmark = [
    pytest.mark.engine,
    pytest.mark.parametrize("engine", ["podman"], indirect=True),
]

# What programs of the image run or obey at their start, were it there.
DOT_FILES = (".bashrc", ".bash_profile", ".profile", ".bash_logout", ".inputrc", ".curlrc",
             ".ssh/config", ".ssh/rc", ".config/x", ".local/lib/x")  # fmt: skip
# Writes what would make the next login root, and says what it was refused.
ATTACK = """
import os, sys
home, *names = sys.argv[1:]
for name in names:
    try:
        os.makedirs(os.path.dirname(f"{home}/{name}"), exist_ok=True)
        with open(f"{home}/{name}", "w") as file:
            file.write("sudo touch /run/attacked\\n")
        print("wrote", name)
    except OSError as error:
        print(error.strerror)
"""


# Attaches to a session, as a debugger would.
TRACE = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
if libc.ptrace(16, int(sys.argv[1]), 0, 0) < 0:
    print(OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno())))
else:
    print("attached")
"""


@contextlib.contextmanager
def running_as(uid: int) -> Iterator[int]:
    """A plain process of the host with this uid; its pid."""
    with subprocess.Popen(
        ("cat",), stdin=subprocess.PIPE, user=uid, group=uid, extra_groups=()
    ) as child:
        yield child.pid
        assert child.stdin
        child.stdin.close()


@pytest.fixture
def session(opened: DoorCommand) -> Iterator[int]:
    """Somebody is inside: the pid of the shell that sshd started."""
    argv = Client.of(opened).argv("ssh", "door", "echo $$; exec cat")
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as client:
        assert client.stdin
        assert client.stdout
        yield int(client.stdout.readline())
        client.stdin.close()


def outside(uid: int, *argv: str) -> list[str]:
    """What a plain process of the host says that has this uid and gid, and no rights besides."""
    done = subprocess.run(
        argv, user=uid, group=uid, extra_groups=(), capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()


def test_the_account_has_a_number_that_nobody_else_has(door: DoorCommand) -> None:
    with running_as(UIDS[0]), running_as(UIDS[1]):
        started = door.start()
        assert started.json()["uid"] == UIDS[2]
        assert door.ssh("id -u; id -g; sudo id -u").stdout == f"{UIDS[2]}\n{UIDS[2]}\n0\n"


@pytest.mark.parametrize("number", [1000, UIDS[0]], ids=["a usual number", "the account's own"])
def test_nobody_outside_plants_what_a_login_obeys(
    opened: DoorCommand, session: int, number: int
) -> None:
    home = f"/proc/{session}/root/home/admin"
    tried = outside(number, sys.executable, "-c", ATTACK, home, *DOT_FILES)
    assert Client.of(opened).ssh("test -e /run/attacked").returncode == 1, tried
    assert set(tried) == {"Permission denied"}


def test_a_user_of_the_host_traces_no_session(opened: DoorCommand, session: int) -> None:
    traced = outside(1000, sys.executable, "-c", TRACE, str(session))
    assert traced == ["[Errno 1] Operation not permitted"]


def test_whoever_takes_the_number_later_is_told_of(opened: DoorCommand, session: int) -> None:
    def told(word: str) -> bool:
        return word in " ".join(opened.status()["notes"])

    with running_as(opened.status()["uid"]) as pid:
        assert eventually(lambda: told(f"process {pid} (cat) is outside of the door"))
    assert not told(f"process {session} ")


def test_a_session_is_known_to_the_hosts_audit_log(opened: DoorCommand) -> None:
    client, uid = Client.of(opened), str(opened.status()["uid"])
    logins = [client.ssh("cat /proc/self/loginuid /proc/self/sessionid").stdout for _ in range(2)]
    assert logins[0][: len(uid)] == logins[1][: len(uid)] == uid.encode()
    assert logins[0] != logins[1]


def test_what_is_done_as_root_is_recorded_with_the_key_of_its_session(opened: DoorCommand) -> None:
    done = Client.of(opened).ssh("sudo -u nobody true $'a b\\n'; hostsh true; setsid -f hostsh id")
    assert done.returncode == 0
    who = f"by {opened.status()['keys'][0]['fingerprint']} from 127.0.0.1"
    assert eventually(lambda: f"hostsh {who}: id" in opened.hatchway("admin", "logs").stdout)
    log = opened.hatchway("admin", "logs").stdout
    assert f"sudo {who}: -u nobody true 'a b\\n'" in log
    assert f"hostsh {who}: true" in log
    opened.hatchway("admin", "exec", "hostsh", "uname")
    assert "hostsh by root without ssh" in opened.hatchway("admin", "logs").stdout


@pytest.mark.parametrize("terminal", ["xterm-kitty", "alacritty", "foot", "tmux-direct"])
def test_a_terminal_that_the_image_does_not_know_is_taken_for_a_common_one(
    opened: DoorCommand, terminal: str
) -> None:
    argv = ("-tt", "door", "tput cols >/dev/null && echo $TERM")
    done = Client.of(opened).run("ssh", *argv, env={"TERM": terminal})
    common = "screen-256color" if terminal.startswith("tmux") else "xterm-256color"
    assert (done.returncode, done.stdout.split()[0].decode()) == (0, common)


def test_systemctl_asks_the_hosts_systemd_as_root(opened: DoorCommand) -> None:
    plain, asked = (
        Client.of(opened).ssh(f"{word} systemctl is-system-running") for word in ("", "sudo")
    )
    assert (plain.stdout, plain.stderr, plain.returncode) == (
        asked.stdout, asked.stderr, asked.returncode,
    )  # fmt: skip


def test_an_agent_with_many_keys_gets_in_and_keeps_nobody_else_out(
    opened: DoorCommand, tmp_path: Path
) -> None:
    others = [tmp_path / str(number) for number in range(12)]
    for other in others:
        subprocess.run(
            ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(other)), check=True
        )
    files = [word for other in others for word in ("-o", f"IdentityFile={other}")]
    client = Client.of(opened, key=others[0], name="many")
    assert client.ssh("true", *files, "-i", str(opened.key)).returncode == 0
    assert client.ssh("true", *files).returncode == 255
    assert Client.of(opened).ssh("true").returncode == 0
