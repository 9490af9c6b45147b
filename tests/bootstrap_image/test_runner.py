# SPDX-License-Identifier: Apache-2.0
"""The runner with real scripts: how they end, and what is known of them afterwards."""

from __future__ import annotations

import signal
import stat
import sys
import time
from pathlib import Path

import pytest

from bootstrap_image.spec import Exit, Job, Mode, Progress, Status
from tests.bootstrap_image.make import message
from tests.bootstrap_image.run import ROOT, Run, alive


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


def test_a_script_runs_and_its_result_is_kept(run: Run) -> None:
    record = run.once("#!/bin/sh\necho one; echo two >&2\n")
    assert (record.status, record.exit_status, record.attempts) == (Status.SUCCEEDED, 0, 1)
    assert record.last_lines == ("one", "two")
    assert run.status == Exit.DONE
    assert "one/part-001: one\n" in run.log()


def test_a_step_shuts_the_machine_down_once_and_not_at_every_boot(run: Run) -> None:
    ask = (
        f"PYTHONPATH={ROOT} {sys.executable} -c 'import sys; from bootstrap_image import shutdown;"
        f' sys.exit(shutdown.ask("{run.places["scripts"]}") or 0)\''
    )
    script = f"#!/bin/sh\n{ask} || exit 9\n[ -e {run.place}/end ] || sleep 60\n"
    run.write(Job("one", "user-data/one"), one=script)
    with run.start() as process:
        while "asked" not in run.shutdown():
            assert process.poll() is None
            time.sleep(0.02)
        process.terminate()
    (record,) = run.records()
    assert record.status is Status.INTERRUPTED
    assert record.message.endswith("it asked for a shutdown")
    assert record.shutdowns == 1
    run.run()
    (record,) = run.records()
    assert (record.status, record.exit_status, record.shutdowns) == (Status.FAILED, 9, 1)
    assert any("would do so at every boot" in line for line in record.last_lines)


def test_a_script_finds_little_in_its_environment(run: Run) -> None:
    record = run.once("#!/bin/sh\nenv | cut -d= -f1 | sort | xargs; pwd; umask; cat; tty || :\n")
    names, *rest = record.last_lines
    expected = {"HOME", "HOST", "INSTANCE_ID", "LANG", "PATH", "MY_PROXY", "SYSTEMD_IGNORE_CHROOT"}
    assert (
        expected
        <= set(names.split())
        <= expected
        | {
            "PWD",
            "OLDPWD",
            "_",
            "SHLVL",
            "container",
            "SSL_CERT_FILE",
            "CURL_CA_BUNDLE",
        }
    )
    assert rest == ["/", "0022", "not a tty"]


def test_what_is_kept_is_for_nobody_else(run: Run) -> None:
    run.once("#!/bin/sh\necho s3cret\n")
    for path in run.place.rglob("*"):
        if "user-data" not in str(path) and path.name != "jobs.json" and path.is_file():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert not list((run.place / "scripts").iterdir())


def test_secrets_of_the_environment_are_not_logged(run: Run) -> None:
    run.once("#!/bin/sh\nexit 3\n")
    assert "s3cret" not in run.log()
    assert "s3cret" not in Path(run.places["state"], "summary.json").read_text()


@pytest.mark.parametrize(
    ("script", "status", "said"),
    [
        ("#!/bin/sh\nexit 7\n", 7, "it ended with 7"),
        ("#!/bin/sh\nkill -SEGV $$\n", 139, "SIGSEGV"),
        ("#!/usr/bin/no-such-thing -x\n", 127, "/usr/bin/no-such-thing is not in the bootstrap"),
        ("#!/usr/bin/env no-such-thing\n", 127, "127"),
        ("#!/etc/passwd\n", 126, "cannot be run"),
        ("#!/bin/sh\nkill -9 $PPID; sleep 30\n", 137, "its parent process was killed"),
        ("#!/bin/sh\nkill $PPID; sleep 30\n", 137, "its parent process was killed"),
    ],
    ids=["exit", "signal", "no interpreter", "env finds none", "no program", "kill -9", "kill"],
)
def test_every_bad_end_has_a_status_and_a_sentence(
    run: Run, script: str, status: int, said: str
) -> None:
    record = run.once(script)
    assert (record.status, record.exit_status) == (Status.FAILED, status)
    assert said in record.message
    assert run.status == Exit.DEGRADED


def test_an_essential_failure_stops_what_comes_after(run: Run) -> None:
    run.write(
        Job("a", "user-data/a", essential=True),
        Job("b", "user-data/b", order=1),
        a="#!/bin/sh\nexit 1\n",
        b="#!/bin/sh\n",
    )
    assert run.run() == Exit.FAILED
    assert [step.status for step in run.summary().steps] == [Status.FAILED, Status.NOT_RUN]
    assert "a is essential" in run.summary().message


def test_another_failure_stops_nothing(run: Run) -> None:
    run.write(
        Job("a", "user-data/a"),
        Job("b", "user-data/b", order=-1),
        a="#!/bin/sh\nexit 1\n",
        b="#!/bin/sh\n",
    )
    assert run.run() == Exit.DEGRADED
    assert [(step.job, step.status) for step in run.summary().steps] == [
        ("b", Status.SUCCEEDED),
        ("a", Status.FAILED),
    ]


