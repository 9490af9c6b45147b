# SPDX-License-Identifier: Apache-2.0
"""A client of the QEMU guest agent, which plays the cloud assistant: argv in, no tty, no shell."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import json
import os
import random
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

# Between answers of the agent to "is it done?": each question costs the emulated host some work.
_FIRST_POLL, _LONGEST_POLL = 0.02, 0.25
# For one request and its answer. An emulated host on a busy machine is slow to wake.
_CALL_TIMEOUT = 120.0
# A process with a short limit does not wait so long for an agent that is going down: only this.
_LEAST_PATIENCE = 10.0
_KILL_TIMEOUT = 30.0


class AgentError(Exception):
    """The agent refused a request."""


class AgentSilentError(TimeoutError):
    """The agent did not answer in time: it is not up yet, or the host hangs."""


class ExecTimeoutError(TimeoutError):
    """A process on the host ran past its limit; it has been killed."""


@dataclasses.dataclass(frozen=True, slots=True)
class Completed:
    """A process that ended; as with `subprocess`, a negative status is the signal that ended it."""

    status: int
    stdout: bytes
    stderr: bytes


class Agent:
    """One connection to the agent, opened when first used and again after any failure.

    Threads may share it: requests go one after the other, processes on the host run side by side.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._connection: socket.socket | None = None
        self._pending = b""

    def close(self) -> None:
        with self._lock:
            self._disconnect()

    def ping(self, timeout: float) -> None:
        self.call("guest-ping", timeout=timeout)

    def exec(
        self,
        argv: Sequence[str],
        *,
        input: bytes | None = None,  # noqa: A002 - as `subprocess` calls it
        env: Mapping[str, str] | None = None,
        timeout: float,
    ) -> Completed:
        """Run a process on the host and wait until it has ended and closed its outputs.

        Raises:
            FileNotFoundError: there is no such program on the host's PATH.
            PermissionError: the host may not run it, for instance from a noexec mount.
            ExecTimeoutError: it ran past `timeout` and was killed.

        """
        deadline = time.monotonic() + timeout
        patience = min(_CALL_TIMEOUT, max(timeout + 1, _LEAST_PATIENCE))
        pid = self.start(argv, input=input, env=env, timeout=patience)
        pause = _FIRST_POLL
        while not (state := self.call("guest-exec-status", {"pid": pid}, timeout=patience))[
            "exited"
        ]:
            if time.monotonic() > deadline:
                self._kill(pid)
                message = f"{argv[0]} did not end within {timeout:g} s on the host"
                raise ExecTimeoutError(message)
            time.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_POLL)
        if state.get("out-truncated") or state.get("err-truncated"):
            raise AgentError(f"{argv[0]} wrote more than the agent passes on (16 MiB)")
        status = -state["signal"] if "signal" in state else state["exitcode"]
        return Completed(status, _decoded(state, "out-data"), _decoded(state, "err-data"))

    def start(
        self,
        argv: Sequence[str],
        *,
        input: bytes | None = None,  # noqa: A002 - as `subprocess` calls it
        env: Mapping[str, str] | None = None,
        timeout: float = _CALL_TIMEOUT,
    ) -> int:
        """Start a process on the host and leave it alone; returns its pid there."""
        request: dict[str, Any] = {"path": argv[0], "arg": list(argv[1:]), "capture-output": True}
        if input is not None:
            request["input-data"] = base64.b64encode(input).decode()
        if env is not None:
            request["env"] = [f"{name}={value}" for name, value in env.items()]
        try:
            return int(self.call("guest-exec", request, timeout=timeout)["pid"])
        except AgentError as error:
            words = str(error)
            if "No such file or directory" in words:
                raise FileNotFoundError(words) from error
            if "Permission denied" in words:
                raise PermissionError(words) from error
            raise

    def call(
        self,
        command: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        timeout: float = _CALL_TIMEOUT,
    ) -> Any:
        """Send one request and return its answer."""
        deadline = time.monotonic() + timeout
        with self._lock:
            try:
                if self._connection is None:
                    self._connect(deadline)
                self._send({"execute": command, "arguments": arguments or {}}, deadline)
                answer = self._receive(deadline)
            except OSError as error:
                # The answer may still come; on a new connection the sync tells old from new.
                self._disconnect()
                if isinstance(error, AgentSilentError):
                    raise
                raise AgentSilentError(f"the guest agent is out of reach: {error}") from error
        if "error" in answer:
            raise AgentError(answer["error"].get("desc", str(answer["error"])))
        return answer["return"]

    def _kill(self, pid: int) -> None:
        with contextlib.suppress(AgentError, AgentSilentError):
            deadline = time.monotonic() + _KILL_TIMEOUT
            self.start(["kill", "-KILL", str(pid)], timeout=_KILL_TIMEOUT)
            # The kill is a process as well, and takes its time. That it has ended is said once:
            # then the agent forgets it. What it started may hold its outputs open.
            while not self.call("guest-exec-status", {"pid": pid}, timeout=_KILL_TIMEOUT)["exited"]:
                if time.monotonic() > deadline:
                    return
                time.sleep(_LONGEST_POLL)

    def _connect(self, deadline: float) -> None:
        self._connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._limit(deadline)
        self._connection.connect(os.fspath(self._path))
        self._pending = b""
        token = random.getrandbits(31)
        # 0xFF ends whatever half a request the agent may still hold, and marks its answer.
        self._connection.sendall(b"\xff")
        self._send({"execute": "guest-sync-delimited", "arguments": {"id": token}}, deadline)
        while True:
            line = self._line(deadline)
            if b"\xff" not in line:
                continue
            with contextlib.suppress(ValueError):
                if json.loads(line.rpartition(b"\xff")[2]).get("return") == token:
                    return

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _send(self, request: Mapping[str, Any], deadline: float) -> None:
        self._limit(deadline).sendall(json.dumps(request).encode() + b"\n")

    def _receive(self, deadline: float) -> dict[str, Any]:
        answer = json.loads(self._line(deadline))
        assert isinstance(answer, dict)
        return answer

    def _line(self, deadline: float) -> bytes:
        while b"\n" not in self._pending:
            try:
                data = self._limit(deadline).recv(1 << 16)
            except TimeoutError:
                raise AgentSilentError("the guest agent did not answer in time") from None
            if not data:
                raise ConnectionResetError("QEMU closed the connection")
            self._pending += data
        line, _, self._pending = self._pending.partition(b"\n")
        return line

    def _limit(self, deadline: float) -> socket.socket:
        assert self._connection is not None
        self._connection.settimeout(max(deadline - time.monotonic(), 0.001))
        return self._connection


def _decoded(state: Mapping[str, Any], key: str) -> bytes:
    return base64.b64decode(state.get(key, ""))
