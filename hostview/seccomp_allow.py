# SPDX-License-Identifier: Apache-2.0
"""What a process that may only observe may ask of the kernel: one table for two renderings.

Engines get it as the seccomp section of an OCI configuration, and our own program in the admin
image loads it itself. It is an allow-list, since a list of what is refused lets through whatever a
later kernel brings. Whatever is not named fails with ENOSYS, which makes a libc take an older way.

A filter sees numbers and no memory: a path, an address or a structure cannot be judged here. So
`connect` is missing altogether, and `socket` gives netlink alone.
"""

from __future__ import annotations

from typing import NamedTuple

EPERM, ENOLCK, ENOSYS = 1, 37, 38

_ALL_BITS = (1 << 64) - 1
_LOW_BITS = (1 << 32) - 1
# linux/sched.h: CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET
_NAMESPACES = 0x7E020000
# asm-generic/ioctls.h: a program's own terminal and pipes. Neither TIOCSTI nor TIOCLINUX.
_TERMINAL = (
    0x5401, 0x5402, 0x5403, 0x5404, 0x5409, 0x540A, 0x540B, 0x540E, 0x540F, 0x5410, 0x5411, 0x5413,
    0x5414, 0x541B, 0x5421, 0x5422, 0x5425, 0x5429, 0x5450, 0x5451, 0x802C542A, 0x402C542B,
    0x402C542C, 0x402C542D, 0x80045430, 0x40045431, 0x80045439, 0x5441,
)  # fmt: skip
# linux/fs.h: FS_IOC_GETFLAGS, FS_IOC_FSGETXATTR. linux/sockios.h: SIOCGIFNAME, SIOCGIFINDEX.
_LOOKS = (0x80086601, 0x801C581F, 0x8910, 0x8933)
# linux/fcntl.h: duplicates, flags, pipes and seals. No lock, no lease, and no signal.
_DESCRIPTORS = (0, 1, 2, 3, 4, 1027, 1030, 1031, 1032, 1033, 1034)
# A lock needs no right to write, and whoever holds one on a file of the host keeps others waiting.
_LOCKS = (6, 7, 37, 38)  # F_SETLK, F_SETLKW and those of open file descriptions
_NETLINK = 16
_ROUTE, _SOCK_DIAG = 0, 4  # linux/netlink.h: what `ip` and `ss` ask
# core(5): of all limits 1 alone keeps a crash from the program that the host has for it, which runs
# as its root and keeps a file. Anybody may lower it to 0, so that nobody may set it.
_RLIMIT_CORE = 4
CORE_LIMIT = 1
_LIMITS = tuple(number for number in range(16) if number != _RLIMIT_CORE)
_PERSONALITIES = (0, 8, 0x20000, 0xFFFFFFFF)
_FIFO = 0o010000


class Argument(NamedTuple):
    """The argument at `position`, as far as `mask` goes, is `value`.

    With `other` it is not; that looks at all of it, of which the kernel may take a half, and so is
    for refusing alone.
    """

    position: int
    value: int
    mask: int = _ALL_BITS
    other: bool = False


class Rule(NamedTuple):
    """Calls by name; allowed, or refused with `error`, where all of `arguments` are so."""

    names: tuple[str, ...]
    error: int = 0
    arguments: tuple[Argument, ...] = ()


