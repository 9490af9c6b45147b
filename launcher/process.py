# SPDX-License-Identifier: Apache-2.0
"""The one door to other programs: argv only, bounded in time, with an environment that we built."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from launcher import interrupt, proc
from launcher.errors import HostError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

# On hosts without a login environment PATH may be empty, and /opt may hold the engine.
SEARCH_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/bin"
# What engines read of the caller's environment; everything else stays with us.
KEPT: Final = (
    "HOME",
    "LANG",
    "TMPDIR",
    "XDG_RUNTIME_DIR",
    "DOCKER_HOST",
    "DOCKER_CONFIG",
    "DOCKER_CONTEXT",
    "CONTAINERS_CONF",
    "CONTAINERS_STORAGE_CONF",
    "CONTAINERD_ADDRESS",
    "CONTAINERD_NAMESPACE",
)
KILL_GRACE: Final = 2.0


class Completed(NamedTuple):
    """A program that has ended: its output, and `status` as a shell gives it (128+N by signal)."""

    status: int
    stdout: bytes
    stderr: bytes

    def text(self) -> str:
        return self.stdout.decode("utf-8", "replace")

    def complaint(self) -> str:
        """The last line of stderr, where programs say why they failed."""
        lines = self.stderr.decode("utf-8", "replace").strip().splitlines()
        return lines[-1].strip() if lines else f"exit status {self.status}"


class Poured(NamedTuple):
    """How a program ended whose output was handed on: `ended` is empty where it did by itself."""

    status: int
    ended: Literal["", "timeout", "endless"]


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of every child: never LD_LIBRARY_PATH, which leads into our bundle."""
    env = {name: os.environ[name] for name in KEPT if name in os.environ}
    path = os.environ.get("PATH", "")
    return {**env, "PATH": f"{path}:{SEARCH_PATH}" if path else SEARCH_PATH, **(extra or {})}


def find_program(name: str) -> str | None:
    """The absolute path of a program of the host, or None."""
    return shutil.which(name, path=environment()["PATH"])


def run(
    argv: tuple[str, ...],
    *,
    timeout: float,
    stdin: bytes | Iterable[bytes] | None = None,
    env: Mapping[str, str] | None = None,
    check: bool = True,
) -> Completed:
    """Run `argv` for at most `timeout` seconds.

    `stdin` is data or chunks of it, otherwise nothing. Raises `HostError` when the program is
    missing, does not end in time, or (with `check`) fails.
    """
    try:
        child = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(env),
        )
    except OSError as error:
        message = f"cannot run {argv[0]}: {error.strerror}"
        raise HostError("host.program", message, f"Install {argv[0]}, or name another.") from None
    with child:
        completed = _communicate(child, argv, timeout, stdin)
    interrupt.check()
    if check and completed.status != 0:
        message = f"{argv[0]} failed with status {completed.status}: {completed.complaint()}"
        raise HostError("host.program", message)
    return completed


def _communicate(
    child: subprocess.Popen[bytes],
    argv: tuple[str, ...],
    timeout: float,
    stdin: bytes | Iterable[bytes] | None,
) -> Completed:
    feeder = None
    failure: list[BaseException] = []
    if stdin is not None and not isinstance(stdin, bytes):
        feeder = threading.Thread(target=_feed, args=(child, stdin, failure), daemon=True)
        feeder.start()
    try:
        if feeder is None:
            stdout, stderr = child.communicate(
                stdin if isinstance(stdin, bytes) else None, timeout=timeout
            )
        else:
            stdout, stderr = _collect(child, timeout)
            feeder.join(KILL_GRACE)
    except BaseException as error:
        _end(child)
        if isinstance(error, subprocess.TimeoutExpired):
            message = f"{Path(argv[0]).name} did not end within {timeout:.0f} s"
            raise HostError("host.timeout", message) from None
        raise
    if failure:
        raise failure[0]
    status = child.returncode if child.returncode >= 0 else 128 - child.returncode
    return Completed(status, stdout, stderr)


def _collect(child: subprocess.Popen[bytes], timeout: float) -> tuple[bytes, bytes]:
    """`communicate` for a child whose stdin another thread feeds."""
    outputs: dict[str, bytes] = {}

    def drain(name: str) -> None:
        stream = getattr(child, name)
        outputs[name] = stream.read()

    readers = [threading.Thread(target=drain, args=(n,), daemon=True) for n in ("stdout", "stderr")]
    for reader in readers:
        reader.start()
    child.wait(timeout)
    for reader in readers:
        reader.join()
    return outputs["stdout"], outputs["stderr"]


