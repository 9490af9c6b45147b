# SPDX-License-Identifier: Apache-2.0
"""What cloud-config may say: what becomes of it, and what is refused, with its path."""

from __future__ import annotations

import base64
import functools
import gzip
import json
from typing import Any

import pytest

from bootstrap_image.plan import plan
from tests.bootstrap_image.make import config_errors, warnings

# The names of tests hold it: the same at whatever time they are collected.
gzipped = functools.partial(gzip.compress, mtime=0)

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB0pZmFrZWZha2VmYWtlZmFrZWZha2VmYWtlZmFr sre@laptop"


def params(text: str, name: str) -> dict[str, Any]:
    made = plan(b"#cloud-config\n" + text.encode())
    assert [str(found) for found in made.findings if found.severity == "error"] == []
    (step,) = [step for step in made.steps if step.name == name]
    found = json.loads(step.content)["params"]
    assert isinstance(found, dict)
    return found


def test_everything_that_is_common_becomes_steps_in_the_order_of_cloud_init() -> None:
    text = f"""
    hostname: node1
    fqdn: node1.example.org
    growpart: {{mode: auto, devices: ['/', /var], ignore_growroot_disabled: false}}
    resize_rootfs: noblock
    ntp: {{enabled: true, servers: [ntp.example.org], pools: [0.pool.example.org]}}
    write_files:
    - {{path: /etc/one, content: a, owner: 'root:root', permissions: '0644'}}
    - {{path: /etc/late, content: a, defer: true}}
    bootcmd: [echo first]
    runcmd: [echo last, [ls, -l, /]]
    mounts: [[/dev/vdc, /var/lib/data, ext4, 'defaults,noatime', '0', '2']]
    disk_setup: {{/dev/vdc: {{table_type: gpt, layout: true, overwrite: false}}}}
    fs_setup: [{{label: data, filesystem: ext4, device: /dev/vdc, partition: auto}}]
    sysctl: {{net.ipv4.ip_forward: 1}}
    ssh_authorized_keys: ['{KEY}']
    users: [default]
    """
    made = plan(b"#cloud-config\n" + text.encode())
    assert [str(found) for found in made.findings if found.severity == "error"] == []
    assert [step.name for step in made.steps] == [
        "bootcmd",
        "write_files",
        "growpart",
        "disk_setup",
        "fs_setup",
        "mounts",
        "hostname",
        "ssh_authorized_keys",
        "ntp",
        "sysctl",
        "write_files_deferred",
        "runcmd",
    ]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("bogus: 1", "bogus: this key is not known"),
        ("users: [default, {name: a b}]", "users[1].name: expected a name"),
        ("users: [default, 7]", "users[1]: expected a table with a name"),
        ("users: [{name: a, uid: 0}]", "users[0].uid: expected a number above 0"),
        ("users: [{name: a, uid: 010}]", "users[0].uid: expected a number above 0"),
        ("users: [{name: a, homedir: /srv/a}]", "users[0].homedir: only /etc"),
        ("users: [{name: a, gecos: 'a:b'}]", "users[0].gecos: it must not hold a colon"),
        ("users: [{name: a, groups: [a b]}]", "users[0].groups: expected names of groups"),
        ("users: [{name: a, homdir: /var/a}]", "did you mean homedir?"),
        ("users: [{name: a, passwd: $6$x}]", "users[0].passwd: the host has no logins"),
        ("users: [{name: a, ssh_import_id: [gh:a]}]", "users[0].ssh_import_id: keys are not"),
        ("groups: [a b]", "groups[0]: expected the name of a group"),
        ("groups: [{a: [b c]}]", "groups[0]: expected the name of a group"),
        ("packages: [htop]", "packages: these hosts have no package manager"),
        ("1: x", "1: this key is not known"),
        ("hostname: [a]", "hostname: expected a text, found a list"),
        ("hostname: -a", "hostname: a host name"),
        ("preserve_hostname: maybe", "preserve_hostname: expected true or false"),
        ("ntp: [a]", "ntp: expected a table, found a list"),
        ("ntp: {servers: [a, {}]}", "ntp.servers[1]: expected a text, found a table"),
        ("ntp: {servers: ['a b']}", "ntp.servers: expected host names"),
        ("ntp: {ntp_client: ntpd, servers: [a]}", "ntp.ntp_client: expected one of"),
        ("ntp: {peers: [a]}", "ntp.peers: this key is not known"),
        ("write_files: {a: b}", "write_files: expected a list, found a table"),
        ("write_files: [a]", "write_files[0]: expected a table, found a text"),
        ("write_files: [{content: a}]", "write_files[0].path: the path is missing"),
        ("write_files: [{path: etc/x}]", "write_files[0].path: a path is absolute"),
        ("write_files: [{path: /etc/../usr/x}]", "write_files[0].path: a path must not hold"),
        ("write_files: [{path: /tmp/../etc/x}]", "write_files[0].path: a path must not hold"),
        ("write_files: [{path: /usr/bin/x}]", "write_files[0].path: only /etc"),
        ('write_files: [{path: "/etc/a\\0b"}]', "write_files[0].path: this is no path"),
        ("write_files: [{path: /etc/x, mode: 1}]", "write_files[0].mode: this key is not known"),
        (
            "write_files: [{path: /etc/x, permissions: '0999'}]",
            "write_files[0].permissions: expected",
        ),
        (
            "write_files: [{path: /etc/x, encoding: rot13}]",
            "write_files[0].encoding: expected one of",
        ),
        (
            "write_files: [{path: /etc/x, encoding: b64, content: '!'}]",
            "write_files[0].content: this is no base64",
        ),
        (
            "write_files: [{path: /etc/x, encoding: gz, content: a}]",
            "write_files[0].content: something that is not",
        ),
        (
            "write_files: [{path: /etc/x, owner: 'a b'}]",
            "write_files[0].owner: expected user:group",
        ),
        (
            "write_files: [{path: /etc/x, source: {uri: http://a}}]",
            "write_files[0].source: files are not fetched",
        ),
        ("runcmd: date", "runcmd: expected a list, found a text"),
        ("runcmd: [{a: b}]", "runcmd[0]: expected a text, or a list of texts, found a table"),
        ("bootcmd: [[a, [b]]]", "bootcmd[0][1]: expected a text, found a list; put it in quotes"),
        ("mounts: [vdb]", "mounts[0]: expected [device"),
        ("mounts: [[ephemeral0, /mnt/a]]", "mounts[0]: ephemeral0 is a name of a cloud"),
        ("mounts: [[ephemeral0.1, /mnt/a]]", "mounts[0]: ephemeral0.1 is a name of a cloud"),
        ("mounts: [[/dev/ephemeral0, /mnt]]", "mounts[0]: /dev/ephemeral0 is a name of a cloud"),
        ("mounts: [[swap, none, swap]]", "mounts[0]: swap is a name of a cloud"),
        ("mounts: [[my_alias.1, /mnt/a]]", "mounts[0]: my_alias.1 is no device"),
        ("mounts: [[vdb, /data]]", "mounts[0]: the mount point: only mounts at or below"),
        ("mounts: [[vdb, /etc/x]]", "mounts[0]: the mount point: only mounts at or below"),
        ("mounts: [[vdb, /run/x]]", "mounts[0]: the mount point: only mounts at or below"),
        ("mounts: [[vdb, /]]", "mounts[0]: the mount point: only mounts at or below"),
        ("mounts: [[vdb, /var]]", "mounts[0]: the mount point: a mount over /var would hide"),
        ("mounts: [[vdb, /opt/]]", "mounts[0]: the mount point: a mount over /opt would hide"),
        ("mounts: [[vdb, /mnt/../usr]]", "mounts[0]: the mount point: a path must not"),
        ("mounts: [[vdb, '/mnt/a b']]", "mounts[0]: fields must not hold blanks"),
        ("swap: {filename: /usr/swap, size: 1G}", "swap.filename: only /etc"),
        ("swap: {size: much}", "swap.size: expected bytes"),
        ("swap: {size: 12}", "swap.size: swap has at least"),
        ("timezone: ../../etc/shadow", "timezone: expected a name"),
        ("manage_etc_hosts: maybe", "manage_etc_hosts: expected true"),
        ("ca_certs: {trusted: [hello]}", "ca_certs.trusted[0]: this is no certificate"),
        ("ca_certs: {add: x}", "ca_certs.add: this key is not known"),
        ("sysctl: {net.ipv4.ip_forward: [1]}", "sysctl.net.ipv4.ip_forward: expected a number"),
        ("sysctl: {../../etc/x: 1}", "this is no name of a kernel parameter"),
        ("growpart: {mode: always}", "growpart.mode: expected auto"),
        ("growpart: {devices: [../x]}", "growpart.devices: expected mount points"),
        ("resize_rootfs: sometimes", "resize_rootfs: expected true"),
        ("disk_setup: {ephemeral0: {layout: true}}", "disk_setup.ephemeral0: expected a device"),
        ("disk_setup: {/dev/vdb: {layout: [60, 60]}}", "disk_setup./dev/vdb.layout: expected true"),
        (
            "disk_setup: {/dev/vdb: {layout: true, table_type: bsd}}",
            "table_type: expected gpt or mbr",
        ),
        (
            "disk_setup: {/dev/vdb: {layout: [[50, 8200]]}}",
            "disk_setup./dev/vdb.layout: 8200 is no type of a partition in an mbr",
        ),
        (
            "disk_setup: {/dev/vdb: {layout: [50, [50, 44]], table_type: gpt}}",
            "disk_setup./dev/vdb.layout: 44 is no type of a partition in a gpt",
        ),
        (
            "fs_setup: [{device: /dev/vdb, filesystem: zfs}]",
            "fs_setup[0].filesystem: expected one of",
        ),
        (
            "fs_setup: [{device: /dev/vdb, filesystem: xfs, label: aaaaaaaaaaaaa}]",
            "fs_setup[0].label: a label",
        ),
        (
            "fs_setup: [{device: /dev/vdb, filesystem: ext4, cmd: x}]",
            "fs_setup[0].cmd: this key is not",
        ),
        ("ssh_authorized_keys: [nonsense]", "ssh_authorized_keys[0]: this is no public key"),
        ("ssh_authorized_keys: ['-----BEGIN OPENSSH PRIVATE KEY-----']", "this is a private key"),
    ],
)
def test_what_is_not_understood_is_an_error_with_its_path(text: str, found: str) -> None:
    said = config_errors(text)
    assert len(said) == 1, said
    assert found in said[0].removeprefix("user-data: ")


