# SPDX-License-Identifier: Apache-2.0
"""Engines that are set to give user namespaces: our containers get none, or it is said why not."""

from __future__ import annotations

import contextlib
import dataclasses
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from launcher.errors import ContainerError
from launcher.runtimes.whales import Whales
from tests import daemons
from tests.engine.door import PROGRAM, DoorCommand
from tests.engine.test_faults import assert_nothing_is_left
from tests.engine.toolbox import Toolbox
from tests.launcher.test_lsm import PLANS
from tools import build_image

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.engine

FIRST: int = 500_000
SHARE = f"dockremap:{FIRST}:65536\ncontainers:600000:655360\n"
USERS = {
    "/etc/passwd": "dockremap:x:990:990::/:/usr/sbin/nologin\n",
    "/etc/group": "dockremap:x:990:\n",
    "/etc/subuid": SHARE,
    "/etc/subgid": SHARE,
}


@pytest.fixture(scope="module")
def shares(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Users that engines may give containers, on this machine for as long as this lasts."""
    place = tmp_path_factory.mktemp("etc")
    with contextlib.ExitStack() as stack:
        for path, more in USERS.items():
            real = Path(path)
            if not real.exists():
                real.touch()
                stack.callback(real.unlink)
            copy = place / real.name
            copy.write_text(real.read_text() + more)
            subprocess.run(("mount", "--bind", copy, real), check=True)
            stack.callback(subprocess.run, ("umount", real), check=True)
        yield


@pytest.fixture(scope="module")
def remapped(shares: None, admin_archive: Path) -> Iterator[tuple[str, ...]]:
    with daemons.short_directory() as place:
        place.chmod(0o711)  # the shifted root has to come in
        with daemons.dockerd(place / "data", "--userns-remap=default") as socket:
            flags = ("--runtime", "docker", "--socket", socket)
            load = (PROGRAM, "image", "load", str(admin_archive), *flags)
            subprocess.run(load, check=True, capture_output=True)
            yield flags


@pytest.fixture
def auto(
    shares: None, admin_archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[str, ...]:
    """Podman as it is here, but for its setting of user namespaces."""
    settings = tmp_path / "containers.conf"
    usual = Path(build_image._containers_conf()).read_text()
    settings.write_text(usual.replace("[containers]", '[containers]\nuserns = "auto"'))
    monkeypatch.setenv("CONTAINERS_CONF", str(settings))
    flags = ("--runtime", "podman")
    load = (PROGRAM, "image", "load", str(admin_archive), *flags)
    subprocess.run(load, check=True, capture_output=True)
    return flags


def identity(box: Toolbox) -> tuple[str, str]:
    """The map of users in a toolbox, and the owner of a file that it made on the host."""
    made = Path("/run/hatchway-user-namespace")
    script = f"cat /proc/self/uid_map; touch {made}/x; stat -c %u /usr/bin/sudo"
    made.mkdir(exist_ok=True)
    try:
        done = box.run(f"--volume={made}:{made}:rw", "--", "sh", "-c", script)
        assert done.status == 0, done.stderr
        assert (made / "x").stat().st_uid == 0
    finally:
        (made / "x").unlink(missing_ok=True)
        made.rmdir()
    users, owner = done.stdout.splitlines()
    return " ".join(users.split()), owner


ALL_USERS = "0 0 4294967295"


def test_podman_that_gives_user_namespaces_gives_us_none(
    auto: tuple[str, ...], ssh_key: Path, tmp_path: Path
) -> None:
    assert identity(Toolbox("podman", auto)) == (ALL_USERS, "0")
    door = DoorCommand("podman", auto, ssh_key, tmp_path)
    door.stop()
    started = door.start()
    try:
        assert started.status == 0, started.stdout + started.stderr
        pid = started.json()["pid"]
        assert Path(f"/proc/{pid}/ns/user").samefile("/proc/self/ns/user")
    finally:
        door.stop()


def test_docker_with_remapped_users_gives_toolboxes_the_hosts(remapped: tuple[str, ...]) -> None:
    assert identity(Toolbox("docker", remapped)) == (ALL_USERS, str(FIRST))


def test_a_door_whose_files_are_not_roots_is_refused_and_leaves_nothing(
    remapped: tuple[str, ...], ssh_key: Path, tmp_path: Path
) -> None:
    door = DoorCommand("docker", remapped, ssh_key, tmp_path)
    door.stop()
    refused = door.start()
    assert (refused.status, refused.code()) == (1, "runtime.user-namespace")
    assert str(FIRST) in refused.json()["error"]["message"]
    assert "--runtime containerd" in refused.json()["error"]["hint"]
    assert_nothing_is_left(door)


def test_a_container_that_gets_a_user_namespace_all_the_same_is_removed(
    remapped: tuple[str, ...],
) -> None:
    """As with an engine that does not heed what it is told."""
    runtime = Whales("docker", "/usr/bin/docker", ("--host", f"unix://{remapped[-1]}"))
    image = runtime.find_image(f"{build_image.NAME}:{build_image.version()}")
    assert image is not None
    # It shares nothing with the host, and is therefore not told to leave it out.
    plan = dataclasses.replace(
        PLANS["validate"][0], name="hatchway-apart", image=image, mounts=(),
        command=("/usr/bin/sleep", "100"),
    )  # fmt: skip
    with pytest.raises(ContainerError) as caught:
        runtime.start(plan)
    assert caught.value.code == "runtime.user-namespace", caught.value.message
    assert runtime.find(plan.name) is None
