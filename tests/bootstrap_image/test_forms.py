# SPDX-License-Identifier: Apache-2.0
"""What user data may look like: taken, or refused in a sentence."""

from __future__ import annotations

import base64
import functools
import gzip
import hashlib

import pytest

from bootstrap_image import interpreter
from bootstrap_image.include import Include
from bootstrap_image.plan import plan
from bootstrap_image.spec import USER_DATA_LIMIT, Mode
from tests.bootstrap_image.make import CONFIG, SCRIPT, errors, message, steps, warnings

# The names of tests hold it: the same at whatever time they are collected.
gzipped = functools.partial(gzip.compress, mtime=0)


@pytest.mark.parametrize(
    "data",
    [
        SCRIPT,
        gzipped(SCRIPT),
        base64.b64encode(SCRIPT),
        base64.encodebytes(gzipped(SCRIPT)),
        gzipped(base64.b64encode(SCRIPT)),
        base64.b64encode(base64.b64encode(SCRIPT)),
        message(("text/x-shellscript", SCRIPT, "")),
        message(("text/plain", SCRIPT, "")),
        message(
            (
                "application/octet-stream",
                base64.b64encode(gzipped(SCRIPT)),
                "Content-Transfer-Encoding: base64\n",
            )
        ),
        message(("application/x-gzip", base64.b64encode(gzipped(SCRIPT)), "")),
        message(
            (
                "text/x-shellscript",
                b"#!/bin/sh\necho=20it=20ru=\nns\n".replace(b"echo=20", b"echo "),
                "Content-Transfer-Encoding: quoted-printable\n",
            )
        ),
        message(
            (
                "multipart/mixed; boundary=in",
                b"--in\nContent-Type: text/x-shellscript\n\n" + SCRIPT + b"\n--in--",
                "",
            )
        ),
        gzipped(
            message(
                (
                    "text/x-shellscript",
                    base64.encodebytes(SCRIPT),
                    "Content-Transfer-Encoding: base64\n",
                )
            )
        ),
        (
            b"#cloud-config-archive\n- type: text/x-shellscript\n"
            b"  content: |\n    #!/bin/sh\n    echo it runs\n"
        ),
        b"#cloud-config-archive\n- |\n  #!/bin/sh\n  echo it runs\n",
        gzipped(SCRIPT[:5]) + gzipped(SCRIPT[5:]) + b"\0" * 512,
    ],
    ids=[
        "plain",
        "gzip",
        "base64",
        "base64 of gzip",
        "gzip of base64",
        "base64 twice",
        "message",
        "message with a vague type",
        "message with base64 of gzip",
        "gzip part in base64 by hand",
        "quoted-printable",
        "nested message",
        "gzip of a message",
        "archive",
        "archive of texts",
        "gzip of two members, padded",
    ],
)
def test_a_script_is_found_in_every_wrapping(data: bytes) -> None:
    made = plan(data)
    assert made.findings == ()
    assert [step.content.rstrip(b"\n") for step in made.steps] == [SCRIPT.rstrip(b"\n")]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (gzipped(SCRIPT)[:-9], "cut off"),
        (b"\x1f\x8b\x08", "cut off"),
        (gzipped(SCRIPT) + b"more", "not gzip follows"),
        (b"\x1f\x8b\x00" + b"x" * 40, "damaged"),
        (b"hello", "no form of user data"),
        (b"\xff\xfe#\0!\0", "UTF-16"),
        (b"## template: jinja\n#cloud-config\nhostname: {{ v1.name }}\n", "line 3 has {{"),
        (b"## template: jinja\n#!/bin/sh\n\n{% if x %}\n", "line 4 has {%"),
        (b"# cloud-config\nhostname: a\n", "did you mean '#cloud-config'?"),
        (b"#cloud_config\nhostname: a\n", "did you mean '#cloud-config'?"),
        (b"cloud-config\nhostname: a\n", "did you mean '#cloud-config'?"),
        (b"#cloud-boothok\n", "did you mean '#cloud-boothook'?"),
        (b"# !/bin/bash -e\necho\n", "did you mean '#!/bin/bash -e'?"),
        (b"!#/usr/bin/env bash\n", "did you mean '#!/usr/bin/env bash'?"),
        (b"# my file\n\n#cloud-config\nhostname: a\n", "'#cloud-config' is on line 3"),
        (b"---\n#cloud-config\nhostname: a\n", "'#cloud-config' is on line 2"),
        (b"# (c) me\n#!/bin/sh\necho\n", "'#!/bin/sh' is on line 2"),
        (b"hostname: a\nruncmd: [date]\n", "looks like a cloud-config"),
        (b'{"runcmd": ["date"]}', "looks like a cloud-config"),
        ("\u200b#!/bin/sh\n".encode(), "did you mean '#!/bin/sh'?"),
        (b"\xfd7zXZ\0\0", "packed with xz"),
        (base64.b64encode(SCRIPT)[:-3], "base64 that is cut off"),
        (message(("application/x-shellscript", SCRIPT, "")), "did you mean text/x-shellscript?"),
        (
            message(("text/cloud-config", CONFIG, "")).replace(b"\n\n#cloud-config", b""),
            "an empty line is missing",
        ),
        (b"#part-handler\n", "part handlers"),
        (b"#cloud-config-jsonp\n[]", "JSON patches"),
        (b"#upstart-job\n", "upstart"),
        (b"#cloud-config\nx: [1", "line "),
        (b"#cloud-config\n- a\n", "a table of keys"),
        (b"#cloud-config\nhostname: \xff\n", "no UTF-8"),
        (b"#cloud-config\na: &a [*a]\n", "holds itself"),
        (b"#cloud-config\na: *b\n", "no anchor"),
        (b"#cloud-config\nhostname: a\nhostname: b\n", "comes twice"),
        (b"#cloud-config\na: " + b"[" * 5000, "nested too deeply"),
        (b"#!/bin/sh\0\n", "no absolute path"),
        (b"#!sh\n", "no absolute path"),
        (message(("text/x-shellscript", b"echo\n", "")), "begins with #!"),
        (message(("text/x-shelscript", SCRIPT, "")), "did you mean text/x-shellscript?"),
        (message(("text/x-shellscript", SCRIPT, "Launch-Index: 1\n")), "Launch-Index"),
        (
            message(("text/x-shellscript", b"#!!!", "Content-Transfer-Encoding: base64\n")),
            "no base64",
        ),
        (message(("text/x-shellscript", SCRIPT, "Content-Transfer-Encoding: x-uu\n")), "x-uu"),
        (message(("text/x-shellscript", SCRIPT, "")).replace(b"--==1234==--", b""), "cut off?"),
        (
            message(("text/x-shellscript", SCRIPT, "")).replace(b"\n--==1234==", b"\n--==9=="),
            "does not occur",
        ),
        (b"MIME-Version: 1.0\nContent-Type: multipart/mixed\n\nx", "no boundary"),
    ],
)
def test_bad_input_is_refused_with_its_reason(data: bytes, said: str) -> None:
    found = errors(data)
    assert len(found) == 1, found
    assert said in found[0]
    assert plan(data).steps == ()


