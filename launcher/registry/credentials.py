# SPDX-License-Identifier: Apache-2.0
"""Credentials from the auth files of docker and podman; their content is never repeated."""

from __future__ import annotations

import base64
import binascii
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from launcher.errors import SettingsError
from launcher.references import DOCKER_HUB

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SIZE_LIMIT: Final = 4 * 1024 * 1024
# Docker's way to say that the password is an identity token.
TOKEN_USER: Final = "<token>"  # noqa: S105 - a user name
_HUB_KEYS: Final = ("index.docker.io", "registry-1.docker.io")


@dataclasses.dataclass(frozen=True, slots=True)
class Found:
    """Credentials for one repository, empty where there are none; `notes` tell what was odd."""

    username: str = ""
    password: str = dataclasses.field(default="", repr=False)
    identity_token: str = dataclasses.field(default="", repr=False)
    notes: tuple[str, ...] = ()


class _Entry(msgspec.Struct):
    auth: str = ""
    username: str = ""
    password: str = ""
    identitytoken: str = ""


class _File(msgspec.Struct, rename={"stores": "credsStore", "helpers": "credHelpers"}):
    auths: dict[str, _Entry | None] = {}
    stores: str = ""
    helpers: dict[str, str] = {}


def find(name: str, *, named: Path | None, environ: Mapping[str, str]) -> Found:
    """Find credentials for `name` (registry/repository).

    The first file that knows the registry wins. A file that the user named (`named`,
    REGISTRY_AUTH_FILE) must be there and be well-formed, or `SettingsError`; the default places
    may lack, and what is wrong in them is only noted.
    """
    notes: list[str] = []
    for path, is_named in _places(named, environ):
        try:
            found = _lookup(_read(path), path, name, notes)
        except FileNotFoundError:
            if not is_named:
                continue
            raise _unreadable(path, "it does not exist") from None
        except OSError as error:
            if is_named:
                raise _unreadable(path, error.strerror or "unreadable") from None
            notes.append(f"{path} cannot be read: {error.strerror}")
            continue
        except ValueError:
            if is_named:
                hint = "Write it with docker login or podman login."
                message = f"{path} is no auth file of docker or podman"
                raise SettingsError("settings.invalid", message, hint) from None
            notes.append(f"{path} is no auth file; it is passed over")
            continue
        if found:
            return dataclasses.replace(found, notes=tuple(notes))
    return Found(notes=tuple(notes))


def _places(named: Path | None, environ: Mapping[str, str]) -> Iterator[tuple[Path, bool]]:
    if named:
        yield named, True
        return
    if environ.get("REGISTRY_AUTH_FILE"):
        yield Path(environ["REGISTRY_AUTH_FILE"]), True
    if environ.get("DOCKER_CONFIG"):
        yield Path(environ["DOCKER_CONFIG"], "config.json"), False
    # Under systemd there is no HOME, and this is root's.
    yield Path(environ.get("HOME") or "/root", ".docker/config.json"), False
    yield Path("/run/containers/0/auth.json"), False
    if environ.get("XDG_RUNTIME_DIR"):
        yield Path(environ["XDG_RUNTIME_DIR"], "containers/auth.json"), False
    yield Path("/var/lib/kubelet/config.json"), False


def _read(path: Path) -> _File:
    with path.open("rb") as stream:
        data = stream.read(SIZE_LIMIT + 1)
    if len(data) > SIZE_LIMIT:
        raise ValueError(SIZE_LIMIT)
    try:
        return msgspec.json.decode(data or b"{}", type=_File)
    except RecursionError:
        raise ValueError(SIZE_LIMIT) from None


def _lookup(content: _File, path: Path, name: str, notes: list[str]) -> Found | None:
    best = max(
        (key for key in content.auths if _covers(_normal(key), name)),
        key=lambda key: len(_normal(key)),
        default=None,
    )
    entry = content.auths[best] if best is not None else None
    found = _decode(entry) if entry else None
    if found is None and _uses_helper(content, name):
        notes.append(f"{path} leaves {name.partition('/')[0]} to a credential helper, not run")
    return found


def _decode(entry: _Entry) -> Found | None:
    """Read one entry; None when it is empty, as the entries are that stand for a helper."""
    if entry.identitytoken:
        return Found(identity_token=entry.identitytoken)
    username, password = entry.username, entry.password
    if entry.auth:
        try:
            pair = base64.b64decode(entry.auth, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise ValueError("auth") from None
        username, colon, password = pair.partition(":")
        password = password.rstrip("\0")
        if not colon:
            raise ValueError("auth")
    if username == TOKEN_USER:
        return Found(identity_token=password)
    return Found(username, password) if username else None


def _uses_helper(content: _File, name: str) -> bool:
    if any(_covers(_normal(key), name) for key in content.helpers):
        return True
    return bool(content.stores) and any(_covers(_normal(key), name) for key in content.auths)


def _covers(key: str, name: str) -> bool:
    return name == key or name.startswith(f"{key}/")


def _normal(key: str) -> str:
    """Bring `https://host/v1/`, `host` and `host/namespace` into one form."""
    bare = key.partition("://")[2] or key
    bare = bare.rstrip("/")
    for version in ("/v1", "/v2"):
        bare = bare.removesuffix(version)
    host, slash, path = bare.partition("/")
    host = host.lower()
    return (DOCKER_HUB if host in _HUB_KEYS else host) + slash + path


def _unreadable(path: Path, why: str) -> SettingsError:
    message = f"the auth file {path} cannot be read: {why}"
    return SettingsError("settings.unreadable", message, "Check authfile and REGISTRY_AUTH_FILE.")
