# SPDX-License-Identifier: Apache-2.0
"""Servers of time for whichever client the host has, on a host that is a directory."""

from __future__ import annotations

import os

import pytest

from bootstrap_image.host import ModuleError
from bootstrap_image.time_sources import chrony_text
from tests.bootstrap_image.stand_in import StandIn, do

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="files are given to owners")


def test_chrony_gets_our_sources_instead_of_its_own_however_often() -> None:
    text = "pool 2.debian.pool.ntp.org iburst\ndriftfile /var/lib/chrony/drift\n"
    once = chrony_text(text, ["a"], ["b"])
    assert once == (
        "#hatchway# pool 2.debian.pool.ntp.org iburst\ndriftfile /var/lib/chrony/drift\n"
        "# hatchway: begin\nserver a iburst\npool b iburst\n# hatchway: end\n"
    )
    assert chrony_text(once, ["a"], ["b"]) == once


CHRONYD, CHRONY = "chronyd.service", "chrony.service"
TIMESYNCD = "systemd-timesyncd.service"


def _clients(host: StandIn, *units: str, active: str = "") -> None:
    for unit in units:
        host.put(f"host/usr/lib/systemd/system/{unit}", "")
    host.answers = {f"systemctl is-active {active}": "active\n"} if active else {}


@pytest.mark.parametrize(
    ("unit", "file"), [(CHRONYD, "etc/chrony.conf"), (CHRONY, "etc/chrony/chrony.conf")]
)
def test_chrony_gets_the_servers_and_is_restarted(host: StandIn, unit: str, file: str) -> None:
    _clients(host, unit, active=unit)
    host.put(file, "server old iburst\nkeyfile /etc/chrony.keys\n")
    do("ntp: {servers: [a]}", host)
    assert host.text(file).startswith("#hatchway# server old iburst\nkeyfile /etc/chrony.keys\n")
    assert "\nserver a iburst\n" in host.text(file)
    assert host.ran[-1] == f"systemctl restart {unit}"


def test_chrony_without_a_configuration_gets_a_whole_one(host: StandIn) -> None:
    _clients(host, CHRONYD)
    do("ntp: {pools: [a]}", host)
    assert "driftfile" in host.text("etc/chrony.conf")


def test_timesyncd_gets_the_servers_instead_of_the_hosts_and_is_restarted(host: StandIn) -> None:
    _clients(host, TIMESYNCD, active=TIMESYNCD)
    do("ntp: {servers: [a], pools: [b]}", host)
    assert host.text("etc/systemd/timesyncd.conf.d/90-hatchway.conf") == "[Time]\nNTP=\nNTP=a b\n"
    assert host.ran[-1] == f"systemctl restart {TIMESYNCD}"


@pytest.mark.parametrize("active", [CHRONY, TIMESYNCD])
def test_of_two_time_clients_the_one_that_runs_is_taken(host: StandIn, active: str) -> None:
    _clients(host, CHRONY, TIMESYNCD, active=active)
    do("ntp: {servers: [a]}", host)
    assert host.ran[-1] == f"systemctl restart {active}"


def test_a_time_client_that_does_not_run_is_enabled_and_started_without_waiting(
    host: StandIn,
) -> None:
    _clients(host, CHRONY, TIMESYNCD)
    do("ntp: {servers: [a], ntp_client: systemd-timesyncd}", host)
    assert host.ran[-2:] == [
        f"systemctl enable {TIMESYNCD}",
        f"systemctl --no-block start {TIMESYNCD}",
    ]


@pytest.mark.parametrize(
    ("client", "units", "said"),
    [
        ("auto", (), "the host has no chrony and no systemd-timesyncd"),
        ("chrony", (), "the host has no chrony"),
        ("chrony", (TIMESYNCD,), "no chrony, but systemd-timesyncd: ntp_client could be auto"),
    ],
)
def test_a_missing_time_client_is_said(
    host: StandIn, client: str, units: tuple[str, ...], said: str
) -> None:
    _clients(host, *units)
    with pytest.raises(ModuleError, match=said):
        do(f"ntp: {{servers: [a], ntp_client: {client}}}", host)