def test_all_errors_are_said_at_once() -> None:
    assert len(config_errors("a: 1\nb: 2\nwrite_files: [{}, {path: x}]\nmounts: [a]\n")) == 5


def test_what_nobody_misses_is_a_warning() -> None:
    data = b"#cloud-config\npackage_update: true\nssh_pwauth: true\nlocale: C\n"
    assert len(warnings(data)) == 3
    assert plan(data).sound


def test_a_file_that_only_cloud_init_would_run_is_a_warning() -> None:
    text = b"#cloud-config\nwrite_files: [{path: /var/lib/cloud/scripts/per-boot/x}]\n"
    assert "nothing runs what lies there" in warnings(text)[0]
    assert plan(text).sound


def test_a_file_in_the_containers_own_tmp_is_a_warning() -> None:
    assert "own and ends" in warnings(b"#cloud-config\nwrite_files: [{path: /tmp/x}]\n")[0]


@pytest.mark.parametrize(
    ("encoding", "content"),
    [
        ("b64", base64.b64encode(b"text")),
        ("base64", base64.b64encode(b"text")),
        ("gz+b64", base64.b64encode(gzipped(b"text"))),
        ("gzip+base64", base64.b64encode(gzipped(b"text"))),
        ("text/plain", b"text"),
    ],
)
def test_every_encoding_of_a_file_is_decoded(encoding: str, content: bytes) -> None:
    text = f"write_files: [{{path: /etc/x, encoding: {encoding}, content: '{content.decode()}'}}]"
    file = params(text, "write_files")["files"][0]
    assert base64.b64decode(file["content"]) == b"text"


