# SPDX-License-Identifier: Apache-2.0
"""An engine, or a launcher, that is root in a user namespace alone is told apart."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from launcher import host, runtimes
from launcher.errors import HostError, RuntimeUnavailableError
from launcher.runtimes import user_namespace
from tests import daemons
from tests.conftest import ROOT
from tests.toolbox.target.test_joining import HOST

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="makes user namespaces as root")

# Answers whatever is asked as a daemon would, and says when it listens.
DAEMON = """
import os, socket, sys
server = socket.socket(socket.AF_UNIX)
server.bind(sys.argv[1])
server.listen()
print(os.getpid(), flush=True)
while True:
    client, _ = server.accept()
    if client.recv(100):
        client.sendall(b"HTTP/1.1 200 OK\\r\\n\\r\\nOK")
    client.close()
"""
AS = {
    "root": (),
    "another user": ("setpriv", "--reuid=1000", "--regid=1000", "--clear-groups"),
    "root of a user namespace": ("unshare", "--user", "--map-root-user"),
}


@contextlib.contextmanager
def daemon(who: str) -> Iterator[str]:
    with daemons.short_directory() as place:
        place.chmod(0o777)  # whoever it is makes a socket there
        socket = place / "docker.sock"
        argv = (*AS[who], "/usr/bin/python3", "-c", DAEMON, str(socket))
        with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as child:
            try:
                assert child.stdout is not None
                assert child.stdout.readline().strip().isdigit()
                yield str(socket)
            finally:
                child.kill()


def test_an_engine_of_roots_is_taken() -> None:
    with daemon("root") as socket:
        assert user_namespace.rootless(socket) == ""
    assert user_namespace.rootless(socket) == ""  # nobody listens: that is told by others


@pytest.mark.parametrize("who", list(AS)[1:])
def test_a_rootless_engine_is_no_engine(
    who: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "docker").symlink_to("/usr/bin/true")
    with daemon(who) as socket:
        monkeypatch.setenv("PATH", str(programs))
        with pytest.raises(RuntimeUnavailableError) as caught:
            runtimes.choose(runtimes.Wish("docker", socket), HOST)
        assert caught.value.code == "runtime.rootless"
        assert "--socket" in caught.value.hint


def test_root_of_a_user_namespace_is_not_root() -> None:
    host.require_root()
    code = "from launcher import host; host.require_root()"
    argv = ("unshare", "--user", "--map-root-user", sys.executable, "-c", code)
    done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=ROOT)
    assert HostError.__name__ in done.stderr
    assert "here root is another user" in done.stderr


def test_a_process_in_a_user_namespace_is_apart() -> None:
    assert not user_namespace.is_apart(os.getpid())
    with subprocess.Popen(
        ("unshare", "--user", "cat"), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(b"x")
        child.stdin.flush()
        assert child.stdout.read(1) == b"x"
        assert user_namespace.is_apart(child.pid)
        child.stdin.close()
    assert not user_namespace.is_apart(child.pid)
