# SPDX-License-Identifier: Apache-2.0
"""One plan, said to each engine in its own words."""

from __future__ import annotations

import dataclasses
import errno
from typing import TYPE_CHECKING, Any

import pytest

from launcher.errors import ContainerError, UsageError
from launcher.plan import Capability, Limits, Mount, Plan
from launcher.runtimes import client, confinement, oci
from launcher.runtimes.accounts import Account, resolve
from launcher.runtimes.base import Image

if TYPE_CHECKING:
    from pathlib import Path

PLAN = Plan(
    name="box",
    image=Image("localhost/tools:1", "sha256:" + "b" * 64),
    host_namespaces=("pid",),
    mounts=(
        Mount(source="/", target="/host", read_only=True, recursive=False, reason="look"),
        Mount(source="/srv", target="/srv", reason="work"),
    ),
    capabilities=(Capability(name="NET_RAW", reason="tcpdump"),),
    limits=Limits(memory=2**30, cpus=1.0, pids=100, oom_score_adj=0, nofile=None, nproc=None),
    environment={"TOKEN": "s3cret word"},
    labels={"io.hatchway.role": "toolbox"},
    command=("/bin/echo", "--flag", "two words", ""),
    user="nobody",
    workdir="/srv",
    terminal=True,
    confined=True,
)
OPEN = dataclasses.replace(PLAN, confined=False, terminal=False)


def arguments(plan: Plan = PLAN, engine: str = "podman") -> tuple[str, ...]:
    return client.run_arguments(plan, engine=engine, environment_file="/dev/stdin")


def configuration(plan: Plan = PLAN, account: Account = oci.ROOT) -> dict[str, Any]:
    image = {"Entrypoint": ["/init"], "Cmd": ["x"], "Env": ["PATH=/bin"], "WorkingDir": "/w"}
    return oci.configuration(plan, image, "/root", account)


def test_a_command_replaces_entrypoint_and_arguments_and_stays_as_it_is() -> None:
    said = arguments()
    image = said.index(PLAN.image.config_digest)
    assert "--entrypoint=/bin/echo" in said[:image]
    assert said[image + 1 :] == ("--flag", "two words", "")
    assert configuration()["process"]["args"] == list(PLAN.command)


def test_no_command_leaves_the_images_own() -> None:
    plain = dataclasses.replace(PLAN, command=(), workdir="")
    said = arguments(plain)
    assert said[-1] == PLAN.image.config_digest
    assert not [word for word in said if word.startswith("--entrypoint")]
    assert configuration(plain)["process"]["args"] == ["/init", "x"]
    assert configuration(plain)["process"]["cwd"] == "/w"


def test_no_value_of_the_environment_is_among_the_arguments() -> None:
    assert not [word for word in arguments() if "s3cret" in word]
    assert client.environment_text(PLAN.environment) == b"TOKEN=s3cret word\n"
    with pytest.raises(UsageError, match="TOKEN holds a line break"):
        client.environment_text({"TOKEN": "a\nb"})
    with pytest.raises(UsageError, match="more than 64 KiB"):
        client.environment_text({"TOKEN": "a" * (1 << 16)})


def test_confinement_is_the_engines_own_unless_the_plan_is_open() -> None:
    for engine in ("podman", "docker", "nerdctl"):
        assert not {w for w in arguments(engine=engine) if "seccomp" in w or "cgroup-rule" in w}
        assert "--security-opt=seccomp=unconfined" in arguments(OPEN, engine)
    linux = configuration()["linux"]
    assert "/proc/kcore" in linux["maskedPaths"]
    assert linux["resources"]["devices"][0] == {"allow": False, "access": "rwm"}
    assert configuration(OPEN)["linux"]["resources"]["devices"] == [
        {"allow": True, "access": "rwm"}
    ]
    assert "seccomp" not in configuration(OPEN)["linux"]


def test_a_capability_unlocks_its_calls() -> None:
    refused = confinement.seccomp(["SYS_MODULE"])["syscalls"][0]["names"]
    assert "mount" in refused
    assert "init_module" not in refused
    assert "mount" not in confinement.seccomp(["SYS_ADMIN"])["syscalls"][0]["names"]
    assert "bpf" not in confinement.seccomp(["BPF"])["syscalls"][0]["names"]


