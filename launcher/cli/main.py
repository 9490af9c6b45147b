# SPDX-License-Identifier: Apache-2.0
"""Entry point: build the command, run it, and turn whatever it raises into an exit status."""

from __future__ import annotations

import os
import signal
import sys
from importlib import import_module
from typing import Annotated, Final, NoReturn

import typer

# Typer carries its own copy of Click, and offers its base exception nowhere else.
from typer._click.exceptions import ClickException, NoArgsIsHelpError

from launcher import VERSION, escape, interrupt, streams
from launcher.cli import doctor, host, numbers, output, signals
from launcher.errors import Exit, HatchwayError, UsageError

app = typer.Typer(
    name="hatchway",
    help="The one guarded way into a host that has no shell, no sshd and no Python.",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
GROUPS: Final = ("admin", "bootstrap", "image", "toolbox")


def _version(wanted: bool) -> None:
    if wanted:
        output.line(f"hatchway {VERSION}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def main() -> NoReturn:
    """Run the command line of this process."""
    # The bundle's loader needed it; a child that inherits it would load our libraries.
    os.environ.pop("LD_LIBRARY_PATH", None)
    streams.complete()
    _stand_somewhere()
    form = output.asked_for(sys.argv[1:])
    signals.answer_early(form)
    try:
        _add_commands(sys.argv[1] if len(sys.argv) > 1 else "")
        command = typer.main.get_command(app)
        numbers.be_finite(command)
        status = command(standalone_mode=False)
    except HatchwayError as problem:
        output.error(problem, form)
        sys.exit(problem.exit)
    except NoArgsIsHelpError as bare:
        streams.tell(bare.format_message(), shown=escape.block)
        sys.exit(Exit.USAGE)
    except ClickException as problem:
        output.error(_usage(problem), form)
        sys.exit(Exit.USAGE)
    except interrupt.Interrupted as signalled:
        signals.tell(signalled.number, form)
        sys.exit(128 + signalled.number)
    except (typer.Abort, KeyboardInterrupt):
        signals.tell(signal.SIGINT, form)
        sys.exit(Exit.INTERRUPTED)
    except output.UnheardError as lost:
        if not lost.gone:  # whoever had enough knows it
            output.notice(str(lost))
        sys.exit(Exit.FAILED)
    except Exception as defect:  # noqa: BLE001 - the last resort: nobody is to read a bare traceback
        output.error(_defect(defect), form)
        sys.exit(Exit.FAILED)
    sys.exit(status if isinstance(status, int) else Exit.DONE)


def _stand_somewhere() -> None:
    """Programs and libraries fail in a directory that was removed; no path leads from there."""
    try:
        os.getcwd()  # noqa: PTH109 - an object of it is not wanted
    except FileNotFoundError:
        os.chdir("/")


def _add_commands(first: str) -> None:
    """Only the group that is asked for: to build every command would cost a status 10 ms."""
    for name in (first,) if first in GROUPS else GROUPS:
        app.add_typer(import_module(f"launcher.cli.{name}").app, name=name)
    app.command()(doctor.doctor)
    app.command()(host.install)
    app.command()(host.uninstall)


def _defect(defect: Exception) -> HatchwayError:
    """What no one foresaw: the traceback is for the report, the sentence for the reader."""
    import traceback

    message = f"Hatchway failed by a defect of its own: {type(defect).__name__}: {defect}"
    hint = "Please report it with these lines; `hatchway admin stop` cleans up."
    return HatchwayError("internal", message, hint, log="".join(traceback.format_exception(defect)))


def _usage(problem: ClickException) -> UsageError:
    context = getattr(problem, "ctx", None)
    path = context.command_path if context is not None else "hatchway"
    return UsageError("usage.invalid", problem.format_message(), f"Try `{path} --help`.")


if __name__ == "__main__":
    main()
