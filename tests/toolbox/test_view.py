# SPDX-License-Identifier: Apache-2.0
"""What of the host is bound into a toolbox, from tables as hosts have them."""

from __future__ import annotations

from toolbox import view

# A host with a read-only root, its state on a disk, and containers at work.
TABLE = r"""
22 1 0:20 / / ro,relatime shared:1 - squashfs /dev/root ro
23 22 0:21 / /proc rw,nosuid shared:2 - proc proc rw
24 22 0:22 / /sys rw,nosuid shared:3 - sysfs sysfs rw
25 24 0:23 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw
26 22 0:24 / /dev rw shared:5 - devtmpfs devtmpfs rw
27 26 0:25 / /dev/shm rw shared:6 - tmpfs tmpfs rw
28 22 0:26 / /run rw shared:7 - tmpfs tmpfs rw
29 28 0:27 / /run/user/0 rw shared:8 - tmpfs tmpfs rw
30 28 0:4 net:[1] /run/netns/a rw shared:9 - nsfs nsfs rw
31 22 254:1 / /var rw shared:10 - ext4 /dev/vda rw
32 31 254:2 / /var/lib/docker rw shared:11 - xfs /dev/vdb rw
33 32 0:30 / /var/lib/docker/overlay2/abc/merged rw shared:12 - overlay overlay rw
34 31 0:31 / /var/lib/kubelet/pods/x/volumes/y rw shared:13 - tmpfs tmpfs rw
35 22 0:32 / /mnt/share rw shared:14 - nfs4 server:/x rw
36 22 0:33 / /mnt/auto rw shared:15 - autofs systemd-1 rw
37 22 0:34 / /etc rw shared:16 - overlay overlay rw
38 31 254:3 / /var/a\040b rw shared:17 - ext4 /dev/vdc rw
39 31 254:4 / /var/a,b rw shared:18 - ext4 /dev/vdd rw
40 31 0:35 / /var/data/docker/containers/1/mounts/shm rw shared:19 - tmpfs shm rw
41 31 0:36 / /var/data/kubelet/pods/0a1b2c3d-0000-4000-8000-0123456789ab/v rw - tmpfs tmpfs rw
42 22 0:37 / /covered rw shared:20 - tmpfs tmpfs rw
43 42 0:38 / /covered/below rw shared:21 - tmpfs tmpfs rw
44 22 0:39 / /covered rw shared:22 - tmpfs tmpfs rw
"""


def shown(source: str = "/", target: str = "/host") -> dict[str, str]:
    table = TABLE.strip()
    return {
        mount.target: mount.source for mount in view.sealed(source, target, "", [], table=table)
    }


def test_every_file_system_of_the_host_itself_is_shown() -> None:
    places = {"/host", "/host/proc", "/host/sys", "/host/dev", "/host/run", "/host/var"}
    places |= {"/host/var/lib/docker", "/host/etc", "/host/var/a b", "/host/covered"}
    assert shown().keys() == places
    assert shown()["/host/var/a b"] == "/var/a b"


def test_each_is_read_only_and_brings_nothing_along() -> None:
    mounts = view.sealed("/", "/host", "", [], table=TABLE.strip())
    assert all(mount.read_only and not mount.recursive for mount in mounts)
    assert all(mount.propagation == "rprivate" for mount in mounts)


def test_what_somebody_elsewhere_answers_for_is_left_out() -> None:
    assert "/host/mnt/share" not in shown()
    assert "/host/mnt/auto" not in shown()


def test_a_directory_is_shown_with_what_is_mounted_below_it() -> None:
    assert shown("/var", "/data") == {
        "/data": "/var", "/data/lib/docker": "/var/lib/docker", "/data/a b": "/var/a b",
    }  # fmt: skip


def test_parents_come_before_what_is_below_them() -> None:
    targets = list(shown())
    assert targets == sorted(targets)


def test_a_host_with_thousands_of_mounts_gives_a_command_line_that_can_be_run() -> None:
    lines = [f"{n} 22 0:{n} / /srv/{n} rw - tmpfs tmpfs rw" for n in range(100, 3000)]
    table = TABLE.strip() + "\n" + "\n".join(lines)
    notes: list[str] = []
    assert len(view.sealed("/", "/host", "", notes, table=table)) == view.MOST
    (note,) = notes
    assert note.startswith(f"/host shows {view.MOST} mounts; ")
