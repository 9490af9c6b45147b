# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from hostview.oom import Kill, parse

WORDS = (
    "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=a,mems_allowed=0,"
    "oom_memcg=/docker/1,task_memcg=/docker/1/door,task={},pid=77,uid=0"
)


def test_a_kill_is_read_with_its_groups_and_time() -> None:
    kill = parse(f"6,1203,5000000,-;{WORDS.format('python3')}\n SUBSYSTEM=x\n")
    assert kill == Kill("python3", 77, "/docker/1/door", "/docker/1", 5.0)


@pytest.mark.parametrize("name", ["a,pid=1,uid=0", "task=x,y", "-"])
def test_a_process_may_have_any_name(name: str) -> None:
    kill = parse(f"6,1203,5000000,-;{WORDS.format(name)}")
    assert kill is not None
    assert (kill.name, kill.pid) == (name, 77)


@pytest.mark.parametrize(
    "record",
    [
        f"14,1203,5000000,-;{WORDS.format('x')}",  # a user's facility: who writes to /dev/kmsg
        f";{WORDS.format('x')}",
        "6,1203,5000000,-;Out of memory: Killed process 1 (x)",
        "",
    ],
)
def test_what_is_not_the_kernels_word_on_a_memory_limit_is_none(record: str) -> None:
    assert parse(record) is None
