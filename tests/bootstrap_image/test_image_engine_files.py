# SPDX-License-Identifier: Apache-2.0
"""The real image on engines that put files of their own over those of the host's /etc."""

from __future__ import annotations

import functools
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bootstrap_image.spec import Exit, Job
from tests import daemons
from tests.bootstrap_image.container import Machine, podman
from tools import build_image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Engine = Callable[..., subprocess.CompletedProcess[str]]

pytestmark = pytest.mark.engine

CONFIG = """\
#cloud-config
hostname: node-7
fqdn: node-7.example.com
manage_etc_hosts: localhost
runcmd:
- echo 192.0.2.1 registry >> /etc/hosts
- echo search x >> /etc/resolv.conf
"""


@pytest.fixture(scope="module", params=["podman", "docker"])
def engine(
    request: pytest.FixtureRequest, image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engine]:
    """The client of an engine that holds the image."""
    if request.param == "podman":
        yield podman
        return
    with daemons.dockerd(tmp_path_factory.mktemp("docker")) as socket:
        client = ("docker", f"--host=unix://{socket}")
        docker = functools.partial(_run, client)
        assert docker("load", f"--input={build_image.BOOTSTRAP.archive}").returncode == 0
        assert docker("tag", build_image.BOOTSTRAP.tag, image).returncode == 0
        yield docker


def _run(client: tuple[str, ...], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (*client, *arguments), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, timeout=120, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("resolver", ["file", "link"])
def test_what_is_written_to_them_is_the_hosts(
    engine: Engine, tmp_path: Path, resolver: str
) -> None:
    machine = Machine(tmp_path, "--cap-add=SYS_ADMIN", "--security-opt=apparmor=unconfined")
    names = tmp_path / "etc/resolv.conf"
    if resolver == "link":
        names.symlink_to("../run/stub.conf")
    for file in (tmp_path / "etc/hosts", names):
        file.write_text("# the host's\n")
    machine.write(Job("a", "user-data/a"), a=CONFIG)
    done = engine("run", "--rm", *machine.arguments())
    assert done.returncode == Exit.DONE, done.stdout
    assert "warning" not in done.stdout
    assert (tmp_path / "etc/hostname").read_text() == "node-7\n"
    hosts = (tmp_path / "etc/hosts").read_text().splitlines()
    assert {"# the host's", "192.0.2.1 registry"} <= set(hosts)
    assert any("node-7.example.com" in line for line in hosts)
    assert names.read_text() == "# the host's\nsearch x\n"
    assert str(tmp_path) not in Path("/proc/self/mounts").read_text()


def test_who_may_not_uncover_them_is_told_so(engine: Engine, tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.write(Job("a", "user-data/a"), a="#!/bin/sh\necho ran\n")
    done = engine("run", "--rm", *machine.arguments())
    assert done.returncode == Exit.DONE, done.stdout
    said = "/etc/hosts is the engine's, and what is written to it is lost: Operation not permitted"
    assert f"warning: {said}" in done.stdout
