# SPDX-License-Identifier: Apache-2.0
"""`look`: what Hatchway reads by itself, on hosts that have no program for it."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Final

from launcher import proc, tcp
from toolbox.doctor import certificates, disks, kernel_log, own, pods, processes
from toolbox.doctor.disks import human

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_STATES: Final = dict(
    enumerate(
        ("ESTABLISHED", "SYN-SENT", "SYN-RECV", "FIN-WAIT-1", "FIN-WAIT-2", "TIME-WAIT", "CLOSE",
         "CLOSE-WAIT", "LAST-ACK", "LISTEN", "CLOSING"),
        1,
    )
)  # fmt: skip
_CGROUPS: Final = Path("/sys/fs/cgroup")
_CGROUP_FILES: Final = (
    *("memory.current", "memory.max", "memory.events", "memory.pressure", "pids.current"),
    *("cpu.stat", "cpu.max", "cpu.pressure", "io.pressure"),
    # The first version's
    *("memory.usage_in_bytes", "memory.limit_in_bytes", "memory.failcnt"),
)
_MOST_CGROUPS: Final = 1000


def kernel() -> str:
    return kernel_log.render(kernel_log.read())


def host() -> str:
    facts = os.uname()
    lines = [f"{facts.sysname} {facts.release} {facts.version} {facts.machine}", facts.nodename]
    return "\n".join([*lines, _text("/proc/uptime"), _text("/proc/loadavg")])


def file_systems() -> str:
    """As df(1) and df -i: by size, then by inodes."""
    lines = [f"{'used':>6} {'left':>12} {'size':>12} {'inodes':>7}  place (source, kind)"]
    lines += [
        f"{each.used:5.1f}% {human(each.free):>12} {human(each.size):>12} "
        f"{each.inodes_used:6.1f}%  {each.mount.title}"
        for each in disks.read().file_systems
    ]
    return "\n".join(lines) + "\n"


def process_table() -> str:
    """Like ps(1), with the command line, which is searched for secrets as everything is."""
    lines = [f"{'pid':>8} {'parent':>8} S {'threads':>7} {'memory':>10} {'cpu s':>9}  command"]
    for each in sorted(processes.look(), key=lambda each: each.pid):
        title = " ".join((proc.title(each.pid) or each.name).split())
        lines.append(
            f"{each.pid:8} {each.parent:8} {each.state} {each.threads:7} {human(each.memory):>10} "
            f"{each.seconds:9.1f}  {title} {each.waits_in}".rstrip()
        )
    return "\n".join(lines) + "\n"


def sockets() -> str:
    """TCP and UDP with the process that holds each, then Unix sockets that listen."""
    found = list(tcp.sockets())
    owners = {inode: process.pid for process, inode in tcp.holders({s.inode for s in found})}
    lines = [
        f"tcp {_STATES.get(int(each.state, 16), each.state):11} {each.address}:{each.port} "
        f"{each.peer}:{each.peer_port} {_owner(owners.get(each.inode))}"
        for each in found
    ]
    for table in ("udp", "udp6"):
        with contextlib.suppress(OSError):
            text = Path("/proc/net", table).read_text(encoding="ascii")
            lines += [
                f"udp {'':11} {each.address}:{each.port} {each.peer}:{each.peer_port}"
                for each in tcp.sockets(text)
            ]
    lines += [f"unix {line}" for line in _text("/proc/net/unix").splitlines()[1:] if "/" in line]
    return "\n".join(lines) + "\n"


def _owner(pid: int | None) -> str:
    name = _text(f"/proc/{pid}/comm").strip() if pid else ""
    return f"{name} (pid {pid})" if pid else ""


def interfaces() -> str:
    """Each interface with its state, counters and addresses."""
    lines = []
    ours = _addresses()
    for place in sorted(Path("/sys/class/net").iterdir()):
        state = _text(place / "operstate").strip()
        counts = " ".join(
            f"{name}={_text(place / 'statistics' / name).strip()}"
            for name in (
                "rx_bytes",
                "tx_bytes",
                "rx_errors",
                "tx_errors",
                "rx_dropped",
                "tx_dropped",
            )
        )
        mac, mtu = _text(place / "address").strip(), _text(place / "mtu").strip()
        lines.append(f"{place.name}: {state} mtu {mtu} {mac} {counts}")
        lines += [f"    {address}" for address in ours.get(place.name, ())]
    return "\n".join(lines) + "\n"


def _addresses() -> dict[str, list[str]]:
    """By interface: IPv4 by ioctl (the first of each), IPv6 from /proc/net/if_inet6."""
    import fcntl
    import struct

    found: dict[str, list[str]] = {}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for _, name in socket.if_nameindex():
            with contextlib.suppress(OSError):
                # SIOCGIFADDR and SIOCGIFNETMASK of linux/sockios.h, with a struct ifreq
                asked = struct.pack("256s", name.encode()[:15])
                address = fcntl.ioctl(sock, 0x8915, asked)[20:24]
                mask = fcntl.ioctl(sock, 0x891B, asked)[20:24]
                net = f"{ipaddress.ip_address(address)}/{ipaddress.ip_address(mask)}"
                found.setdefault(name, []).append(str(ipaddress.ip_interface(net)))
    for line in _text("/proc/net/if_inet6").splitlines():
        raw, _, prefix, _, _, name = line.split()
        address6 = ipaddress.IPv6Address(bytes.fromhex(raw))
        found.setdefault(name, []).append(f"{address6}/{int(prefix, 16)}")
    return found


def routes() -> str:
    """The main tables, from /proc/net/route and ipv6_route."""
    lines = []
    for line in _text("/proc/net/route").splitlines()[1:]:
        name, target, via, flags, _, _, metric, mask, *_ = line.split()
        net = ipaddress.ip_network(f"{_word(target)}/{_word(mask)}", strict=False)
        lines.append(f"{net} via {_word(via)} dev {name} metric {metric} flags {flags}")
    for line in _text("/proc/net/ipv6_route").splitlines():
        fields = line.split()
        target6 = ipaddress.IPv6Address(bytes.fromhex(fields[0]))
        via6 = ipaddress.IPv6Address(bytes.fromhex(fields[4]))
        prefix = int(fields[1], 16)
        lines.append(f"{target6}/{prefix} via {via6} dev {fields[9]} metric {int(fields[5], 16)}")
    return "\n".join(lines) + "\n"


def _word(text: str) -> ipaddress.IPv4Address:
    """An address of /proc/net: 32 bits in the byte order of the machine."""
    return ipaddress.IPv4Address(bytes.fromhex(text)[::-1])


def cgroup_table() -> str:
    """What each cgroup uses and may use, three levels deep."""
    lines = []
    for number, place in enumerate(_cgroups(_CGROUPS, 4)):
        if number >= _MOST_CGROUPS:
            lines.append(f"(more than {_MOST_CGROUPS}: left out)")
            break
        facts = [f"{name}: {' '.join(_text(place / name).split())}" for name in _CGROUP_FILES
                 if (place / name).exists()]  # fmt: skip
        if facts:
            lines += [f"{place}", *(f"    {fact}" for fact in facts)]
    return "\n".join(lines) + "\n"


def _cgroups(place: Path, depth: int) -> Iterator[Path]:
    yield place
    if depth:
        with contextlib.suppress(OSError):
            for child in sorted(path for path in place.iterdir() if path.is_dir()):
                yield from _cgroups(child, depth - 1)


def pod_logs() -> str:
    found = sorted(pods.read(), key=lambda each: -each.restarts)
    return "".join(f"{c.restarts:5} restarts  {c.pod}/{c.name}\n" for c in found)


def hatchway() -> str:
    """The door's and user data's own account, as their `status` has it."""
    facts = own.read()
    return json.dumps({"door": facts.door, "bootstrap": facts.bootstrap}, indent=2) + "\n"


def certificate_table() -> str:
    return certificates.render(certificates.read())


def _text(path: str | Path) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


LOOKS: Final[dict[str, Callable[[], str]]] = {
    "certificates": certificate_table,
    "cgroups": cgroup_table,
    "file-systems": file_systems,
    "hatchway": hatchway,
    "host": host,
    "interfaces": interfaces,
    "kernel-log": kernel,
    "pods": pod_logs,
    "processes": process_table,
    "routes": routes,
    "sockets": sockets,
}
