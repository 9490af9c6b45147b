# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import string

from hypothesis import given
from hypothesis import strategies as st

from hostview import mountinfo
from hostview.mountinfo import Mount

LINE = (
    r"36 35 98:0 /mnt1 /host/with\040space\011and\134more rw,nosuid,noatime master:1 shared:2 "
    r"- ext3 /dev/root rw,errors=continue"
)


def mount(number: int, parent: int, point: str, options: str = "rw", fstype: str = "ext4") -> Mount:
    return Mount(number, parent, point, frozenset(options.split(",")), fstype)


def test_a_line_is_read_with_its_octal_escapes() -> None:
    expected = mount(36, 35, "/host/with space\tand\\more", "rw,nosuid,noatime", "ext3")
    assert [expected] == mountinfo.parse(LINE + "\n")


def test_a_line_without_optional_fields_is_read() -> None:
    assert [mount(1, 0, "/", "ro", "tmpfs")] == mountinfo.parse("1 0 0:1 / / ro - tmpfs tmpfs rw")


# Line ends of str.splitlines, and a byte that is no UTF-8: the kernel escapes none of them.
STRANGE = "\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029\udcff"


@given(st.text(alphabet=string.printable + "äß漢" + STRANGE, min_size=1).map("/{}".format))
def test_every_name_of_a_mount_point_can_be_read(point: str) -> None:
    escaped = "".join(f"\\{ord(c):03o}" if c in " \t\n\\" else c for c in point)
    assert [point] == [
        found.point for found in mountinfo.parse(f"1 0 0:1 / {escaped} rw - tmpfs none rw")
    ]


def test_a_similar_name_is_not_below() -> None:
    mounts = [
        mount(1, 0, "/"),
        mount(2, 1, "/host"),
        mount(3, 1, "/hostile"),
        mount(4, 2, "/host/var"),
    ]
    assert [found.point for found in mountinfo.below(mounts, "/host")] == ["/host", "/host/var"]


def test_everything_is_below_the_root() -> None:
    mounts = [mount(1, 0, "/"), mount(2, 1, "/host")]
    assert mounts == mountinfo.below(mounts, "/")


def test_a_mount_on_the_same_point_hides_the_one_below() -> None:
    mounts = [mount(1, 0, "/"), mount(2, 1, "/a"), mount(3, 2, "/a")]
    assert [found.id for found in mountinfo.reachable(mounts)] == [1, 3]


def test_a_mount_above_hides_what_is_deeper() -> None:
    mounts = [
        mount(1, 0, "/"),
        mount(2, 1, "/a/b"),
        mount(3, 2, "/a/b/c"),
        mount(4, 1, "/a"),
        mount(5, 4, "/a/b"),
    ]
    assert [found.id for found in mountinfo.reachable(mounts)] == [1, 4, 5]


def test_what_was_mounted_inside_a_covered_mount_is_hidden() -> None:
    mounts = [mount(1, 0, "/"), mount(2, 1, "/a"), mount(3, 2, "/a/b"), mount(4, 2, "/a")]
    assert [found.id for found in mountinfo.reachable(mounts)] == [1, 4]
