# SPDX-License-Identifier: Apache-2.0
"""The joiner in the real image under podman, where something goes wrong while it joins."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from admin_image.spec import JOIN, JoinSpec
from launcher.proc import Process
from tests.admin_image.door import IMAGE
from tools import build_image

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.engine

RUN = (
    "podman", "--runtime=runc", "run", "--rm", "--interactive", "--privileged", "--pid=host",
    "--network=host",
)  # fmt: skip
# In place of a step of the joiner: the target is ended, then the step is done.
INTERFERING = """\
import os, signal, sys
sys.path.append("/usr/lib/python3/dist-packages")
from admin_image import identity, joiner, minder, procfs, new_root, tree
module, name, *words = sys.argv[1:]
sys.argv = ["join", *words]
where = globals()[module]
step = getattr(where, name)
def after_the_end(*arguments, **named):
    setattr(where, name, step)
    pid = int(words[0].partition("=")[2])
    os.kill(pid, signal.SIGKILL)
    while os.path.exists(f"/proc/{pid}"):
        pass
    return step(*arguments, **named)
setattr(where, name, after_the_end)
sys.exit(joiner.main())
"""


@pytest.fixture
def victim() -> Iterator[subprocess.Popen[bytes]]:
    """A process with every namespace of its own, as a container has."""
    own = ("--pid", "--fork", "--kill-child", "--mount", "--net", "--ipc", "--uts")
    with subprocess.Popen(("unshare", *own, "sleep", "1000")) as child:
        yield child
        child.kill()


def inner(child: subprocess.Popen[bytes]) -> Process:
    """The first process of the pid namespace that `unshare` made."""
    children = f"/proc/{child.pid}/task/{child.pid}/children"
    end = time.monotonic() + 10
    while time.monotonic() < end:
        with open(children, encoding="ascii") as file:  # noqa: PTH123
            pids = file.read().split()
        if pids and (found := Process.of(int(pids[0]))) and _is(found.pid, "sleep"):
            return found
        time.sleep(0.01)
    raise AssertionError


def _is(pid: int, program: str) -> bool:
    return os.readlink(f"/proc/{pid}/exe").endswith(f"/{program}")  # noqa: PTH115


def podman(*arguments: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "CONTAINERS_CONF": str(build_image.CACHE / "containers.conf")}
    return subprocess.run(
        arguments, capture_output=True, text=True, check=False, timeout=timeout, env=environment,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip


def join(process: Process, *command: str, options: tuple[str, ...] = (), **wanted: object) -> (
    subprocess.CompletedProcess[str]
):  # fmt: skip
    spec = JoinSpec(pid=process.pid, started=process.started, name="it", **wanted)  # type: ignore[arg-type]
    program, *words = spec.argv(command)
    return podman(*RUN, *options, f"--entrypoint={program}", IMAGE, *words)


def test_a_number_that_another_process_has_by_now_is_refused(
    image: str, victim: subprocess.Popen[bytes]
) -> None:
    real = inner(victim)
    done = join(Process(real.pid, real.started - 1), "true")
    assert (done.returncode, "[target.gone]" in done.stderr) == (125, True)


@pytest.mark.parametrize(
    "step",
    [
        "minder.hold_signals",
        "new_root.leave_toolbox",
        "tree.clone",
        "new_root.enter",
        "procfs.show",
        "identity.become",
    ],
)
def test_a_target_that_ends_while_it_is_entered_is_told(
    image: str, victim: subprocess.Popen[bytes], step: str
) -> None:
    process = inner(victim)
    spec = JoinSpec(pid=process.pid, started=process.started, name="it")
    words = spec.argv(("true",))[len(JOIN) :]
    done = podman(
        *RUN, "--entrypoint=/usr/bin/python3", IMAGE, "-IS", "-c", INTERFERING, *step.split("."),
        *words,
    )  # fmt: skip
    assert done.returncode == 125, done.stderr
    assert "[target.gone]" in done.stderr


@pytest.fixture
def uncopied() -> Iterator[subprocess.Popen[bytes]]:
    """The same, and the kernel copies no mount of it."""
    own = ("--pid", "--fork", "--kill-child", "--mount", "--net", "--ipc", "--uts")
    script = "mount --make-unbindable / && exec sleep 1000"
    with subprocess.Popen(("unshare", *own, "sh", "-c", script)) as child:
        yield child
        child.kill()


def test_without_a_copy_the_files_are_seen_through_the_targets_process(
    image: str, uncopied: subprocess.Popen[bytes]
) -> None:
    process = inner(uncopied)
    seen = join(process, "sh", "-c", "ls -di /target/ /proc/1/root/")
    assert seen.returncode == 0, seen.stderr
    assert len({line.split()[0] for line in seen.stdout.splitlines()}) == 1
    assert "/target leads to /proc/1/root" in seen.stderr
    for wanted in ({"root": "target"}, {"read_only": True}):
        refused = join(process, "true", **wanted)
        assert (refused.returncode, "[target.kernel]" in refused.stderr) == (125, True)


# What the process that opens procfs in the target could do for whoever takes it over.
TAKEN_OVER = """\
import os, sys
sys.path.append("/usr/lib/python3/dist-packages")
from admin_image import procfs
from admin_image.seccomp import Filter
from hostview import descriptors, kernel
attempts = {
    "open": lambda: os.open("/", os.O_RDONLY), "kill": lambda: os.kill(1, 0),
    "mount": lambda: kernel.mount("x", "/mnt", "tmpfs"),
    "setns": lambda: kernel.setns(0, 0), "unshare": lambda: kernel.unshare(kernel.CLONE_NEWNS),
    "open_tree": lambda: kernel.open_tree(kernel.AT_FDCWD, "/", kernel.OPEN_TREE_CLONE),
    "exec": lambda: os.execv("/usr/bin/true", ["true"]),
}
calls = Filter(procfs.CALLS, error=1)
calls.load()
worked = descriptors.open_file_system("proc") >= 0
for name, attempt in attempts.items():
    try:
        attempt()
    except PermissionError:
        continue
    worked = False
