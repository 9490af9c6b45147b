# SPDX-License-Identifier: Apache-2.0
"""The door to other programs: argv only, bounded in time, with an environment that we built."""

from __future__ import annotations

import contextlib
import math
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, NamedTuple

from launcher import interrupt
from launcher.errors import HostError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

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
_LOOK: Final = 0.25  # seconds between two looks whether a signal came


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


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of every child: never LD_LIBRARY_PATH, which leads into our bundle."""
    env = {name: os.environ[name] for name in KEPT if name in os.environ}
    path = os.environ.get("PATH", "")
    return {**env, "PATH": f"{path}:{SEARCH_PATH}" if path else SEARCH_PATH, **(extra or {})}


def find_program(name: str) -> str | None:
    """The absolute path of a program of the host, or None."""
    return shutil.which(name, path=environment()["PATH"])


def own_program() -> tuple[str, ...]:
    """How we are run once more, by somebody else or in the background."""
    if getattr(sys, "frozen", False):
        return (sys.executable,)
    return (sys.executable, "-m", "launcher.cli.main")


def run(
    argv: tuple[str, ...],
    *,
    timeout: float,
    stdin: bytes | Iterable[bytes] | None = None,
    env: Mapping[str, str] | None = None,
    check: bool = True,
    directory: Path | None = None,
) -> Completed:
    """Run `argv` for at most `timeout` seconds, in `directory` or the root: where we are is our
    caller's, and may be gone.

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
            cwd=directory or "/",
        )
    except OSError as error:
        message = f"cannot run {argv[0]}: {error.strerror}"
        raise HostError("host.program", message, f"Install {argv[0]}, or name another.") from None
    try:
        completed = _communicate(child, argv, timeout, stdin)
    finally:
        _leave(child)
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
        sink, child.stdin = child.stdin, None  # `communicate` would close it at once
        assert sink is not None  # noqa: S101 - opened as a pipe by run()
        feeder = threading.Thread(target=_feed, args=(child, sink, stdin, failure), daemon=True)
        feeder.start()
    try:
        whole = stdin if isinstance(stdin, bytes) else None
        stdout, stderr = _talk(child, whole, timeout)
        if feeder is not None:
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


def _talk(child: subprocess.Popen[bytes], data: bytes | None, timeout: float) -> Any:
    """Its output; one that a signal to us does not end either is not waited for."""
    until, told = time.monotonic() + timeout, math.inf
    while True:
        left = until - time.monotonic()
        try:
            return child.communicate(data, timeout=max(min(left, _LOOK), 0))
        except subprocess.TimeoutExpired:
            data = None  # it is under way
            if left <= _LOOK and time.monotonic() >= until:
                raise
        if interrupt.pending():
            told = min(told, time.monotonic())
        if time.monotonic() > told + KILL_GRACE:
            interrupt.check()


def _feed(
    child: subprocess.Popen[bytes],
    sink: IO[bytes],
    chunks: Iterable[bytes],
    failure: list[BaseException],
) -> None:
    """Write chunks until they end; a source that fails must not look like an end of input."""
    try:
        for chunk in chunks:
            sink.write(chunk)
    except BrokenPipeError:
        pass  # the child ended early; its status and stderr tell why
    except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
        failure.append(error)
        child.kill()
    finally:
        with contextlib.suppress(OSError):
            sink.close()


def _end(child: subprocess.Popen[bytes]) -> None:
    child.terminate()
    try:
        child.wait(KILL_GRACE)
    except subprocess.TimeoutExpired:
        child.kill()


def _leave(child: subprocess.Popen[bytes]) -> None:
    """Close our ends; one that hangs in the kernel is left to whoever reaps orphans."""
    for stream in (child.stdin, child.stdout, child.stderr):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(KILL_GRACE)