OPENING = b'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="cut"\n\n'
PART = b"--cut\nContent-Type: text/x-shellscript\n\n" + SCRIPT
END = b"\n--cut--\n"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (OPENING + PART.replace(b"\n\n#!", b"\n#!") + END, "an empty line is missing"),
        (OPENING + PART + b"\n--cut\n", "does not end with --"),
        (OPENING + PART + b"\n--cut", "does not end with --"),
        (OPENING + PART + b"\n--cut\nContent-Type: application/node.eks.aws\n\nx" + END,
         "application/node.eks.aws belong to another program"),
        (OPENING + b"--cut\nContent-Type: x-special\n\nx\n" + PART + END,
         "belong to another program"),
        (OPENING + b"--cut\nContent-Type: application/other\n"
         b"Content-Transfer-Encoding: base64\n\n!\n" + PART + END, "belong to another program"),
        (OPENING + b"--cut\nContent-Type: text/plain\n\napiVersion: node.eks.aws/v1alpha1\n"
         + PART + END, "NodeConfig"),
    ],
)  # fmt: skip
def test_a_message_as_it_is_found_in_the_wild_runs_with_a_warning(data: bytes, said: str) -> None:
    made = plan(data)
    assert [step.content.rstrip(b"\n") for step in made.steps] == [SCRIPT.rstrip(b"\n")]
    assert made.sound
    assert [said in finding.message for finding in made.findings] == [True]


@pytest.mark.parametrize(
    "damaged",
    [
        b"--cut\nContent-Type: text/x-shellscript\nContent-Transfer-Encoding: base64\n\nIyEv*\n",
        b"--cut\nContent-Type: application/gzip\nContent-Transfer-Encoding: base64\n\n"
        + base64.b64encode(gzipped(SCRIPT)[:-9]) + b"\n",
        b"--cut\nContent-Type: multipart/mixed; boundary=in\n\n--in\n\n#!/bin/sh\n",
        b"--cut\nContent-Type: multipart/mixed\n\n#!/bin/sh\n",
    ],
)  # fmt: skip
def test_nothing_of_a_message_runs_when_a_part_of_it_is_damaged(damaged: bytes) -> None:
    made = plan(OPENING + PART + b"\n" + damaged + END)
    assert made.steps == ()
    assert not made.sound


