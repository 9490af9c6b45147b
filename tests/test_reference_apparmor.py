# SPDX-License-Identifier: Apache-2.0
"""AppArmor on the reference host: who works on the host is free of it, who only looks is not.

The profile does what those of container engines do: no mounts, and signals and ptrace only among
containers. It bears the name of containerd's.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.engine.target import PROGRAM
from tests.engine.toolbox import BUSYBOX

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.refhost.door import HostDoor

pytest_plugins = ["tests.refhost.door_fixture"]
pytestmark = [pytest.mark.refhost, pytest.mark.timeout(600)]

PROFILE = "cri-containerd.apparmor.d"
STRICT = "runs-one-program"
POLICY = f"""
abi <abi/kernel-5.4-vanilla>,
profile {PROFILE} flags=(attach_disconnected,mediate_deleted) {{
  file, network, capability, umount,
  deny mount,
  signal peer={PROFILE},
  signal receive peer=unconfined,
  ptrace peer={PROFILE},
}}
profile {STRICT} flags=(attach_disconnected) {{
  /{PROGRAM} rmix,
  signal receive,
}}
"""
ROOT = "/var/confined"
SECURITY = "/sys/kernel/security/apparmor"
CONFINED = f"{PROFILE} (enforce)"
SELF = "/proc/self/attr/current"


@pytest.fixture(scope="module")
def host(node: HostDoor, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostDoor]:
    """A host whose kernel has been given the profiles, which it has no program to compile."""
    directory = tmp_path_factory.mktemp("policy")
    (directory / "policy").write_text(POLICY)
    features = "/etc/apparmor.d/abi/kernel-5.4-vanilla"
    subprocess.run(
        ("apparmor_parser", "--skip-kernel-load", "--skip-cache", "--kernel-features", features,
         "--ofile", directory / "binary", directory / "policy"),
        check=True, capture_output=True,
    )  # fmt: skip
    load = ("dd", f"of={SECURITY}/.load", "bs=1M", "iflag=fullblock")
    done = node.machine.exec(load, input=(directory / "binary").read_bytes())
    assert done.status == 0, done.stderr
    node.machine.copy_in(BUSYBOX, f"{ROOT}/{PROGRAM}")
    yield node
    for name in (PROFILE, STRICT):
        node.machine.exec(("tee", f"{SECURITY}/.remove"), input=name.encode())


def test_the_door_reaches_the_host_as_without_apparmor(host: HostDoor) -> None:
    host.open()
    seen = host.ssh(f"cat {SELF}; sudo mount -t tmpfs none /mnt && echo mounted; hostsh id -u")
    host.close()
    assert seen.stdout.replace("\0", "").split() == ["unconfined", "mounted", "0"], seen.stderr


def test_only_a_toolbox_that_observes_is_under_the_engines_profile(host: HostDoor) -> None:
    traced = "strace -qq -p 1 -e trace=none -o /dev/null & sleep 1; kill $! && echo traced"
    script = f"cat {SELF}; kill -0 1 && echo signalled; {traced}"
    for profile in ("general", "netadmin", "sysadmin"):
        seen = host.hatchway(
            "toolbox", "run", "--quiet", "--profile", profile, "--", "sh", "-c", script
        )
        assert seen.stdout.split("\n")[0].startswith("unconfined"), seen.stderr
        assert {"signalled", "traced"} <= set(seen.stdout.split()), seen.stderr
    script = f"cat {SELF} /host/etc/shadow /proc/1/environ"
    seen = host.hatchway(
        "toolbox", "run", "--quiet", "--profile", "observe", "--", "sh", "-c", script
    )
    assert seen.stdout.startswith(CONFINED), seen.stderr


@contextlib.contextmanager
def container(host: HostDoor, profile: str) -> Iterator[str]:
    """A container of one program under a profile, as `--target` names it.

    The ctr of this host is too old to be told the profile's name.
    """
    spec = json.loads(host.ctr("oci", "spec"))
    spec["root"] = {"path": ROOT, "readonly": True}
    spec["linux"]["cgroupsPath"] = f"/confined/{profile}"
    spec["process"] |= {
        "args": [f"/{PROGRAM}", "100000"], "apparmorProfile": profile, "terminal": False,
    }  # fmt: skip
    host.machine.write("/run/spec.json", json.dumps(spec).encode())
    host.ctr("run", "--detach", "--null-io", "--config", "/run/spec.json", profile)
    try:
        yield f"containerd://hatchway/{profile}"
    finally:
        host.machine.exec(["ctr", "-n", "hatchway", "tasks", "rm", "--force", profile])
        host.ctr("containers", "rm", profile)


def test_a_command_beside_a_confined_target_is_confined_like_it(host: HostDoor) -> None:
    with container(host, PROFILE) as uri:
        seen = host.hatchway("toolbox", "run", "--target", uri, "--", "cat", SELF)
    assert (seen.status, seen.stdout.strip("\0\n")) == (0, CONFINED), seen.stderr


def test_tools_that_cannot_run_under_the_targets_profile_run_without_and_say_so(
    host: HostDoor,
) -> None:
    with container(host, STRICT) as uri:
        seen = host.hatchway("toolbox", "run", "--target", uri, "--", "cat", SELF)
    assert (seen.status, seen.stdout.strip("\0\n")) == (0, "unconfined"), seen.stderr
    assert f"do not run under {STRICT}" in seen.stderr
