# SPDX-License-Identifier: Apache-2.0
"""The argument vector of QEMU: plain data in, plain data out."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tests.refhost.build import Images

# Known to the host's network configuration, which tells the uplink from further cards by it.
UPLINK_MAC = "52:54:00:68:77:01"
_CMDLINE = (
    *("console=ttyS0", "net.ifnames=0", "loglevel=4", "systemd.show_status=yes"),
    # Costly under emulation, and of no use to a test.
    *("mitigations=off", "nokaslr", "lsm=yama", "audit=0"),
)


@dataclasses.dataclass(frozen=True, slots=True)
class Hardware:
    """What one machine is made of; paths are below its private directory."""

    directory: Path
    memory: int
    cpus: int
    forwards: Mapping[int, int]
    disks: Sequence[str]
    cmdline: Sequence[str]
    extra: Sequence[str]

    @property
    def console(self) -> Path:
        return self.directory / "console.log"

    @property
    def agent(self) -> Path:
        return self.directory / "agent.sock"

    @property
    def monitor(self) -> Path:
        return self.directory / "monitor.sock"

    def disk(self, name: str) -> Path:
        return self.directory / f"{name}.qcow2"


def argv(hardware: Hardware, images: Images, *, parcel: Path | None) -> list[str]:
    """Render the machine. Never /dev/kvm: its guests may hang where the tests run."""
    command = ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none"]
    # One thread for all processors. With one for each, QEMU before 8.1 may go on executing code
    # that the kernel has just patched, and the host stops for good with a lock held: seen where
    # the first container with a limit of CPU time switches a jump label in the scheduler.
    command += ["-machine", "pc,usb=off", "-accel", "tcg,thread=single,tb-size=256"]
    # A small model, as every feature of "max" has to be emulated; Westmere brings AES for SSH.
    command += ["-cpu", "Westmere,+rdrand", "-smp", str(hardware.cpus), "-m", str(hardware.memory)]
    command += ["-kernel", f"{images.kernel}", "-initrd", f"{images.initrd}"]
    command += ["-append", " ".join([*_CMDLINE, *hardware.cmdline])]
    command += _drive("root", f"{images.root}", "raw", read_only=True)
    command += _drive("var", f"{hardware.disk('var')}", "qcow2")
    for name in hardware.disks:
        command += _drive(name, f"{hardware.disk(name)}", "qcow2")
    if parcel:
        command += _drive("parcel", f"{parcel}", "raw", read_only=True)
    ports = "".join(
        f",hostfwd=tcp:127.0.0.1:{outer}-:{inner}" for inner, outer in hardware.forwards.items()
    )
    command += ["-netdev", f"user,id=uplink{ports}"]
    command += ["-device", f"virtio-net-pci,netdev=uplink,mac={UPLINK_MAC},romfile="]
    command += ["-device", "virtio-rng-pci", "-device", "virtio-serial-pci"]
    command += ["-chardev", f"socket,id=agent,path={hardware.agent},server=on,wait=off"]
    command += ["-device", "virtserialport,chardev=agent,name=org.qemu.guest_agent.0"]
    command += ["-qmp", f"unix:{hardware.monitor},server=on,wait=off"]
    # One log over all boots of the machine.
    command += ["-chardev", f"file,id=console,path={hardware.console},append=on"]
    command += ["-serial", "chardev:console"]
    return [*command, *hardware.extra]


def _drive(name: str, file: str, kind: str, *, read_only: bool = False) -> list[str]:
    drive = f"if=none,id={name},format={kind},file={file}"
    if read_only:
        drive += ",readonly=on"
    else:
        # What the host has synced must survive QEMU, which writes all it holds when it is told to
        # quit; not the machine below it, and a disk that is slow to sync would hold up the host.
        drive += ",cache=unsafe,discard=unmap"
    return ["-drive", drive, "-device", f"virtio-blk-pci,drive={name},serial={name}"]
