# SPDX-License-Identifier: Apache-2.0
"""What people write for ordinary machines: each key of it is done, or reported with its path.

The forms are those of cloud-init's public documentation; the words are ours.
"""

from __future__ import annotations

import textwrap

import pytest
import yaml

from bootstrap_image.plan import plan

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB0pZmFrZWZha2VmYWtlZmFrZWZha2VmYWtlZmFr me@laptop"
PEM = "-----BEGIN CERTIFICATE-----\nMIIBAjCBqQ==\n-----END CERTIFICATE-----"

# Name: the text, the steps that it becomes, the paths that are reported.
FORMS: dict[str, tuple[str, list[str], list[str]]] = {
    "commands at each boot": (
        """
        bootcmd:
          - echo 10.0.0.9 registry.example >> /etc/hosts
          - [cloud-init-per, once, mymkfs, mkfs, /dev/vdb]
        """,
        ["bootcmd"],
        [],
    ),
    "commands once": (
        """
        runcmd:
          - [ls, -l, /]
          - [sh, -xc, "echo $(date) ': hello'"]
          - wget -q http://mirror.example/setup.sh -O /tmp/setup.sh
          - systemctl restart containerd
        """,
        ["runcmd"],
        [],
    ),
    "files": (
        """
        write_files:
          - {encoding: b64, content: aGVsbG8K, owner: 'root:root', path: /etc/sysconfig/selinux,
             permissions: '0644'}
          - content: |
              # options
              OPTIONS="-D"
            path: /etc/sysconfig/samba
          - path: /opt/bin/hello
            permissions: '0555'
            content: !!binary |
              f0VMRgIBAQAAAAAAAAAAAAIAPgABAAAA
          - {path: /etc/late, content: x, defer: true, append: true}
        """,
        ["write_files", "write_files_deferred"],
        [],
    ),
    "files where none can be, with keys of long ago": (
        """
        write_files:
          - {path: /usr/bin/hello, content: x}
          - {path: /etc/x, content: x, perms: '0644'}
        """,
        [],
        ["write_files", "write_files[0].path", "write_files[1].perms"],
    ),
    "a file from elsewhere": (
        "write_files: [{path: /etc/x, source: {uri: 'https://a.example/x'}}]",
        [],
        ["write_files[0].source"],
    ),
    "mounts, with what is filled in and what is removed": (
        """
        mounts:
          - [sdc, /opt/data]
          - [xvdh, /opt/more, auto, "defaults,nofail", "0", "0"]
          - [swap]
        mount_default_fields: [None, None, auto, "defaults,nofail", "0", "2"]
        """,
        ["mounts"],
        [],
    ),
    "a mount of a disk that only its cloud knows": (
        """
        mounts:
          - [ephemeral0, /mnt, auto, "defaults,noexec"]
          - [sdc, /opt/data]
        """,
        [],
        ["mounts", "mounts[0]"],
    ),
    "a swap file": (
        "swap: {filename: /swap.img, size: auto, maxsize: 10485760}",
        ["swap"],
        ["swap", "swap.filename"],
    ),
    "a swap partition": (
        "mounts: [[/dev/vdb2, none, swap, sw, 0, 0]]",
        ["mounts"],
        [],
    ),
    "disks with names of a cloud": (
        """
        device_aliases: {ephemeral0: /dev/sdb}
        disk_setup:
          ephemeral0: {table_type: mbr, layout: true, overwrite: false}
          /dev/xvdh: {table_type: mbr, layout: [33, [33, 82], 33], overwrite: true}
        fs_setup:
          - {label: ephemeral0, filesystem: ext4, device: ephemeral0.1, replace_fs: ntfs}
          - {label: data, filesystem: xfs, device: /dev/xvdh, partition: auto}
        """,
        ["disk_setup", "fs_setup"],
        [],
    ),
    "disks with names of one's own, down to what is mounted": (
        """
        device_aliases: {my_alias: /dev/sdb, swap_disk: /dev/sdc}
        disk_setup:
          my_alias: {table_type: gpt, layout: [50, 50], overwrite: true}
          swap_disk: {table_type: gpt, layout: [[100, 82]], overwrite: true}
        fs_setup:
          - {label: fs1, filesystem: ext4, device: my_alias.1}
          - {label: fs2, filesystem: ext4, device: my_alias.2}
          - {label: swap, filesystem: swap, device: swap_disk.1}
        mounts:
          - [my_alias.1, /mnt/one]
          - [my_alias.2, /mnt/two]
          - [swap_disk.1, none, swap, sw, "0", "0"]
        """,
        ["disk_setup", "fs_setup", "mounts"],
        [],
    ),
    "a file system made by a command": (
        "fs_setup: [{label: x, filesystem: ext4, device: /dev/vdb, cmd: mkfs -t ext4 /dev/vdb}]",
        [],
        ["fs_setup[0].cmd"],
    ),
    "growth": (
        """
        growpart: {mode: auto, devices: ['/'], ignore_growroot_disabled: false}
        resize_rootfs: true
        """,
        ["growpart"],
        [],
    ),
    "a disk that must not grow": ("growpart: {mode: 'off'}\nresize_rootfs: false", [], []),
    "time": (
        """
        ntp:
          enabled: true
          ntp_client: chrony
          pools: [0.pool.example.org, 1.pool.example.org]
          servers: [ntp.example.org, 192.168.23.2]
        timezone: Europe/Berlin
        """,
        ["ntp", "timezone"],
        [],
    ),
    "a time client of one's own": (
        """
        ntp:
          ntp_client: myntpclient
          config: {confpath: /etc/ntp.conf, packages: [myntp]}
        """,
        [],
        ["ntp", "ntp.ntp_client", "ntp.config"],
    ),
    "names": (
        """
        hostname: web01
        fqdn: web01.example.com
        prefer_fqdn_over_hostname: true
        manage_etc_hosts: localhost
        create_hostname_file: true
        """,
        ["hostname", "manage_etc_hosts"],
        ["create_hostname_file"],
    ),
    "a name that is kept": ("preserve_hostname: true\nhostname: x", [], []),
    "keys": (
        f"""
        ssh_authorized_keys:
          - {KEY}
        ssh_import_id: [lp:someone]
        ssh_pwauth: true
        disable_root: true
        """,
        ["ssh_authorized_keys"],
        ["ssh_import_id", "ssh_pwauth", "disable_root"],
    ),
    "host keys": (
        "ssh_keys: {rsa_public: x}\nssh_deletekeys: true",
        [],
        ["ssh_keys", "ssh_deletekeys"],
    ),
    "users": (
        f"""
        groups: [admins: [root]]
        users:
          - default
          - {{name: someone, sudo: 'ALL=(ALL) NOPASSWD:ALL', ssh_authorized_keys: ['{KEY}']}}
        chpasswd: {{expire: false, users: [{{name: root, password: x, type: text}}]}}
        password: x
        """,
        ["users", "users_homes", "ssh_authorized_keys"],
        ["users[0]", "users[1].ssh_authorized_keys", "chpasswd", "password"],
    ),
    "an account for a service": (
        """
        groups: [data, {logs: [svc]}]
        users:
          - {name: svc, uid: 1500, gecos: A service, primary_group: data, groups: 'logs, adm',
             system: true, shell: /usr/sbin/nologin, lock_passwd: true}
        """,
        ["users"],
        [],
    ),
    "certificates": (
        "ca_certs:\n  remove_defaults: false\n  trusted:\n    - |\n"
        + textwrap.indent(PEM, "      "),
        ["ca_certs"],
        [],
    ),
    "certificates, spelt as before": (
        "ca-certs: {trusted: [YOUR-CERTIFICATE-HERE]}",
        [],
        ["ca-certs.trusted[0]"],
    ),
    "packages": (
        """
        package_update: true
        package_upgrade: true
        packages: [pwgen, [libpython3, 3.11.2-1]]
        apt: {sources: {docker: {source: 'deb https://a.example x main'}}}
        yum_repos: {epel: {baseurl: 'https://a.example'}}
        snap: {commands: [snap install x]}
        """,
        [],
        ["package_update", "package_upgrade", "packages", "apt", "yum_repos", "snap"],
    ),
    "the end": (
        """
        final_message: "up after $UPTIME seconds"
        power_state: {delay: now, mode: reboot, timeout: 30, condition: true}
        phone_home: {url: 'http://a.example/$INSTANCE_ID/', post: all}
        """,
        ["final_message"],
        ["power_state", "phone_home"],
    ),
    "languages": (
        "locale: en_US.UTF-8\nlocale_configfile: /etc/default/locale\nkeyboard: {layout: us}",
        [],
        ["locale", "locale_configfile", "keyboard"],
    ),
    "name servers": (
        "manage_resolv_conf: true\nresolv_conf: {nameservers: [8.8.8.8], options: {rotate: true}}",
        [],
        ["manage_resolv_conf", "resolv_conf"],
    ),
    "output and logs": (
        """
        output: {all: '| tee -a /var/log/cloud-init-output.log'}
        rsyslog: {remotes: {a: '192.0.2.1:10514'}}
        reporting: {x: {type: log}}
        """,
        [],
        ["output", "rsyslog", "reporting"],
    ),
    "management": (
        """
        puppet: {install: true}
        chef: {run_list: [x]}
        salt_minion: {conf: {master: a}}
        ansible: {pull: [x]}
        """,
        [],
        ["puppet", "chef", "salt_minion", "ansible"],
    ),
    "cloud-init's own settings": (
        """
        cloud_config_modules: [mounts, [runcmd, always], [byobu, always]]
        datasource_list: [Ec2]
        system_info: {default_user: {name: me}}
        vendor_data: {enabled: true}
        random_seed: {file: /dev/urandom, data: x}
        disable_ec2_metadata: true
        """,
        [],
        [
            "cloud_config_modules",
            "cloud_config_modules[2]",
            "datasource_list",
            "system_info",
            "vendor_data",
            "random_seed",
            "disable_ec2_metadata",
        ],
    ),
    "kernel parameters by a file": (
        """
        write_files:
          - {path: /etc/sysctl.d/k8s.conf, content: net.ipv4.ip_forward=1}
        runcmd: [sysctl --system, swapoff -a]
        """,
        ["write_files", "runcmd"],
        [],
    ),
    "kernel parameters by name (ours)": ("sysctl: {net.ipv4.ip_forward: 1}", ["sysctl"], []),
    "a misspelt key": ("run_cmd: [date]", [], ["run_cmd"]),
}


