# SPDX-License-Identifier: Apache-2.0
"""A host on which everything that others may name is named to command a terminal.

    python -m tests.launcher.planted    (in a mount namespace with /run and /var/lib of its own)

Runs each of `COMMANDS` on a terminal and prints, as JSON, what came out of it.
"""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import json
import os
import pty
import select
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bootstrap_image import spec
from bootstrap_image.spec import Exit, Record, Status, Summary
from launcher import door as doors
from launcher.bootstrap import records, results
from launcher.door import Door, Key
from launcher.proc import Process
from toolbox import claims, work, worklog
from toolbox.work import Work

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PROGRAM: Final = str(Path(sys.executable).parent / "hatchway")
# The clipboard, C1's way to a colour, and the other direction of writing.
EVIL: Final = "\x1b]52;c;ZXZpbA==\x07\x9b31m\u202e"
RAW: Final = b"raw \x9b31m \xc2\x9b31m \x1b]0;title\x07 end"
END: Final = "that was all"
NAME: Final = "\x1b]0;evil\x07"  # of a process: 15 bytes at the most
# The commands that print what others have named and need no engine, with the state they are for.
COMMANDS: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "admin status": ("open", ("admin", "status")),
    "admin status, died": ("died", ("admin", "status")),
    "admin status, json": ("open", ("admin", "status", "--output", "json")),
    "admin logs": ("open", ("admin", "logs", "-n", "9")),
    "admin logs, follow": ("follow", ("admin", "logs", "-n", "0", "--follow")),
    "admin start": ("", ("admin", "start", "--key-file", f"/run/{EVIL}.pub")),
    "bootstrap status": ("bootstrap", ("bootstrap", "status")),
    "bootstrap logs": ("bootstrap", ("bootstrap", "logs")),
    "bootstrap reset": ("bootstrap", ("bootstrap", "reset", f"{EVIL}")),
    "bootstrap validate": ("", ("bootstrap", "validate", f"/run/{EVIL}")),
    "toolbox list": ("toolbox", ("toolbox", "list")),
    "toolbox list, json": ("toolbox", ("toolbox", "list", "--output", "json")),
    "toolbox logs": ("toolbox", ("toolbox", "logs", "aaaa")),
    "toolbox logs, follow": ("flow", ("toolbox", "logs", "bbbb", "--follow")),
    "toolbox rm": ("", ("toolbox", "rm", EVIL)),
    "toolbox stop": ("", ("toolbox", "stop", EVIL)),
    "toolbox wait": ("", ("toolbox", "wait", EVIL)),
    "toolbox collect": ("", ("toolbox", "collect", "--recipe", f"/run/{EVIL}")),
    "doctor": ("process", ("doctor",)),
    "a wrong word": ("", (EVIL,)),
    "a wrong option": ("", ("admin", "status", f"--{EVIL}")),
}


def main() -> None:
    only = sys.argv[1:] or list(COMMANDS)
    said = {}
    for name in only:
        state, argv = COMMANDS[name]
        with contextlib.ExitStack() as stack:
            feed = STATES[state](stack) if state else None
            said[name] = on_terminal((PROGRAM, *argv), feed).decode("latin-1")
    print(json.dumps(said))


