# SPDX-License-Identifier: Apache-2.0
"""`bootstrap run` from boot to boot, with the real runner and an engine that counts."""

from __future__ import annotations

import stat
import threading
from typing import TYPE_CHECKING

import pytest

from bootstrap_image.spec import Exit, Status
from launcher.bootstrap import outcome, records, results
from launcher.errors import HostError, UsageError
from launcher.settings import Bootstrap
from tests.launcher.node import IMAGE, Node, job, until

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Node:
    return Node(tmp_path, monkeypatch)


def statuses(node: Node) -> list[tuple[str, str]]:
    last = results.read()
    assert last is not None
    return [(step.job, step.status.value) for step in last.steps]


def test_a_second_boot_starts_no_container_and_asks_no_engine(node: Node) -> None:
    jobs = {"a": job("echo a"), "b": job("echo b", order=1)}
    node.boot(**jobs)
    assert len(node.engine.started) == 1
    node.without_engine()
    (summary,) = node.boot(**jobs)
    assert summary.exit_status is Exit.DONE
    assert statuses(node) == [("a", "done-before"), ("b", "done-before")]


def test_a_boot_with_nothing_to_do_says_so_in_log_and_status(node: Node) -> None:
    node.boot(a=job("echo a"))
    assert not results.look()["nothing_due"]
    node.boot(a=job("echo a"))
    said = "hatchway: a: done before, so no container is started"
    assert node.log.read_text().splitlines()[-1] == said
    assert node.shown[-1] == said
    assert results.look()["nothing_due"]


@pytest.mark.parametrize(
    "second",
    [job("echo other"), job("echo a", mode="always"), job("echo a", mode="once-attempted")],
    ids=["content", "always", "mode"],
)
def test_what_changed_runs_again(second: Bootstrap, node: Node) -> None:
    node.boot(a=job("echo a"))
    node.boot(a=second)
    assert len(node.engine.started) == 2


def test_what_runs_at_every_boot_keeps_its_container(node: Node) -> None:
    boothook = "#cloud-boothook\n#!/bin/sh\necho at every boot\n"
    for _ in range(2):
        node.boot(a=job(boothook))
    assert len(node.engine.started) == 2
    assert node.log.read_text().count("at every boot\n") == 2


def test_another_instance_runs_all_of_it_again(node: Node) -> None:
    node.boot(a=job("echo a"))
    node.instance = "i-2"
    node.boot(a=job("echo a"))
    assert statuses(node) == [("a", "succeeded")]


@pytest.mark.parametrize("instance", ["i-2", ""])
def test_what_runs_once_never_runs_again_without_a_word(instance: str, node: Node) -> None:
    node.boot(a=job("echo a"))
    node.instance = instance
    summaries = node.boot(a=job("echo a"), b=job("echo b", mode="always"))
    said = f"it was i-1, and is {instance or 'unknown'} by the source nocloud"
    assert said in node.log.read_text()
    assert any(said in line for line in node.shown)
    assert any(said in line for line in outcome.lines(summaries, "kubelet.service"))
    (finding,) = results.look()["last"]["findings"]
    assert said in finding["message"]
    assert outcome.status(summaries) is Exit.DONE


def test_the_same_machine_is_not_spoken_of(node: Node) -> None:
    for _ in range(2):
        node.boot(a=job("echo a"))
    assert results.look()["last"]["findings"] == ()
    assert "another machine" not in node.log.read_text()


def test_a_failure_is_tried_again_and_a_success_after_it_is_not(node: Node) -> None:
    script = job(f"test -e {node.place}/ready")
    node.boot(a=script)
    (node.place / "ready").touch()
    node.boot(a=script)
    assert statuses(node) == [("a", "succeeded")]
    node.boot(a=script)
    assert len(node.engine.started) == 2


def test_an_attempt_that_failed_is_not_repeated_where_one_was_asked_for(node: Node) -> None:
    for _ in range(2):
        node.boot(a=job("exit 3", mode="once-attempted"))
    assert len(node.engine.started) == 1


def test_a_container_that_dies_is_not_taken_for_an_earlier_one_whose_clock_was_ahead(
    node: Node,
) -> None:
    node.engine.skew = 3600
    node.boot(a=job("echo a"))
    node.engine.dies = True
    (summary,) = node.boot(a=job("echo other"))
    assert "[container.died]" in summary.message
    node.engine.dies = False
    node.boot(a=job("echo other"))
    assert statuses(node) == [("a", "succeeded")]


