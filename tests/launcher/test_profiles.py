# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from launcher.errors import HostError
from launcher.host import CAPABILITIES, Host
from launcher.profiles import admin
from launcher.runtimes import oci
from launcher.runtimes.base import Image

if TYPE_CHECKING:
    from launcher.plan import Plan

GIB = 2**30
HOST = Host(
    capabilities=frozenset(CAPABILITIES),
    nofile=20_000,
    nproc=None,
    oom_score_adj=0,
    cpus=2,
    memory=8 * GIB,
    root_shared=True,
    hybrid_cgroups=False,
    os_id="lifsea",
    os_name="A host",
)
IMAGE = Image("localhost/hatchway-admin:1", "sha256:" + "a" * 64)


def plan(host: Host = HOST, *, memory: int = GIB, cpus: float = 1.0) -> Plan:
    return admin.plan(IMAGE, host, memory=memory, cpus=cpus, pids=100)


def without(*names: str) -> Host:
    return dataclasses.replace(HOST, capabilities=HOST.capabilities - set(names))


def test_no_capability_is_asked_for_that_the_caller_lacks() -> None:
    planned = plan(without("SYS_RESOURCE", "SYS_TIME"))
    names = {capability.name for capability in planned.capabilities}
    assert names.isdisjoint({"SYS_RESOURCE", "SYS_TIME"})
    assert "without CAP_SYS_RESOURCE, CAP_SYS_TIME: the caller has none" in planned.notes


def test_a_caller_without_what_the_door_needs_is_refused_before_anything_is_done() -> None:
    with pytest.raises(HostError, match="CAP_SYS_ADMIN, CAP_SYS_PTRACE"):
        plan(without("SYS_ADMIN", "SYS_PTRACE"))


def test_every_capability_and_mount_says_what_it_is_for() -> None:
    planned = plan()
    assert all(capability.reason for capability in planned.capabilities)
    assert all(mount.reason for mount in planned.mounts)


def test_the_host_is_a_slave_where_it_can_be_and_a_noted_copy_elsewhere() -> None:
    private = plan(dataclasses.replace(HOST, root_shared=False))
    assert [plan().mounts[0].propagation, private.mounts[0].propagation] == ["rslave", "rprivate"]
    assert "private mount" in private.notes[0]


def test_a_small_host_keeps_half_of_its_memory() -> None:
    planned = plan(dataclasses.replace(HOST, memory=GIB))
    assert planned.limits.memory == GIB // 2


def test_the_oom_score_is_lowered_only_by_who_may() -> None:
    assert plan().limits.oom_score_adj == admin.OOM_SCORE_ADJ
    assert plan(without("SYS_RESOURCE")).limits.oom_score_adj == 0


def test_equal_plans_have_one_digest_and_others_another() -> None:
    assert plan().digest() == plan().digest()
    assert plan().digest() != plan(cpus=0.5).digest()


def test_the_description_names_all_that_is_given_away() -> None:
    text = "\n".join(plan().describe())
    for word in ("SYS_ADMIN", "/host ro", "pid, network, ipc, uts", IMAGE.config_digest):
        assert word in text


def test_the_oci_configuration_says_what_the_plan_says() -> None:
    image = {"Entrypoint": ["/bin/x"], "Cmd": ["y"], "Env": ["PATH=/bin"]}
    rendered = oci.configuration(plan(), image, "/root")
    assert rendered["process"]["args"] == ["/bin/x", "y"]
    assert rendered["process"]["env"] == ["PATH=/bin", "HOST=/host", "container=hatchway"]
    assert rendered["process"]["rlimits"] == [
        {"type": "RLIMIT_NOFILE", "hard": 20_000, "soft": 20_000}
    ]
    assert "CAP_SYS_ADMIN" in rendered["process"]["capabilities"]["bounding"]
    assert rendered["linux"]["namespaces"] == [{"type": "mount"}]
    assert rendered["linux"]["resources"]["memory"] == {"limit": GIB}
    assert rendered["mounts"][1] == {
        "destination": "/host",
        "type": "bind",
        "source": "/",
        "options": ["rbind", "rslave", "ro"],
    }
