# SPDX-License-Identifier: Apache-2.0
"""Who may log in through the door, and by what: real clients against one open door.

The SSH server is the same whatever the engine, so that one engine is enough.
"""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import paramiko
import pexpect
import pytest

from tests.engine.client import Client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.engine.door import DoorCommand

pytestmark = [
    pytest.mark.engine,
    pytest.mark.parametrize("engine", ["podman"], indirect=True),
]

PROMPT = r"\[admin@admin:\S+ ~/files\]\$ "


@pytest.fixture(scope="module")
def client(opened: DoorCommand) -> Client:
    return Client.of(opened)


@pytest.fixture
def transport(opened: DoorCommand) -> Iterator[paramiko.Transport]:
    """A connection that has shaken hands and proven nothing yet."""
    with socket.create_connection(("127.0.0.1", opened.port)) as connection:
        transport = paramiko.Transport(connection)
        transport.start_client(timeout=30)
        yield transport
        transport.close()


@pytest.mark.parametrize(
    "attempt",
    [
        lambda t: t.auth_none("admin"),
        lambda t: t.auth_password("admin", ""),
        lambda t: t.auth_password("admin", "admin", fallback=False),
        lambda t: t.auth_interactive("admin", lambda *_: ["admin"]),
        lambda t: t.auth_none("root"),
        lambda t: t.auth_password("root", ""),
        lambda t: t.auth_none("nobody-here"),
        lambda t: t.auth_password("nobody-here", "x"),
    ],
    ids=[
        "nothing", "an empty password", "a password", "keyboard-interactive", "root",
        "root with an empty password", "an unknown user", "an unknown user with a password",
    ],
)  # fmt: skip
def test_whatever_is_tried_keys_alone_are_offered(
    transport: paramiko.Transport, attempt: Callable[[paramiko.Transport], object]
) -> None:
    with pytest.raises(paramiko.BadAuthenticationType) as refused:
        attempt(transport)
    assert refused.value.allowed_types == ["publickey"]


@pytest.mark.parametrize("user", ["root", "nobody", "sshd", "nobody-here"])
def test_the_right_key_lets_no_other_user_in(client: Client, user: str) -> None:
    refused = client.ssh("true", "-l", user)
    assert (refused.returncode, b"Permission denied (publickey)" in refused.stderr) == (255, True)


def test_another_key_is_refused(opened: DoorCommand, tmp_path: Path) -> None:
    subprocess.run(("ssh-keygen", "-q", "-N", "", "-f", str(tmp_path / "other")), check=True)
    refused = Client.of(opened, key=tmp_path / "other", name="other").ssh("true")
    assert (refused.returncode, b"Permission denied (publickey)" in refused.stderr) == (255, True)


def test_an_agent_that_is_offered_is_not_forwarded(client: Client, tmp_path: Path) -> None:
    agent = f"{tmp_path}/agent"
    with subprocess.Popen(("ssh-agent", "-D", "-a", agent), stdout=subprocess.DEVNULL) as daemon:
        while not Path(agent).exists():
            assert daemon.poll() is None
        asked = ("-A", "-o", f"IdentityAgent={agent}")
        done = client.ssh("echo agent=$SSH_AUTH_SOCK", *asked)
        daemon.terminate()
    assert (done.returncode, done.stdout) == (0, b"agent=\n")


def test_a_display_that_is_offered_is_not_forwarded(client: Client) -> None:
    display = {"DISPLAY": "127.0.0.1:99"}
    done = client.run("ssh", "-X", "-v", "door", "echo display=$DISPLAY", env=display)
    assert (done.returncode, done.stdout) == (0, b"display=\n")
    assert b"X11 forwarding request failed" in done.stderr


@pytest.mark.parametrize("status", [0, 1, 42, 255])
def test_a_commands_status_is_the_clients(client: Client, status: int) -> None:
    done = client.ssh(f"echo out; echo err >&2; exit {status}")
    assert (done.returncode, done.stdout, done.stderr) == (status, b"out\n", b"err\n")


@pytest.mark.parametrize("signal", ["TERM", "KILL", "INT"])
def test_a_command_that_a_signal_ended_is_told_as_such(client: Client, signal: str) -> None:
    done = client.ssh(f"kill -{signal} $$", "-v")
    assert done.returncode == 255
    assert b"rtype exit-signal" in done.stderr


def test_a_hundred_megabytes_go_there_and_back_unchanged(client: Client) -> None:
    content = os.urandom(1 << 20) * 100
    back = client.ssh("cat", stdin=content)
    assert back.returncode == 0, back.stderr
    assert hashlib.sha256(back.stdout).digest() == hashlib.sha256(content).digest()


def test_a_terminal_gets_the_shell_its_prompt_and_the_window_size(client: Client) -> None:
    argv = client.argv("ssh", "-t", "door")
    child = pexpect.spawn(argv[0], list(argv[1:]), encoding="utf-8", timeout=30,
                          dimensions=(33, 101))  # fmt: skip
    child.expect(PROMPT)
    child.sendline("stty size; tty; echo $TERM")
    child.expect(r"33 101\s+/dev/pts/\d+\s+\S+")
    child.setwinsize(40, 120)
    child.expect(PROMPT)
    child.sendline("stty size")
    child.expect(r"40 120\s")
    child.expect(PROMPT)
    child.sendline("sleep 100 & jobs; kill %1; exit 6")
    child.expect(r"\[1\]\+?\s+Running\s+sleep 100")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 6
