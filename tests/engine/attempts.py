# SPDX-License-Identifier: Apache-2.0
"""What somebody may try who is to observe: run inside a toolbox, by any Python 3 on x86_64.

    python3 - '{"base": DIRECTORY, "pid": PROCESS, "port": PORT}'

`base` holds a few files, a FIFO and sockets of the host; `pid` is a process that is not ours. Each
attempt has a child of its own. The names of those that reached something are printed as JSON: what
asks the kernel for nonsense, so as to do no harm, has reached it when that is what it is told.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import json
import mmap
import os
import resource
import select
import signal
import socket
import struct
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

LIBC = ctypes.CDLL(None, use_errno=True)
ATTEMPTS: dict[str, Callable[[Place], Any]] = {}
CLONE_NEWUSER, CLONE_NEWNS = 0x10000000, 0x20000
# asm/unistd_64.h
NR = {
    "clone": 56, "ptrace": 101, "syslog": 103, "rt_sigqueueinfo": 129, "pivot_root": 155,
    "sched_setaffinity": 203, "tgkill": 234, "mq_open": 240, "add_key": 248, "keyctl": 250,
    "ioprio_set": 251, "unshare": 272, "perf_event_open": 298, "fanotify_init": 300,
    "prlimit64": 302, "name_to_handle_at": 303, "open_by_handle_at": 304, "clock_adjtime": 305,
    "setns": 308, "process_vm_readv": 310, "kcmp": 312, "finit_module": 313, "bpf": 321,
    "userfaultfd": 323, "io_uring_setup": 425, "pidfd_send_signal": 424, "open_tree": 428,
    "fsopen": 430, "clone3": 435, "openat2": 437, "pidfd_getfd": 438, "mount_setattr": 442,
    "shmget": 29, "semget": 64, "chroot": 161, "acct": 163, "mount": 165, "umount2": 166,
    "swapon": 167, "reboot": 169, "sethostname": 170, "iopl": 172, "init_module": 175,
    "quotactl": 179, "setxattr": 188, "vhangup": 153, "msgget": 68,
}  # fmt: skip


class Place:
    """Where it is tried."""

    def __init__(self, base: str, pid: int, port: int) -> None:
        self.base = base
        self.pid = pid
        self.port = port

    def __truediv__(self, name: str) -> str:
        return f"{self.base}/{name}"


def attempt(function: Callable[[Place], Any]) -> Callable[[Place], Any]:
    ATTEMPTS[function.__name__] = function
    return function


def call(name: str, *arguments: Any, harmless: tuple[int, ...] = ()) -> int:
    """Call the kernel; an error is raised, unless it says that the kernel got as far as that."""
    words = (ctypes.c_long(each) if isinstance(each, int) else each for each in arguments)
    result = int(LIBC.syscall(ctypes.c_long(NR[name]), *words))
    number = ctypes.get_errno()
    if result < 0 and number not in harmless:
        raise OSError(number, os.strerror(number))
    return result


def writable(path: str, flags: int = 0) -> None:
    os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK | flags))


# Files of the host


@attempt
def write_a_file_of_root(at: Place) -> None:
    writable(at / "file")


@attempt
def write_a_file_that_everyone_may_write(at: Place) -> None:
    writable(at / "everyones")


@attempt
def make_a_file_where_everyone_may(at: Place) -> None:
    writable(at / "directory/made", os.O_CREAT)


@attempt
def remove_a_file(at: Place) -> None:
    Path(at / "directory/removed").unlink()


@attempt
def write_to_a_fifo_that_everyone_may_write(at: Place) -> None:
    os.close(os.open(at / "fifo", os.O_RDWR | os.O_NONBLOCK))


@attempt
def change_a_mode(at: Place) -> None:
    Path(at / "file").chmod(0o600)


@attempt
def change_an_owner(at: Place) -> None:
    os.chown(at / "file", os.geteuid(), os.getegid())


@attempt
def change_a_time(at: Place) -> None:
    os.utime(at / "file")


@attempt
def set_an_attribute(at: Place) -> None:
    call("setxattr", (at / "everyones").encode(), b"user.x", b"1", 1, 0)


@attempt
def write_through_a_handle(at: Place) -> None:
    """By a file that the engine has bound read-write: the file system behind it is the host's."""
    for bound in ("/etc/resolv.conf", "/etc/hosts", "/etc/hostname"):
        handle = (ctypes.c_uint8 * 136)()
        struct.pack_into("I", handle, 0, 128)
        number = ctypes.c_int()
        call("name_to_handle_at", -100, bound.encode(), handle, ctypes.byref(number), 0)
        mount = os.open(bound, os.O_RDONLY)
        os.close(call("open_by_handle_at", mount, handle, os.O_RDONLY))