@pytest.mark.parametrize(
    "data",
    [
        b'{"ignition": {"version": "3.3.0"}, "storage": {"files": []}}',
        b'{\n  "storage": {},\n  "ignition": {"version": "2.2.0"}\n}',
        gzipped(b'{"ignition": {"version": "3.3.0"}}'),
        b'{"ignitionVersion": 1}',
        b"variant: flatcar\nversion: 1.0.0\n",
        b"version: '1.5.0'\nvariant: \"fcos\"\n",
        b"[[settings.host-containers]]\n",
        b'["settings".kubernetes]\n',
        b"kind: MachineConfig\napiVersion: machineconfiguration.openshift.io/v1\n",
        b'{"apiVersion": "node.eks.aws/v1alpha1", "kind": "NodeConfig"}',
        b'{\n  "kind": "NodeConfig",\n  "apiVersion": "node.eks.aws/v1alpha1"\n}',
        b"rem cmd\necho\n",
        b"# of the node\n\n[settings.kubernetes]\ncluster-name = 'a'\n",
        b"[settings]\nmotd = 'x'\n",
        b'settings.motd = "x"\n',
        b"---\napiVersion: node.eks.aws/v1alpha1\nkind: NodeConfig\n",
        b"version: v1alpha1\nmachine:\n  type: worker\n",
        b"<powershell>\n",
        b"#ps1_sysnative\n",
    ],
)
def test_user_data_of_the_systems_own_is_known_and_no_failure(data: bytes) -> None:
    made = plan(data)
    assert made.steps == ()
    assert [finding.severity for finding in made.findings] == ["warning"]


@pytest.mark.parametrize(
    "data",
    [
        b"## template: jinja\n#!/bin/sh\necho\n",
        b"#cloud-boothook\n#!/bin/sh\necho\n",
        b"#cloud-boothook\necho\n",
        message(("text/cloud-boothook", b"#!/bin/sh\necho\n", "")),
        message(("text/cloud-boothook", b"echo\n", "")),
        message(("text/jinja2", b"## template: jinja\n#!/bin/sh\necho\n", "")),
    ],
)
def test_what_needs_no_rendering_and_no_interpreter_of_its_own_runs(data: bytes) -> None:
    made = plan(data)
    assert made.findings == ()
    assert [step.content.rstrip(b"\n") for step in made.steps] == [b"#!/bin/sh\necho"]


@pytest.mark.parametrize(
    ("line", "severity"),
    [
        (b"#!/bin/sh -e", None),
        (b"#!/usr/bin/env sh", None),
        (b"#!/usr/bin/env -S sh -e", None),
        (b"#!/opt/own/interpreter", None),
        (b"#!/host/usr/bin/sh", None),
        (b"#!/usr/bin/no-such-shell", "error"),
        (b"#!/usr/bin/env no-such-shell", "warning"),
        (b"#!/usr/bin/env -S A=b no-such-shell -e", "warning"),
    ],
)
def test_an_interpreter_that_the_image_lacks_is_found_before_the_boot(
    line: bytes, severity: str | None
) -> None:
    found = interpreter.missing(plan(line + b"\necho\n").steps)
    assert [finding.severity for finding in found] == ([severity] if severity else [])


def test_no_user_data_is_nothing_to_do() -> None:
    assert [plan(data) for data in (b"", b"\n \n")] == [plan(SCRIPT, mode=Mode.OFF)] * 2


def test_user_data_of_16_mib_is_taken_and_one_byte_more_is_not() -> None:
    largest = SCRIPT + b"#" * (USER_DATA_LIMIT - len(SCRIPT))
    assert plan(largest).sound
    assert "16 MiB" in errors(largest + b"#")[0]


def test_a_bomb_is_refused_as_a_whole() -> None:
    bomb = gzipped(SCRIPT + b"#" * (65 << 20))
    assert len(bomb) < 100_000
    assert plan(bomb).steps == ()
    assert "unpacks to more than" in errors(bomb)[0]


def test_a_yaml_bomb_is_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    assert "too large once unfolded" in errors(b"#cloud-config\n" + "\n".join(lines).encode())[0]


def test_packing_without_end_is_refused() -> None:
    data = SCRIPT
    for _ in range(20):
        data = gzipped(data)
    assert "packed more than" in errors(data)[0]


