# SPDX-License-Identifier: Apache-2.0
"""Our reader of tars agrees with the standard library on what tars are made of, and gives up."""

from __future__ import annotations

import contextlib
import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher.tar_headers import Member, TarError, members

NAME = st.text(st.characters(codec="utf-8", exclude_characters="\0/"), min_size=1, max_size=200)
FORMATS = (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)
KINDS = (tarfile.REGTYPE, tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE)


class Bytes(io.BytesIO):
    def skip(self, size: int) -> None:
        if self.seek(size, io.SEEK_CUR) > len(self.getbuffer()):
            raise TarError("it is cut off")


def read(data: bytes, limit: int = 1000) -> list[Member]:
    return list(members(Bytes(data), limit))


def made(form: int, names: list[str], kind: bytes = tarfile.REGTYPE) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=form) as tar:
        for number, name in enumerate(names):
            entry = tarfile.TarInfo(name)
            entry.type = kind
            entry.size = number * 100 if kind == tarfile.REGTYPE else 0
            entry.linkname = "" if kind == tarfile.REGTYPE else name[::-1]
            tar.addfile(entry, io.BytesIO(bytes(entry.size)))
    return stream.getvalue()


@given(st.lists(NAME, max_size=5), st.sampled_from(FORMATS[1:]), st.sampled_from(KINDS))
def test_what_the_standard_library_writes_is_read(names: list[str], form: int, kind: bytes) -> None:
    data = made(form, names, kind)
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        expected = [(m.name, m.type, m.linkname, m.size, m.offset_data) for m in tar]
    found = [(m.name.rstrip("/"), m.kind, m.link, m.size, m.start) for m in read(data)]
    assert found == expected


def test_a_long_name_of_ustar_stands_in_two_fields() -> None:
    name = "/".join(["directory" * 5] * 4)
    assert [member.name for member in read(made(tarfile.USTAR_FORMAT, [name]))] == [name]


@given(st.binary(max_size=3000))
def test_no_bytes_are_too_odd(data: bytes) -> None:
    for start in (b"", made(tarfile.PAX_FORMAT, ["ä" * 90])[:-10240]):
        with contextlib.suppress(TarError):
            read(start + data)


@given(st.integers(0, 511), st.integers(0, 255))
def test_no_change_of_a_header_is_too_odd(place: int, value: int) -> None:
    data = bytearray(made(tarfile.GNU_FORMAT, ["a"]))
    data[place] = value
    data[148:156] = b" " * 8
    data[148:156] = b"%06o\0 " % sum(data[:512])
    with contextlib.suppress(TarError):
        read(bytes(data))


@pytest.mark.parametrize("size", [100, 512, 700, 1024 + 100])
def test_a_tar_that_is_cut_off_is_told(size: int) -> None:
    data = made(tarfile.GNU_FORMAT, ["a", "b", "c"])
    with pytest.raises(TarError):
        read(data[: size + 512])


def test_a_tar_without_an_end_is_whole() -> None:
    data = made(tarfile.GNU_FORMAT, ["a", "b"])[: 512 * 3]
    assert [member.name for member in read(data)] == ["a", "b"]


def test_too_many_members_are_told() -> None:
    with pytest.raises(TarError, match="too many"):
        read(made(tarfile.GNU_FORMAT, ["a"] * 5), limit=4)
