# SPDX-License-Identifier: Apache-2.0
"""The bundle needs a kernel and nothing else: it runs in a root that holds nothing else."""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import http.server
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import tarfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import paramiko
import pytest

from launcher.door import Door
from launcher.proc import Process
from tools import build_bundle, build_image

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.engine

ROOT: Final = Path(__file__).resolve().parent.parent
PROGRAM: Final = "/opt/hatchway/hatchway"
PULL: Final = ("image", "pull", "--runtime", "podman", "--output", "json")
# Mounts that end with the program: bundle, root directory, argv.
IN_ROOT: Final = """
mount --bind "$1" "$2/opt/hatchway" || exit 99
for each in dev proc; do mount --rbind /$each "$2/$each" || exit 99; done
shift 2; exec "$@"
"""
# This machine as it is, but for two places: bundle, name service settings, argv.
ON_HOST: Final = """
mount -t tmpfs none /opt && mkdir /opt/hatchway && mount --bind "$1" /opt/hatchway || exit 99
mount --bind "$2" /etc/nsswitch.conf || exit 99
shift 2; exec "$@"
"""
# What a host may have set for programs of its own.
HOSTILE: Final = {
    "LD_LIBRARY_PATH": "/lib/x86_64-linux-gnu:/lib/aarch64-linux-gnu:/lib64:/lib",
    "LANG": "zh_CN.GB18030",
    "PYTHONHOME": "/nowhere",
    "PYTHONPATH": "/usr/lib/python3/dist-packages",
}
# An engine that has no image, and records what it was given.
ENGINE: Final = """#!/bin/busybox sh
/bin/busybox env > /seen
echo "Error: no such image" >&2
exit 125
"""

# Whatever is imported inside a function, a progress bar, and an engine's client at work.
EXERCISE: Final = """
import importlib, pkgutil, sys

class Left:
    def find_spec(self, name, path=None, target=None):
        if any(name == left or name.startswith(left + ".") for left in sys.argv[1].split(",")):
            raise ModuleNotFoundError(name, name=name)

for name in [name for name in sys.modules if name.partition(".")[0] in sys.argv[1].split(",")]:
    del sys.modules[name]
sys.meta_path.insert(0, Left())
import launcher, toolbox
ours = [
    module.name
    for package in (launcher, toolbox)
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
]
for name in [*sys.argv[2].split(","), *ours]:
    importlib.import_module(name)
import python_on_whales
from rich import console, progress
columns = progress.BarColumn(), progress.DownloadColumn(), progress.TransferSpeedColumn()
with progress.Progress(*columns, console=console.Console(force_terminal=True)) as bar:
    bar.update(bar.add_task("x", total=2), advance=1)
python_on_whales.DockerClient(client_call=["true"], client_type="podman").container.list()
"""

Done = subprocess.CompletedProcess[str]


def isolated(script: str, bundle: Path, place: Path, *argv: str, **environment: str) -> Done:
    """Run `argv` behind the mounts of `script`, with these variables and no others."""
    pairs = (f"{name}={value}" for name, value in environment.items())
    mounts = ("unshare", "--mount", "sh", "-c", script, "sh", str(bundle), str(place))
    return subprocess.run(
        (*mounts, "env", "-i", *pairs, *argv),
        capture_output=True, text=True, encoding="utf-8", check=False, timeout=60,
    )  # fmt: skip


def needed(program: str) -> str:
    path = shutil.which(program)
    assert path, f"{program} is missing"
    return path


def code(done: Done) -> str:
    """The code of the error that it printed."""
    return str(json.loads(done.stdout)["error"]["code"])


@dataclasses.dataclass(frozen=True)
class Bare:
    """A root directory with the bundle, /dev, /proc, and what a test puts there."""

    directory: Path
    bundle: Path

    def hatchway(self, *argv: str, **environment: str) -> Done:
        chroot = (needed("chroot"), str(self.directory), PROGRAM)
        return isolated(IN_ROOT, self.bundle, self.directory, *chroot, *argv, **environment)

    def put(self, path: str, text: str, mode: int = 0o644) -> None:
        file = self.directory / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)

    def put_engine(self) -> None:
        self.put("bin/podman", ENGINE, 0o755)
        shutil.copy(needed("busybox"), self.directory / "bin" / "busybox")  # a static one


@pytest.fixture(scope="session")
def bundle() -> Path:
    """The bundle, built when what it is made of has changed."""
    subprocess.run((sys.executable, str(ROOT / "tools" / "build_bundle.py")), check=True)
    return ROOT / "dist" / "hatchway"


@pytest.fixture
def bare(tmp_path: Path, bundle: Path) -> Bare:
    for name in ("dev", "opt/hatchway", "proc"):
        (tmp_path / "root" / name).mkdir(parents=True)
    return Bare(tmp_path / "root", bundle)


@pytest.mark.parametrize("argv", ["--version", "--help", "admin --help", "admin start --help"])
def test_it_runs_where_there_is_nothing_else(bare: Bare, argv: str) -> None:
    done = bare.hatchway(*argv.split())
    assert (done.returncode, done.stderr) == (0, "")
    assert "hatchway" in done.stdout


