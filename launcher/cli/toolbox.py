# SPDX-License-Identifier: Apache-2.0
"""`hatchway toolbox`: tools for this host, in a container that is gone when they end."""

from __future__ import annotations

import dataclasses
import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from launcher.cli import collect, options, output, toolbox_records
from launcher.cli.options import (
    AuthfileOption,
    NamespaceOption,
    OutputOption,
    QuietOption,
    RuntimeOption,
    SocketOption,
)
from launcher.cli.output import Output
from launcher.errors import Exit, HatchwayError, UsageError

if TYPE_CHECKING:
    from launcher.host import Host
    from launcher.runtimes.base import Image, Runtime
    from launcher.settings import Settings
    from toolbox.request import Request
    from toolbox.target.joining import Wanted

app = typer.Typer(
    help="Tools for this host, in a container that is gone when they end. Alone: a shell.",
    invoke_without_command=True,
    rich_markup_mode=None,
)

# The first word that is no option begins the command, with or without `--`.
_PASS_ON = {"allow_interspersed_args": False}

ImageOption = Annotated[str, typer.Option("--image", help="Any image; the admin image if none.")]
ProfileOption = Annotated[
    str, typer.Option("--profile", help="observe, general, netadmin or sysadmin.")
]
VolumeOption = Annotated[
    list[str] | None, typer.Option("--volume", "-v", help="/SOURCE:/TARGET[:ro]. Repeatable.")
]
EnvOption = Annotated[
    list[str] | None,
    typer.Option("--env", "-e", help="NAME=VALUE, or NAME for its value here. Repeatable."),
]
UserOption = Annotated[str, typer.Option("--user", "-u", help="USER[:GROUP]; root if none.")]
WorkdirOption = Annotated[str, typer.Option("--workdir", "-w", help="Where the command begins.")]
HostRwOption = Annotated[bool, typer.Option("--host-rw", help="/host can be written.")]
TtyOption = Annotated[bool, typer.Option("--tty", "-t", help="A terminal, as one is here.")]
NoTtyOption = Annotated[bool, typer.Option("--no-tty", "-T", help="No terminal.")]
PullOption = Annotated[str, typer.Option("--pull", help="missing, always or never.")]
LimitOption = Annotated[
    float, typer.Option("--timeout", min=0, help="End the command after so many seconds.")
]
TargetOption = Annotated[
    str,
    typer.Option("--target", help="A container to be beside: containerd://..., pod/..., pid:N."),
]
TargetSocketOption = Annotated[
    str, typer.Option("--target-socket", help="The socket of the target's engine.")
]
RootOption = Annotated[
    str, typer.Option("--root", help="target: the target's files are /, not at /target.")
]
ToolsAtOption = Annotated[
    str, typer.Option("--tools-at", help="An empty directory of the target for our tools.")
]
EnvFromTargetOption = Annotated[
    bool, typer.Option("--env-from-target", help="The target's environment, below ours.")
]
CwdFromTargetOption = Annotated[
    bool, typer.Option("--cwd-from-target", help="Begin in the target's working directory.")
]
KeepOption = Annotated[
    str, typer.Option("--keep", help="In the toolbox of this name, which stays. Made if need be.")
]
DetachOption = Annotated[
    bool, typer.Option("--detach", "-d", help="Print an id and go on in the background.")
]
AsOption = Annotated[str, typer.Option("--as", hidden=True)]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Print the plan; do nothing.")]


@app.callback()
def _bare(context: typer.Context) -> int | None:
    if context.invoked_subcommand is not None:
        return None
    return enter()


app.command()(collect.collect)
app.command("list")(toolbox_records.list_)
app.command()(toolbox_records.rm)
app.command()(toolbox_records.logs)
app.command()(toolbox_records.wait)
app.command()(toolbox_records.stop)
app.command(hidden=True)(toolbox_records.work)


