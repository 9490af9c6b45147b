# SPDX-License-Identifier: Apache-2.0
"""Under which name an archive's image is loaded: what an archive calls itself proves nothing.

Names that the program or the settings start containers from are reserved: only an image whose
digest is known gets one of them, or one for which whoever loads it gives name or digest. The same
holds for a name under which the engine has another image, for something may be started from that.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

from launcher import own_images
from launcher.errors import ImageError
from launcher.references import Reference
from launcher.settings.admin import DEFAULT_IMAGE as ADMIN
from launcher.settings.bootstrap import DEFAULT_IMAGE as BOOTSTRAP

if TYPE_CHECKING:
    from collections.abc import Iterable

    from launcher.incoming import Incoming
    from launcher.runtimes.base import Runtime
    from launcher.settings import Settings

_HINT: Final = (
    "Compare its digest with one that you trust and give that (--digest), "
    "or say that it is to have this name (--name)."
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What whoever loads an archive says of it.

    `name` is what it is to be called, `digest` what it must be; `reserved` are names that the
    settings give, with the digests that they pin.
    """

    name: Reference | None = None
    digest: str = ""
    reserved: tuple[Reference, ...] = ()


def terms(settings: Settings, *, name: str = "", digest: str = "") -> Terms:
    """The terms of a command line; `ImageError("image.reference")` for what cannot be read."""
    wanted = Reference.parse(name) if name else None
    if digest:  # with whatever name: a reference knows how a digest is written
        digest = Reference.parse(f"localhost/x@{digest}").digest
    elif wanted:
        digest = wanted.digest
    containers = settings.bootstrap_containers.values()
    sources = [settings.admin.source, settings.toolbox.source, *(c.source for c in containers)]
    return Terms(name=wanted, digest=digest, reserved=tuple(_references(sources)))


def _references(sources: Iterable[str]) -> Iterable[Reference]:
    for source in sources:
        try:
            yield Reference.parse(source)
        except ImageError:  # it is told where it is used; nothing can be called so
            continue


def choose(incoming: Incoming, terms: Terms, runtime: Runtime) -> str:
    """The name to load it under; `ImageError` (`image.digest`, `image.reserved`)."""
    known = {incoming.config_digest, incoming.manifest.digest}
    if terms.digest and terms.digest not in known:
        message = f"the archive holds {incoming.config_digest}, and {terms.digest} is expected"
        raise ImageError("image.digest", message, "Find out who changed it; do not use it.")
    if terms.name:
        return terms.name.local_name()
    name = incoming.name()
    if terms.digest or _is_proven(name, known, terms):
        return name
    if problem := _problem(name, known, terms, runtime):
        message = (
            f"the archive calls its image {name}, and {problem}: it is {incoming.config_digest}"
        )
        raise ImageError("image.reserved", message, _HINT, name=name, **_digests(incoming))
    return name


def _is_proven(name: str, known: set[str], terms: Terms) -> bool:
    repository = Reference.parse(name).name()
    own = own_images.digests().get(repository)
    pins = {each.digest for each in terms.reserved if each.name() == repository}
    return bool(known & {own, *pins})


def _problem(name: str, known: set[str], terms: Terms, runtime: Runtime) -> str:
    reserved = [Reference.parse(ADMIN), Reference.parse(BOOTSTRAP), *terms.reserved]
    if Reference.parse(name).name() in {each.name() for each in reserved}:
        return "that name is reserved for an image whose digest is known"
    held = runtime.find_image(name)
    if held and not known & {held.runs_as, held.config_digest, held.manifest_digest}:
        return f"{runtime.name} has another image of that name"
    return ""


def _digests(incoming: Incoming) -> dict[str, str]:
    return {
        "config_digest": incoming.config_digest,
        "manifest_digest": incoming.manifest.digest,
    }
