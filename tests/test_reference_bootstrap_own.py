# SPDX-License-Identifier: Apache-2.0
"""A boot that fails: an own image runs, and the door opens by itself for user data's key.

What follows needs no other boot: the failure is mended by hand, and then nothing is due any more.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from bootstrap_image import spec
from tests.engine import busybox
from tests.refhost.node import HATCHWAY, Node

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.refhost, pytest.mark.in_order, pytest.mark.timeout(600)]
pytest_plugins = ["tests.refhost.node_fixture"]

OWN = "localhost/own:1"
ENTRYPOINT = """
cat /.bottlerocket/bootstrap-containers/current/user-data
grep -q . /.bottlerocket/rootfs/etc/passwd && echo the host is there
touch /.bottlerocket/rootfs/mnt/from-my-own
touch /.bottlerocket/rootfs/x 2>&1 || :
"""
SETTINGS = f"""
[bootstrap]
source = "none"
on-failure = "open-admin"
[bootstrap-containers.keys]
mode = "once"
file = "/opt/data/keys"
[bootstrap-containers.own]
source = "{OWN}"
mode = "once"
order = 1
user-data = "aGVsbG8K"
[bootstrap-containers.bad]
mode = "once"
essential = true
order = 2
file = "/opt/data/bad"
"""


@pytest.fixture(scope="module")
def node(bare_node: Node, ssh_key: Path) -> Iterator[Node]:
    key = ssh_key.with_suffix(".pub").read_text().strip()
    machine = bare_node.machine
    machine.run(("rm", "-rf", spec.STATE))
    machine.write("/opt/own.tar", busybox.archive(OWN, ENTRYPOINT))
    machine.run((HATCHWAY, "image", "load", "/opt/own.tar"), timeout=120)
    keys = f"#cloud-config\nssh_authorized_keys:\n- {key}\n"
    machine.write("/opt/data/keys", keys.encode())
    machine.write("/opt/data/bad", b"#!/bin/sh\necho no luck today; exit 3\n")
    bare_node.configure(SETTINGS)
    bare_node.boot()
    machine.wait_until_up()
    yield bare_node
    bare_node.hatchway("admin", "stop")
    machine.run(("rm", "-rf", spec.STATE))
    bare_node.configure("")


def door(node: Node) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(node.machine.run((HATCHWAY, "admin", "status", "-ojson")))
    return found


def test_the_door_opened_by_itself_for_the_key_that_user_data_names(node: Node) -> None:
    found = door(node)
    assert (found["state"], found["ready"]) == ("open", True), node.machine.console[-3000:]
    (key,) = found["keys"]
    assert (key["comment"], key["source"]) == ("sre@laptop", f"{spec.KEYS_FILE}:1")
    assert "the door is open: ssh -p 22 admin@" in node.machine.console


def test_the_boot_is_said_to_have_failed_of_the_essential_job_all_the_same(node: Node) -> None:
    unit = "hatchway-bootstrap.service"
    shown = node.machine.run(("systemctl", "show", "--property=ExecMainStatus,ActiveState", unit))
    assert sorted(shown.split()) == ["ActiveState=failed", "ExecMainStatus=1"]
    assert node.machine.exec(("systemctl", "is-active", "kubelet")).stdout == b"inactive\n"
    assert "no luck today" in node.machine.console
    assert node.status()["state"] == "failed"


def test_the_own_image_ran_and_is_on_record_like_a_script(node: Node) -> None:
    (record,) = [each for each in node.status()["records"] if each["job"] == "own"]
    assert (record["status"], record["exit_status"]) == ("succeeded", 0)
    greeting, there, refused = record["last_lines"]
    assert (greeting, there) == ("hello", "the host is there")
    assert "Read-only file system" in refused
    assert node.exists("/mnt/from-my-own")


def test_user_data_is_judged_without_being_run(node: Node) -> None:
    node.machine.write(
        "/opt/data/odd", b"#cloud-config\nno_such_key: 1\nruncmd: [[touch, /opt/x]]\n"
    )
    done = node.hatchway("bootstrap", "validate", "/opt/data/odd", "--quiet")
    assert done.status == 1
    assert done.stdout.decode().startswith("error: user-data: no_such_key: ")
    assert not node.exists("/opt/x")


def test_what_was_mended_runs_and_then_nothing_is_due_any_more(node: Node) -> None:
    node.machine.write("/opt/data/bad", b"#!/bin/sh\necho mended\n")
    node.run()
    assert node.status()["state"] == "done"
    again = node.run()
    assert again.count("done before, so no container is started") == 3
    assert node.status()["nothing_due"]
    assert door(node)["state"] == "open"
