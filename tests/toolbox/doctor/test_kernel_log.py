# SPDX-License-Identifier: Apache-2.0
"""Lines as real kernels print them, and what is said of each."""

from __future__ import annotations

import pytest

from toolbox.doctor import kernel_log

FAULTS = {
    "kernel.oom": (
        "Out of memory: Killed process 71 (java) total-vm:1kB, anon-rss:1kB, UID:0 pgtables:1kB",
        "Out of memory: Kill process 71 (java) score 900 or sacrifice child",
        "oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),global_oom,task=java,pid=71,uid=0",
    ),
    "kernel.file-system": (
        "EXT4-fs error (device vdb): ext4_find_entry:1455: inode #2: comm ls: reading directory",
        "EXT4-fs (vdb): Remounting filesystem read-only",
        "EXT4-fs (vdb): error count since last fsck: 3",
        "Aborting journal on device vdb-8.",
        "JBD2: Error -5 detected when updating journal superblock for vdb-8.",
        "XFS (dm-0): Metadata corruption detected at xfs_agf_read_verify+0x7a/0x130, block 0x1",
        "XFS (dm-0): Metadata CRC error detected at xfs_agi_read_verify+0x5e/0x120 [xfs]",
        "XFS (dm-0): Corruption of in-memory data (0x8) detected at xfs_defer_finish_noroll+0x2f",
        'XFS (sda1): metadata I/O error in "xfs_trans_read_buf_map" at daddr 0x2 len 1 error 5',
        "XFS (dm-0): log I/O error -5",
        "XFS (dm-0): Log I/O Error Detected.  Shutting down filesystem",
        "XFS (dm-0): Internal error XFS_WANT_CORRUPTED_GOTO at line 1753 of file xfs_alloc.c",
        "BTRFS error (device sda2): bdev /dev/sda2 errs: wr 1, rd 0, flush 0, corrupt 0, gen 0",
        "BTRFS: error (device dm-0) in btrfs_commit_transaction:2401: errno=-5 IO failure",
        "SQUASHFS error: xz decompression failed, data probably corrupt",
        "device-mapper: verity: 254:0: data block 1204 is corrupted",
    ),
    "kernel.disk": (
        "blk_update_request: I/O error, dev vdb, sector 8 op 0x0:(READ) flags 0x0 phys_seg 1",
        "I/O error, dev nvme1n1, sector 2048 op 0x1:(WRITE) flags 0x800 phys_seg 1 prio class 2",
        "critical medium error, dev sda, sector 1234 op 0x0:(READ) flags 0x0 phys_seg 1",
        "Buffer I/O error on dev dm-3, logical block 0, async page read",
        "Buffer I/O error on device sdb1, logical block 7",
        "sd 0:0:0:0: [sda] tag#17 Sense Key : Medium Error [current]",
        "sd 2:0:0:0: rejecting I/O to offline device",
        "nvme nvme0: I/O 123 QID 4 timeout, aborting",
        "nvme nvme0: I/O tag 12 (000c) opcode 0x2 (Read) QID 3 timeout, aborting req_op:READ(0)",
        "nvme nvme0: controller is down; will reset: CSTS=0xffffffff, PCI_STATUS=0xffff",
        "nvme nvme0: Removing after probe failure status: -19",
        "ata1.00: failed command: READ FPDMA QUEUED",
        "ata1: hard resetting link",
        "md/raid1:md0: Disk failure on sda1, disabling device.",
    ),
    "kernel.hang": (
        "INFO: task jbd2/vdb-8:71 blocked for more than 120 seconds.",
        "watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [node:71]",
        "BUG: workqueue lockup - pool cpus=0 node=0 flags=0x0 nice=0 stuck for 31s!",
        "NMI watchdog: Watchdog detected hard LOCKUP on cpu 3",
        "rcu: INFO: rcu_sched self-detected stall on CPU",
        "rcu: INFO: rcu_preempt detected expedited stalls on CPUs/tasks: { 1-... } 21 jiffies",
    ),
    "kernel.oops": (
        "BUG: kernel NULL pointer dereference, address: 0000000000000000",
        "kernel BUG at mm/slub.c:305!",
        "general protection fault, probably for non-canonical address 0xdead: 0000 [#1] SMP PTI",
        "general protection fault: 0000 [#1] SMP",
        "Internal error: Oops: 96000004 [#1] SMP",
        "Internal error: synchronous external abort: 96000210 [#1] SMP",
        "traps: PANIC: double fault, error_code: 0x0",
        "Kernel panic - not syncing: hung_task: blocked tasks",
    ),
    "kernel.hardware": (
        "mce: [Hardware Error]: Machine check events logged",
        "{1}[Hardware Error]: event severity: fatal",
        "EDAC MC0: 1 CE memory read error on CPU_SrcID#0_MC#0_Chan#0_DIMM#0 (channel:0 slot:0)",
        "EDAC MC1: 1 UE memory scrubbing error on CPU_SrcID#1_MC#0",
        "pcieport 0000:00:1c.0: AER: Uncorrected (Fatal) error received: 0000:01:00.0",
        "Memory failure: 0x12345: Killing node:71 due to hardware memory corruption",
    ),
    "kernel.segfault": (
        "node[71]: segfault at 0 ip 0000561d sp 00007ffc error 4 in node[561d000+1000]",
        "traps: node[1234] general protection fault ip:55d1 sp:7ffc error:0 in node[55d1+2000]",
        "traps: a b[1234] trap invalid opcode ip:55d1 sp:7ffc error:0 in node[55d1+2000]",
        "node[71]: unhandled level 3 translation fault (11) at 0x00000010, esr 0x92000007",
    ),
    "network.conntrack": (
        "nf_conntrack: nf_conntrack: table full, dropping packet",
        "nf_conntrack: nf_conntrack: table full in netns 4026531840, dropping packet",
    ),
    "network.neighbours": ("neighbour: arp_cache: neighbor table overflow!",),
    "network.syn-flood": (
        "TCP: request_sock_TCP: Possible SYN flooding on port 0.0.0.0:80. Sending cookies.",
    ),
}
HARMLESS = (
    "Command line: console=ttyS0 oops=panic hung_task_panic=1 nvme_core.io_timeout=4294967295",
    "Kernel command line: root=/dev/vda2 panic=1 hung_task_panic=1 nvme_core.io_timeout=30",
    'Unknown kernel command line parameters "hung_task_panic=1", will be passed to user space.',
    "dracut-cmdline[220]: Using kernel command line parameters: nvme_core.io_timeout=30",
    '"echo 0 > /proc/sys/kernel/hung_task_timeout_secs" disables this message.',
    "..MP-BIOS bug: 8254 timer not connected to IO-APIC",
    "[Firmware Bug]: TSC doesn't count with P0 frequency!",
    "ACPI BIOS Error (bug): Could not resolve symbol [\\_SB.PCI0], AE_NOT_FOUND",
    "nvme nvme0: Shutdown timeout set to 10 seconds",
    "nvme nvme0: 4/0/0 default/read/poll queues",
    "ata1: SATA link up 6.0 Gbps (SStatus 133 SControl 300)",
    "ata2.00: failed command: PACKET",
    "blk_update_request: I/O error, dev fd0, sector 0 op 0x0:(READ) flags 0x0 phys_seg 1",
    "I/O error, dev sr0, sector 0 op 0x0:(READ) flags 0x80700 phys_seg 1 prio class 2",
    "Buffer I/O error on dev sr0, logical block 0, async page read",
    "Buffer I/O error on device fd0, logical block 0",
    "sr 1:0:0:0: [sr0] tag#0 Sense Key : Medium Error [current]",
    "blk_update_request: operation not supported error, dev loop0, sector 8 op 0x9:(WRITE_ZEROES)",
    "critical target error, dev sda, sector 2048 op 0x3:(DISCARD) flags 0x800 phys_seg 1",
    "EDAC MC: Ver: 3.0.0",
    "EDAC MC0: Giving out device to module skx_edac controller Skylake Socket#0 IMC#0: DEV 0000:3a",
    "EDAC PCI0: Giving out device to module i7core_edac controller",
    "mce: CPU supports 32 MCE banks",
    "RAS: Correctable Errors collector initialized.",
    "Intel machine check reporting enabled on CPU#0.",
    "EXT4-fs (vdb): mounted filesystem with ordered data mode. Opts: (null)",
    "EXT4-fs (vda): VFS: Can't find ext4 filesystem",
    "XFS (dm-0): Mounting V5 Filesystem",
    "XFS (dm-0): Ending clean mount",
    "XFS (dm-0): User initiated shutdown received.",
    "BTRFS info (device sda2): using crc32c (crc32c-intel) checksum algorithm",
    "SQUASHFS error: Can't find a SQUASHFS superblock on vda2",
    "JBD2: recovery of vda1-8 complete",
    "NMI watchdog: Enabled. Permanently consumes one hw-PMU counter.",
    "rcu: \tRCU CPU stall warnings timeout set to 60 (rcu_cpu_stall_timeout).",
    "oom_reaper: reaped process 71 (java), now anon-rss:0kB, file-rss:0kB, shmem-rss:0kB",
)


