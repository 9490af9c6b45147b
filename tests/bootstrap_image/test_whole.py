# SPDX-License-Identifier: Apache-2.0
"""A list is done whole or not at all, and what asks for nothing is no finding."""

from __future__ import annotations

import pytest

from bootstrap_image.plan import plan
from tests.bootstrap_image.make import config_errors


def names(text: str) -> list[str]:
    return [step.name for step in plan(f"#cloud-config\n{text}".encode()).steps]


def findings(text: str) -> list[str]:
    return [str(found) for found in plan(f"#cloud-config\n{text}".encode()).findings]


@pytest.mark.parametrize("key", ["runcmd", "bootcmd"])
@pytest.mark.parametrize(
    "entry",
    ["echo note: build", "{a: b}", "5", "[cd, {a: b}]", "[cd, null]", "[cd, [x]]", "2024-01-01",
     'curl -H "Accept: x" http://a'],
)  # fmt: skip
def test_no_command_runs_while_one_is_not_understood(key: str, entry: str) -> None:
    text = f"{key}:\n- mkdir -p /var/tmp/work\n- {entry}\n- rm -rf ./data\n"
    assert names(text) == []
    assert config_errors(text)[0].startswith(f"user-data: {key}[1]")


@pytest.mark.parametrize(
    "text",
    [
        "write_files: [{path: /etc/a, content: a}, {path: /usr/b, content: b}]",
        "write_files: [{path: /etc/a, content: a}, {path: /etc/b, perm: '0600'}]",
        "write_files: [{path: /etc/a, content: a, defer: true}, {path: /etc/b, content: [x]}]",
        "write_files: [{path: /etc/a, content: a}, b]",
        "mounts: [[/dev/vdb, /mnt/a], [/dev/vdc, /usr/x]]",
        "mounts: [[/dev/vdb, /mnt/a], [/dev/vdc, /mnt/b, ext4, {a: b}]]",
        "mounts: [[/dev/vdb, null], x]",
        "mounts: [[vdb, /mnt/a]]\nmount_default_fields: [null, null, auto, {a: b}]",
        "disk_setup: {/dev/vdb: {layout: true}, /dev/vdc: {layout: [200]}}",
        "disk_setup: {/dev/vdb: {layout: true}, /dev/vdc: true}",
        "fs_setup: [{device: /dev/vdb, filesystem: ext4}, {device: /dev/vdc, filesystem: zfs}]",
        "ca_certs: {remove_defaults: true, trusted: [x]}",
        "ntp: {servers: [a, 'b c']}",
        "ntp: {servers: [a, {b: c}]}",
        "sysctl: {vm.swappiness: 1, vm.nonsense: [1]}",
        "growpart: {devices: [/var, x]}",
        "swap: {filename: /var/swap, size: 1G, more: x}",
    ],
)
def test_a_key_with_an_error_in_it_does_nothing(text: str) -> None:
    assert names(text) == []
    assert config_errors(text)


def test_other_keys_of_the_document_are_done() -> None:
    assert names("hostname: a\nruncmd: [date, {a: b}]\nwrite_files: [{path: /etc/x}]") == [
        "write_files",
        "hostname",
    ]


@pytest.mark.parametrize(
    "bad", ["disk_setup: {/dev/vdb: {layout: [200]}}", "device_aliases: {a: nonsense}"]
)
def test_no_file_system_is_made_where_the_partitions_are_not_understood(bad: str) -> None:
    text = f"{bad}\nfs_setup: [{{device: /dev/vdb, filesystem: ext4}}]\nmounts: [[vdb, /mnt/a]]"
    assert names(f"{text}\nhostname: a") == ["hostname"]
    held = [found for found in findings(text) if "because disk_setup is not" in found]
    assert [found.split(":")[1].strip() for found in sorted(held)] == ["fs_setup", "mounts"]


def test_a_key_that_is_wrong_locks_no_other_key_out() -> None:
    text = "ssh_authorized_keys: [ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB0pZmFrZWZha2VmYWtl, x]"
    assert names(text) == ["ssh_authorized_keys"]
    assert len(config_errors(text)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "packages: []", "packages: null", "packages:", "packages: ''", "groups: []", "groups: {}",
        "users: []", "users: null", "package_update: false", "package_upgrade: no",
        "power_state: {}", "power_state:", "apt: {}", "apt: {sources: {}}", "snap: {commands: []}",
        "runcmd: []", "runcmd: null", "bootcmd:", "write_files: []", "mounts: []", "mounts:",
        "ca_certs: {}", "ca_certs: {trusted: []}", "ntp: {enabled: false}", "swap: {}",
        "sysctl: {}",
        "disk_setup: {}", "fs_setup: []", "device_aliases: {}", "ssh_authorized_keys: []",
        "ssh_authorized_keys: null", "hostname: ''", "timezone: null", "final_message: ''",
        "ssh_pwauth: false", "phone_home: {}", "vendor_data: {enabled: false}", "ssh_keys: {}",
        "manage_etc_hosts: false", "manage_resolv_conf: false", "chpasswd: {}", "yum_repos: {}",
        "chpasswd: {users: []}", "ssh_import_id: []", "cloud_final_modules: []", "runcmd: [null]",
        "package_reboot_if_required: false", "disable_ec2_metadata: false", "locale: null",
    ],
)  # fmt: skip
def test_what_asks_for_nothing_is_neither_a_step_nor_a_finding(text: str) -> None:
    assert (names(text), findings(text)) == ([], [])
