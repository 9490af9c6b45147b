# SPDX-License-Identifier: Apache-2.0
"""Targets are found in a real containerd by id, name and pod; by few questions, however many."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import uuid
from typing import TYPE_CHECKING

import pytest

from launcher.errors import TargetError
from launcher.host import Host
from launcher.runtimes import Wish
from tests import daemons
from tests.engine.target import PROGRAM, SCRATCH, said
from tests.engine.toolbox import busybox_archive
from toolbox.target import resolve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.engine
# 500 were measured to be as fast; they only take long to be made.
RUN = uuid.uuid4().hex
BY_NERDCTL = f"by-nerdctl-{RUN[:8]}"
MANY = int(os.environ.get("HATCHWAY_TEST_CONTAINERS", "30"))


class Node:
    """A containerd with pods, as its CRI plugin labels them, and one container of nerdctl's."""

    def __init__(self, socket: str) -> None:
        self.socket = socket
        self.client = ("ctr", "--address", socket, "--namespace")

    def make(self, pod: str, container: str, *, runs: bool = True, namespace: str = "shop") -> str:
        """A container of a pod; its id is a hash of both, and of this run of the tests."""
        own = identity(pod, container, namespace, runs=runs)
        labels = {
            "io.kubernetes.pod.name": pod, "io.kubernetes.pod.namespace": namespace,
            "io.kubernetes.container.name": container, "io.cri-containerd.kind": "container",
        }  # fmt: skip
        if container == "sandbox":
            labels["io.cri-containerd.kind"] = "sandbox"
        self.start("k8s.io", own, labels, runs=runs)
        return own

    def start(
        self, namespace: str, identity: str, labels: dict[str, str], *, runs: bool = True
    ) -> None:
        words = [word for name, value in labels.items() for word in ("--label", f"{name}={value}")]
        verb = ("run", "--detach", "--null-io") if runs else ("containers", "create")
        said(*self.client, namespace, *verb, *words, SCRATCH, identity, f"/{PROGRAM}", "100000")

    def resolve(self, text: str) -> str:
        found = resolve(text, Wish("podman"), Host.read(), socket=self.socket)
        assert found.process.alive()
        return found.id

    def refused(self, text: str) -> TargetError:
        with pytest.raises(TargetError) as refused:
            self.resolve(text)
        return refused.value


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    place = tmp_path_factory.mktemp("containerd")
    archive = busybox_archive(place / "scratch.tar", SCRATCH, (PROGRAM,))
    with daemons.containerd(place / "data") as socket:
        made = Node(socket)
        for namespace in ("k8s.io", "default"):
            said(*made.client, namespace, "images", "import", str(archive))
        for pod, container in (("web-0", "app"), ("web-0", "proxy"), ("web-1", "app")):
            made.make(pod, container)
        made.make("web-1", "sandbox")
        made.make("web-1", "app", runs=False)  # what a restart leaves
        made.make("db", "app", namespace="other")
        made.make("db", "app")
        made.start("default", BY_NERDCTL, {"nerdctl/name": "cache"})
        yield made


def identity(pod: str, container: str, namespace: str = "shop", *, runs: bool = True) -> str:
    return hashlib.sha256(f"{RUN}/{namespace}/{pod}/{container}/{runs}".encode()).hexdigest()


def test_a_pod_leads_to_the_container_of_it_that_runs(node: Node) -> None:
    app = identity("web-1", "app")
    for text in ("pod/web-1", "pod/web-1/app", "pod/shop/web-1/", "k8s://shop/web-1/app"):
        assert node.resolve(text) == app
    assert node.resolve("pod/other/db/") == identity("db", "app", "other")
    assert node.resolve("pod/web-0/proxy") == identity("web-0", "proxy")


def test_an_id_its_beginning_and_names_lead_to_a_container(node: Node) -> None:
    whole = identity("web-0", "proxy")
    for text in (whole, whole[:12], "proxy"):
        assert node.resolve(f"containerd://{text}") == whole
        assert node.resolve(f"containerd://k8s.io/{text}") == whole
    assert node.resolve("containerd://default/cache") == BY_NERDCTL
    assert node.resolve("containerd://default/by-") == BY_NERDCTL


@pytest.mark.parametrize(
    ("text", "candidates"),
    [
        ("pod/web-0", {("web-0", "app", "shop"), ("web-0", "proxy", "shop")}),
        ("pod/db", {("db", "app", "shop"), ("db", "app", "other")}),
    ],
)
def test_what_fits_several_lists_them_and_each_can_be_typed(
    node: Node, text: str, candidates: set[tuple[str, str, str]]
) -> None:
    refused = node.refused(text)
    assert refused.code == "target.ambiguous"
    ids = {identity(*one) for one in candidates}
    assert {node.resolve(uri) for uri in refused.details["candidates"]} == ids
    assert all(
        f"{namespace}/{pod}/{name}" in refused.message for pod, name, namespace in candidates
    )


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ("pod/wbe-1", "k8s://shop/web-1/app"),
        ("pod/web-11", "k8s://shop/web-1/app"),
        ("pod/web-0/ap", "k8s://shop/web-0/app"),
        ("pod/elsewhere/web-1/", "k8s://shop/web-1/app"),
        ("containerd://prxoy", "shop/web-0/proxy"),
        ("containerd://by-nerdctl", "containerd://default/by-nerdctl"),
    ],
)
def test_a_slip_of_the_finger_is_answered_with_what_is_near(
    node: Node, text: str, near: str
) -> None:
    refused = node.refused(text)
    assert refused.code == "target.not-found"
    assert near in refused.hint


def test_a_name_that_is_like_nothing_is_answered_too(node: Node) -> None:
    assert node.refused("pod/zzzzzzz").details["near"] == []
    assert "k8s.io" in node.refused("containerd://zzzzzzz").message


def test_a_container_that_does_not_run_is_no_target(node: Node) -> None:
    made = node.make("batch", "job", runs=False)
    assert node.refused(f"containerd://{made}").code == "target.not-running"
    assert node.refused("pod/batch").code == "target.not-running"


def test_the_questions_do_not_grow_with_the_containers(
    node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(MANY):
        node.make(f"many-{number}", "idle", runs=False)
    real, log = shutil.which("ctr"), tmp_path / "log"
    counting = tmp_path / "ctr"
    counting.write_text(f'#!/bin/sh\necho "$@" >> {log}\nexec {real} "$@"\n')
    counting.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    def asked(text: str) -> int:
        log.write_text("")
        with contextlib.suppress(TargetError):
            node.resolve(text)
        return len(log.read_text().splitlines())

    assert asked("pod/web-1") <= 5
    assert asked(f"containerd://{identity('web-0', 'proxy')[:12]}") <= 4
    for text in ("containerd://idle", "pod/many-x", "containerd://0", "pod/wbe-1"):
        assert asked(text) <= 25