@attempt
def write_what_the_engine_has_bound(at: Place) -> None:
    for bound in ("/etc/resolv.conf", "/etc/hosts", "/etc/hostname"):
        if Path(bound).exists():
            writable(bound)


@attempt
def lock_a_file_by_flock(at: Place) -> None:
    with Path(at / "file").open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


@attempt
def lock_a_file_by_fcntl(at: Place) -> None:
    with Path(at / "file").open("rb") as file:
        fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB)


@attempt
def lock_a_file_by_its_description(at: Place) -> None:
    with Path(at / "file").open("rb") as file:
        fcntl.fcntl(file, 37, struct.pack("hhqqi4x", fcntl.F_RDLCK, 0, 0, 0, 0))


@attempt
def take_a_lease(at: Place) -> None:
    with Path(at / "file").open("rb") as file:
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_RDLCK)


@attempt
def freeze_a_file_system(at: Place) -> None:
    directory = os.open(at.base, os.O_RDONLY)
    try:
        fcntl.ioctl(directory, 0xC0045878, b"\0\0\0\0")  # FITRIM's neighbour: FITHAW never froze
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):
            raise


@attempt
def set_a_flag_of_a_file(at: Place) -> None:
    descriptor = os.open(at / "file", os.O_RDONLY)
    try:
        fcntl.ioctl(descriptor, 0x40086602, struct.pack("l", 0))  # FS_IOC_SETFLAGS
    except OSError as error:
        if error.errno != errno.EROFS:
            raise


# Devices and the kernel's own files


@attempt
def make_a_device(at: Place) -> None:
    os.mknod("/tmp/device", 0o60600, os.makedev(7, 0))


@attempt
def open_the_kernels_log(at: Place) -> None:
    os.mknod("/tmp/kmsg", 0o20600, os.makedev(1, 11))
    writable("/tmp/kmsg")


@attempt
def write_a_setting_of_the_kernel(at: Place) -> None:
    writable("/proc/sys/kernel/core_pattern")


@attempt
def write_to_sysrq(at: Place) -> None:
    writable("/proc/sysrq-trigger")


@attempt
def write_to_a_cgroup_or_a_device_in_sys(at: Place) -> None:
    writable("/sys/kernel/mm/transparent_hugepage/enabled")


@attempt
def read_the_kernels_memory(at: Place) -> None:
    with Path("/proc/kcore").open("rb") as file:
        assert file.read(4) == b"\x7fELF"


@attempt
def write_our_own_program(at: Place) -> None:
    try:
        writable("/proc/self/exe")
    except OSError as error:
        if error.errno != errno.ETXTBSY:
            raise


# Other processes


@attempt
def send_a_signal(at: Place) -> None:
    os.kill(at.pid, 0)


@attempt
def send_a_signal_to_a_thread(at: Place) -> None:
    call("tgkill", at.pid, at.pid, 0)


@attempt
def queue_a_signal(at: Place) -> None:
    information = struct.pack("iii116x", 0, 0, -1)
    call("rt_sigqueueinfo", at.pid, 0, information)


@attempt
def send_a_signal_by_descriptor(at: Place) -> None:
    call("pidfd_send_signal", os.pidfd_open(at.pid), 0, 0, 0)


@attempt
def take_a_descriptor(at: Place) -> None:
    os.close(call("pidfd_getfd", os.pidfd_open(at.pid), 0, 0))


@attempt
def trace(at: Place) -> None:
    call("ptrace", 0x4206, at.pid, 0, 0)  # PTRACE_SEIZE; its end with us lets it go


@attempt
def read_memory(at: Place) -> None:
    call("process_vm_readv", at.pid, None, 0, None, 0, 0)


@attempt
def compare_processes(at: Place) -> None:
    call("kcmp", at.pid, at.pid, 2, 0, 0)


@attempt
def open_the_memory_of_a_process(at: Place) -> None:
    writable(f"/proc/{at.pid}/mem")


@attempt
def enter_the_root_of_a_process(at: Place) -> None:
    next(Path(f"/proc/{at.pid}/root/").iterdir(), None)


@attempt
def read_the_environment_of_a_process(at: Place) -> None:
    Path(f"/proc/{at.pid}/environ").read_bytes()


