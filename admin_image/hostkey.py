# SPDX-License-Identifier: Apache-2.0
"""The host keys: each made once, kept, and replaced when it is damaged.

A client that sees another key than yesterday's warns of an attack, so that a key is replaced
only if sshd could not use it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from admin_image.errors import DoorError
from admin_image.files import read_text, write_atomically

TIME_LIMIT = 20.0
# What ssh-keygen is told to make, by the type that a client sees.
_MAKE = {"ssh-ed25519": ("-t", "ed25519"), "ecdsa-sha2-nistp256": ("-t", "ecdsa", "-b", "256")}


def ensure(kind: str, path: str) -> list[str]:
    """Have a usable key of the type `kind` at `path`; returns warnings, raises `DoorError`."""
    try:
        return _ensure(kind, path)
    except (OSError, subprocess.SubprocessError) as error:
        raise DoorError(
            "door.host-key", f"cannot make or keep the host key {path}: {error}"
        ) from error


def _ensure(kind: str, path: str) -> list[str]:
    Path(path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _sweep(path)
    if not os.path.lexists(path):
        _make(kind, path)
        return []
    if public := _public(kind, path):
        _repair(path, public)
        return []
    _set_aside(path)
    _make(kind, path)
    return [f"the host key {path} was damaged and has been replaced: clients will see a new key"]


def _public(kind: str, path: str) -> str:
    """Derive the public half, which proves that the private one can be read; empty if not."""
    if not Path(path).is_file() or Path(path).is_symlink():
        return ""
    # ssh-keygen refuses a key that others may read: repair first, then ask.
    os.chown(path, 0, 0)
    Path(path).chmod(0o600)
    # An empty passphrase, or else it would ask on a terminal for that of an encrypted key.
    done = _keygen("-y", "-P", "", "-f", path)
    return done.stdout.strip() if done.stdout.startswith(f"{kind} ") else ""


def _repair(path: str, public: str) -> None:
    words = read_text(f"{path}.pub").split()
    if words[:2] != public.split()[:2]:
        write_atomically(f"{path}.pub", public + "\n")


def _set_aside(path: str) -> None:
    for name in (path, f"{path}.pub"):
        if Path(name).is_dir() and not Path(name).is_symlink():
            shutil.rmtree(name)
        else:
            Path(name).unlink(missing_ok=True)


def _make(kind: str, path: str) -> None:
    """In a directory beside it, so that a power cut leaves a whole key or none."""
    with tempfile.TemporaryDirectory(prefix=".new-", dir=Path(path).parent) as place:
        made = f"{place}/key"
        done = _keygen("-q", *_MAKE[kind], "-N", "", "-C", "hatchway", "-f", made)
        if done.returncode:
            raise DoorError("door.host-key", f"ssh-keygen: {done.stderr.strip()}")
        _to_disk(made)
        # The public half first: where the private key stands, its public half stands too.
        Path(f"{made}.pub").replace(f"{path}.pub")
        Path(made).replace(path)
    _to_disk(os.fspath(Path(path).parent))


def _sweep(path: str) -> None:
    for left in Path(path).parent.glob(".new-*"):
        shutil.rmtree(left, ignore_errors=True)


def _to_disk(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _keygen(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ("/usr/bin/ssh-keygen", *arguments),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIME_LIMIT,
        check=False,
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
    )
