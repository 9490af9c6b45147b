# SPDX-License-Identifier: Apache-2.0
"""No input makes a parser fall over: every one has a plan or a sentence.

HATCHWAY_FUZZ=5000 pytest tests/bootstrap_image/test_fuzz.py    (so many inputs a test)
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import gzip
import json
import os
from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bootstrap_image import merge, modules, names
from bootstrap_image.findings import Report
from bootstrap_image.include import parse
from bootstrap_image.plan import Plan, plan
from bootstrap_image.spec import Job, Jobs, Mode, Progress, Record, Summary
from bootstrap_image.table import Table
from tests.bootstrap_image.make import CONFIG, SCRIPT, message

fuzz = settings(
    max_examples=int(os.environ.get("HATCHWAY_FUZZ", "60")),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

KEYS = sorted(
    {
        "hostname",
        "fqdn",
        "preserve_hostname",
        "growpart",
        "resize_rootfs",
        "timezone",
        "manage_etc_hosts",
        "ca_certs",
        "trusted",
        "remove_defaults",
        "final_message",
        "size",
        "maxsize",
        "disk_setup",
        "fs_setup",
        "device_aliases",
        "mounts",
        "mount_default_fields",
        "swap",
        "ntp",
        "write_files",
        "sysctl",
        "ssh_authorized_keys",
        "bootcmd",
        "runcmd",
        "users",
        "groups",
        "name",
        "uid",
        "sudo",
        "homedir",
        "cloud_final_modules",
        "merge_how",
        "packages",
        "mode",
        "devices",
        "servers",
        "pools",
        "enabled",
        "path",
        "content",
        "encoding",
        "owner",
        "permissions",
        "append",
        "defer",
        "layout",
        "overwrite",
        "table_type",
        "device",
        "filesystem",
        "label",
        "partition",
        "extra_opts",
        "type",
        "filename",
    }
)
WORDS = st.one_of(
    st.sampled_from(
        [
            "/dev/vdb",
            "/etc/x",
            "vdb",
            "b64",
            "gzip",
            "ext4",
            "0644",
            "root:root",
            "auto",
            "a.example",
            "default",
            "list(append)+dict(recurse_list)",
            "/mnt/a",
            "none",
            "ephemeral0",
        ]
    ),
    st.text(max_size=20),
)
SCALARS = st.one_of(
    WORDS, st.none(), st.booleans(), st.integers(), st.floats(), st.dates(), st.binary(max_size=20)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(st.sampled_from(KEYS), SCALARS), inner, max_size=4),
    ),
    max_leaves=15,
)
CONFIGS = st.dictionaries(st.one_of(st.sampled_from(KEYS), SCALARS), VALUES, max_size=8)
STARTS = st.sampled_from(
    [
        b"",
        b"#!/bin/sh\n",
        b"#cloud-config\n",
        b"#cloud-config-archive\n",
        b"#include\n",
        b"#cloud-boothook\n",
        b"\x1f\x8b\x08\x00",
        b"MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n",
        b"Content-Type: text/plain; charset=",
        b"Content-Disposition: x; filename*=",
        b"\xef\xbb\xbf",
        b"## template: jinja\n",
    ]
)
SEEDS = [
    SCRIPT,
    CONFIG,
    gzip.compress(SCRIPT),
    base64.b64encode(gzip.compress(SCRIPT)),
    message(
        ("text/x-shellscript", SCRIPT, 'Content-Disposition: attachment; filename="a.sh"\n'),
        ("text/cloud-config", CONFIG, "Merge-Type: list(append)\n"),
        (
            "application/octet-stream",
            base64.encodebytes(SCRIPT),
            "Content-Transfer-Encoding: base64\n",
        ),
    ),
    (
        b"#cloud-config\nwrite_files:\n"
        b"- {path: /etc/x, content: !!binary aGk=, permissions: '0644'}\n"
        b"runcmd: [[a, b], c]\n"
    ),
    b"#cloud-config-archive\n- {type: text/cloud-config, content: 'a: 1'}\n- '#!/bin/sh'\n",
    b"#include\nhttps://a.example/x sha256-" + b"0" * 64 + b"\n",
]


def sound(made: Plan) -> None:
    """Every finding is a line, every step can be printed and has a name for a file."""
    text = json.dumps(made.as_json())
    assert "Traceback" not in text
    for finding in made.findings:
        assert finding.message
        assert "\n" not in str(finding)
    for step in made.steps:
        assert step.name
        assert "/" not in step.name
        assert len(step.name) < 200
    assert len({step.name for step in made.steps}) == len(made.steps)


@fuzz
@given(st.binary(max_size=400))
def test_any_bytes_have_a_plan(data: bytes) -> None:
    sound(plan(data))


@fuzz
@given(STARTS, st.binary(max_size=300), st.booleans(), st.booleans())
def test_any_bytes_after_a_known_start_have_a_plan(
    start: bytes, rest: bytes, packed: bool, encoded: bool
) -> None:
    data = gzip.compress(start + rest) if packed else start + rest
    sound(plan(base64.b64encode(data) if encoded else data))


@fuzz
@given(st.sampled_from(SEEDS), st.data())
def test_any_change_of_good_user_data_has_a_plan(seed: bytes, data: st.DataObject) -> None:
    text = bytearray(seed)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text)))
        text[at : at + data.draw(st.integers(0, 5))] = data.draw(st.binary(max_size=5))
    sound(plan(bytes(text)))


@fuzz
@given(CONFIGS)
def test_any_table_as_a_cloud_config_has_a_plan(config: dict[Any, Any]) -> None:
    sound(
        plan(
            b"#cloud-config\n" + yaml.safe_dump(config, allow_unicode=True).encode(errors="replace")
        )
    )


@fuzz
@given(st.sampled_from([*KEYS, "bogus"]), VALUES)
def test_any_value_of_a_known_key_has_a_plan(key: str, value: Any) -> None:
    sound(plan(b"#cloud-config\n" + yaml.safe_dump({key: value}).encode()))


@fuzz
@given(st.text(max_size=200))
def test_any_text_as_a_cloud_config_has_a_plan(text: str) -> None:
    sound(plan(b"#cloud-config\n" + text.encode(errors="surrogatepass")))


@fuzz
@given(st.lists(VALUES, max_size=5))
def test_any_list_as_an_archive_has_a_plan(items: list[Any]) -> None:
    sound(plan(b"#cloud-config-archive\n" + yaml.safe_dump(items).encode()))


HEADERS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "Content-Type",
                "Content-Transfer-Encoding",
                "Content-Disposition",
                "Merge-Type",
                "MIME-Version",
                "Launch-Index",
                "X",
            ]
        ),
        st.one_of(
            st.sampled_from(
                [
                    "multipart/mixed; boundary=b",
                    "text/cloud-config",
                    "text/x-shellscript",
                    "base64",
                    "quoted-printable",
                    "attachment; filename=a",
                    "text/plain; charset=utf-16",
                    "attachment; filename*=utf-8''%ff%00",
                    'x; filename*0="a"; filename*2=b',
                    "message/rfc822",
                    'multipart/digest; boundary="x',
                    "text/x; charset*=''",
                ]
            ),
            st.text(max_size=30),
        ),
    ),
    max_size=5,
)


@fuzz
@given(st.lists(st.tuples(HEADERS, st.binary(max_size=60)), max_size=4))
def test_any_message_has_a_plan(parts: list[tuple[list[tuple[str, str]], bytes]]) -> None:
    lines = [b"MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n"]
    for headers, body in parts:
        head = "".join(f"{name}: {value}\n" for name, value in headers)
        lines.append(b"--b\n" + head.encode(errors="surrogatepass") + b"\n" + body)
    sound(plan(b"\n".join([*lines, b"--b--\n"])))


@fuzz
@given(st.text(max_size=200))
def test_any_text_as_an_include_is_read(text: str) -> None:
    report = Report()
    for include in parse(f"#include\n{text}", "x", report):
        assert include.shown.startswith("http")


@fuzz
@given(st.text(max_size=300))
def test_any_name_becomes_a_file_name(name: str) -> None:
    found = names.safe(name, "x", Report())
    assert not set(found) & {"/", "\0", "\n"}
    assert found not in (".", "..")


@fuzz
@given(VALUES, CONFIGS, CONFIGS)
def test_any_merge_is_made_or_refused(how: Any, old: dict[Any, Any], new: dict[Any, Any]) -> None:
    with contextlib.suppress(merge.MergeError):
        merge.merge(old, new, merge.parse(how))


@fuzz
@given(CONFIGS)
def test_what_a_module_reads_it_can_describe_and_json_can_hold(config: dict[Any, Any]) -> None:
    table = Table(config, "x: ", Report())
    for module in modules.BY_NAME.values():
        found = module.read(table)
        if found is not None:
            assert json.loads(json.dumps(found)) == found
            assert all(isinstance(line, str) for line in module.describe(found))


FIELDS = st.sampled_from(
    [*dataclasses.asdict(Jobs("")), *dataclasses.asdict(Job("a", "a")), "status", "steps", "job"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS, inner, max_size=6),
    max_leaves=12,
)


@fuzz
@given(JSON)
def test_any_json_is_read_or_refused_as_what_the_parts_exchange(value: Any) -> None:
    text = json.dumps({**value, "contract": 1} if isinstance(value, dict) else value)
    for kind in (Jobs, Record, Summary, Progress):
        with contextlib.suppress(ValueError):
            kind.from_json(text)


@fuzz
@given(
    st.text(max_size=20),
    st.sampled_from(list(Mode)),
    st.booleans(),
    st.integers(0, 100),
    st.integers(),
)
def test_jobs_come_back_as_they_were_written(
    instance: str, mode: Mode, essential: bool, retries: int, order: int
) -> None:
    job = Job("a", "user-data/a", mode, essential, 5.0, retries, order)
    jobs = Jobs(instance, (job,), {"HTTP_PROXY": "x"})
    assert Jobs.from_json(jobs.to_json()) == jobs
