# SPDX-License-Identifier: Apache-2.0
"""Every error that a user can meet.

    HatchwayError                 something failed, with a code, a sentence and a hint
    ├── UsageError                the command line is wrong                       exit 64
    ├── SettingsError             settings, user data or keys are wrong           exit 64
    ├── HostError                 the host lacks something, or holds it back      exit 1
    ├── RuntimeUnavailableError   no container runtime answers                    exit 1
    ├── ImageError                the image cannot be had or trusted              exit 1
    ├── ContainerError            the container does not start, run or stop       exit 1
    ├── DoorError                 the container runs, but nobody could log in     exit 1
    └── TargetError               the container to be looked into cannot be       exit 1

`CODES` is the documented table: a code that is not in it cannot be raised, and
docs/exit-codes.md is tested against it.
"""

from __future__ import annotations

import enum
from typing import Any, ClassVar, Final


class Exit(enum.IntEnum):
    """Exit statuses of the command itself; `exec` and `shell` pass on those of what they ran."""

    DONE = 0
    FAILED = 1
    DEGRADED = 2
    USAGE = 64
    OURS = 125
    CANNOT_INVOKE = 126
    NOT_FOUND = 127
    INTERRUPTED = 130
    TERMINATED = 143


CODES: Final[dict[str, str]] = {
    "usage.invalid": "The command line is wrong.",
    "settings.invalid": "A settings file, an environment variable or user data is wrong.",
    "settings.unreadable": "A file named by the user cannot be read.",
    "keys.none": "There is no usable key, so nobody could log in.",
    "keys.private": "A private key was given where a public one belongs.",
    "host.not-root": "The launcher needs root.",
    "host.capability": "The caller lacks a capability that the door cannot do without.",
    "host.disk-full": "A file system of the host is full.",
    "host.read-only": "A directory that the launcher needs is not writable.",
    "host.unsafe-path": "A directory of the launcher is a link, or writable by others.",
    "host.busy": "Another launcher holds the lock for longer than the time limit.",
    "host.timeout": "A program of the host did not end in time.",
    "host.program": "A program of the host failed or is missing.",
    "host.metadata": "The source of user data does not answer, or refuses.",
    "runtime.none": "No container runtime was found running.",
    "runtime.down": "The container runtime does not answer.",
    "runtime.failed": "The container runtime refused or failed.",
    "runtime.rootless": "The container runtime is not root on this host.",
    "runtime.user-namespace": "The container runtime gives containers other users than the host's.",
    "runtime.timeout": "The container runtime did not answer in time.",
    "image.reference": "The image reference is malformed.",
    "image.missing": "The image is not on this host, and pulling was ruled out.",
    "image.not-found": "The registry has no such image.",
    "image.unauthorized": "The registry wants other credentials (401).",
    "image.forbidden": "The registry refuses these credentials (403).",
    "image.dns": "The registry's name does not resolve.",
    "image.tcp": "The registry does not accept connections.",
    "image.tls": "The registry's certificate is not trusted, or it speaks no TLS.",
    "image.timeout": "The registry did not answer in time.",
    "image.registry": "The registry failed (5xx, 429, or nonsense).",
    "image.truncated": "The registry closed the connection in the middle.",
    "image.digest": "What came is not what its digest says.",
    "image.contract": "The image is no admin image, or one for another launcher.",
    "image.platform": "The image has nothing for this machine's architecture.",
    "image.archive": "The image archive cannot be read.",
    "image.reserved": "An archive's own name may not replace this image.",
    "container.died": "The container ended before the door was open.",
    "container.stuck": "The container could not be removed.",
    "container.not-running": "There is no open door.",
    "door.port-busy": "Another program listens on the port.",
    "door.address": "The listen address is none of this host's.",
    "door.uid-taken": "The number of the door's account is somebody else's on this host.",
    "door.timeout": "The door was not proven open in time.",
    "door.host-key": "Something else answers on the port: the host key is not the expected one.",
    "door.not-key-only": "The SSH server offers more than public keys.",
    "door.keys-command": "The image cannot run the program that is to name the keys.",
    "door.keys-refused": "The SSH server would accept none of the keys.",
    "door.handshake": "What answers on the port did not complete an SSH handshake.",
    "door.seal-failed": "The view of the host could not be made read-only.",
    "door.sshd-config": "sshd refuses its configuration.",
    "door.spec": "The container could not read what the launcher wrote for it.",
    "door.sshd-died": "sshd ended by itself, or did not listen.",
    "door.internal": "A defect of the admin image itself.",
    "door.interrupted": "An earlier start was cut off.",
    "door.inside": "The command runs inside the door, and would end itself.",
    "toolbox.no-shell": "The image has no shell that could be entered.",
    "toolbox.no-sleep": "The image cannot be kept running: it has no `sleep`.",
    "toolbox.not-found": "There is no toolbox of that name, and no work of that id.",
    "toolbox.exists": "There is a toolbox of that name, made of something else.",
    "toolbox.busy": "Somebody is in the toolbox.",
    "toolbox.stuck": "Detached work did not end.",
    "toolbox.lost": "The work ended without leaving its status.",
    "target.not-found": "There is no such target.",
    "target.ambiguous": "The target's name fits several containers.",
    "target.not-running": "The target does not run.",
    "target.gone": "The target ended, or its number is another process's by now.",
    "target.no-place": "The target has that name for the tools.",
    "target.kernel": "The kernel does not copy the target's mounts.",
    "target.user": "The target's user namespace knows no such user.",
    "target.failed": "The target could not be joined.",
    "interrupted": "A signal ended the command; what it had begun was cleaned up.",
    "internal": "A defect of Hatchway itself.",
}


class HatchwayError(Exception):
    """Something failed: `code` for machines, `message` what, `hint` what to do about it."""

    exit: ClassVar[Exit] = Exit.FAILED

    def __init__(self, code: str, message: str, hint: str = "", **details: Any) -> None:
        if code not in CODES:
            raise KeyError(code)
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
        self.details = details

    def __reduce__(self) -> tuple[Any, ...]:
        """An error of a child's reaches its parent (`apart`)."""
        return type(self), (self.code, self.message, self.hint), {"details": self.details}

    def as_json(self) -> dict[str, Any]:
        """The documented JSON form: `{"error": {code, message, hint, details}}`."""
        return {
            "error": {
                "code": self.code,
                "message": self.message,
                "hint": self.hint,
                "details": self.details,
            },
        }


class UsageError(HatchwayError):
    exit = Exit.USAGE


class SettingsError(HatchwayError):
    exit = Exit.USAGE


class HostError(HatchwayError):
    pass


class RuntimeUnavailableError(HatchwayError):
    pass


class ImageError(HatchwayError):
    pass


class ContainerError(HatchwayError):
    pass


class DoorError(HatchwayError):
    pass


class TargetError(HatchwayError):
    pass
