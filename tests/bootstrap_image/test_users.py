# SPDX-License-Identifier: Apache-2.0
"""`users`, `groups` and keys: accounts on the host for files, and keys for the admin door."""

from __future__ import annotations

import os
import stat
import subprocess
import sys

import pytest

from bootstrap_image import password_lock
from bootstrap_image.host import ModuleError
from tests.bootstrap_image.make import config_errors, warnings
from tests.bootstrap_image.stand_in import StandIn, do

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="files are given to owners")

KEYS = "var/lib/hatchway/bootstrap/authorized_keys"
ONE, TWO = (f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB0pZmFrZWZha2VmYWt{c} me@laptop" for c in "lm")
ROOT = "root:x:0:0:root:/root:/bin/bash\n"


@pytest.fixture(autouse=True)
def files(host: StandIn) -> None:
    host.put("etc/passwd", f"{ROOT}daemon:x:1:1::/:/usr/sbin/nologin\n")
    host.put("etc/group", "root:x:0:\ndaemon:x:1:\nadm:x:4:syslog\n")
    host.put("etc/shadow", "root:*:19000:0:99999:7:::\n")
    (host.root / "etc/shadow").chmod(0o640)
    os.chown(host.root / "etc/shadow", 0, 42)


def line(host: StandIn, file: str, name: str) -> str:
    lines = host.text(f"etc/{file}").splitlines()
    (found,) = (line for line in lines if line.startswith(f"{name}:"))
    return found


def test_an_account_for_a_service_owns_its_files(host: StandIn) -> None:
    do(
        "users: [{name: svc, uid: 1500, homedir: /var/lib/svc, no_create_home: true}]\n"
        "write_files: [{path: /etc/svc.conf, content: x, owner: 'svc:svc', permissions: '0600'}]",
        host,
    )
    assert line(host, "passwd", "svc") == "svc:x:1500:1500::/var/lib/svc:/usr/sbin/nologin"
    assert line(host, "group", "svc") == "svc::1500:"
    assert line(host, "shadow", "svc").startswith("svc:!:")
    found = (host.root / "etc/svc.conf").stat()
    assert (found.st_uid, found.st_gid) == (1500, 1500)
    assert not (host.root / "var/lib/svc").exists()


def test_what_was_there_stays_as_it_is(host: StandIn) -> None:
    do("users: [{name: svc}]", host)
    assert host.text("etc/passwd").startswith(ROOT)
    found = (host.root / "etc/shadow").stat()
    assert (stat.S_IMODE(found.st_mode), found.st_gid) == (0o640, 42)


def test_twice_is_as_once(host: StandIn) -> None:
    text = "groups: [data: [daemon]]\nusers: [{name: svc, uid: 1500, groups: [data, adm]}]"
    do(text, host)
    before = [host.text(f"etc/{name}") for name in ("passwd", "group", "shadow")]
    do(text, host)
    assert [host.text(f"etc/{name}") for name in ("passwd", "group", "shadow")] == before


def test_groups_get_their_members(host: StandIn) -> None:
    host.put("etc/gshadow", "root:*::\n")
    do("groups: [data: [daemon], more]\nusers: [{name: svc, groups: 'data, adm'}]", host)
    assert line(host, "group", "data") == "data:x:1000:daemon,svc"
    assert line(host, "group", "adm") == "adm:x:4:syslog,svc"
    assert line(host, "group", "more") == "more:x:1001:"
    assert line(host, "gshadow", "data") == "data:!::daemon,svc"


def test_a_primary_group_is_used_or_made(host: StandIn) -> None:
    do("users: [{name: a, primary_group: adm}, {name: b, primary_group: data}]", host)
    assert line(host, "passwd", "a").split(":")[3] == "4"
    assert line(host, "group", "data").split(":")[2] == line(host, "passwd", "b").split(":")[3]


def test_numbers_that_the_hosts_image_uses_are_not_given_again(host: StandIn) -> None:
    host.put("host/usr/lib/passwd", "core:x:1000:1000::/:/bin/sh\n")
    do("users: [{name: svc}, {name: core}, {name: sys, system: true}]", host)
    assert line(host, "passwd", "svc").split(":")[2] == "1001"
    assert line(host, "passwd", "sys").split(":")[2] == "999"
    assert "core:" not in host.text("etc/passwd")


@pytest.mark.parametrize(
    ("user", "said"),
    [
        ("{name: daemon, uid: 5}", "daemon is there with the uid 1"),
        ("{name: svc, uid: 1}", "svc cannot have the uid of daemon"),
        ("{name: svc, groups: [data], create_groups: false}", "the group data of svc is not there"),
    ],
)
def test_an_account_that_cannot_be_leaves_all_as_it_was(
    host: StandIn, user: str, said: str
) -> None:
    before = host.text("etc/passwd")
    with pytest.raises(ModuleError, match=said):
        do(f"users: [{{name: other}}, {user}]", host)
    assert host.text("etc/passwd") == before


def test_a_home_is_its_users_alone(host: StandIn) -> None:
    (host.root / "home").mkdir()
    do("users: [{name: svc, uid: 1500}]", host)
    found = (host.root / "home/svc").stat()
    assert (stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid) == (0o700, 1500, 1500)
    assert [path.name for path in (host.root / "home").iterdir()] == ["svc"]


def test_a_home_that_is_there_stays_as_it_is(host: StandIn) -> None:
    host.put("home/svc/x", "")
    do("users: [{name: svc, uid: 1500}]", host)
    assert (host.root / "home/svc").stat().st_uid == 0


def test_a_host_whose_accounts_cannot_change_says_what_to_do(
    host: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(host, "write", refuse)
    with pytest.raises(ModuleError, match=r"cannot be changed \(Read-only.*owner: '1000:1000'"):
        do("users: [{name: svc}]", host)


def test_a_host_without_accounts_says_what_to_do(host: StandIn) -> None:
    (host.root / "etc/passwd").unlink()
    with pytest.raises(ModuleError, match="has no /etc/passwd: give files to numbers"):
        do("users: [{name: svc}]", host)


def test_accounts_wait_for_whoever_changes_them_and_not_for_ever(host: StandIn) -> None:
    program = (
        "import fcntl, sys; file = open(sys.argv[1], 'w'); fcntl.lockf(file, fcntl.LOCK_EX); "
        "print('locked', flush=True); sys.stdin.read()"
    )
    now = [0.0]
    with subprocess.Popen(
        (sys.executable, "-c", program, host.root / "etc/.pwd.lock"),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as other:  # fmt: skip
        assert other.stdout
        assert other.stdin
        assert other.stdout.readline() == b"locked\n"
        lock = password_lock.held(host, lambda: now[0], lambda s: now.append(now.pop() + s))
        with pytest.raises(ModuleError, match="another program is changing"), lock:
            pass
        other.stdin.close()
    with password_lock.held(host, lambda: 0.0, lambda _: None):
        assert now[0] >= 15


@pytest.mark.parametrize(
    "user",
    [
        "{name: core, groups: [sudo], ssh_authorized_keys: ['%s']}",
        "{name: core, groups: 'docker, wheel', ssh_authorized_keys: ['%s']}",
        "{name: core, sudo: 'ALL=(ALL) NOPASSWD:ALL', ssh_authorized_keys: ['%s']}",
        "{name: core, sudo: ['ALL=(ALL) NOPASSWD: ALL'], ssh_authorized_keys: '%s'}",
        "{name: core, sudo: 'ALL=(ALL:ALL) ALL', ssh-authorized-keys: ['%s']}",
        "{name: root, ssh_authorized_keys: ['%s']}",
    ],
)
def test_keys_of_a_user_who_may_become_root_are_the_doors(host: StandIn, user: str) -> None:
    text = f"users: [default, {user % ONE}]"
    (host.root / "home").mkdir()
    do(text, host)
    assert host.text(KEYS) == f"{ONE}\n"
    assert any(
        "come in by the admin door" in said for said in warnings(f"#cloud-config\n{text}".encode())
    )


@pytest.mark.parametrize(
    "rights",
    ["gecos: x", "sudo: false", "sudo: 'ALL=(ALL) /usr/bin/id'", "sudo: null", "groups: [docker]"],
)
def test_keys_of_a_user_without_rights_are_named_and_let_nobody_in(
    host: StandIn, rights: str
) -> None:
    text = f"users: [{{name: a, {rights}, no_create_home: true, ssh_authorized_keys: ['{ONE}']}}]"
    (found,) = config_errors(text)
    assert found.startswith("user-data: users[0].ssh_authorized_keys: ")
    do(text, host)
    assert not (host.root / KEYS).exists()


def test_a_wrong_password_or_account_locks_no_key_out(host: StandIn) -> None:
    user = f"name: a, sudo: 'ALL=(ALL) ALL', uid: x, passwd: y, ssh_authorized_keys: ['{ONE}']"
    do(f"users: [{{{user}}}]", host)
    assert host.text(KEYS) == f"{ONE}\n"


@pytest.mark.parametrize("start", ["ssh_authorized_keys:\n- |\n", "ssh_authorized_keys: |\n"])
def test_several_keys_in_one_entry_are_several_keys(host: StandIn, start: str) -> None:
    do(f"{start}  # mine\n  {ONE}\n\n  {TWO}\n", host)
    assert host.text(KEYS) == f"{ONE}\n{TWO}\n"


def test_each_of_several_keys_in_one_entry_is_checked() -> None:
    (found,) = config_errors(f"ssh_authorized_keys:\n- {TWO}\n- |\n  {ONE}\n  nonsense\n")
    assert found.startswith("user-data: ssh_authorized_keys[1] line 2: this is no public key")


@pytest.mark.parametrize(
    "users", ["{default: true, a: {uid: 1500}, b: false}", "[a]", "a, default", "{name: a}", "a"]
)
def test_accounts_may_be_listed_in_every_usual_way(host: StandIn, users: str) -> None:
    (host.root / "home").mkdir()
    do(f"users: {users}", host)
    assert [entry.split(":")[0] for entry in host.text("etc/passwd").splitlines()[2:]] == ["a"]


@pytest.mark.parametrize(
    "text", ["users: []", "users: [{name: root}]", "users: [default]", "groups: ''"]
)
def test_what_asks_for_no_account_changes_nothing(host: StandIn, text: str) -> None:
    do(text, host)
    assert not (host.root / "etc/.pwd.lock").exists()
