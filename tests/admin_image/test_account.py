# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from admin_image import account
from admin_image.errors import DoorError
from admin_image.spec import UIDS, DoorSpec

if TYPE_CHECKING:
    from pathlib import Path

PASSWD = "root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n"
SHADOW = "root:*:20000:0:99999:7:::\n"
GROUP = "root:x:0:\nsystemd-journal:x:999:\n"


def test_the_account_has_the_number_of_the_spec_and_a_home_of_its_own() -> None:
    spec = DoorSpec(user="ec2-user", uid=2147000001)
    assert account.passwd_with(PASSWD, spec).endswith(
        "ec2-user:x:2147000001:2147000001:Hatchway:/home/ec2-user:/bin/bash\n"
    )
    assert account.sudoers(spec).startswith("#2147000001 ALL=")


def test_another_account_at_the_next_start_replaces_the_first() -> None:
    first, second = DoorSpec(user="admin"), DoorSpec(user="core", uid=2147000001)
    twice = account.passwd_with(account.passwd_with(PASSWD, first), second)
    assert account.passwd_with(PASSWD, second) == twice


@pytest.mark.parametrize("given", ["", "!", "!$6$salt$hash"], ids=["none", "locked", "locked hash"])
def test_without_a_password_the_account_is_closed_but_not_locked(given: str) -> None:
    assert account.shadow_with(SHADOW, "admin", given).endswith("admin:*:::::::\n")


def test_a_password_hash_stands_in_shadow_as_given() -> None:
    assert "admin:$6$salt$hash:::::::\n" in account.shadow_with(SHADOW, "admin", "$6$salt$hash")


def test_the_journals_group_takes_the_hosts_number() -> None:
    text = account.group_with(GROUP, DoorSpec(), journal_gid=999)
    assert text == f"root:x:0:\nadmin:x:{UIDS[0]}:\nhostjournal:x:999:admin\n"


@pytest.mark.parametrize(
    "user", ["root", "daemon", "", "Admin", "a b", "a:b", "../x", "x" * 33, "admin\n"]
)
def test_names_that_cannot_be_are_refused(user: str) -> None:
    with pytest.raises(DoorError) as caught:
        account.check(DoorSpec(user=user), PASSWD)
    assert caught.value.code == "door.spec"


@pytest.mark.parametrize("uid", [0, 1000, 65535, 2**32 - 1, 2**32])
def test_numbers_of_the_hosts_own_are_refused(uid: int) -> None:
    with pytest.raises(DoorError) as caught:
        account.check(DoorSpec(uid=uid), PASSWD)
    assert caught.value.code == "door.spec"


@pytest.mark.parametrize("password_hash", ["$6$a:b", "$6$a\nroot::0:0::/:", "$6$a b", "ä"])
def test_a_hash_that_would_break_the_file_is_refused_and_not_repeated(password_hash: str) -> None:
    with pytest.raises(DoorError) as caught:
        account.check(DoorSpec(password_hash=password_hash), PASSWD)
    assert password_hash not in caught.value.message


@pytest.mark.parametrize("user", ["admin", "ec2-user", "core", "_x"])
def test_names_that_people_use_are_taken(user: str) -> None:
    spec = DoorSpec(user=user)
    account.check(spec, account.passwd_with(PASSWD, spec))


@pytest.mark.engine
def test_making_the_account_twice_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account, "home", lambda user: f"{tmp_path}/home/{user}")
    for name, text in {"passwd": PASSWD, "shadow": SHADOW, "group": GROUP}.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "sudoers.d").mkdir()
    account.make(DoorSpec(), etc=str(tmp_path))
    first = {path.name: path.read_text() for path in tmp_path.iterdir() if path.is_file()}
    account.make(DoorSpec(), etc=str(tmp_path))
    assert first == {path.name: path.read_text() for path in tmp_path.iterdir() if path.is_file()}
    assert (tmp_path / "shadow").stat().st_mode & 0o777 == 0o640
    home = tmp_path / "home/admin"
    owners = {path.name: path.stat().st_uid for path in (home, *home.iterdir())}
    assert owners == {"admin": 0, ".ssh": 0, "files": UIDS[0]}
