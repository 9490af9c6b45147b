# SPDX-License-Identifier: Apache-2.0
"""Static pods: manifests that kubelet reads from a directory, and that it cannot read.

It tells nobody but its log: there is no object in the API that could show an error.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from toolbox.doctor.diagnosis import Diagnosis, count

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# kubeadm's, and that of EKS; both are YAML, of which JSON is a part.
CONFIGS: Final = (
    Path("/var/lib/kubelet/config.yaml"),
    Path("/etc/kubernetes/kubelet/kubelet-config.json"),
    Path("/etc/kubernetes/kubelet/config.json"),
)
_DEFAULT: Final = "/etc/kubernetes/manifests"
_MOST_FILES: Final = 100
_MOST_BYTES: Final = 256 << 10  # a manifest has a few KiB; reading takes a second for each 100
_SHOWN: Final = 20


@dataclasses.dataclass(frozen=True, slots=True)
class Broken:
    """A manifest, and why no pod comes of it."""

    path: str
    why: str


def read(configs: Sequence[Path] = CONFIGS, default: str = _DEFAULT) -> tuple[Broken, ...]:
    """Every manifest that kubelet refuses."""
    found: list[Broken] = []
    for place in _places(configs, default):
        with contextlib.suppress(OSError):  # it need not be there
            for path in _manifests(place):
                with contextlib.suppress(OSError):  # it was removed meanwhile
                    if why := _problem(path):
                        found.append(Broken(str(path), why))
    return tuple(found)


def _places(configs: Sequence[Path], default: str) -> set[Path]:
    import yaml

    named: list[Any] = []
    for path in configs:
        with contextlib.suppress(OSError, ValueError, yaml.YAMLError, RecursionError):
            config = yaml.safe_load(_content(path))
            named.append(config.get("staticPodPath") if isinstance(config, dict) else None)
    return {Path(name) for name in (*named, default) if isinstance(name, str) and name}


def _manifests(place: Path) -> list[Path]:
    """The files that kubelet reads there: it passes over hidden ones and directories."""
    if place.is_file():
        return [place]
    paths = sorted(path for path in place.iterdir() if not path.name.startswith("."))
    return [path for path in paths if not path.is_dir()][:_MOST_FILES]


def _content(path: Path) -> bytes:
    # Without O_NONBLOCK a FIFO would hold whoever opens it.
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise ValueError("not a regular file")
        return file.read(_MOST_BYTES + 1)


def _problem(path: Path) -> str:
    """Why no pod comes of it, without its values: they may be secret."""
    import yaml

    try:
        content = _content(path)
        if len(content) > _MOST_BYTES:
            return ""  # kubelet takes more than we read
        # kubelet, too, takes the first document and leaves the rest.
        return _judged(next(iter(yaml.safe_load_all(content)), None))
    except FileNotFoundError:
        return "a link to a file that does not exist"
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}: " if mark else ""
        return f"not valid YAML: {where}{error.problem or error.context}"
    except (yaml.YAMLError, RecursionError):
        return "not valid YAML"
    except ValueError as error:
        return str(error)


def _judged(value: object) -> str:
    if value is None:
        return "empty"
    if not isinstance(value, dict):
        return "not a table of keys"
    kind = value.get("kind")
    if not kind:
        return "kind is missing"
    if kind in ("PodList", "List"):
        return ""
    if kind != "Pod":
        return f"kind is {str(kind)[:40]!r}, not Pod"
    return _pod(value)


def _pod(pod: dict[Any, Any]) -> str:
    metadata, spec = pod.get("metadata"), pod.get("spec")
    if pod.get("apiVersion") != "v1":
        return "apiVersion is not v1"
    if not isinstance(metadata, dict) or not metadata.get("name"):
        return "metadata.name is missing"
    if not isinstance(spec, dict) or not isinstance(spec.get("containers"), list):
        return "spec.containers is missing"
    return "" if spec["containers"] else "spec.containers is empty"


def check(broken: Sequence[Broken]) -> Iterator[Diagnosis]:
    if broken:
        yield Diagnosis(
            "pods.static",
            "critical",
            f"{count(len(broken), 'static pod manifest is', 'static pod manifests are')} broken",
            tuple(f"{each.path}: {each.why}" for each in broken[:_SHOWN]),
            "kubelet starts no pod from it: correct the file, or move it out of the directory.",
        )
