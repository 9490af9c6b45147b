# SPDX-License-Identifier: Apache-2.0
"""Bootstrap containers of the user's own image, on real engines, with a state of their own."""

from __future__ import annotations

import base64
import stat
from typing import TYPE_CHECKING, Any

import pytest

from bootstrap_image.spec import Exit, Record, Status
from launcher.bootstrap import records, results
from launcher.errors import ImageError
from launcher.host import Host
from launcher.profiles import bootstrap as profile
from launcher.settings import Bootstrap
from tests.engine import busybox
from tests.launcher.node import Node
from tests.launcher.real_engines import ENGINES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bootstrap_image.spec import Summary
    from launcher.runtimes.base import Image, Runtime

pytestmark = pytest.mark.engine

NAME = "localhost/own:1"
ENTRYPOINT = """
cat /.bottlerocket/bootstrap-containers/current/user-data
echo "instance $INSTANCE_ID"
ls /.bottlerocket/rootfs/usr | grep -x bin
touch /.bottlerocket/rootfs/x 2>&1
touch /.bottlerocket/bootstrap-containers/current/state
stat -c %a /.bottlerocket/bootstrap-containers/own/user-data
"""


@pytest.fixture(scope="module", params=ENGINES)
def engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Runtime]:
    with ENGINES[request.param](tmp_path_factory.mktemp(request.param)) as runtime:
        load(runtime)
        yield runtime


def load(engine: Runtime, entrypoint: str = ENTRYPOINT) -> None:
    engine.load_image(iter([busybox.archive(NAME, entrypoint)]), timeout=60)


class RealNode(Node):
    """A node whose engine is a real one."""

    def _find(self, name: str, runtime: Runtime) -> Image | None:
        return runtime.find_image(name)

    def _ensure(self, name: str, runtime: Runtime, limit: float) -> Image:
        del limit
        found = runtime.find_image(name)
        if found is None:
            raise ImageError("image.missing", f"{name} is not here")
        return found


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: Any) -> RealNode:
    made = RealNode(tmp_path, monkeypatch)
    made.engine = engine
    made.host = Host.read()
    return made


def own(data: str = "hello from user data\n", *, mode: Any = "once", **more: Any) -> Bootstrap:
    encoded = base64.b64encode(data.encode()).decode()
    return Bootstrap(source=NAME, mode=mode, user_data=encoded, **more)


def shell(script: str, **more: Any) -> Bootstrap:
    return own(command=["/bin/sh", "-c", script], **more)


def boot(node: Node, job: Bootstrap) -> tuple[Summary, Record]:
    (summary,) = node.boot(own=job)
    (step,) = summary.steps
    return summary, records.of([step.record])[step.record]


def test_the_images_own_entrypoint_finds_what_bottlerockets_images_expect(node: Node) -> None:
    summary, record = boot(node, own())
    assert summary.exit_status is Exit.DONE, node.shown
    greeting, instance, usr, refused, mode = record.last_lines
    assert (greeting, instance, usr) == ("hello from user data", "instance i-1", "bin")
    assert "Read-only file system" in refused
    assert mode == "600"
    assert record.source.startswith(f"{NAME}@sha256:")
    assert (record.status, record.exit_status, record.attempts) == (Status.SUCCEEDED, 0, 1)


def test_its_directory_is_kept_without_the_user_data_and_the_container_is_gone(node: Node) -> None:
    boot(node, own())
    kept = node.state / "containers/own"
    assert [path.name for path in kept.iterdir()] == ["state"]
    assert stat.S_IMODE(kept.stat().st_mode) == 0o700
    assert node.engine.find(profile.NAME) is None  # type: ignore[attr-defined]
    assert not (node.place / "run/hatchway/bootstrap").exists()


def test_once_means_once_for_this_user_data_command_and_image(node: Node, engine: Runtime) -> None:
    def ended(job: Bootstrap) -> Status:
        return node.boot(own=job)[0].steps[0].status

    assert [ended(own()), ended(own())] == [Status.SUCCEEDED, Status.DONE_BEFORE]
    assert ended(own("other")) is Status.SUCCEEDED
    assert ended(shell("echo other")) is Status.SUCCEEDED
    assert ended(shell("echo other")) is Status.DONE_BEFORE
    load(engine, "echo another image under the same name")
    try:
        assert ended(shell("echo other")) is Status.SUCCEEDED
    finally:
        load(engine)


def test_nothing_is_due_without_the_image_either(node: Node) -> None:
    boot(node, own())
    node.without_engine()
    said = node.shown[-1]
    node.engine = Gone()  # type: ignore[assignment]
    (summary,) = node.boot(own=own())
    assert summary.steps[0].status is Status.DONE_BEFORE
    assert node.shown[-1] != said


class Gone:
    """An engine that holds nothing, and starts nothing."""

    def find_image(self, name: str) -> None:
        del name


def test_a_command_stands_for_the_entrypoint_and_its_failure_is_on_record(node: Node) -> None:
    failing = shell("echo one; echo two >&2; exit 3", essential=True)
    summary, record = boot(node, failing)
    assert summary.exit_status is Exit.FAILED
    assert (record.status, record.exit_status) == (Status.FAILED, 3)
    assert sorted(record.last_lines) == ["one", "two"]  # two streams have no order
    assert "own/container: one" in node.shown
    assert "own/container: two" in node.log.read_text()
    assert stat.S_IMODE(node.log.stat().st_mode) == 0o600
    (found,) = results.look()["records"]
    assert found["message"] == "it ended with exit status 3"


def test_a_program_that_is_not_there_is_a_failure_with_the_status_of_a_shell(node: Node) -> None:
    _, record = boot(node, own(command=["/no/such/program"]))
    assert (record.status, record.exit_status) == (Status.FAILED, 127)


def test_a_failure_is_tried_again_as_often_as_allowed(node: Node) -> None:
    script = (
        "cd /.bottlerocket/bootstrap-containers/current; test -e again && exit; touch again; exit 1"
    )
    _, record = boot(node, shell(script, retries=2))
    assert (record.status, record.attempts) == (Status.SUCCEEDED, 2)


def test_one_that_hangs_is_ended_at_its_limit(node: Node) -> None:
    # The engine's start of the container counts as well.
    _, record = boot(
        node, shell("trap '' TERM; echo hangs; while :; do sleep 1; done", timeout=10.0)
    )
    assert record.status is Status.TIMED_OUT
    assert record.last_lines == ("hangs",)
    assert record.message == "it did not end within 10 s"
    assert node.engine.find(profile.NAME) is None  # type: ignore[attr-defined]


def test_an_attempt_that_failed_is_not_repeated_where_one_was_asked_for(node: Node) -> None:
    job = shell("exit 1", mode="once-attempted")
    assert [node.boot(own=job)[0].steps[0].status for _ in range(2)] == [
        Status.FAILED,
        Status.DONE_BEFORE,
    ]


def test_a_reset_job_runs_again(node: Node) -> None:
    boot(node, own())
    records.reset("own")
    assert boot(node, own())[1].status is Status.SUCCEEDED


def test_nothing_follows_an_essential_failure_of_the_same_image(node: Node) -> None:
    jobs = {"a": own(essential=True, command=["/bin/sh", "-c", "exit 1"]), "b": shell("echo b")}
    (summary,) = node.boot(**jobs)
    assert [(step.job, step.status) for step in summary.steps] == [
        ("a", Status.FAILED),
        ("b", Status.NOT_RUN),
    ]
