#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The main job from end to end, as a transcript: `make demo`.

    .venv/bin/python tools/demo.py

A host with no shell, no sshd and no Python boots under QEMU. Its guest agent, which runs an argv
and nothing else, opens the door; ssh comes in from outside; then the door is closed, and the host
is as it was. The exit status is 0 only if every step was as expected.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path[:0] = [os.fspath(ROOT)]

from admin_image import spec  # noqa: E402
from tests.refhost import traces  # noqa: E402
from tests.refhost.agent import AgentError  # noqa: E402
from tests.refhost.machine import Machine, MachineError  # noqa: E402
from tests.refhost.registry import registry  # noqa: E402
from tools import demo_build  # noqa: E402
from tools.transcript import Done, Transcript, UnexpectedError  # noqa: E402

if TYPE_CHECKING:
    from tests.refhost.registry import Registry

HATCHWAY: Final = "/opt/hatchway/hatchway"
START_LIMIT: Final = 240.0
SSH_LIMIT: Final = 60.0
FAILURES: Final = (
    UnexpectedError, MachineError, AgentError, demo_build.BuildError, AssertionError, OSError,
    subprocess.SubprocessError,
)  # fmt: skip
# From here one sees the host as QEMU forwards it; the key is known under the host's own address.
SSH_CONFIG: Final = """\
Host node
  HostName 127.0.0.1
  Port {port}
  HostKeyAlias {address}
  User {user}
  IdentityFile key
  IdentitiesOnly yes
  BatchMode yes
  StrictHostKeyChecking yes
  UserKnownHostsFile known_hosts
  GlobalKnownHostsFile none
"""


