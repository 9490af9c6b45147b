# SPDX-License-Identifier: Apache-2.0
# pathlib would double the time that this takes to start.
# ruff: noqa: PTH115, PTH123
"""`hostsh`: a shell, or one command, in the namespaces of the host's PID 1.

The host may have no shell, so that the shell is a static one of this image, executed through
/proc/PID/root of a process that stays in the image's mount namespace: nothing is written to the
host. A command is the host's own, its arguments untouched; the last call is execve, so that
status, terminal and pipes are the command's. For root nobody stands between; before a command of
the account's stands a relay of signals (`sudo_relay`).

Few imports on purpose, and none once the mounts have changed.
"""

from __future__ import annotations

import errno
import os
import sys
from typing import NoReturn

from admin_image import command_log, search, sudo_relay

OURS, USAGE = 125, 64
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/bin"
SELF = "/usr/bin/hostsh"
SHELL = "/usr/bin/bash-static"
RCFILE = "/usr/lib/hatchway/hostrc"
TERMINFO = "/usr/share/terminfo"
# Written by the supervisor, in the image: reading the phase would cost a JSON parser at each start.
PID_FILE = "/run/hatchway.pid"
_KEPT = ("TERM", "COLORTERM", "NO_COLOR", "TZ")

ELSEWHERE = "`hostsh` alone opens a shell that falls back to busybox, and the container has more"
HELP = """\
usage: hostsh [--read-only] [--] [COMMAND [ARGUMENT...]]

Without COMMAND: a shell in all namespaces of the host. What the host lacks, busybox supplies.
With COMMAND: the host's own program, with its exit status (127: the host has none, 126: it
cannot be executed, 125: hostsh itself failed).

  --read-only  in a mount namespace of its own in which every mount is read-only
  -h, --help   show this and end

Options stand before COMMAND; everything from COMMAND on is the command's.
"""


class UsageError(Exception):
    """The command line is not understood."""


def main() -> int:
    try:
        read_only, command, wants_help = parse(sys.argv[1:])
    except UsageError as error:
        return _say(f"{error}; see hostsh --help", USAGE)
    if wants_help:
        sys.stdout.write(HELP)
        return 0
    _restore_signals()
    if os.geteuid():
        return sudo_relay.run([SELF, *sys.argv[1:]])
    command_log.record(
        "hostsh", [*(["--read-only"] if read_only else []), *command] or ["(a shell)"]
    )
    try:
        return enter(command, read_only=read_only)
    except OSError as error:
        return _say(f"cannot enter the host: {error.strerror or error}{_hint(error)}", OURS)


def parse(arguments: list[str]) -> tuple[bool, list[str], bool]:
    """Split into read-only, command, help; the first word that is no option begins the command."""
    read_only = False
    for index, word in enumerate(arguments):
        if word == "--":
            return read_only, arguments[index + 1 :], False
        if not word.startswith("-") or word == "-":
            return read_only, arguments[index:], False
        if word in ("-h", "--help"):
            return read_only, [], True
        if word != "--read-only":
            raise UsageError(f"unknown option {word}")
        read_only = True
    return read_only, [], False


def enter(command: list[str], *, read_only: bool = False, target: int = 1) -> int:
    """Become the command, or the shell, in the namespaces of `target`; returns only on failure."""
    from hostview import kernel

    image = f"/proc/{_stayer(target)}/root"
    if read_only:
        from hostview import seal
    descriptor = os.pidfd_open(target)
    # All at once and atomically; the user namespace is left out, since joining one's own fails.
    kernel.setns(
        descriptor,
        kernel.CLONE_NEWNS | kernel.CLONE_NEWCGROUP | kernel.CLONE_NEWUTS
        | kernel.CLONE_NEWIPC | kernel.CLONE_NEWPID | kernel.CLONE_NEWNET,
    )  # fmt: skip
    os.close(descriptor)
    if read_only:
        kernel.unshare(kernel.CLONE_NEWNS)
        kernel.mount("none", "/", flags=kernel.MS_REC | kernel.MS_PRIVATE)
        seal.seal("/")
    environment = environment_for(dict(os.environ), image)
    if not command:
        _shell(image, environment, read_only=read_only)
    return _execute(command, environment)


def environment_for(ours: dict[str, str], image: str) -> dict[str, str]:
    """Build the environment on the host: nothing of the container's but the terminal's kind."""
    return {
        **{name: ours[name] for name in _KEPT if name in ours},
        "PATH": PATH,
        "HOME": "/root",
        "USER": "root",
        "LOGNAME": "root",
        # A static program knows this locale by itself; another would be looked for on the host.
        "LANG": "C.UTF-8",
        # With SHELL and HOME set, the static shell has no reason to ask the host's NSS modules,
        # which were built for another libc.
        "SHELL": image + SHELL,
        # An empty place means the usual ones: the host's own description of a terminal goes first.
        "TERMINFO_DIRS": f":{image}{TERMINFO}",
    }


def _shell(image: str, environment: dict[str, str], *, read_only: bool) -> NoReturn:
    # Read by shells that are not interactive (piped input); the file removes it at once.
    environment["BASH_ENV"] = image + RCFILE
    if read_only:
        environment["HOSTSH_READ_ONLY"] = "1"
    shell = image + SHELL
    arguments = [shell, "--noprofile", "--rcfile", image + RCFILE]
    os.execve(shell, arguments, environment)  # noqa: S606 - it is the point


def _execute(command: list[str], environment: dict[str, str]) -> int:
    if not command[0]:
        return _say("the name of the command is empty", search.NOT_FOUND)
    met, there = search.become(command, environment)
    if met != errno.ENOENT:
        return _say(f"the host cannot execute {there}: {os.strerror(met)}", search.NOT_EXECUTABLE)
    if there:
        return _say(f"the host lacks the interpreter or loader of {there}", search.NOT_FOUND)
    return _say(f"the host has no {command[0]}; {ELSEWHERE}", search.NOT_FOUND)


def _stayer(target: int) -> int:
    """A process in our mount namespace, and not in the target's, that outlives this one."""
    ours = os.readlink("/proc/self/ns/mnt")
    if os.readlink(f"/proc/{target}/ns/mnt") == ours:
        raise OSError(
            0, "this is the host already, or the container has a pid namespace of its own"
        )
    for pid in (_supervisor(), os.getppid()):
        try:
            if pid and os.readlink(f"/proc/{pid}/ns/mnt") == ours:
                return pid
        except OSError:
            continue
    raise OSError(0, "no process of the container is known to stay")


def _supervisor() -> int:
    try:
        with open(PID_FILE, encoding="ascii") as file:
            return int(file.read())
    except (OSError, ValueError):
        return 0


def _hint(error: OSError) -> str:
    if error.errno == errno.EPERM:
        return "; the container needs CAP_SYS_ADMIN, CAP_SYS_CHROOT and CAP_SYS_PTRACE"
    return ""


def _restore_signals() -> None:
    """Python ignores these, and a program would inherit that: `yes | head` would not end."""
    import _signal  # type: ignore[import-not-found]  # `signal` would bring enum

    for number in (_signal.SIGPIPE, _signal.SIGXFSZ):
        _signal.signal(number, _signal.SIG_DFL)


def _say(message: str, status: int) -> int:
    # Not print: its first call may import codecs, which no longer can be found on the host.
    os.write(2, f"hostsh: {message}\n".encode("utf-8", "surrogateescape"))
    return status
