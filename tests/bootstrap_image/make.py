# SPDX-License-Identifier: Apache-2.0
"""User data in the forms that cloud-init's documentation shows, in words of our own."""

from __future__ import annotations

from bootstrap_image.plan import Plan, plan

SCRIPT = b"#!/bin/sh\necho it runs\n"
CONFIG = b"#cloud-config\nhostname: node1\n"


def message(*parts: tuple[str, bytes, str], boundary: str = "==1234==") -> bytes:
    """A MIME message of (type, content, more headers)."""
    lines = [
        f'Content-Type: multipart/mixed; boundary="{boundary}"\nMIME-Version: 1.0\n\n'.encode()
    ]
    for kind, content, headers in parts:
        lines.append(f"--{boundary}\nContent-Type: {kind}\n{headers}\n".encode() + content + b"\n")
    return b"".join([*lines, f"--{boundary}--\n".encode()])


def steps(made: Plan) -> list[tuple[str, str]]:
    return [(step.name, step.frequency.value) for step in made.steps]


def errors(data: bytes) -> list[str]:
    """Findings of severity error, as one reads them."""
    return [str(found) for found in plan(data).findings if found.severity == "error"]


def warnings(data: bytes) -> list[str]:
    return [str(found) for found in plan(data).findings if found.severity == "warning"]


def config_errors(text: str) -> list[str]:
    return errors(b"#cloud-config\n" + text.encode())
