# SPDX-License-Identifier: Apache-2.0
"""Each noun's facts, as hosts have them, and how they are judged."""

from __future__ import annotations

import dataclasses
import datetime as dt
import os
import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from toolbox.doctor import (
    boot,
    certificates,
    checkup,
    clock,
    disks,
    limits,
    mounts,
    names,
    own,
    pods,
    pressure,
    processes,
    units,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from toolbox.doctor.diagnosis import Diagnosis

UNITS = """Id=containerd.service
Description=container runtime
LoadState=loaded
ActiveState=active
SubState=running
Result=success
NRestarts=0
UnitFileState=enabled
ExecMainStatus=0
InactiveExitTimestampMonotonic=4000000
ActiveEnterTimestampMonotonic=6500000

Id=broken.service
Description=is broken
LoadState=loaded
ActiveState=failed
SubState=failed
Result=exit-code
NRestarts=7
ExecMainStatus=3

Id=kubelet.service
LoadState=loaded
ActiveState=activating
SubState=auto-restart
NRestarts=41
UnitFileState=enabled

Id=docker.service
LoadState=loaded
ActiveState=inactive
SubState=dead
UnitFileState=disabled
"""
MOUNTS = r"""21 1 254:0 / / ro,relatime shared:1 - squashfs /dev/vda ro
22 21 254:16 / /var rw,relatime shared:2 - ext4 /dev/vdb ro,errors=remount-ro
23 21 0:20 / /mnt/a\040b rw - tmpfs none rw
24 21 0:21 / /proc rw - proc proc rw
"""


def codes(found: Iterable[Diagnosis]) -> list[str]:
    return [each.code for each in found]


def test_units_that_failed_restart_or_do_not_stay_up_are_found() -> None:
    found = list(units.check(units.parse(UNITS)))
    assert codes(found) == ["units.failed", "units.restarts", "units.down"]
    assert [each.severity for each in found] == ["warning", "critical", "critical"]
    assert "broken.service: exit-code, exit status 3 (is broken)" in found[0].evidence
    assert "kubelet.service: 41 restarts" in found[1].evidence[0]


def test_a_node_unit_that_is_enabled_but_does_not_run_is_critical() -> None:
    down = units.Unit(name="kubelet.service", active="inactive", enabled="enabled")
    assert codes(units.check([down])) == ["units.down"]


@pytest.mark.parametrize(
    ("name", "enabled", "severities"),
    [
        ("kubelet.service", "disabled", ["warning"]),
        ("kubelet.service", "static", ["critical"]),
        ("kubelet.service", "", ["critical"]),
        ("docker.service", "disabled", []),
    ],
)
def test_a_kubelet_that_is_stopped_is_told_even_if_it_is_not_enabled(
    name: str, enabled: str, severities: list[str]
) -> None:
    found = units.check([units.Unit(name=name, active="inactive", enabled=enabled)])
    assert [each.severity for each in found] == severities


def test_units_that_are_asked_for_by_name_are_there_once_or_not_at_all() -> None:
    absent = "\n\nId=crio.service\nLoadState=not-found\nActiveState=inactive\n"
    found = units.parse(UNITS + "\n" + UNITS + absent)
    names = [unit.name for unit in found]
    assert names == ["containerd.service", "broken.service", "kubelet.service", "docker.service"]


def masked(name: str) -> units.Unit:
    return units.Unit(name=name, load="masked", active="inactive", sub="dead", enabled="masked")


def test_a_masked_runtime_is_critical_unless_another_one_runs() -> None:
    found = list(units.check([masked("containerd.service"), masked("kubelet.service")]))
    assert [(each.code, each.severity) for each in found] == [("units.masked", "critical")] * 2
    beside = units.Unit(name="containerd.service", active="active")
    (found_beside,) = units.check([masked("docker.service"), beside])
    assert found_beside.severity == "notice"
    assert list(units.check([masked("cups.service")])) == []


STARTING = units.Unit(name="x.service", active="activating", sub="start", began=1000.0)


@pytest.mark.parametrize(
    ("unit", "minutes", "severities"),
    [
        (STARTING, 1, []),
        (STARTING, 10, ["warning"]),
        (dataclasses.replace(STARTING, name="kubelet.service", sub="start-pre"), 10, ["critical"]),
        (dataclasses.replace(STARTING, name="data.mount", sub="mounting"), 10, ["warning"]),
        (dataclasses.replace(STARTING, name="dev-vdb.device", sub="tentative"), 10, []),
        (dataclasses.replace(STARTING, sub="auto-restart", restarts=1), 1, ["warning"]),
    ],
)
def test_a_unit_that_is_stuck_in_activating_is_found(
    unit: units.Unit, minutes: float, severities: list[str]
) -> None:
    found = list(units.check([unit], now=1000.0 + minutes * 60))
    assert [each.severity for each in found] == severities
    assert {each.code for each in found} <= {"units.stuck"}


def test_a_unit_that_met_its_start_limit_says_so() -> None:
    unit = units.Unit(name="x.service", active="failed", result="start-limit-hit")
    (found,) = units.check([unit])
    assert "start-limit-hit" in found.evidence[0]
    assert "reset-failed" in found.advice


RESTARTED = units.Unit(name="x.service", restarts=25, began=1000.0, ready=1001.0)


@pytest.mark.parametrize(
    ("unit", "hours", "expected"),
    [
        (RESTARTED, 1, ["units.restarts"]),
        (RESTARTED, 30, []),
        # It never becomes ready, or waits for its next try: the restarts are what it does now.
        (dataclasses.replace(RESTARTED, ready=0.0), 1, ["units.restarts"]),
        (dataclasses.replace(RESTARTED, active="activating"), 30, ["units.restarts"]),
        # Whoever logs out of a console ends it.
        (dataclasses.replace(RESTARTED, name="getty@tty1.service"), 1, []),
        (dataclasses.replace(RESTARTED, name="serial-getty@ttyS0.service"), 1, []),
    ],
)
def test_restarts_count_while_they_go_on(
    unit: units.Unit, hours: float, expected: list[str]
) -> None:
    assert codes(units.check([unit], now=1000.0 + hours * 3600)) == expected


def test_the_slowest_units_of_the_boot_are_in_the_order_of_their_start() -> None:
    facts = boot.parse("UserspaceTimestampMonotonic=3000000\nFinishTimestampMonotonic=9000000", 99)
    assert facts.stages == (("kernel", 3.0), ("userspace", 6.0))
    late = units.Unit(name="late", began=50.0, ready=60.0)
    found = boot.slowest([late, *units.parse(UNITS)], facts)
    assert [unit.name for unit in found] == ["containerd.service"]


def test_a_boot_that_does_not_finish_is_found() -> None:
    facts = boot.parse("UserspaceTimestampMonotonic=3000000\nFinishTimestampMonotonic=0", 4000)
    assert codes(boot.check(facts)) == ["boot.unfinished"]


def test_a_disk_that_became_read_only_and_one_that_is_missing_are_found() -> None:
    table = mounts.parse(MOUNTS)
    assert table[2].place == "/mnt/a b"
    wanted = mounts.wanted("/dev/x /data ext4 defaults 0 0\n/dev/y /opt ext4 nofail 0 0\n# c\n")
    found = list(disks.check(disks.Disks(table, (), wanted)))
    assert codes(found) == ["disks.read-only", "disks.missing-mount"]
    assert found[0].title == "/var has become read-only"


def test_a_nofail_mount_that_is_missing_is_a_warning() -> None:
    fstab = "/dev/y /data ext4 defaults,nofail 0 0\n/dev/z /old ext4 noauto,nofail 0 0\n"
    optional = mounts.wanted(fstab + "/dev/v /var ext4 nofail\n", nofail=True)
    (found,) = disks.check(disks.Disks(mounts.parse(MOUNTS)[:1], (), optional=optional[:1]))
    assert (found.code, found.severity, found.evidence) == (
        "disks.missing-nofail", "warning", ("/data",),
    )  # fmt: skip
    assert optional == ("/data", "/var")


@pytest.mark.parametrize(
    ("free", "inodes_free", "expected"),
    [
        (50, 50, []),
        (8, 50, [("disks.full", "warning")]),
        (1, 50, [("disks.full", "critical")]),
        (50, 2, [("disks.inodes", "critical")]),
    ],
)
def test_full_disks_are_found_by_blocks_and_by_inodes(
    free: int, inodes_free: int, expected: list[tuple[str, str]]
) -> None:
    mount = mounts.parse(MOUNTS)[1]
    system = disks.FileSystem(mount=mount, size=100, free=free, inodes=100, inodes_free=inodes_free)
    found = disks.check(disks.Disks((), (system,)))
    assert [(each.code, each.severity) for each in found] == expected


def test_pressure_is_found_where_work_waits() -> None:
    some = pressure.parse_stall(
        "some avg10=9 avg60=55.50 avg300=1 total=1\nfull avg10=0 avg60=3 x=1"
    )
    assert some == (55.5, 3.0)
    facts = pressure.Pressure({"io": some, "cpu": (5.0, 0.0)}, 100, 2)
    assert codes(pressure.check(facts)) == ["pressure.io", "pressure.scarce-memory"]


def test_zombies_stuck_processes_and_too_many_threads_are_found() -> None:
    dead = [processes.Process(pid=n, parent=9, name="x", state="Z") for n in range(25)]
    stuck = processes.Process(pid=77, parent=1, name="dd", state="D", waits_in="io_schedule")
    found = list(processes.check(processes.Processes((*dead, stuck), (stuck,), 28)))
    assert codes(found) == ["processes.stuck", "processes.zombies", "processes.limit"]
    assert found[0].title == "1 process is in uninterruptible sleep (state D)"
    assert found[0].evidence == ("pid 77 dd: io_schedule",)
    assert found[1].evidence == ("25 zombie children of pid 9",)


def test_a_full_connection_table_and_a_tainted_kernel_are_found() -> None:
    found = list(limits.check(limits.Limits(95, 100, 1, 100, 1 << 7 | 1)))
    assert codes(found) == ["limits.conntrack", "limits.tainted"]
    assert "the kernel has had an oops" in found[1].evidence
    assert codes(limits.check(limits.Limits(0, 0, 1, 100, 1 << 12))) == []


def test_a_clock_that_nobody_keeps_or_that_is_wrong_is_found() -> None:
    now = 1_795_000_000.0
    assert codes(clock.check(clock.Clock(True, 0.001, now, 9999))) == []
    assert codes(clock.check(clock.Clock(False, 0.0, now, 30))) == []
    assert codes(clock.check(clock.Clock(False, -0.7, now, 9999))) == [
        "clock.unsynchronised",
        "clock.offset",
    ]
    assert codes(clock.check(clock.Clock(True, 0.0, 1000.0, 9999))) == ["clock.past"]


def certificate(begins: float, ends: float) -> bytes:
    """A certificate that is valid between these days from now."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "system:node:n1")])
    now = dt.datetime.now(dt.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now + dt.timedelta(days=begins))
        .not_valid_after(now + dt.timedelta(days=ends))
        .sign(key, hashes.SHA256())
    )
    return built.public_bytes(serialization.Encoding.PEM)


def test_certificates_are_found_wherever_they_stand_and_judged_by_their_end(tmp_path: Path) -> None:
    import base64

    (tmp_path / "bundle.pem").write_bytes(
        b"-----BEGIN EC PRIVATE KEY-----\nx\n" + certificate(-9, -1) + certificate(-9, 5)
    )
    (tmp_path / "conf").write_bytes(
        b"    client-certificate-data: " + base64.b64encode(certificate(-9, 900))
    )
    (tmp_path / "early.crt").write_bytes(certificate(1, 9))
    (tmp_path / "nonsense.crt").write_bytes(
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"
    )
    (tmp_path / "link.crt").symlink_to(tmp_path / "early.crt")
    found = certificates.read([f"{tmp_path}/*"])
    assert len(found) == 4
    judged = list(certificates.check(found))
    assert codes(judged) == [
        "certificates.expired",
        "certificates.expiring",
        "certificates.not-yet-valid",
    ]
    assert "CN=system:node:n1" in judged[0].evidence[0]


def test_certificates_that_kubelet_has_replaced_are_no_concern(tmp_path: Path) -> None:
    for name, ends in (
        ("kubelet-client-2025-01-02-03-04-05.pem", -200),
        ("kubelet-client-2026-01-02-03-04-05.pem", 200),
        ("kubelet-server-2025-01-02-03-04-05.pem", -200),
        ("kubelet-server-2026-01-02-03-04-05.pem", -1),
        ("etcd-2025.pem", -1),
    ):
        (tmp_path / name).write_bytes(certificate(-900, ends))
    for name in ("kubelet-client", "kubelet-server"):
        (tmp_path / f"{name}-current.pem").symlink_to(f"{name}-2026-01-02-03-04-05.pem")
    found = certificates.read([f"{tmp_path}/*.pem"])
    assert sorted(Path(each.path).resolve().name for each in found) == [
        "etcd-2025.pem",
        "kubelet-client-2026-01-02-03-04-05.pem",
        "kubelet-server-2026-01-02-03-04-05.pem",
    ]
    (expired,) = certificates.check(found)
    assert len(expired.evidence) == 2


def test_a_name_server_that_answers_is_told_from_one_that_is_silent(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.77", 53))

        def answer() -> None:
            question, client = server.recvfrom(512)
            server.sendto(question[:2] + b"\x81\x85" + bytes(8), client)

        threading.Thread(target=answer, daemon=True).start()
        conf = tmp_path / "resolv.conf"
        conf.write_text("search x\nnameserver 127.0.0.77\nnameserver 127.0.0.78\n")
        found = names.read(conf)
    answered = dict(found.servers)
    assert answered["127.0.0.77"] is not None
    assert answered["127.0.0.78"] is None
    assert codes(names.check(found)) == ["names.silent"]
    assert codes(names.check(names.read(tmp_path / "none"))) == ["names.unconfigured"]


def test_a_name_in_place_of_a_server_is_not_looked_up() -> None:
    text = "nameserver dns.example\nnameserver fe80::1%eth0\nnameserver 10.0.0.2\n" * 2
    assert names.servers(text) == ["fe80::1%eth0", "10.0.0.2"]


@pytest.mark.parametrize(
    ("begins", "ends", "said"),
    [
        (-9.5, -1.5, "expired 2026-11-19 12:00 UTC (1 day ago)"),
        (-9.5, -0.5, "(less than a day ago)"),
        (-9.5, 1.5, "(in 1 day)"),
        (2.5, 900.5, "not valid before 2026-11-23 12:00 UTC (in 2 days)"),
    ],
)
def test_a_certificate_shows_the_end_of_its_validity_that_matters(
    begins: float, ends: float, said: str
) -> None:
    now = dt.datetime(2026, 11, 21, tzinfo=dt.UTC).timestamp()
    found = certificates.Certificate("/c.crt", "CN=x", now + begins * 86400, now + ends * 86400)
    (finding,) = certificates.check([found], now)
    assert said in finding.evidence[0]
    assert finding.title.startswith("1 certificate ")


def test_containers_that_restart_are_known_by_their_logs(tmp_path: Path) -> None:
    for place in (
        "default_web-0_u1/app/12.log",
        "default_web-0_u1/app/11.log",
        "kube_x_u2/y/0.log",
    ):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).touch()
    (found,) = pods.check(pods.read(tmp_path))
    assert found.evidence == ("default/web-0/app: 12 restarts",)


def test_restarts_of_a_pod_that_are_long_past_are_no_concern(tmp_path: Path) -> None:
    for name in ("4.log", "5.log", "5.log.20261121-134500"):
        (tmp_path / "default_web-0_u1" / "app").mkdir(parents=True, exist_ok=True)
        (tmp_path / "default_web-0_u1" / "app" / name).touch()
    ended = tmp_path / "default_web-0_u1" / "app" / "4.log"
    assert codes(pods.check(pods.read(tmp_path))) == ["pods.restarts"]
    os.utime(ended, (1.0, 1.0))
    assert codes(pods.check(pods.read(tmp_path))) == []
    ended.unlink()  # nothing is left that could tell when
    assert codes(pods.check(pods.read(tmp_path))) == ["pods.restarts"]


CLOSED: dict[str, Any] = {"state": "closed", "sessions": [], "reason": None}


@pytest.mark.parametrize(
    ("door", "bootstrap", "expected"),
    [
        (CLOSED, {"state": "never-run", "last": None}, []),
        ({"state": "open", "since": 1.0, "sessions": []}, {}, ["hatchway.door-left-open"]),
        ({"state": "open", "since": 1.0, "sessions": [{}]}, {"state": "done"}, []),
        ({"state": "died", "reason": {"code": "container.died"}}, {}, ["hatchway.door-broken"]),
        (
            CLOSED,
            {"state": "failed", "last": {"message": "m", "steps": [{"status": "failed"}]}},
            ["hatchway.bootstrap-failed"],
        ),
    ],
)
def test_hatchways_own_records_are_judged(
    door: dict[str, Any], bootstrap: dict[str, Any], expected: list[str]
) -> None:
    assert codes(own.check(own.Own(door, bootstrap))) == expected


def test_what_cannot_be_read_is_a_gap_and_hides_nothing_else() -> None:
    def broken() -> Any:
        raise OSError("no such thing")

    checks = {
        "broken": checkup.Check(broken, limits.check),
        "limits": checkup.Check(lambda: limits.Limits(95, 100, 1, 100, 0), limits.check),
    }
    found = checkup.examine(checks)
    assert found.gaps == {"broken": "no such thing"}
    assert codes(found.findings) == ["limits.conntrack"]
    assert not found.healthy


def test_this_machine_can_be_looked_at() -> None:
    found = checkup.examine()
    assert {"disks", "kernel", "processes", "limits", "clock"} <= found.facts.keys()
    systems = found.facts["disks"].file_systems
    assert "/" in {each.mount.place for each in systems}
    assert all(0 <= each.used <= 100 for each in systems)
