# SPDX-License-Identifier: Apache-2.0
"""Image archives that someone hands over: looked into, checked, never extracted.

`docker save` and `podman save` (both formats) are read from where they lie in the tar, gzip around
them or not, and come out as one manifest, which `launcher.archive` writes for any engine.
"""

from __future__ import annotations

import contextlib
import dataclasses
import posixpath
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, cast

import msgspec

from launcher import files
from launcher.archive import CONTAINERD_NAME, OCI_NAME
from launcher.errors import ImageError, SettingsError
from launcher.references import Reference
from launcher.registry import manifests, platform

if TYPE_CHECKING:
    import tarfile
    from collections.abc import Iterator

MEMBERS_LIMIT: Final = 20_000
LINKS_LIMIT: Final = 8
CHUNK: Final = 256 * 1024
GZIP: Final = b"\x1f\x8b"
_LAYER: Final = "application/vnd.oci.image.layer.v1.tar"
_HINT: Final = "Make it with docker save or podman save, of one image, plain or gzipped."


@dataclasses.dataclass(frozen=True, slots=True)
class Incoming:
    """The image in an archive.

    `names` are canonical references, possibly none; `place` says where each blob lies.
    """

    names: tuple[str, ...]
    manifest: manifests.Manifest
    labels: dict[str, str]
    tar: _Tar
    place: dict[str, tarfile.TarInfo]

    @property
    def config_digest(self) -> str:
        return self.manifest.config.digest

    def name(self) -> str:
        """Give the name to load it under: its first, or one made of its digest."""
        return self.names[0] if self.names else f"localhost/loaded:{self.config_digest[7:19]}"

    def read(self, blob: manifests.Descriptor) -> Iterator[bytes]:
        return self.tar.chunks(self.place[blob.digest])


class _Name(msgspec.Struct, rename="camel"):
    digest: str
    annotations: dict[str, str] | None = None


class _Names(msgspec.Struct):
    manifests: list[_Name] = []


class _Saved(msgspec.Struct, rename="pascal"):
    """One image in docker's `manifest.json`."""

    config: str
    layers: list[str]
    repo_tags: list[str] | None = None


@contextlib.contextmanager
def inspect_archive(source: Path | IO[bytes], *, scratch: Path) -> Iterator[Incoming]:
    """Open an archive (a path or a stream) and check every byte of the image in it.

    What cannot be read twice goes through an unnamed file in the directory `scratch`. Raises
    `ImageError("image.archive")`, `ImageError("image.platform")`, or `HostError` (disk full).
    """
    import tarfile

    with contextlib.ExitStack() as stack:
        stream = _seekable(source, scratch, stack)
        try:
            tar = _Tar(stack.enter_context(tarfile.open(fileobj=stream, mode="r:")))
            incoming = _read(tar)
        except ImageError as error:
            if error.code != "image.registry":  # what a registry is blamed for is not it here
                raise
            raise _bad(error.message) from None
        except (tarfile.TarError, OSError, EOFError, ValueError, RecursionError):
            raise _bad("it is no tar, or a damaged one") from None
        yield incoming


def _seekable(source: Path | IO[bytes], scratch: Path, stack: contextlib.ExitStack) -> IO[bytes]:
    """Open the archive; a pipe and what is in gzip is copied first."""
    import gzip
    import zlib

    opened = source if not isinstance(source, Path) else _open(source, stack)
    if not opened.seekable():
        opened = _copied(opened, scratch, stack)
    start = opened.read(2)
    opened.seek(0)
    if start != GZIP:
        return opened
    try:
        unpacked = stack.enter_context(gzip.GzipFile(fileobj=opened))
        return _copied(cast("IO[bytes]", unpacked), scratch, stack)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise _bad("its gzip is damaged") from None


def _open(path: Path, stack: contextlib.ExitStack) -> IO[bytes]:
    try:
        return stack.enter_context(path.open("rb"))
    except OSError as error:
        message = f"cannot read {path}: {error.strerror}"
        raise SettingsError("settings.unreadable", message, "Check the path.") from None


def _copied(stream: IO[bytes], scratch: Path, stack: contextlib.ExitStack) -> IO[bytes]:
    with files.explained(scratch):
        # Without a name: nothing is left when we are killed.
        unnamed = tempfile.TemporaryFile(dir=scratch)  # noqa: SIM115 - the stack closes it
        copy = cast("IO[bytes]", stack.enter_context(unnamed))
    while chunk := stream.read(CHUNK):
        with files.explained(scratch):
            copy.write(chunk)
    with files.explained(scratch):
        copy.seek(0)
    return copy


