# SPDX-License-Identifier: Apache-2.0
"""What the modules do on a host: here a directory, with the programs they ask for on a list."""

from __future__ import annotations

import base64
import json
import os
import socket
import stat
from typing import TYPE_CHECKING

import pytest

from bootstrap_image.host import ModuleError
from bootstrap_image.modules import BY_NAME
from bootstrap_image.modules.disk_setup import script
from bootstrap_image.modules.hosts import hosts
from bootstrap_image.modules.mounts import fstab
from bootstrap_image.modules.ntp import chrony_text
from bootstrap_image.modules.swap import suggested
from bootstrap_image.plan import plan
from tests.bootstrap_image.stand_in import StandIn

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="files are given to owners")


@pytest.fixture
def host(tmp_path: Path) -> StandIn:
    return StandIn(tmp_path / "root")


def do(text: str, host: StandIn) -> None:
    for step in plan(b"#cloud-config\n" + text.encode()).steps:
        given = json.loads(step.content)
        BY_NAME[given["module"]].act(given["params"], host)


def test_a_file_gets_its_content_mode_and_owner(host: StandIn) -> None:
    host.put("etc/passwd", "web:x:33:33::/:\n")
    host.put("etc/group", "web:x:34:\n")
    do("write_files: [{path: /etc/a/b, content: hi, permissions: '0750', owner: 'web:web'}]", host)
    found = (host.root / "etc/a/b").stat()
    assert host.text("etc/a/b") == "hi"
    assert (stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid) == (0o750, 33, 34)
    assert [path.name for path in (host.root / "etc/a").iterdir()] == ["b"]


def test_a_file_can_be_appended_to(host: StandIn) -> None:
    host.put("etc/a", "one\n")
    do('write_files: [{path: /etc/a, content: "two\\n", append: true}]', host)
    assert host.text("etc/a") == "one\ntwo\n"


def test_an_unknown_owner_stops_that_file_only(host: StandIn) -> None:
    with pytest.raises(ModuleError, match="nobody-here is not in /etc/passwd"):
        do("write_files: [{path: /etc/a, owner: nobody-here}, {path: /etc/b, content: b}]", host)
    assert host.text("etc/b") == "b"
    assert not (host.root / "etc/a").exists()


def test_a_link_that_leads_out_of_the_hosts_directories_is_refused(host: StandIn) -> None:
    (host.root / "usr/bin").mkdir(parents=True)
    (host.root / "etc/bin").symlink_to(host.root / "usr/bin")
    with pytest.raises(ModuleError, match="leads out of"):
        do("write_files: [{path: /etc/bin/tool, content: x}]", host)
    assert not list((host.root / "usr/bin").iterdir())


def test_a_link_within_the_hosts_directories_is_followed(host: StandIn) -> None:
    (host.root / "var/opt").mkdir()
    (host.root / "opt").rmdir()
    (host.root / "opt").symlink_to("var/opt")
    do("write_files: [{path: /opt/x, content: x}]", host)
    assert host.text("var/opt/x") == "x"