def test_help_says_what_the_docstrings_say(bare: Bare) -> None:
    assert "Open the door, and return when it is proven open." in bare.hatchway(
        "admin", "start", "--help"
    ).stdout.replace("\n", " ")


def test_status_is_answered_there(bare: Bare) -> None:
    done = bare.hatchway("admin", "status", "--output", "json")
    assert json.loads(done.stdout)["state"] == "closed"


def test_a_host_without_an_engine_is_told_so(bare: Bare) -> None:
    assert code(bare.hatchway(*PULL, "registry.test/x")) == "runtime.down"


def test_variables_for_the_hosts_programs_do_not_reach_it(bare: Bare) -> None:
    done = bare.hatchway("image", "pull", "--runtime", "größer", "a.test/x", **HOSTILE)
    assert (done.returncode, done.stdout) == (64, "")
    assert "größer" in done.stderr


def test_it_writes_nothing_beside_itself(bare: Bare) -> None:
    bare.hatchway("admin", "status")
    assert list(bare.bundle.rglob("__pycache__")) == []
    assert {"dev", "opt", "proc"} == {path.name for path in bare.directory.iterdir()}


def test_a_child_sees_nothing_of_the_bundle(bare: Bare) -> None:
    bare.put_engine()
    assert code(bare.hatchway(*PULL, "127.0.0.1:1/x", **HOSTILE)) == "image.tcp"
    seen = (bare.directory / "seen").read_text().splitlines()
    assert seen
    assert [line for line in seen if line.startswith(("LD_", "_PYI_")) or "_internal" in line] == []


def test_it_proves_a_door_by_an_ssh_handshake(bare: Bare, ssh_key: Path) -> None:
    key = paramiko.Ed25519Key(filename=str(ssh_key))
    with ssh_server(key) as port:
        bare.put("run/hatchway/admin.json", json.dumps(record(port, key)))
        bare.put("run/hatchway/admin/authorized_keys", "")
        bare.put("keys", ssh_key.with_suffix(".pub").read_text())
        (bare.directory / "run/hatchway").chmod(0o700)
        done = bare.hatchway(
            "admin", "start", "--key-file", "/keys", "--listen", f"127.0.0.1:{port}",
            "--user", "sre", "--output", "json",
        )  # fmt: skip
    assert json.loads(done.stdout).get("port") == port, done.stdout + done.stderr


def test_it_trusts_the_hosts_certificates(bare: Bare, tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path, "registry.test")
    bare.put_engine()
    bare.put("etc/hosts", "127.0.0.1 registry.test\n")
    with https_server(certificate, key) as port:
        reference = f"registry.test:{port}/x"
        assert code(bare.hatchway(*PULL, reference)) == "image.tls"
        bare.put("etc/pki/tls/certs/ca-bundle.crt", certificate.read_text())
        assert code(bare.hatchway(*PULL, reference)) == "image.not-found"


def test_it_resolves_names_by_dns(bare: Bare) -> None:
    bare.put_engine()
    with dns_server("127.0.0.153"):
        bare.put("etc/resolv.conf", "nameserver 127.0.0.153\noptions timeout:5 attempts:3\n")
        assert code(bare.hatchway(*PULL, "registry.test:1/x")) == "image.tcp"
    bare.put("etc/resolv.conf", "nameserver 127.0.0.154\noptions timeout:1 attempts:1\n")
    assert code(bare.hatchway(*PULL, "registry.test:1/x")) == "image.dns"


@pytest.mark.parametrize(
    ("hosts", "environment"),
    [
        pytest.param("files dns", HOSTILE, id="named by LD_LIBRARY_PATH"),
        pytest.param("mymachines resolve myhostname files", {}, id="named by nsswitch.conf"),
    ],
)
def test_it_loads_no_library_of_the_host(
    bundle: Path, tmp_path: Path, hosts: str, environment: dict[str, str]
) -> None:
    settings, engine = tmp_path / "nsswitch.conf", tmp_path / "podman"
    settings.write_text(f"hosts: {hosts}\npasswd: compat systemd\n")
    engine.write_text("#!/bin/sh\necho Error: no such image >&2\nexit 125\n")
    engine.chmod(0o755)
    debug = {"LD_DEBUG": "libs", "LD_DEBUG_OUTPUT": str(tmp_path / "report")}
    argv = (PROGRAM, *PULL, "registry.invalid:1/x")
    done = isolated(ON_HOST, bundle, settings, *argv, PATH=str(tmp_path), **environment, **debug)
    assert code(done) == "image.dns"
    ours, childs = loaded_libraries(tmp_path)
    assert "_ssl" in {Path(path).name.partition(".")[0] for path in ours}
    assert [path for path in ours if not path.startswith("/opt/hatchway/")] == []
    assert childs == set()  # children get an environment that was built: not even LD_DEBUG


