# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest

from bootstrap_image.spec import USER_DATA_LIMIT, Mode
from launcher.bootstrap import batches
from launcher.errors import UsageError
from launcher.settings import Bootstrap, BootstrapSettings, Settings
from launcher.sources.base import Found

if TYPE_CHECKING:
    from pathlib import Path

NONE = Found("none")


def job(text: str = "x", *, order: int = 0, source: str = "a:1", mode: str = "once") -> Bootstrap:
    encoded = base64.b64encode(text.encode()).decode()
    return Bootstrap(source=source, mode=mode, user_data=encoded, order=order)  # type: ignore[arg-type]


def planned(found: Found = NONE, **jobs: Bootstrap) -> tuple[batches.Batch, ...]:
    own = BootstrapSettings(image="a:1")
    return batches.plan(Settings(bootstrap_containers=jobs, bootstrap=own), found)


def names(found: tuple[batches.Batch, ...]) -> list[tuple[str, list[str]]]:
    return [(batch.image, [job.name for job in batch.jobs]) for batch in found]


def test_jobs_run_by_order_then_name_and_share_a_container_with_their_neighbours() -> None:
    found = planned(c=job(order=1), b=job(), a=job(), d=job(order=2, source="b:1"), e=job(order=3))
    assert names(found) == [("a:1", ["a", "b", "c"]), ("b:1", ["d"]), ("a:1", ["e"])]


def test_a_job_that_is_off_is_not_there() -> None:
    assert planned(a=job(mode="off")) == ()


def test_the_machines_own_user_data_is_a_job() -> None:
    (batch,) = planned(Found("aws", "i-1", b"#!/bin/sh\n"))
    assert [(each.name, each.mode) for each in batch.jobs] == [("user-data", Mode.ONCE)]
    assert batch.data == {"user-data": b"#!/bin/sh\n"}
    assert planned(Found("aws", "i-1", b" \n")) == ()


def test_a_script_that_the_cloud_runs_at_every_boot_is_a_job_after_user_data() -> None:
    found = Found("gce", "i-1", b"#!/bin/sh\n", scripts={"startup-script": b"#!/bin/sh\necho\n"})
    (batch,) = planned(found, z=job())
    assert [(each.name, each.mode) for each in batch.jobs] == [
        ("user-data", Mode.ONCE),
        ("user-data.startup-script", Mode.ALWAYS),
        ("z", Mode.ONCE),
    ]
    assert batch.data["user-data.startup-script"] == b"#!/bin/sh\necho\n"


def test_what_a_cloud_asks_for_and_is_not_done_is_a_problem() -> None:
    found = Found("gce", "i-1", undone={"startup-script-url": "it is not fetched"})
    (batch,) = planned(found)
    assert [each.name for each in batch.jobs] == ["user-data.startup-script-url"]
    assert batch.problem == "startup-script-url: it is not fetched"


def test_each_file_of_a_directory_is_a_job_in_the_order_of_names(tmp_path: Path) -> None:
    for name in ("20-b.sh", "10-a.sh"):
        (tmp_path / name).write_text(name)
    (batch,) = planned(d=Bootstrap(source="a:1", mode="always", file=str(tmp_path)))
    assert [each.name for each in batch.jobs] == ["d.10-a.sh", "d.20-b.sh"]
    assert batch.data["d.10-a.sh"] == b"10-a.sh"


@pytest.mark.parametrize("size", [None, USER_DATA_LIMIT + 1], ids=["missing", "too large"])
def test_a_file_that_cannot_be_read_is_a_problem_of_its_job_alone(
    size: int | None, tmp_path: Path
) -> None:
    file = tmp_path / "bad.sh"
    if size:
        file.write_bytes(bytes(size))
    bad, good = planned(a=Bootstrap(source="a:1", mode="once", file=str(file)), b=job())
    assert [each.name for each in bad.jobs] == ["a"]
    assert bad.problem.startswith(f"bootstrap-containers.a.file: {file}")
    assert (names((good,)), good.problem) == ([("a:1", ["b"])], "")


def test_a_file_name_that_makes_no_job_is_a_problem_of_its_directory(tmp_path: Path) -> None:
    (tmp_path / "a name with blanks").write_text("x")
    (bad,) = planned(a=Bootstrap(mode="once", file=str(tmp_path)))
    assert "a name with blanks makes no name of a job" in bad.problem


def test_a_name_that_is_taken_is_a_problem_of_the_later_job_alone(tmp_path: Path) -> None:
    (tmp_path / "b").write_text("y")
    directory = Bootstrap(source="a:1", mode="once", file=str(tmp_path))
    jobs = {"a": directory, "a.b": job(order=-1, source="b:1"), "c": job(order=1)}
    first, second, third = planned(NONE, **jobs)
    assert names((first, second, third)) == [
        ("b:1", ["a.b"]),
        ("a:1", ["a.b"]),
        ("a:1", ["c"]),
    ]
    assert (first.problem, third.problem) == ("", "")
    assert second.problem == "there is another job with the name a.b"


def test_user_data_that_could_not_be_fetched_is_a_problem_and_no_absence() -> None:
    settings = Settings(
        bootstrap=BootstrapSettings(image="a:1", essential=True),
        bootstrap_containers={"b": job(order=1)},
    )
    lost, other = batches.plan(settings, NONE, lost="no answer")
    assert [(each.name, each.essential) for each in lost.jobs] == [("user-data", True)]
    assert (lost.problem, other.problem) == ("no answer", "")


def test_nothing_runs_where_it_is_not_known_which_machine_this_is() -> None:
    settings = Settings(bootstrap_containers={"b": job()})
    found = batches.plan(settings, NONE, lost="no answer", unknown="which machine?")
    assert [(batch.jobs[0].name, batch.problem) for batch in found] == [
        ("b", "which machine?"),
        ("user-data", "no answer"),
    ]


def test_some_jobs_can_be_chosen_and_unknown_ones_are_named() -> None:
    found = planned(a=job(), b=job(order=1), c=job(order=2, source="b:1"))
    assert names(batches.select(found, ["b"])) == [("a:1", ["b"])]
    with pytest.raises(UsageError, match="there is no job x"):
        batches.select(found, ["x"])
