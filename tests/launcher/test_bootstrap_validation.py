# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Self

import pytest

from bootstrap_image import spec
from launcher.bootstrap import validation
from launcher.errors import ContainerError, ImageError, SettingsError
from launcher.plan import Mount
from launcher.profiles import check
from launcher.runtimes import client, oci
from launcher.runtimes.base import Image
from tests.launcher.test_profiles import HOST

if TYPE_CHECKING:
    from pathlib import Path

    from launcher.plan import Plan

IMAGE = Image("image:1", "sha256:1", "", {spec.CONTRACT_LABEL: str(spec.CONTRACT)})
ANSWER = '{"steps": [], "findings": [{"path": "p", "message": "m", "severity": "warning"}]}'


@dataclasses.dataclass
class Engine:
    """Runs `argv` in the place of a container, and remembers the plan and what it was to read."""

    argv: tuple[str, ...]
    plan: Plan | None = None
    given: bytes = b""
    removed: str = ""

    def within(self, _deadline: object) -> Self:
        return self

    def foreground(self, plan: Plan, *, interactive: bool, scratch: Path) -> tuple[str, ...]:
        assert not interactive
        self.plan = plan
        self.given = (scratch / "user-data").read_bytes()
        return self.argv

    def remove(self, name: str, *, grace: float, late: bool = False) -> bool:
        del grace, late
        self.removed = name
        return True


def look(engine: Any, image: Image = IMAGE) -> dict[str, Any]:
    return validation.look(b"data", image, HOST, engine, asked="image:1")


def test_the_image_is_given_a_copy_and_its_container_is_removed() -> None:
    engine = Engine(("/bin/echo", ANSWER))
    assert look(engine)["valid"]
    assert engine.given == b"data"
    assert engine.plan is not None
    assert engine.removed == engine.plan.name


def test_the_container_has_no_right_no_network_and_nothing_of_the_host() -> None:
    mount = Mount(source="/x", target="/user-data", reason="r", read_only=True)
    plan = check.plan(IMAGE, HOST, name="n", command=("/c",), mount=mount)
    arguments = client.run_arguments(plan, engine="podman", environment_file="/e")
    assert {"--network=none", "--cap-drop=ALL", "--user=65534:65534"} <= set(arguments)
    assert not [each for each in arguments if each.startswith("--cap-add") or "=host" in each]
    assert "--volume=/x" not in arguments
    configuration = oci.configuration(plan, {}, "/root")
    assert {"type": "network"} in configuration["linux"]["namespaces"]
    assert configuration["process"]["capabilities"]["bounding"] == []
    assert "seccomp" in configuration["linux"]


@pytest.mark.parametrize("answer", ["", "nonsense", "[]", '{"findings": [1], "steps": []}'])
def test_an_answer_that_makes_no_sense_is_an_error(answer: str) -> None:
    with pytest.raises(ContainerError, match="makes no sense"):
        look(Engine(("/bin/echo", answer)))


def test_a_check_that_does_not_come_to_its_end_is_an_error_with_its_last_words() -> None:
    with pytest.raises(ContainerError, match="come to its end: no luck") as caught:
        look(Engine(("/bin/sh", "-c", "echo no luck >&2; exit 125")))
    assert caught.value.code == "container.died"


def test_an_image_that_is_none_of_ours_is_not_started() -> None:
    engine = Engine(("/bin/echo", ANSWER))
    with pytest.raises(ImageError):
        look(engine, Image("image:1", "sha256:1"))
    assert engine.plan is None


def test_lines_say_severity_path_and_what_it_comes_to() -> None:
    finding = {"path": "p", "message": "m", "severity": "error"}
    facts = {"valid": False, "findings": [finding], "steps": [{}]}
    assert list(validation.lines(facts, "f")) == [
        "error: p: m",
        "f: 1 step, not all of it is understood",
    ]


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(SettingsError, match="cannot read /no/such: No such file"):
        validation.read("/no/such")
