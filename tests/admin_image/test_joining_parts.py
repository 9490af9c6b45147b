# SPDX-License-Identifier: Apache-2.0
"""What the joiner is made of, where no container is needed: ids, places, trust, statuses."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from admin_image import apparmor, identity, new_root, spec, toolbelt, variables
from admin_image.errors import JoinError
from admin_image.subject import Subject
from launcher.proc import Process
from tests.conftest import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.realtime

MAP = identity.parse_map("         0     100000      65536\n     70000          5         10\n")


def test_ids_are_translated_both_ways_and_strangers_have_none() -> None:
    assert identity.outside(MAP, 0) == 100000
    assert identity.outside(MAP, 70009) == 14
    assert identity.inside(MAP, 101000) == 1000
    for number in (65536, 70010):
        assert identity.outside(MAP, number) == -1
    assert identity.inside(MAP, 0) == -1


def test_rights_are_the_profiles_and_as_the_target_no_more_than_its_own() -> None:
    subject = Subject(os.getpid(), started(os.getpid()))
    root = identity.Identity(0, 0, [], (0, 0))
    everything = (1 << 64) - 1

    def rights(profile: int, *, as_target: bool = True, ptrace: bool = False) -> int:
        return identity.rights(subject, root, profile, as_target=as_target, ptrace=ptrace)

    assert rights(0b1010, as_target=False) == 0b1010
    own = int(subject.status()["CapBnd"], 16) & ~identity.SYS_PTRACE
    assert rights(everything) == own | identity.NET_RAW
    assert rights(everything, ptrace=True) == own | identity.NET_RAW | identity.SYS_PTRACE
    assert rights(identity.NET_RAW, ptrace=True) == identity.NET_RAW


def test_who_is_not_root_has_no_rights() -> None:
    subject = Subject(os.getpid(), started(os.getpid()))
    other = identity.Identity(1, 1, [], (1, 1))
    assert identity.rights(subject, other, 0b1010, as_target=False, ptrace=True) == 0


def test_the_place_of_the_targets_files_is_the_contracts() -> None:
    assert new_root.PLACE == spec.TARGET


def started(pid: int) -> int:
    process = Process.of(pid)
    assert process is not None
    return process.started


def test_a_process_of_the_same_number_that_began_later_is_not_joined() -> None:
    with pytest.raises(JoinError) as refused:
        Subject(os.getpid(), started(os.getpid()) - 1, "web")
    assert (refused.value.code, "web" in refused.value.message) == ("target.gone", True)


def test_a_process_that_ends_is_noticed_by_every_question() -> None:
    with subprocess.Popen(("sleep", "100")) as child:
        subject = Subject(child.pid, started(child.pid))
        child.kill()
        while "Z" not in Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2]:
            time.sleep(0.01)
        with pytest.raises(JoinError, match="no longer there"):
            subject.check()
    with pytest.raises(JoinError, match="no longer there"):
        subject.read("environ")
    with pytest.raises(JoinError, match="no longer there"):
        subject.link("ns/net")


def test_a_process_that_is_collected_while_it_is_read_has_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with subprocess.Popen(("sleep", "100")) as child:
        subject = Subject(child.pid, started(child.pid))
        opened = subject.open

        def end_between(name: str, flags: int) -> int:
            descriptor = opened(name, flags)
            child.kill()
            child.wait()
            return descriptor

        monkeypatch.setattr(subject, "open", end_between)
        assert subject.ends_within(0)


def test_tools_get_a_name_that_the_target_does_not_have() -> None:
    assert toolbelt.choose_place(["etc", "hatchway"]) == "/.hatchway"
    assert toolbelt.choose_place([".hatchway"], "/tools/") == "/tools"
    with pytest.raises(JoinError) as taken:
        toolbelt.choose_place([".hatchway"])
    assert taken.value.code == "target.no-place"


@pytest.mark.parametrize("place", ["/srv", "/srv/x", "/", "zzz", "/a b", "/a$b", "/../x/y", "//x"])
def test_a_place_that_does_not_fit_is_refused(place: str) -> None:
    with pytest.raises(JoinError, match="is no place"):
        toolbelt.choose_place(["srv"], place)


# What some program reads as an order; the first are those that once passed.
STEERING = (
    *("OPENSSL_CONF", "OPENSSL_MODULES", "TAR_OPTIONS", "RSYNC_RSH", "CURL_HOME", "SSLKEYLOGFILE"),
    *("INPUTRC", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "no_proxy", "MANPAGER", "SYSTEMD_PAGER"),
    *("GIT_SSH_COMMAND", "GIT_EXTERNAL_DIFF", "GIT_CONFIG_GLOBAL", "SSL_CERT_FILE", "WGETRC"),
    *(
        "GREP_OPTIONS",
        "AWKPATH",
        "VIMINIT",
        "EXINIT",
        "SYSTEMD_EDITOR",
        "KUBECONFIG",
        "STRACE_OPTS",
    ),
    *("HOSTALIASES", "RES_OPTIONS", "LOCALDOMAIN", "GETCONF_DIR", "TZDIR", "LANGUAGE", "XZ_OPT"),
    *(
        "ZSTD_NBTHREADS",
        "GZIP",
        "GDBHISTFILE",
        "DEBUGINFOD_URLS",
        "NODE_OPTIONS",
        "JAVA_TOOL_OPTIONS",
    ),
    *("LD_PRELOAD", "LD_LIBRARY_PATH", "BASH_ENV", "BASH_FUNC_ls%%", "PYTHONPATH", "PERL5OPT"),
    *(
        "PROMPT_COMMAND",
        "PS1",
        "PS4",
        "LESSOPEN",
        "LESS",
        "PAGER",
        "EDITOR",
        "IFS",
        "ENV",
        "TMPDIR",
    ),
    *("GCONV_PATH", "GLIBC_TUNABLES", "MALLOC_CHECK_", "SUDO_ASKPASS", "TERMINFO", "TERMCAP"),
    *("PATH", "HOME", "DATABASE_URL", "ANYTHING"),
)
HARMLESS = {
    "TZ": "Europe/Berlin", "LC_TIME": "de_DE.UTF-8", "POD_NAME": "web-0",
    "KUBERNETES_SERVICE_HOST": "10.0.0.1", "DB_SERVICE_PORT_HTTPS": "443",
}  # fmt: skip


def test_nothing_of_the_target_that_could_steer_a_tool_is_taken_unasked() -> None:
    theirs = {**dict.fromkeys(STEERING, "|z"), **HARMLESS}
    assert variables.harmless(theirs) == HARMLESS


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TZ", "/tmp/fifo"),
        ("TZ", ":/etc/shadow"),
        ("TZ", "../x"),
        ("LANG", "/tmp/x"),
        ("LC_ALL", ""),
    ],
)
def test_no_value_leads_to_a_file_that_the_target_chose(name: str, value: str) -> None:
    assert variables.harmless({name: value}) == {}


def test_what_is_named_is_taken_and_what_is_not_there_is_told() -> None:
    theirs = {"DATABASE_URL": "x", "OTHER": "y"}
    assert variables.named(theirs, ["DATABASE_URL", "NONE"]) == ({"DATABASE_URL": "x"}, ["NONE"])


@pytest.mark.parametrize(
    ("text", "profile"),
    [
        ("docker-default (enforce)\n", "docker-default"), ("a b (enforce)", "a b"),
        ("unconfined\n", ""), ("mine (complain)\n", ""), ("", ""),
    ],
)  # fmt: skip
def test_a_profile_is_taken_where_it_is_enforced(text: str, profile: str) -> None:
    assert apparmor.parse(text) == profile


MINDED = """\
import os, sys
from admin_image import fork, minder, descendants
minder.hold_signals()
proc = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
def command():
    os.execvp("sh", ["sh", "-c", sys.argv[1]])
