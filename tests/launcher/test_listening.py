# SPDX-License-Identifier: Apache-2.0
"""Where a door listens, what clients are told of it, and who stands in its way."""

from __future__ import annotations

import ipaddress
import socket

import pytest

from launcher import tcp
from launcher.admin import address, request
from launcher.admin.adopting import _differences
from launcher.door import Door
from launcher.errors import DoorError
from launcher.keys.access import Access
from launcher.keys.user_data import UserData
from launcher.runtimes import Wish
from launcher.settings import parse_listen

EVERY = ("2222", "0.0.0.0:2222", "[::]:2222")


def door(listen: str) -> Door:
    place = parse_listen(listen)
    return Door(
        state="open", pid=1, started=1, runtime="podman", socket="", namespace="", container="x",
        address=place.address, port=place.port, host_keys=("ssh-ed25519 AAAA",), user="admin",
    )  # fmt: skip


def asked(listen: str) -> request.Request:
    access = Access(user="admin", keys=(), cas=(), principals=(), data=UserData(), warnings=())
    return request.Request(
        image="", listen=parse_listen(listen), access=access, wish=Wish(), memory=0, cpus=0, pids=0,
        timeout=1,
    )  # fmt: skip


@pytest.mark.parametrize("listen", EVERY)
def test_a_door_on_every_address_names_one_that_a_client_can_dial(listen: str) -> None:
    host = ipaddress.ip_address(door(listen).host)
    assert not host.is_unspecified
    assert host.version in {"0": (4,), "[": (6,), "2": (4, 6)}[listen[0]]
    assert f"[{host}]:2222 ssh-ed25519 AAAA" == door(listen).known_hosts


def test_a_door_on_one_address_is_dialled_there() -> None:
    assert door("127.0.0.9:2222").known_hosts == "[127.0.0.9]:2222 ssh-ed25519 AAAA"


@pytest.mark.parametrize(
    ("has", "wanted", "differs"),
    [
        ("0.0.0.0:2222", "2222", False),
        ("2222", "0.0.0.0:2222", False),
        ("[::]:2222", "0.0.0.0:2222", True),
        ("127.0.0.1:2222", "2222", True),
        ("0.0.0.0:2222", "127.0.0.1:2222", True),
    ],
)
def test_every_address_is_the_same_however_it_is_written(
    has: str, wanted: str, *, differs: bool
) -> None:
    told = " ".join(_differences(door(has), asked(wanted), None))
    assert ("address" in told) == differs


@pytest.mark.parametrize("listen", ["{}", "0.0.0.0:{}", "127.0.0.1:{}"])
def test_whoever_holds_one_address_is_in_the_way_of_all(listen: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(DoorError) as caught:
        address.require_free(parse_listen(listen.format(server.getsockname()[1])))
    assert caught.value.code == "door.port-busy"


@pytest.mark.parametrize("listen", ["127.0.0.2:{}", "[::]:{}", "[::1]:{}"])
def test_whoever_holds_another_address_is_not(listen: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address.require_free(parse_listen(listen.format(server.getsockname()[1])))


def test_whoever_holds_every_address_is_in_the_way_of_each() -> None:
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as server:
        port = server.getsockname()[1]
        assert all(tcp.listener(place, port) for place in ("", "0.0.0.0", "::", "::1", "127.0.0.1"))