@app.command(context_settings=_PASS_ON)
def run(
    command: Annotated[list[str], typer.Argument(help="The command and its arguments.")],
    image: ImageOption = "",
    profile: ProfileOption = "",
    volume: VolumeOption = None,
    env: EnvOption = None,
    user: UserOption = "",
    workdir: WorkdirOption = "",
    host_rw: HostRwOption = False,
    target: TargetOption = "",
    target_socket: TargetSocketOption = "",
    root: RootOption = "",
    tools_at: ToolsAtOption = "",
    env_from_target: EnvFromTargetOption = False,
    cwd_from_target: CwdFromTargetOption = False,
    tty: TtyOption = False,
    no_tty: NoTtyOption = False,
    keep: KeepOption = "",
    detach: DetachOption = False,
    timeout: LimitOption = 0,
    pull: PullOption = "missing",
    runtime: RuntimeOption = "",
    socket: SocketOption = "",
    namespace: NamespaceOption = "",
    authfile: AuthfileOption = "",
    dry_run: DryRunOption = False,
    quiet: QuietOption = False,
    form: OutputOption = Output.TEXT,
    own: AsOption = "",
) -> int:
    """Run a command in a toolbox of its own; its exit status is ours."""
    from toolbox.target import joining

    settings = options.load_settings()
    beside = joining.wanted(
        target, socket=target_socket, root=root, tools_at=tools_at, environment=env_from_target,
        directory=cwd_from_target,
    )  # fmt: skip
    request, authfile = _request(
        settings, tuple(command), image=image, profile=profile, volume=volume, env=env, user=user,
        workdir=workdir, host_rw=host_rw, terminal=_terminal(tty, no_tty), timeout=timeout,
        runtime=runtime, socket=socket, namespace=namespace, authfile=authfile,
    )  # fmt: skip
    request = _kept(request, keep, beside)
    if dry_run:
        return _print_plan(request, beside, form)
    if detach and not own:
        return _detach(request, form)
    changes = bool(image or profile or volume or host_rw)
    return _run(
        request, beside, settings, pull, authfile, quiet=quiet, changes=changes, own=own
    )  # fmt: skip


@app.command("enter")
def enter(
    name: Annotated[str, typer.Argument(help="A toolbox that is kept; else one of its own.")] = "",
    image: ImageOption = "",
    profile: ProfileOption = "",
    volume: VolumeOption = None,
    env: EnvOption = None,
    user: UserOption = "",
    workdir: WorkdirOption = "",
    host_rw: HostRwOption = False,
    target: TargetOption = "",
    target_socket: TargetSocketOption = "",
    root: RootOption = "",
    tools_at: ToolsAtOption = "",
    env_from_target: EnvFromTargetOption = False,
    cwd_from_target: CwdFromTargetOption = False,
    tty: TtyOption = False,
    no_tty: NoTtyOption = False,
    timeout: LimitOption = 0,
    pull: PullOption = "missing",
    runtime: RuntimeOption = "",
    socket: SocketOption = "",
    namespace: NamespaceOption = "",
    authfile: AuthfileOption = "",
    quiet: QuietOption = False,
) -> int:
    """A shell in a toolbox: the image's own, whichever it has."""
    from toolbox.target import joining

    settings = options.load_settings()
    beside = joining.wanted(
        target, socket=target_socket, root=root, tools_at=tools_at, environment=env_from_target,
        directory=cwd_from_target,
    )  # fmt: skip
    request, authfile = _request(
        settings, (), image=image, profile=profile, volume=volume, env=env, user=user,
        workdir=workdir, host_rw=host_rw, terminal=_terminal(tty, no_tty), timeout=timeout,
        runtime=runtime, socket=socket, namespace=namespace, authfile=authfile,
    )  # fmt: skip
    changes = bool(image or profile or volume or host_rw)
    request = _kept(request, name, beside)
    return _run(
        request, beside, settings, pull, authfile, quiet=quiet, changes=changes, make=False
    )  # fmt: skip


def _request(
    settings: Settings, command: tuple[str, ...], *, image: str, profile: str,
    volume: list[str] | None, env: list[str] | None, user: str, workdir: str, host_rw: bool,
    terminal: bool, timeout: float, runtime: str, socket: str, namespace: str, authfile: str,
) -> tuple[Request, str]:  # fmt: skip
    """What the flags, the settings and the files of other toolboxes ask for, and the auth file."""
    from pathlib import Path

    from launcher import settings as settings_
    from toolbox import habits, profiles
    from toolbox import request as requests

    own = settings.toolbox
    usual = habits.read(Path.home())
    for place in usual.ignored:
        output.warning(f"{place} has no meaning here")
    volumes = [options.checked("--volume", requests.parse_volume, text) for text in volume or ()]
    variables = [options.checked("--env", requests.parse_variable, text) for text in env or ()]
    wanted = requests.Request(
        image=options.checked_image(image or own.source or usual.image or settings.admin.source),
        command=command,
        profile=profiles.named(profile or own.profile).name,
        user=options.checked("--user", requests.parse_user, user) or usual.user,
        workdir=options.checked("--workdir", requests.parse_workdir, workdir),
        volumes=(*usual.volumes, *volumes),
        environment={**usual.environment, **dict(variables)},
        host_rw=host_rw,
        terminal=terminal,
        timeout=timeout,
        pull_timeout=own.pull_timeout,
        memory=settings_.parse_size(own.memory),
        cpus=own.cpus,
        pids=own.pids,
        wish=options.wish(settings, runtime, socket, namespace),
    )
    return wanted, authfile or settings.authfile or usual.authfile


