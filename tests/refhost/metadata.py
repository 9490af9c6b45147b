# SPDX-License-Identifier: Apache-2.0
"""A metadata service at its real address: one process for each connection, as QEMU starts it.

`python metadata.py DIRECTORY` answers what comes on stdin by what DIRECTORY holds, so that a test
can change it while the machine runs: `user-data` (without it there is none), `instance-id`, and
`hardened`, whose presence makes the services that have tokens demand one. What was asked is added
to `requests`. Alibaba, AWS, Google and OpenStack stand side by side: their paths differ.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Final

OK, REFUSED, FORBIDDEN, MISSING = 200, 401, 403, 404
TOKEN: Final = "AQAEAOq-of-this-machine"
# Each cloud with sessions: what asks for a token, and what carries it.
SESSIONS: Final = {
    "x-aliyun-ecs-metadata-token-ttl-seconds": "x-aliyun-ecs-metadata-token",
    "x-aws-ec2-metadata-token-ttl-seconds": "x-aws-ec2-metadata-token",
}
GOOGLE: Final = "/computeMetadata/v1/instance"

Answer = tuple[int, bytes]
Headers = dict[str, str]


class Place:
    """What the test wants the services to say."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def content(self, name: str) -> Answer:
        try:
            return OK, (self._directory / name).read_bytes()
        except FileNotFoundError:
            return MISSING, b"Not Found\n"

    def instance(self) -> str:
        return self.content("instance-id")[1].decode()

    def hardened(self) -> bool:
        return (self._directory / "hardened").exists()

    def note(self, line: str) -> None:
        with (self._directory / "requests").open("a") as file:
            file.write(f"{line}\n")


def answer(method: str, path: str, headers: Headers, place: Place) -> Answer:
    if "x-forwarded-for" in headers:
        return FORBIDDEN, b"Forbidden\n"
    if path == "/latest/api/token":
        return _token(method, headers)
    if path.startswith("/latest/"):
        if place.hardened() and TOKEN not in {headers.get(name) for name in SESSIONS.values()}:
            return REFUSED, b"Unauthorized\n"
        return _plain(path.removeprefix("/latest/"), place)
    if path.startswith(GOOGLE):
        if headers.get("metadata-flavor") != "Google":
            return FORBIDDEN, b"Forbidden\n"
        return _google(path.removeprefix(GOOGLE), place)
    if path == "/openstack/latest/meta_data.json":
        return OK, json.dumps({"uuid": place.instance(), "name": "node"}).encode()
    if path == "/openstack/latest/user_data":
        return place.content("user-data")
    return MISSING, b"Not Found\n"


def _token(method: str, headers: Headers) -> Answer:
    lifetimes = [headers[name] for name in SESSIONS if name in headers]
    valid = [life for life in lifetimes if life.isdecimal() and 1 <= int(life) <= 21600]
    return (OK, TOKEN.encode()) if method == "PUT" and valid else (400, b"Bad Request\n")


def _plain(name: str, place: Place) -> Answer:
    if name == "meta-data/instance-id":
        return place.content("instance-id")
    return place.content("user-data") if name == "user-data" else (MISSING, b"Not Found\n")


def _google(name: str, place: Place) -> Answer:
    if name == "/id":
        return place.content("instance-id")
    if name == "/attributes/user-data":
        return place.content("user-data")
    return MISSING, b"Not Found\n"


def main(directory: str) -> None:
    place = Place(Path(directory))
    method, path, _ = sys.stdin.buffer.readline().decode("latin-1").split()
    headers: Headers = {}
    while line := sys.stdin.buffer.readline().decode("latin-1").strip():
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    status, body = answer(method, path, headers, place)
    place.note(f"{status} {method} {path}")
    head = f"HTTP/1.1 {status} said\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    sys.stdout.buffer.write(head.encode() + body)
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
