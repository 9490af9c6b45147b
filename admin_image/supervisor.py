# SPDX-License-Identifier: Apache-2.0
"""Open the door, keep it, close it: one loop over signals, mounts and children."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from admin_image import (
    account,
    hostkey,
    keys_command,
    log,
    memory,
    motd,
    places,
    ports,
    processes,
    sshd,
    uid_watch,
)
from admin_image.errors import DoorError
from admin_image.files import read_text, write_atomically
from admin_image.hostsh import PID_FILE
from admin_image.spec import (
    HOST,
    HOST_KEY_FILES,
    KEYS_FILE,
    PHASE_FILE,
    REVOKED_FILE,
    RUN,
    SPEC_FILE,
    DoorSpec,
    Phase,
)
from hostview import kernel, mountinfo, seal

if TYPE_CHECKING:
    from collections.abc import Callable

# sshd needs some 20 ms to listen; under emulation and load a hundred times that.
LISTEN_LIMIT = 20.0
LISTEN_INTERVAL = 0.005
_ENDING = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP})


def main() -> int:
    """Serve until told to stop; the exit status of the container."""
    supervisor = Supervisor()
    try:
        return supervisor.run()
    except DoorError as error:
        return supervisor.fail(error.code, error.message)
    except Exception as error:  # noqa: BLE001 - whatever it is, the launcher must hear of it
        return supervisor.fail("door.internal", f"{type(error).__name__}: {error}")
    finally:
        processes.end_all()
        supervisor.end_sessions()
        supervisor.end_log()
        processes.end_shim_at_shutdown()


class Supervisor:
    """The container's first process."""

    def __init__(self) -> None:
        self._warnings: list[str] = []
        self._sshd: subprocess.Popen[bytes] | None = None
        self._memory: memory.Memory | None = None
        self._log = log.Pipe()
        self._ending = False
        self._uid_watch = uid_watch.Watch()
        self._wake, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        for number in (*_ENDING, signal.SIGCHLD):
            # The byte in the pipe is what counts; a handler must exist for it to be written.
            signal.signal(number, lambda *_: None)

    def run(self) -> int:
        # What sessions leave behind becomes a child of ours, and ends with the door.
        kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)
        self._phase("preparing")
        write_atomically(PID_FILE, f"{os.getpid()}\n")
        # From here on: a mount that appears while we seal must wake the loop afterwards.
        with Path(mountinfo.FILE).open("rb") as table:
            self._prepare()
            if not self._ending:
                self._phase("open")
                self._watch(table.fileno())
        return self._outcome()

    def end_sessions(self) -> None:
        """End what is in a session without having come from us, and give the memory back."""
        if self._memory:
            self._memory.close()

    def end_log(self) -> None:
        """Keep what sshd and its sessions said last."""
        self._log.copy()

    def fail(self, code: str, message: str) -> int:
        log.line(f"{code}: {message}")
        try:
            self._phase("failed", code=code, message=message)
        except OSError as error:
            log.line(f"cannot write {PHASE_FILE}: {error}")
        return 1

    def _prepare(self) -> None:
        spec = _spec()
        _require_readable_keys()
        ports.require_free(spec.listen, spec.port)
        self._memory, undivided = memory.divided()
        self._warn(*undivided)
        self._seal()
        self._warn(*_weakness(), *places.link_all())
        account.make(spec, journal_gid=places.journal_gid())
        self._uid_watch.uid = spec.uid
        self._warn(*keys_command.check(spec))
        motd.write(())
        Path(REVOKED_FILE).touch(mode=0o644)  # without it sshd takes every key for a revoked one
        for kind in sshd.offered(spec).host_keys:
            self._warn(*hostkey.ensure(kind, HOST_KEY_FILES[kind]))
        Path("/run/sshd").mkdir(mode=0o755, parents=True, exist_ok=True)
        write_atomically(sshd.CONFIG_FILE, sshd.config(spec))
        sshd.check()
        self._sshd = _start_sshd(self._log.writer)
        self._wait_for_listening(spec, self._sshd)

    def _wait_for_listening(self, spec: DoorSpec, child: subprocess.Popen[bytes]) -> None:
        end = time.monotonic() + LISTEN_LIMIT
        while not ports.inodes(spec.port) & ports.sockets_of(child.pid):
            self._drain()
            self._log.copy()
            if self._ending:
                return
            if child.poll() is not None:
                # The port was free a moment ago; sshd's own words are in the log.
                raise DoorError(
                    "door.sshd-died", f"sshd ended with {child.returncode} at its start"
                )
            if time.monotonic() > end:
                raise DoorError(
                    "door.sshd-died", f"sshd did not listen within {LISTEN_LIMIT:.0f} s"
                )
            time.sleep(LISTEN_INTERVAL)

    def _watch(self, table: int) -> None:
        poll = select.poll()
        poll.register(self._wake, select.POLLIN)
        poll.register(table, select.POLLPRI | select.POLLERR)
        poll.register(self._log.reader, select.POLLIN)
        while not self._ending and self._sshd and self._sshd.poll() is None:
            events = dict(poll.poll(self._pause()))
            if self._wake in events:
                self._drain()
                processes.reap(besides=self._sshd.pid)
            self._log.copy()
            self._look_at_memory()
            if table in events:
                self._seal_new()
            if news := self._uid_watch.look():
                self._warn(*news)
                self._phase("open")

    def _pause(self) -> float | None:
        """Milliseconds until the next look, however quiet it is; None when nobody is inside."""
        if self._memory and self._memory.busy:
            return memory.PAUSE * 1000
        return uid_watch.PAUSE * 1000 if self._somebody_inside() else None

    def _somebody_inside(self) -> bool:
        pid = self._sshd.pid if self._sshd else 0
        return bool(read_text(f"/proc/{pid}/task/{pid}/children"))

    def _look_at_memory(self) -> None:
        if not self._memory:
            return
        before = self._memory.notes()
        # A host whose memory, and /run with it, is full must not lose its door.
        with contextlib.suppress(OSError):
            for message in self._memory.look():
                log.line(f"warning: {message}")
            if (notes := self._memory.notes()) != before:
                self._phase("open")
                motd.write(notes)

    def _seal(self) -> None:
        try:
            sealed = seal.seal(HOST)
        except (OSError, ValueError) as error:
            raise DoorError("door.seal-failed", f"cannot seal {HOST}: {error}") from error
        self._warn(*(f"{point} could not be sealed and was taken out" for point in sealed.detached))

    def _seal_new(self) -> None:
        try:
            # Sealing is itself a change of mounts: without this look the loop would never rest.
            if not (new := seal.writable(HOST)):
                return
            self._seal()
            log.line(f"sealed what was mounted meanwhile: {', '.join(new)}")
        except (DoorError, OSError, ValueError) as error:
            # The people inside would lose more by a closed door than by this.
            self._warn(str(error))
            self._phase("open")

    def _outcome(self) -> int:
        self._log.copy()  # before the launcher hears of it, and reads there why
        if self._ending or self._sshd is None:
            log.line("told to stop")
            return 0
        return self.fail("door.sshd-died", f"sshd ended by itself with {self._sshd.returncode}")

    def _drain(self) -> None:
        try:
            self._ending |= bool(_ENDING & set(os.read(self._wake, 4096)))
        except BlockingIOError:
            return

    def _warn(self, *messages: str) -> None:
        for message in messages:
            log.line(f"warning: {message}")
        self._warnings += [message for message in messages if message not in self._warnings]

    def _phase(self, phase: str, *, code: str = "", message: str = "") -> None:
        notes = self._memory.notes() if self._memory else ()
        value = Phase(phase, os.getpid(), code, message, (*self._warnings, *notes))
        write_atomically(PHASE_FILE, value.to_json() + "\n")


