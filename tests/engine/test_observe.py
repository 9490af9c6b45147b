# SPDX-License-Identifier: Apache-2.0
"""`--profile observe` is a border: about a hundred ways to change something, and none leads there.

The table is run once in each kind of toolbox; under `sysadmin`, where most of it does lead there,
it shows that the attempts are real.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from tests.engine import scene as scenes
from tests.engine import target as targets
from tests.engine.target import PROGRAM
from tests.engine.toolbox import Toolbox, busybox_archive

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.engine.scene import Scene
    from tests.engine.target import Target

pytestmark = pytest.mark.engine
on_one_engine = pytest.mark.parametrize("engine", ["podman"], indirect=True)

TARGET = "localhost/observed:1"
OBSERVE = ("--profile", "observe")
# Beside a target it is so by other means: what is written goes to memory, or nowhere.
IN_MEMORY = "fill_the_disk_of_the_host"
FIFO = "write_to_a_fifo_that_everyone_may_write"


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with scenes.scene() as found:
        yield found


@pytest.fixture(scope="module")
def box(engine: tuple[str, tuple[str, ...]], tmp_path_factory: pytest.TempPathFactory) -> Toolbox:
    found = Toolbox(*engine)
    archive = tmp_path_factory.mktemp("images") / "scratch.tar"
    busybox_archive(archive, TARGET, (PROGRAM,))
    Toolbox("podman", ("--runtime", "podman")).load(archive)
    return found


@pytest.fixture(scope="module")
def target(box: Toolbox, scene: Scene) -> Iterator[Target]:
    """A target that podman runs, with what is to be attempted as a volume."""
    with targets.podman("-v", f"{scene.place}:/data", image=TARGET) as found:
        yield found


@pytest.fixture
def pet(box: Toolbox) -> Iterator[str]:
    box.call("rm", "--force", "pet")
    yield "pet"
    box.call("rm", "--force", "pet")


def reached(box: Toolbox, scene: Scene, *flags: str, base: str = "", pid: int = 0) -> list[str]:
    """The attempts that succeed in such a toolbox."""
    base = base or f"/host{scene.place}"
    command = ("--", "python3", "-", scene.arguments(base, pid or scene.pid))
    done = box.run(*flags, *command, stdin=scenes.ATTEMPTS)
    assert done.status == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["tried"] > 90
    return list(said["reached"])


def test_whoever_observes_reaches_nothing(box: Toolbox, scene: Scene) -> None:
    assert reached(box, scene, *OBSERVE) == []


def test_nor_in_a_toolbox_that_is_kept(box: Toolbox, scene: Scene, pet: str) -> None:
    for _ in range(2):
        assert reached(box, scene, *OBSERVE, "--keep", pet) == []
    done = box.call("enter", pet, stdin="id -u; grep CapEff /proc/self/status; exit 5\n")
    user, _, held = done.stdout.split()
    assert (done.status, int(held, 16), int(user) > 2_000_000_000) == (5, 4, True), done.stderr


def test_nor_in_an_image_that_is_not_ours(
    box: Toolbox, scene: Scene, admin_archive: Path, tmp_path: Path
) -> None:
    """Without Landlock, permissions are all that is between it and a FIFO."""
    image = scenes.foreign(admin_archive, tmp_path / "foreign.tar")
    box.load(tmp_path / "foreign.tar")
    flags = (*OBSERVE, "--image", image, "--pull", "never")
    assert reached(box, scene, *flags) == [FIFO]
    secret = box.run(*flags, "--", "cat", f"/host{scene.place}/file")
    assert secret.stdout == ("" if box.engine == "docker" else "of root"), secret.stderr


@pytest.mark.parametrize(
    ("flags", "base"), [((), "/target/data"), (("--root", "target"), "/data")],
    ids=["beside", "root"],
)  # fmt: skip
def test_nor_beside_a_target(
    box: Toolbox, scene: Scene, target: Target, flags: tuple[str, ...], base: str
) -> None:
    asked = (*OBSERVE, "--target", target.uri, *flags)
    found = reached(box, scene, *asked, base=base, pid=1)
    assert set(found) <= {IN_MEMORY}
    secret = box.run(*asked, "--", "cat", f"{base}/file")
    assert secret.stdout == "of root", secret.stderr


def test_whoever_observes_still_sees(box: Toolbox, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("read")
    (tmp_path / "secret").chmod(0)
    os.chown(tmp_path / "secret", 4321, 4321)
    script = f"""
        cat /host{tmp_path}/secret; echo
        ps -p {os.getpid()} -o pid= | tr -d ' '
        ls /host/root >/dev/null && echo directories
        ss -tunlp | grep -q LISTEN && echo ports
        ip -br addr | grep -q '^lo ' && ip route >/dev/null && echo interfaces
        journalctl -n 1 >/dev/null && lsof -p {os.getpid()} >/dev/null; echo programs
        echo x > /dev/null; echo own > /tmp/file; cat /tmp/file; echo out > /dev/stdout
        timeout 0.1 sleep 100; echo $?
        python3 -c 'import subprocess; print(subprocess.check_output(["echo", "child"]).decode())'
    """
    done = box.run(*OBSERVE, "--", "bash", "-c", script)
    expected = ["read", str(os.getpid()), "directories", "ports", "interfaces", "programs", "own"]
    assert done.stdout.split() == [*expected, "out", "124", "child"], done.stderr


@on_one_engine
def test_a_terminal_is_the_observers_own(box: Toolbox) -> None:
    shell = box.on_terminal("enter", *OBSERVE)
    shell.expect(r"\[\S+@toolbox:\S+ /\]\$ ")
    shell.sendline("stty size; echo x > $(tty); sleep 100")
    shell.expect(r"33 101\s+x\s")
    shell.sendintr()
    shell.sendline("exit 9")
    shell.expect("exit")
    shell.wait()
    assert shell.exitstatus == 9


@on_one_engine
@pytest.mark.parametrize("flags", [("--user", "1000"), ("--host-rw",)], ids=" ".join)
def test_what_makes_no_observer_is_refused(box: Toolbox, flags: tuple[str, ...]) -> None:
    refused = box.run(*OBSERVE, *flags, "--", "true")
    assert (refused.status, flags[0] in refused.stderr) == (64, True)


@on_one_engine
def test_the_attempts_are_real(box: Toolbox, scene: Scene) -> None:
    found = reached(box, scene, "--profile", "sysadmin", "--host-rw")
    assert len(found) > 80, found
