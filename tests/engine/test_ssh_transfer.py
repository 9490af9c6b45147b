# SPDX-License-Identifier: Apache-2.0
"""What goes through the door: files, ports, and other connections."""

from __future__ import annotations

import hashlib
import http.server
import os
import socket
import subprocess
import threading
import time
from typing import TYPE_CHECKING

import pytest

from admin_image.spec import KEYS_FILE
from tests.engine.client import Client, listens
from tests.engine.door import DoorCommand, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [
    pytest.mark.engine,
    pytest.mark.parametrize("engine", ["podman"], indirect=True),
]

SIZE = 3_000_000


@pytest.fixture(scope="module")
def client(opened: DoorCommand) -> Client:
    return Client.of(opened)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    file = tmp_path / "a file"
    file.write_bytes(os.urandom(SIZE))
    return file


@pytest.fixture
def web() -> Iterator[int]:
    """The port of a web server on the node's loopback, which says `from the node`."""

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"from the node")

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever).start()
        yield server.server_address[1]
        server.shutdown()


def digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def fetch(url: str, *options: str) -> bytes:
    argv = ("curl", "--silent", "--fail", "--noproxy", "", "--max-time", "20", *options, url)
    return subprocess.run(argv, check=True, capture_output=True).stdout


def sftp(client: Client, *lines: str) -> None:
    done = client.run("sftp", "-b", "-", "door", stdin="\n".join(lines).encode())
    assert done.returncode == 0, done.stderr


def test_sftp_puts_gets_and_takes_up_what_was_cut_off(client: Client, source: Path) -> None:
    back = source.parent / "back"
    sftp(client, f'put "{source}" there')
    assert client.ssh("truncate -s 1000000 there").returncode == 0
    sftp(client, f'reput "{source}" there', f'get there "{back}"')
    assert digest(back) == digest(source)
    os.truncate(back, 1_000_000)
    sftp(client, f'reget there "{back}"')
    assert digest(back) == digest(source)


@pytest.mark.parametrize("protocol", [(), ("-O",)], ids=["sftp", "legacy"])
def test_scp_carries_files_and_trees_by_both_protocols(
    client: Client, source: Path, tmp_path: Path, protocol: tuple[str, ...]
) -> None:
    tree = tmp_path / "tree"
    (tree / "below").mkdir(parents=True)
    source.rename(tree / "below" / "file")
    (tree / "program").write_text("#!/bin/sh\n")
    (tree / "program").chmod(0o750)
    place = f"scp{len(protocol)}"
    there = client.run("scp", *protocol, "-rp", str(tree), f"door:{place}")
    back = client.run("scp", *protocol, "-rp", f"door:{place}", str(tmp_path / "back"))
    assert (there.returncode, back.returncode) == (0, 0), there.stderr + back.stderr
    assert digest(tmp_path / "back/below/file") == digest(tree / "below/file")
    assert (tmp_path / "back/program").stat().st_mode & 0o777 == 0o750