inside = fork.fork(lambda: minder.mind(command))
def end_the_rest():
    os.kill(inside, 18)
    descendants.end_descendants(proc, inside)
status = minder.wait(inside, end_the_rest)
os._exit(status if status >= 0 else 128 - status)
"""


@contextlib.contextmanager
def minded(script: str) -> Iterator[subprocess.Popen[str]]:
    argv = (sys.executable, "-c", MINDED, script)
    with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True) as child:
        try:
            yield child
        finally:
            child.kill()


@pytest.mark.parametrize(
    ("script", "status"),
    [("exit 0", 0), ("exit 7", 7), ("kill -KILL $$", 137), ("kill -TERM $$", 143)],
)
def test_the_status_passes_two_processes(script: str, status: int) -> None:
    with minded(script) as child:
        assert child.wait(30) == status


def test_an_end_is_noticed_whose_signal_told_of_another_one_too() -> None:
    script = (
        "import os; from admin_image import fork, minder; minder.hold_signals();"
        "first, second = fork.fork(lambda: 0), fork.fork(lambda: 7);"
        "os.waitid(os.P_PID, second, os.WEXITED | os.WNOWAIT); os.waitpid(first, 0);"
        "minder.next_signal();"
        "print(minder.wait(second, lambda: None))"
    )
    argv = (sys.executable, "-c", script)
    done = subprocess.run(
        argv, cwd=ROOT, capture_output=True, text=True, check=False, timeout=30
    )  # fmt: skip
    assert done.stdout == "7\n", done.stderr


@pytest.mark.parametrize("name", ["TERM", "INT", "HUP", "USR1", "QUIT"])
def test_a_signal_passes_two_processes(name: str) -> None:
    script = f"trap 'echo {name}; exit 5' {name}; echo up; while :; do sleep 0.02; done"
    with minded(script) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "up\n"
        child.send_signal(getattr(signal, f"SIG{name}"))
        assert child.stdout.read() == f"{name}\n"
        assert child.wait(30) == 5


def test_what_is_left_behind_is_ended_also_when_it_will_not(tmp_path: Path) -> None:
    up = tmp_path / "up"
    stubborn = f"trap '' TERM HUP; echo $$; exec >&-; : > {up}; while :; do sleep 0.05; done"
    left_behind = f'setsid sh -c "{stubborn.replace("$", chr(92) + "$")}" &'
    with minded(f"{left_behind} until [ -e {up} ]; do sleep 0.02; done; exit 3") as child:
        assert child.stdout is not None
        left = int(child.stdout.readline())
        assert child.wait(30) == 3
    assert not Path(f"/proc/{left}").exists()


def test_when_the_joiner_is_killed_nothing_stays() -> None:
    with minded("setsid sleep 777 & echo $!; exec sleep 778") as child:
        assert child.stdout is not None
        left = int(child.stdout.readline())
        child.kill()
        # Every end of the pipe is closed: nobody is left who had it.
        assert child.stdout.read() == ""
    assert not Path(f"/proc/{left}").exists()


def test_a_stopped_command_goes_on_for_there_is_no_shell_above() -> None:
    with minded("echo up; kill -STOP $$; exit 6") as child:
        assert child.wait(30) == 6