def test_the_host_name_is_written_and_set(host: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    names: list[str] = []
    monkeypatch.setattr(socket, "sethostname", names.append)
    do("hostname: node-7", host)
    assert (host.text("etc/hostname"), names) == ("node-7\n", ["node-7"])


def test_kernel_parameters_are_kept_and_set(host: StandIn) -> None:
    host.put("proc/sys/net/ipv4/ip_forward", "0")
    host.put("proc/sys/net/ipv4/conf/eth0.1/rp_filter", "1")
    do("sysctl: {net.ipv4.ip_forward: true, net/ipv4/conf/eth0.1/rp_filter: 0}", host)
    assert host.text("proc/sys/net/ipv4/ip_forward") == "1\n"
    assert host.text("proc/sys/net/ipv4/conf/eth0.1/rp_filter") == "0\n"
    assert "net.ipv4.ip_forward = 1\n" in host.text("etc/sysctl.d/90-hatchway.conf")


def test_a_parameter_that_the_kernel_lacks_is_said(host: StandIn) -> None:
    (host.root / "proc/sys/net").mkdir(parents=True)
    with pytest.raises(ModuleError, match=r"has no net\.nothing"):
        do("sysctl: {net.nothing: 1}", host)


def test_keys_for_the_admin_door_are_kept_for_nobody_else(host: StandIn) -> None:
    do("ssh_authorized_keys: [ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB0pZmFrZWZha2VmYWtl]", host)
    path = host.root / "var/lib/hatchway/bootstrap/authorized_keys"
    assert path.read_text().startswith("ssh-ed25519 ")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_keys_of_several_jobs_are_all_let_in_each_once(host: StandIn) -> None:
    one, other = (f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB0pZmFrZWZha2VmYWt{c}" for c in "lm")
    for keys in (one, other, f"{other}, {one}"):
        do(f"ssh_authorized_keys: [{keys}]", host)
    path = host.root / "var/lib/hatchway/bootstrap/authorized_keys"
    assert path.read_text().splitlines() == [one, other]


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


def test_fstab_keeps_its_lines_and_replaces_ours() -> None:
    lines = [["/dev/vdb", "/mnt/a", "auto", "defaults,nofail", "0", "2"]]
    once = fstab("# a comment\nUUID=1 / ext4 ro 0 1\n/dev/vdx /mnt/a xfs rw 0 0\n", lines, [])
    assert once == (
        "# a comment\nUUID=1 / ext4 ro 0 1\n"
        "/dev/vdb\t/mnt/a\tauto\tdefaults,nofail,x-hatchway\t0\t2\n"
    )
    assert fstab(once, lines, []) == once
    assert fstab(once, [], ["/dev/vdb"]) == "# a comment\nUUID=1 / ext4 ro 0 1\n"


def test_a_mount_is_made_once(host: StandIn) -> None:
    with pytest.raises(ModuleError, match="nothing was mounted"):
        do("mounts: [[vdb, /mnt/a]]", host)
    assert host.ran == ["mount /mnt/a"]
    host.put("proc/self/mountinfo", "30 1 254:16 / /mnt/a rw - ext4 /dev/vdb rw\n")
    (host.root / "dev").mkdir()
    do("mounts: [[/dev/vdb, /mnt/a]]", host)
    assert host.ran == ["mount /mnt/a"]
    assert "mounted already" in host.said[-1]


def test_options_of_a_failed_mount_are_not_shown(host: StandIn) -> None:
    host.failing = "mount"
    with pytest.raises(ModuleError) as caught:
        do("mounts: [[//nas/x, /mnt/a, cifs, password=s3cret]]", host)
    assert "s3cret" not in str(caught.value)


def test_partitions_take_their_share_and_the_last_the_rest() -> None:
    assert script("gpt", [[33, ""], [33, "82"], [34, ""]], 10 << 30) == (
        "label: gpt\nsize=3378MiB\nsize=3378MiB,type=82\n,\n"
    )
    assert script("dos", [[50, ""]], 1 << 30) == "label: dos\nsize=511MiB\n"


def _disk(host: StandIn, *, signature: str = "", parts: str = "", used: str = "disk") -> None:
    for name in ("vdb", "vdb1"):
        host.put(f"dev/{name}", "")
    host.answers = {
        "blkid -p -o export /dev/vdb1": "",
        "blkid -p": signature,
        "lsblk --noheadings --list --paths": parts,
        "lsblk": used,
        "blockdev": str(1 << 30),
    }


SETUP = "disk_setup: {/dev/vdb: {table_type: gpt, layout: true, overwrite: OVER}}"


def test_an_empty_disk_is_partitioned(host: StandIn) -> None:
    _disk(host)
    do(SETUP.replace("OVER", "false"), host)
    assert host.ran[-1].startswith("sfdisk ")
    assert host.given == ["label: gpt\n,\n"]


def test_a_disk_that_holds_data_is_left_alone(host: StandIn) -> None:
    _disk(host, signature="TYPE=ext4\n")
    with pytest.raises(ModuleError, match="holds ext4; `overwrite: true` would replace it"):
        do(SETUP.replace("OVER", "false"), host)
    assert not any(line.startswith(("wipefs", "sfdisk")) for line in host.ran)


def test_a_disk_with_its_partitions_is_left_alone_even_with_overwrite(host: StandIn) -> None:
    _disk(host, signature="PTTYPE=gpt\n", parts="/dev/vdb disk\n/dev/vdb1 part\n")
    do(SETUP.replace("OVER", "true"), host)
    assert not any(line.startswith(("wipefs", "sfdisk")) for line in host.ran)


def test_a_disk_in_use_is_left_alone_even_with_overwrite(host: StandIn) -> None:
    _disk(host, signature="TYPE=ext4\n", used="disk /var")
    with pytest.raises(ModuleError, match="mounted at /var"):
        do(SETUP.replace("OVER", "true"), host)
    assert not any(line.startswith(("wipefs", "sfdisk")) for line in host.ran)


def test_a_file_system_is_made_on_the_first_empty_partition(host: StandIn) -> None:
    _disk(host, signature="PTTYPE=gpt\n", parts="/dev/vdb disk\n/dev/vdb1 part\n", used="part")
    do(
        "fs_setup: [{device: /dev/vdb, filesystem: xfs, label: data, extra_opts: [-m, reflink=0]}]",
        host,
    )
    assert host.ran[-1] == "mkfs.xfs -f -L data -m reflink=0 /dev/vdb1"


def test_a_file_system_that_is_there_stays(host: StandIn) -> None:
    _disk(host, signature="TYPE=ext4\nLABEL=data\n")
    do(
        "fs_setup: [{device: /dev/vdb, filesystem: ext4, label: data, partition: none, "
        "overwrite: true}]",
        host,
    )
    assert not any(line.startswith(("wipefs", "mkfs")) for line in host.ran)


def _mounted(host: StandIn, fstype: str) -> None:
    host.put(
        "proc/self/mountinfo",
        "30 1 254:1 / /host ro - squashfs /dev/vda1 ro\n"
        f"31 1 254:2 /x /var rw - {fstype} /dev/root rw\n",
    )
    host.put("sys/devices/vda/vda2/partition", "2\n")
    (host.root / "sys/dev/block").mkdir(parents=True)
    (host.root / "sys/dev/block/254:2").symlink_to("../../devices/vda/vda2")


@pytest.mark.parametrize(
    ("fstype", "resize"), [("ext4", "resize2fs /dev/vda2"), ("xfs", "xfs_growfs /var")]
)
def test_the_root_of_an_image_stands_for_var(host: StandIn, fstype: str, resize: str) -> None:
    _mounted(host, fstype)
    do("growpart: {mode: auto}", host)
    assert host.ran == ["growpart /dev/vda 2", resize]


def test_a_resize_can_be_left_out(host: StandIn) -> None:
    _mounted(host, "ext4")
    do("growpart: {mode: auto, devices: [/var]}\nresize_rootfs: false", host)
    assert host.ran == ["growpart /dev/vda 2"]


def test_what_is_not_mounted_cannot_grow(host: StandIn) -> None:
    with pytest.raises(ModuleError, match="nothing is mounted from or at /mnt/x"):
        do("growpart: {devices: [/mnt/x]}", host)


def test_the_time_zone_is_a_link_to_one_of_the_hosts(host: StandIn) -> None:
    host.put("host/usr/share/zoneinfo/Asia/Shanghai", "TZif")
    host.put("etc/timezone", "Etc/UTC\n")
    host.put("etc/localtime", "a file")
    do("timezone: Asia/Shanghai", host)
    assert (
        host.root / "etc/localtime"
    ).readlink().as_posix() == "/usr/share/zoneinfo/Asia/Shanghai"
    assert host.text("etc/timezone") == "Asia/Shanghai\n"


def test_a_time_zone_that_the_host_lacks_is_said(host: StandIn) -> None:
    with pytest.raises(ModuleError, match="the host has no time zone Mars/Base"):
        do("timezone: Mars/Base", host)
    assert not (host.root / "etc/localtime").is_symlink()


def test_the_own_name_goes_into_etc_hosts_and_the_rest_stays() -> None:
    text = "127.0.0.1 localhost\n10.0.0.9 registry # mine\n127.0.1.1 old\n"
    once = hosts(text, ["a.b.c", "a"])
    assert once == (
        "::1\tlocalhost ip6-localhost ip6-loopback\n"
        "127.0.0.1 localhost\n10.0.0.9 registry # mine\n127.0.1.1\ta.b.c a\n"
    )
    assert hosts(once, ["a.b.c", "a"]) == once


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("manage_etc_hosts: true\nhostname: a\nfqdn: a.b.c", "127.0.1.1\ta.b.c a"),
        ("manage_etc_hosts: localhost\nhostname: a.b", "127.0.1.1\ta.b a"),
        ("manage_etc_hosts: template\nfqdn: a.b", "127.0.1.1\ta.b a"),
        ("manage_etc_hosts: true", f"127.0.1.1\t{os.uname().nodename}"),
    ],
)
def test_the_name_in_etc_hosts_is_the_one_that_is_set(
    host: StandIn, monkeypatch: pytest.MonkeyPatch, text: str, line: str
) -> None:
    monkeypatch.setattr(socket, "sethostname", lambda _: None)
    do(text, host)
    assert line in host.text("etc/hosts")