@pytest.mark.parametrize(("essential", "exit_status", "ran"), [(True, 1, False), (False, 2, True)])
def test_user_data_that_is_not_understood_degrades_or_fails_the_job(
    run: Run, essential: bool, exit_status: int, ran: bool
) -> None:
    data = "#cloud-config\nbogus: 1\nruncmd: [touch " + str(run.place) + "/ran]\n"
    run.write(Job("a", "user-data/a", essential=essential), a=data)
    assert run.run() == exit_status
    assert (run.place / "ran").exists() == ran
    assert run.summary().findings[0]["path"] == "user-data: bogus"


def test_a_job_without_its_file_is_a_finding(run: Run) -> None:
    run.write(Job("a", "user-data/a"), Job("b", "user-data/b"), b="#!/bin/sh\n")
    assert run.run() == Exit.DEGRADED
    assert run.summary().steps[0].status == Status.SUCCEEDED
    assert "cannot be read" in run.summary().findings[0]["message"]


@pytest.mark.parametrize(
    ("mode", "works", "counts"),
    [
        (Mode.ONCE, True, [1, 1]),
        (Mode.ONCE, False, [1, 2]),
        (Mode.ONCE_ATTEMPTED, False, [1, 1]),
        (Mode.ALWAYS, True, [1, 2]),
        (Mode.OFF, True, [0, 0]),
    ],
)
def test_a_step_runs_as_often_as_its_mode_says(
    run: Run, mode: Mode, works: bool, counts: list[int]
) -> None:
    script = f"#!/bin/sh\necho >> {run.place}/count\n{'true' if works else 'false'}\n"
    run.write(Job("a", "user-data/a", mode=mode), a=script)
    found = []
    for _ in counts:
        run.run()
        path = run.place / "count"
        found.append(len(path.read_text()) if path.exists() else 0)
    assert found == counts


def test_a_step_runs_again_for_other_content_and_another_instance(run: Run) -> None:
    script = f"#!/bin/sh\necho >> {run.place}/count\n"
    once_ever = message(("text/x-shellscript-per-once", script.encode(), ""))
    for data, instance in (
        (script, "i-1"),
        (script, "i-1"),
        (script + "#\n", "i-1"),
        (script, "i-2"),
    ):
        run.write(Job("a", "user-data/a"), a=data, instance=instance)
        run.run()
    assert len((run.place / "count").read_text()) == 3
    for instance in ("i-1", "i-2"):
        run.write(Job("a", "user-data/a"), a=once_ever, instance=instance)
        run.run()
    assert len((run.place / "count").read_text()) == 4


def test_a_part_put_before_it_does_not_run_a_script_again(run: Run) -> None:
    first = ("text/x-shellscript", f"#!/bin/sh\necho >> {run.place}/count\n".encode(), "")
    new = ("text/x-shellscript", b"#!/bin/sh\n", "")
    for parts in ((first,), (new, first)):
        run.write(Job("a", "user-data/a"), a=message(*parts))
        run.run()
    assert len((run.place / "count").read_text()) == 1


def test_a_failed_step_is_tried_again_as_often_as_asked(run: Run) -> None:
    record = run.once(
        f"#!/bin/sh\necho >> {run.place}/n\n[ $(wc -l < {run.place}/n) = 2 ]\n", retries=3
    )
    assert (record.status, record.attempts) == (Status.SUCCEEDED, 2)


def test_a_script_that_hangs_is_ended_with_everything_it_started(run: Run) -> None:
    script = (
        "#!/bin/bash\ntrap '' TERM\n(setsid sleep 98711 &)\nsleep 98712 &\n"
        "while :; do sleep 98713; done\n"
    )
    record = run.once(script, timeout=0.5)
    assert (record.status, record.exit_status) == (Status.TIMED_OUT, None)
    assert "did not end within 0.5 s" in record.message
    assert not any(alive(f"sleep 9871{n}") for n in (1, 2, 3))


def test_what_lingers_is_ended_before_the_next_step(run: Run) -> None:
    record = run.once("#!/bin/sh\nsetsid nohup sleep 98721 > /dev/null 2>&1 &\n(sleep 98722 &)\n")
    assert record.status == Status.SUCCEEDED
    assert not alive("sleep 98721")
    assert not alive("sleep 98722")
    assert "2 processes that it left running were ended" in run.log()


def test_a_script_that_closes_its_output_is_still_waited_for(run: Run) -> None:
    record = run.once(f"#!/bin/sh\nexec > /dev/null 2>&1\nsleep 0.3\ntouch {run.place}/end\n")
    assert record.status == Status.SUCCEEDED
    assert (run.place / "end").exists()


def test_endless_output_is_cut_off_and_the_last_lines_kept(run: Run) -> None:
    record = run.once("#!/bin/sh\nyes | head -c 60000000\necho the end\n")
    assert record.last_lines[-1] == "the end"
    assert len(record.last_lines) == 20
    assert len(run.log()) < 12 << 20
    assert "prints too much" in run.log()


