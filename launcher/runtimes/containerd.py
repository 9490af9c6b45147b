# SPDX-License-Identifier: Apache-2.0
"""containerd through its own `ctr`, which every host with containerd has.

`ctr run`'s flags differ from version to version and reach neither pids limit nor OOM score, so the
container gets a complete OCI configuration, and its root is a snapshot that we mount ourselves.
Works with ctr 1.4 and later.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from launcher import files, mounts, process
from launcher.errors import (
    ContainerError,
    Exit,
    HostError,
    ImageError,
    RuntimeUnavailableError,
    UsageError,
)
from launcher.runtimes import accounts, lookup, oci
from launcher.runtimes.base import Container, Image, State

if TYPE_CHECKING:
    from collections.abc import Iterable

    from launcher.plan import Plan
    from launcher.runtimes.base import Entry

RUN: Final = Path("/run/hatchway/containerd")
ASK_LIMIT: Final = 30.0
START_LIMIT: Final = 60.0
POLL: Final = 0.05

_DOWN_WORDS: Final = ("connection refused", "no such file or directory: dial", "failed to dial",
                      "context deadline exceeded")  # fmt: skip
_STATES: Final = {
    "CREATED": State.CREATED, "RUNNING": State.RUNNING, "PAUSED": State.PAUSED,
    "PAUSING": State.PAUSED, "STOPPED": State.STOPPED, "UNKNOWN": State.STOPPED,
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Containerd:
    """containerd at `socket`, in one of its namespaces."""

    program: str
    socket: str
    namespace: str
    name: str = "containerd"
    removes_what_ended: bool = False
    forwards_to_entries: bool = True
    # What is named by its digest never changes, and each question costs a process.
    _read: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict, compare=False)

    def describe(self) -> str:
        return f"containerd at {self.socket}, namespace {self.namespace}"

    def find_image(self, name: str) -> Image | None:
        lines = self._ctr("images", "ls").text().splitlines()[1:]
        for fields in (line.split() for line in lines):
            if len(fields) > 2 and fields[0] == name:
                return self._image(name, fields[2])
        if name.startswith("sha256:"):
            known = (self._image(fields[0], fields[2]) for fields in map(str.split, lines))
            return next((image for image in known if image.config_digest == name), None)
        return None

    def _image(self, name: str, target: str) -> Image:
        manifest = self._manifest(target)
        digest = manifest["config"]["digest"]
        labels = self._content(digest).get("config", {}).get("Labels") or {}
        return Image(name, digest, target, labels)

    def load_image(self, archive: Iterable[bytes], *, timeout: float) -> None:
        self._ctr("images", "import", "-", stdin=archive, limit=timeout, kind=ImageError)

    def remove_image(self, name: str) -> None:
        with contextlib.suppress(ContainerError):
            self._ctr("images", "rm", name)

    def start(self, plan: Plan, *, keep: bool = False) -> Container:
        del keep  # nothing here is ever removed but by `remove`
        settings = self._prepare(plan)
        self._ctr(
            "run", "--detach", "--null-io", *_labels(plan), "--config", settings, plan.name,
            limit=START_LIMIT,
        )  # fmt: skip
        found = self.find(plan.name)
        if found is None or found.state != State.RUNNING:
            raise ContainerError("container.died", "the container ended at once")
        return found

    def foreground(self, plan: Plan, *, interactive: bool, scratch: Path) -> tuple[str, ...]:
        del interactive  # ctr hands on whatever stdin it has
        settings = self._prepare(plan)
        options = ("--tty",) if plan.terminal else ()
        return self._argv(
            "run", "--rm", "--pid-file", str(scratch / "pid"), *options, *_labels(plan),
            "--config", settings, plan.name,
        )  # fmt: skip

    def hears_end_of_input(self, name: str, scratch: Path) -> bool:
        """An end that comes before ctr knows its task is lost, and the command waits for ever."""
        if (scratch / "pid").exists():
            return True
        return scratch.name in self._ctr("tasks", "ps", name, check=False).text()

    def verdict(self, plan: Plan, status: int, scratch: Path) -> int:
        """Tell ctr's own failure from the command's: only what was created has left its pid."""
        if status == 0 or (scratch / "pid").exists():
            return status
        process = json.loads((RUN / f"{plan.name}.json").read_bytes())["process"]
        search = next((p[5:] for p in process["env"] if p.startswith("PATH=")), oci.DEFAULT_PATH)
        return lookup.blame(_root(plan.name), process["args"][0], search)

    def enter(self, name: str, entry: Entry, *, scratch: Path) -> tuple[str, ...]:
        if entry.environment:
            message = "containerd sets no environment for one more command in a container"
            hint = "Set it when the toolbox is made, or use another engine (--runtime)."
            raise UsageError("usage.invalid", message, hint)
        options = ["--exec-id", scratch.name]
        options += ["--tty"] if entry.terminal else []
        options += ["--user", entry.user] if entry.user else []
        options += ["--cwd", entry.workdir] if entry.workdir else []
        return self._argv("tasks", "exec", *options, name, *entry.command)

    def entry_problem(self, name: str, program: str) -> int:
        """Whatever fails, ctr ends with 1."""
        described = json.loads(self._ctr("containers", "info", name).stdout)
        environment = described["Spec"]["process"]["env"]
        search = next((p[5:] for p in environment if p.startswith("PATH=")), oci.DEFAULT_PATH)
        found = lookup.blame(_root(name), program, search)
        return 0 if found == Exit.OURS else found

    def end_entry(self, name: str, scratch: Path) -> None:
        for verb in (("kill", "--signal", "SIGKILL"), ("rm", "--force")):
            self._ctr("tasks", *verb, "--exec-id", scratch.name, name, check=False)

    def resume(self, name: str) -> None:
        if self._runs(name):
            return
        self._ctr("tasks", "rm", "--force", name, check=False)
        self._mount_root(name)
        self._ctr("tasks", "start", "--detach", "--null-io", name, limit=START_LIMIT)

    def stop(self, name: str, *, grace: float) -> None:
        self._end(name, grace)
        self._ctr("tasks", "rm", "--force", name, check=False)
        with files.explained(_root(name)):
            mounts.detach(str(_root(name)))

    def names(self, prefix: str) -> list[str]:
        containers = self._ctr("containers", "ls", "-q").text().split()
        snapshots = [line.split()[0] for line in self._ctr("snapshots", "ls").text().splitlines()]
        roots = [path.stem for path in RUN.glob("*.root")]
        found = {*containers, *snapshots, *roots}
        return sorted(name for name in found if name.startswith(prefix))

    def _prepare(self, plan: Plan) -> str:
        """The container's root and its configuration; the path of the latter."""
        config = self._content(plan.image.config_digest)
        rootfs = self._make_root(plan.name, config["rootfs"]["diff_ids"])
        settings = RUN / f"{plan.name}.json"
        image = config.get("config", {})
        account = oci.ROOT
        if user := plan.user or image.get("User"):
            account = accounts.resolve(user, rootfs)
        specification = oci.configuration(plan, image, str(rootfs), account)
        self._add_name_service(specification)
        files.write(settings, json.dumps(specification).encode())
        return str(settings)

    def _add_name_service(self, specification: dict[str, Any]) -> None:
        """The host's resolver in a container on the host's network, as other engines give it."""
        if any(mount["destination"] == "/etc" for mount in specification["mounts"]):
            return  # it is there, and a mount on top might show on the host
        for place in ("/etc/resolv.conf", "/etc/hosts"):
            real = Path(place).resolve()
            if real.is_file():
                bind = {"destination": place, "type": "bind", "source": str(real),
                        "options": ["bind", "ro"]}  # fmt: skip
                specification["mounts"].append(bind)

    def find(self, name: str) -> Container | None:
        for line in self._ctr("tasks", "ls").text().splitlines()[1:]:
            task, pid, state = line.split()[:3]
            if task == name:
                known = _STATES.get(state, State.STOPPED)
                return Container(name, name, known, int(pid) if known != State.STOPPED else 0)
        if name in self._ctr("containers", "ls", "-q").text().split() or _root(name).exists():
            return Container(name, name, State.STOPPED)
        return None

    def remove(self, name: str, *, grace: float) -> bool:
        there = self._end(name, grace)
        if there:
            self._ctr("tasks", "rm", "--force", name, check=False)
            self._ctr("containers", "rm", name, check=False)
        with files.explained(_root(name)):
            mounts.detach(str(_root(name)))
            if _root(name).exists():
                _root(name).rmdir()
        self._ctr("snapshots", "rm", name, check=False)
        (RUN / f"{name}.json").unlink(missing_ok=True)
        if there and self.find(name) is not None:
            message = f"containerd does not remove the container {name}"
            raise ContainerError(
                "container.stuck", message, "A process of it may hang in the kernel."
            )
        return there

    def _end(self, name: str, grace: float) -> bool:
        """SIGTERM to the first process; SIGKILL to all of them when the grace is over.

        Gives whether anything of this name is there: each question costs a process.
        """
        found = self.find(name)
        if found is None or found.state not in (State.RUNNING, State.PAUSED):
            return found is not None
        self._ctr("tasks", "kill", "--signal", "SIGTERM", name, check=False)
        if not self._ends_within(name, grace):
            self._ctr("tasks", "kill", "--all", "--signal", "SIGKILL", name, check=False)
            self._ends_within(name, grace)
        return True

    def _ends_within(self, name: str, seconds: float) -> bool:
        until = time.monotonic() + seconds
        while self._runs(name):
            if time.monotonic() > until:
                return False
            time.sleep(POLL)
        return True

    def _runs(self, name: str) -> bool:
        found = self.find(name)
        return found is not None and found.state in (State.RUNNING, State.PAUSED)

    def _make_root(self, name: str, layers: list[str]) -> Path:
        """A writable snapshot on top of the image, mounted where the configuration says."""
        # First the directory: by it `find` tells what is left of a start that was killed here.
        self._make_directory(name)
        # `prepare` marks the snapshot as a root of garbage collection, so it stays while we do.
        prepare = ("snapshots", "prepare", name, chain_id(layers))
        if self._ctr(*prepare, check=False).status:
            # A power cut took the directory, which is in memory, and left the snapshot.
            self._ctr("snapshots", "rm", name, check=False)
            self._ctr(*prepare)
        return self._mount_root(name)

    def _make_directory(self, name: str) -> None:
        files.own_directory(RUN.parent)
        files.own_directory(RUN)
        with files.explained(_root(name)):
            _root(name).mkdir(exist_ok=True)

    def _mount_root(self, name: str) -> Path:
        self._make_directory(name)
        with files.explained(_root(name)):
            mounts.detach(str(_root(name)))
        said = self._ctr("snapshots", "mounts", str(_root(name)), name).text()
        for kind, source, options in parse_mounts(said):
            with files.explained(_root(name)):
                mounts.mount(source, str(_root(name)), kind, options)
        return _root(name)

    def _manifest(self, digest: str) -> dict[str, Any]:
        """The image manifest behind `digest`, through an index if need be."""
        manifest = self._content(digest)
        while "manifests" in manifest:
            from launcher.registry import platform

            chosen = platform.choose(manifest["manifests"])
            manifest = self._content(chosen)
        return manifest

    def _content(self, digest: str) -> dict[str, Any]:
        if digest not in self._read:
            self._read[digest] = json.loads(self._ctr("content", "get", digest).stdout)
        return self._read[digest]

    def _argv(self, *argv: str) -> tuple[str, ...]:
        return (self.program, "--address", self.socket, "--namespace", self.namespace, *argv)

    def _ctr(
        self,
        *argv: str,
        stdin: Iterable[bytes] | None = None,
        limit: float = ASK_LIMIT,
        kind: type[ContainerError | ImageError] = ContainerError,
        check: bool = True,
    ) -> process.Completed:
        try:
            done = process.run(self._argv(*argv), timeout=limit, stdin=stdin, check=False)
        except HostError as error:
            if error.code != "host.timeout":
                raise
            raise RuntimeUnavailableError("runtime.timeout", error.message) from None
        if check and done.status != 0:
            raise self._explain(argv[:2], done.complaint(), kind)
        return done

    def _explain(
        self, verb: tuple[str, ...], said: str, kind: type[ContainerError | ImageError]
    ) -> Exception:
        said = said.removeprefix("ctr: ")
        if any(words in said.lower() for words in _DOWN_WORDS):
            hint = f"Look at the unit of containerd: it should listen at {self.socket}."
            return RuntimeUnavailableError(
                "runtime.down", f"containerd does not answer: {said}", hint
            )
        if "no space left on device" in said:
            hint = "Free space on the file system that holds containerd's root."
            return HostError("host.disk-full", f"no space left: {said}", hint)
        code = "image.archive" if kind is ImageError else "runtime.failed"
        return kind(code, f"containerd could not {' '.join(verb)}: {said}")


def _labels(plan: Plan) -> list[str]:
    return [f"--label={name}={value}" for name, value in plan.labels.items()]


def _root(name: str) -> Path:
    return RUN / f"{name}.root"


def chain_id(layers: list[str]) -> str:
    """The name of the snapshot that holds all `layers` (diff ids): the OCI image spec's ChainID."""
    chain = layers[0]
    for layer in layers[1:]:
        chain = f"sha256:{hashlib.sha256(f'{chain} {layer}'.encode()).hexdigest()}"
    return chain


def parse_mounts(text: str) -> list[tuple[str, str, str]]:
    """(type, source, options) of each line `mount -t TYPE SOURCE TARGET -o OPTIONS` from ctr."""
    found = []
    for line in text.splitlines():
        words = shlex.split(line)
        if words[:2] == ["mount", "-t"]:
            options = words[6] if len(words) > 6 and words[5] == "-o" else ""
            found.append((words[2], words[3], options))
    return found
