# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

import pytest

from admin_image import hostps

TASKS = """\
TASK    PID     STATUS
abc     4711    RUNNING
def     0       STOPPED
"""
INFO: dict[str, object] = {
    "ID": "abc",
    "Image": "registry.k8s.io/coredns:v1",
    "Labels": {
        "io.cri-containerd.kind": "container",
        "io.kubernetes.container.name": "coredns",
        "io.kubernetes.pod.name": "coredns-7d",
        "io.kubernetes.pod.namespace": "kube-system",
    },
}


def test_tasks_are_read_from_ctrs_table() -> None:
    assert hostps.tasks(TASKS) == {"abc": (4711, "RUNNING"), "def": (0, "STOPPED")}


def test_a_container_of_kubernetes_has_its_pods_names() -> None:
    row = hostps.row("k8s.io", INFO, (4711, "RUNNING"))
    image = "registry.k8s.io/coredns:v1"
    assert row == hostps.Row("kube-system", "coredns-7d", "coredns", "running", 4711, image, "abc")


def test_a_container_without_labels_is_shown_with_containerds_namespace() -> None:
    row = hostps.row("default", {"ID": "x", "Labels": None, "Image": ""}, None)
    assert row == hostps.Row("containerd:default", "", "", "none", 0, "", "x")


def test_the_table_is_aligned_and_has_no_empty_cell() -> None:
    rows = [hostps.row("k8s.io", INFO, (4711, "RUNNING")), hostps.row("default", {"ID": "x"}, None)]
    header, first, second = hostps.table(rows).splitlines()
    assert header.index("STATE") == first.index("running") == second.index("none")
    assert len(second.split()) == len(hostps.COLUMNS)


def test_json_is_one_array() -> None:
    (value,) = json.loads(hostps.to_json([hostps.row("k8s.io", INFO, None)]))
    assert value["pod"] == "coredns-7d"


@pytest.mark.parametrize("arguments", [["--bogus"], ["--address"], ["x"]])
def test_wrong_usage_ends_with_64(arguments: list[str]) -> None:
    with pytest.raises(hostps.CtrError) as caught:
        hostps.parse(arguments)
    assert caught.value.status == 64
