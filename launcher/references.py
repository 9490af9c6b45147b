# SPDX-License-Identifier: Apache-2.0
"""Image references by the grammar that docker and OCI share: pure, no I/O."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Final, Self

from launcher.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Callable

DOCKER_HUB: Final = "docker.io"
NAME_LIMIT: Final = 255  # characters of registry/repository, as the reference implementation has it
LENGTH_LIMIT: Final = 512  # of a whole reference: the longest name, tag and digest
SHOWN: Final = 80  # characters of a bad reference that an error repeats
PINNED: Final = "pinned-"

_LABEL: Final = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*", re.ASCII)
_COMPONENT = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*", re.ASCII)
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", re.ASCII)
_DIGEST = re.compile(r"sha256:[a-f0-9]{64}", re.ASCII)
_ALIASES: Final = {"index.docker.io": DOCKER_HUB, "registry-1.docker.io": DOCKER_HUB}


@dataclasses.dataclass(frozen=True, slots=True)
class Reference:
    """Where an image is: `registry` (host[:port]), `repository`, and `tag`, `digest` or both.

    An absent tag or digest is empty; the digest is `sha256:<64 hex>`. Make one with `parse`.
    """

    registry: str
    repository: str
    tag: str = ""
    digest: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what a user wrote; `ImageError("image.reference")` says what is wrong with it."""
        try:
            return cls(*_split(text))
        except _BadReferenceError as problem:
            shown = _shown(text)
            message = f"{shown!r} is no image reference: {problem.what}"
            raise ImageError("image.reference", message, problem.hint) from None

    def __str__(self) -> str:
        """Give the canonical form: registry, repository, tag and digest, nothing left out."""
        return self.name() + (f":{self.tag}" if self.tag else "") + self._pin()

    def name(self) -> str:
        """Registry and repository."""
        return f"{self.registry}/{self.repository}"

    def local_name(self) -> str:
        """Give the name under which an engine holds the image: engines cannot tag by digest."""
        tag = self.tag or PINNED + self.digest.removeprefix("sha256:")[:12]
        return f"{self.name()}:{tag}"

    def selector(self) -> str:
        """Give what a registry is asked for: the digest, where there is one."""
        return self.digest or self.tag

    def _pin(self) -> str:
        return f"@{self.digest}" if self.digest else ""


def _shown(text: str) -> str:
    """Give what an error may repeat: not all of it, and no password pasted into a URL."""
    masked = re.sub(r"//[^/]*@", "//***@", text)
    return masked if len(masked) <= SHOWN else masked[:SHOWN] + "..."


class _BadReferenceError(Exception):
    def __init__(self, what: str, hint: str = "Write it as registry/repository:tag.") -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint


def _split(text: str) -> tuple[str, str, str, str]:
    _refuse_foreign(text)
    rest, at, digest = text.partition("@")
    if at:
        _check_digest(digest)
    first, slash, path = rest.partition("/")
    registry = DOCKER_HUB
    if slash and _is_host(first):
        registry, rest = _host(first), path
    repository, colon, tag = rest.partition(":")
    if colon and not _TAG.fullmatch(tag):
        raise _BadReferenceError(f"{tag[:SHOWN]!r} is no tag", _TAG_HINT)
    _check_repository(repository)
    if registry == DOCKER_HUB and "/" not in repository:
        repository = f"library/{repository}"
    if len(registry) + 1 + len(repository) > NAME_LIMIT:
        raise _BadReferenceError(f"the name has more than {NAME_LIMIT} characters")
    return registry, repository, tag or ("" if digest else "latest"), digest


_TAG_HINT: Final = "A tag has at most 128 letters, digits, dots, dashes and underscores."


def _refuse_foreign(text: str) -> None:
    """Name the forms that people paste and that other tools take."""
    if not text:
        raise _BadReferenceError("it is empty")
    if len(text) > LENGTH_LIMIT:
        raise _BadReferenceError(f"it has more than {LENGTH_LIMIT} characters")
    if text != text.strip():
        raise _BadReferenceError("there is white space around it")
    if "://" in text:
        hint = f"Leave out {text.partition('://')[0][:SHOWN]}://; plain HTTP belongs in settings."
        raise _BadReferenceError("it is a URL", hint)
    if re.fullmatch(r"[a-f0-9]{64}", text):
        hint = "Name the repository too: registry/repository@sha256:..."
        raise _BadReferenceError("it is a bare image ID", hint)


def _check_digest(digest: str) -> None:
    if _DIGEST.fullmatch(digest):
        return
    if digest.startswith(("sha512:", "sha384:")):
        raise _BadReferenceError("only sha256 digests are supported")
    hint = "A digest is sha256: and 64 of 0-9 and a-f."
    raise _BadReferenceError("what follows @ is no digest", hint)


def _check_repository(repository: str) -> None:
    if not repository:
        raise _BadReferenceError("the repository is missing")
    if repository != repository.lower():
        raise _BadReferenceError("a repository is all lower case", f"Try {repository.lower()!r}.")
    for component in repository.split("/"):
        if not _COMPONENT.fullmatch(component):
            what = f"{component[:SHOWN]!r} is no part of a repository"
            raise _BadReferenceError(what, "Parts are letters and digits, joined by . _ __ or -.")


def _is_host(first: str) -> bool:
    """Tell whether the part before the first slash is a registry, by docker's rule."""
    return first.lower() == "localhost" or any(mark in first for mark in ".:[")


def _host(text: str) -> str:
    """Check `host[:port]`, and write it in lower case, as DNS does not tell case apart."""
    host, port = split_port(text.lower(), _bad_host)
    if host.startswith("["):
        _check_address(host)
    elif not _HOST.fullmatch(host):
        raise _bad_host(text)
    return _ALIASES.get(host, host) + port


def split_port(text: str, problem: Callable[[str], Exception]) -> tuple[str, str]:
    """Split `host[:port]` into host and `:port` (or nothing); raises what `problem` makes."""
    host, bracket, rest = text.partition("]") if text.startswith("[") else ("", "", text)
    name, colon, port = rest.partition(":")
    wrong = colon and not (port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65536)
    if wrong or (bracket and name):
        raise problem(text)
    return host + bracket + name, colon + port


def _bad_host(text: str) -> Exception:
    return _BadReferenceError(f"{text[:SHOWN]!r} is no registry host")


def _check_address(host: str) -> None:
    import ipaddress

    try:
        if not host.endswith("]") or "%" in host:
            raise ValueError  # noqa: TRY301 - no bracket, or a scope that is only this host's
        ipaddress.IPv6Address(host[1:-1])
    except ValueError:
        raise _bad_host(host) from None
