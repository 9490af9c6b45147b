# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from launcher.runtimes.snapshots import chain_id, parse_mounts

LAYER = "sha256:c6f988f4874bb0add23a778f753c65efe992244e148a1d2ec2a8b664fb66bbd1"
SECOND = "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"


def test_one_layer_is_its_own_chain() -> None:
    assert chain_id([LAYER]) == LAYER


def test_layers_fold_as_the_image_specification_says() -> None:
    # The digest of the text "LAYER SECOND", computed with sha256sum.
    import hashlib

    expected = hashlib.sha256(f"{LAYER} {SECOND}".encode()).hexdigest()
    assert chain_id([LAYER, SECOND]) == f"sha256:{expected}"


def test_the_mount_commands_of_ctr_are_read() -> None:
    said = (
        "mount -t overlay overlay /run/root -o "
        "index=off,workdir=/w/2/work,upperdir=/w/2/fs,lowerdir=/w/1/fs\n"
    )
    assert parse_mounts(said) == [
        ("overlay", "overlay", "index=off,workdir=/w/2/work,upperdir=/w/2/fs,lowerdir=/w/1/fs")
    ]
    assert parse_mounts("") == []
