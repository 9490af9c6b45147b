# SPDX-License-Identifier: Apache-2.0
"""What `toolbox run` and `toolbox enter` take alike, as one value, and what it asks for."""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING, Annotated

import typer

from launcher.cli import options, output
from launcher.cli.options import (
    AuthfileOption,
    QuietOption,
)
from launcher.errors import UsageError

if TYPE_CHECKING:
    from launcher.cli.flags import EngineFlags
    from launcher.settings import Settings
    from toolbox.request import Request
    from toolbox.target.joining import Wanted


@dataclasses.dataclass(frozen=True)
class Flags:
    """The options, in the order of the help."""

    image: Annotated[str, typer.Option("--image", help="Any image; the admin image if none.")] = ""
    profile: Annotated[
        str, typer.Option("--profile", help="observe, general, netadmin or sysadmin.")
    ] = ""
    volume: Annotated[
        list[str] | None, typer.Option("--volume", "-v", help="/SOURCE:/TARGET[:ro]. Repeatable.")
    ] = None
    env: Annotated[
        list[str] | None,
        typer.Option("--env", "-e", help="NAME=VALUE, or NAME for its value here. Repeatable."),
    ] = None
    user: Annotated[str, typer.Option("--user", "-u", help="USER[:GROUP]; root if none.")] = ""
    workdir: Annotated[str, typer.Option("--workdir", "-w", help="Where the command begins.")] = ""
    host_rw: Annotated[bool, typer.Option("--host-rw", help="/host can be written.")] = False
    target: Annotated[
        str,
        typer.Option(
            "--target", help="A container to be beside: containerd://..., pod/..., pid:N."
        ),
    ] = ""
    target_socket: Annotated[
        str, typer.Option("--target-socket", help="The socket of the target's engine.")
    ] = ""
    root: Annotated[
        str, typer.Option("--root", help="target: the target's files are /, not at /target.")
    ] = ""
    tools_at: Annotated[
        str, typer.Option("--tools-at", help="/NAME at the target's root for our tools.")
    ] = ""
    ptrace: Annotated[
        bool, typer.Option("--ptrace", help="With --root target: look into its processes.")
    ] = False
    env_from_target: Annotated[
        bool, typer.Option("--env-from-target", help="The target's harmless variables.")
    ] = False
    target_env: Annotated[
        list[str] | None,
        typer.Option("--target-env", help="This variable of the target too: NAME. Repeatable."),
    ] = None
    cwd_from_target: Annotated[
        bool, typer.Option("--cwd-from-target", help="Begin in the target's working directory.")
    ] = False
    tty: Annotated[bool, typer.Option("--tty", "-t", help="A terminal, as one is here.")] = False
    no_tty: Annotated[bool, typer.Option("--no-tty", "-T", help="No terminal.")] = False
    memory: Annotated[str, typer.Option("--memory", help="Memory limit, such as 4G.")] = ""
    timeout: Annotated[
        float, typer.Option("--timeout", min=0, help="End the command after so many seconds.")
    ] = 0
    pull: Annotated[str, typer.Option("--pull", help="missing, always or never.")] = "missing"
    authfile: AuthfileOption = ""
    quiet: QuietOption = False

    @property
    def changes(self) -> bool:
        """Whether they ask for what a toolbox that is kept has or has not, for good."""
        return bool(self.image or self.profile or self.volume or self.host_rw)

    def beside(self) -> Wanted | None:
        """The target that is asked for, not yet looked up."""
        from toolbox import request as requests
        from toolbox.target import joining

        parse = requests.parse_target_variable
        names = [options.checked("--target-env", parse, name) for name in self.target_env or ()]
        return joining.wanted(
            self.target, socket=self.target_socket, root=self.root, tools_at=self.tools_at,
            ptrace=self.ptrace, environment=self.env_from_target, variables=tuple(names),
            directory=self.cwd_from_target,
        )  # fmt: skip

    def request(
        self, settings: Settings, command: tuple[str, ...], engine: EngineFlags
    ) -> tuple[Request, str]:
        """What flags, settings and the files of other toolboxes ask for, and the auth file."""
        from pathlib import Path

        from launcher import settings as settings_
        from toolbox import habits, profiles
        from toolbox import request as requests

        own = settings.toolbox
        usual = habits.read(Path.home())
        for place in usual.ignored:
            output.warning(f"{place} has no meaning here")
        checked = options.checked
        volumes = [checked("--volume", requests.parse_volume, text) for text in self.volume or ()]
        variables = [checked("--env", requests.parse_variable, text) for text in self.env or ()]
        for number, word in enumerate(command, 1):
            checked(f"word {number} of the command", requests.parse_text, word)
        image = self.image or own.source or usual.image or settings.admin.source
        wanted = requests.Request(
            image=options.checked_image(image),
            command=command,
            profile=profiles.named(self.profile or own.profile).name,
            user=checked("--user", requests.parse_user, self.user) or usual.user,
            workdir=checked("--workdir", requests.parse_workdir, self.workdir),
            volumes=(*usual.volumes, *volumes),
            environment={**usual.environment, **dict(variables)},
            host_rw=self.host_rw,
            terminal=self._terminal(),
            timeout=self.timeout,
            pull_timeout=own.pull_timeout,
            memory=checked("--memory", settings_.parse_size, self.memory or own.memory),
            cpus=own.cpus,
            pids=own.pids,
            wish=engine.wish(settings),
        )
        return wanted, self.authfile or settings.authfile or usual.authfile

    def _terminal(self) -> bool:
        """As all our streams are one; asked for, it needs stdin alone, and there it is no error."""
        if self.tty and self.no_tty:
            raise UsageError("usage.invalid", "--tty and --no-tty exclude each other")
        if self.tty and not os.isatty(0):
            output.warning("standard input is no terminal, so that the command gets none")
        asked = os.isatty(0) if self.tty else all(os.isatty(fd) for fd in (0, 1, 2))
        return asked and not self.no_tty
