# SPDX-License-Identifier: Apache-2.0
"""Keys of cloud-init that do nothing here, each with the reason.

An error where something that was asked for stays undone, a warning where nobody will miss it.
"""

from __future__ import annotations

from typing import Final

_PACKAGES = "these hosts have no package manager; bring programs as containers, or below /opt"
_ACCOUNTS = "the host has no logins; the admin door has keys (ssh_authorized_keys) and one account"
_SSHD = "the host has no sshd; the admin door takes keys only"

ERRORS: Final = {
    **dict.fromkeys(("packages", "apt", "apt_sources", "yum_repos", "snap", "zypper"), _PACKAGES),
    **dict.fromkeys(("groups", "chpasswd", "password", "user"), _ACCOUNTS),
    "ssh_import_id": "keys are not fetched from there; give them in ssh_authorized_keys",
    "ssh_keys": "host keys of the admin door are made on the host",
    "power_state": "the machine is not turned off from here; kubelet starts next",
    "ca_certs": "write the certificates with write_files where the host looks for them",
    "ca-certs": "write the certificates with write_files where the host looks for them",
    "timezone": "use write_files or a script; /etc is writable",
    "locale": "these hosts have one locale",
    "manage_etc_hosts": "write /etc/hosts with write_files",
    "manage_resolv_conf": "write it with write_files, or set up systemd-resolved",
    "resolv_conf": "write it with write_files, or set up systemd-resolved",
    "phone_home": "use a script with curl",
    "network": "networks are set up before user data is read",
    "vendor_data": "vendor data is not read",
    "device_aliases": "expected a table of names and devices",
    **dict.fromkeys(("chef", "puppet", "salt_minion", "ansible", "mcollective", "landscape",
                     "ubuntu_pro", "ubuntu_advantage", "lxd", "rh_subscription", "rsyslog",
                     "wireguard", "autoinstall", "swap"),
                    "this is not supported here; use a script or a container"),
}  # fmt: skip

WARNINGS: Final = {
    **dict.fromkeys(("package_update", "package_upgrade", "package_reboot_if_required",
                     "apt_update", "apt_upgrade", "apt_reboot_if_required"), _PACKAGES),
    **dict.fromkeys(("ssh_pwauth", "disable_root", "disable_root_opts", "ssh_deletekeys",
                     "ssh_genkeytypes", "ssh_publish_hostkeys", "ssh_quiet_keygen",
                     "no_ssh_fingerprints", "ssh", "allow_public_ssh_keys"), _SSHD),
    "final_message": "the log says when everything is done",
    "output": "everything goes to the log of the bootstrap container, and to the console",
    "datasource_list": "the launcher's settings say where user data comes from",
    "datasource": "the launcher's settings say where user data comes from",
    "cloud_init_modules": "the order of modules is fixed here",
    "cloud_config_modules": "the order of modules is fixed here",
    "cloud_final_modules": "the order of modules is fixed here",
    "system_info": "this describes distributions to cloud-init; it means nothing here",
    "create_hostname_file": "/etc/hostname is always written",
    "byobu_by_default": "there are no logins",
    "keyboard": "there is no console login",
    "random_seed": "the kernel of a virtual machine has its entropy",
    "updates": "settings run when their content changes",
    "debug": "findings and the log say what happens",
}  # fmt: skip
