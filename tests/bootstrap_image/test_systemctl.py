# SPDX-License-Identifier: Apache-2.0
"""Which units would wait for user data, and so must not be waited for by it."""

from __future__ import annotations

import pytest

from bootstrap_image.systemctl import OURS, waits_for_us

AFTER = {
    OURS: {"network-online.target"},
    "kubelet.service": {OURS, "containerd.service"},
    "multi-user.target": {"kubelet.service", "other.service"},
    "late.service": {"multi-user.target"},
    "chrony.service": {"network.target"},
    "loop.service": {"pool.service"},
    "pool.service": {"loop.service"},
}
BOOT = {OURS, "kubelet.service", "multi-user.target", "other.service"}


@pytest.mark.parametrize(
    ("units", "pending", "waiting"),
    [
        (["kubelet"], BOOT, ["kubelet"]),
        (["kubelet.service", "chrony"], BOOT, ["kubelet.service"]),
        (["late"], BOOT, ["late"]),
        (["late"], BOOT - {"multi-user.target"}, []),
        (["loop"], BOOT | {"loop.service", "pool.service"}, []),
        (["chrony", "unknown"], BOOT, []),
        (["kubelet"], BOOT - {OURS}, []),
        ([], BOOT, []),
    ],
)
def test_a_unit_waits_when_what_is_before_it_waits_for_user_data(
    units: list[str], pending: set[str], waiting: list[str]
) -> None:
    assert waits_for_us(units, AFTER, pending) == waiting
