# SPDX-License-Identifier: Apache-2.0
"""User data on the reference host: before the stand-in for kubelet, once, and with consequences.

One machine over few boots, for each costs half a minute: the tests stand in the order of its life.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.refhost import clouds
from tests.refhost.node import GATE, last_end, statuses

if TYPE_CHECKING:
    from pathlib import Path

    from tests.refhost.node import Node

pytest_plugins = ["tests.refhost.node_fixture"]
pytestmark = [pytest.mark.refhost, pytest.mark.in_order, pytest.mark.timeout(900)]

# What a machine had before anybody wanted its disks larger.
EARLIER = b"""\
#cloud-config
disk_setup:
  /dev/vdd: {table_type: gpt, layout: [40]}
  /dev/vde: {table_type: gpt, layout: [40]}
fs_setup:
- {device: /dev/vdd1, filesystem: ext4, label: ext}
- {device: /dev/vde1, filesystem: xfs, label: xfs}
mounts:
- [LABEL=ext, /mnt/ext, ext4]
- [LABEL=xfs, /mnt/xfs, xfs]
"""

# As documented for EC2: "User data and shell scripts".
SCRIPT = b"""\
#!/bin/bash
set -e
echo vm.swappiness=7 > /etc/sysctl.d/90-node.conf
sysctl -p /etc/sysctl.d/90-node.conf
modprobe dummy
mkdir -p /mnt/scratch && mount -t tmpfs scratch /mnt/scratch
! touch /host/x 2>/dev/null
! touch /host/usr/x 2>/dev/null
systemctl restart containerd
systemctl is-active containerd
echo the script waits
for _ in $(seq 600); do [ -e /opt/go-on ] && break; sleep 0.1; done
echo from the script > /opt/script
"""

# As in cloud-init's documentation: "MIME multi-part archive", "Disk setup", "growpart".
MESSAGE = b"""\
Content-Type: multipart/mixed; boundary="===============2389165605550749110=="
MIME-Version: 1.0
Number-Attachments: 2

--===============2389165605550749110==
MIME-Version: 1.0
Content-Type: text/x-shellscript; charset="us-ascii"
Content-Transfer-Encoding: 7bit
Content-Disposition: attachment; filename="part-001"

#!/bin/sh
echo "$INSTANCE_ID" > /opt/part

--===============2389165605550749110==
MIME-Version: 1.0
Content-Type: text/cloud-config; charset="us-ascii"
Content-Transfer-Encoding: 7bit
Content-Disposition: attachment; filename="part-002"

#cloud-config
hostname: node7
fqdn: node7.example.com
disk_setup:
  /dev/vdc:
    table_type: gpt
    layout: True
    overwrite: False
fs_setup:
  - label: data
    filesystem: ext4
    device: /dev/vdc
    partition: auto
mounts:
  - [/dev/vdc1, /var/lib/data, auto, "defaults,nofail", "0", "2"]
growpart:
  mode: auto
  devices: [/mnt/ext, /mnt/xfs]
  ignore_growroot_disabled: false
ntp:
  enabled: true
  servers: [ntp.cloud.aliyuncs.com]
bootcmd:
  - echo from bootcmd >> /opt/bootcmd
runcmd:
  - [sh, -c, 'findmnt -no SOURCE /var/lib/data > /var/lib/data/runcmd']

--===============2389165605550749110==--
"""

CONFIG = b"""\
#cloud-config
# vim: syntax=yaml
write_files:
- encoding: b64
  content: IyBmcm9tIGNvbmZpZwo=
  owner: root:root
  path: /etc/sysconfig/selinux
  permissions: '0644'
- path: /etc/motd.d/hatchway
  content: |
    welcome
  permissions: '0640'
