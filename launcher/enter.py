# SPDX-License-Identifier: Apache-2.0
"""Into the container without SSH and without the engine: join its mounts and its cgroup, then exec.

All other namespaces are the host's, so this is all that an engine's `exec` would do. Our own
stdin, stdout, stderr, terminal and process id become the command's: nothing has to be relayed,
and it works while the engine hangs.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from admin_image.spec import HOST, SESSION_LIMIT_FILE, SESSIONS, SPARE
from launcher import mounts, streams
from launcher.errors import ContainerError, Exit

if TYPE_CHECKING:
    from launcher.proc import Process

NOBODY: Final = str(2**32 - 1)  # linux/audit.h: AUDIT_UID_UNSET
TERMINFO: Final = ("/usr/share/terminfo", "/lib/terminfo", "/etc/terminfo")
PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def execute(process: Process, argv: tuple[str, ...], *, uid: int) -> NoReturn:
    """Become `argv` inside the container of `process`; exits 126 or 127 as a shell would.

    Where nobody has logged in, as by a cloud assistant, the host's audit log knows us by `uid`.
    """
    environment = _environment()
    try:
        namespace = os.open(f"/proc/{process.pid}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        raise _gone() from None
    if not process.alive():  # the pid may have been another's by the time that it was opened
        raise _gone()
    _join_cgroup(process.pid)
    _log_in(uid)
    sys.stdout.flush()
    sys.stderr.flush()
    mounts.setns(namespace, mounts.CLONE_NEWNS)
    _be_a_session()
    _use_known_terminal(environment)
    os.chdir("/root" if os.path.isdir("/root") else "/")  # noqa: PTH112
    program = shutil.which(argv[0], path=PATH)
    if program is None and "/" in argv[0]:
        program = argv[0]
    if program is None:
        _fail(f"{argv[0]}: not found in the admin container", Exit.NOT_FOUND)
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # which Python ignores
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execve(program, argv, environment)  # noqa: S606 - no shell is the point
    except FileNotFoundError:
        _fail(f"{argv[0]}: not found in the admin container", Exit.NOT_FOUND)
    except OSError as error:
        _fail(f"{argv[0]}: {error.strerror}", Exit.CANNOT_INVOKE)


def _gone() -> ContainerError:
    hint = "Open it again: hatchway admin start"
    return ContainerError("container.not-running", "the door closed just now", hint)


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("TERM", "LANG", "COLUMNS") if name in os.environ}
    return {**kept, "PATH": PATH, "HOME": "/root", "HOST": HOST, "container": "hatchway"}


def _use_known_terminal(environment: dict[str, str]) -> None:
    """Take a terminal that the image does not describe for the common one that it imitates."""
    kind = environment.get("TERM", "")
    places = [Path(place, kind[:1], kind) for place in TERMINFO]
    if kind and not any(place.exists() for place in places):
        like_screen = kind.startswith(("tmux", "screen"))
        environment["TERM"] = "screen-256color" if like_screen else "xterm-256color"


def _log_in(uid: int) -> None:
    """Not over the number of somebody who has: that one tells more."""
    login = Path("/proc/self/loginuid")
    with contextlib.suppress(OSError):  # a kernel without audit
        if uid and login.read_text(encoding="ascii") == NOBODY:
            login.write_text(str(uid), encoding="ascii")


def _join_cgroup(pid: int) -> None:
    """So that the container's limits hold for us, and `stop` ends us too; v1 and v2 alike."""
    # Names of groups may hold whatever but a line feed.
    for line in filter(None, os.fsdecode(Path(f"/proc/{pid}/cgroup").read_bytes()).split("\n")):
        _, controllers, path = line.split(":", 2)
        name = controllers.removeprefix("name=")
        for mount in (name, "unified") if name else ("", "unified"):
            with contextlib.suppress(OSError):
                _write(Path("/sys/fs/cgroup", mount, path.lstrip("/"), "cgroup.procs"))
                break


def _write(procs: Path) -> None:
    # Never made: where the kernel has none it would be a file in a tmpfs, and stay.
    descriptor = os.open(procs, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, b"%d" % os.getpid())
    finally:
        os.close(descriptor)


def _be_a_session() -> None:
    """A memory group of our own, as each SSH session has; without it we would be the door's."""
    group = Path(SESSIONS, str(os.getpid()))
    try:
        # Bytes: Python's own files, and with them its codecs, are out of sight by now.
        name, limit = Path(SESSION_LIMIT_FILE).read_bytes().split()
        group.mkdir(exist_ok=True)
        (group / os.fsdecode(name)).write_bytes(limit)
    except (OSError, ValueError):
        group = Path(SESSIONS, SPARE)
    with contextlib.suppress(OSError):
        _write(group / "cgroup.procs")


def _fail(message: str, status: Exit) -> NoReturn:
    streams.tell(f"hatchway: {message}")
    sys.exit(status)
