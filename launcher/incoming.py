# SPDX-License-Identifier: Apache-2.0
"""Image archives that someone hands over: looked into, checked, never extracted.

`docker save` and `podman save` (both formats) are read from where they lie in the tar, gzip around
them or not, and come out as one manifest, which `launcher.archive` writes for any engine. Whatever
is in them, it is read in bounded memory, and unpacks to no more than is allowed.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import posixpath
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, cast

import msgspec

from launcher import disk_space, files, layers
from launcher.archive import CONTAINERD_NAME, OCI_NAME
from launcher.errors import ImageError, SettingsError
from launcher.layers import CHUNK, GZIP, Budget, Section, TooLargeError
from launcher.references import Reference
from launcher.registry import manifests, platform
from launcher.tar_headers import TarError, members

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from launcher.layers import Layer
    from launcher.tar_headers import Member

MEMBERS_LIMIT: Final = 20_000
LINKS_LIMIT: Final = 8
LAYERS_LIMIT: Final = 256  # engines stop at 127
NAMES_LIMIT: Final = 16
_LAYER: Final = "application/vnd.oci.image.layer.v1.tar"
_HINT: Final = "Make it with docker save or podman save, of one image, plain or gzipped."
_LIMIT_HINT: Final = "Raise archive-limit in [images] if it is meant to be that large."


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What an archive may come to: bytes, unpacked; files in its layers; bytes left on disks."""

    unpacked: int = 8 * 2**30
    files: int = 1_000_000
    reserve: int = 256 * 2**20


@dataclasses.dataclass(frozen=True, slots=True)
class Incoming:
    """The image in an archive.

    `names` are canonical references, possibly none; `place` says where each blob lies. Its files
    take about `needs` bytes of disk and `files` inodes.
    """

    names: tuple[str, ...]
    manifest: manifests.Manifest
    labels: dict[str, str]
    needs: int
    files: int
    tar: _Tar
    place: dict[str, Member]

    @property
    def config_digest(self) -> str:
        return self.manifest.config.digest

    def name(self) -> str:
        """Give the name that it has for itself: its first, or one made of its digest."""
        return self.names[0] if self.names else f"localhost/loaded:{self.config_digest[7:19]}"

    def read(self, blob: manifests.Descriptor) -> Iterator[bytes]:
        """Give a blob once more; `ImageError` at its end when it is no longer what it was."""
        import hashlib

        found = hashlib.sha256()
        for chunk in self.tar.chunks(self.place[blob.digest]):
            found.update(chunk)
            yield chunk
        if found.hexdigest() != blob.digest[7:]:
            raise _bad("it was changed while it was read")


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
def inspect_archive(
    source: Path | IO[bytes], *, scratch: Path, limits: Limits | None = None
) -> Iterator[Incoming]:
    """Open an archive (a path or a stream) and check every byte of the image in it.

    What cannot be read twice goes through an unnamed file in the directory `scratch`. Raises
    `ImageError("image.archive")`, `ImageError("image.platform")`, or `HostError` (disk full).
    """
    limits = limits or Limits()
    with contextlib.ExitStack() as stack:
        stream = _seekable(source, scratch, limits, stack)
        try:
            incoming = _read(_Tar(stream, limits), limits)
        except ImageError as error:
            if error.code != "image.registry":  # what a registry is blamed for is not it here
                raise
            raise _bad(error.message) from None
        except TooLargeError as error:
            raise _too_large(str(error), limits) from None
        except TarError as error:
            raise _bad(str(error)) from None
        except (OSError, EOFError, ValueError, RecursionError):
            raise _bad("it is no tar, or a damaged one") from None
        yield incoming


def _seekable(
    source: Path | IO[bytes], scratch: Path, limits: Limits, stack: contextlib.ExitStack
) -> IO[bytes]:
    """Open the archive; a pipe and what is in gzip is copied first."""
    import gzip
    import zlib

    opened = source if not isinstance(source, Path) else _open(source, stack)
    if not opened.seekable():
        opened = _copied(opened, scratch, limits, stack)
    start = opened.read(2)
    opened.seek(0)
    if start != GZIP:
        return opened
    try:
        unpacked = stack.enter_context(gzip.GzipFile(fileobj=opened))
        return _copied(cast("IO[bytes]", unpacked), scratch, limits, stack)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise _bad("its gzip is damaged") from None


def _open(path: Path, stack: contextlib.ExitStack) -> IO[bytes]:
    try:
        return stack.enter_context(path.open("rb"))
    except OSError as error:
        message = f"cannot read {path}: {error.strerror}"
        raise SettingsError("settings.unreadable", message, "Check the path.") from None


def _copied(
    stream: IO[bytes], scratch: Path, limits: Limits, stack: contextlib.ExitStack
) -> IO[bytes]:
    with files.explained(scratch):
        # Without a name: nothing is left when we are killed.
        unnamed = tempfile.TemporaryFile(dir=scratch)  # noqa: SIM115 - the stack closes it
        copy = cast("IO[bytes]", stack.enter_context(unnamed))
    copied = 0
    while chunk := stream.read(CHUNK):
        copied += len(chunk)
        if copied > limits.unpacked:
            raise _too_large("it unpacks to too much", limits)
        with files.explained(scratch):
            # Asked each time: others write there as well.
            disk_space.check(scratch, len(chunk), reserve=limits.reserve)
            copy.write(chunk)
    with files.explained(scratch):
        copy.seek(0)
    return copy