@attempt
def enter_the_root_of_any_process(at: Place) -> bool:
    ours = Path("/").stat()
    for path in Path("/proc").glob("[0-9]*/root"):
        try:
            found = path.stat()
        except OSError:
            continue
        if (found.st_dev, found.st_ino) != (ours.st_dev, ours.st_ino):
            return True
    return False


@attempt
def have_it_killed_first(at: Place) -> None:
    writable(f"/proc/{at.pid}/oom_score_adj")


@attempt
def change_a_priority(at: Place) -> None:
    os.setpriority(os.PRIO_PROCESS, at.pid, os.getpriority(os.PRIO_PROCESS, at.pid))


@attempt
def change_processors(at: Place) -> None:
    os.sched_setaffinity(at.pid, os.sched_getaffinity(at.pid))


@attempt
def change_a_priority_of_input(at: Place) -> None:
    call("ioprio_set", 1, at.pid, 0)


@attempt
def change_limits(at: Place) -> None:
    limits = (ctypes.c_uint64 * 2)()
    call("prlimit64", at.pid, 7, None, limits)


# Namespaces and mounts


@attempt
def unshare_a_user_namespace(at: Place) -> None:
    call("unshare", CLONE_NEWUSER)


@attempt
def clone_a_user_namespace(at: Place) -> None:
    if call("clone", CLONE_NEWUSER | signal.SIGCHLD, 0, 0, 0, 0) == 0:
        os._exit(0)


@attempt
def clone_a_mount_namespace(at: Place) -> None:
    if call("clone", CLONE_NEWNS | signal.SIGCHLD, 0, 0, 0, 0) == 0:
        os._exit(0)


@attempt
def clone3_a_user_namespace(at: Place) -> None:
    arguments = struct.pack("11Q", CLONE_NEWUSER, *([0] * 3), signal.SIGCHLD, *([0] * 6))
    if call("clone3", arguments, len(arguments)) == 0:
        os._exit(0)


@attempt
def join_a_namespace(at: Place) -> None:
    namespace = os.open(f"/proc/{at.pid}/ns/uts", os.O_RDONLY)
    call("setns", namespace, 0)


@attempt
def mount_something(at: Place) -> None:
    call("mount", b"none", b"/tmp", b"tmpfs", 0, None)


@attempt
def unmount_something(at: Place) -> None:
    call("umount2", at.base.encode(), 8, harmless=(errno.EINVAL, errno.EBUSY))


@attempt
def copy_a_mount(at: Place) -> None:
    os.close(call("open_tree", -100, b"/", 1))


@attempt
def open_a_file_system(at: Place) -> None:
    os.close(call("fsopen", b"tmpfs", 0))


@attempt
def change_a_mount(at: Place) -> None:
    call("mount_setattr", -100, b"/nowhere", 0, struct.pack("4Q", 1, 0, 0, 0), 32,
         harmless=(errno.ENOENT,))  # fmt: skip


@attempt
def pivot(at: Place) -> None:
    call("pivot_root", b"/nowhere", b"/nowhere", harmless=(errno.ENOENT, errno.EINVAL))


@attempt
def change_the_root(at: Place) -> None:
    call("chroot", b"/tmp")


# Sockets


@attempt
def speak_to_a_daemon(at: Place) -> None:
    with socket.socket(socket.AF_UNIX) as stream:
        stream.connect(at / "stream")


@attempt
def send_to_a_daemon(at: Place) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagrams:
        datagrams.sendto(b"x", at / "datagrams")


@attempt
def send_to_a_daemon_by_a_pair(at: Place) -> None:
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with one, other:
        one.sendto(b"x", at / "datagrams")


@attempt
def connect_to_a_port(at: Place) -> None:
    with socket.socket() as stream:
        met = stream.connect_ex(("127.0.0.1", at.port))
        if met not in (0, errno.ECONNREFUSED):
            raise OSError(met, "")


@attempt
def connect_while_sending(at: Place) -> None:
    with socket.socket() as stream:
        try:
            stream.sendto(b"x", socket.MSG_FASTOPEN, ("127.0.0.1", at.port))
        except ConnectionError:
            return


@attempt
def send_a_datagram(at: Place) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        datagrams.sendto(b"x", ("127.0.0.1", at.port))


@attempt
def send_a_datagram_by_version_6(at: Place) -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as datagrams:
        datagrams.sendto(b"x", ("::ffff:127.0.0.1", at.port))


