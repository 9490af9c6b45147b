# SPDX-License-Identifier: Apache-2.0
"""`hatchway admin`: open, look at and close the door."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from launcher.cli import options, output
from launcher.cli.flags import AS_SET, EngineFlags, spread
from launcher.cli.options import (
    AuthfileOption,
    OutputOption,
    QuietOption,
    StopTimeoutOption,
    TimeoutOption,
)
from launcher.cli.output import Output
from launcher.errors import ContainerError, Exit, HatchwayError

if TYPE_CHECKING:
    from collections.abc import Callable

    from launcher.admin.opening import Ensure
    from launcher.admin.request import Opened, Request
    from launcher.host import Host
    from launcher.images import Pull
    from launcher.monitor import Monitor
    from launcher.settings import Settings

app = typer.Typer(
    help="The admin container: the door into this host.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

# The first word that is no option begins the command, or `--` does.
_PASS_ON = {"allow_interspersed_args": False}


@app.command()
@spread("engine", EngineFlags)
def start(
    key_file: Annotated[
        list[str] | None, typer.Option(help="Public keys; - is standard input. Repeatable.")
    ] = None,
    user_data: Annotated[
        str, typer.Option(help="Bottlerocket's user data of the admin container; - is stdin.")
    ] = "",
    trusted_ca: Annotated[
        list[str] | None, typer.Option(help="CA keys whose certificates may enter. Repeatable.")
    ] = None,
    principal: Annotated[
        list[str] | None, typer.Option(help="Certificate principal to admit. Repeatable.")
    ] = None,
    revoked_keys: Annotated[
        str, typer.Option(help="Keys and certificates to refuse: a list of keys, or a KRL.")
    ] = "",
    user: Annotated[str, typer.Option(help="The login name.")] = "",
    listen: Annotated[str, typer.Option(help="PORT or ADDRESS:PORT.")] = "",
    ssh_policy: Annotated[str, typer.Option(help="broad or post-quantum.")] = "",
    image: Annotated[str, typer.Option(help="The admin image; may be pinned by @sha256:.")] = "",
    pull: Annotated[str, typer.Option(help="missing, always or never.")] = "missing",
    memory: Annotated[str, typer.Option(help="Memory limit, such as 512M.")] = "",
    cpus: Annotated[float | None, typer.Option(help="Limit in cores.", min=0.05)] = None,
    pids: Annotated[int | None, typer.Option(help="Limit of processes.", min=32)] = None,
    engine: EngineFlags = AS_SET,
    authfile: AuthfileOption = "",
    timeout: TimeoutOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan; do nothing.")] = False,
    quiet: QuietOption = False,
    form: OutputOption = Output.TEXT,
) -> int:
    """Open the door, and return when it is proven open."""
    from bootstrap_image.spec import KEYS_FILE
    from launcher import settings as settings_
    from launcher.admin import opening
    from launcher.admin.request import Request
    from launcher.host import Host, require_root
    from launcher.keys import access as access_
    from launcher.keys import rules

    settings = options.load_settings()
    admin = settings.admin
    access = access_.collect(
        access_.Request(
            user=user or admin.user,
            key_files=tuple(key_file or ()),
            ca_files=tuple(trusted_ca or ()),
            principals=tuple(principal or admin.principals),
            user_data_file=user_data,
            user_data=settings_.decode_user_data(admin.user_data),
            kept_file=KEYS_FILE,
            revoked_file=revoked_keys or admin.revoked_keys,
            rules=options.checked(
                "--ssh-policy", lambda name: rules.of(admin, policy=name), ssh_policy
            ),
        ),
        options.standard_input,
    )
    request = Request(
        image=options.checked_image(image or admin.source),
        listen=options.checked("--listen", settings_.parse_listen, listen or admin.listen),
        access=access,
        wish=engine.wish(settings),
        memory=options.checked("--memory", settings_.parse_size, memory or admin.memory),
        cpus=cpus or admin.cpus,
        pids=pids or admin.pids,
        timeout=timeout or admin.timeout,
        uid=admin.uid,
    )
    for finding in access.warnings:
        output.warning(f"key skipped: {finding}")
    policy = options.checked("--pull", options.pull_policy, pull)
    if dry_run:
        return _print_plan(request, Host.read(), form)
    require_root()
    return _open(opening.open_door, request, settings, policy, authfile, form, quiet=quiet)


@app.command()
@spread("engine", EngineFlags)
def stop(
    engine: EngineFlags = AS_SET,
    timeout: StopTimeoutOption = 60.0,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Say nothing of what went as asked.")
    ] = False,
    form: OutputOption = Output.TEXT,
) -> int:
    """Close the door: end all sessions and leave nothing behind. Twice is as good as once."""
    from launcher.admin import closing
    from launcher.admin import status as status_
    from launcher.cli import status_text
    from launcher.deadline import Deadline
    from launcher.host import Host, require_root

    require_root()
    settings = options.load_settings()
    limit = Deadline.after(timeout)
    closed = closing.close_door(engine.wish(settings), Host.read(), deadline=limit)
    left = closed.uncleared
    with output.answer():
        if left is not None:
            output.warning(status_text.uncleared(left))
        if form is Output.TEXT and quiet:
            pass
        elif form is Output.TEXT:
            said = "The door is closed." if closed.was_open else "The door was closed already."
            output.line(said)
        else:
            facts = {
                "state": "closed",
                "was_open": closed.was_open,
                "uncleared": status_.uncleared_facts(left),
            }
            output.data(facts, form)
    return Exit.DONE if left is None else Exit.DEGRADED


@app.command()
def restart(
    image: Annotated[str, typer.Option(help="Another image than the present one.")] = "",
    authfile: AuthfileOption = "",
    timeout: TimeoutOption = None,
    quiet: QuietOption = False,
    form: OutputOption = Output.TEXT,
) -> int:
    """Close the door and open it again with the keys, user, address and port that it had."""
    from launcher import door as doors
    from launcher import settings as settings_
    from launcher.admin import closing, inputs, opening
    from launcher.admin.request import Request
    from launcher.host import require_root
    from launcher.images import Pull
    from launcher.keys import access as access_

    require_root()
    found, access = doors.read(), inputs.read()
    if found is None or access is None:
        hint = "Open it: hatchway admin start --key-file FILE"
        raise ContainerError("container.not-running", "there is no door to restart", hint)
    access_.require_some(access)
    settings = options.load_settings()
    admin = settings.admin
    request = Request(
        image=options.checked_image(image or found.image),
        listen=settings_.Listen(found.address, found.port),
        access=access,
        wish=closing.wish_of(found),
        memory=settings_.parse_size(admin.memory),
        cpus=admin.cpus,
        pids=admin.pids,
        timeout=timeout or admin.timeout,
        uid=admin.uid,
    )
    reopen = opening.reopen_door
    return _open(reopen, request, settings, Pull.MISSING, authfile, form, quiet=quiet)


@app.command()
def status(form: OutputOption = Output.TEXT) -> int:
    """Say whether the door is open, since when, for whom, who is inside, or why it is not."""
    from launcher.admin import status as status_
    from launcher.host import require_root

    require_root()
    found = status_.look()
    if form is Output.TEXT:
        from launcher.cli import status_text

        output.lines(status_text.render(found))
    else:
        output.data(status_.as_json(found), form)
    return Exit.DONE


@app.command("exec", context_settings=_PASS_ON)
def execute(
    command: Annotated[list[str], typer.Argument(help="The command and its arguments.")],
) -> None:
    """Run a command as root in the admin container, without SSH; its exit status is ours."""
    _enter(tuple(command))


@app.command()
def shell() -> None:
    """A root shell in the admin container, without SSH."""
    _enter(("/bin/bash", "--login"))


@app.command()
def logs(
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many lines.")] = 100,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as it grows.")] = False,
) -> int:
    """Print the log of the door: who came, with which key, and what sshd and the container say."""
    from launcher import door as doors
    from launcher import logfile
    from launcher.host import require_root

    require_root()
    output.lines(logfile.tail(doors.LOG, lines))
    if follow:
        output.lines(logfile.follow(doors.LOG))
    return Exit.DONE


def _enter(command: tuple[str, ...]) -> None:
    """Failing to enter is status 125: every other one is the command's."""
    from launcher import door as doors
    from launcher import enter
    from launcher.host import require_root

    try:
        require_root()
        found = doors.read()
        if found is None or found.state != "open" or not found.alive():
            hint = "Open it: hatchway admin start --key-file FILE"
            raise ContainerError("container.not-running", "there is no open door", hint)
        enter.execute(found.process(), command, uid=found.uid)
    except HatchwayError as problem:
        output.error(problem, Output.TEXT)
        raise typer.Exit(Exit.OURS) from None