def test_windows_line_ends_are_converted_and_said() -> None:
    data = b"#!/bin/bash\r\necho a\r\n"
    assert plan(data).steps[0].content == b"#!/bin/bash\necho a\n"
    assert "converted" in warnings(data)[0]


def test_a_carriage_return_that_is_meant_stays() -> None:
    data = b"#!/bin/sh\nprintf 'a\r\n'\n"
    assert plan(data).steps[0].content == data


@pytest.mark.parametrize(
    ("data", "said"),
    [(b"\xef\xbb\xbf#!/bin/sh\n", "byte order mark"), (b"\n\n#!/bin/sh\n", "blank lines")],
)
def test_what_hides_the_first_line_is_removed_and_said(data: bytes, said: str) -> None:
    assert plan(data).steps[0].content == b"#!/bin/sh\n"
    assert said in warnings(data)[0]


@pytest.mark.parametrize(
    ("data", "said"), [(b"#!/bin/sh\n\xff\n", "no UTF-8"), (b"#!/bin/sh\n\0\n", "NUL")]
)
def test_odd_bytes_in_a_script_are_said_and_run_unchanged(data: bytes, said: str) -> None:
    assert plan(data).steps[0].content == data
    assert said in warnings(data)[0]


@pytest.mark.parametrize("charset", ["us-ascii", "utf-8", "utf-16", "nonsense", ""])
def test_a_charset_does_not_change_the_bytes_of_a_script(charset: str) -> None:
    script = "#!/bin/sh\necho r\u00e9sum\u00e9\n".encode()
    data = message((f'text/x-shellscript; charset="{charset}"', script, ""))
    assert plan(data).steps[0].content == script


def test_a_script_may_mention_mime_without_being_a_message() -> None:
    data = b"#!/bin/sh\nprintf 'MIME-Version: 1.0\nContent-Type: text/plain\n\nhi'\n"
    assert plan(data).steps[0].content == data


@pytest.mark.parametrize("name", ["../../etc/cron.d/x", "..\\x", "/etc/x", "a b\tc", ".hidden"])
def test_a_name_of_a_part_cannot_leave_its_place(name: str) -> None:
    data = message(
        ("text/x-shellscript", SCRIPT, f'Content-Disposition: attachment; filename="{name}"\n')
    )
    (step,) = plan(data).steps
    assert "/" not in step.name
    assert not step.name.startswith(".")
    assert "became" in warnings(data)[0]


def test_scripts_run_in_the_order_of_their_names_as_in_cloud_init() -> None:
    def part(kind: str, name: str) -> tuple[str, bytes, str]:
        header = f"Content-Disposition: attachment; filename={name}\n" if name else ""
        return f"text/{kind}", b"#!/bin/sh\n# " + name.encode() + b"\n", header

    data = message(
        part("x-shellscript", "zz.sh"),
        part("x-shellscript", ""),
        part("x-shellscript-per-boot", "boot.sh"),
        part("x-shellscript-per-once", "ever.sh"),
        part("x-shellscript-per-instance", "instance.sh"),
        ("text/cloud-config", b"runcmd: [date]\nbootcmd: [date]\nhostname: a\n", ""),
        ("text/cloud-boothook", b"#cloud-boothook\n#!/bin/sh\n", ""),
    )
    assert steps(plan(data)) == [
        ("part-007", "always"),
        ("bootcmd", "always"),
        ("hostname", "once"),
        ("ever.sh", "once-ever"),
        ("boot.sh", "always"),
        ("instance.sh", "once"),
        ("part-002", "once"),
        ("runcmd", "once"),
        ("zz.sh", "once"),
    ]


@pytest.mark.parametrize("mode", [Mode.ONCE, Mode.ALWAYS, Mode.ONCE_ATTEMPTED])
def test_the_mode_is_that_of_parts_that_say_nothing(mode: Mode) -> None:
    assert steps(plan(SCRIPT, mode=mode)) == [("part-001", mode.value)]


def test_a_disk_is_never_set_up_at_every_boot() -> None:
    data = b"#cloud-config\ndisk_setup: {/dev/vdb: {layout: true, overwrite: true}}\n"
    assert steps(plan(data, mode=Mode.ALWAYS)) == [("disk_setup", "once")]


def test_the_same_script_twice_is_two_steps() -> None:
    made = plan(message(("text/x-shellscript", SCRIPT, ""), ("text/x-shellscript", SCRIPT, "")))
    assert [(step.name, step.occurrence) for step in made.steps] == [
        ("part-001", 1),
        ("part-002", 2),
    ]