@attempt
def occupy_a_port(at: Place) -> None:
    with socket.socket() as stream:
        stream.bind(("127.0.0.1", 0))
        stream.listen()


@attempt
def capture(at: Place) -> None:
    socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)).close()


@attempt
def send_raw_packets(at: Place) -> None:
    socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).close()


@attempt
def speak_to_the_hypervisor(at: Place) -> None:
    try:
        socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM).close()
    except OSError as error:
        if error.errno != errno.EAFNOSUPPORT:
            raise


@attempt
def use_the_kernels_ciphers(at: Place) -> None:
    try:
        socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET).close()
    except OSError as error:
        if error.errno != errno.EAFNOSUPPORT:
            raise


@attempt
def have_a_module_loaded_by_a_family(at: Place) -> None:
    socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 16).close()


@attempt
def hear_of_devices(at: Place) -> None:
    socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 15).close()


@attempt
def take_an_interface_up(at: Place) -> None:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as route:
        # RTM_NEWLINK with NLM_F_REQUEST | NLM_F_ACK: interface 1, IFF_UP as it is
        route.send(struct.pack("IHHIIBxHiII", 32, 16, 5, 1, 0, 0, 0, 1, 0, 0))
        met = struct.unpack_from("i", route.recv(4096), 16)[0]
        if met:
            raise OSError(-met, os.strerror(-met))


@attempt
def end_a_connection(at: Place) -> None:
    """SOCK_DESTROY of the connection to the port, which somebody else holds."""
    words = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    to_it = f"0100007F:{at.port:04X}"
    own = next(int(each[1][9:], 16) for each in words if each[2] == to_it and each[3] == "01")
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 4) as diagnosis:
        loopback = socket.inet_aton("127.0.0.1")
        ends = struct.pack(">HH4s12x4s12x", own, at.port, loopback, loopback)
        request = struct.pack("BBBxI", socket.AF_INET, socket.IPPROTO_TCP, 0, 0xFFF) + ends
        request += struct.pack("iII", 0, 0xFFFFFFFF, 0xFFFFFFFF)
        diagnosis.send(struct.pack("IHHII", 16 + len(request), 21, 5, 1, 0) + request)
        met = -struct.unpack_from("i", diagnosis.recv(4096), 16)[0]
        if met:
            raise OSError(met, os.strerror(met))


@attempt
def change_an_interface_by_ioctl(at: Place) -> None:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as any_socket:
        request = struct.pack("16sh14x", b"lo", 0x49)
        fcntl.ioctl(any_socket, 0x8914, request)  # SIOCSIFFLAGS


# The kernel itself


@attempt
def load_a_program_into_the_kernel(at: Place) -> None:
    call("bpf", 5, b"\0" * 128, 128, harmless=(errno.EINVAL, errno.E2BIG))


@attempt
def measure_all_processes(at: Place) -> None:
    attributes = struct.pack("IIQ", 1, 64, 0).ljust(64, b"\0")
    os.close(call("perf_event_open", attributes, -1, 0, -1, 0))


@attempt
def make_a_ring(at: Place) -> None:
    os.close(call("io_uring_setup", 1, (ctypes.c_uint8 * 120)()))


@attempt
def add_a_key(at: Place) -> None:
    call("add_key", b"user", b"hatchway", b"x", 1, -3)


@attempt
def look_for_keys(at: Place) -> None:
    call("keyctl", 0, -3, 1)


@attempt
def handle_page_faults(at: Place) -> None:
    os.close(call("userfaultfd", 1))


@attempt
def watch_a_file_system(at: Place) -> None:
    os.close(call("fanotify_init", 0, 0))


@attempt
def load_a_module(at: Place) -> None:
    call("finit_module", 0, b"", 0, harmless=(errno.EBADF, errno.EINVAL, errno.ENOEXEC,
                                              errno.EFAULT))  # fmt: skip


@attempt
def load_a_module_from_memory(at: Place) -> None:
    call("init_module", b"x", 1, b"", harmless=(errno.ENOEXEC,))


@attempt
def set_the_level_of_the_console(at: Place) -> None:
    call("syslog", 8, 0, 99, harmless=(errno.EINVAL,))


@attempt
def set_the_name_of_the_host(at: Place) -> None:
    name = os.uname().nodename.encode()
    call("sethostname", name, len(name))


