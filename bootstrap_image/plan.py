# SPDX-License-Identifier: Apache-2.0
"""User data in, steps and findings out: nothing is run, and nothing read but through `fetch`.

The order is cloud-init's: boothooks, `bootcmd`, the settings, then scripts per once, per boot and
per instance, then the others with `runcmd` among them, each group by name as run-parts has it.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from bootstrap_image import cloudconfig, names, parts, script
from bootstrap_image.findings import Finding, Report
from bootstrap_image.forms import Form
from bootstrap_image.include import NotFetchedError
from bootstrap_image.spec import Mode
from bootstrap_image.step import Frequency, Step

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bootstrap_image.cloudconfig import Action, Settings
    from bootstrap_image.include import Fetch, Include
    from bootstrap_image.parts import Part

# What user data says of a part stands above what the settings say of the job.
_OWN: Final = {
    Form.PER_ONCE: Frequency.ONCE_EVER,
    Form.PER_BOOT: Frequency.ALWAYS,
    Form.PER_INSTANCE: Frequency.ONCE,
    Form.BOOTHOOK: Frequency.ALWAYS,
}
_GROUPS: Final = (Form.PER_ONCE, Form.PER_BOOT, Form.PER_INSTANCE, Form.SCRIPT)


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """What one job would do."""

    steps: tuple[Step, ...]
    findings: tuple[Finding, ...]

    @property
    def sound(self) -> bool:
        """Whether everything that was asked for is understood."""
        return all(finding.severity != "error" for finding in self.findings)

    def as_json(self) -> dict[str, Any]:
        return {
            "steps": [step.as_json() for step in self.steps],
            "findings": [dataclasses.asdict(finding) for finding in self.findings],
        }


def no_fetch(address: Include) -> bytes:
    """For plans that must not touch the network."""
    raise NotFetchedError(f"{address.shown} is not fetched now")


def plan(data: bytes, *, job: str = "", mode: Mode = Mode.ONCE, fetch: Fetch = no_fetch) -> Plan:
    """The steps of `data` in their order; every input has an answer."""
    report = Report()
    if mode is Mode.OFF:
        return Plan((), ())
    found = parts.unpack(data, report, fetch)
    default = Frequency(mode.value)
    configs = [part for part in found if part.form is Form.CLOUD_CONFIG]
    settings = cloudconfig.read(configs, report)
    steps = list(_Steps(job, default, settings, report).all(found))
    return Plan(_numbered(steps), report.findings)


class _Steps:
    def __init__(self, job: str, default: Frequency, settings: Settings, report: Report) -> None:
        self._job = job
        self._default = default
        self._settings = settings
        self._report = report
        self._taken = set[str]()

    def all(self, found: list[Part]) -> Iterator[Step]:
        named, settings = self._named(found), self._settings
        yield from (self._script(*item) for item in named if item[1].form is Form.BOOTHOOK)
        if settings.bootcmd:
            yield self._commands("bootcmd", settings.bootcmd)
        yield from map(self._module, (*settings.early, *settings.late))
        for form in _GROUPS:
            group = [self._script(*item) for item in named if item[1].form is form]
            if form is Form.SCRIPT and settings.runcmd:
                group.append(self._commands("runcmd", settings.runcmd))
            yield from sorted(group, key=lambda step: step.name)
        yield from map(self._module, settings.last)

    def _named(self, found: list[Part]) -> list[tuple[str, Part, bytes]]:
        """Scripts with a name each: the user's, or part-001 by its place, as cloud-init counts."""
        named: list[tuple[str, Part, bytes]] = []
        for number, part in enumerate(found, 1):
            if part.form is Form.CLOUD_CONFIG:
                continue
            data = part.content
            if part.form is Form.BOOTHOOK:
                data = script.boothook(data)
            ready = script.prepare(data, part.path, self._report)
            if ready is not None:
                wanted = names.safe(part.name, part.path, self._report) if part.name else ""
                name = names.unique(wanted or f"part-{number:03}", self._taken)
                named.append((name, part, ready))
        return named

    def _script(self, name: str, part: Part, content: bytes) -> Step:
        frequency = self._often(part.form, _OWN.get(part.form, self._default))
        return Step(self._job, "script", name, part.path, frequency, content)

    def _commands(self, key: str, content: bytes) -> Step:
        # bootcmd is documented to run at every boot.
        frequency = self._often(key, Frequency.ALWAYS if key == "bootcmd" else self._default)
        name, source = names.unique(key, self._taken), f"{self._settings.source}: {key}"
        return Step(self._job, "script", name, source, frequency, content)

    def _module(self, action: Action) -> Step:
        module = action.module
        frequency = module.frequency or self._often(module.name, self._default)
        source = f"{self._settings.source}: {module.name}"
        name = names.unique(module.name, self._taken)
        return Step(
            self._job, "module", name, source, frequency, action.content, summary=action.summary
        )

    def _often(self, name: str, otherwise: Frequency) -> Frequency:
        return self._settings.frequencies.get(name, otherwise)


def _numbered(steps: list[Step]) -> tuple[Step, ...]:
    """Two parts of the same content both run, and each has its own record."""
    seen = Counter[str]()
    numbered: list[Step] = []
    for step in steps:
        seen[step.sha256] += 1
        numbered.append(dataclasses.replace(step, occurrence=seen[step.sha256]))
    return tuple(numbered)
