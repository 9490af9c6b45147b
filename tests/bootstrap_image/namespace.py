# SPDX-License-Identifier: Apache-2.0
"""A mount namespace of a test's own: what scripts mount there ends with them."""

from __future__ import annotations

import os

import pytest

# For tests that mount.
root = [
    pytest.mark.engine,
    pytest.mark.skipif(os.geteuid() != 0, reason="mounts are root's"),
]


def before(preparation: str, *arguments: str) -> tuple[str, ...]:
    """The start of a command line: a new namespace, and in it these lines of shell ($1, ...)."""
    shell = f'{preparation}\nshift {len(arguments)}\nexec "$@"'
    return (
        "unshare", "--mount", "--propagation=private", "sh", "-euc", shell, "sh", *arguments,
    )  # fmt: skip
