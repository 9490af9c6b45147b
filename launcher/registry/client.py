# SPDX-License-Identifier: Apache-2.0
"""One repository as one endpoint serves it: manifests and blobs, verified, with retries."""

from __future__ import annotations

import contextlib
import threading
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from launcher.registry import auth, failures, manifests
from launcher.registry.blobs import Partial, Spool
from launcher.registry.retry import TRIES, again
from launcher.registry.transport import RefusedError, Transport
from launcher.registry.watch import StoppedError, Watch, each

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from launcher.monitor import Monitor
    from launcher.registry.endpoint import Endpoint
    from launcher.registry.manifests import Descriptor, Manifest
    from launcher.registry.transport import Answer

AT_ONCE: Final = 3  # blobs; more only makes a loaded host and a small link worse
ERROR_LIMIT: Final = 64 * 1024
RANGE_ANSWERS: Final = (HTTPStatus.PARTIAL_CONTENT, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)


class Registry:
    """One repository on one endpoint.

    Every method raises `RegistryError` (or another `ImageError`) naming the place, never a secret;
    `HostError` for the spool's disk.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        repository: str,
        *,
        watch: Watch,
        monitor: Monitor,
        namespace: str = "",
        tries: int = TRIES,
        transport: Transport | None = None,
    ) -> None:
        self._endpoint = endpoint
        self._repository = endpoint.repository(repository)
        self._watch = watch
        self._monitor = monitor
        self._namespace = namespace
        self._tries = tries
        self._transport = transport or Transport(watch, ca_file=endpoint.ca_file)
        self._authorization = ""
        self._giving_up = threading.Event()
        self.place = f"{endpoint.host}/{self._repository}"

    def manifest(self, selector: str, arch: str) -> tuple[str, Manifest]:
        """Give the digest that `selector` (tag or digest) names, and its image for `arch`."""
        digest, found = self._manifest(selector)
        if isinstance(found, tuple):
            chosen = manifests.choose(found, arch, self.place)
            _, found = self._manifest(chosen.digest)
        if isinstance(found, tuple):
            raise failures.nonsense(self.place, "an index of indexes is not supported")
        if found.config.size > manifests.CONFIG_LIMIT:
            raise failures.nonsense(self.place, "its configuration is too large")
        return digest, found

    def blobs(self, image: Manifest, spool: Spool, monitor: Monitor, what: str) -> None:
        """Bring all blobs of `image` into `spool`, and tell the monitor of the bytes."""
        spool.prepare(image.blobs())
        tally = _Tally(image.blobs(), monitor, what)
        jobs = [self._job(blob, spool, tally) for blob in image.blobs()]
        self._giving_up.clear()
        each(jobs, at_once=AT_ONCE, give_up=self._give_up)

    def _give_up(self) -> None:
        self._giving_up.set()
        self._watch.interrupt()

    def _job(self, blob: Descriptor, spool: Spool, tally: _Tally) -> Callable[[], None]:
        def job() -> None:
            if spool.has(blob):
                tally.put(blob, blob.size)
                return
            again(
                lambda: self._blob(blob, spool, tally),
                watch=self._watch,
                monitor=self._monitor,
                tries=self._tries,
                progress=lambda: tally.gained(blob),
            )

        return job

    def _manifest(self, selector: str) -> tuple[str, Manifest | tuple[Descriptor, ...]]:
        return again(
            lambda: self._manifest_once(selector),
            watch=self._watch,
            monitor=self._monitor,
            tries=self._tries,
        )

    def _manifest_once(self, selector: str) -> tuple[str, Manifest | tuple[Descriptor, ...]]:
        headers = {"Accept": manifests.ACCEPT}
        with self._open(f"manifests/{selector}", headers) as answer:
            body = self._read(answer, manifests.MANIFEST_LIMIT)
            said = answer.header("Docker-Content-Digest")
            kind = answer.header("Content-Type")
        digest = manifests.digest_of(body)
        wanted = selector if ":" in selector else said
        if wanted.startswith("sha256:") and wanted != digest:
            raise failures.wrong_digest(self.place, "the manifest")
        return digest, manifests.parse(body, kind, self.place)

    def _blob(self, blob: Descriptor, spool: Spool, tally: _Tally) -> None:
        with Partial(spool, blob) as partial:
            resumed = partial.offset > 0
            tally.put(blob, partial.offset)
            if partial.offset < blob.size:
                self._download(blob, partial, tally)
            if partial.finish():
                return
        tally.put(blob, 0)
        failure = failures.wrong_digest(self.place, f"the layer {blob.digest[7:19]}")
        # What an earlier try left may be the damaged part: once more, from the first byte.
        failure.transient = resumed
        raise failure

    def _download(self, blob: Descriptor, partial: Partial, tally: _Tally) -> None:
        headers = {"Range": f"bytes={partial.offset}-"} if partial.offset else {}
        with self._open(f"blobs/{blob.digest}", headers) as answer:
            if partial.offset and not _continues(answer, partial.offset):
                partial.restart()
            if answer.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                raise failures.truncated(self.place)
            self._receive(answer, blob, partial, tally)
        if partial.offset < blob.size:
            raise failures.truncated(self.place)

    def _receive(self, answer: Answer, blob: Descriptor, partial: Partial, tally: _Tally) -> None:
        with self._explained(midway=True):
            for chunk in answer.chunks():
                self._check()
                partial.append(chunk[: blob.size - partial.offset + 1])
                tally.put(blob, partial.offset)
                if partial.offset > blob.size:
                    return  # finish() finds that it is something else

    @contextlib.contextmanager
    def _open(self, path: str, headers: Mapping[str, str]) -> Iterator[Answer]:
        """Ask the registry; authenticates when it wants that."""
        self._check()
        query = f"?{urlencode({'ns': self._namespace})}" if self._namespace else ""
        url = f"{self._endpoint.base_url()}/v2/{self._repository}/{path}{query}"
        with self._explained(midway=False):
            answer = self._transport.get(url, headers, self._authorization)
            if answer.status == HTTPStatus.UNAUTHORIZED and not answer.foreign:
                answer.close()
                self._authorization = self._authenticate(answer.headers("WWW-Authenticate"))
                answer = self._transport.get(url, headers, self._authorization)
        with contextlib.closing(answer):
            resumes = answer.status in RANGE_ANSWERS and "Range" in headers
            if answer.status != HTTPStatus.OK and not resumes:
                raise self._failure(answer)
            yield answer

    def _authenticate(self, headers: list[str]) -> str:
        scope = f"repository:{self._repository}:pull"
        challenges = auth.parse_challenges(headers)
        return auth.authorization(challenges, self._endpoint, self.place, scope, self._transport)

    def _read(self, answer: Answer, limit: int) -> bytes:
        with self._explained(midway=True):
            try:
                return answer.read(limit)
            except ValueError:
                raise failures.nonsense(self.place, "its manifest is too large") from None

    def _failure(self, answer: Answer) -> failures.RegistryError:
        body = b""
        with contextlib.suppress(Exception):  # only to say more about a failure
            body = answer.read(ERROR_LIMIT)
        after = _seconds(answer.header("Retry-After"))
        return failures.from_status(answer.status, self.place, body, retry_after=after)

    def _check(self) -> None:
        self._watch.remaining()
        if self._giving_up.is_set():
            raise StoppedError

    @contextlib.contextmanager
    def _explained(self, *, midway: bool) -> Iterator[None]:
        import http.client

        try:
            yield
        except RefusedError as refused:
            message = f"{self.place}: {refused}"
            raise failures.RegistryError(refused.code, message, failures.HINT_SERVER) from None
        except (OSError, EOFError, UnicodeError, http.client.HTTPException) as error:
            self._check()  # a connection that we cut ourselves is no failure of the registry
            raise failures.explain(error, self.place, midway=midway) from None


class _Tally:
    """Counts the bytes of all blobs together; the monitor hears of the sum."""

    def __init__(self, blobs: tuple[Descriptor, ...], monitor: Monitor, what: str) -> None:
        self._done = dict.fromkeys((blob.digest for blob in blobs), 0)
        self._gained = dict(self._done)
        self._total = sum(blob.size for blob in blobs)
        self._monitor = monitor
        self._what = what
        self._lock = threading.Lock()

    def put(self, blob: Descriptor, done: int) -> None:
        """`done` bytes of `blob` are on disk now."""
        with self._lock:
            self._done[blob.digest] = done
            self._gained[blob.digest] = max(done, self._gained[blob.digest])
            self._monitor.progress(self._what, sum(self._done.values()), self._total)

    def gained(self, blob: Descriptor) -> int:
        return self._gained[blob.digest]


def _continues(answer: Answer, offset: int) -> bool:
    """Tell whether the answer goes on where we stopped: a server may ignore or bend a range."""
    said = answer.header("Content-Range").replace(" ", "")
    return answer.status == HTTPStatus.PARTIAL_CONTENT and said.startswith(f"bytes{offset}-")


def _seconds(retry_after: str) -> float:
    """Read Retry-After: seconds or a date."""
    if retry_after.isdecimal():
        return float(retry_after[:9])
    import email.utils

    with contextlib.suppress(ValueError):
        return max(email.utils.parsedate_to_datetime(retry_after).timestamp() - time.time(), 0.0)
    return 0.0
