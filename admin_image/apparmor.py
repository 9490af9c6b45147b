# SPDX-License-Identifier: Apache-2.0
"""The AppArmor profile of the target, for a command beside it.

It takes effect when the command is executed, and stays for all that comes from it. A profile that
was written for one program may not let ours run at all: so it is tried first, and where nothing
runs under it the command goes without.

SELinux has no such way: under no_new_privs a domain changes to one that the policy names for that
alone, and no domain of containers may use the terminal and the files of a toolbox.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from admin_image import fork, program
from admin_image.errors import JoinError

if TYPE_CHECKING:
    from admin_image.subject import Subject

_CURRENT, _NEXT = "attr/apparmor/current", "attr/apparmor/exec"


def of(subject: Subject) -> str:
    """The profile that confines the target, or nothing."""
    try:
        return parse(os.fsdecode(subject.read(_CURRENT)))
    except (OSError, JoinError):  # the kernel has no AppArmor, or did not start it
        return ""


def parse(text: str) -> str:
    """`docker-default (enforce)` is the profile's name and its mode."""
    name, _, mode = text.strip("\0\n").rpartition(" ")
    return name if mode in ("(enforce)", "(kill)", "(prompt)") else ""


def adopt(subject: Subject, profile: str, trial: list[str]) -> None:
    """Take the profile from the next exec on; where `trial` cannot be run under it, say so."""

    def run() -> int:
        _write(subject, f"exec {profile}")
        os.execve(trial[0], trial, {})  # noqa: S606 - it is the point

    if fork.succeeded(fork.fork(run)):
        _write(subject, f"exec {profile}")
    else:
        program.say(f"our tools do not run under {profile}, the target's profile: without it")


def _write(subject: Subject, text: str) -> None:
    descriptor = os.open(f"self/{_NEXT}", os.O_WRONLY | os.O_CLOEXEC, dir_fd=subject.proc)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)
