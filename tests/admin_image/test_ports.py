# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import pytest

from admin_image import ports
from admin_image.errors import DoorError

if TYPE_CHECKING:
    from collections.abc import Iterator

TABLE = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:08FB 00000000:0000 0A 0:0 00:0 0 0 0 4711 1
   1: 0100007F:08FB 0100007F:D431 01 0:0 00:0 0 0 0 4712 1
   2: 00000000:0016 00000000:0000 0A 0:0 00:0 0 0 0 4713 1
"""


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_only_listening_sockets_of_the_port_are_found() -> None:
    assert ports.listening(TABLE, 2299) == [4711]


def test_a_taken_port_is_refused_by_name_of_its_holder(taken: int) -> None:
    with pytest.raises(DoorError, match=rf"taken by .* \(pid {os.getpid()}\)") as caught:
        ports.require_free("127.0.0.1", taken)
    assert caught.value.code == "door.port-busy"


def test_a_port_taken_at_one_address_is_not_free_everywhere(taken: int) -> None:
    with pytest.raises(DoorError, match="every address"):
        ports.require_free("", taken)


def test_a_free_port_is_left_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    ports.require_free("127.0.0.1", port)
    ports.require_free("127.0.0.1", port)


def test_an_address_that_this_host_has_not_is_refused() -> None:
    with pytest.raises(DoorError, match=r"192\.0\.2\.1") as caught:
        ports.require_free("192.0.2.1", 2222)
    assert caught.value.code == "door.spec"
