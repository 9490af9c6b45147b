# SPDX-License-Identifier: Apache-2.0
"""What becomes of a boot whose user data cannot be had, or whose essential job failed."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import pytest

from bootstrap_image.spec import Exit
from launcher import interrupt
from launcher.admin import opening
from launcher.bootstrap import gathering, outcome, rescue, results, units
from launcher.errors import SettingsError
from launcher.monitor import SilentMonitor
from launcher.settings import Admin, Bootstrap, BootstrapSettings, Settings
from tests.launcher.node import IMAGE, Node, job
from tests.launcher.test_access import KEY
from tests.launcher.test_sources import cloud

if TYPE_CHECKING:
    from pathlib import Path

    from bootstrap_image.spec import Summary

USER_DATA = "GET /openstack/latest/user_data"
WORKING = {
    "GET /openstack/latest/meta_data.json": (200, b'{"uuid": "i-1"}'),
    USER_DATA: (200, b"#!/bin/sh\necho from the cloud\n"),
}
REFUSING = {**WORKING, USER_DATA: (403, b"")}


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Node:
    return Node(tmp_path, monkeypatch)


def boot(
    node: Node,
    pages: dict[str, tuple[int, bytes]],
    jobs: dict[str, Bootstrap] | None = None,
    **more: Any,
) -> Summary:
    """One boot on a cloud with these pages and settings; what is on record afterwards."""
    with cloud(pages) as service:
        own = BootstrapSettings(source="openstack", address=service.address, image=IMAGE, **more)
        settings = Settings(bootstrap=own, bootstrap_containers=jobs or {})
        node.run(gathering.request(settings, gathering.gather(settings)))
    last = results.read()
    assert last is not None
    return last


def steps(summary: Summary) -> list[tuple[str, str]]:
    return [(step.job, step.status.value) for step in summary.steps]


def test_a_source_that_refuses_fails_the_machines_own_user_data_alone(node: Node) -> None:
    jobs = {"own": job("echo own", order=1)}
    assert steps(boot(node, WORKING, jobs)) == [("user-data", "succeeded"), ("own", "succeeded")]
    again = boot(node, REFUSING, jobs)
    assert steps(again) == [("user-data", "not-run"), ("own", "done-before")]
    assert again.exit_status is Exit.DEGRADED
    assert "status 403 [host.metadata]" in again.message
    assert again.instance_id == "i-1"


def test_an_essential_source_that_refuses_fails_the_boot(node: Node) -> None:
    assert boot(node, REFUSING, essential=True).exit_status is Exit.FAILED


def says(script: str) -> dict[str, tuple[int, bytes]]:
    """The cloud whose user data is this script."""
    return {**WORKING, USER_DATA: (200, f"#!/bin/sh\n{script}\n".encode())}


def test_a_step_of_the_machines_own_user_data_has_the_limit_of_the_settings(node: Node) -> None:
    jobs = {"own": job("echo own", order=1)}
    last = boot(node, says("exec sleep 97531"), jobs, step_timeout=1.0)
    assert steps(last) == [("user-data", "timed-out"), ("own", "succeeded")]


def test_the_machines_own_user_data_is_tried_as_often_as_the_settings_say(node: Node) -> None:
    twice = says(f"test -e {node.place}/tried && exit; touch {node.place}/tried; exit 1")
    assert steps(boot(node, twice, retries=1)) == [("user-data", "succeeded")]


def test_what_was_done_before_the_time_of_all_was_over_stays_known(node: Node) -> None:
    jobs = {"first": job("echo first", order=-1), "last": job("echo last", order=1)}
    found = boot(node, says("exec sleep 97532"), jobs, timeout=10.0)
    assert steps(found) == [
        ("first", "succeeded"), ("user-data", "interrupted"), ("last", "not-run"),
    ]  # fmt: skip
    assert found.exit_status is Exit.DEGRADED
    assert found.message == "user data did not end within 10 s [container.stuck]"


def test_nothing_runs_once_before_it_is_known_for_which_machine(node: Node) -> None:
    jobs = {"own": job("echo own", order=1)}
    for _ in range(2):
        first = boot(node, REFUSING, jobs)
        assert steps(first) == [("user-data", "not-run"), ("own", "not-run")]
    assert node.engine.started == []
    assert steps(boot(node, WORKING, jobs)) == [("user-data", "succeeded"), ("own", "succeeded")]


def test_what_kept_all_of_it_from_running_does_not_lose_the_machines_name(node: Node) -> None:
    boot(node, WORKING)
    results.keep(results.nothing_run("the settings are wrong [settings.invalid]"))
    assert results.look()["state"] == "failed"
    assert steps(boot(node, WORKING)) == [("user-data", "done-before")]


def test_an_essential_failure_keeps_the_gate_shut_and_another_does_not(node: Node) -> None:
    assert not outcome.keeps_the_gate_shut(node.boot(a=job("exit 3")))
    assert outcome.keeps_the_gate_shut(node.boot(a=job("exit 3", essential=True)))


def rescued(settings: Settings) -> list[str]:
    def ensure(*_: object) -> None:
        raise AssertionError

    return list(rescue.attempt(settings, ensure, SilentMonitor()))  # type: ignore[arg-type]


def test_a_door_that_nobody_could_enter_is_not_opened_and_that_is_said(node: Node) -> None:
    said = rescued(Settings())
    assert said[1].startswith("the door could not be opened: there is no usable key")
    assert said[1].endswith("[keys.none]")


def test_whatever_the_settings_say_of_keys_the_boots_own_failure_stands(node: Node) -> None:
    admin = Admin(user_data="bm8ganNvbg==")
    said = rescued(Settings(host_containers={"admin": admin}))
    assert said[1].endswith("[settings.invalid]")


@pytest.mark.parametrize(
    "raised", [RuntimeError("a defect"), interrupt.Interrupted(signal.SIGTERM)], ids=str
)
def test_neither_a_defect_nor_a_signal_hides_the_boots_own_failure(
    raised: BaseException, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise raised

    keys = node.state / "authorized_keys"
    keys.parent.mkdir(parents=True)
    keys.write_text(KEY)
    monkeypatch.setattr(rescue, "KEYS_FILE", str(keys))
    monkeypatch.setattr(opening, "open_door", fail)
    assert str(raised) in rescued(Settings())[1]


def test_the_unit_says_that_it_is_the_boot_and_waits_for_the_door_as_well() -> None:
    from pathlib import Path

    text = units.service(Path("/opt/hatchway/hatchway"), gate="kubelet.service", timeout=3720)
    assert "\nExecStart=/opt/hatchway/hatchway bootstrap run --at-boot\n" in text
    assert "\nTimeoutStartSec=3780\n" in text


def test_on_failure_is_none_or_open_admin(tmp_path: Path) -> None:
    from launcher import settings

    (tmp_path / "config.toml").write_text('[bootstrap]\non-failure = "reboot"\n')
    with pytest.raises(SettingsError, match=r"bootstrap\.on-failure"):
        settings.load(tmp_path, {})