def _open(
    opening: Callable[[Request, Host, Ensure, Monitor], Opened],
    request: Request,
    settings: Settings,
    pull: Pull,
    authfile: str,
    form: Output,
    *,
    quiet: bool,
) -> int:
    """Open, print the door, and say by the exit status whether all is as asked."""
    from launcher import monitor
    from launcher.host import Host

    with monitor.for_terminal(quiet=quiet) as listener:
        have = options.ensure(settings, listener, pull, authfile)
        opened = opening(
            request,
            Host.read(),
            lambda runtime, limit: have(request.image, runtime, limit),
            listener,
        )
    with output.answer():
        _print_door(opened, [str(finding) for finding in request.access.warnings], form)
    degraded = opened.differences or request.access.warnings
    return Exit.DEGRADED if degraded else Exit.DONE


def _print_door(opened: Opened, skipped: list[str], form: Output) -> None:
    from launcher.admin import status as status_

    facts = {
        "state": "open",
        "ready": True,
        "adopted": opened.adopted,
        **status_.door_facts(opened.door),
        "differences": opened.differences,
        "skipped_keys": skipped,
    }
    if form is not Output.TEXT:
        output.data(facts, form)
        return
    from launcher.cli import status_text

    for difference in opened.differences:
        output.warning(f"the open door was adopted: {difference}")
    output.lines(status_text.door(opened.door))


def _print_plan(request: Request, host: Host, form: Output) -> int:
    """The plan, with the image's digest where the image is here already."""
    from launcher import door as doors
    from launcher import images, runtimes
    from launcher.admin import opening
    from launcher.deadline import Deadline
    from launcher.references import Reference
    from launcher.runtimes.base import Image

    choice = runtimes.choose(request.wish, host, Deadline.after(request.timeout))
    reference = Reference.parse(request.image)
    found = images.find(reference, runtime=choice.runtime, store=doors.STATE)
    planned = opening.plan(request, host, found or Image(reference.local_name(), ""))
    output.plan(planned, choice, form)
    return Exit.DONE
