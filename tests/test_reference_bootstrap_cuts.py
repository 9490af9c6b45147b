# SPDX-License-Identifier: Apache-2.0
"""Power cuts at random moments of a run: what is done is on record, and what is on record is done.

HATCHWAY_POWER_CUTS is how many there are in a row; each takes one boot of the reference host.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import os
import random
import time
from typing import TYPE_CHECKING, Final

import pytest

from bootstrap_image import spec
from bootstrap_image.spec import Mode, Record, Status, Summary
from tests.refhost.node import GATE, HATCHWAY, kept_files, statuses

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.refhost.node import Node

pytest_plugins = ["tests.refhost.node_fixture"]
CUTS: Final = int(os.environ.get("HATCHWAY_POWER_CUTS", "2"))
pytestmark = [pytest.mark.refhost, pytest.mark.timeout(600 + 150 * CUTS)]

PLACE: Final = "/opt/cuts"
SIZE: Final = 8_000_000  # bytes of what each script writes
SCRIPTS: Final = 4
START_SPAN, STEP_SPAN = 4.0, 1.0  # seconds: until the first step begins, and for each


@dataclasses.dataclass(frozen=True)
class Round:
    """Jobs that no round before had: their files are named after the number."""

    number: int

    @property
    def place(self) -> str:
        return f"{PLACE}/{self.number}"

    def names(self) -> list[str]:
        """What the steps write, in their order."""
        return ["config", *(f"script{number}" for number in range(SCRIPTS)), "single"]

    def job(self, name: str) -> str:
        return f"round{self.number}-{name}"

    def content(self, name: str) -> bytes:
        line = f"{name} of round {self.number}\n".encode()
        return (line * (SIZE // len(line) + 1))[: len(line) if name == "config" else SIZE]

    def script(self, name: str) -> bytes:
        """Says at once, and for good, that it runs; does not mind when its effect is on disk."""
        line = self.content(name).partition(b"\n")[0].decode()
        return f"""#!/bin/sh
