# SPDX-License-Identifier: Apache-2.0
"""Which processes a test may leave, and what is said of those that it may not."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from launcher.proc import Process

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    Run = Callable[..., pytest.RunResult]

HEAD = """
import subprocess, pytest

def start(seconds):
    # Its parent ends at once, and it has a session, an environment and no descriptor of its own.
    script = f"setsid env -i sleep {seconds} >&- 2>&- <&- & echo $!"
    return int(subprocess.check_output(["sh", "-c", script]))
"""


def test_the_test_that_left_an_orphan_fails_and_it_is_ended(run_each_way: Run) -> None:
    result = run_each_way(
        HEAD + "def test_before():\n    pass\n"
        "def test_it():\n    open('pid', 'w').write(str(start(777.25)))\n"
        "def test_after():\n    pass\n",
    )
    assert result.ret == 1
    result.assert_outcomes(passed=3, errors=1)
    result.stdout.fnmatch_lines(["*ERROR at teardown of test_it*", "* sleep 777.25"])
    pid = int(next(Path().glob("**/pid")).read_text())
    end = time.monotonic() + 30
    while Process.of(pid):
        assert time.monotonic() < end
        time.sleep(0.05)


def test_what_is_just_about_to_end_is_waited_for(run: Run) -> None:
    result = run(HEAD + "def test_it():\n    start(0.5)\n", patience=60)
    result.assert_outcomes(passed=1)


def test_a_fixtures_process_may_stay_as_long_as_the_fixture(run: Run) -> None:
    result = run(
        HEAD + "@pytest.fixture(scope='module')\ndef daemon():\n"
        "    daemon = subprocess.Popen(['sh', '-c', 'while read line; do sleep 777.5 & done'],\n"
        "        stdin=subprocess.PIPE)\n"
        "    yield daemon\n    daemon.kill()\n    daemon.wait()\n    daemon.stdin.close()\n"
        "def test_it(daemon):\n    pass\n"
        "def test_its_child(daemon):\n    daemon.stdin.write(b'go\\n')\n    daemon.stdin.flush()\n"
        "    import time; time.sleep(0.5)\n"
        "def test_other(daemon):\n    pass\n",
    )
    # The daemon's child outlives the fixture, and the module's last test says so.
    result.assert_outcomes(passed=3, errors=1)
    result.stdout.fnmatch_lines(["*ERROR at teardown of test_other*", "* sleep 777.5"])


def test_what_a_fixture_leaves_is_named_with_it(run: Run) -> None:
    result = run(
        HEAD + "@pytest.fixture(scope='session')\ndef daemon():\n    start(777.75)\n"
        "def test_it(daemon):\n    pass\n",
    )
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["* sleep 777.75 (of the fixture `daemon`)"])
