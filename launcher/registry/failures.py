# SPDX-License-Identifier: Apache-2.0
"""What goes wrong between us and a registry, as codes, sentences and hints: pure.

No text of the server and no URL goes into a message: both can carry tokens.
"""

from __future__ import annotations

import re
import socket
from typing import Any, Final

from launcher.errors import ImageError

_ERROR_CODE = re.compile(rb'"code"\s*:\s*"([A-Z][A-Z_]{1,40})"')


class RegistryError(ImageError):
    """A failure of one endpoint; `transient` ones are worth another try after `retry_after` s."""

    def __init__(
        self,
        code: str,
        message: str,
        hint: str = "",
        *,
        transient: bool = False,
        retry_after: float = 0.0,
        **details: Any,
    ) -> None:
        super().__init__(code, message, hint, **details)
        self.transient = transient
        self.retry_after = retry_after


HINT_DNS: Final = "Check the spelling, /etc/resolv.conf, or set a mirror that this host can reach."
HINT_TCP: Final = "Check the port, the network and HTTPS_PROXY/NO_PROXY, or set a mirror."
HINT_TLS: Final = "Set ca-file for this registry, or SSL_CERT_FILE."
HINT_NO_TLS: Final = "If it speaks plain HTTP, set plain-http = true for it."
HINT_TIMEOUT: Final = "Try again, raise --timeout, or set a nearer mirror."
HINT_LOGIN: Final = (
    "Set credentials for it in the settings, or name an authfile with a fresh login."
)
HINT_FORBIDDEN: Final = "Check the name, and that this account may pull it."
HINT_NAME: Final = "Check repository and tag, and that the image was pushed there."
HINT_SERVER: Final = "Try again later, or set a mirror."


def from_status(status: int, place: str, body: bytes, *, retry_after: float) -> RegistryError:
    """Tell what an HTTP status means for `place` (registry/repository)."""
    match = _ERROR_CODE.search(body)
    details: dict[str, Any] = {"status": status}
    if match:
        details["registry_code"] = match[1].decode()
    said = f"{status}{f' {match[1].decode()}' if match else ''}"
    if status == 401:
        return unauthorized(place, **details)
    if status == 403:
        message = f"{place}: the registry refuses access ({said})"
        return RegistryError("image.forbidden", message, HINT_FORBIDDEN, **details)
    if status == 404:
        message = f"{place}: the registry has no such image ({said})"
        return RegistryError("image.not-found", message, HINT_NAME, **details)
    if status == 400 and b"HTTP request to an HTTPS server" in body:
        message = f"{place}: the registry wants TLS"
        hint = "Remove plain-http = true for it, or set it to false."
        return RegistryError("image.tls", message, hint, **details)
    message = f"{place}: the registry failed ({said})"
    transient = status == 429 or status >= 500
    return RegistryError(
        "image.registry",
        message,
        HINT_SERVER,
        transient=transient,
        retry_after=retry_after,
        **details,
    )


def unauthorized(place: str, why: str = "", **details: Any) -> RegistryError:
    message = f"{place}: the registry wants {why or 'other credentials'}"
    return RegistryError("image.unauthorized", message, HINT_LOGIN, **details)


def nonsense(place: str, what: str) -> RegistryError:
    """Tell that an answer makes no sense; asking again would not help."""
    return RegistryError("image.registry", f"{place}: {what}", HINT_SERVER)


def truncated(place: str) -> RegistryError:
    message = f"{place}: the connection ended in the middle"
    return RegistryError("image.truncated", message, HINT_SERVER, transient=True)


def wrong_digest(place: str, what: str) -> RegistryError:
    message = f"{place}: {what} is not what its digest says"
    hint = "Do not use this image: a proxy, a mirror or the registry changed it."
    return RegistryError("image.digest", message, hint)


def timed_out(place: str) -> RegistryError:
    message = f"{place}: the registry did not answer in time"
    return RegistryError("image.timeout", message, HINT_TIMEOUT, transient=True)


def explain(error: Exception, place: str, *, midway: bool) -> RegistryError:
    """Tell what an error of the network or of http.client means; `midway`: a body was coming."""
    import http.client
    import ssl

    if isinstance(error, socket.gaierror | UnicodeError):
        again = isinstance(error, OSError) and error.errno == socket.EAI_AGAIN
        why = error.strerror if isinstance(error, OSError) else "it is no name"
        message = f"{place}: the registry's name does not resolve ({why})"
        return RegistryError("image.dns", message, HINT_DNS, transient=again)
    if isinstance(error, TimeoutError):
        return timed_out(place)
    if midway:
        return truncated(place)
    if isinstance(error, ssl.SSLError):
        return _tls(error, place)
    if isinstance(error, ConnectionError) and not isinstance(error, ConnectionRefusedError):
        message = f"{place}: the registry closed the connection without an answer"
        return RegistryError("image.tcp", message, HINT_TCP, transient=True)
    if isinstance(error, http.client.HTTPException):
        return nonsense(place, "what answers speaks no HTTP")
    why = error.strerror if isinstance(error, OSError) and error.strerror else "refused by a proxy"
    return RegistryError("image.tcp", f"{place}: cannot connect ({why})", HINT_TCP)


def _tls(error: Any, place: str) -> RegistryError:
    import ssl

    if isinstance(error, ssl.SSLCertVerificationError):
        message = f"{place}: the registry's certificate is not trusted ({error.verify_message})"
        return RegistryError("image.tls", message, HINT_TLS)
    reason = (error.reason or "no reason given").replace("_", " ").lower()
    return RegistryError("image.tls", f"{place}: TLS failed ({reason})", HINT_NO_TLS)