@pytest.mark.parametrize("name", FORMS)
def test_each_key_is_done_or_reported(name: str) -> None:
    text, steps, paths = FORMS[name]
    made = plan(b"#cloud-config\n" + textwrap.dedent(text).encode())
    assert [step.name for step in made.steps] == steps
    assert {finding.path.removeprefix("user-data: ") for finding in made.findings} == set(paths)


# A key that does nothing here although nothing is wrong with it: nothing was asked for.
NOTHING = {"growpart", "resize_rootfs", "preserve_hostname", "hostname"}
# Keys that go into the step of another.
INTO = {
    "resize_rootfs": "growpart",
    "mount_default_fields": "mounts",
    "device_aliases": "disk_setup",
    "fqdn": "hostname",
    "prefer_fqdn_over_hostname": "hostname",
    "ca-certs": "ca_certs",
    "groups": "users",
}


@pytest.mark.parametrize("name", FORMS)
def test_no_key_of_the_table_is_passed_over(name: str) -> None:
    text, steps, paths = FORMS[name]
    for key in yaml.safe_load(textwrap.dedent(text)):
        reported = any(path == key or path.startswith((f"{key}.", f"{key}[")) for path in paths)
        assert INTO.get(key, key) in steps or reported or (not steps and key in NOTHING), key


def test_what_is_not_done_says_what_to_do_instead() -> None:
    (found,) = plan(b"#cloud-config\npackages: [tcpdump]\n").findings
    assert "bring programs as containers, or below /opt" in found.message
