# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from launcher.errors import SettingsError
from launcher.profiles import bootstrap
from launcher.settings import load
from tests.launcher.test_profiles import GIB, HOST, IMAGE, without

if TYPE_CHECKING:
    from pathlib import Path

    from launcher.host import Host


def given(host: Host = HOST, *more: str) -> dict[str, str]:
    planned = bootstrap.plan(IMAGE, host, memory=GIB, cpus=1.0, pids=100, more=more)
    return {capability.name: capability.reason for capability in planned.capabilities}


def test_scripts_get_what_the_list_says_and_each_has_a_reason() -> None:
    assert given().keys() == {*bootstrap.NEEDS, *bootstrap.WANTS}
    assert all(given().values())


def test_settings_add_capabilities_and_are_the_reason() -> None:
    added = given(HOST, "SYS_RAWIO", "CHOWN").items() - given().items()
    assert added == {("SYS_RAWIO", "[bootstrap] capabilities names it")}


def test_a_capability_that_the_caller_lacks_is_not_given_though_named() -> None:
    assert "SYS_RAWIO" not in given(without("SYS_RAWIO"), "SYS_RAWIO")


def test_a_capability_that_no_kernel_has_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('[bootstrap]\ncapabilities = ["CAP_SYS_RAWIO", "FLY"]\n')
    with pytest.raises(SettingsError, match="the kernel knows no CAP_SYS_RAWIO, FLY"):
        load(tmp_path, {})
