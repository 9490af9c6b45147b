# SPDX-License-Identifier: Apache-2.0
"""What the modules do on a host: here a directory, with the programs they ask for on a list."""

from __future__ import annotations

import base64
import json
import os
import socket
import stat

import pytest

from bootstrap_image.host import ModuleError
from bootstrap_image.modules.hosts import hosts
from tests.bootstrap_image.stand_in import StandIn, do

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="files are given to owners")


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


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("etc/fstab", "mounts: [[//nas/x, /mnt/a, cifs, noauto]]"),
        ("etc/fstab", "swap: {filename: /var/swap, size: 1M}"),
        ("etc/hosts", "manage_etc_hosts: true\nhostname: a\npreserve_hostname: true"),
        ("etc/chrony.conf", "ntp: {servers: [a]}"),
        ("etc/ssl/cert.pem", "ca_certs: {remove_defaults: true}"),
        ("etc/timezone", "timezone: Etc/UTC"),
        ("etc/sysctl.d/90-hatchway.conf", "sysctl: {vm.swappiness: 1}"),
        ("etc/a", "write_files: [{path: /etc/a, content: x, append: true}]"),
    ],
)
def test_a_file_that_is_edited_keeps_its_mode_and_owner(
    host: StandIn, name: str, text: str
) -> None:
    for other in ("chronyd.service", "../../../share/zoneinfo/Etc/UTC"):
        host.put(f"host/usr/lib/systemd/system/{other}", "")
    host.put("proc/sys/vm/swappiness", "")
    host.put(name, "")
    os.chown(host.root / name, 7, 8)
    (host.root / name).chmod(0o640)
    do(text, host)
    found = (host.root / name).stat()
    assert host.text(name)
    assert (stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid) == (0o640, 7, 8)


@pytest.mark.parametrize("append", ["true", "false"])
def test_what_user_data_says_of_mode_and_owner_holds_for_a_file_that_is_there(
    host: StandIn, append: str
) -> None:
    host.put("etc/a", "")
    (host.root / "etc/a").chmod(0o777)
    entry = "path: /etc/a, content: x, permissions: '0600', owner: '7:8'"
    do(f"write_files: [{{{entry}, append: {append}}}]", host)
    found = (host.root / "etc/a").stat()
    assert (stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid) == (0o600, 7, 8)


def test_a_file_that_appending_makes_is_like_any_other(host: StandIn) -> None:
    do("write_files: [{path: /etc/a, content: x, append: true}]", host)
    assert stat.S_IMODE((host.root / "etc/a").stat().st_mode) == 0o644


def test_nothing_is_written_while_an_owner_is_unknown(host: StandIn) -> None:
    with pytest.raises(ModuleError, match="nobody-here is not in /etc/passwd"):
        do("write_files: [{path: /etc/b, content: b}, {path: /etc/a, owner: nobody-here}]", host)
    assert not (host.root / "etc/a").exists()
    assert not (host.root / "etc/b").exists()


def test_a_link_that_leads_out_of_the_hosts_directories_is_refused(host: StandIn) -> None:
    (host.root / "usr/bin").mkdir(parents=True)
    (host.root / "etc/bin").symlink_to(host.root / "usr/bin")
    with pytest.raises(ModuleError, match="leads out of"):
        do("write_files: [{path: /etc/a}, {path: /etc/bin/tool, content: x}]", host)
    assert not list((host.root / "usr/bin").iterdir())
    assert not (host.root / "etc/a").exists()


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