@pytest.mark.parametrize(
    "asked", ["enabled: true", "ntp_client: chrony", "enabled: yes, pools: []"]
)
@pytest.mark.parametrize(
    ("release", "zone"),
    [("ID=debian", "debian."), ('ID="amzn"', "amazon."), ("ID=alinux", ""), ("", "")],
)
def test_a_client_without_a_source_gets_the_default_pools(
    host: StandIn, asked: str, release: str, zone: str
) -> None:
    _clients(host, CHRONY, active=CHRONY)
    host.put("host/etc/os-release", f"NAME=x\n{release}\n")
    host.put("etc/chrony/chrony.conf", "driftfile /var/lib/chrony/drift\n")
    do(f"ntp: {{{asked}}}", host)
    pools = [f"pool {number}.{zone}pool.ntp.org iburst" for number in range(4)]
    assert host.text("etc/chrony/chrony.conf").splitlines()[2:-1] == pools
    assert host.ran[-1] == f"systemctl restart {CHRONY}"


def test_timesyncd_without_a_source_gets_the_default_pools(host: StandIn) -> None:
    _clients(host, TIMESYNCD, active=TIMESYNCD)
    host.put("etc/systemd/timesyncd.conf", "[Time]\n#NTP=\nFallbackNTP=\n")
    for _ in range(2):
        do("ntp: {enabled: true}", host)
    assert "NTP=0.pool.ntp.org 1." in host.text("etc/systemd/timesyncd.conf.d/90-hatchway.conf")


@pytest.mark.parametrize(
    ("unit", "file", "text"),
    [
        (CHRONY, "etc/chrony/chrony.conf", "server ntp.cloud.example iburst\n"),
        (CHRONY, "etc/chrony/sources.d/a.sources", "pool ntp.cloud.example\n"),
        (TIMESYNCD, "etc/systemd/timesyncd.conf", "[Time]\nNTP=ntp.cloud.example\n"),
        (TIMESYNCD, "host/usr/lib/systemd/timesyncd.conf.d/a.conf", "[Time]\nFallbackNTP=a\n"),
    ],
)
def test_a_client_that_runs_with_the_hosts_own_sources_is_left_alone(
    host: StandIn, unit: str, file: str, text: str
) -> None:
    _clients(host, unit, active=unit)
    host.put(file, text)
    do("ntp: {enabled: true}", host)
    assert host.text(file) == text
    assert not any("restart" in line or "start" in line for line in host.ran)


@pytest.mark.parametrize(
    ("unit", "file", "text"),
    [
        (CHRONY, "etc/chrony/chrony.conf", "server ntp.cloud.example iburst\n"),
        (TIMESYNCD, "etc/systemd/timesyncd.conf", "[Time]\nNTP=ntp.cloud.example\n"),
    ],
)
def test_the_hosts_own_sources_come_back_when_none_are_named_any_more(
    host: StandIn, unit: str, file: str, text: str
) -> None:
    _clients(host, unit, active=unit)
    host.put(file, text)
    do("ntp: {servers: [a]}", host)
    do("ntp: {enabled: true}", host)
    assert host.text(file) == text
    assert not (host.root / "etc/systemd/timesyncd.conf.d/90-hatchway.conf").exists()
    assert host.ran[-1] == f"systemctl restart {unit}"


def test_a_client_that_does_not_run_is_started_with_the_hosts_own_sources(host: StandIn) -> None:
    _clients(host, CHRONY)
    host.put("etc/chrony/chrony.conf", "pool a\n")
    do("ntp: {enabled: true}", host)
    assert host.ran[-1] == f"systemctl --no-block start {CHRONY}"


@pytest.mark.parametrize("text", ["ntp:", "ntp: {}", "ntp: {enabled: false}", "ntp: {servers: []}"])
def test_time_that_nobody_asks_for_is_left_to_the_host(host: StandIn, text: str) -> None:
    _clients(host, CHRONY)
    do(text, host)
    assert host.ran == []
