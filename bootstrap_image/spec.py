# SPDX-License-Identifier: Apache-2.0
"""The contract between the launcher and the bootstrap image.

The launcher writes `Jobs` to `JOBS_FILE` and each job's user data to the file that the job names
in `RUN`, and starts the container once. The container runs the steps of all jobs one after
another, keeps one `Record` for each step in `STATE`, says in `PROGRESS_FILE` where it is, writes
`Summary` at its end, and exits with 0 (all done), 1 (an essential job failed) or 2 (another one).

The host's `WRITABLE` directories are mounted at their usual places, its root read-only at `HOST`;
`TMP` is a private tmpfs that allows programs. RUN, STATE and LOG lie in those directories.
"""

from __future__ import annotations

import dataclasses
import enum
import hashlib
import json
import re
from typing import Any, Final

CONTRACT: Final = 1
# Label of the image: the contract that it speaks. A launcher refuses an image without it.
CONTRACT_LABEL: Final = "io.hatchway.bootstrap.contract"

HOST: Final = "/host"
WRITABLE: Final = ("/etc", "/opt", "/usr/local", "/var", "/root", "/home", "/mnt", "/run")
# Those of them from which mounts pass back to the host.
SHARED: Final = ("/var", "/opt", "/usr/local", "/root", "/home", "/mnt")
TMP: Final = "/tmp"  # noqa: S108 - the container's own
RUN: Final = "/run/hatchway/bootstrap"
STATE: Final = "/var/lib/hatchway/bootstrap"
LOG: Final = "/var/log/hatchway"
LOG_FILE: Final = f"{LOG}/bootstrap.log"

# In RUN, all 0600 in a 0700 directory: user data carries secrets.
JOBS_FILE: Final = f"{RUN}/jobs.json"
PROGRESS_FILE: Final = f"{RUN}/progress.json"
# In STATE, 0700 and 0600 likewise. Records: STEPS/SCOPE/JOB/NAME.json; to run a job again, remove
# its directories STEPS/*/JOB.
STEPS: Final = f"{STATE}/steps"
SUMMARY_FILE: Final = f"{STATE}/summary.json"
# What user data says who may use the admin door: a source of keys for the launcher.
KEYS_FILE: Final = f"{STATE}/authorized_keys"

# What a script is told to ask for when it lacks a right.
CAPABILITIES_SETTING: Final = "[bootstrap] capabilities"

NAME_PATTERN: Final = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
# The scope of what runs once whatever the instance is: no instance's scope begins with `_`.
ANY_INSTANCE: Final = "_any"
DEFAULT_TIMEOUT: Final = 300.0  # seconds for one attempt of one step
USER_DATA_LIMIT: Final = 16 << 20  # bytes


class Exit(enum.IntEnum):
    """Exit statuses of the container."""

    DONE = 0
    FAILED = 1
    DEGRADED = 2


class Mode(enum.StrEnum):
    """When a job's steps run, unless user data says of a part when it is to run."""

    OFF = "off"
    ONCE = "once"  # until it succeeded, for this instance and content
    ONCE_ATTEMPTED = "once-attempted"
    ALWAYS = "always"