PEM = "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----"
ONE, TWO = (PEM.format(base64.b64encode(b"0" + text).decode()) for text in (b"one", b"two"))


def _trust(*pems: str, alone: bool = False) -> str:
    return "ca_certs: " + json.dumps({"remove_defaults": alone, "trusted": pems})


def test_certificates_are_added_to_the_bundle_once(host: StandIn) -> None:
    host.put("etc/ssl/certs/ca-certificates.crt", f"{ONE}\n")
    for _ in range(2):
        do(_trust(TWO), host)
    assert host.text("etc/ssl/certs/ca-certificates.crt").count("BEGIN") == 2
    assert host.text("etc/ssl/certs/ca-certificates.crt").startswith(ONE)


def test_certificates_can_be_the_only_ones(host: StandIn) -> None:
    host.put("etc/ssl/certs/ca-certificates.crt", f"{ONE}\n")
    do(_trust(TWO, alone=True), host)
    assert ONE not in host.text("etc/ssl/certs/ca-certificates.crt")
    assert TWO in host.text("etc/ssl/certs/ca-certificates.crt")


def test_a_bundle_of_two_names_is_written_once_where_it_lies(host: StandIn) -> None:
    host.put("etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", "")
    (host.root / "etc/pki/tls/certs").mkdir(parents=True)
    link = host.root / "etc/pki/tls/certs/ca-bundle.crt"
    link.symlink_to("../../ca-trust/extracted/pem/tls-ca-bundle.pem")
    do(_trust(TWO), host)
    assert link.is_symlink()
    assert link.read_text().count("BEGIN") == 1


