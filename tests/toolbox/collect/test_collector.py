# SPDX-License-Identifier: Apache-2.0
"""Items with real children and real files: limits hold, and no failure is fatal."""

from __future__ import annotations

import contextlib
import gzip
import http.server
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.toolbox.collect.planted import WORD
from toolbox.collect import documents, matches, recipe, withheld
from toolbox.collect.collector import Wishes, collect
from toolbox.collect.item import Item
from toolbox.collect.kept import Kept

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from toolbox.collect.item import Outcome

pytestmark = pytest.mark.realtime


def command(*argv: str, timeout: float = 20.0, limit: int = 1 << 20) -> Outcome:
    return collect(Item("exec", "x", argv, timeout=timeout, limit=limit), Wishes())


def python(script: str, timeout: float = 20.0, limit: int = 1 << 20) -> Outcome:
    return command(sys.executable, "-c", script, timeout=timeout, limit=limit)


def file(path: Path, *, binary: bool = False) -> Outcome:
    return collect(Item("file", "x", (str(path),), binary=binary), Wishes())


def test_what_a_program_prints_is_kept_errors_too() -> None:
    outcome = python("import sys; print('out', flush=True); print('err', file=sys.stderr)")
    assert (outcome.status, outcome.content) == ("ok", b"out\nerr\n")


def test_a_program_that_fails_is_recorded_with_its_output() -> None:
    outcome = python("print('why'); raise SystemExit(3)")
    assert (outcome.status, outcome.exit_status, outcome.content) == ("failed", 3, b"why\n")


def test_a_program_that_is_not_there_is_absent() -> None:
    assert command("no-such-program-here").status == "absent"


def test_what_needs_a_file_that_is_not_there_is_absent(tmp_path: Path) -> None:
    needs = tmp_path / "socket"
    item = Item("exec", "x", ("echo", "x"), needs=str(needs))
    assert collect(item, Wishes()).status == "absent"
    needs.touch()
    assert collect(item, Wishes()).status == "ok"


def test_a_program_that_hangs_is_ended_and_what_it_printed_is_kept() -> None:
    outcome = python("import time; print('first', flush=True); time.sleep(600)", timeout=5.0)
    assert (outcome.status, outcome.content) == ("timeout", b"first\n")


def test_a_program_that_will_not_end_is_killed_with_all_that_it_started(tmp_path: Path) -> None:
    script = (
        "import os, signal, subprocess, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "child = subprocess.Popen(['sleep', '600'])\n"
        f"open({str(tmp_path / 'pids')!r}, 'w').write(f'{{os.getpid()}} {{child.pid}}')\n"
        "time.sleep(600)\n"
    )
    assert python(script, timeout=5.0).status == "timeout"
    pids = (tmp_path / "pids").read_text().split()
    end = time.monotonic() + 10
    while any(alive(pid) for pid in pids) and time.monotonic() < end:
        time.sleep(0.05)
    assert [pid for pid in pids if alive(pid)] == []


