# SPDX-License-Identifier: Apache-2.0
"""What docker, podman and nerdctl complain of, told from the words of their clients."""

from __future__ import annotations

from typing import Final

from launcher.errors import ContainerError, HostError, ImageError, RuntimeUnavailableError

_DOWN_WORDS: Final = (
    "cannot connect to the docker daemon",
    "is the docker daemon running",
    "connection refused",
    "no such file or directory: dial",
)
_NONE_WORDS: Final = (
    "no such image", "image not known", "no such container", "no such object",
    "no container with name",
)  # fmt: skip
_FULL_WORDS: Final = ("no space left on device", "disk quota exceeded")

Kind = type[ContainerError | ImageError]


def is_absence(said: str) -> bool:
    """Whether it only says that there is no such image or container."""
    return _has(said, _NONE_WORDS)


def explain(engine: str, what: str, said: str, kind: Kind, code: str) -> Exception:
    """The error behind what the client `said` when it was asked to do `what`."""
    line = _telling(said)
    if _has(said, _DOWN_WORDS):
        hint = f"Start it, or choose another with --runtime. ({line})"
        return RuntimeUnavailableError("runtime.down", f"{engine} does not answer", hint)
    if _has(said, _FULL_WORDS):
        hint = f"Free space where {engine} keeps its data."
        return HostError("host.disk-full", f"no space left: {line}", hint)
    return kind(code, f"{engine} could not {what}: {line}")


def nonsense(engine: str, what: str, error: ValueError, kind: Kind, code: str) -> Exception:
    """No JSON, or none that is understood."""
    message = f"{engine}, asked to {what}, gave an answer that makes no sense"
    return kind(code, message, f"Is it really {engine}?", said=str(error)[:200])


def late(engine: str, what: str, error: HostError) -> Exception:
    """An engine that hangs is its own kind of trouble."""
    return too_late(engine, what) if error.code == "host.timeout" else error


def too_late(engine: str, what: str) -> Exception:
    """It did not answer by the time by which all was to be done."""
    hint = f"Look whether {engine} works at all: {engine} ps"
    message = f"{engine}, asked to {what}, did not answer in time"
    return RuntimeUnavailableError("runtime.timeout", message, hint)


def _has(said: str, words: tuple[str, ...]) -> bool:
    return any(word in said.lower() for word in words)


def _telling(said: str) -> str:
    """The line that says what is wrong: docker ends with advice instead."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    telling = [line for line in lines if "error" in line.lower()]
    return (telling or lines or ["it gave no reason"])[-1]