def test_a_clock_that_is_set_back_takes_no_result_away(node: Node) -> None:
    node.engine.skew = -3600
    node.boot(a=job("echo a"))
    assert statuses(node) == [("a", "succeeded")]


def test_what_was_not_understood_is_looked_at_again_at_every_boot(node: Node) -> None:
    config = "#cloud-config\nno_such_key: 1\nruncmd:\n- echo ran\n"
    for _ in range(2):
        (summary,) = node.boot(a=job(config))
        assert summary.exit_status is Exit.DEGRADED
    assert len(node.engine.started) == 2


def test_user_data_without_a_step_is_looked_at_once(node: Node) -> None:
    for _ in range(2):
        node.boot(a=job("#cloud-config\n{}\n"))
    assert len(node.engine.started) == 1


@pytest.mark.parametrize("damage", ["record", "mark", "record is gone", "marks are a link"])
def test_damage_to_what_is_known_starts_the_container(damage: str, node: Node) -> None:
    node.boot(a=job("echo a"))
    (record,) = node.state.glob("steps/*/*/*.json")
    (mark,) = node.state.glob("jobs/*/*.json")
    if damage == "record":
        record.write_text("{")
    elif damage == "mark":
        mark.write_text("{}")
    elif damage == "record is gone":
        record.unlink()
    else:
        mark.parent.rename(node.place / "elsewhere")
        mark.parent.symlink_to(node.place / "elsewhere")
    node.boot(a=job("echo a"))
    assert len(node.engine.started) == 2


def test_a_reset_job_runs_again_and_the_others_do_not(node: Node) -> None:
    jobs = {"a": job("echo a"), "b": job("echo b")}
    node.boot(**jobs)
    records.reset("a")
    node.boot(**jobs)
    assert statuses(node) == [("a", "succeeded"), ("b", "done-before")]
    for name in ("x", "*", "../a"):
        with pytest.raises(UsageError, match="nothing is known of a job") as caught:
            records.reset(name)
        assert caught.value.hint == "Jobs that ran are: a, b."


def test_one_job_can_be_run_by_its_name(node: Node) -> None:
    node.boot("b", a=job("echo a"), b=job("echo b"))
    assert statuses(node) == [("b", "succeeded")]


def test_a_job_that_cannot_run_is_on_record_and_keeps_no_other_from_running(node: Node) -> None:
    missing = Bootstrap(source=IMAGE, mode="once", file="/no/such/file")
    node.boot(a=missing, b=job("echo b"))
    assert statuses(node) == [("a", "not-run"), ("b", "succeeded")]
    last = results.read()
    assert last is not None
    assert last.exit_status is Exit.DEGRADED
    assert "/no/such/file: No such file" in last.message


def test_of_two_jobs_with_one_name_the_first_runs_and_so_do_the_others(node: Node) -> None:
    directory = node.place / "scripts.d"
    directory.mkdir()
    (directory / "b").write_text("#!/bin/sh\necho from the directory\n")
    jobs = {"a": Bootstrap(source=IMAGE, mode="once", file=str(directory)), "a.b": job("echo b")}
    node.boot(**jobs, c=job("echo c"))
    assert statuses(node) == [("a.b", "succeeded"), ("a.b", "not-run"), ("c", "succeeded")]


def test_nothing_runs_after_an_essential_failure(node: Node) -> None:
    bad = Bootstrap(source="reg.example/none:1", mode="once", user_data="eA==", essential=True)
    summaries = node.boot(a=bad, b=job("echo b"))
    assert [summary.exit_status for summary in summaries] == [Exit.FAILED]
    assert "[image.missing]" in summaries[0].message
    assert node.engine.started == []


def test_nothing_that_is_left_is_for_others_to_read(node: Node) -> None:
    secret = "correct-horse"
    node.boot(a=job(f"echo {secret}"), b=job("#cloud-config\nno_such_key: correct-horse\n"))
    assert not (node.place / "run/hatchway/bootstrap").exists()
    holders = [path for path in node.files() if secret.encode() in path.read_bytes()]
    assert holders
    for path in holders:
        readable_by = stat.S_IMODE(path.stat().st_mode) | 0o700
        assert readable_by == 0o700, path
    assert stat.S_IMODE(node.state.stat().st_mode) == 0o700


