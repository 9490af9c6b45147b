# SPDX-License-Identifier: Apache-2.0
"""Whether a job is to run at all: pure, so that a boot with nothing to do starts no container.

Which steps user data makes is the image's to know. So the launcher notes, when a job has come to
its end, for what content that was and which records its steps have; both together are the answer
at the next boot. In doubt a job is due: the container then finds what was done before.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import TYPE_CHECKING, Any, Final

from bootstrap_image.spec import Job, Mode, Record, Status, StepResult, Summary

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_AT_EVERY_BOOT: Final = "always"
_AFTER_ANY_END: Final = "once-attempted"
_GOOD: Final = (Status.SUCCEEDED, Status.DONE_BEFORE)


@dataclasses.dataclass(frozen=True, slots=True)
class Mark:
    """A job that came to its end: `key` says for what, `records` names those of its steps.

    `digest` is that of an image which is not ours: another one under the same name is another job.
    """

    key: str
    records: tuple[str, ...] = ()
    digest: str = ""

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Mark:
        """Read what `to_json` wrote; `ValueError` when it is not that."""
        fields: dict[str, Any] = json.loads(text)
        try:
            names = tuple(map(str, fields["records"]))
            return cls(str(fields["key"]), names, str(fields.get("digest", "")))
        except (TypeError, KeyError) as error:
            raise ValueError(str(error)) from error


def key(job: Job, data: bytes, image: str, command: tuple[str, ...] = ()) -> str:
    """What a job's end depends on besides the instance; another key means: run it again."""
    content = hashlib.sha256(data).hexdigest()
    text = json.dumps([job.name, job.mode, image, command, content])
    return hashlib.sha256(text.encode()).hexdigest()


def is_due(wanted: str, mark: Mark | None, records: Mapping[str, Record]) -> bool:
    """Whether the job of the key `wanted` is to run; `records` are those that are readable."""
    if mark is None or mark.key != wanted:
        return True
    return not all(name in records and settled(records[name]) for name in mark.records)


def mark(
    job: Job, wanted: str, summary: Summary, records: Mapping[str, Record], digest: str = ""
) -> Mark | None:
    """What to note of a job after a run, or None when the next boot has to look again."""
    steps = [step for step in summary.steps if step.job == job.name]
    made = Mark(wanted, tuple(step.record for step in steps), digest)
    misunderstood = any(
        finding["job"] == job.name and finding["severity"] == "error"
        for finding in summary.findings
    )
    if summary.message or misunderstood or is_due(wanted, made, records):
        return None
    good = all(step.status in _GOOD for step in steps)
    return made if good or job.mode is Mode.ONCE_ATTEMPTED else None


def done_before(marks: Iterable[Mark], records: Mapping[str, Record]) -> tuple[StepResult, ...]:
    """The steps that are not run, as the container would have told of them."""
    return tuple(
        StepResult(records[name].job, records[name].step, Status.DONE_BEFORE, record=name)
        for mark in marks
        for name in mark.records
    )


def settled(record: Record) -> bool:
    """Whether what the record tells of is not to run again."""
    if record.frequency == _AT_EVERY_BOOT:
        return False
    return record.frequency == _AFTER_ANY_END or record.status is Status.SUCCEEDED
