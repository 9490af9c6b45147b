# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING

import pytest

from admin_image import spec
from admin_image.session import Session
from launcher.errors import UsageError
from launcher.host import CAPABILITIES, Host
from launcher.proc import Process
from launcher.runtimes.base import Image, State
from toolbox import planning, profiles
from toolbox.request import Request, Volume, parse_target_variable
from toolbox.target.found import Target
from toolbox.target.joining import Joining, wanted

if TYPE_CHECKING:
    from launcher.plan import Plan

OURS = Image("ours", "sha256:0", labels={spec.CONTRACT_LABEL: "1"})
OTHER = Image("other", "sha256:1")
HOST = Host(
    capabilities=frozenset(CAPABILITIES), nofile=None, nproc=None, oom_score_adj=0, cpus=2,
    memory=1 << 32, root_shared=True, hybrid_cgroups=False, os_id="x", os_name="X",
)  # fmt: skip
PROCESS = Process.of(os.getpid())
assert PROCESS is not None
TARGET = Target(runtime="docker", id="abc", name="web", state=State.RUNNING, process=PROCESS)
REQUEST = Request(image="x", command=("ps", "aux"), joining=Joining(target=TARGET))


def plan(request: Request = REQUEST, image: Image = OURS, engine: str = "podman") -> Plan:
    return planning.plan(request, HOST, image, "n", engine=engine)


def session(made: Plan) -> Session:
    assert made.command[: len(spec.JOIN)] == spec.JOIN
    return Session(list(made.command[len(spec.JOIN) :]))


def test_our_image_joins_by_its_own_program_and_keeps_the_profiles_rights() -> None:
    made = plan(dataclasses.replace(REQUEST, profile="observe", workdir="/target/etc"))
    joined = session(made)
    assert (joined.pid, joined.started) == (TARGET.process.pid, TARGET.process.started)
    assert joined.command == ["ps", "aux"]
    assert joined.capabilities == 1 << CAPABILITIES.index("DAC_READ_SEARCH")
    assert (joined.read_only, joined.confined, joined.root) == (True, True, False)
    assert joined.workdir == "/target/etc"
    assert "pid" in made.host_namespaces
    assert {"SYS_ADMIN", "SYS_PTRACE"} <= {capability.name for capability in made.capabilities}
    assert (made.user, made.workdir, made.looks_only) == ("0:0", "", False)


def test_everything_that_is_asked_for_reaches_the_joiner() -> None:
    joining = Joining(
        target=TARGET, root=True, tools_at="/a b=c", ptrace=True, environment=True,
        variables=("A", "B"), directory=True,
    )  # fmt: skip
    joined = session(
        plan(dataclasses.replace(REQUEST, joining=joining, user="5:6", profile="sysadmin"))
    )
    assert (joined.root, joined.tools_at, joined.ptrace) == (True, "/a b=c", True)
    assert (joined.environment, joined.directory, joined.user) == (True, True, "5:6")
    assert joined.variables == ["A", "B"]
    assert (joined.read_only, joined.confined) == (False, False)


@pytest.mark.parametrize("image", [OURS, OTHER], ids=["ours", "other"])
@pytest.mark.parametrize("profile", profiles.TABLE)
def test_nothing_of_the_host_is_mounted_beside_a_target_but_what_is_asked_for(
    profile: str, image: Image
) -> None:
    volume = Volume("/srv", "/data", read_only=False)
    made = plan(dataclasses.replace(REQUEST, profile=profile, volumes=(volume,)), image)
    assert [mount.target for mount in made.mounts] == ["/data"]
    assert "HOST" not in made.environment
    if image is OURS:
        assert session(made).volumes == ["/data"]


def test_a_writable_view_of_the_host_does_not_fit_a_target() -> None:
    with pytest.raises(UsageError, match="--host-rw"):
        plan(dataclasses.replace(REQUEST, host_rw=True))