def test_the_archive_unpacks_to_one_directory_of_root(bundle: Path) -> None:
    (archive,) = bundle.parent.glob("hatchway-*.tar.gz")
    with tarfile.open(archive) as tar:
        members = tar.getmembers()
    assert members[0].name == "hatchway"
    assert all(member.name.startswith("hatchway/") for member in members[1:])
    assert {(0, 0, "root", 0)} == {(m.uid, m.gid, m.uname, int(m.mtime)) for m in members}


def test_nothing_that_is_needed_was_left_out() -> None:
    """Where it is left out only by an import hook, so that rare paths can be walked, too."""
    spec = ast.parse((ROOT / "tools" / "bundle" / "hatchway.spec").read_text())
    lists = {
        node.targets[0].id: ",".join(ast.literal_eval(node.value))
        for node in spec.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and node.targets[0].id in ("UNUSED", "LAZY")
    }
    argv = (sys.executable, "-c", EXERCISE, lists["UNUSED"], lists["LAZY"])
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60, cwd=ROOT)
    assert done.returncode == 0, done.stderr


def loaded_libraries(directory: Path) -> tuple[set[str], set[str]]:
    """What ld.so initialised: in programs that loaded a part of the bundle, and in others."""
    ours, others = set[str](), set[str]()
    for report in directory.glob("report.*"):
        lines = report.read_text(errors="replace").splitlines()
        loaded = {line.split()[-1] for line in lines if "calling init: " in line}
        found = ours if any(path.startswith("/opt/hatchway/") for path in loaded) else others
        found.update(loaded)
    return ours, others


def record(port: int, key: paramiko.PKey) -> dict[str, Any]:
    """The record of a door that this process holds open."""
    me = Process.of(os.getpid())
    assert me
    return dataclasses.asdict(
        Door(
            state="open", pid=me.pid, started=me.started, runtime="podman", socket="",
            namespace="hatchway", container="hatchway-admin", address="127.0.0.1", port=port,
            user="sre", host_keys=(f"{key.get_name()} {key.get_base64()}",),
        )
    )  # fmt: skip


class KeysOnly(paramiko.ServerInterface):
    def get_allowed_auths(self, username: str) -> str:  # noqa: ARG002 - the base's name
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:  # noqa: ARG002
        return int(paramiko.common.AUTH_SUCCESSFUL)


@contextlib.contextmanager
def ssh_server(key: paramiko.PKey) -> Iterator[int]:
    """A server that offers what a door offers, to one client after another."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
                    transport = paramiko.Transport(listener.accept()[0])
                    transport.add_server_key(key)
                    transport.start_server(server=KeysOnly())
                    transport.join(30)
                if listener.fileno() < 0:
                    return

        threading.Thread(target=serve, daemon=True).start()
        yield int(listener.getsockname()[1])


class Empty(http.server.BaseHTTPRequestHandler):
    """A registry that has nothing."""

    def do_GET(self) -> None:
        self.send_error(404)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
        pass


@contextlib.contextmanager
def https_server(certificate: Path, key: Path) -> Iterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Empty) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def self_signed(directory: Path, name: str) -> tuple[Path, Path]:
    certificate, key = directory / "crt", directory / "key"
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    subject = ("-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}")
    files = ("-keyout", str(key), "-out", str(certificate))
    subprocess.run(
        ("openssl", "req", "-x509", *curve, "-days", "2", *subject, *files),
        check=True, capture_output=True,
    )  # fmt: skip
    return certificate, key


@contextlib.contextmanager
def dns_server(address: str) -> Iterator[None]:
    """Answers every question for an IPv4 address with 127.0.0.1, and others with nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((address, 53))
        sock.settimeout(0.1)
        over = threading.Event()
        thread = threading.Thread(target=answer, args=(sock, over))
        thread.start()
        yield
        over.set()
        thread.join()


def answer(sock: socket.socket, over: threading.Event) -> None:
    """RFC 1035, section 4: header, question, and for type A one record."""
    while not over.is_set():
        with contextlib.suppress(TimeoutError):
            query, client = sock.recvfrom(512)
            end = query.index(b"\0", 12) + 5
            is_a = query[end - 4 : end - 2] == b"\0\1"
            header = query[:2] + b"\x81\x80\0\1" + (b"\0\1" if is_a else b"\0\0") + bytes(4)
            found = b"\xc0\x0c\0\1\0\1\0\0\0\0\0\4\x7f\0\0\1" if is_a else b""
            sock.sendto(header + query[12:end] + found, client)


def test_the_bundle_brings_what_the_images_are(tmp_path: Path, admin_archive: Path) -> None:
    known = json.loads((ROOT / build_bundle.DIGESTS).read_text())
    assert known["localhost/hatchway-admin"] == build_image.config_digest(admin_archive)
    (tmp_path / "_internal").mkdir()
    assert [build_bundle.add_digests(tmp_path) for _ in range(2)] == [True, False]
    assert json.loads((tmp_path / "_internal" / build_bundle.DIGESTS).read_text()) == known