def _terminal(tty: bool, no_tty: bool) -> bool:
    """As all our streams are one; asked for, it needs stdin alone, and there it is no error."""
    if tty and no_tty:
        raise UsageError("usage.invalid", "--tty and --no-tty exclude each other")
    if tty and not os.isatty(0):
        output.warning("standard input is no terminal, so that the command gets none")
    return not no_tty and (os.isatty(0) if tty else all(os.isatty(fd) for fd in (0, 1, 2)))


def _kept(request: Request, name: str, beside: Wanted | None) -> Request:
    if not name:
        return request
    from toolbox.request import parse_name

    if beside is not None:
        message = "a toolbox that is kept has its own namespaces: --keep excludes --target"
        raise UsageError("usage.invalid", message)
    return dataclasses.replace(request, keep=parse_name(name))


def _detach(request: Request, form: Output) -> int:
    """The same command line in the background; its id at once."""
    from launcher.host import require_root
    from toolbox import detaching

    require_root()
    made = detaching.detach(request, sys.argv[1:])
    if form is Output.TEXT:
        output.line(made.id)
    else:
        output.data({"id": made.id, "log": str(made.log)}, form)
    return Exit.DONE


def _run(
    request: Request, beside: Wanted | None, settings: Settings, pull: str, authfile: str, *,
    quiet: bool, changes: bool = False, make: bool = True, own: str = "",
) -> int:  # fmt: skip
    """What fails on our side is status 125: every other one is the command's."""
    from launcher import monitor
    from launcher.host import Host, require_root
    from toolbox import running, visiting

    policy = options.checked("--pull", options.pull_policy, pull)
    sys.stdout.flush()
    try:
        require_root()
        host = Host.read()
        request = _joined(request, beside, host)
        with monitor.for_terminal(quiet=quiet) as listener:
            have = options.ensure(settings, listener, policy, authfile)

            def ensure(engine: Runtime, limit: float) -> Image:
                return have(request.image, engine, limit)

            if request.keep:
                return visiting.run(request, host, ensure, listener, changes=changes, make=make)
            return running.run(request, host, ensure, listener, own=own)
    except UsageError:
        raise
    except HatchwayError as problem:
        output.error(problem, Output.TEXT)
        return Exit.OURS


def _joined(request: Request, beside: Wanted | None, host: Host) -> Request:
    """The request with its target, which has to run by now."""
    if beside is None:
        return request
    return dataclasses.replace(request, joining=beside.look(request.wish, host))


def _print_plan(request: Request, beside: Wanted | None, form: Output) -> int:
    """The plan, with the image's digest where the image is here already."""
    from launcher import door as doors
    from launcher import images, runtimes
    from launcher.host import Host
    from launcher.references import Reference
    from launcher.runtimes.base import Image
    from toolbox import planning

    host = Host.read()
    request = _joined(request, beside, host)
    choice = runtimes.choose(request.wish, host)
    reference = Reference.parse(request.image)
    found = images.find(reference, runtime=choice.runtime, store=doors.STATE)
    image = found or Image(reference.local_name(), "")
    # Values may be secret, and what is printed here is passed around.
    hidden = dataclasses.replace(request, environment=dict.fromkeys(request.environment, "***"))
    planned = planning.plan(hidden, host, image, f"{planning.PREFIX}ID", engine=choice.runtime.name)
    if form is Output.TEXT:
        output.lines([f"runtime    {choice.runtime.describe()} ({choice.why})"])
        output.lines(planned.describe())
    else:
        facts = {"runtime": choice.runtime.describe(), "why": choice.why}
        output.data({**facts, "digest": planned.digest(), "plan": planned.as_json()}, form)
    return Exit.DONE