_READ = (
    "access", "faccessat", "faccessat2", "stat", "lstat", "fstat", "newfstatat", "fstatat64",
    "statx", "statfs", "fstatfs", "statmount", "listmount", "readlink", "readlinkat", "getdents",
    "getdents64", "getcwd", "chdir", "fchdir", "open", "openat", "close", "close_range", "read",
    "readv", "pread64", "preadv", "preadv2", "lseek", "getxattr", "lgetxattr", "fgetxattr",
    "listxattr", "llistxattr", "flistxattr", "name_to_handle_at", "inotify_init", "inotify_init1",
    "inotify_add_watch", "inotify_rm_watch", "readahead", "fadvise64", "mmap", "munmap", "mincore",
    "cachestat",
)  # fmt: skip
# Where it may write at all (its own /tmp, its own pipes) permissions decide, and Landlock.
_WRITE = (
    "write", "writev", "pwrite64", "pwritev", "pwritev2", "creat", "mkdir", "mkdirat", "rmdir",
    "unlink", "unlinkat", "rename", "renameat", "renameat2", "link", "linkat", "symlink",
    "symlinkat", "truncate", "ftruncate", "fallocate", "chmod", "fchmod", "fchmodat", "fchmodat2",
    "chown", "lchown", "fchown", "fchownat", "utime", "utimes", "futimesat", "utimensat", "umask",
    "fsync", "fdatasync", "copy_file_range", "sendfile", "memfd_create",
)  # fmt: skip
_WAIT = (
    "poll", "ppoll", "select", "pselect6", "epoll_create", "epoll_create1", "epoll_ctl",
    "epoll_wait", "epoll_pwait", "epoll_pwait2", "eventfd", "eventfd2", "signalfd", "signalfd4",
    "timerfd_create", "timerfd_settime", "timerfd_gettime", "pipe", "pipe2", "dup", "dup2", "dup3",
    "nanosleep", "clock_nanosleep", "pause", "alarm", "getitimer", "setitimer", "timer_create",
    "timer_settime", "timer_gettime", "timer_getoverrun", "timer_delete", "restart_syscall",
)  # fmt: skip
# Whom a signal reaches is the kernel's to decide, by the user that nobody else has: without
# `kill` neither timeout(1) nor a shell's ctrl-C would work.
_PROCESS = (
    "fork", "vfork", "execve", "execveat", "exit", "exit_group", "wait4", "waitid",
    "pidfd_open", "kill", "tkill", "tgkill", "pidfd_send_signal", "rt_sigaction",
    "rt_sigprocmask", "rt_sigpending", "rt_sigsuspend", "rt_sigtimedwait", "rt_sigreturn",
    "sigaltstack", "setpgid", "getpgid", "getpgrp", "setsid", "getsid", "getpid", "getppid",
    "gettid", "set_tid_address", "set_robust_list", "rseq", "membarrier", "futex",
    "futex_waitv", "futex_wake", "futex_wait", "futex_requeue", "sched_yield",
    "sched_getaffinity", "sched_getscheduler", "sched_getparam", "sched_getattr",
    "sched_get_priority_max", "sched_get_priority_min", "sched_rr_get_interval", "getpriority",
    "ioprio_get", "getrlimit", "getrusage", "times", "getcpu", "prctl", "arch_prctl",
    "get_thread_area", "landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self",
    "seccomp",
)  # fmt: skip
_MEMORY = (
    "brk", "mprotect", "mremap", "madvise", "msync", "mlock", "mlock2", "munlock", "mlockall",
    "munlockall", "pkey_alloc", "pkey_free", "pkey_mprotect", "map_shadow_stack", "mseal",
    "get_mempolicy", "set_mempolicy", "mbind", "set_mempolicy_home_node",
)  # fmt: skip
# Who it is. Without the capability nobody becomes another by these, and our own program, which
# begins as root, becomes the observer.
_IDENTITY = (
    "getuid", "geteuid", "getgid", "getegid", "getgroups", "getresuid", "getresgid", "setuid",
    "setgid", "setgroups", "setreuid", "setregid", "setresuid", "setresgid", "setfsuid",
    "setfsgid", "capget", "capset",
)  # fmt: skip
_SYSTEM = (
    "uname", "sysinfo", "time", "gettimeofday", "clock_gettime", "clock_getres", "getrandom",
)  # fmt: skip
# The rest of a netlink socket. `bind` gives it a number; without `connect` no socket leads further.
_SOCKETS = (
    "bind", "getsockname", "getpeername", "getsockopt", "setsockopt", "sendto", "sendmsg",
    "recvfrom", "recvmsg", "recvmmsg", "shutdown",
)  # fmt: skip
# These are refused by name, for a message that says so: `Operation not permitted`.
_REFUSED = (
    "socketpair", "connect", "listen", "accept", "accept4", "ptrace", "process_vm_readv",
    "process_vm_writev", "process_madvise", "process_mrelease", "pidfd_getfd",
    "rt_sigqueueinfo", "rt_tgsigqueueinfo", "kcmp", "mount", "umount2", "move_mount", "open_tree",
    "fsopen", "fsconfig", "fsmount", "fspick", "mount_setattr", "pivot_root", "chroot", "setns",
    "unshare", "open_by_handle_at", "fanotify_init", "bpf", "perf_event_open", "keyctl", "add_key",
    "request_key", "io_uring_setup", "io_uring_enter", "io_uring_register", "userfaultfd",
    "init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load", "reboot",
    "swapon", "swapoff", "acct", "quotactl", "quotactl_fd", "settimeofday", "clock_settime",
    "clock_adjtime", "adjtimex", "sethostname", "setdomainname", "iopl", "ioperm", "vhangup",
    "personality", "shmget", "shmat", "shmctl", "msgget", "msgsnd", "msgrcv", "msgctl", "semget",
    "semop", "semctl", "semtimedop", "mq_open", "mq_unlink", "sync", "syncfs", "mknod", "mknodat",
    "lookup_dcookie", "move_pages", "migrate_pages", "setxattr", "lsetxattr", "fsetxattr",
    "removexattr", "lremovexattr", "fremovexattr",
)  # fmt: skip


