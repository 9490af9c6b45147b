# SPDX-License-Identifier: Apache-2.0
"""Values without quotes: YAML makes numbers and dates of them, and the writer meant a text."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from bootstrap_image.plan import plan
from tests.bootstrap_image.make import config_errors, errors, warnings

WORDS = [
    "0750", "0644", "010", "0123", "1.30", ".5", "5.", "1e3", "1.0e+3", ".inf", "-.INF", ".nan",
    "22:22", "10:10", "1:30:00", "190:20:30.15",
    "yes", "no", "on", "off", "y", "N", "True", "FALSE",
    "2024-01-31", "2001-12-14t21:59:43.10-05:00", "2024-99-99", "0o644", "0x1F", "0b101", "1_000",
    "+12", "-7", "0", "00", "08", "12345678901234567890123", "=",
]  # fmt: skip


def made(text: str, name: str) -> dict[str, Any]:
    (step,) = (step for step in plan(f"#cloud-config\n{text}".encode()).steps if step.name == name)
    params = json.loads(step.content)["params"]
    assert isinstance(params, dict)
    return params


def script(text: str) -> str:
    (step,) = plan(f"#cloud-config\n{text}".encode()).steps
    return step.content.decode()


@pytest.mark.parametrize("key", ["runcmd", "bootcmd"])
@pytest.mark.parametrize("word", WORDS)
def test_an_argument_reaches_its_command_as_it_was_written(key: str, word: str) -> None:
    assert script(f"{key}:\n- [echo, {word}]\n- - echo\n  - {word}\n") == (
        f"#!/bin/bash\n'echo' '{word}'\n'echo' '{word}'\n"
    )


def test_a_mode_for_chmod_keeps_its_leading_zero() -> None:
    text = "runcmd: [[chmod, 0750, /var/tmp/d], [head, -c, 010, /dev/zero]]"
    assert "'chmod' '0750'" in script(text)
    assert "'head' '-c' '010'" in script(text)


@pytest.mark.parametrize("word", ["null", "~", "Null", "{a: b}", "[a]", "!!binary aGk="])
def test_an_argument_that_yaml_reads_as_no_text_is_named_with_its_cure(word: str) -> None:
    (found,) = config_errors(f"runcmd: [[echo, {word}]]")
    assert found.startswith("user-data: runcmd[0][1]: expected a text, found ")
    assert found.endswith("put it in quotes")


@pytest.mark.parametrize("word", ["true", "false", "yes"])
def test_a_command_may_have_the_name_of_a_boolean(word: str) -> None:
    assert script(f"runcmd: [{word}]") == f"#!/bin/bash\n{word}\n"


@pytest.mark.parametrize("word", ["5", "0750", "22:22", "2024-01-31", "1.5"])
def test_a_number_or_a_date_is_no_command(word: str) -> None:
    (found,) = config_errors(f"runcmd: [{word}]")
    assert "runcmd[0]: expected a text, or a list of texts, found a" in found


@pytest.mark.parametrize("word", WORDS)
def test_the_content_of_a_file_is_what_was_written(word: str) -> None:
    (file,) = made(f"write_files: [{{path: /etc/x, content: {word}}}]", "write_files")["files"]
    assert base64.b64decode(file["content"]).decode() == word


@pytest.mark.parametrize("owner", ["10:10", "20:05", "0:0", "1000:1000", "33", "0033"])
def test_an_owner_is_what_was_written(owner: str) -> None:
    (file,) = made(f"write_files: [{{path: /etc/x, owner: {owner}}}]", "write_files")["files"]
    assert file["owner"] == owner


@pytest.mark.parametrize(
    ("written", "mode"),
    [
        ("644", 0o644), ("755", 0o755), ("0644", 0o644), ("0o644", 0o644), ("'644'", 0o644),
        ('"1551"', 0o1551), ("1777", 0o1777), ("0", 0), ("00600", 0o600), ("4755", 0o4755),
        ("7", 0o7), ("04", 0o4),
    ],
)  # fmt: skip
def test_permissions_are_the_octal_digits_that_were_written(written: str, mode: int) -> None:
    text = f"write_files: [{{path: /etc/x, permissions: {written}}}]"
    assert made(text, "write_files")["files"][0]["mode"] == mode
    assert warnings(f"#cloud-config\n{text}".encode()) == []


@pytest.mark.parametrize(
    "written",
    ["0x1a4", "0b110", "6_44", "-644", "+644", "644.0", "rw-r--r--", "u=rw", "888", "0999", "yes",
     "77777", "1000000", "''", "[0644]", "0o", "2024-01-01"],
)  # fmt: skip
def test_permissions_that_are_no_octal_digits_are_refused(written: str) -> None:
    (found,) = config_errors(f"write_files: [{{path: /etc/x, permissions: {written}}}]")
    assert "write_files[0].permissions: expected an octal number in quotes" in found


@pytest.mark.parametrize(("decimal", "octal"), [(420, "0644"), (416, "0640"), (511, "0777")])
def test_a_decimal_that_is_octal_too_is_taken_as_written_with_a_warning(
    decimal: int, octal: str
) -> None:
    text = f"write_files: [{{path: /etc/x, permissions: {decimal}}}]"
    assert made(text, "write_files")["files"][0]["mode"] == int(str(decimal), 8)
    (found,) = warnings(f"#cloud-config\n{text}".encode())
    assert f"'{octal}'" in found


@pytest.mark.parametrize(("decimal", "octal"), [(493, "0755"), (384, "0600"), (448, "0700")])
def test_a_decimal_that_cannot_be_octal_is_refused_with_what_it_would_be(
    decimal: int, octal: str
) -> None:
    (found,) = config_errors(f"write_files: [{{path: /etc/x, permissions: {decimal}}}]")
    assert f"'{octal}'" in found


@pytest.mark.parametrize("name", ["0123", "010", "1e3", "yes", "20", "1_0"])
def test_a_host_name_is_what_was_written(name: str) -> None:
    found = config_errors(f"hostname: {name}") or made(f"hostname: {name}", "hostname")["name"]
    assert name in found or "a host name has" in found[0]


@pytest.mark.parametrize(
    ("written", "value"), [("010", "010"), ("0x10", "0x10"), ("true", "1"), ("off", "0")]
)  # fmt: skip
def test_a_kernel_parameter_is_what_was_written(written: str, value: str) -> None:
    text = f"sysctl: {{vm.overcommit_memory: {written}}}"
    assert made(text, "sysctl") == {"values": {"vm.overcommit_memory": value}}


def test_fields_of_a_mount_are_what_was_written() -> None:
    (line,) = made("mounts: [[/dev/vdb, /mnt/a, ext4, noatime, 0, 02]]", "mounts")["lines"]
    assert line == ["/dev/vdb", "/mnt/a", "ext4", "noatime", "0", "02"]


def test_a_type_of_a_partition_keeps_its_leading_zero() -> None:
    text = "disk_setup: {/dev/vdb: {table_type: gpt, layout: [[100, 0700]]}}"
    assert made(text, "disk_setup")["disks"][0]["shares"][0][1].startswith("EBD0A0A2")


@pytest.mark.parametrize("word", ["off", "false", "no", "'off'", "OFF"])
def test_growing_is_off_however_it_is_said(word: str) -> None:
    assert (
        plan(f"#cloud-config\ngrowpart: {{mode: {word}}}\nresize_rootfs: no".encode()).steps == ()
    )


@pytest.mark.parametrize("word", ["yes", "on", "y", "true", "1", "'yes'", "'on'", "'1'", "True"])
def test_a_flag_may_be_written_in_every_usual_way(word: str) -> None:
    assert plan(f"#cloud-config\nhostname: a\npreserve_hostname: {word}".encode()).steps == ()


@pytest.mark.parametrize("key", ["on", "null", "010", "1.5", "2024-01-01", "y"])
def test_a_key_is_named_as_it_was_written(key: str) -> None:
    (found,) = config_errors(f"{key}: x")
    assert found.startswith(f"user-data: {key}: this key is not known")


@pytest.mark.parametrize(
    "text",
    [
        "runcmd:\n\t- date\n",
        "write_files:\n- path: /etc/x\n\tcontent: x\n",
        "write_files:\n- path: /etc/x\n  content: |\n\thello\n",
        "ntp:\n\tservers: [a]\n",
        "runcmd:\n  - date\n\t- date\n",
        "runcmd:\n- date\n \t- date\n",
        "ntp:\n  servers:\n  \t- a\n",
    ],
)
def test_a_tab_in_the_indentation_is_called_one(text: str) -> None:
    (found,) = config_errors(text)
    assert "tab" in found or "begins with a hyphen" in found
    assert "line " in found


@pytest.mark.parametrize(
    "text", ["runcmd:\n- echo\ta\n", "runcmd:\n- |\n  if true; then\n  \techo a\n  fi\n",
             "hostname:\ta\n"]
)  # fmt: skip
def test_a_tab_elsewhere_is_nothing_to_tell(text: str) -> None:
    assert config_errors(text) == []


@pytest.mark.parametrize("text", ["runcmd:\n- date\n  - id\n", "runcmd:\n- date\n\t- id\n"])
def test_an_entry_that_its_indentation_puts_into_the_one_before_is_refused(text: str) -> None:
    (found,) = config_errors(text)
    assert "line 4" in found


@pytest.mark.parametrize("word", ["@daily", "`id`", "%x", "& a", "*.txt", "!x"])
def test_a_text_that_begins_with_a_sign_of_yaml_is_told_to_be_quoted(word: str) -> None:
    (found,) = config_errors(f"runcmd:\n- {word}\n")
    assert "quotes" in found
    assert "line 3" in found


def test_a_command_may_go_on_on_the_next_line() -> None:
    assert script("runcmd:\n- echo a\n  --long b\n") == "#!/bin/bash\necho a --long b\n"


@pytest.mark.parametrize(
    "line", ["*.txt", "- @daily", "- `id`", "- %x", "- echo a: b", "- 'a' b", "- [ -f x ] && y"]
)
def test_what_needs_quotes_is_refused_with_its_line(line: str) -> None:
    (found,) = errors(f"#cloud-config\nruncmd:\n- date\n{line}\n".encode())
    assert "line " in found or "runcmd[1]" in found


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("run_cmd", "runcmd"), ("runcmds", "runcmd"), ("RunCmd", "runcmd"), ("run-cmd", "runcmd"),
        ("bootcmds", "bootcmd"), ("boot_cmd", "bootcmd"), ("write-files", "write_files"),
        ("writefiles", "write_files"), ("write_file", "write_files"), ("ntps", "ntp"),
        ("host_name", "hostname"), ("mount", "mounts"), ("disksetup", "disk_setup"),
        ("fs-setup", "fs_setup"), ("ca_cert", "ca_certs"), ("time_zone", "timezone"),
        ("sysctls", "sysctl"), ("ssh-authorized-keys", "ssh_authorized_keys"),
        ("ssh_authorised_keys", "ssh_authorized_keys"), ("package", "packages"),
    ],
)  # fmt: skip
def test_a_near_miss_of_a_key_names_the_key(key: str, meant: str) -> None:
    (found,) = config_errors(f"{key}: [x]")
    assert found.endswith(f"{key}: this key is not known here; did you mean {meant}?")


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("write_files: [{path: /etc/x, permision: '0644'}]", "permissions"),
        ("write_files: [{path: /etc/x, contents: x}]", "content"),
        ("write_files: [{path: /etc/x, Owner: x}]", "owner"),
        ("ntp: {server: [a]}", "servers"),
        ("swap: {file_name: /var/swap, size: 1G}", "filename"),
        ("disk_setup: {/dev/vdb: {tabletype: gpt, layout: true}}", "table_type"),
        ("fs_setup: [{device: /dev/vdb, file_system: ext4, filesystem: ext4}]", "filesystem"),
        ("growpart: {device: ['/']}", "devices"),
        ("ca_certs: {trust: [x]}", "trusted"),
    ],
)
def test_a_near_miss_of_a_key_in_an_item_names_the_key(text: str, meant: str) -> None:
    assert any(found.endswith(f"did you mean {meant}?") for found in config_errors(text))


def test_a_key_like_no_other_has_no_guess() -> None:
    assert config_errors("zzz: 1") == ["user-data: zzz: this key is not known here"]