def test_while_it_runs_user_data_is_for_root_alone(node: Node) -> None:
    gate = node.place / "gate"
    run = node.place / "run/hatchway/bootstrap"
    waiting = job(f"while ! test -e {gate}; do sleep 0.02; done")
    seen: dict[str, int] = {}

    def look() -> None:
        until((run / "progress.json").exists)
        seen.update({path.name: stat.S_IMODE(path.stat().st_mode) for path in run.iterdir()})
        seen["."] = stat.S_IMODE(run.stat().st_mode)
        seen["state"] = results.look()["state"] == "running"
        gate.touch()

    boot = threading.Thread(target=look)
    boot.start()
    node.boot(a=waiting)
    boot.join()
    assert seen == {"a": 0o600, "jobs.json": 0o600, "progress.json": 0o600, ".": 0o700, "state": 1}
    assert results.look()["state"] == "done"


def test_keys_of_another_machines_user_data_are_forgotten(node: Node) -> None:
    node.boot(a=job("echo a"))
    keys = node.state / "authorized_keys"
    keys.write_text("ssh-ed25519 AAAA\n")
    node.boot(a=job("echo a"))
    assert keys.exists()
    node.instance = "i-2"
    node.boot(a=job("echo a"))
    assert not keys.exists()


@pytest.mark.parametrize("name", ["run/hatchway/bootstrap", "lib/hatchway/bootstrap", "log"])
def test_a_link_in_the_place_of_a_directory_is_refused(name: str, node: Node) -> None:
    elsewhere = node.place / "elsewhere"
    elsewhere.mkdir(mode=0o755)
    (elsewhere / "kept").write_text("x")
    place = node.place / name
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(elsewhere)
    try:
        (summary,) = node.boot(a=job("echo a"))
        message = summary.message
    except HostError as error:  # the place of the results themselves
        message = f"{error.message} [{error.code}]"
    assert message.endswith("[host.unsafe-path]")
    assert str(place) in message
    assert [path.name for path in elsewhere.iterdir()] == ["kept"]
    assert stat.S_IMODE(elsewhere.stat().st_mode) == 0o755


@pytest.mark.parametrize("name", ["summary.json", "jobs/i-1/a.json"])
def test_a_link_in_the_place_of_a_file_is_replaced_and_not_followed(name: str, node: Node) -> None:
    node.boot(a=job("echo a"))
    victim = node.place / "victim"
    victim.write_text("x")
    (node.state / name).unlink()
    (node.state / name).symlink_to(victim)
    if name == "summary.json":
        with pytest.raises(HostError, match="is a link"):
            results.look()
        (node.state / name).unlink()
        return
    node.boot(a=job("echo b"))
    assert victim.read_text() == "x"
    assert not (node.state / name).is_symlink()


def test_a_reset_follows_no_link_out_of_the_state(node: Node) -> None:
    node.boot(a=job("echo a"))
    victim = node.place / "victim"
    (victim / "precious").mkdir(parents=True)
    (node.state / "steps" / "planted").symlink_to(victim)
    (node.state / "steps" / "i-1" / "linked").symlink_to(victim / "precious")
    for name in ("precious", "linked"):
        with pytest.raises(UsageError):
            records.reset(name)
    assert (victim / "precious").is_dir()
    assert [record.job for record in records.every()] == ["a"]


def test_a_link_in_the_place_of_the_log_is_neither_written_nor_shown(node: Node) -> None:
    from launcher import logfile

    victim = node.place / "victim"
    victim.write_text("secret\n")
    node.log.parent.mkdir()
    node.log.symlink_to(victim)
    for _ in range(2):
        node.boot(a=job("echo a"))
    assert victim.read_text() == "secret\n"
    assert logfile.tail(node.log, 10) == []
    assert "secret" not in node.shown


def test_the_status_shows_source_hash_start_duration_and_last_lines(node: Node) -> None:
    from launcher.cli import bootstrap_text

    node.boot(a=job("echo hello; exit 3"), b=job("echo fine"))
    facts = results.look()
    failed, fine = sorted(facts["records"], key=lambda record: record["job"])
    text = "\n".join(bootstrap_text.render(facts))
    assert facts["state"] == "degraded"
    assert (failed["exit_status"], failed["last_lines"]) == (3, ("hello",))
    for words in (
        "a/part-001: failed, exit status 3,", f"from user-data, sha256 {failed['sha256'][:12]}",
        "| hello", "b/part-001: succeeded, exit status 0,", "| fine",
    ):  # fmt: skip
        assert words in text
    assert fine["status"] is Status.SUCCEEDED