def on_terminal(argv: tuple[str, ...], feed: Callable[[], Iterator[None]] | None = None) -> bytes:
    """All that the command writes to its terminal; `feed` goes on at each thing it has written."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(argv[0], argv)
    said = b""
    steps = feed() if feed else iter(())
    end = time.monotonic() + 90
    with contextlib.suppress(OSError):  # EIO: nobody writes to it any more
        while time.monotonic() < end:
            if feed and END.encode() in said:
                os.kill(pid, signal.SIGINT)
            if not select.select([terminal], [], [], 0.5)[0]:
                next(steps, None)
                continue
            data = os.read(terminal, 4096)
            if not data:
                break
            said += data
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(terminal)
    return said


def _open(_stack: contextlib.ExitStack) -> None:
    myself = Process.of(os.getpid())
    assert myself is not None
    doors.LOG.parent.mkdir(parents=True, exist_ok=True)
    doors.LOG.write_bytes(b"one " + EVIL.encode() + b"\n" + RAW + b"\n")
    doors.RUN.mkdir(exist_ok=True)
    doors.write(
        Door(
            state="open", pid=myself.pid, started=myself.started, runtime=EVIL, socket="",
            namespace="", container="hatchway-admin", image=EVIL, address="127.0.0.1", port=1,
            user=EVIL, host_keys=("ssh-ed25519 AAAA",), notes=(EVIL,), principals=(EVIL,),
            keys=(Key("SHA256:x", "ssh-ed25519", EVIL, EVIL),),
        )
    )  # fmt: skip


def _died(stack: contextlib.ExitStack) -> None:
    _open(stack)
    found = doors.read()
    assert found is not None
    doors.write(dataclasses.replace(found, started=1))


def _follow(stack: contextlib.ExitStack) -> Callable[[], Iterator[None]]:
    """A log that grows in the middle of a character and of a command."""
    _open(stack)

    def grow() -> Iterator[None]:
        for piece in (
            b"a \xc2",
            b"\x9b31m \x1b",
            b"]52;c;ZXZp",
            b"bA==\x07\n",
            f"{END}\n".encode(),
        ):
            with doors.LOG.open("ab") as log:
                log.write(piece)
            yield

    return grow


def _bootstrap(_stack: contextlib.ExitStack) -> None:
    Path(spec.LOG_FILE).parent.mkdir(parents=True, exist_ok=True)
    Path(spec.LOG_FILE).write_bytes(EVIL.encode() + b"\n" + RAW + b"\n")
    records.write(
        Record(
            "job", "step", "script", EVIL, "0" * 64, "once", Status.FAILED, "i-1",
            results.boot_id(), time.time(), message=EVIL, last_lines=(EVIL,),
        ),
        "step-1.json",
    )  # fmt: skip
    finding = {"job": "job", "path": EVIL, "message": EVIL, "severity": "error"}
    results.keep(
        Summary(
            "i-1", results.boot_id(), time.time(), 1.0, Exit.FAILED, findings=(finding,),
            message=EVIL,
        )
    )  # fmt: skip


def _work(own: str, state: str) -> Work:
    myself = Process.of(os.getpid())
    assert myself is not None
    made = Work(
        id=own, state=state, command=(EVIL,), image=EVIL, profile="general", asked=time.time(),
        began=time.time(), worker=(myself.pid, myself.started), status=None,
    )  # fmt: skip
    if not made.directory.exists():
        work.make(made)
    work.write(made)
    return made


def _toolbox(stack: contextlib.ExitStack) -> None:
    claim = stack.enter_context(claims.claim("cccc"))
    claim.write(
        claims.Record(
            id="cccc", container="c", runtime="podman", socket="", namespace="", image=EVIL,
            profile="general", command=("sh", "-c", EVIL), began=time.time(), pid=os.getpid(),
        )
    )  # fmt: skip
    made = _work("aaaa", "running")
    log = worklog.Writer(made.log)
    for stream, piece in enumerate((EVIL.encode(), RAW[:6] + b"\xc2", b"\x9b31m\n", RAW)):
        log.write(1 + stream % 2, piece)
    log.close()


def _flow(_stack: contextlib.ExitStack) -> Callable[[], Iterator[None]]:
    """Detached work that prints one byte at a time."""
    made = _work("bbbb", "running")
    log = worklog.Writer(made.log)

    def grow() -> Iterator[None]:
        for byte in RAW:
            log.write(1, bytes([byte]))
        yield
        log.write(1, f"{EVIL}{END}\n".encode())
        yield

    return grow


def _process(stack: contextlib.ExitStack) -> None:
    """A process of that name that waits in the kernel: for the child of its vfork(2)."""
    libc = ctypes.CDLL(None)
    ready, writer = os.pipe()
    parent = os.fork()
    if parent == 0:
        libc.prctl(15, NAME.encode(), 0, 0, 0)  # PR_SET_NAME
        os.write(writer, b"x")
        # clone(CLONE_VFORK | SIGCHLD): with memory of its own, so that Python may go on in both.
        number = {"x86_64": 56, "aarch64": 220}[os.uname().machine]
        libc.syscall(number, 0x4000 | signal.SIGCHLD, 0, 0, 0, 0)
        signal.pause()
    os.read(ready, 1)
    stack.callback(_end, parent)
    while "State:\tD" not in Path(f"/proc/{parent}/status").read_text(errors="replace"):
        time.sleep(0.01)


def _end(parent: int) -> None:
    for child in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
        os.kill(int(child), signal.SIGKILL)
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)


STATES: Final[dict[str, Callable[[contextlib.ExitStack], Callable[[], Iterator[None]] | None]]] = {
    "open": _open, "died": _died, "follow": _follow, "bootstrap": _bootstrap,
    "toolbox": _toolbox, "flow": _flow, "process": _process,
}  # fmt: skip


if __name__ == "__main__":
    main()
