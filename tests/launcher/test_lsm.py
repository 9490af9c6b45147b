# SPDX-License-Identifier: Apache-2.0
"""AppArmor and SELinux: off where the work needs it, and nowhere else."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from launcher.plan import Mount, Plan
from launcher.profiles import admin, check
from launcher.runtimes import client, lsm, oci
from launcher.runtimes.base import Image
from launcher.runtimes.lsm import Lsm
from launcher.settings import RuntimeSettings
from tests.toolbox.target.test_joining import HOST, OTHER, OURS, REQUEST
from toolbox import planning

if TYPE_CHECKING:
    from pathlib import Path

IMAGE = Image("x", "sha256:" + "c" * 64)
COPY = Mount(source="/tmp/copy", target="/user-data", read_only=True, reason="to look at")
ALONE = dataclasses.replace(REQUEST, joining=None)


def of_profile(name: str) -> Plan:
    return planning.plan(dataclasses.replace(ALONE, profile=name), HOST, IMAGE, "n")


PLANS = {
    "validate": (check.plan(IMAGE, HOST, name="c", command=("x",), mount=COPY), True, True),
    "observe": (of_profile("observe"), True, False),
    "general": (of_profile("general"), False, False),
    "netadmin": (of_profile("netadmin"), False, False),
    "sysadmin": (of_profile("sysadmin"), False, False),
    "the door": (admin.plan(IMAGE, HOST, memory=1, cpus=1, pids=1), False, False),
    "observe joins": (
        planning.plan(dataclasses.replace(REQUEST, profile="observe"), HOST, OURS, "n"),
        False,
        False,
    ),
    "observe beside": (
        planning.plan(dataclasses.replace(REQUEST, profile="observe"), HOST, OTHER, "n"),
        True,
        False,
    ),
}


def arguments(plan: Plan, found: Lsm, scratch: Path, engine: str = "podman") -> set[str]:
    return set(
        client.run_arguments(
            plan, engine=engine if not plan.joins else "podman", environment_file="/e",
            scratch=scratch, lsm=found,
        )
    )  # fmt: skip


def process(plan: Plan, found: Lsm) -> dict[str, Any]:
    configuration: dict[str, Any] = oci.configuration(plan, {}, "/root", lsm=found)["process"]
    return configuration


@pytest.mark.parametrize(("plan", "held", "_"), PLANS.values(), ids=PLANS)
def test_apparmor_is_left_out_where_the_work_needs_it(
    plan: Plan, held: bool, _: bool, tmp_path: Path
) -> None:
    for engine in ("podman", "docker"):
        said = arguments(plan, lsm.NONE, tmp_path, engine)
        assert ("--security-opt=apparmor=unconfined" not in said) == held
    assert ("apparmorProfile" in process(plan, Lsm(profile="docker-default"))) == held
    assert "apparmorProfile" not in process(plan, lsm.NONE)  # runc refuses a name without AppArmor


@pytest.mark.parametrize(("plan", "_", "held"), PLANS.values(), ids=PLANS)
def test_what_works_on_the_host_has_a_domain_of_selinux_by_name(
    plan: Plan, _: bool, held: bool, tmp_path: Path
) -> None:
    said = arguments(plan, Lsm(domain="super_t"), tmp_path)
    labels = {word for word in said if word.startswith("--security-opt=label=")}
    domain = {
        "--security-opt=label=type:super_t", "--security-opt=label=level:s0-s0:c0.c1023",
    }  # fmt: skip
    assert labels == (set() if held else domain)
    label = "system_u:system_r:super_t:s0-s0:c0.c1023"
    assert process(plan, Lsm(domain="super_t"))["selinuxLabel"] == label
    assert "selinuxLabel" not in process(plan, lsm.NONE)


def test_what_the_engines_own_label_is_to_read_gets_that_label(tmp_path: Path) -> None:
    plan = PLANS["validate"][0]
    volume = "/tmp/copy:/user-data:ro"
    assert f"{volume},Z" in arguments(plan, Lsm(domain="spc_t"), tmp_path)
    assert volume in arguments(plan, lsm.NONE, tmp_path)
    door = arguments(PLANS["the door"][0], Lsm(domain="spc_t"), tmp_path)
    assert not [word for word in door if word.endswith(",Z")]  # the host's own files keep theirs


def test_the_plan_says_by_what_it_is_held() -> None:
    assert PLANS["observe"][0].as_json()["lsm"] == ("apparmor",)
    assert "lsm        apparmor: the engine's own, where the host has it" in (
        PLANS["observe"][0].describe()
    )


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("_APPARMOR_ON", "_APPARMOR_LOADED", "_SELINUX"):
        monkeypatch.setattr(lsm, name, tmp_path / name)
    return tmp_path


def test_only_a_profile_that_is_loaded_and_enforced_is_named(kernel: Path) -> None:
    assert Lsm.read(HOST) == lsm.NONE
    (kernel / "_APPARMOR_ON").write_text("Y\n")
    assert Lsm.read(HOST) == lsm.NONE
    loaded = kernel / "_APPARMOR_LOADED"
    loaded.write_text("man_filter (enforce)\ncri-containerd.apparmor.d (complain)\n")
    assert Lsm.read(HOST) == lsm.NONE
    loaded.write_text("docker-default (enforce)\ncri-containerd.apparmor.d (enforce)\n")
    assert Lsm.read(HOST).profile == "cri-containerd.apparmor.d"
    (kernel / "_APPARMOR_ON").write_text("N\n")
    assert Lsm.read(HOST) == lsm.NONE


def test_the_domain_is_the_hosts_unless_the_settings_name_one(kernel: Path) -> None:
    (kernel / "_SELINUX").write_text("1")
    bottlerocket = dataclasses.replace(HOST, os_id="bottlerocket")
    assert [Lsm.read(host).domain for host in (HOST, bottlerocket)] == ["spc_t", "super_t"]
    assert Lsm.read(bottlerocket, "own_t").domain == "own_t"


@pytest.mark.parametrize("text", ["a b", "spc_t:s0", "x,y", "../x", "Ä"])
def test_a_domain_is_one_word(text: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"selinux-type": text}, RuntimeSettings)