def test_a_plan_as_json_holds_no_content() -> None:
    data = b"#cloud-config\nwrite_files: [{path: /etc/x, content: s3cret}]\nruncmd: [echo s3cret]\n"
    shown = repr(plan(data)) + str(plan(data).as_json())
    assert "s3cret" not in shown
    assert base64.b64encode(b"s3cret").decode() not in shown


PIN = hashlib.sha256(SCRIPT).hexdigest()


@pytest.mark.parametrize(
    "line", [f"https://a.example/x.sh sha256-{PIN}", f"https://a.example/x.sh#sha256-{PIN.upper()}"]
)
def test_a_pinned_include_is_fetched_and_opened(line: str) -> None:
    asked: list[Include] = []

    def fetch(address: Include) -> bytes:
        asked.append(address)
        return SCRIPT

    made = plan(f"#include\n# a comment\n\n{line}\n".encode(), fetch=fetch)
    assert made.findings == ()
    assert asked == [Include("https://a.example/x.sh", PIN)]
    assert [(step.name, step.source) for step in made.steps] == [
        ("x.sh", "user-data: include 1 (https://a.example/x.sh)")
    ]


def test_an_include_with_another_content_is_not_used() -> None:
    data = f"#include-once https://a.example/x?secret=1 sha256-{PIN}\n".encode()
    made = plan(data, fetch=lambda _: SCRIPT + b"#")
    assert made.steps == ()
    assert "nothing of it is used" in made.findings[0].message
    assert "secret" not in str(made.findings)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("https://a.example/x", "needs `sha256-`"),
        ("https://a.example/x sha256-12", "needs `sha256-`"),
        (f"file:///etc/shadow sha256-{PIN}", "only http"),
        (f"https://u:p@a.example/ sha256-{PIN}", "name or password"),
        (f"http://[::1 sha256-{PIN}", "no address"),
        (f"https://a.example/x sha256-{PIN} more", "nothing more"),
    ],
)
def test_an_include_that_cannot_be_trusted_is_refused(line: str, said: str) -> None:
    found = errors(f"#include\n{line}\n".encode())
    assert [said in text for text in found] == [True]
    assert found[0].startswith("user-data: line 2: ")


def test_includes_that_include_each_other_end() -> None:
    made = plan(
        f"#include\nhttps://a.example/ sha256-{PIN}\n".encode(),
        fetch=lambda _: (_ for _ in ()).throw(OSError("the server answered 503")),
    )
    assert "503" in made.findings[0].message


def test_a_finding_names_the_part() -> None:
    data = message(
        ("text/x-shellscript", SCRIPT, ""),
        (
            "text/cloud-config",
            b"packages: [x]\nbogus: 1\n",
            "Content-Disposition: attachment; filename=c.yaml\n",
        ),
    )
    assert [text.partition(": these")[0] for text in errors(data)] == [
        "user-data: part 2 (c.yaml): packages",
        "user-data: part 2 (c.yaml): bogus: this key is not known here",
    ]


def test_a_later_cloud_config_replaces_whole_keys_and_says_so() -> None:
    data = message(
        ("text/cloud-config", b"runcmd: [one]\nhostname: a\n", ""),
        ("text/cloud-config", b"runcmd: [two]\n", ""),
    )
    assert plan(data).steps[-1].content == b"#!/bin/bash\ntwo\n"
    assert "part 2: runcmd: this replaces" in warnings(data)[0]


@pytest.mark.parametrize(
    ("inside", "header"),
    [
        ("", "Merge-Type: list(append)+dict(recurse_array)+str()\n"),
        ("", "X-Merge-Type: list(append)+dict(no_replace,recurse_list)+str()\n"),
        ("merge_how: list(append)+dict(recurse_list)\n", ""),
        (
            (
                "merge_how: [{name: list, settings: [append]}, "
                "{name: dict, settings: [recurse_list]}]\n"
            ),
            "",
        ),
    ],
)
def test_cloud_configs_are_joined_where_a_merge_type_says_so(inside: str, header: str) -> None:
    data = message(
        ("text/cloud-config", b"runcmd: [one]\n", ""),
        ("text/cloud-config", f"{inside}runcmd: [two]\n".encode(), header),
    )
    assert plan(data).findings == ()
    assert plan(data).steps[-1].content == b"#!/bin/bash\none\ntwo\n"


def test_a_merge_type_that_nobody_knows_is_an_error() -> None:
    data = message(("text/cloud-config", CONFIG, "Merge-Type: list(shuffle)\n"))
    assert "list(shuffle) is not supported" in errors(data)[0]
