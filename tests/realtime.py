# SPDX-License-Identifier: Apache-2.0
"""A test of real processes and real time, marked `realtime`, gets one more try when it fails.

On fresh fixtures: those of its module and of the session are torn down and made anew as well. Each
such try is shown at the end of the run with what had failed, and more than two of them in a run
(one pytest command with all its workers) fail it. A test without the marker is never tried again.

Where the tests of a module follow on each other, which the marker `in_order` says, those before the
one that failed run again first: its fixtures are what they made of them.
"""

from __future__ import annotations

import itertools
from typing import Final

import pytest
from _pytest.runner import runtestprotocol

MARKER: Final = "realtime"
IN_ORDER: Final = "in_order"
ALLOWED: Final = 2
# Tests with real engines or a real host.
_IMPLIED_BY: Final = ("engine", "refhost")
# Travels with a test's reports, from a worker too.
_PROPERTY: Final = "tried again after"

_first_failure = pytest.StashKey[str]()
_here = pytest.StashKey[int]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_here] = 0
    config.pluginmanager.register(_Count())


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if any(item.get_closest_marker(name) for name in _IMPLIED_BY):
            item.add_marker(MARKER)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Run a `realtime` test; where it fails, keep that back and run it as any other test."""
    if item.get_closest_marker(MARKER) is None or _first_failure in item.stash:
        return None
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    reports = runtestprotocol(item, log=False, nextitem=nextitem)
    failures = [report.longreprtext for report in reports if report.failed]
    # With one more than allowed the run has failed: a broken engine would break hundreds.
    if failures and item.config.stash[_here] <= ALLOWED:
        cleared = _tear_down_everything(item)
        if cleared.passed:
            item.config.stash[_here] += 1
            item.stash[_first_failure] = "\n".join(failures)
            item.user_properties.append((_PROPERTY, item.stash[_first_failure]))
            _repeat_what_came_before(item)
            # All of it once more, so that the time limit begins anew as well.
            item.ihook.pytest_runtest_protocol(item=item, nextitem=nextitem)
            return True
        reports.append(cleared)
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def _tear_down_everything(item: pytest.Item) -> pytest.TestReport:
    # Not by the hook: other plugins expect that once for each test.
    state = item.session._setupstate
    call = pytest.CallInfo.from_call(lambda: state.teardown_exact(None), when="teardown")
    report: pytest.TestReport = item.ihook.pytest_runtest_makereport(item=item, call=call)
    return report


def _repeat_what_came_before(item: pytest.Item) -> None:
    if item.get_closest_marker(IN_ORDER) is None:
        return
    for each in itertools.takewhile(lambda each: each is not item, item.session.items):
        if each.parent is item.parent:
            runtestprotocol(each, log=False, nextitem=item)


class _Count:
    """In the process that prints: the reports of all workers come there."""

    def __init__(self) -> None:
        self._tries: list[tuple[pytest.TestReport, str]] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        failure = dict(report.user_properties).get(_PROPERTY)
        if report.when == "teardown" and failure is not None:
            self._tries.append((report, str(failure)))

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if len(self._tries) > ALLOWED and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self._tries:
            return
        terminalreporter.section(f"tried again: {len(self._tries)}", bold=True)
        for report, failure in self._tries:
            terminalreporter.write_line(f"TRIED AGAIN {report.nodeid}", yellow=True)
            terminalreporter.write_line(failure)
        for report, _ in self._tries:
            terminalreporter.write_line(f"TRIED AGAIN {report.nodeid}", yellow=True)
        if len(self._tries) > ALLOWED:
            message = f"FAILED: more than {ALLOWED} tests were tried again"
            terminalreporter.write_line(message, red=True)
