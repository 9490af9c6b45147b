# SPDX-License-Identifier: Apache-2.0
"""How often something runs, as the lists of modules of a cloud-config say it."""

from __future__ import annotations

import pytest

from bootstrap_image.plan import plan
from bootstrap_image.spec import Mode
from tests.bootstrap_image.make import SCRIPT, config_errors, message, steps

ALL = """#cloud-config
bootcmd: [echo boot]
runcmd: [echo run]
write_files: [{path: /etc/a, content: a}, {path: /etc/b, content: b, defer: true}]
hostname: a
disk_setup: {/dev/vdb: {layout: true}}
mounts: [[/dev/vdb, /mnt/a]]
"""


def often(lists: str, mode: Mode = Mode.ONCE) -> dict[str, str]:
    data = message(
        ("text/cloud-config", (ALL + lists).encode(), ""),
        ("text/x-shellscript", SCRIPT, ""),
        ("text/x-shellscript-per-boot", SCRIPT, ""),
    )
    made = plan(data, mode=mode)
    assert made.findings == ()
    return dict(steps(made))


@pytest.mark.parametrize(
    "key", ["cloud_init_modules", "cloud_config_modules", "cloud_final_modules"]
)
@pytest.mark.parametrize(
    "entry",
    ["[scripts-user, always]", "[scripts_user, always]", "[Scripts-User, ALWAYS]",
     "['scripts-user', 'always']", "{name: scripts-user, frequency: always}"],
)  # fmt: skip
def test_scripts_run_at_every_boot_where_that_is_asked_for(key: str, entry: str) -> None:
    found = often(f"{key}:\n- {entry}\n")
    assert (found["part-002"], found["runcmd"]) == ("always", "always")
    assert (found["write_files"], found["hostname"]) == ("once", "once")


@pytest.mark.parametrize(
    ("entry", "step", "frequency"),
    [
        ("[runcmd, always]", "runcmd", "always"),
        ("[runcmd, once]", "runcmd", "once-ever"),
        ("[bootcmd, once-per-instance]", "bootcmd", "once"),
        ("[bootcmd, always]", "bootcmd", "always"),
        ("[write-files, always]", "write_files", "always"),
        ("[write-files-deferred, always]", "write_files_deferred", "always"),
        ("[scripts-per-boot, once-per-instance]", "part-003", "once"),
        ("[set_hostname, always]", "hostname", "always"),
        ("[mounts, always]", "mounts", "always"),
        ("[disk_setup, once-per-instance]", "disk_setup", "once"),
    ],
)
def test_each_step_has_the_frequency_that_is_asked_for(
    entry: str, step: str, frequency: str
) -> None:
    plain = often("")
    assert often(f"cloud_config_modules: [{entry}]") == {**plain, step: frequency}


def test_user_data_says_it_above_the_settings() -> None:
    found = often("cloud_final_modules: [[scripts-user, always]]", Mode.ONCE_ATTEMPTED)
    assert (found["part-002"], found["hostname"]) == ("always", "once-attempted")


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("[scripts-user, allways]", "[0]: expected one of always, once-per-instance, once"),
        ("[script-user, always]", "[0]: this module is not known here; did you mean scripts_user?"),
        ("[run_cmd, always]", "did you mean runcmd?"),
        ("[disk_setup, always]", "never runs at each boot"),
        ("[scripts-user, always, x]", "[0]: expected a module, or [module, frequency]"),
        ("[scripts-user, [always]]", "[0]: expected a module"),
        ("{scripts-user: always}", "[0]: expected a module"),
        ("null", "[0]: expected a module"),
    ],
)
def test_what_cannot_be_obeyed_is_an_error(entry: str, said: str) -> None:
    (found,) = config_errors(f"cloud_final_modules: [{entry}]")
    assert said in found


@pytest.mark.parametrize("name", ["scripts-vendor", "ssh-import-id", "byobu", "keys-to-console"])
def test_how_often_nothing_is_done_is_a_warning(name: str) -> None:
    (found,) = plan(f"#cloud-config\ncloud_final_modules: [[{name}, always]]".encode()).findings
    assert (found.severity, found.message) == ("warning", "this module does nothing here")


def test_a_list_of_names_changes_nothing_and_says_so() -> None:
    made = plan(
        b"#cloud-config\ncloud_final_modules: [scripts-user, final-message]\nruncmd: [id]\n"
    )
    assert steps(made) == [("runcmd", "once")]
    assert [found.severity for found in made.findings] == ["warning"]
