# SPDX-License-Identifier: Apache-2.0
"""Static pod manifests, as kubelet would read them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from toolbox.doctor import static_pods

if TYPE_CHECKING:
    from pathlib import Path

POD = """# a comment
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers:
  - {name: web, image: web}
"""
LIST = "apiVersion: v1\nkind: PodList\nitems: []\n"
JSON = (
    '{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {"containers": [{}]}}'
)
TWO = f"---\n{POD}---\nkind: ["


def problems(place: Path) -> list[str]:
    found = static_pods.read([], str(place))
    return [f"{each.path.removeprefix(f'{place}/')}: {each.why}" for each in found]


@pytest.mark.parametrize("content", [POD, JSON, LIST, TWO, "\ufeff" + POD])
def test_a_manifest_that_kubelet_takes_is_no_finding(tmp_path: Path, content: str) -> None:
    (tmp_path / "web.yaml").write_text(content)
    assert problems(tmp_path) == []


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("kind: [", "not valid YAML: line 1"),
        (POD.replace("  containers", "\tcontainers"), "not valid YAML: line 6"),
        ("kind: " + "[" * 3000, "not valid YAML"),
        (POD.replace("kind: Pod\n", ""), "kind is missing"),
        (POD.replace("Pod", "Deployment"), "kind is 'Deployment', not Pod"),
        (POD.replace("v1", "v2"), "apiVersion is not v1"),
        (POD.replace("{name: web}\n", "\n", 1), "metadata.name is missing"),
        (POD.partition("spec")[0], "spec.containers is missing"),
        ("", "empty"),
        ("- a", "not a table of keys"),
        ("\x00\x01", "not valid YAML"),
    ],
)
def test_a_manifest_that_kubelet_refuses_says_why(tmp_path: Path, content: str, why: str) -> None:
    (tmp_path / "web.yaml.bak").write_text(content)
    (found,) = problems(tmp_path)
    assert found.startswith(f"web.yaml.bak: {why}")


def test_a_secret_in_a_broken_manifest_is_not_repeated(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("env: {password: s3cret: s3cret\n")
    assert "s3cret" not in problems(tmp_path)[0]


def test_what_is_no_file_is_passed_over_or_named_and_holds_nobody(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "directory").mkdir()
    (tmp_path / ".hidden.yaml").write_text("kind: [")
    (tmp_path / "link.yaml").symlink_to("gone")
    assert problems(tmp_path) == [
        "link.yaml: a link to a file that does not exist",
        "pipe: not a regular file",
    ]


def test_the_directory_is_the_one_that_kubelets_configuration_names(tmp_path: Path) -> None:
    manifests = tmp_path / "pods"
    manifests.mkdir()
    (manifests / "a.yaml").write_text("")
    config = tmp_path / "config.yaml"
    config.write_text(f"kind: KubeletConfiguration\nstaticPodPath: {manifests}\n")
    (found,) = static_pods.check(static_pods.read([config], str(tmp_path / "none")))
    assert found.title == "1 static pod manifest is broken"
    assert found.evidence == (f"{manifests}/a.yaml: empty",)
    config.write_text("staticPodPath: [")
    assert static_pods.read([config], str(tmp_path / "none")) == ()