def alive(pid: str) -> bool:
    try:
        return Path("/proc", pid, "stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_a_descendant_that_keeps_the_output_open_does_not_keep_us() -> None:
    outcome = python("import subprocess; print('done'); subprocess.Popen(['sleep', '600'])")
    assert (outcome.status, outcome.content) == ("ok", b"done\n")


def test_a_program_that_prints_without_end_is_ended_and_its_size_bounded() -> None:
    outcome = command("yes", "a line of text", limit=64 * 1024)
    assert outcome.status == "endless"
    assert outcome.truncated
    assert len(outcome.content) < 70 * 1024
    assert outcome.size >= 1024 * 1024


def test_of_a_long_output_the_beginning_and_the_end_are_kept() -> None:
    outcome = python("print(*range(100_000), sep='\\n')", limit=64 * 1024)
    lines = outcome.content.splitlines()
    assert outcome.status == "ok"
    assert outcome.truncated
    assert (lines[0], lines[-1]) == (b"0", b"99999")
    (gap,) = [line for line in lines if not line.isdigit()]
    assert b"bytes left out" in gap


def test_a_cut_never_shows_half_of_a_secret() -> None:
    script = f"print(*(['password={WORD}'] * 20_000), sep='\\n')"
    assert WORD[:4].encode() not in python(script, limit=32 * 1024).content


def test_children_get_no_shell_and_their_words_unchanged() -> None:
    outcome = command("printf", "%s|", "a b", "$HOME", "`id`", ";")
    assert outcome.content == b"a b|$HOME|`id`|;|"


def test_what_is_packed_or_binary_is_not_kept_raw() -> None:
    packed = gzip.compress(f"password={WORD}".encode())
    outcome = python(f"import sys; sys.stdout.buffer.write({packed!r})")
    assert (outcome.status, outcome.content) == ("refused", b"")
    late = python(f"import sys; sys.stdout.buffer.write(b'text\\n' * 9000 + b'x\\0' + {packed!r})")
    assert late.content.endswith(b"text\nx")
    assert late.truncated


def test_a_file_in_gzip_is_unpacked_and_searched(tmp_path: Path) -> None:
    path = tmp_path / "messages.1.gz"
    path.write_bytes(gzip.compress(f"a\npassword={WORD}\n".encode()))
    outcome = file(path)
    assert (outcome.status, outcome.content) == ("ok", b"a\npassword=[redacted]\n")


@pytest.mark.parametrize(
    "content",
    [
        b"BZh91AY",
        b"\xfd7zXZ\0\0",
        b"\x28\xb5\x2f\xfd\x04",
        b"PK\3\4",
        b"a\0b",
        gzip.compress(b"a\0b"),
    ],
    ids=["bzip2", "xz", "zstd", "zip", "binary", "binary in gzip"],
)
def test_a_file_that_cannot_be_searched_stays_here(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    outcome = file(tmp_path / "x")
    assert b"\0" not in outcome.content
    assert outcome.status == "refused" or outcome.truncated
    assert file(tmp_path / "x", binary=True).content == content


def test_a_damaged_gzip_gives_what_could_be_read(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(gzip.compress(b"line\n" * 100_000)[:500])
    assert file(tmp_path / "x").status == "failed"


def test_a_pipe_a_device_and_a_directory_are_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero"), tmp_path):
        assert file(path).status in ("refused", "failed")


def test_a_secret_file_is_withheld_also_by_a_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc/shadow")
    for path in (Path("/etc/shadow"), tmp_path / "link", Path("/proc/self/environ")):
        outcome = file(path)
        assert (outcome.status, outcome.content) == ("refused", b"")


@pytest.mark.parametrize(
    "path",
    [
        "/proc/1/environ",
        "/var/lib/cloud/instance/user-data.txt",
        "/var/lib/kubelet/pki/kubelet-client-current.pem",
        "/root/.docker/config.json",
        "/etc/kubernetes/pki/ca.key",
        "/etc/ssh/ssh_host_ed25519_key",
    ],
)
def test_files_that_are_secret_as_a_whole_are_known(path: str) -> None:
    assert withheld.reason(path)


def matched(pattern: str) -> list[str]:
    """The files of a pattern by their names in the bundle, each of which is read."""
    items = list(documents.expand(Item("glob", "t", (pattern,))))
    assert all(collect(item, Wishes()).status == "ok" for item in items)
    return sorted(item.name for item in items)


def test_a_glob_is_every_file_that_matches(tmp_path: Path) -> None:
    for name in ("a.log", "b.log", "c.txt"):
        (tmp_path / name).write_text(name)
    assert matched(f"{tmp_path}/*.log") == [f"t{tmp_path}/a.log", f"t{tmp_path}/b.log"]


@pytest.mark.parametrize("pattern", ["*", "d*", "d", "d/", "**"])
def test_a_directory_that_a_glob_matches_is_all_that_is_in_it(tmp_path: Path, pattern: str) -> None:
    (tmp_path / "d/e/f").mkdir(parents=True)
    for name in ("d/a", "d/e/.b", "d/e/f/c"):
        (tmp_path / name).write_text(name)
    expected = [f"t{tmp_path}/{name}" for name in ("d/a", "d/e/.b", "d/e/f/c")]
    assert matched(f"{tmp_path}/{pattern}") == expected


def test_no_link_leads_out_of_a_directory_that_a_glob_matches(tmp_path: Path) -> None:
    for name in ("d", "away"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text("x")
    (tmp_path / "d/file.link").symlink_to(tmp_path / "away/file")
    (tmp_path / "d/directory.link").symlink_to(tmp_path / "away")
    (tmp_path / "d/itself").symlink_to(tmp_path / "d")
    os.mkfifo(tmp_path / "d/pipe")
    assert matched(f"{tmp_path}/d") == [f"t{tmp_path}/d/file"]


def test_a_glob_of_all_the_host_comes_to_an_end() -> None:
    assert len(list(documents.expand(Item("glob", "t", ("/",))))) == matches.MOST


def test_an_unknown_look_is_a_failure_of_its_own() -> None:
    assert collect(Item("look", "x", ("nothing",)), Wishes()).status == "failed"


@pytest.fixture
def service() -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/away":
                self.send_response(302)
                self.send_header("Location", "http://192.0.2.1/")
                self.end_headers()
                return
            self.send_response(200)
            self.end_headers()
            self.wfile.write(f'{{"token": "{WORD}"}}'.encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_service_of_this_host_is_asked_and_its_answer_searched(service: str) -> None:
    outcome = collect(Item("http", "x", (service,)), Wishes())
    assert (outcome.status, outcome.content) == ("ok", b'{"token": [redacted]}')


def test_a_redirect_is_not_followed(service: str) -> None:
    outcome = collect(Item("http", "x", (f"{service}/away",)), Wishes())
    assert (outcome.status, outcome.note) == ("failed", "HTTP 302")


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/user-data",
        "http://192.0.2.1/",
        "http://localhost.example.com/",
        "file:///etc/shadow",
        "http://user:pw@127.0.0.1/",
    ],
)
def test_nobody_else_is_asked(url: str) -> None:
    assert collect(Item("http", "x", (url,)), Wishes()).status == "refused"


def test_a_port_without_a_service_is_absent() -> None:
    assert collect(Item("http", "x", ("http://127.0.0.1:1/",)), Wishes()).status == "absent"


@pytest.fixture
def certificate(tmp_path: Path) -> ssl.SSLContext:
    """What a service has that signed its certificate itself."""
    key, certificate = tmp_path / "tls.pem", tmp_path / "certificate.pem"
    subprocess.run(
        ("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "2", "-subj", "/CN=node", "-keyout", key, "-out", certificate),
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


def test_a_service_that_signed_its_certificate_itself_is_asked(
    certificate: ssl.SSLContext,
) -> None:
    plain = socket.create_server(("127.0.0.1", 0))
    with certificate.wrap_socket(plain, server_side=True) as server, answering(server, healthy):
        port = server.getsockname()[1]
        (item,), _ = recipe.parse(f"https healthz https://127.0.0.1:{port}/healthz", "r")
        outcome = collect(item, Wishes())
    assert (outcome.status, outcome.content) == ("ok", b"ok")


def healthy(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.0 200 OK\r\n\r\nok")


@pytest.mark.parametrize("beginning", [b"HTTP/1.0 200 OK\r\nX: ", b"HTTP/1.0 200 OK\r\n\r\n"])
def test_a_service_that_answers_a_little_at_a_time_is_given_up(beginning: bytes) -> None:
    def drip(connection: socket.socket) -> None:
        connection.sendall(beginning)
        with contextlib.suppress(OSError):
            while True:
                connection.sendall(b"x")
                time.sleep(0.05)

    with socket.create_server(("127.0.0.1", 0)) as server, answering(server, drip):
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        assert collect(Item("http", "x", (url,), timeout=1.0), Wishes()).status == "timeout"


@contextlib.contextmanager
def answering(server: socket.socket, answer: Callable[[socket.socket], None]) -> Iterator[None]:
    """One caller gets this answer, after it has asked."""

    def serve() -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(4096)
            answer(connection)

    thread = threading.Thread(target=serve)
    thread.start()
    yield
    thread.join()


@pytest.mark.parametrize("size", [0, 10, 99, 100, 101, 1000, 100_000])
def test_what_is_kept_is_bounded_and_whole_where_it_fits(size: int) -> None:
    content = bytes(ord("a") + n % 26 if n % 10 else 10 for n in range(size))
    kept = Kept(100)
    for start in range(0, size, 7):
        kept.add(content[start : start + 7])
    assert kept.total == size
    if size <= 100:
        assert kept.content() == content
    else:
        assert len(kept.content()) < 200
        assert kept.truncated


def test_what_is_kept_of_one_long_line_ends_with_whole_names() -> None:
    kept = Kept(80)
    kept.add(b"at db-7.example.com, 10.20.30.40; " * 100)
    first, last = kept.content().splitlines()[0], kept.content().splitlines()[-1]
    whole = {b"at", b"db-7.example.com,", b"10.20.30.40;"}
    assert set(first.split()) < whole
    assert set(last.split()) - {b",", b";"} <= whole
    assert last