class _Tar:
    """The regular files in a tar by name, links followed inside it."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self._members: dict[str, tarfile.TarInfo] = {}
        while (member := tar.next()) is not None:
            self._members[posixpath.normpath(member.name)] = member
            if len(self._members) > MEMBERS_LIMIT:
                raise _bad("it has too many members")

    def find(self, name: str) -> tarfile.TarInfo | None:
        """Find a file; links (docker save has them for layers that repeat) stay inside."""
        name = posixpath.normpath(name)
        for _ in range(LINKS_LIMIT):
            member = self._members.get(name)
            if member is None or member.isreg():
                return member
            base = posixpath.dirname(name) if member.issym() else ""
            name = posixpath.normpath(posixpath.join(base, member.linkname))
        return None

    def require(self, name: str) -> tarfile.TarInfo:
        member = self.find(name)
        if member is None:
            raise _bad(f"it lacks {name[:100]!r}")
        return member

    def content(self, name: str, limit: int) -> bytes:
        member = self.require(name)
        if member.size > limit:
            raise _bad(f"{name[:100]!r} in it is too large")
        return b"".join(self.chunks(member))

    def chunks(self, member: tarfile.TarInfo) -> Iterator[bytes]:
        stream = self._tar.extractfile(member)
        assert stream is not None  # noqa: S101 - regular files only, see find()
        while chunk := stream.read(CHUNK):
            yield chunk

    def digest(self, member: tarfile.TarInfo) -> str:
        import hashlib

        found = hashlib.sha256()
        for chunk in self.chunks(member):
            found.update(chunk)
        return "sha256:" + found.hexdigest()


def _read(tar: _Tar) -> Incoming:
    saved = _saved(tar) if tar.find("manifest.json") else []
    if tar.find("index.json"):
        names, manifest = _layout(tar, saved)
        place = {blob.digest: tar.require(_path(blob.digest)) for blob in manifest.blobs()}
    elif len(saved) == 1:
        names = tuple(saved[0].repo_tags or ())
        manifest, place = _convert(tar, saved[0])
    else:
        raise _bad(f"it holds {len(saved)} images" if saved else "it holds no image")
    for blob in manifest.blobs():
        if place[blob.digest].size != blob.size or tar.digest(place[blob.digest]) != blob.digest:
            raise _bad(f"the blob {blob.digest[7:19]} in it is damaged")
    config = b"".join(tar.chunks(place[manifest.config.digest]))
    manifests.check_platform(config, platform.this(), "the archive's image")
    labels = manifests.read_config(config, "the archive").labels()
    return Incoming(_canonical(names), manifest, labels, tar, place)


def _saved(tar: _Tar) -> list[_Saved]:
    data = tar.content("manifest.json", manifests.MANIFEST_LIMIT)
    return msgspec.json.decode(data, type=list[_Saved])


def _layout(tar: _Tar, saved: list[_Saved]) -> tuple[tuple[str, ...], manifests.Manifest]:
    """Read an OCI layout: its index names one manifest, or one index of platforms."""
    body = tar.content("index.json", manifests.MANIFEST_LIMIT)
    index = manifests.parse(body, manifests.OCI_INDEX, "the archive")
    names = tuple(
        found
        for entry in msgspec.json.decode(body, type=_Names).manifests
        for key in (CONTAINERD_NAME, OCI_NAME)
        if (found := (entry.annotations or {}).get(key)) and "/" in found
    )
    names += tuple(tag for image in saved for tag in image.repo_tags or ())
    for _ in range(3):
        if isinstance(index, manifests.Manifest):
            return names, index
        chosen = _one_of(index)
        body = tar.content(_path(chosen.digest), manifests.MANIFEST_LIMIT)
        if manifests.digest_of(body) != chosen.digest:
            raise _bad("its manifest is damaged")
        index = manifests.parse(body, chosen.media_type, "the archive")
    raise _bad("its indexes are nested too deeply")


def _one_of(index: tuple[manifests.Descriptor, ...]) -> manifests.Descriptor:
    """Give the only image, under however many names, or this machine's among platforms."""
    distinct = {entry.digest: entry for entry in index}
    if len(distinct) == 1:
        return index[0]
    if not any(entry.platform for entry in index):
        raise _bad(f"it holds {len(distinct)} images")
    return manifests.choose(index, platform.this(), "the archive")


def _convert(tar: _Tar, saved: _Saved) -> tuple[manifests.Manifest, dict[str, tarfile.TarInfo]]:
    """Make a manifest for docker's old form, which has none; its layers are plain tars."""
    config = tar.require(saved.config)
    layers = [tar.require(name) for name in saved.layers]
    content = tar.content(saved.config, manifests.CONFIG_LIMIT)
    digests = {id(member): tar.digest(member) for member in layers}
    found = [
        manifests.Descriptor(_layer_type(tar, member), digests[id(member)], member.size)
        for member in layers
    ]
    expected = manifests.read_config(content, "the archive").diff_ids()
    plain = all(layer.media_type == _LAYER for layer in found)
    if len(expected) != len(found) or (plain and expected != [layer.digest for layer in found]):
        raise _bad("its layers are not those of its configuration")
    described = manifests.Descriptor(
        manifests.OCI_CONFIG, manifests.digest_of(content), len(content)
    )
    place = {digests[id(member)]: member for member in layers}
    return manifests.compose(described, found), {**place, described.digest: config}


def _layer_type(tar: _Tar, member: tarfile.TarInfo) -> str:
    start = next(tar.chunks(member), b"")
    return f"{_LAYER}+gzip" if start.startswith(GZIP) else _LAYER


def _canonical(names: tuple[str, ...]) -> tuple[str, ...]:
    """Normalise the names; those that no engine would take are left out."""
    found = []
    for name in names:
        with contextlib.suppress(ImageError):
            found.append(Reference.parse(name).local_name())
    return tuple(dict.fromkeys(found))


def _path(digest: str) -> str:
    return "blobs/" + digest.replace(":", "/")


def _bad(what: str) -> ImageError:
    message = f"the image archive cannot be taken: {what}"
    return ImageError("image.archive", message, _HINT)