os._exit(0 if worked else 1)
"""


def test_who_opens_procfs_in_the_target_can_do_nothing_else(image: str) -> None:
    done = podman(*RUN, "--entrypoint=/usr/bin/python3", IMAGE, "-IS", "-c", TAKEN_OVER)
    assert done.returncode == 0, done.stderr


def test_a_toolbox_without_rights_says_which_it_needs(
    image: str, victim: subprocess.Popen[bytes]
) -> None:
    refused = join(inner(victim), "true", options=("--privileged=false",))
    assert refused.returncode == 125
    assert "CAP_SYS_ADMIN" in refused.stderr


def test_a_toolbox_that_is_read_only_joins_as_well(
    image: str, victim: subprocess.Popen[bytes]
) -> None:
    for wanted in ({}, {"root": "target"}):
        done = join(inner(victim), "true", options=("--read-only",), **wanted)
        assert done.returncode == 0, done.stderr


def test_nothing_of_ours_is_among_the_programs_that_the_target_could_replace(
    image: str, victim: subprocess.Popen[bytes]
) -> None:
    script = "import os; print(os.getppid()); print(sorted(os.listdir('/proc/self/fd')))"
    done = join(inner(victim), "python3", "-c", script, root="target")
    assert done.returncode == 0, done.stderr
    # No descriptor of the joiner's reaches the command: the listing's own is the fourth.
    assert done.stdout.splitlines()[1] == "['0', '1', '2', '3']"


def test_nothing_that_ended_stays_uncollected_in_a_target_that_collects_nothing(
    image: str, victim: subprocess.Popen[bytes]
) -> None:
    process = inner(victim)
    namespace = os.readlink(f"/proc/{process.pid}/ns/pid")  # noqa: PTH115
    script = "for i in 0 1 2 3 4 5 6 7 8 9; do setsid sleep 0.0$i & setsid sleep 9$i & done"
    for _ in range(3):
        assert join(process, "sh", "-c", script).returncode == 0
        assert _inside(namespace) == {process.pid}


def test_a_killed_container_leaves_no_process_in_the_target(
    image: str, victim: subprocess.Popen[bytes]
) -> None:
    process = inner(victim)
    name = f"test-killed-{os.getpid()}"
    spec = JoinSpec(pid=process.pid, started=process.started, name="it")
    program, *words = spec.argv(("sh", "-c", "setsid sleep 987 & echo up; sleep 986"))
    environment = {**os.environ, "CONTAINERS_CONF": str(build_image.CACHE / "containers.conf")}
    argv = (*RUN, f"--name={name}", f"--entrypoint={program}", IMAGE, *words)
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=environment) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "up\n"
        podman("podman", "--runtime=runc", "kill", "--signal", "KILL", name)
        child.wait(60)
    namespace = os.readlink(f"/proc/{process.pid}/ns/pid")  # noqa: PTH115
    end = time.monotonic() + 20
    while (inside := _inside(namespace)) != {process.pid} and time.monotonic() < end:
        time.sleep(0.1)
    assert inside == {process.pid}
    victim.send_signal(signal.SIGTERM)


def _inside(namespace: str) -> set[int]:
    found = set()
    for name in os.listdir("/proc"):  # noqa: PTH208
        try:
            if name.isdigit() and os.readlink(f"/proc/{name}/ns/pid") == namespace:  # noqa: PTH115
                found.add(int(name))
        except OSError:
            continue
    return found