@pytest.mark.parametrize("place", ["/target", "/target/srv"])
def test_a_volume_is_not_shown_among_the_targets_files(place: str) -> None:
    with pytest.raises(UsageError, match="is the target's"):
        plan(dataclasses.replace(REQUEST, volumes=(Volume("/srv", place),)))


def test_without_a_command_our_image_chooses_the_shell() -> None:
    assert session(plan(dataclasses.replace(REQUEST, command=()))).command == []


def test_any_other_image_is_started_in_the_targets_namespaces() -> None:
    made = plan(image=OTHER)
    assert made.joins["pid"] == f"/proc/{TARGET.process.pid}/ns/pid"
    assert set(made.joins) == {"network", "ipc", "uts", "pid"}
    assert made.host_namespaces == ("cgroup",)
    assert made.command == ("ps", "aux")
    assert any("/proc/1/root" in note for note in made.notes)
    assert plan(image=OTHER, engine="docker").joins == {
        "network": "container:abc",
        "pid": "container:abc",
    }


def test_what_only_our_image_can_do_is_refused_for_others() -> None:
    joining = Joining(target=TARGET, root=True, directory=True)
    with pytest.raises(UsageError, match="--root, --cwd-from-target"):
        plan(dataclasses.replace(REQUEST, joining=joining), OTHER)


def test_a_user_beside_a_target_is_a_number() -> None:
    with pytest.raises(UsageError, match="numbers"):
        plan(dataclasses.replace(REQUEST, user="nobody"))


@pytest.mark.parametrize(
    ("given", "sent"), [("", ""), ("root", ""), ("target", "target"), ("7", "7"), ("7:8", "7:8")]
)
def test_users_are_numbers_the_targets_own_or_its_root(given: str, sent: str) -> None:
    assert session(plan(dataclasses.replace(REQUEST, user=given))).user == sent


def test_a_paused_target_is_noted() -> None:
    paused = dataclasses.replace(TARGET, state=State.PAUSED)
    made = plan(dataclasses.replace(REQUEST, joining=Joining(target=paused)))
    assert any("paused" in note for note in made.notes)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        *(
            (name, "every program here would run what the target says")
            for name in ("LD_PRELOAD", "LD_LIBRARY_PATH", "GLIBC_TUNABLES", "BASH_ENV", "PS4")
        ),
        *((name, "is the toolbox's own") for name in ("PATH", "HOME", "TERM")),
        *((name, "expected the name") for name in ("", "A=B", "BASH_FUNC_ls%%", "A,B", "A B")),
    ],
)
def test_what_no_program_here_can_be_given_is_refused_by_name(name: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_target_variable(name)


def test_what_steers_one_program_may_be_named() -> None:
    for name in ("DATABASE_URL", "https_proxy", "PGPASSFILE", "TAR_OPTIONS"):
        assert parse_target_variable(name) == name


def test_flags_without_a_target_are_refused() -> None:
    given = {
        "socket": "", "root": "", "tools_at": "", "ptrace": False, "environment": False,
        "variables": (), "directory": False,
    }  # fmt: skip
    assert wanted("", **given) is None  # type: ignore[arg-type]
    wrong = {
        "root": "target", "tools_at": "/x", "ptrace": True, "environment": True, "variables": ("A",)
    }  # fmt: skip
    for name, value in wrong.items():
        with pytest.raises(UsageError, match="without --target"):
            wanted("", **{**given, name: value})  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="--ptrace"):
        wanted("pid:1", **{**given, "ptrace": True})  # type: ignore[arg-type]


def test_the_defaults_of_the_contract_are_those_of_the_joiner() -> None:
    least = spec.JoinSpec(pid=1, started=2, name="n")
    joined = Session(list(least.argv(("true",))[len(spec.JOIN) :]))
    assert joined.confined
    asked = (joined.root, joined.read_only, joined.environment, joined.directory)
    assert not any(asked)
    assert joined.capabilities == (1 << 64) - 1
