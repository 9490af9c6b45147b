# SPDX-License-Identifier: Apache-2.0
"""Keys of cloud-init that do nothing here, each with the reason.

An error where something that was asked for stays undone, a warning where nobody will miss it.
"""

from __future__ import annotations

from typing import Any, Final

from bootstrap_image.scalars import plain

_PACKAGES = "these hosts have no package manager; bring programs as containers, or below /opt"
_ACCOUNTS = "the host has no logins; the admin door has keys (ssh_authorized_keys) and one account"
_SSHD = "the host has no sshd; the admin door takes keys only"

_PLACES = "write the file with write_files"
_OTHERS = "this is not supported here; use a script or a container"
_READERS = "this is for another reader of user data; write units and files with write_files"
_SOURCES = "the launcher's settings say where user data comes from"

ERRORS: Final = {
    **dict.fromkeys(("packages", "apt", "apt_sources", "apt_mirror", "yum_repos", "apk_repos",
                     "snap", "zypper", "debconf_selections"), _PACKAGES),
    **dict.fromkeys(("chpasswd", "password", "user"), _ACCOUNTS),
    "ssh_import_id": "keys are not fetched from there; give them in ssh_authorized_keys",
    "ssh_keys": "host keys of the admin door are made on the host",
    "power_state": "the machine is not turned off from here; kubelet starts next",
    "manage_resolv_conf": f"{_PLACES}, or set up systemd-resolved",
    "resolv_conf": f"{_PLACES}, or set up systemd-resolved",
    "rsyslog": "the host has no rsyslog; its journal can be read or forwarded by a container",
    "phone_home": "use a script with curl",
    "reporting": "use `hatchway bootstrap status --output json`",
    "network": "networks are set up before user data is read",
    "disable_ec2_metadata": "use a script: ip route add prohibit 169.254.169.254",
    **dict.fromkeys(("coreos", "k3os", "rancher"), _READERS),
    "device_aliases": "expected a table of names and devices",
    **dict.fromkeys(("chef", "puppet", "salt_minion", "ansible", "mcollective", "landscape",
                     "ubuntu_pro", "ubuntu_advantage", "lxd", "rh_subscription", "spacewalk",
                     "wireguard", "autoinstall", "drivers", "fan", "bootc", "rpi"), _OTHERS),
}  # fmt: skip

WARNINGS: Final = {
    **dict.fromkeys(("package_update", "package_upgrade", "package_reboot_if_required",
                     "apt_update", "apt_upgrade", "apt_reboot_if_required", "apt_pipelining",
                     "apt_preserve_sources_list", "yum_repo_dir", "repo_upgrade",
                     "repo_upgrade_exclude", "repo_additions", "repo_releasever"), _PACKAGES),
    **dict.fromkeys(("ssh_pwauth", "disable_root", "disable_root_opts", "ssh_deletekeys",
                     "ssh_genkeytypes", "ssh_publish_hostkeys", "ssh_quiet_keygen",
                     "no_ssh_fingerprints", "ssh", "allow_public_ssh_keys", "authkey_hash",
                     "ssh_fp_console_blacklist", "ssh_key_console_blacklist"), _SSHD),
    **dict.fromkeys(("locale", "locale_configfile"), "these hosts have one locale: C.UTF-8"),
    "vendor_data": "vendor data is not read",
    **dict.fromkeys(("grub_dpkg", "grub-dpkg"), "these hosts are booted from an image"),
    "migrate": "there is nothing of an older cloud-init to migrate",
    "output": "everything goes to the log of the bootstrap container, and to the console",
    **dict.fromkeys(("datasource_list", "datasource"), _SOURCES),
    "system_info": "this describes distributions to cloud-init; it means nothing here",
    "create_hostname_file": "/etc/hostname is always written",
    "byobu_by_default": "there are no logins",
    "keyboard": "there is no console login",
    "random_seed": "the kernel of a virtual machine has its entropy",
    "manual_cache_clean": "results are kept for each instance",
    "updates": "settings run when their content changes",
    "debug": "findings and the log say what happens",
}  # fmt: skip


def asks(value: Any) -> bool:
    """Whether a value asks for anything: `[]`, `{}`, `false` and `{enabled: false}` do not."""
    if isinstance(value, dict):
        return any(map(asks, value.values()))
    if isinstance(value, list):
        return any(map(asks, value))
    return bool(plain(value))