def test_a_host_without_a_bundle_is_said(host: StandIn) -> None:
    with pytest.raises(ModuleError, match="no bundle of certificates"):
        do(_trust(TWO), host)


def test_a_swap_file_is_made_kept_and_used_once(host: StandIn) -> None:
    do("swap: {filename: /var/swap, size: 1M}", host)
    made = (host.root / "var/swap").stat()
    assert (made.st_size, stat.S_IMODE(made.st_mode)) == (1 << 20, 0o600)
    assert host.text("etc/fstab") == "/var/swap\tnone\tswap\tsw,nofail,x-hatchway\t0\t0\n"
    assert host.ran == ["mkswap /var/swap.hatchway", "swapon /var/swap"]
    host.put("proc/swaps", "Filename Type\n/var/swap file\n")
    do("swap: {filename: /var/swap, size: 2M}", host)
    assert host.ran == ["mkswap /var/swap.hatchway", "swapon /var/swap"]
    assert host.text("etc/fstab").count("swap\t") == 2


def test_half_a_swap_file_of_a_power_cut_is_made_anew(host: StandIn) -> None:
    host.put("var/swap.hatchway", "half")
    do("swap: {filename: /var/swap, size: 1M}", host)
    assert [path.name for path in (host.root / "var").glob("swap*")] == ["swap"]
    assert (host.root / "var/swap").stat().st_size == 1 << 20


def test_a_swap_file_that_cannot_be_made_leaves_nothing(host: StandIn) -> None:
    host.failing = "mkswap"
    with pytest.raises(ModuleError, match="/var/swap of 1 MiB: mkswap failed"):
        do("swap: {filename: /var/swap, size: 1M}", host)
    assert not list((host.root / "var").glob("swap*"))
    assert "swapon" not in " ".join(host.ran)


@pytest.mark.parametrize(
    ("memory", "free", "size"),
    [(1, 100, 1), (8, 100, 4), (64, 100, 8), (8, 4, 1)],
)
def test_the_size_of_swap_follows_memory_and_disk(memory: int, free: int, size: int) -> None:
    assert suggested(memory << 30, free << 30) == size << 30


def test_a_swap_partition_is_used_at_once(host: StandIn) -> None:
    do("mounts: [[vdb2, none, swap, sw, 0, 0]]", host)
    assert host.ran == ["swapon /dev/vdb2"]


def test_a_final_message_has_its_words_filled_in(host: StandIn) -> None:
    host.put("proc/uptime", "61.25 100\n")
    do("final_message: 'up $UPTIME ${uptime} {{ uptime }} s, $HOME'", host)
    assert host.said == ["up 61 61 61 s, $HOME"]


def test_what_is_appended_does_not_follow_a_link_out_of_the_host(host: StandIn) -> None:
    host.put("usr/bin/tool", "x")
    (host.root / "etc/tool").symlink_to("../usr/bin/tool")
    with pytest.raises(ModuleError, match="leads out of"):
        do("write_files: [{path: /etc/tool, content: x, append: true}]", host)
    assert host.text("usr/bin/tool") == "x"


def test_what_is_appended_follows_a_link_within_the_host(host: StandIn) -> None:
    host.put("var/lib/conf", "a")
    (host.root / "etc/conf").symlink_to("../var/lib/conf")
    do("write_files: [{path: /etc/conf, content: b, append: true}]", host)
    assert host.text("var/lib/conf") == "ab"