class Demo:
    """The host, reached through its agent and by ssh; `place` holds the client's files."""

    def __init__(self, transcript: Transcript, machine: Machine, place: Path) -> None:
        self.transcript = transcript
        self.machine = machine
        self.place = place

    def agent(self, *argv: str, given: Path | None = None) -> Done:
        """Run an argv on the host as a cloud assistant does: no tty, no shell."""
        source = f" < {given.name}" if given else ""
        self.transcript.typed("agent>", shlex.join(argv) + source)
        data = given.read_bytes() if given else None
        done = self.machine.exec(argv, input=data, timeout=START_LIMIT)
        return self._told(Done(done.status, done.stdout.decode(), done.stderr.decode()))

    def local(self, *argv: str, given: str = "") -> Done:
        """Run a command here, where the client is."""
        source = f"echo {shlex.quote(given)} | " if given else ""
        self.transcript.typed("laptop$", source + shlex.join(argv))
        done = subprocess.run(
            argv, check=False, cwd=self.place, input=given and f"{given}\n", capture_output=True,
            text=True, timeout=SSH_LIMIT,
        )  # fmt: skip
        return self._told(Done(done.returncode, done.stdout, done.stderr))

    def ssh(self, command: str, given: str = "") -> Done:
        return self.local("ssh", "-F", "config", "node", command, given=given)

    def _told(self, done: Done) -> Done:
        self.transcript.output(done.stderr)
        self.transcript.output(done.stdout)
        if done.status:
            self.transcript.output(f"(exit status {done.status})")
        return done

    def open_door(self, source: Registry) -> None:
        expect = self.transcript.expect
        self.machine.write("/etc/hatchway/config.toml", source.settings())
        self.agent("cat", "/etc/hatchway/config.toml")
        self.local("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "sre@laptop", "-f", "key")
        argv = (HATCHWAY, "admin", "start", "--key-file", "-", "--output", "json")
        started = self.agent(*argv, given=self.place / "key.pub")
        expect(started.status == 0, "the start returned 0: the door is proven open")
        door: dict[str, Any] = json.loads(started.stdout)
        (self.place / "known_hosts").write_text(f"{door['known_hosts']}\n")
        config = {"port": self.machine.ssh_port, "address": door["address"], "user": door["user"]}
        (self.place / "config").write_text(SSH_CONFIG.format_map(config))
        self.local("cat", "known_hosts", "config")

    def look_around(self) -> None:
        expect = self.transcript.expect
        expect(self.ssh("id -un; sudo id -un").stdout == "admin\nroot\n", "the key opens the door")
        refused = self.ssh("sudo touch /host/etc/x /host/var/x /host/run/x")
        count = refused.stderr.count("Read-only file system")
        expect(count == 3, "the host, as the container sees it, is read-only throughout")
        release = self.ssh("hostsh cat /etc/os-release")
        expect("ID=lifsea" in release.stdout.split(), "hostsh runs the host's own programs")
        server = self.ssh("hostsh ctr version")
        expect(server.status == 0 and "1.4.13" in server.stdout, "as root, next to containerd")
        refused = self.ssh("hostsh touch /usr/x")
        expect("Read-only file system" in refused.stderr, "the host's root is read-only for all")
        expect(self.ssh("hostsh sh -c true").status == 127, "and the host has no shell")
        shell = self.ssh("hostsh", given="type -p systemctl; type -p awk; uname -n | awk NF")
        found = shell.stdout == "/usr/bin/systemctl\nrefhost\n"
        expect(found, "yet hostsh alone is a shell in it, with what the host lacks")

    def say_who_is_inside(self) -> None:
        command = ("ssh", "-F", "config", "node", "echo inside; exec cat")
        self.transcript.typed("laptop$", shlex.join(command))
        with subprocess.Popen(
            command, cwd=self.place, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as session:
            assert session.stdin is not None  # noqa: S101 - both are pipes
            assert session.stdout is not None  # noqa: S101
            try:
                self.transcript.output(session.stdout.readline())
                said = self.agent(HATCHWAY, "admin", "status").stdout
            finally:
                session.stdin.close()
        self.transcript.expect("admin on notty from 10.0.2.2" in said, "status tells who is inside")

    def close_door(self, before: traces.Traces) -> None:
        expect = self.transcript.expect
        stopped = self.agent(HATCHWAY, "admin", "stop")
        expect(stopped.status == 0, "the door is closed")
        expect(self.ssh("true").status == 255, "nobody answers any more")
        now = traces.look(self.machine)
        added = traces.added(before, now)
        for kind, found in now.items():
            self.transcript.output("\n".join(f"left: {each}" for each in added.get(kind, ())))
            same = f"{kind}: {len(before[kind])} before, {len(found)} now, none added"
            expect(kind not in added, same)
        self.agent("ls", "--recursive", spec.STATE, spec.LOG)
        self.agent("ctr", "--namespace", "hatchway", "images", "ls", "-q")
        self.transcript.output("What stays: the host keys, the log, and the image for next time.")


def main() -> int:
    # So that ending us ends QEMU and the registry too.
    signal.signal(signal.SIGTERM, _terminated)
    transcript = Transcript()
    try:
        run(transcript)
    except FAILURES as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("demo: interrupted; nothing is left running", file=sys.stderr)
        return 130
    transcript.summary()
    return 0


def run(transcript: Transcript) -> None:
    with contextlib.ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hatchway-demo-")))
        with transcript.step("Build what is missing.", name="build"):
            demo_build.build(transcript)
        with transcript.step("Start a registry on loopback, with the image in it.", name="push"):
            source = stack.enter_context(registry())
        with transcript.step("Boot the reference host, the program in its /opt.", name="boot"):
            files = {"/opt/hatchway": ROOT / "dist" / "hatchway"}
            machine = stack.enter_context(Machine(files=files))
            demo = Demo(transcript, machine, place)
        before = traces.look(machine)
        with transcript.step("Open the door, through an agent that runs an argv.", name="start"):
            demo.open_door(source)
        with transcript.step("Come in from outside, and look at the host.", name="inside"):
            demo.look_around()
        with transcript.step("Ask who is inside, while somebody is.", name="status"):
            demo.say_who_is_inside()
        with transcript.step("Close the door, and look for what it left.", name="stop"):
            demo.close_door(before)


def _terminated(number: int, _frame: object) -> NoReturn:
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