def test_binary_output_is_harmless_in_the_record(run: Run) -> None:
    record = run.once("#!/bin/sh\nprintf 'a\\033[2J\\377b\\0c\\n'\n")
    assert record.last_lines == ("a?[2J�b?c",)


def test_a_stop_ends_the_step_and_keeps_the_results(run: Run) -> None:
    done, hangs = b"#!/bin/sh\n", f"#!/bin/sh\ntouch {run.place}/on\nsleep 98731\n".encode()
    run.write(
        Job("a", "user-data/a", essential=True),
        a=message(
            ("text/x-shellscript", done, ""),
            ("text/x-shellscript", hangs, ""),
            ("text/x-shellscript", done + b"#\n", ""),
        ),
    )
    with run.start() as process:
        _wait_for(run.place / "on")
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == Exit.FAILED
    assert [step.status for step in run.summary().steps] == ["succeeded", "interrupted", "not-run"]
    assert not alive("sleep 98731")


def test_progress_says_what_runs(run: Run) -> None:
    run.write(Job("a", "user-data/a"), a=f"#!/bin/sh\ntouch {run.place}/on\nsleep 98741\n")
    with run.start() as process:
        _wait_for(run.place / "on")
        text = Path(run.places["run"], "progress.json").read_text()
        process.terminate()
    progress = Progress.from_json(text)
    assert (progress.job, progress.step, progress.number, progress.total) == ("a", "part-001", 1, 1)


def test_a_runner_that_was_killed_leaves_no_script_running(run: Run) -> None:
    run.write(Job("a", "user-data/a"), a=f"#!/bin/sh\ntouch {run.place}/on\nexec sleep 98751\n")
    with run.start() as process:
        _wait_for(run.place / "on")
        process.kill()
    end = time.monotonic() + 5
    while alive("sleep 98751") and time.monotonic() < end:
        time.sleep(0.02)
    assert not alive("sleep 98751")


@pytest.mark.parametrize(
    "what",
    [
        "",
        "{",
        "[]",
        '{"contract": 9}',
        '{"contract": 1, "jobs": [1]}',
        '{"contract": 1, "instance_id": 1}',
        '{"contract": 1, "instance_id": "i", "jobs": [{"name": "../x", "user_data": "a"}]}',
        '{"contract": 1, "instance_id": "i", "jobs": [{"name": "x", "user_data": "../a"}]}',
    ],
)
def test_jobs_that_cannot_be_are_refused_in_a_sentence(run: Run, what: str) -> None:
    Path(run.places["run"], "jobs.json").write_text(what)
    assert run.run() == Exit.FAILED
    assert "error: cannot use what the launcher wrote" in run.log()
    assert "Traceback" not in run.log()


@pytest.mark.parametrize(
    "name", ["lib/hatchway", "lib/hatchway/bootstrap", "lib/hatchway/bootstrap/steps"]
)
def test_a_link_planted_for_our_directories_is_not_followed(run: Run, name: str) -> None:
    (run.place / "elsewhere").mkdir()
    (run.place / name).parent.mkdir(parents=True, exist_ok=True)
    (run.place / name).symlink_to(run.place / "elsewhere")
    run.write(Job("a", "user-data/a"), a="#!/bin/sh\n")
    assert run.run() == Exit.FAILED
    assert not list((run.place / "elsewhere").iterdir())
    assert "or a link" in run.log()


def test_a_link_planted_for_a_record_is_replaced(run: Run) -> None:
    run.once("#!/bin/sh\n")
    (path,) = Path(run.places["state"]).glob("steps/*/*/*.json")
    path.unlink()
    path.symlink_to("/etc/passwd")
    before = Path("/etc/passwd").read_bytes()
    assert run.once("#!/bin/sh\n").status == Status.SUCCEEDED
    assert not path.is_symlink()
    assert Path("/etc/passwd").read_bytes() == before


def test_a_directory_that_others_can_write_to_is_refused(run: Run) -> None:
    (run.place / "lib/hatchway").mkdir(mode=0o777)
    (run.place / "lib/hatchway").chmod(0o777)
    run.write(Job("a", "user-data/a"), a="#!/bin/sh\n")
    assert run.run() == Exit.FAILED
    assert "writable by, others" in run.log()


def test_a_damaged_record_counts_as_none(run: Run) -> None:
    run.once("#!/bin/sh\n")
    (path,) = Path(run.places["state"]).glob("steps/*/*/*.json")
    path.write_text('{"job": ')
    assert run.once("#!/bin/sh\n").status == Status.SUCCEEDED
    assert run.summary().steps[0].status == Status.SUCCEEDED


def test_a_hundred_scripts_run_in_one_go(run: Run) -> None:
    parts = [("text/x-shellscript", b"#!/bin/sh\n# %d\n" % n, "") for n in range(100)]
    run.write(Job("a", "user-data/a"), a=message(*parts))
    assert run.run() == Exit.DONE
    print(f"{run.summary().duration * 10:.1f} ms a script")
    assert len(run.summary().steps) == 100


def _wait_for(path: Path) -> None:
    end = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < end
        time.sleep(0.01)