class Status(enum.StrEnum):
    """How a step ended, or why it did not run."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed-out"
    INTERRUPTED = "interrupted"  # the container was told to stop
    ATTEMPTED = "attempted"  # started, and its end was never seen: a power cut
    DONE_BEFORE = "done-before"
    NOT_RUN = "not-run"


@dataclasses.dataclass(frozen=True, slots=True)
class Job:
    """One bootstrap container of the settings; `user_data` is a file name in RUN."""

    name: str
    user_data: str
    mode: Mode = Mode.ONCE
    essential: bool = False
    timeout: float = DEFAULT_TIMEOUT
    retries: int = 0
    order: int = 0

    def __post_init__(self) -> None:
        _require(isinstance(self.name, str) and re.fullmatch(NAME_PATTERN, self.name), "name")
        _require(
            isinstance(self.user_data, str)
            and all(re.fullmatch(NAME_PATTERN, part) for part in self.user_data.split("/")),
            "user_data",
        )
        _require(isinstance(self.essential, bool), "essential")
        _require(_number(self.timeout) and 0 < self.timeout <= 86_400, "timeout")
        _require(_integer(self.retries) and 0 <= self.retries <= 100, "retries")
        _require(_integer(self.order), "order")


@dataclasses.dataclass(frozen=True, slots=True)
class Jobs:
    """Everything that one start of the container is to do.

    `environment` is added to that of every step (proxies), and is not logged. `nonce` is this
    start's own: a summary that does not repeat it is an earlier one, whatever the clock says.
    """

    instance_id: str
    jobs: tuple[Job, ...] = ()
    environment: dict[str, str] = dataclasses.field(default_factory=dict)
    nonce: str = ""
    contract: int = CONTRACT

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Jobs:
        """Read what `to_json` wrote; `ValueError` when it is not ours or of another contract."""
        fields = _object(json.loads(text))
        if fields.get("contract") != CONTRACT:
            message = (
                f"the launcher speaks contract {fields.get('contract')}, this image {CONTRACT}"
            )
            raise ValueError(message)
        try:
            jobs = tuple(
                Job(**{**_object(job), "mode": Mode(job.get("mode", Mode.ONCE))})
                for job in fields.pop("jobs", ())
            )
            read = cls(jobs=jobs, **fields)
        except TypeError as error:  # a missing or an unknown field
            raise ValueError(str(error)) from error
        names = [job.name for job in jobs]
        _require(len(names) == len(set(names)), "jobs")
        _require(isinstance(read.instance_id, str), "instance_id")
        _require(_texts(read.environment), "environment")
        _require(isinstance(read.nonce, str), "nonce")
        return read


@dataclasses.dataclass(frozen=True, slots=True)
class Record:
    """What is known of one step: written when it ended, in one piece, to the disk."""

    job: str
    step: str
    kind: str
    source: str
    sha256: str
    frequency: str
    status: Status
    instance_id: str
    boot_id: str
    started: float  # seconds since the epoch
    duration: float = 0.0
    attempts: int = 0
    exit_status: int | None = None  # of the last attempt; 128+N for a signal
    message: str = ""
    last_lines: tuple[str, ...] = ()
    shutdowns: int = 0  # that it has asked for, over all boots
    contract: int = CONTRACT

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Record:
        fields = _object(json.loads(text))
        try:
            status, lines = Status(fields.pop("status")), tuple(fields.pop("last_lines", ()))
            return cls(status=status, last_lines=lines, **fields)
        except (TypeError, KeyError) as error:
            raise ValueError(str(error)) from error


@dataclasses.dataclass(frozen=True, slots=True)
class StepResult:
    """One line of the summary; `record` is the file in STATE that says more, or empty."""

    job: str
    step: str
    status: Status
    exit_status: int | None = None
    duration: float = 0.0
    message: str = ""
    record: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Summary:
    """The whole of one run; `exit_status` is the container's, `nonce` that of its jobs."""

    instance_id: str
    boot_id: str
    started: float
    duration: float
    exit_status: Exit
    steps: tuple[StepResult, ...] = ()
    findings: tuple[dict[str, str], ...] = ()  # job, path, message, severity
    message: str = ""
    nonce: str = ""
    contract: int = CONTRACT

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Summary:
        fields = _object(json.loads(text))
        try:
            steps = tuple(
                StepResult(**{**_object(step), "status": Status(step["status"])})
                for step in fields.pop("steps")
            )
            findings = tuple(fields.pop("findings"))
            status = Exit(fields.pop("exit_status"))
            return cls(steps=steps, findings=findings, exit_status=status, **fields)
        except (TypeError, KeyError) as error:
            raise ValueError(str(error)) from error


@dataclasses.dataclass(frozen=True, slots=True)
class Progress:
    """What runs at this moment: step `number` of `total`."""

    boot_id: str
    job: str
    step: str
    number: int
    total: int
    started: float

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Progress:
        try:
            return cls(**_object(json.loads(text)))
        except TypeError as error:
            raise ValueError(str(error)) from error


def scope(instance_id: str) -> str:
    """The directory of an instance's records: its id where that makes a safe name."""
    if re.fullmatch(NAME_PATTERN, instance_id):
        return instance_id
    digest = hashlib.sha256(instance_id.encode(errors="surrogatepass")).hexdigest()
    return f"sha256-{digest[:32]}"


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        message = "expected a JSON object"
        raise ValueError(message)  # noqa: TRY004 - one error type for a damaged file
    return value


def _require(condition: object, field: str) -> None:
    if not condition:
        message = f"the field {field} has a value that cannot be"
        raise ValueError(message)


def _integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _number(value: object) -> bool:
    return _integer(value) or isinstance(value, float)


def _texts(value: object) -> bool:
    return isinstance(value, dict) and all(
        isinstance(word, str) and "\0" not in word for pair in value.items() for word in pair
    )
