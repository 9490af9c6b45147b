# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from launcher import cgroups

ID = "0bbc8bead776ddb96fc1964787c09b616baa9192724ff119668595ce8948ea22"
OUTER = "e2f941bd173168d72434d94864ebd1cc6a12f057d1134d3f2e7ae1036913e17c"


@pytest.mark.parametrize(
    ("path", "container"),
    [
        (f"/docker/{ID}", ID),
        (f"/system.slice/docker-{ID}.scope", ID),
        (f"/machine.slice/libpod-{ID}.scope", ID),
        (f"/machine.slice/libpod-{ID}.scope/container/door", ID),
        (f"/libpod_parent/libpod-{ID}", ID),
        (f"/kubepods/burstable/pod1/{ID}", ID),
        (f"/docker/{OUTER}/docker/{ID}", ID),
        ("/hatchway/hatchway-admin", "hatchway-admin"),
        ("/hatchway/hatchway-admin/door", "hatchway-admin"),
        (f"/libpod_parent/libpod-conmon-{ID}", ""),
        (f"/machine.slice/libpod-conmon-{ID}.scope", ""),
        ("/user.slice/user-0.slice/session-1.scope", ""),
        ("/", ""),
    ],
)
def test_a_container_is_named_by_its_groups(
    path: str, container: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cgroups, "_paths", lambda pid: ["/", path] if pid == 7 else [])
    monkeypatch.setattr(cgroups, "_pids", lambda: iter((7, 8)))
    assert cgroups.container_of(7, "hatchway-admin") == container
    assert cgroups._is_in(7, ID) == (container == ID)
    assert not cgroups._is_in(8, ID)
