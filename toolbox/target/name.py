# SPDX-License-Identifier: Apache-2.0
"""What a user types to name a target: text in, plain data out."""

from __future__ import annotations

import dataclasses
import re
from typing import Final, Literal

from launcher.errors import UsageError

Kind = Literal["containerd", "docker", "podman", "pod", "pid"]

FORMS: Final = (
    "containerd://[NAMESPACE/]ID, docker://ID, podman://ID, pod/NAME[/CONTAINER], "
    "pod/NAMESPACE/NAME/[CONTAINER], k8s://NAMESPACE/POD[/CONTAINER] or pid:N"
)
# containerd keeps what Kubernetes runs in this namespace of its own.
KUBERNETES: Final = "k8s.io"
# Whatever engines and Kubernetes allow in ids, names and namespaces; safe in filters of theirs.
_WORD: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,252}")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """A target as it was named: `name` is an id, the beginning of one, a name, a pod or a pid.

    `namespace` is containerd's or, for a pod, that of Kubernetes; empty means any.
    """

    text: str
    kind: Kind
    name: str
    namespace: str = ""
    container: str = ""


def parse(text: str) -> Name:
    """Read what was typed; `UsageError` when it has none of the `FORMS`."""
    scheme, separator, rest = text.partition("://")
    if separator:
        return _by_scheme(text, scheme, rest.split("/"))
    if text.startswith("pid:"):
        return _by_pid(text)
    first, *words = text.split("/")
    if first in ("pod", "pods", "po") and words:
        return _by_pod(text, words)
    raise _wrong(text)


def _by_scheme(text: str, scheme: str, words: list[str]) -> Name:
    if "" in words[:2]:
        raise _wrong(text)
    if scheme == "containerd" and len(words) in (1, 2):
        namespace, name = words if len(words) == 2 else (KUBERNETES, words[0])
        return _checked(Name(text=text, kind="containerd", name=name, namespace=namespace))
    if scheme == "docker" and len(words) == 1:
        return _checked(Name(text=text, kind="docker", name=words[0]))
    if scheme == "podman" and len(words) == 1:
        return _checked(Name(text=text, kind="podman", name=words[0]))
    if scheme == "k8s" and len(words) in (2, 3):
        namespace, name, container = (*words, "")[:3]
        return _checked(
            Name(text=text, kind="pod", name=name, namespace=namespace, container=container)
        )
    raise _wrong(text)


def _by_pod(text: str, words: list[str]) -> Name:
    """`pod/web` and `pod/web/app`; with a namespace there are always three parts behind `pod`."""
    if len(words) == 3:
        namespace, name, container = words
        found = Name(text=text, kind="pod", name=name, namespace=namespace, container=container)
        if namespace:
            return _checked(found)
    elif len(words) < 3:
        name, container = (*words, "")[:2]
        return _checked(Name(text=text, kind="pod", name=name, container=container))
    raise _wrong(text)


def _by_pid(text: str) -> Name:
    number = text.removeprefix("pid:")
    # Ten digits hold every pid, and int() takes more than digits.
    if not re.fullmatch(r"[1-9][0-9]{0,9}", number, re.ASCII):
        raise _wrong(text)
    return Name(text=text, kind="pid", name=number)


def _checked(name: Name) -> Name:
    words = [name.name, *filter(None, (name.namespace, name.container))]
    if not all(_WORD.fullmatch(word) for word in words):
        raise _wrong(name.text)
    return name


def _wrong(text: str) -> UsageError:
    return UsageError("usage.invalid", f"{text!r} names no target", f"Write {FORMS}.")