def test_binary_content_in_yaml_is_taken() -> None:
    packed = base64.b64encode(gzipped(b"text")).decode()
    text = f"write_files:\n- path: /etc/x\n  encoding: gzip\n  content: !!binary |\n    {packed}\n"
    assert base64.b64decode(params(text, "write_files")["files"][0]["content"]) == b"text"


@pytest.mark.parametrize("mode", ["0640", "640", "'0640'", "'640'", "'0o640'", "0o640"])
def test_permissions_may_be_written_in_every_usual_way(mode: str) -> None:
    text = f"write_files: [{{path: /etc/x, permissions: {mode}}}]"
    assert params(text, "write_files")["files"][0]["mode"] == 0o640


def test_a_command_as_a_list_is_quoted_word_by_word() -> None:
    (step,) = plan(b'#cloud-config\nruncmd:\n- [echo, "it\'s", 5]\n- echo $HOME\n- null\n').steps
    assert step.content == b"#!/bin/bash\n'echo' 'it'\\''s' '5'\necho $HOME\n"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("hostname: a", "a"),
        ("fqdn: a.b.c", "a"),
        ("hostname: a\nfqdn: x.b.c", "a"),
        ("hostname: a.b.c", "a"),
        ("hostname: a.b.c\nprefer_fqdn_over_hostname: false", "a"),
        ("hostname: a.b.c\nprefer_fqdn_over_hostname: true", "a.b.c"),
        ("hostname: a.b\nfqdn: x.b.c", "a.b"),
        ("hostname: a\nfqdn: x.b.c\nprefer_fqdn_over_hostname: true", "x.b.c"),
    ],
)
def test_the_host_name_is_chosen_as_cloud_init_does(text: str, name: str) -> None:
    assert params(text, "hostname") == {"name": name}