def _feed(
    child: subprocess.Popen[bytes], chunks: Iterable[bytes], failure: list[BaseException]
) -> None:
    """Write chunks until they end; a source that fails must not look like an end of input."""
    assert child.stdin is not None  # noqa: S101 - opened as a pipe by run()
    try:
        for chunk in chunks:
            child.stdin.write(chunk)
    except BrokenPipeError:
        pass  # the child ended early; its status and stderr tell why
    except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
        failure.append(error)
        child.kill()
    finally:
        with contextlib.suppress(OSError):
            child.stdin.close()


def _end(child: subprocess.Popen[bytes]) -> None:
    child.terminate()
    try:
        child.wait(KILL_GRACE)
    except subprocess.TimeoutExpired:
        child.kill()


def pour(
    argv: tuple[str, ...],
    *,
    into: Callable[[bytes], object],
    timeout: float,
    most: int,
    env: Mapping[str, str] | None = None,
) -> Poured:
    """Run `argv`, and hand on what it prints, errors too, as it comes.

    It is ended, with all that it started, after `timeout` seconds or `most` bytes. Raises
    `HostError` when the program is missing.
    """
    try:
        child = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment(env),
            start_new_session=True,  # a group of its own, that can be ended as one
        )
    except OSError as error:
        message = f"cannot run {argv[0]}: {error.strerror}"
        raise HostError("host.program", message) from None
    try:
        ended = _drain(child, into, time.monotonic() + timeout, most)
    finally:
        _end_group(child)
    interrupt.check()
    status = child.returncode if child.returncode >= 0 else 128 - child.returncode
    return Poured(status, ended)


def _drain(
    child: subprocess.Popen[bytes], into: Callable[[bytes], object], end: float, most: int
) -> Literal["", "timeout", "endless"]:
    """Hand on output until it ends, or a limit is met; a descendant may keep it open for ever."""
    import select

    assert child.stdout is not None  # noqa: S101 - opened as a pipe
    fd = child.stdout.fileno()
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    taken, idle_since_exit = 0, False
    while time.monotonic() < end:
        interrupt.check()
        if not poll.poll(100):
            if idle_since_exit:
                return ""
            idle_since_exit = _has_exited(child)
            continue
        chunk = os.read(fd, 1 << 16)
        if not chunk:
            return _await_exit(child, end)
        into(chunk)
        taken += len(chunk)
        if taken >= most:
            return "endless"
    return "timeout"


def _await_exit(child: subprocess.Popen[bytes], end: float) -> Literal["", "timeout"]:
    """Its output is closed: it should have ended, but may live on silently."""
    while not _has_exited(child):
        if time.monotonic() >= end:
            return "timeout"
        interrupt.check()
        time.sleep(0.005)
    return ""


def _has_exited(child: subprocess.Popen[bytes]) -> bool:
    """Whether it ended; it stays a zombie, so that the number of its group remains its own."""
    flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
    return os.waitid(os.P_PID, child.pid, flags) is not None


def _end_group(child: subprocess.Popen[bytes]) -> None:
    """End what is left of it: asked first, then told."""
    if not _has_exited(child):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGTERM)
        until = time.monotonic() + KILL_GRACE
        while not _has_exited(child) and time.monotonic() < until:
            time.sleep(0.02)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    if child.stdout is not None:
        child.stdout.close()


@contextlib.contextmanager
def bounded_environment() -> Iterator[None]:
    """Let a library that hands on our own environment hand on only what `environment` gives."""
    before = dict(os.environ)
    built = environment()
    os.environ.clear()
    os.environ.update(built)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextlib.contextmanager
def deadline(seconds: float, what: str) -> Iterator[None]:
    """Bound a call into a library that runs programs but knows no time limit.

    At the deadline our children are ended, so that the library's wait returns; whatever it then
    raises becomes the time-out that it was.
    """
    expired = threading.Event()
    before = proc.children()

    def expire() -> None:
        expired.set()
        # These and no later ones: when the second signal goes out, others may have been started.
        overdue = [proc.Process.of(pid) for pid in proc.children() - before]
        for number in (signal.SIGTERM, signal.SIGKILL):
            for process in overdue:
                if process is not None and process.alive():
                    os.kill(process.pid, number)
            time.sleep(KILL_GRACE if number == signal.SIGTERM else 0)

    timer = threading.Timer(seconds, expire)
    timer.daemon = True
    timer.start()
    try:
        yield
    except Exception:
        interrupt.check()
        if expired.is_set():
            raise HostError("host.timeout", f"{what} did not end within {seconds:.0f} s") from None
        raise
    finally:
        timer.cancel()
