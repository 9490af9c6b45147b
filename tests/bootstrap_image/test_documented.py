# SPDX-License-Identifier: Apache-2.0
"""The list of keys in the documents is the list of keys that are read."""

from __future__ import annotations

import re
from pathlib import Path

import bootstrap_image
from bootstrap_image.cloudconfig import read
from bootstrap_image.findings import Report
from bootstrap_image.forms import Form
from bootstrap_image.modules import unsupported
from bootstrap_image.parts import Part
from tests.bootstrap_image.test_public_forms import FORMS

ROOT = Path(bootstrap_image.__file__).parents[1]
TEXT = (ROOT / "docs/user-data.md").read_text()
SECTION = TEXT.partition("## Keys of a cloud-config")[2].partition("\n## ")[0]
LISTED = {
    key
    for row in re.findall(r"^\| (`.*?) \|", SECTION, re.MULTILINE)
    for key in re.findall(r"`([\w-]+)`", row)
}


def unknown(key: str) -> bool:
    report = Report()
    read([Part(Form.CLOUD_CONFIG, f"{key}: null".encode(), "x", "")], report)
    return any("not known here" in finding.message for finding in report.findings)


def test_every_key_that_is_listed_is_read() -> None:
    assert LISTED
    assert [key for key in LISTED if unknown(key)] == []


def test_no_key_is_listed_as_done_that_is_reported_as_not() -> None:
    # It has a table of its own when it is not one.
    refused = (unsupported.ERRORS.keys() | unsupported.WARNINGS.keys()) - {"device_aliases"}
    assert set() == LISTED & refused


def test_every_key_of_the_public_forms_that_becomes_a_step_is_listed() -> None:
    steps = {step for _, steps, _ in FORMS.values() for step in steps} - {
        "write_files_deferred",
        "users_homes",
    }
    assert steps <= LISTED


# The keys in the JSON schema of cloud-init 22.4 (Debian 12), and of what Amazon Linux adds.
SCHEMA = """
ansible apk_repos apt apt_pipelining apt_reboot_if_required apt_update apt_upgrade authkey_hash
allow_public_ssh_keys autoinstall bootcmd byobu_by_default ca-certs ca_certs chef chpasswd
cloud_config_modules cloud_final_modules cloud_init_modules device_aliases disable_ec2_metadata
disable_root disable_root_opts disk_setup drivers fan final_message fqdn fs_setup groups
growpart grub-dpkg grub_dpkg hostname keyboard landscape locale locale_configfile lxd
manage_etc_hosts manage_resolv_conf mcollective migrate mount_default_fields mounts
no_ssh_fingerprints ntp package_reboot_if_required package_update package_upgrade packages
password phone_home power_state prefer_fqdn_over_hostname preserve_hostname puppet random_seed
repo_additions repo_releasever repo_upgrade repo_upgrade_exclude resize_rootfs resolv_conf
rh_subscription rsyslog runcmd salt_minion snap spacewalk ssh ssh_authorized_keys
ssh_deletekeys ssh_fp_console_blacklist ssh_genkeytypes ssh_import_id ssh_key_console_blacklist
ssh_keys ssh_publish_hostkeys ssh_pwauth ssh_quiet_keygen swap timezone ubuntu_advantage
updates user users vendor_data wireguard write_files yum_repo_dir yum_repos zypper
""".split()  # noqa: SIM905 - names as one reads them


def test_every_key_of_cloud_inits_schema_is_done_or_has_its_reason() -> None:
    assert [key for key in SCHEMA if unknown(key)] == []


USER = """
create_groups expiredate gecos groups hashed_passwd homedir inactive lock-passwd lock_passwd
name no_create_home no_log_init no_user_group passwd plain_text_passwd primary_group
selinux_user shell snapuser ssh_authorized_keys ssh_import_id ssh_redirect_user sudo system uid
""".split()  # noqa: SIM905 - names as one reads them


def test_every_key_of_a_user_in_cloud_inits_schema_is_read() -> None:
    report = Report()
    fields = "".join(f"  {key}: null\n" for key in USER)
    read([Part(Form.CLOUD_CONFIG, f"users:\n-\n{fields}".encode(), "x", "")], report)
    assert [finding for finding in report.findings if "not known" in finding.message] == []