def _each(
    name: str, index: int, values: tuple[int, ...], error: int = 0, mask: int = _LOW_BITS
) -> list[Rule]:
    """One rule for each value of an argument, of which the kernel takes the low half."""
    return [Rule((name,), error, (Argument(index, value, mask),)) for value in values]


def _netlink(protocol: int) -> tuple[Argument, ...]:
    return Argument(0, _NETLINK, _LOW_BITS), Argument(2, protocol, _LOW_BITS)


# libseccomp(3) takes a rule for some arguments only where none stands for all of them.
_JUDGED = (
    Rule(("clone",), 0, (Argument(0, 0, _NAMESPACES),)),
    *(Rule(("socket",), 0, _netlink(protocol)) for protocol in (_ROUTE, _SOCK_DIAG)),
    Rule(("socket",), EPERM, (Argument(0, _NETLINK, other=True),)),
    *_each("ioctl", 1, _TERMINAL + _LOOKS),
    *_each("fcntl", 1, _DESCRIPTORS),
    *_each("fcntl", 1, _LOCKS, ENOLCK),
    # Its own limits, priority and processors, no one else's.
    Rule(("prlimit64",), 0, (Argument(0, 0, _LOW_BITS), Argument(2, 0))),
    *(
        Rule(("prlimit64",), 0, (Argument(0, 0, _LOW_BITS), Argument(1, limit, _LOW_BITS)))
        for limit in _LIMITS
    ),
    *_each("setrlimit", 0, _LIMITS),
    Rule(("setpriority",), 0, (Argument(0, 0, _LOW_BITS), Argument(1, 0, _LOW_BITS))),
    Rule(("ioprio_set",), 0, (Argument(0, 1, _LOW_BITS), Argument(1, 0, _LOW_BITS))),
    *_each("sched_setaffinity", 0, (0,)),
    *_each("sched_setscheduler", 0, (0,)),
    *_each("sched_setparam", 0, (0,)),
    *_each("sched_setattr", 0, (0,)),
    *_each("personality", 0, _PERSONALITIES),
    *_each("syslog", 0, (3, 10)),  # read the kernel's log, where everyone may; never clear it
    *_each("mknod", 1, (_FIFO,), mask=0o170000),
    *_each("mknodat", 2, (_FIFO,), mask=0o170000),
)
_WHOLE = {rule.names[0] for rule in _JUDGED}

RULES = (
    Rule(_READ + _WRITE + _WAIT + _PROCESS + _MEMORY + _IDENTITY + _SYSTEM + _SOCKETS),
    Rule(tuple(name for name in _REFUSED if name not in _WHOLE), EPERM),
    # For libcs older than some kernels: not EPERM, after which they would try no other way.
    Rule(("clone3", "openat2"), ENOSYS),
    Rule(("flock",), ENOLCK),
    *_JUDGED,
)