def test_an_observers_filter_names_what_is_allowed_for_one_architecture() -> None:
    """What the filter is worth, the engines' tests show."""
    made = confinement.observers_seccomp()
    assert made["defaultAction"] == "SCMP_ACT_ERRNO"
    assert len(made["architectures"]) == 1
    everywhere = [
        name
        for rule in made["syscalls"]
        if rule["action"] == "SCMP_ACT_ALLOW" and not rule["args"]
        for name in rule["names"]
    ]
    assert len(everywhere) == len(set(everywhere))
    judged = {name for rule in made["syscalls"] if rule["args"] for name in rule["names"]}
    assert judged >= {"clone", "socket", "ioctl", "fcntl"}
    assert not judged & set(everywhere)  # a rule for all arguments hides those for some
    # runc before 1.0.2 fails at a rule that says what its default does, which is one of these.
    assert not {errno.EPERM, errno.ENOSYS} & {rule.get("errnoRet") for rule in made["syscalls"]}
    looking = dataclasses.replace(PLAN, confined=True, looks_only=True)
    process = configuration(looking)["process"]
    assert process["noNewPrivileges"]
    assert "noNewPrivileges" not in configuration()["process"]


def test_a_mount_without_what_lies_below_says_so() -> None:
    said = arguments()
    mount = said[said.index("--mount") + 1]
    assert mount.split(",")[:4] == ["type=bind", "source=/", "target=/host", "readonly"]
    assert "bind-nonrecursive" in mount
    by_place = {mount["destination"]: mount for mount in configuration()["mounts"]}
    assert by_place["/host"]["options"] == ["bind", "rprivate", "ro"]
    assert by_place["/srv"]["options"] == ["rbind", "rprivate", "rw"]


def test_a_plans_own_devices_stand_instead_of_the_usual_ones() -> None:
    own = dataclasses.replace(
        PLAN, mounts=(Mount(source="/dev", target="/dev", reason="all of them"),)
    )
    places = [mount["destination"] for mount in configuration(own)["mounts"]]
    assert places.count("/dev") == 1
    assert "/dev/pts" not in places
    assert "/sys" in places


def test_namespaces_of_others_are_joined_by_path_where_the_engine_can() -> None:
    joined = dataclasses.replace(PLAN, joins={"network": "/proc/7/ns/net"})
    assert "--network=ns:/proc/7/ns/net" in arguments(joined)
    assert {"type": "network", "path": "/proc/7/ns/net"} in configuration(joined)["linux"][
        "namespaces"
    ]
    with pytest.raises(ContainerError, match="docker joins no network namespace by its path"):
        arguments(joined, "docker")
    named = dataclasses.replace(PLAN, joins={"network": "container:abc"})
    assert "--network=container:abc" in arguments(named, "docker")


def test_another_user_keeps_the_capabilities() -> None:
    held = configuration(account=Account(65534, 65534))["process"]["capabilities"]
    assert held["ambient"] == ["CAP_NET_RAW"]
    assert "ambient" not in configuration()["process"]["capabilities"]


@pytest.mark.parametrize(
    ("user", "account"),
    [
        ("0", Account(0, 0, (4,))),
        ("web", Account(33, 33, (4, 99))),
        ("33:4", Account(33, 4)),
        ("web:adm", Account(33, 4)),
        ("1234", Account(1234, 0)),
        ("1234:5678", Account(1234, 5678)),
    ],
)
def test_a_user_is_who_the_image_says(tmp_path: Path, user: str, account: Account) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "passwd").write_text("root:x:0:0:r:/root:/bin/sh\nweb:x:33:33::/srv:\n")
    (tmp_path / "etc" / "group").write_text("root:x:0:\nadm:x:4:root,web\nlog:x:99:web\n")
    assert resolve(user, tmp_path) == account


def test_a_user_whom_the_image_does_not_know_is_named(tmp_path: Path) -> None:
    (tmp_path / "etc").symlink_to("/etc")  # out of the image: never followed
    with pytest.raises(UsageError, match="no user 'daemon'"):
        resolve("daemon", tmp_path)
    assert resolve("12", tmp_path) == Account(12, 0)
