# SPDX-License-Identifier: Apache-2.0
"""Who may enter: keys, certificate authorities and principals from every source, checked."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from admin_image import algorithms
from admin_image.algorithms import OFFERS
from admin_image.spec import DEFAULT_USER, IMAGE_USERS, USER_PATTERN, DoorSpec
from launcher import files
from launcher.errors import HostError, SettingsError
from launcher.findings import Finding, raise_errors
from launcher.keys import public_key, revocation, user_data
from launcher.keys.public_key import BadKeyError, PrivateKeyError, PublicKey
from launcher.keys.rules import DEFAULT_RULES, Rules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from admin_image.algorithms import Offer

MOST: Final = 4  # keys that are offered to sshd, which hangs up after six refusals
MAX_FILE: Final = 8 * 2**20  # bytes: 10,000 keys of RSA 4096 are 7 MB
_PRINCIPAL: Final = re.compile(r"[^\s,#\"*?!]{1,256}")
_NO_LOGIN: Final = "this is a CA (`cert-authority`), and no login key: give it by --trusted-ca"
Line = tuple[str, str]  # where it stands, and the line itself


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Where the user says that access comes from. A file `-` is standard input, once.

    `kept_file` holds the keys that this machine's user data names, if it names any: whatever is
    wrong with it keeps nobody else out.
    """

    user: str = ""
    key_files: tuple[str, ...] = ()
    ca_files: tuple[str, ...] = ()
    principals: tuple[str, ...] = ()
    user_data_file: str = ""
    user_data: bytes = b""
    kept_file: str = ""
    revoked_file: str = ""
    rules: Rules = DEFAULT_RULES


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Who may enter, and with what algorithms; `warnings` name each key that was skipped."""

    user: str
    keys: tuple[PublicKey, ...]
    cas: tuple[PublicKey, ...]
    principals: tuple[str, ...]
    data: user_data.UserData
    warnings: tuple[Finding, ...]
    rules: Rules = DEFAULT_RULES
    revoked: bytes = b""

    @property
    def logins(self) -> tuple[PublicKey, ...]:
        """The keys by which one can log in."""
        return tuple(key for key in self.keys if not key.authority)

    @property
    def provable(self) -> tuple[PublicKey, ...]:
        """Keys of which sshd must accept one when it is asked from here.

        Not those that are bound to addresses; none where sshd may refuse the first few by a KRL.
        """
        keys = tuple(key for key in self.logins if not key.bound)
        return () if revocation.is_krl(self.revoked) and len(keys) > MOST else keys[:MOST]

    @property
    def authorities(self) -> tuple[PublicKey, ...]:
        """All CAs: sshd also takes them from among the keys, by `cert-authority`."""
        return (*self.cas, *(key for key in self.keys if key.authority))

    def door(self, *, listen: str, port: int) -> DoorSpec:
        """The part of it that the admin container reads as its specification."""
        return DoorSpec(
            user=self.user,
            listen=listen,
            port=port,
            trusted_cas=bool(self.cas),
            principals=bool(self.principals),
            ssh_policy=self.rules.policy,
            ciphers=self.data.ciphers,
            key_exchange_algorithms=self.data.key_exchange_algorithms,
            macs=self.data.macs,
            ca_signature_algorithms=self.rules.ca_signature_algorithms,
            certificate_lifetime=self.rules.certificate_lifetime,
            verify_required=self.rules.verify_required,
            authorized_keys_command=self.data.authorized_keys_command,
            authorized_keys_command_user=self.data.authorized_keys_command_user,
            password_hash=self.data.password_hash,
        )


def collect(request: Request, stdin: Callable[[int], bytes]) -> Access:
    """Read and check all sources before anything is touched.

    `stdin` reads so many bytes of standard input, and is called at most once. A bad key is
    skipped with a warning while a good one remains. `SettingsError` when something else is wrong,
    when a private key was given, or when nobody could log in.
    """
    read = _Reader(stdin)
    findings: list[Finding] = []
    data = _user_data(request, read, findings)
    key_lines = [line for name in request.key_files for line in _lines(read(name), name)]
    key_lines += _numbered(data.authorized_keys, "user data: ssh.authorized-keys")
    ca_lines = [line for name in request.ca_files for line in _lines(read(name), name)]
    ca_lines += _numbered(data.trusted_cas, "user data: ssh.trusted-user-ca-keys")
    keys = _unique(
        *_parse(key_lines, findings),
        *_parse(_kept(request.kept_file, findings), findings, tolerant=True),
    )
    cas = _authorities(ca_lines, findings)
    revoked = read(request.revoked_file) if request.revoked_file else b""
    if problem := revocation.problem(revoked):
        findings.append(Finding(_place(request.revoked_file), problem))
    else:
        out = revocation.blobs(revoked)
        keys, cas = _besides(keys, out, findings), _besides(cas, out, findings)
    if request.rules.certificate_lifetime:
        keys = _bounded_by_time(keys, findings)
    user = _checked_user(request.user or data.user or DEFAULT_USER, findings)
    for principal in request.principals:
        if not _PRINCIPAL.fullmatch(principal):
            findings += [Finding("principals", "expected a word without blanks or wildcards")]
    raise_errors(findings)
    access = Access(
        user=user, keys=keys, cas=cas, principals=request.principals, data=data,
        warnings=tuple(findings), rules=request.rules, revoked=revoked,
    )  # fmt: skip
    require_some(access)
    return access


class _Reader:
    """Reads each source once: standard input cannot be read again for a second `-`."""

    def __init__(self, stdin: Callable[[int], bytes]) -> None:
        self._stdin = stdin
        self._used = False

    def __call__(self, name: str) -> bytes:
        if name == "-":
            if self._used:
                message = "standard input can be read only once, but `-` is given twice"
                raise SettingsError("settings.unreadable", message)
            self._used = True
            return _bounded(self._stdin(MAX_FILE + 1), "standard input")
        try:
            with Path(name).open("rb") as stream:
                return _bounded(stream.read(MAX_FILE + 1), name)
        except OSError as error:
            message = f"cannot read {name}: {error.strerror}"
            raise SettingsError("settings.unreadable", message, "Check the path.") from None


def _bounded(data: bytes, name: str) -> bytes:
    if len(data) > MAX_FILE:
        message = f"{name} is larger than {MAX_FILE // 2**20} MiB"
        raise SettingsError("settings.unreadable", message, "Is it the right file?")
    return data


def _user_data(
    request: Request, read: Callable[[str], bytes], findings: list[Finding]
) -> user_data.UserData:
    """The file wins over the settings; user data that is there but empty has no keys."""
    raw, place = request.user_data, "user-data"
    if request.user_data_file:
        raw, place = read(request.user_data_file), _place(request.user_data_file)
    if not raw.strip():
        return user_data.UserData()
    data, problems = user_data.parse(raw, place)
    findings += problems
    findings += _of_algorithms(data, OFFERS[request.rules.policy], f"{place}: ssh.")
    return data


def _of_algorithms(data: user_data.UserData, own: Offer, place: str) -> Iterator[Finding]:
    """What sshd would refuse only when everything else has begun."""
    lists = {
        "ciphers": (data.ciphers, algorithms.KNOWN_CIPHERS, own.ciphers),
        "key-exchange-algorithms": (data.key_exchange_algorithms, algorithms.KNOWN_KEX, own.kex),
        "macs": (data.macs, algorithms.KNOWN_MACS, own.macs),
    }
    for name, (wanted, known, offered) in lists.items():
        if problem := algorithms.problem(wanted, known, offered):
            yield Finding(f"{place}{name}", problem)


def _place(name: str) -> str:
    return "standard input" if name == "-" else name


def _lines(data: bytes, name: str) -> list[Line]:
    """The lines that are neither blank nor comment, each with `file:number`."""
    text = data.decode("utf-8", "replace").lstrip("\ufeff")
    numbered = enumerate(text.splitlines(), 1)
    lines = [(f"{_place(name)}:{number}", line.strip()) for number, line in numbered]
    return [(place, line) for place, line in lines if line and not line.startswith("#")]


def _kept(name: str, findings: list[Finding]) -> list[Line]:
    try:
        return _lines(files.read_own(Path(name), limit=MAX_FILE), name) if name else []
    except FileNotFoundError:
        return []
    except (HostError, OSError) as error:
        why = error.message if isinstance(error, HostError) else str(error.strerror)
        findings.append(Finding(name, why, "warning"))
        return []


def _numbered(items: Sequence[str], place: str) -> list[Line]:
    return [(f"{place}[{index}]", item) for index, item in enumerate(items) if item.strip()]


def _parse(
    lines: Iterable[Line], findings: list[Finding], *, tolerant: bool = False
) -> tuple[PublicKey, ...]:
    """The good keys, each once.

    A private key ends it, before any of its lines is looked at; `tolerant` skips it as well.
    """
    found: list[PublicKey] = []
    for place, line in lines:
        try:
            key = public_key.parse(line)
        except PrivateKeyError:
            if tolerant:
                findings.append(Finding(place, "this is a private key", "warning"))
                continue
            message = f"{place}: this is a private key"
            hint = "Give the public half, FILE.pub. Who saw this channel may have the private one."
            raise SettingsError("keys.private", message, hint) from None
        except BadKeyError as problem:
            findings.append(Finding(place, str(problem), "warning"))
        else:
            found.append(dataclasses.replace(key, source=place))
    return _unique(*found)


def _authorities(lines: Iterable[Line], findings: list[Finding]) -> tuple[PublicKey, ...]:
    """The good ones: in the list of CAs sshd passes over a line that has options."""
    found = _parse(lines, findings)
    findings += [
        Finding(key.source, "a CA has no options here: leave out what is before it", "warning")
        for key in found
        if key.options
    ]
    return tuple(key for key in found if not key.options)


def _besides(
    keys: tuple[PublicKey, ...], revoked: frozenset[str], findings: list[Finding]
) -> tuple[PublicKey, ...]:
    findings += [
        Finding(key.source, "this key is revoked", "warning") for key in keys if key.blob in revoked
    ]
    return tuple(key for key in keys if key.blob not in revoked)


def _bounded_by_time(keys: tuple[PublicKey, ...], findings: list[Finding]) -> tuple[PublicKey, ...]:
    """Without CAs: of theirs sshd asks nobody how long a certificate may be valid."""
    message = "a CA among keys knows no max-certificate-lifetime: give it by --trusted-ca"
    findings += [Finding(key.source, message, "warning") for key in keys if key.authority]
    return tuple(key for key in keys if not key.authority)


def _unique(*keys: PublicKey) -> tuple[PublicKey, ...]:
    """Each key once, as it came first."""
    found: dict[str, PublicKey] = {}
    for key in keys:
        found.setdefault(f"{key.options} {key.blob}", key)
    return tuple(found.values())


def parse_good(lines: Iterable[str]) -> tuple[PublicKey, ...]:
    """The keys among lines that were checked before."""
    return _parse((("", line) for line in lines), [])


def _checked_user(user: str, findings: list[Finding]) -> str:
    if not re.fullmatch(USER_PATTERN, user):
        findings.append(Finding("user", f"expected a user name: {USER_PATTERN}"))
    elif user == "root":
        findings.append(Finding("user", "root cannot log in; log in as another and use sudo"))
    elif user in IMAGE_USERS:
        findings.append(Finding("user", f"{user} is an account of the admin image itself"))
    return user


def require_some(access: Access) -> None:
    """`SettingsError` when nobody could log in."""
    if access.logins or access.cas or access.data.authorized_keys_command:
        return
    findings = [*access.warnings, *(Finding(key.source, _NO_LOGIN) for key in access.keys)]
    reasons = "; ".join(map(str, findings)) or "none was given"
    message = f"there is no usable key, so nobody could log in: {reasons}"
    hint = (
        "Give a public key: --key-file ~/.ssh/id_ed25519.pub, or `--key-file -` on standard input."
    )
    details = [{"path": finding.path, "message": finding.message} for finding in findings]
    raise SettingsError("keys.none", message, hint, findings=details)
