# SPDX-License-Identifier: Apache-2.0
"""What sshd is told: its configuration as a pure function of the door's spec."""

from __future__ import annotations

import subprocess

from admin_image import algorithms, keys_command, principals
from admin_image.errors import DoorError
from admin_image.spec import (
    CA_FILE,
    HOST_KEY_FILES,
    KEYS_FILE,
    PRINCIPALS_FILE,
    REVOKED_FILE,
    DoorSpec,
)

SSHD = "/usr/sbin/sshd"
# Gives each connection a memory group of its own; see there.
SESSION = "/usr/lib/hatchway/session"
CONFIG_FILE = "/etc/ssh/sshd_config"
TIME_LIMIT = 20.0
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_FIXED = f"""\
RequiredRSASize 2048
PidFile none
SshdSessionPath {SESSION}
UsePAM yes
UseDNS no
StrictModes yes
LogLevel VERBOSE
VersionAddendum none
DebianBanner no

AuthenticationMethods publickey
PubkeyAuthentication yes
PasswordAuthentication no
KbdInteractiveAuthentication no
HostbasedAuthentication no
GSSAPIAuthentication no
KerberosAuthentication no
PermitEmptyPasswords no
PermitRootLogin no
AuthorizedKeysFile {KEYS_FILE}
RevokedKeys {REVOKED_FILE}

AllowTcpForwarding yes
GatewayPorts no
AllowAgentForwarding no
AllowStreamLocalForwarding no
X11Forwarding no
PermitTunnel no
PermitUserEnvironment no
PermitUserRC no
PermitTTY yes
Subsystem sftp internal-sftp -d %d/files

LoginGraceTime 20
MaxAuthTries 20
MaxSessions 64
MaxStartups 10:30:60
ClientAliveInterval 30
ClientAliveCountMax 4
TCPKeepAlive yes
PerSourcePenalties authfail:1s grace-exceeded:10s max:60s
PerSourcePenaltyExemptList 127.0.0.0/8,::1/128
PrintLastLog no
PrintMotd yes
SetEnv PATH={PATH} LANG=C.UTF-8 HOST=/host container=hatchway SYSTEMD_IGNORE_CHROOT=1
"""


def config(spec: DoorSpec) -> str:
    """Write sshd_config; `DoorError` when a field of the spec could not stand in it."""
    offer = offered(spec)
    lines = [
        "# Written at every start from the launcher's spec.",
        f"Port {_port(spec.port)}",
        *_listen(spec),
        f"AllowUsers {_word(spec.user)}",
        *(f"HostKey {HOST_KEY_FILES[kind]}" for kind in offer.host_keys),
        f"HostKeyAlgorithms {','.join(offer.host_keys)}",
        f"KexAlgorithms {_list(spec.key_exchange_algorithms, offer.kex)}",
        f"Ciphers {_list(spec.ciphers, offer.ciphers)}",
        f"MACs {_list(spec.macs, offer.macs)}",
        f"CASignatureAlgorithms {_list(spec.ca_signature_algorithms, algorithms.CA_SIGNATURES)}",
        *(["PubkeyAuthOptions verify-required"] if spec.verify_required else []),
        *_authorities(spec),
        *_keys_command(spec),
    ]
    return "\n".join(lines) + "\n" + _FIXED


def offered(spec: DoorSpec) -> algorithms.Offer:
    """What the policy offers."""
    if spec.ssh_policy not in algorithms.OFFERS:
        raise DoorError("door.spec", f"{spec.ssh_policy!r} is no SSH policy")
    return algorithms.OFFERS[spec.ssh_policy]


def check(path: str = CONFIG_FILE) -> None:
    """Let sshd judge its configuration and keys; `DoorError` with its own words."""
    done = subprocess.run(
        (SSHD, "-t", "-f", path),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIME_LIMIT,
        check=False,
        env={"PATH": PATH},
    )
    if done.returncode:
        words = done.stderr.strip().replace("\r", "") or f"sshd -t ended with {done.returncode}"
        raise DoorError("door.sshd-config", words)


def _listen(spec: DoorSpec) -> list[str]:
    if not spec.listen:
        return []
    address = _word(spec.listen)
    return [f"ListenAddress [{address}]" if ":" in address else f"ListenAddress {address}"]


def _authorities(spec: DoorSpec) -> list[str]:
    lines = [f"TrustedUserCAKeys {CA_FILE}"] if spec.trusted_cas else []
    names = PRINCIPALS_FILE if spec.principals else ""
    if most := int(spec.certificate_lifetime):
        command = principals.command(most, names)
        lines += [
            f"AuthorizedPrincipalsCommand {command}",
            "AuthorizedPrincipalsCommandUser nobody",
        ]
    elif names:
        lines.append(f"AuthorizedPrincipalsFile {names}")
    return lines


def _keys_command(spec: DoorSpec) -> list[str]:
    if not (command := spec.authorized_keys_command):
        return []
    if not command.startswith("/") or not command.isprintable():
        raise DoorError("door.spec", f"authorized-keys-command is no absolute path: {command!r}")
    user = _word(spec.authorized_keys_command_user or keys_command.DEFAULT_USER)
    return [f"AuthorizedKeysCommand {command}", f"AuthorizedKeysCommandUser {user}"]


def _list(wanted: tuple[str, ...], own: tuple[str, ...]) -> str:
    try:
        return ",".join(map(_word, algorithms.combine(wanted, own)))
    except ValueError as error:
        raise DoorError("door.sshd-config", f"the spec {error}") from None


def _port(port: int) -> int:
    if not 0 < port < 65536:
        raise DoorError("door.spec", f"{port} is no port")
    return port


def _word(text: str) -> str:
    """Only what cannot end a word or a line of sshd_config, nor begin a comment or a string."""
    if not text or not text.isascii() or not text.isprintable() or set(text) & set(" \"'#\\"):
        raise DoorError("door.spec", f"{text!r} cannot stand in sshd_config")
    return text