def _spec() -> DoorSpec:
    try:
        return DoorSpec.from_json(Path(SPEC_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError) as error:
        raise DoorError("door.spec", f"cannot use {SPEC_FILE}: {error}") from error


def _require_readable_keys() -> None:
    """Sshd reads them as the user: closed to that one, the door would open for nobody."""
    for path, bit in ((RUN, 0o001), (KEYS_FILE, 0o004)):
        if Path(path).exists() and not Path(path).stat().st_mode & bit:
            raise DoorError(
                "door.spec", f"{path} is closed to the user as whom sshd reads the keys"
            )


def _weakness() -> list[str]:
    if "NoNewPrivs:\t1" in read_text("/proc/self/status"):
        return ["the container runs with no_new_privs: sudo, and hostsh with it, will be refused"]
    return []


def _start_sshd(output: int) -> subprocess.Popen[bytes]:
    die_with_us: Callable[[], None] = lambda: kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGTERM)  # noqa: E731
    return subprocess.Popen(
        (sshd.SSHD, "-D", "-e", "-f", sshd.CONFIG_FILE),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        env={"PATH": sshd.PATH, "container": "hatchway"},
        # Without it a supervisor that was killed would leave a door that nobody watches.
        preexec_fn=die_with_us,  # noqa: PLW1509 - no threads here
    )
