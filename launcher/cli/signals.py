# SPDX-License-Identifier: Apache-2.0
"""What is said when a signal ends the command: whoever asked for JSON gets JSON."""

from __future__ import annotations

import os
import signal
from typing import Any, NoReturn

from launcher import interrupt
from launcher.cli import output
from launcher.cli.output import Output
from launcher.errors import HatchwayError

HINT = "Ask for it again; `hatchway admin status` says what there is."


def tell(number: int, form: Output) -> None:
    """Say by which signal the command was stopped."""
    name = signal.Signals(number).name
    if form is Output.TEXT:
        output.notice(f"stopped by {name}")
    else:
        output.error(HatchwayError("interrupted", f"stopped by {name}", HINT, signal=number), form)


def answer_early(form: Output) -> None:
    """For a signal that comes before, or where, nothing has to be cleaned up.

    In text the kernel's own way of ending us says all; what cleans up has handlers of its own.
    """
    ours = os.getpid()

    def end(number: int, _frame: Any) -> NoReturn:
        if os.getpid() == ours:
            tell(number, form)
        os._exit(128 + number)

    def unwind(number: int, _frame: Any) -> NoReturn:
        # Not KeyboardInterrupt, which typer makes a mere status of.
        raise interrupt.Interrupted(number)

    if form is Output.TEXT:
        return
    for number, handler in ((signal.SIGINT, unwind), (signal.SIGTERM, end), (signal.SIGHUP, end)):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)