def judged(text: str) -> list[tuple[str, str]]:
    line = kernel_log.parse(f"4,1234,5000000,-;{text}\n SUBSYSTEM=x")
    assert line == (5.0, 4, text)
    return [(each.code, each.severity) for each in kernel_log.check([line])]


@pytest.mark.parametrize(
    ("code", "text"), [(code, text) for code, texts in FAULTS.items() for text in texts]
)
def test_a_line_that_tells_of_a_fault_is_found_once(code: str, text: str) -> None:
    assert [found for found, _ in judged(text)] == [code]


@pytest.mark.parametrize("text", HARMLESS)
def test_a_line_that_shares_but_words_with_a_fault_is_passed_over(text: str) -> None:
    assert judged(text) == []


def test_a_container_that_met_its_own_limit_is_no_emergency() -> None:
    assert judged("Memory cgroup out of memory: Killed process 71 (x)") == [
        ("kernel.oom", "warning")
    ]
    limit = "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),oom_memcg=/a,task=x,pid=71"
    assert judged(limit) == [("kernel.oom", "warning")]
    assert judged("Out of memory: Killed process 71 (x)") == [("kernel.oom", "critical")]


def test_a_program_that_crashed_is_worth_a_notice_alone() -> None:
    assert judged("x[71]: segfault at 0 ip 1 sp 2 error 4 in y") == [("kernel.segfault", "notice")]
