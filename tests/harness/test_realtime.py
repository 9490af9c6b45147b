# SPDX-License-Identifier: Apache-2.0
"""Which test is tried again, on which fixtures, and what is said of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[..., pytest.RunResult]

# The number of the session's and of the module's fixture that a test got, and what was torn down.
FIXTURES = """
import pytest

made, ended = [], []

@pytest.fixture(scope="session")
def session():
    made.append("session")
    yield made.count("session")
    ended.append("session")

@pytest.fixture(scope="module")
def module(session):
    made.append("module")
    yield made.count("module")
    ended.append("module")
"""


def flaky(name: str, marker: str = "realtime") -> str:
    """Give a test whose first try fails and whose second passes."""
    return f"""
import pytest

tries_of_{name} = []

@pytest.mark.{marker}
def test_{name}():
    tries_of_{name}.append(1)
    assert len(tries_of_{name}) == 2, "{name} was not lucky"
"""


@pytest.mark.parametrize("marker", ["realtime", "engine", "refhost"])
def test_one_that_fails_once_passes_and_is_shown(run: Run, marker: str) -> None:
    result = run(flaky("once", marker))
    assert result.ret == 0
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        ["*tried again: 1*", "TRIED AGAIN *::test_once", "*once was not lucky*"]
    )


def test_one_that_fails_twice_fails_and_is_shown(run_each_way: Run) -> None:
    result = run_each_way(
        "import pytest\n@pytest.mark.realtime\ndef test_it():\n    assert 0, 'never'"
    )
    assert result.ret == 1
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*tried again: 1*", "TRIED AGAIN *::test_it"])


def test_one_without_the_marker_is_not_tried_again(run: Run) -> None:
    result = run(flaky("plain", "parametrize('x', [1])").replace("plain()", "plain(x)"))
    assert result.ret == 1
    result.assert_outcomes(failed=1)
    assert "tried again" not in result.stdout.str().lower()


def test_the_second_try_has_fresh_fixtures_of_every_scope(run_each_way: Run) -> None:
    result = run_each_way(
        FIXTURES
        + "def test_before(module):\n    assert (made, ended) == (['session', 'module'], [])\n"
        "@pytest.mark.realtime\n"
        "def test_it(session, module):\n"
        "    assert session == module == 2 and ended == ['module', 'session']\n"
        "def test_after(module):\n    assert module == 2\n",
    )
    assert result.ret == 0
    result.assert_outcomes(passed=3)


def test_tests_that_follow_on_each_other_run_again_up_to_the_one_that_failed(
    run_each_way: Run,
) -> None:
    result = run_each_way(
        FIXTURES
        + """
pytestmark = [pytest.mark.realtime, pytest.mark.in_order]
ran = []

def test_a(module):
    ran.append(f"a{module}")

def test_b(module):
    ran.append(f"b{module}")
    assert ran[-2:] == ["a2", "b2"]

def test_c(module):
    assert ran == ["a1", "b1", "a2", "b2"]
"""
    )
    assert result.ret == 0
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["*tried again: 1*"])


@pytest.mark.parametrize(
    "broken",
    ["if len(tries) == 1: assert 0\n    yield", "yield\n    if len(tries) == 1: assert 0"],
    ids=["setup", "teardown"],
)
def test_a_fixture_that_fails_once_counts_too(run: Run, broken: str) -> None:
    result = run(
        "import pytest\ntries = []\n"
        f"@pytest.fixture\ndef thing():\n    tries.append(1)\n    {broken}\n"
        "@pytest.mark.realtime\ndef test_it(thing):\n    pass\n"
    )
    assert result.ret == 0
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*tried again: 1*"])


def test_two_in_a_run_are_forgiven_and_three_are_not(run_each_way: Run) -> None:
    two = run_each_way(flaky("a") + flaky("b"))
    assert two.ret == 0
    three = run_each_way(flaky("a") + flaky("b") + flaky("c"))
    assert three.ret == 1
    three.assert_outcomes(passed=3)
    three.stdout.fnmatch_lines(
        ["*tried again: 3*", "TRIED AGAIN *", "FAILED: more than 2 tests were tried again"]
    )


def test_what_cannot_be_torn_down_is_not_forgiven(run: Run) -> None:
    result = run(
        "import pytest\n"
        "@pytest.fixture(scope='session')\ndef thing():\n    yield\n    assert 0, 'it sticks'\n"
        + flaky("it").replace("test_it()", "test_it(thing)")
        + "def test_after():\n    pass\n",
    )
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*it sticks*"])