runcmd:
- ls -l /root
- [sh, -c, 'echo from runcmd > /opt/runcmd']
"""

JOBS = """\
[bootstrap]
source = "auto"
[bootstrap-containers.script]
mode = "once"
essential = true
order = 1
file = "/opt/data/script"
[bootstrap-containers.config]
mode = "once"
order = 2
file = "/opt/data/config"
"""

TELL = b"#!/bin/sh\necho $INSTANCE_ID > /opt/told\n"


@pytest.fixture(scope="module")
def node(bare_node: Node) -> Node:
    """The machine with two small file systems, each on a disk with room to grow."""
    bare_node.machine.write("/opt/data/earlier", EARLIER)
    bare_node.configure(
        '[bootstrap]\nsource = "none"\n[bootstrap-containers.earlier]\nmode = "once"\n'
        'file = "/opt/data/earlier"\n'
    )
    bare_node.run()
    return bare_node


def size(node: Node, point: str) -> int:
    """Bytes of the file system that is mounted there."""
    found = node.machine.run(("df", "--block-size=1", "--output=size", point)).split()
    return int(found[1])


@pytest.mark.parametrize("source", ["gce", "openstack"])
def test_a_cloud_that_is_named_in_the_settings_is_asked(node: Node, source: str) -> None:
    node.give(TELL, instance=f"{source}-1")
    node.configure(f'[bootstrap]\nsource = "{source}"\n')
    assert "succeeded    user-data/part-001" in node.run()
    assert node.machine.read("/opt/told") == f"{source}-1\n".encode()


def test_a_machine_without_user_data_has_nothing_to_run(node: Node) -> None:
    for source in ("aliyun", "aws", "gce", "openstack"):
        node.give(None, instance="i-none")
        node.configure(f'[bootstrap]\nsource = "{source}"\n')
        assert "There is no user data." in node.run()
        assert any(line.startswith("404 GET") for line in node.requests())


def test_a_disc_is_a_seed_and_a_volume_only_where_the_settings_say_so(
    node: Node, tmp_path: Path
) -> None:
    image = tmp_path / "seed.iso"
    seed = {"user-data": TELL, "meta-data": b"instance-id: iid-local01\nlocal-hostname: x\n"}
    clouds.make_seed(image, "iso9660", seed)
    node.configure('[bootstrap]\nsource = "auto"\n')
    with node.machine.plugged("seed", image) as disk:
        node.machine.run(("udevadm", "settle"))
        assert node.exists("/dev/disk/by-label/cidata"), disk
        assert "There is no user data." in node.run()
        node.configure('[bootstrap]\nsource = "nocloud"\n')
        assert "succeeded    user-data/part-001" in node.run()
        assert b"/run/hatchway/seed" not in node.machine.read("/proc/1/mountinfo")
    assert node.machine.read("/opt/told") == b"iid-local01\n"
    clouds.make_seed(tmp_path / "cd.iso", "iso9660", {**seed, "meta-data": b"instance-id: cd-1\n"})
    node.configure('[bootstrap]\nsource = "auto"\n')
    with node.machine.inserted("cd", tmp_path / "cd.iso"):
        ran = node.run()
    assert "it was iid-local01, and is cd-1 by the source nocloud" in ran
    assert node.machine.read("/opt/told") == b"cd-1\n"


def test_a_link_on_a_seed_leads_nowhere(node: Node, tmp_path: Path) -> None:
    image = tmp_path / "link.iso"
    tree = tmp_path / "link.tree"
    tree.mkdir()
    (tree / "user-data").symlink_to("/opt/data/earlier")
    (tree / "meta-data").write_bytes(b"instance-id: link-1\n")
    clouds.make_disc(image, tree)
    node.configure('[bootstrap]\nsource = "nocloud"\n')
    with node.machine.plugged("seed", image):
        node.machine.run(("udevadm", "settle"))
        done = node.hatchway("bootstrap", "run")
    assert done.status == 2
    assert b"user-data of the seed is a link" in done.stdout


def test_while_a_script_runs_the_console_shows_it_and_kubelet_waits(
    node: Node, tmp_path: Path
) -> None:
    image = tmp_path / "tenants.iso"
    clouds.make_seed(image, "iso9660", {"user-data": b"#!/bin/sh\ntouch /opt/stolen\n"})
    for name, data in (("script", SCRIPT), ("config", CONFIG)):
        node.machine.write(f"/opt/data/{name}", data)
    node.configure(JOBS)
    node.give(MESSAGE, instance="i-bp67acfmxazb4p", hardened=True)
    seen = len(node.machine.console)
    node.boot(*clouds.firmware("aliyun"), *clouds.seed_disk(image))
    node.wait_until("test", "-e", "/run/hatchway/bootstrap/progress.json")
    end = time.monotonic() + 300
    while "script/part-001: the script waits" not in node.machine.console[seen:]:
        assert time.monotonic() < end, node.machine.console[seen:]
        time.sleep(0.1)
    found = node.status()
    assert (found["state"], found["running"]["job"]) == ("running", "script")
    assert not node.exists(GATE)
    node.machine.write("/opt/go-on", b"")


def test_all_forms_ran_and_kubelet_started_after_the_last_step(node: Node) -> None:
    node.machine.wait_until_up()
    found = node.status("--wait")
    assert found["state"] == "done", found["last"]
    assert set(statuses(found).values()) == {"succeeded"}
    assert {step["job"] for step in found["last"]["steps"]} == {"user-data", "script", "config"}
    assert node.changed(GATE) > last_end(found)


def test_the_service_of_the_cloud_that_the_firmware_names_was_asked_with_a_token(
    node: Node,
) -> None:
    asked = node.requests()
    assert asked[0] == "200 PUT /latest/api/token"
    assert "200 GET /latest/user-data" in asked
    assert not any(line.startswith("401") for line in asked)
    assert node.machine.read("/opt/part") == b"i-bp67acfmxazb4p\n"


def test_a_volume_that_calls_itself_a_seed_is_not_asked_in_a_cloud(node: Node) -> None:
    assert node.exists("/dev/disk/by-label/cidata")
    assert not node.exists("/opt/stolen")


def test_what_they_did_is_done_on_the_host(node: Node) -> None:
    for name in ("script", "bootcmd", "runcmd"):
        assert node.machine.read(f"/opt/{name}").decode().endswith(f"{name}\n")
    assert node.machine.read("/proc/sys/vm/swappiness") == b"7\n"
    assert node.machine.read("/proc/sys/kernel/hostname") == b"node7\n"
    assert node.machine.read("/etc/hostname") == b"node7\n"
    assert node.machine.read("/etc/sysconfig/selinux") == b"# from config\n"
    assert node.machine.run(("stat", "-c", "%a", "/etc/motd.d/hatchway")).strip() == "640"
    assert "dummy" in node.machine.read("/proc/modules").decode()
    assert "/var/mnt/scratch" in node.machine.read("/proc/1/mountinfo").decode()


def test_the_hosts_clock_follows_the_servers_of_user_data(node: Node) -> None:
    servers = node.machine.run(("timedatectl", "show-timesync", "--property=SystemNTPServers"))
    assert servers == "SystemNTPServers=ntp.cloud.aliyuncs.com\n"


def test_a_data_disk_was_set_up_and_others_have_grown(node: Node) -> None:
    assert node.machine.read("/var/lib/data/runcmd") == b"/dev/vdc1\n"
    assert node.machine.run(("findmnt", "-no", "FSTYPE", "/var/lib/data")) == "ext4\n"
    # 40 of 100 parts before, all of them but for what the file system itself needs now.
    assert size(node, "/mnt/ext") > 0.85 * (512 << 20)
    assert size(node, "/mnt/xfs") > 0.85 * (1 << 30)


def test_the_container_is_gone_and_its_inputs_with_it(node: Node) -> None:
    for kind in ("containers", "snapshots"):
        assert "hatchway-bootstrap" not in node.machine.run(("ctr", "-n", "hatchway", kind, "ls"))
    assert not node.exists("/run/hatchway/bootstrap")
    assert node.machine.run(("stat", "-c", "%a", "/var/lib/hatchway/bootstrap")).strip() == "700"


def test_a_second_boot_runs_nothing_but_what_is_to_run_at_each(node: Node) -> None:
    node.machine.reboot()
    found = node.status("--wait")
    ran = {name for name, status in statuses(found).items() if status != "done-before"}
    assert (found["state"], found["this_boot"], ran) == ("done", True, {"user-data/bootcmd"})
    assert node.machine.read("/opt/bootcmd") == b"from bootcmd\n" * 2
    # As the lines for it say that user data wrote.
    assert node.machine.run(("findmnt", "-no", "SOURCE", "/var/lib/data")) == "/dev/vdc1\n"


def test_changed_content_runs_again_and_so_does_what_was_reset(node: Node) -> None:
    node.machine.write("/opt/data/script", b"#!/bin/sh\necho anew > /opt/script\n")
    node.machine.run(("rm", "/opt/runcmd"))
    assert "done-before  config/runcmd" in node.run("script", "config")
    assert node.machine.read("/opt/script") == b"anew\n"
    assert not node.exists("/opt/runcmd")
    assert node.hatchway("bootstrap", "reset", "config").status == 0
    node.run("config")
    assert node.machine.read("/opt/runcmd") == b"from runcmd\n"


def test_a_hung_script_holds_the_boot_of_another_cloud_no_longer_than_its_limit(
    node: Node,
) -> None:
    # It is not waited for, as kubelet waits for it; systemd's own program waits all the same.
    script = (
        b"#!/bin/sh\nsystemctl restart kubelet && echo yes > /opt/went-on\n"
        b"/usr/lib/hatchway/systemctl.real restart kubelet\n"
    )
    node.machine.write("/opt/data/hung", script)
    node.configure(
        '[bootstrap-containers.hung]\nmode = "always"\ntimeout = 20.0\nfile = "/opt/data/hung"\n'
    )
    node.give(TELL, instance="i-0123456789abcdef0", hardened=True)
    node.boot(*clouds.firmware("aws"))
    node.machine.wait_until_up()
    found = node.status("--wait")
    assert found["state"] == "degraded"
    assert statuses(found) == {"hung/part-001": "timed-out", "user-data/part-001": "succeeded"}
    assert node.machine.read("/opt/went-on") == b"yes\n"
    (hung,) = [each for each in found["records"] if each["job"] == "hung"]
    assert "kubelet starts after user data has ended" in "".join(hung["last_lines"])
    assert node.machine.read("/opt/told") == b"i-0123456789abcdef0\n"
    assert node.changed(GATE) > max(node.changed("/opt/told"), last_end(found))


def test_an_essential_failure_keeps_kubelet_from_starting_and_says_so(
    node: Node, tmp_path: Path
) -> None:
    image = tmp_path / "seed.img"
    script = b"#!/bin/sh\necho no luck today; exit 3\n"
    clouds.make_seed(image, "vfat", {"user-data": script, "meta-data": b"instance-id: vfat-1\n"})
    node.configure("[bootstrap]\nessential = true\n")
    seen = len(node.machine.console)
    node.boot(*clouds.asking_for_seed(), *clouds.seed_disk(image))
    node.machine.wait_until_up()
    assert node.machine.exec(("systemctl", "is-active", "kubelet")).stdout == b"inactive\n"
    assert not node.exists(GATE)
    assert "no luck today" in node.machine.console[seen:]
    assert "kubelet.service is not started" in node.machine.console[seen:]
    found = node.status()
    assert found["state"] == "failed"
    (failed,) = [each for each in found["records"] if each["status"] == "failed"]
    assert (failed["job"], failed["exit_status"]) == ("user-data", 3)
    assert (failed["instance_id"], failed["last_lines"]) == ("vfat-1", ["no luck today"])


def test_the_door_opens_all_the_same(node: Node, ssh_key: Path) -> None:
    node.machine.write("/run/key.pub", ssh_key.with_suffix(".pub").read_bytes())
    opened = node.hatchway("admin", "start", "--key-file", "/run/key.pub")
    assert opened.status == 0, opened.stderr.decode()
    assert node.hatchway("admin", "stop").status == 0
