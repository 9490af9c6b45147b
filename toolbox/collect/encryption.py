# SPDX-License-Identifier: Apache-2.0
"""age: the bundle is for whoever holds a key, and for nobody on the way."""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from launcher.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence


class Writer(Protocol):
    def write(self, data: bytes) -> int: ...


def recipients(texts: Sequence[str]) -> list[Any]:
    """Public keys of age or SSH, themselves or files of them; `UsageError` names a wrong one."""
    found = [_recipient(line) for text in texts for line in _lines(text)]
    if texts and not found:
        raise UsageError("usage.invalid", "--encrypt-to: there is no key in what was given")
    return found


def _lines(text: str) -> list[str]:
    if text.startswith(("age1", "ssh-")):
        return [text]
    try:
        lines = Path(text).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        hint = "Give age1..., ssh-ed25519 ..., ssh-rsa ..., or a file with such lines."
        message = f"--encrypt-to: {text[:40]!r} is neither a public key nor a readable file"
        raise UsageError("usage.invalid", message, hint) from None
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def _recipient(line: str) -> Any:
    import pyrage

    if line.startswith("AGE-SECRET-KEY-") or "PRIVATE KEY" in line:
        message = "--encrypt-to: that is a private key; give the public one"
        raise UsageError("usage.invalid", message, "age-keygen -y FILE prints it.")
    try:
        if line.startswith("ssh-"):
            return pyrage.ssh.Recipient.from_str(line)
        return pyrage.x25519.Recipient.from_str(line)
    except pyrage.RecipientError as error:
        message = f"--encrypt-to: {line[:24]}...: {error}"
        raise UsageError("usage.invalid", message) from None


class Encrypted:
    """A writer whose bytes reach `sink` encrypted, through a pipe and a thread."""

    def __init__(self, sink: Writer, keys: list[Any]) -> None:
        read, write = os.pipe()
        self._reader = os.fdopen(read, "rb")
        self._writer = os.fdopen(write, "wb", buffering=1 << 16)
        self._failure: BaseException | None = None
        self._sink = sink
        self._keys = keys
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def write(self, data: bytes) -> int:
        try:
            return self._writer.write(data)
        except BrokenPipeError:
            self._thread.join()
            raise self._failure or BrokenPipeError from None

    def close(self) -> None:
        """Write what is left; raises what went wrong on the way."""
        with contextlib.suppress(BrokenPipeError):  # the thread says why
            self._writer.close()
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        import pyrage

        with self._reader:
            try:
                pyrage.encrypt_io(self._reader, _Careful(self), self._keys)
            except BaseException as error:  # noqa: BLE001 - raised again where somebody waits
                self._failure = self._failure or error

    def _pass_on(self, data: bytes) -> int:
        try:
            return self._sink.write(data)
        except BaseException as error:
            self._failure = error  # the library would hide it behind words of its own
            raise


class _Careful:
    """What the library writes to."""

    def __init__(self, owner: Encrypted) -> None:
        self._owner = owner

    def write(self, data: bytes) -> int:
        return self._owner._pass_on(bytes(data))  # noqa: SLF001 - one class in two halves

    def flush(self) -> None: ...