echo begun >> {self.place}/{name}.begun
sync {self.place}/{name}.begun
yes {line} | head -c {SIZE} > {self.place}/{name}.part
mv {self.place}/{name}.part {self.place}/{name}
echo {name} is done
""".encode()

    def config(self) -> bytes:
        encoded = base64.b64encode(self.content("config")).decode()
        file = {"path": f"{self.place}/config", "encoding": "b64", "content": encoded}
        return b"#cloud-config\n" + json.dumps({"write_files": [file]}).encode()

    def put(self, node: Node) -> None:
        directory = f"{PLACE}/data/{self.number}"
        node.machine.run(("mkdir", "-p", directory, self.place))
        node.machine.write(f"{directory}/config", self.config())
        for name in self.names()[1:]:
            node.machine.write(f"{directory}/{name}", self.script(name))
        text = '[bootstrap]\nsource = "none"\n'
        for order, name in enumerate(self.names()):
            mode = Mode.ONCE_ATTEMPTED if name == "single" else Mode.ONCE
            text += f'[bootstrap-containers.{self.job(name)}]\nmode = "{mode}"\norder = {order}\n'
            text += f'file = "{directory}/{name}"\n'
        node.configure(text)
        node.machine.run(("sync",))


@dataclasses.dataclass(frozen=True)
class State:
    """What a host has on its disk after a power cut."""

    records: dict[str, Record]  # of each job of the round
    begun: dict[str, int]  # how often each script began
    whole: frozenset[str]  # whose effect is complete

    def done(self) -> set[str]:
        return {name for name, each in self.records.items() if each.status is Status.SUCCEEDED}


@pytest.fixture
def node(bare_node: Node) -> Iterator[Node]:
    """Without the unit: the test starts each run, so that it can look before."""
    if not bare_node.machine.running:
        bare_node.boot()
    bare_node.machine.wait_until_up()
    assert bare_node.hatchway("uninstall").status == 0
    yield bare_node
    bare_node.machine.run(("rm", "-rf", PLACE))
    bare_node.configure("")
    assert bare_node.hatchway("install").status == 0


def look(node: Node, current: Round) -> State:
    """Look at everything, which must be whole."""
    jobs = {current.job(name): name for name in current.names()}
    kept = [Record.from_json(data.decode()) for path, data in kept_files(node.machine).items()
            if path.endswith(".json")]  # fmt: skip
    records = {jobs[record.job]: record for record in kept if record.job in jobs}
    begun = {name: read(node, f"{current.place}/{name}.begun").count(b"\n")
             for name in current.names()}  # fmt: skip
    if summary := read(node, spec.SUMMARY_FILE):
        Summary.from_json(summary.decode())
    return State(records, begun, frozenset(complete(node, current)))


def read(node: Node, path: str) -> bytes:
    return node.machine.exec(("cat", path)).stdout


def complete(node: Node, current: Round) -> Iterator[str]:
    paths = [f"{current.place}/{name}" for name in current.names()]
    said = node.machine.exec(("sha256sum", *paths)).stdout.decode()
    found = {path: digest for digest, path in map(str.split, said.splitlines())}
    for name, path in zip(current.names(), paths, strict=True):
        if found.get(path) == hashlib.sha256(current.content(name)).hexdigest():
            yield name


def check(before: State, now: State, names: list[str]) -> None:
    """Nothing is done that did not finish, nothing that finished is lost, nothing runs twice."""
    assert now.done() <= now.whole
    assert before.done() <= now.done()
    began = [name for name in names if now.begun[name]]
    for name in names[: names.index(began[-1])] if began else ():
        assert name in now.done(), f"{began[-1]} began, and nothing is known of {name}"
    for name in before.done():
        assert now.begun[name] == before.begun[name], f"{name} was done and ran again"
    assert now.begun["single"] <= 1
    assert not now.begun["single"] or "single" in now.records


def cut(node: Node, chance: random.Random, current: Round, state: State) -> str:
    """Start a run and end everything in its midst; when that was."""
    node.machine.run(("systemd-run", "--collect", "--unit=cut", HATCHWAY, "bootstrap", "run"))
    left = [name for name in current.names()[1:] if name not in state.records]
    name = chance.choice(["", "config", *left])
    if name:
        begun = spec.PROGRESS_FILE if name == "config" else f"{current.place}/{name}.begun"
        node.wait_until("test", "-e", begun)
    moment = chance.uniform(0, STEP_SPAN if name else START_SPAN)
    time.sleep(moment)
    node.machine.power_cut()
    return f"{moment:.2f} s after {name or 'the start'}"


def restart(node: Node) -> None:
    node.boot()
    # Not its version: that fails for good when a power cut emptied the file of its UUID.
    node.wait_until("ctr", "namespaces", "list")


def test_power_cuts_at_random_moments_leave_a_state_that_is_right(node: Node) -> None:
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    current = Round(1)
    current.put(node)
    state = look(node, current)
    for number in range(1, CUTS + 1):
        moment = cut(node, chance, current, state)
        restart(node)
        now = look(node, current)
        shown = f"seed {seed}, cut {number} after {moment}: done {sorted(now.done())}"
        print(f"{shown}, whole {sorted(now.whole)}, begun {now.begun}")
        check(state, now, current.names())
        assert node.status()["state"] != "running"
        state = now
        if set(current.names()[:-1]) <= state.done():
            current = Round(current.number + 1)
            current.put(node)
            state = look(node, current)
    assert node.hatchway("install").status == 0
    node.machine.reboot()
    found = node.status("--wait")
    now = look(node, current)
    check(state, now, current.names())
    assert set(current.names()[:-1]) <= now.done()
    assert set(statuses(found).values()) <= {"succeeded", "done-before"}
    assert node.exists(GATE)