def test_rsync_sends_only_what_has_changed(client: Client, source: Path, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    source.rename(tree / "file")
    argv = ("rsync", "-a", "--delete", "--stats", "-e", f"ssh -F {client.config}")
    subprocess.run((*argv, f"{tree}/", "door:synced/"), check=True, capture_output=True)
    with (tree / "file").open("ab") as stream:
        stream.write(b"more")
    again = subprocess.run((*argv, f"{tree}/", "door:synced/"), check=True, capture_output=True,
                           text=True)  # fmt: skip
    literal = next(line for line in again.stdout.splitlines() if "Literal data" in line)
    assert int(literal.split()[2].replace(",", "")) < SIZE / 10
    subprocess.run((*argv, "door:synced/", f"{tmp_path}/back/"), check=True, capture_output=True)
    assert digest(tmp_path / "back/file") == digest(tree / "file")


def test_the_door_can_be_jumped_through_to_another_server(client: Client, tmp_path: Path) -> None:
    port = free_port()
    # Within the door, where its user can run one without any privilege.
    prepare = f"""
        mkdir -p beyond && cd beyond && ssh-keygen -q -t ed25519 -N '' -f key <<<y >/dev/null
        printf '%s\\n' 'ListenAddress 127.0.0.1:{port}' "HostKey $PWD/key" 'PidFile none' \\
            'UsePAM no' 'StrictModes no' 'AuthorizedKeysFile {KEYS_FILE}' \\
            'PasswordAuthentication no' 'KbdInteractiveAuthentication no' > config
        cat key.pub
    """
    prepared = client.ssh(prepare)
    assert prepared.returncode == 0, prepared.stderr
    (tmp_path / "known").write_text(f"beyond {prepared.stdout.decode()}")
    beyond = ("-o", f"UserKnownHostsFile={tmp_path}/known", "-o", "HostKeyAlias=beyond")
    # With a terminal, so that it ends with its session.
    serve = client.argv("ssh", "-tt", "door", "/usr/sbin/sshd -D -f ~/files/beyond/config")
    with subprocess.Popen(serve, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as server:
        try:
            await_listener(port)
            where = ("-J", "door", "-p", str(port), "admin@127.0.0.1")
            done = client.run("ssh", *beyond, *where, "echo $SSH_CONNECTION")
        finally:
            server.terminate()
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[2:] == [b"127.0.0.1", str(port).encode()]


def test_many_commands_share_one_connection(
    client: Client, opened: DoorCommand, tmp_path: Path
) -> None:
    control = ("-o", f"ControlPath={tmp_path}/c")
    with subprocess.Popen(client.argv("ssh", *control, "-MN", "door")) as master:
        while not (tmp_path / "c").exists():
            assert master.poll() is None
            time.sleep(0.02)
        statuses = [client.ssh(f"exit {n}", *control).returncode for n in range(5)]
        assert statuses == list(range(5))
        assert len(opened.status()["sessions"]) == 1
        client.run("ssh", *control, "-O", "exit", "door")
        master.wait(20)


def test_a_local_port_leads_to_the_node(client: Client, web: int) -> None:
    port = free_port()
    with client.forwarding("-L", f"127.0.0.1:{port}:127.0.0.1:{web}", port=port):
        assert fetch(f"http://127.0.0.1:{port}/") == b"from the node"


def test_a_dynamic_port_leads_to_wherever_the_node_reaches(client: Client, web: int) -> None:
    port = free_port()
    with client.forwarding("-D", f"127.0.0.1:{port}", port=port):
        proxy = ("--proxy", f"socks5h://127.0.0.1:{port}")
        assert fetch(f"http://localhost:{web}/", *proxy) == b"from the node"


@pytest.mark.parametrize("asked", ["", "0.0.0.0:", "*:"])
def test_a_remote_port_is_on_the_nodes_loopback_whatever_is_asked(
    client: Client, web: int, asked: str
) -> None:
    port = free_port()
    with client.forwarding("-R", f"{asked}{port}:127.0.0.1:{web}", port=port):
        assert fetch(f"http://127.0.0.1:{port}/") == b"from the node"
        assert listens(port) <= {"127.0.0.1", "::1"}


def test_a_socket_of_the_node_is_not_forwarded(client: Client, tmp_path: Path) -> None:
    port = free_port()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"{tmp_path}/socket")
        server.listen()
        server.settimeout(1)
        with client.forwarding("-L", f"127.0.0.1:{port}:{tmp_path}/socket", port=port):
            with socket.create_connection(("127.0.0.1", port), timeout=20) as asked:
                assert asked.recv(1) == b""
            with pytest.raises(TimeoutError):
                server.accept()


def await_listener(port: int) -> None:
    end = time.monotonic() + 20
    while not listens(port):
        assert time.monotonic() < end
        time.sleep(0.02)
