# SPDX-License-Identifier: Apache-2.0
"""A file system whose server has heard every question and answers none.

    python -m tests.toolbox.silent PLACE [KIND] -- COMMAND...

mounts it at PLACE for COMMAND, which is run in the same mount namespace: begin a private one. Once
a question was heard no signal ends the wait for its answer, as with a dead server on the network.
All who hang are released at the end.
"""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
import threading

from hostview import kernel

# linux/fuse.h: fuse_in_header, fuse_out_header, and what answers FUSE_INIT of version 7.31
_ASKED = struct.Struct("<IIQQIIII")
_FUSE_INIT = 26
_REPLY = struct.Struct("<IiQ")
_INITIAL = struct.Struct("<IIIIHHIIHHI28x")


def mount(place: str, kind: str) -> int:
    """Mount it, and answer nothing but that the server is there; closing what this returns ends
    it.
    """
    fd = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    kernel.mount("silent", place, kind, data=f"fd={fd},rootmode=40000,user_id=0,group_id=0")
    threading.Thread(target=_listen, args=(fd,), daemon=True).start()
    return fd


def _listen(fd: int) -> None:
    while question := os.read(fd, 1 << 20):
        _, code, unique, *_ = _ASKED.unpack_from(question)
        if code == _FUSE_INIT:
            initial = _INITIAL.pack(7, 31, 0, 0, 12, 12, 1 << 16, 1, 0, 0, 0)
            os.write(fd, _REPLY.pack(_REPLY.size + len(initial), 0, unique) + initial)


def main() -> int:
    own = sys.argv[1 : sys.argv.index("--")]
    fd = mount(own[0], own[1] if own[1:] else "fuse.glusterfs")
    with subprocess.Popen(sys.argv[sys.argv.index("--") + 1 :]) as child:
        signal.signal(signal.SIGINT, lambda number, _: child.send_signal(number))
        status = child.wait()
    os.close(fd)
    return status


if __name__ == "__main__":
    sys.exit(main())
