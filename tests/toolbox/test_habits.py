# SPDX-License-Identifier: Apache-2.0
"""Files of other toolboxes: taken for what they mean, never executed, never wholly in vain."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from toolbox import habits
from toolbox.request import Volume

if TYPE_CHECKING:
    from pathlib import Path


def read(place: Path, *, own: str = "", system: str = "") -> habits.Habits:
    (place / ".toolboxrc").write_text(own)
    (place / "system").write_text(system)
    return habits.read(place, system=place / "system")


def test_no_files_are_no_habits(tmp_path: Path) -> None:
    assert habits.read(tmp_path, system=tmp_path / "none") == habits.Habits()


def test_what_container_linux_and_its_heirs_have_means_the_same_here(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        system='TOOLBOX_DOCKER_IMAGE=gcr.io/cos-cloud/toolbox\nTOOLBOX_DOCKER_TAG="v2"\n',
        own=(
            "# mine\nexport TOOLBOX_USER=nobody\n"
            f'TOOLBOX_BIND="--bind=/:/media/root --bind={tmp_path}:/work --bind-ro={tmp_path}"\n'
            "TOOLBOX_ENV='--setenv=A=b --setenv=C=d=e'\n"
        ),
    )
    assert found.image == "gcr.io/cos-cloud/toolbox:v2"
    assert found.user == "nobody"
    assert found.volumes == (
        Volume(str(tmp_path), "/work"), Volume(str(tmp_path), str(tmp_path), read_only=True),
    )  # fmt: skip
    assert found.environment == {"A": "b", "C": "d=e"}
    assert found.ignored == ()


def test_what_red_hat_coreos_has_means_the_same_here(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        own="REGISTRY=registry.example.com\nIMAGE=rhel9/support-tools\nAUTHFILE=/root/auth.json",
    )
    assert found.image == "registry.example.com/rhel9/support-tools"
    assert found.authfile == "/root/auth.json"


def test_the_users_own_file_wins(tmp_path: Path) -> None:
    found = read(tmp_path, system="IMAGE=a:1\nTOOLBOX_USER=x", own="IMAGE=b:2")
    assert (found.image, found.user) == ("b:2", "x")


@pytest.mark.parametrize(
    "line",
    [
        "touch {place}/ran",
        "$(touch {place}/ran)",
        "IMAGE=$(touch {place}/ran)",
        "IMAGE=`touch {place}/ran`",
        "IMAGE=x; touch {place}/ran",
        "IMAGE=x touch {place}/ran",
        "IMAGE=${{HOME}}/x",
        "if true; then IMAGE=x; fi",
        "IMAGE='unbalanced",
        "=x",
        "two words=x",
    ],
)
def test_nothing_is_executed_and_what_is_no_assignment_is_named(tmp_path: Path, line: str) -> None:
    found = read(tmp_path, own=f"TOOLBOX_USER=me\n{line.format(place=tmp_path)}\n")
    assert found.ignored == (f"{tmp_path / '.toolboxrc'}:2",)
    assert (found.user, found.image) == ("me", "")
    assert not (tmp_path / "ran").exists()


def test_what_has_no_meaning_here_is_named_without_its_value(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        own=(
            "TOOLBOX_FLAGS=--secret\nTOOLBOX_DIRECTORY=/var/x\nOTHER=secret\n"
            'TOOLBOX_BIND="--capability=all"\nTOOLBOX_ENV="9=secret"\nTOOLBOX_USER="a b"\n'
        ),
    )
    assert set(found.ignored) == {
        "TOOLBOX_FLAGS", "TOOLBOX_DIRECTORY", "OTHER", "TOOLBOX_BIND: --capability=all",
        "TOOLBOX_ENV", "TOOLBOX_USER",
    }  # fmt: skip
    assert "secret" not in " ".join(found.ignored)


def test_a_file_of_noise_is_no_trouble(tmp_path: Path) -> None:
    (tmp_path / ".toolboxrc").write_bytes(bytes(range(256)) * 64)
    assert habits.read(tmp_path, system=tmp_path / "none").image == ""
