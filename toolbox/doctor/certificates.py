# SPDX-License-Identifier: Apache-2.0
"""Certificates of kubelet, Kubernetes and etcd: when they end."""

from __future__ import annotations

import base64
import binascii
import contextlib
import dataclasses
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from toolbox.doctor.diagnosis import Diagnosis, count

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PLACES: Final = (
    "/etc/kubernetes/pki/**/*.crt", "/etc/kubernetes/*.conf", "/var/lib/kubelet/pki/*.pem",
    "/var/lib/kubelet/pki/*.crt", "/var/lib/kubelet/kubeconfig", "/etc/containerd/certs.d/**/*.crt",
    "/etc/etcd/**/*.crt", "/etc/kubernetes/**/*.pem",
)  # fmt: skip
_SOON: Final = 14.0  # days
_MOST_BYTES: Final = 1 << 20
_MOST_FILES: Final = 300
_PEM: Final = re.compile(rb"-----BEGIN CERTIFICATE-----[^-]{1,65536}-----END CERTIFICATE-----")
_DATED: Final = re.compile(r"(.+?)-[0-9].*\.pem")  # kubelet-client-2026-11-21-13-45-00.pem
_DATA: Final = re.compile(rb"certificate(?:-authority)?-data:\s*([A-Za-z0-9+/=]+)")


@dataclasses.dataclass(frozen=True, slots=True)
class Certificate:
    """Times are seconds since the epoch; nothing of the key is kept."""

    path: str
    subject: str
    begins: float
    ends: float


def read(places: Sequence[str] = PLACES) -> tuple[Certificate, ...]:
    """Every certificate in the usual places, also those within a kubeconfig."""
    paths: dict[str, Path] = {}
    for pattern in places:
        for path in Path("/").glob(pattern.lstrip("/")):
            with contextlib.suppress(OSError):
                # kubelet-client-current.pem is a link to the dated one.
                if not _superseded(path):
                    paths.setdefault(str(path.resolve()), path)
    return tuple(
        certificate for path in list(paths.values())[:_MOST_FILES] for certificate in of_file(path)
    )


def _superseded(path: Path) -> bool:
    """Whether it stays beside its successor, as kubelet leaves what it has rotated."""
    if not (match := _DATED.fullmatch(path.name)):
        return False
    current = path.with_name(f"{match[1]}-current.pem")
    return current.is_file() and current.resolve() != path.resolve()


def of_file(path: Path) -> Iterator[Certificate]:
    with contextlib.suppress(OSError):
        if path.is_file() and path.stat().st_size <= _MOST_BYTES:
            content = path.read_bytes()
            for block in _blocks(content):
                with contextlib.suppress(ValueError):
                    yield _decoded(str(path), block)


def _blocks(content: bytes) -> Iterator[bytes]:
    yield from _PEM.findall(content)
    for data in _DATA.findall(content):
        with contextlib.suppress(binascii.Error):
            yield from _PEM.findall(base64.b64decode(data))


def _decoded(path: str, block: bytes) -> Certificate:
    from cryptography import x509

    certificate = x509.load_pem_x509_certificate(block)
    return Certificate(
        path,
        certificate.subject.rfc4514_string(),
        certificate.not_valid_before_utc.timestamp(),
        certificate.not_valid_after_utc.timestamp(),
    )


def check(certificates: Sequence[Certificate], now: float | None = None) -> Iterator[Diagnosis]:
    now = time.time() if now is None else now
    over = [each for each in certificates if each.ends <= now]
    soon = [each for each in certificates if now < each.ends <= now + _SOON * 86400]
    early = [each for each in certificates if each.begins > now]
    if over:
        yield Diagnosis(
            "certificates.expired", "critical",
            f"{count(len(over), 'certificate')} expired", _lines(over, now),
            "Renew them (`kubeadm certs renew`, or let kubelet rotate its own), then restart "
            "whoever uses them.",
        )  # fmt: skip
    if soon:
        yield Diagnosis(
            "certificates.expiring", "warning",
            f"{count(len(soon), 'certificate')} will expire within {_SOON:.0f} days",
            _lines(soon, now), "Renew them in time.",
        )  # fmt: skip
    if early:
        yield Diagnosis(
            "certificates.not-yet-valid", "critical",
            f"{count(len(early), 'certificate is', 'certificates are')} not yet valid",
            _lines(early, now),
            "Most likely this host's clock is wrong.",
        )  # fmt: skip


def _lines(certificates: Sequence[Certificate], now: float) -> tuple[str, ...]:
    return tuple(
        f"{each.path}: {each.subject}, {_validity(each, now)}"
        for each in sorted(certificates, key=lambda each: each.ends)
    )


def _validity(each: Certificate, now: float) -> str:
    """The end of its validity that matters now."""
    if each.begins > now:
        return f"not valid before {_moment(each.begins)} (in {_days(each.begins - now)})"
    if each.ends <= now:
        return f"expired {_moment(each.ends)} ({_days(now - each.ends)} ago)"
    return f"expires {_moment(each.ends)} (in {_days(each.ends - now)})"


def _moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds))


def _days(seconds: float) -> str:
    return count(int(seconds // 86400), "day") if seconds >= 86400 else "less than a day"


def render(certificates: Sequence[Certificate]) -> str:
    return "\n".join(_lines(certificates, time.time())) + "\n"