class _Tar:
    """The regular files in a tar by name, links followed inside it; it is a stream of headers."""

    def __init__(self, stream: IO[bytes], limits: Limits) -> None:
        self._stream = stream
        self._length = stream.seek(0, io.SEEK_END)
        if self._length > limits.unpacked:
            raise TooLargeError("it is too large")
        stream.seek(0)
        self.read = stream.read
        found = members(self, MEMBERS_LIMIT)
        self._members = {posixpath.normpath(member.name): member for member in found}

    def skip(self, size: int) -> None:
        if self._stream.seek(size, io.SEEK_CUR) > self._length:
            raise TarError("it is cut off")

    def find(self, name: str) -> Member | None:
        """Find a file; links (docker save has them for layers that repeat) stay inside."""
        name = posixpath.normpath(name)
        for _ in range(LINKS_LIMIT):
            member = self._members.get(name)
            if member is None or member.is_regular:
                return member
            base = posixpath.dirname(name) if member.is_symbolic_link else ""
            name = posixpath.normpath(posixpath.join(base, member.link))
        return None

    def require(self, name: str) -> Member:
        member = self.find(name)
        if member is None:
            raise _bad(f"it lacks {name[:100]!r}")
        return member

    def content(self, name: str, limit: int) -> bytes:
        return self.content_of(self.require(name), limit)

    def content_of(self, member: Member, limit: int) -> bytes:
        if member.size > limit:
            raise _bad(f"{member.name[:100]!r} in it is too large")
        return b"".join(self.chunks(member))

    def chunks(self, member: Member) -> Iterator[bytes]:
        return Section(self._stream, member.start, member.size).chunks()

    def measure(self, found: Iterable[Member], limits: Limits) -> dict[Member, Layer]:
        """Measure the layers, each once, however often it is named."""
        budget = Budget(limits.unpacked, limits.files)
        measured: dict[Member, Layer] = {}
        for member in found:
            if member not in measured:
                section = Section(self._stream, member.start, member.size)
                blob = cast("IO[bytes]", io.BufferedReader(section, CHUNK))
                measured[member] = layers.measure(blob, budget)
        return measured


def _read(tar: _Tar, limits: Limits) -> Incoming:
    saved = _saved(tar) if tar.find("manifest.json") else []
    if tar.find("index.json"):
        names, manifest = _layout(tar, saved)
        _check_count(manifest.layers)
        place = {blob.digest: tar.require(_path(blob.digest)) for blob in manifest.blobs()}
        measured = tar.measure((place[blob.digest] for blob in manifest.layers), limits)
    elif len(saved) == 1:
        names = tuple(saved[0].repo_tags or ())
        _check_count(saved[0].layers)
        measured = tar.measure((tar.require(name) for name in saved[0].layers), limits)
        manifest, place = _convert(tar, saved[0], measured)
    else:
        raise _bad(f"it holds {len(saved)} images" if saved else "it holds no image")
    config = tar.content_of(place[manifest.config.digest], manifests.CONFIG_LIMIT)
    if manifests.digest_of(config) != manifest.config.digest:
        raise _damaged(manifest.config)
    _check_layers(manifest, config, [measured[place[blob.digest]] for blob in manifest.layers])
    manifests.check_platform(config, platform.this(), "the archive's image")
    labels = manifests.read_config(config, "the archive").labels()
    needs = sum(layer.needs for layer in measured.values())
    count = sum(layer.members for layer in measured.values())
    return Incoming(_canonical(names), manifest, labels, needs, count, tar, place)


def _check_count(found: tuple[manifests.Descriptor, ...] | list[str]) -> None:
    if len(found) > LAYERS_LIMIT:
        raise _bad("it has too many layers")


def _check_layers(manifest: manifests.Manifest, config: bytes, found: list[Layer]) -> None:
    """Compare the blobs with the manifest, and what is in them with the configuration."""
    for blob, layer in zip(manifest.layers, found, strict=True):
        if (layer.digest, layer.size) != (blob.digest, blob.size):
            raise _damaged(blob)
    expected = manifests.read_config(config, "the archive").diff_ids()
    if expected != [layer.diff_id for layer in found]:
        raise _bad("its layers are not those of its configuration")


def _damaged(blob: manifests.Descriptor) -> ImageError:
    return _bad(f"the blob {blob.digest[7:19]} in it is damaged")


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


def _convert(
    tar: _Tar, saved: _Saved, measured: dict[Member, Layer]
) -> tuple[manifests.Manifest, dict[str, Member]]:
    """Make a manifest for docker's old form, which has none; its layers are plain tars."""
    content = tar.content(saved.config, manifests.CONFIG_LIMIT)
    described = manifests.Descriptor(
        manifests.OCI_CONFIG, manifests.digest_of(content), len(content)
    )
    found = [measured[tar.require(name)] for name in saved.layers]
    descriptors = [
        manifests.Descriptor(_layer_type(layer), layer.digest, layer.size) for layer in found
    ]
    place = {layer.digest: member for member, layer in measured.items()}
    place[described.digest] = tar.require(saved.config)
    return manifests.compose(described, descriptors), place


def _layer_type(layer: Layer) -> str:
    return f"{_LAYER}+{layer.compression}" if layer.compression else _LAYER


def _canonical(names: tuple[str, ...]) -> tuple[str, ...]:
    """Normalise the names; those that no engine would take are left out."""
    found = []
    for name in names[:NAMES_LIMIT]:
        with contextlib.suppress(ImageError):
            found.append(Reference.parse(name).local_name())
    return tuple(dict.fromkeys(found))


def _path(digest: str) -> str:
    return "blobs/" + digest.replace(":", "/")


def _bad(what: str, hint: str = _HINT) -> ImageError:
    return ImageError("image.archive", f"the image archive cannot be taken: {what}", hint)


def _too_large(what: str, limits: Limits) -> ImageError:
    return _bad(f"{what}; the limit is {limits.unpacked // 2**20} MiB", _LIMIT_HINT)