def test_a_host_name_that_is_to_be_kept_is_no_step() -> None:
    assert plan(b"#cloud-config\nhostname: a\npreserve_hostname: true\n").steps == ()


def test_short_lines_of_mounts_are_filled_up() -> None:
    assert params("mounts: [[vdb, /mnt/a]]", "mounts")["lines"] == [
        ["/dev/vdb", "/mnt/a", "auto", "defaults,nofail", "0", "2"]
    ]


@pytest.mark.parametrize("point", ["/mnt", "/mnt/", "/home", "/root", "/usr/local", "/var//data/"])
def test_a_disk_may_be_mounted_over_a_directory_that_the_host_shares(point: str) -> None:
    (line,) = params(f"mounts: [[vdb, {point}]]", "mounts")["lines"]
    assert line[1] == point.rstrip("/").replace("//", "/")


def test_defaults_of_mounts_may_be_given() -> None:
    text = "mounts: [[vdb, /mnt/a]]\nmount_default_fields: [null, null, xfs, noatime]"
    assert params(text, "mounts")["lines"][0][2:4] == ["xfs", "noatime"]


def test_a_device_may_have_an_alias() -> None:
    text = "device_aliases: {data: /dev/vdb}\ndisk_setup: {data: {layout: [25, [75, 82]]}}\n"
    assert params(text, "disk_setup")["disks"] == [
        {"device": "/dev/vdb", "table": "dos", "shares": [[25, ""], [75, "82"]], "overwrite": False}
    ]


@pytest.mark.parametrize(
    ("name", "device"),
    [
        ("data", "/dev/vdb"),
        ("data.0", "/dev/vdb"),
        ("data.1", "/dev/vdb1"),
        ("fast.2", "/dev/nvme1n1p2"),
        ("lun.1", "/dev/disk/azure/scsi1/lun0-part1"),
        ("v.1", "/dev/vdc"),
        ("vdb.1", "/dev/vdb1"),
        ("/dev/vdb.3", "/dev/vdb3"),
        ("/dev/mapper/vg-data.1", "/dev/mapper/vg-data.1"),
        ("/dev/disk/by-id/scsi-0.1", "/dev/disk/by-id/scsi-0.1"),
        ("LABEL=data.1", "LABEL=data.1"),
        ("10.0.0.1:/data.1", "10.0.0.1:/data.1"),
        ("sr0", "/dev/sr0"),
    ],
)
def test_a_mount_names_its_device_as_the_other_keys_do(name: str, device: str) -> None:
    text = (
        "device_aliases: {data: /dev/vdb, fast: /dev/nvme1n1, v.1: /dev/vdc, "
        f"lun: /dev/disk/azure/scsi1/lun0}}\nmounts: [['{name}', /mnt/a], ['{name}', null]]"
    )
    made = params(text, "mounts")
    assert (made["lines"][0][0], made["removed"]) == (device, [device])


def test_what_has_no_device_needs_no_name_of_one() -> None:
    text = "mounts: [[tmpfs, /mnt/a, tmpfs], [share0, /mnt/b, virtiofs]]"
    assert [line[0] for line in params(text, "mounts")["lines"]] == ["tmpfs", "share0"]


@pytest.mark.parametrize(
    ("table", "kind", "word"),
    [
        ("mbr", 82, "82"),
        ("mbr", "8e", "8e"),
        ("mbr", "swap", "swap"),
        ("gpt", 82, "swap"),
        ("gpt", 8200, "swap"),
        ("gpt", 83, "linux"),
        ("gpt", "8e00", "lvm"),
        ("gpt", "fd", "raid"),
        ("gpt", "EF", "uefi"),
        ("gpt", "raid", "raid"),
        (
            "gpt",
            "0fc63daf-8483-4772-8e79-3d69d8477de4",
            "0fc63daf-8483-4772-8e79-3d69d8477de4",
        ),
    ],
)
def test_types_of_partitions_are_those_of_either_table(
    table: str, kind: int | str, word: str
) -> None:
    text = f"disk_setup: {{/dev/vdb: {{table_type: {table}, layout: [[100, {kind}]]}}}}"
    assert params(text, "disk_setup")["disks"][0]["shares"] == [[100, word]]


def test_a_changed_setting_changes_only_its_own_step() -> None:
    one = plan(b"#cloud-config\nhostname: a\nsysctl: {vm.swappiness: 1}\n")
    two = plan(b"#cloud-config\nhostname: a\nsysctl: {vm.swappiness: 2}\n")
    assert [a.sha256 == b.sha256 for a, b in zip(one.steps, two.steps, strict=True)] == [
        True,
        False,
    ]