@attempt
def adjust_the_clock(at: Place) -> None:
    timex = (ctypes.c_uint8 * 208)()
    call("clock_adjtime", 0, timex)
    struct.pack_into("I", timex, 0, 0x10)  # ADJ_STATUS, to what it is
    call("clock_adjtime", 0, timex)


@attempt
def reboot(at: Place) -> None:
    call("reboot", 0, 0, 0, 0, harmless=(errno.EINVAL,))


@attempt
def swap(at: Place) -> None:
    call("swapon", b"/nowhere", 0, harmless=(errno.ENOENT,))


@attempt
def keep_accounts(at: Place) -> None:
    call("acct", b"/nowhere", harmless=(errno.ENOENT,))


@attempt
def reach_ports_of_the_machine(at: Place) -> None:
    call("iopl", 3)


# Rights, other numbers, memory that others see


@attempt
def become_root(at: Place) -> bool:
    os.setuid(0)
    return os.getuid() == 0


@attempt
def become_root_by_a_program(at: Place) -> bool:
    done = subprocess.run(("sudo", "-n", "id", "-u"), check=False, capture_output=True)
    return done.stdout == b"0\n"


@attempt
def have_a_right_to_change(at: Place) -> bool:
    """Anything but CAP_DAC_READ_SEARCH, in whichever set."""
    held = [line.split() for line in Path("/proc/self/status").read_text().splitlines()]
    return any(int(words[1], 16) & ~4 for words in held if words[0].startswith("Cap"))


@attempt
def gain_rights_by_exec(at: Place) -> bool:
    status = Path("/proc/self/status").read_text()
    return "NoNewPrivs:\t1" not in status


@attempt
def leave_a_core_with_the_host(at: Place) -> bool:
    """core(5): 1 alone keeps a crash from the program that core_pattern names."""
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    return resource.getrlimit(resource.RLIMIT_CORE)[0] != 1


@attempt
def fill_the_disk_of_the_host(at: Place) -> bool:
    kinds = {}
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        words = line.split()
        kinds[words[4]] = words[words.index("-") + 1]
    return kinds.get("/tmp") != "tmpfs" or kinds.get("/var/tmp") != "tmpfs"


@attempt
def call_as_a_program_of_32_bits(at: Place) -> bool:
    return _machine_code(b"\xb8\x14\x00\x00\x00\xcd\x80\xc3") > 0  # getpid by int 0x80


@attempt
def call_by_the_numbers_of_x32(at: Place) -> bool:
    return int(LIBC.syscall(ctypes.c_long(0x40000000 + 39))) > 0


def _machine_code(code: bytes) -> int:
    memory = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    memory.write(code)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    return int(ctypes.CFUNCTYPE(ctypes.c_int)(address)())


@attempt
def share_memory(at: Place) -> None:
    call("shmget", 0, 4096, 0o1600)


@attempt
def make_a_semaphore(at: Place) -> None:
    call("semget", 0, 1, 0o1600)


@attempt
def make_a_queue(at: Place) -> None:
    call("msgget", 0, 0o1600)


@attempt
def open_a_queue(at: Place) -> None:
    call("mq_open", b"hatchway-nowhere", 0, 0, 0, harmless=(errno.ENOENT,))


@attempt
def type_into_a_terminal(at: Place) -> None:
    """TIOCSTI, into one of our own: the caller's may be as near."""
    master, slave = os.openpty()
    os.setsid()
    fcntl.ioctl(slave, 0x540E, 0)
    try:
        fcntl.ioctl(slave, 0x5412, b"x")
    except OSError as error:
        if error.errno != errno.EIO:  # legacy_tiocsti is off
            raise
    os.close(master)


def reached(function: Callable[[Place], Any], at: Place) -> bool:
    """Try it in a child; one that is killed, hangs or fails has reached nothing."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        found = False
        try:
            found = function(at) in (None, True)
        except Exception as error:  # noqa: BLE001 - whatever it is, it was not reached
            if os.environ.get("WHY"):
                os.write(1, f"{function.__name__}: {error!r}\n".encode())
        os.write(writing, b"1" if found else b"0")
        os._exit(0)
    os.close(writing)
    said = os.read(reading, 1) if select.select([reading], [], [], 10)[0] else b""
    os.close(reading)
    if not said:
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return said == b"1"


def main() -> None:
    at = Place(**json.loads(sys.argv[1]))
    found = [name for name, function in ATTEMPTS.items() if reached(function, at)]
    print(json.dumps({"tried": len(ATTEMPTS), "reached": found}))


if __name__ == "__main__":
    main()
