# SPDX-License-Identifier: Apache-2.0
"""Profiles as data: what each gives, what none gives."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from admin_image import spec
from launcher.errors import UsageError
from launcher.host import CAPABILITIES, Host
from launcher.runtimes.base import Image
from toolbox import observing, planning, profiles
from toolbox.request import Request, Volume

if TYPE_CHECKING:
    from launcher.plan import Plan

HOST = Host(
    capabilities=frozenset(CAPABILITIES), nofile=None, nproc=None, oom_score_adj=0, cpus=4,
    memory=8 << 30, root_shared=True, hybrid_cgroups=False, os_id="x", os_name="x",
)  # fmt: skip


def planned(
    profile: str, *, host: Host = HOST, host_rw: bool = False, labels: dict[str, str] | None = None
) -> Plan:
    request = Request(image="x", command=("true",), profile=profile, host_rw=host_rw)
    return planning.plan(request, host, Image("x", "", labels=labels or {}), "name")


def rights(profile: str) -> set[str]:
    return {capability.name for capability in planned(profile).capabilities}


def test_observe_has_the_least_and_sysadmin_everything() -> None:
    assert rights("observe") == {"DAC_READ_SEARCH"}
    for name in profiles.TABLE:
        assert rights("observe") - {"DAC_READ_SEARCH"} <= rights(name) <= rights("sysadmin")


def test_who_may_trace_has_a_way_round_a_sealed_view_and_who_observes_has_none() -> None:
    plan = planned("observe")
    assert "SYS_PTRACE" not in rights("observe")
    assert plan.looks_only
    assert plan.confined
    assert all(mount.read_only for mount in plan.mounts)


def test_who_observes_is_a_user_that_nobody_else_is_and_another_in_each_toolbox() -> None:
    users = {observing.user(name) for name in ("hatchway-toolbox-1", "hatchway-toolbox-2")}
    assert len(users) == 2
    assert all(2_100_000_000 <= user < 2**31 for user in users)
    elsewhere = planned("observe")
    assert elsewhere.user == f"{observing.user('name')}:{observing.user('name')}"
    assert elsewhere.command == ("true",)


def test_our_image_makes_the_observer_itself_and_takes_no_more_for_it() -> None:
    ours = planned("observe", labels={spec.CONTRACT_LABEL: "1"})
    assert ours.command == (*spec.OBSERVE, str(observing.user("name")), "true")
    assert ours.user == "0:0"
    held = {capability.name for capability in ours.capabilities}
    assert held == {"DAC_READ_SEARCH", *observing.NEEDS}


@pytest.mark.parametrize(
    "flags", [{"user": "1000"}, {"user": "root:disk"}, {"host_rw": True}], ids=str
)
def test_what_makes_no_observer_is_refused(flags: dict[str, Any]) -> None:
    request = Request(image="x", command=("true",), profile="observe", **flags)
    with pytest.raises(UsageError, match="whoever observes"):
        planning.plan(request, HOST, Image("x", ""), "name")


def test_volumes_of_an_observer_are_read_only_and_it_says_so() -> None:
    volume = Volume("/etc", "/data")
    request = Request(image="x", command=("true",), profile="observe", volumes=(volume,))
    plan = planning.plan(request, HOST, Image("x", ""), "name")
    assert {mount.read_only for mount in plan.mounts if mount.target.startswith("/data")} == {True}
    assert any("/data is read-only" in note for note in plan.notes)


def test_only_sysadmin_may_mount_and_has_all_devices() -> None:
    for name in profiles.TABLE:
        assert ("SYS_ADMIN" in rights(name)) == (name == "sysadmin")
        assert planned(name).confined == (name != "sysadmin")
        assert ("/dev" in {mount.target for mount in planned(name).mounts}) == (name == "sysadmin")


def test_the_network_profile_does_not_see_the_hosts_files() -> None:
    assert planned("netadmin").mounts == ()
    assert {"NET_ADMIN", "NET_RAW"} <= rights("netadmin")


def test_the_host_is_written_on_request_alone() -> None:
    at_host = {m.target: m for m in planned("general", host_rw=True).mounts}["/host"]
    assert (at_host.read_only, at_host.recursive, at_host.propagation) == (False, True, "rslave")
    assert {m.target: m for m in planned("general").mounts}["/host"].read_only


def test_a_caller_with_fewer_rights_gets_a_note_and_what_there_is() -> None:
    poor = dataclasses.replace(HOST, capabilities=frozenset({"NET_RAW"}))
    plan = planned("general", host=poor)
    assert [capability.name for capability in plan.capabilities] == ["NET_RAW"]
    assert "the caller has none" in plan.notes[0]


def test_every_right_has_its_reason() -> None:
    for profile in profiles.TABLE.values():
        assert all(profile.capabilities.values())
        assert profile.capabilities.keys() <= set(CAPABILITIES)


def test_an_unknown_profile_is_answered_with_those_that_there_are() -> None:
    with pytest.raises(UsageError) as refused:
        profiles.named("root")
    assert "observe, general, netadmin, sysadmin" in refused.value.hint
