# SPDX-License-Identifier: Apache-2.0
"""Which form a piece of user data has: by its first line, or by the type that a message gives."""

from __future__ import annotations

import enum
import re
from typing import Final


class Form(enum.StrEnum):
    """What cloud-init knows; what we do not run is here too, so that it can be named."""

    SCRIPT = "script"
    PER_BOOT = "script per boot"
    PER_INSTANCE = "script per instance"
    PER_ONCE = "script per once"
    BOOTHOOK = "cloud-boothook"
    CLOUD_CONFIG = "cloud-config"
    ARCHIVE = "cloud-config-archive"
    INCLUDE = "include"
    MESSAGE = "MIME message"
    GZIP = "gzip"
    JSONP = "cloud-config-jsonp"
    PART_HANDLER = "part-handler"
    JINJA = "jinja template"
    UPSTART = "upstart job"
    IGNITION = "Ignition configuration"
    BUTANE = "Butane configuration"
    BOTTLEROCKET = "Bottlerocket settings"
    NODE_CONFIG = "NodeConfig"
    TALOS = "Talos configuration"
    MACHINE_CONFIG = "MachineConfig"
    POWERSHELL = "PowerShell"


_STARTS: Final = (
    (re.compile(rb"#!"), Form.SCRIPT),
    (re.compile(rb"##\s*template\s*:\s*jinja", re.IGNORECASE), Form.JINJA),
    (re.compile(rb"#include(-once)?(?![\w-])", re.IGNORECASE), Form.INCLUDE),
    (re.compile(rb"#cloud-config(?![\w-])", re.IGNORECASE), Form.CLOUD_CONFIG),
    (re.compile(rb"#cloud-config-archive(?![\w-])", re.IGNORECASE), Form.ARCHIVE),
    (re.compile(rb"#cloud-config-jsonp(?![\w-])", re.IGNORECASE), Form.JSONP),
    (re.compile(rb"#cloud-boothook(?![\w-])", re.IGNORECASE), Form.BOOTHOOK),
    (re.compile(rb"#part-handler(?![\w-])", re.IGNORECASE), Form.PART_HANDLER),
    (re.compile(rb"#upstart-job(?![\w-])", re.IGNORECASE), Form.UPSTART),
    (re.compile(rb"<(powershell|script)>|#ps1|rem cmd\s", re.IGNORECASE), Form.POWERSHELL),
    (re.compile(rb"\x1f\x8b"), Form.GZIP),
)
# Found by what is in them: comments and the order of keys are free.
_COMMENTS: Final = re.compile(rb"(\s*(#[^\n]*)?\n|---[^\n]*\n)*\s*")
_CONTENTS: Final = (
    (re.compile(rb'\{(?=.*"(ignition"\s*:\s*\{|ignitionVersion"))', re.DOTALL), Form.IGNITION),
    (
        re.compile(rb"""\[{1,2}\s*(["']?)settings\1\s*[.\]]|settings\.[\w.\"-]+\s*="""),
        Form.BOTTLEROCKET,
    ),
    (
        re.compile(rb"(?=.*^variant:\s*[\"']?\w)(?=.*^version:)[\w-]+:", re.DOTALL | re.MULTILINE),
        Form.BUTANE,
    ),
    (
        re.compile(
            rb"(?=.*^[\s{]*[\"']?apiVersion[\"']?:\s*[\"']?node\.eks\.aws/)(\{|[\w-]+:)",
            re.DOTALL | re.MULTILINE,
        ),
        Form.NODE_CONFIG,
    ),
    (
        re.compile(
            rb"(?=.*^apiVersion:\s*[\"']?machineconfiguration\.openshift\.io/)[\w-]+:",
            re.DOTALL | re.MULTILINE,
        ),
        Form.MACHINE_CONFIG,
    ),
    (
        re.compile(rb"(?=.*^version:\s*[\"']?v1)(?=.*^machine:)[\w-]+:", re.DOTALL | re.MULTILINE),
        Form.TALOS,
    ),
)
# A header line first, and one of these two somewhere in the header.
_MESSAGE_START = re.compile(rb"(From [^\n]*\n)?[A-Za-z][A-Za-z0-9-]*:[ \t]*[^\n]*\n")
_MESSAGE_SIGN = re.compile(rb"^(mime-version|content-type)\s*:", re.IGNORECASE | re.MULTILINE)

TYPES: Final = {
    "text/x-shellscript": Form.SCRIPT,
    "text/x-shellscript-per-boot": Form.PER_BOOT,
    "text/x-shellscript-per-instance": Form.PER_INSTANCE,
    "text/x-shellscript-per-once": Form.PER_ONCE,
    "text/cloud-boothook": Form.BOOTHOOK,
    "text/cloud-config": Form.CLOUD_CONFIG,
    "text/cloud-config-archive": Form.ARCHIVE,
    "text/cloud-config-jsonp": Form.JSONP,
    "text/x-include-url": Form.INCLUDE,
    "text/x-include-once-url": Form.INCLUDE,
    "text/part-handler": Form.PART_HANDLER,
    "text/jinja2": Form.JINJA,
    "text/upstart-job": Form.UPSTART,
}
# Types that say nothing: the first line decides, as with a file that comes without a message.
VAGUE: Final = frozenset(
    {
        "",
        "text/plain",
        "text/x-not-multipart",
        "application/octet-stream",
        "application/gzip",
        "application/gzip-compressed",
        "application/gzipped",
        "application/x-compress",
        "application/x-compressed",
        "application/x-gunzip",
        "application/x-gzip",
        "application/x-gzip-compressed",
    }
)

UNSUPPORTED: Final = {
    Form.JSONP: "JSON patches of a cloud-config are not supported; write the merged cloud-config",
    Form.PART_HANDLER: "part handlers are code inside cloud-init, which is not here; use a script",
    Form.JINJA: "templates are not rendered here; write the values, or ask for them in a script",
    Form.UPSTART: "upstart is not here; write a systemd unit with write_files",
}
# Each is the operating system's own, or another one's: nothing is asked of us.
OTHERS: Final = {
    Form.IGNITION: "this is an Ignition configuration, for the system's first boot",
    Form.BUTANE: "this is a Butane configuration, from which Ignition's is made",
    Form.BOTTLEROCKET: "these are Bottlerocket's own settings",
    Form.NODE_CONFIG: "this is a NodeConfig, for nodeadm",
    Form.TALOS: "this is a configuration of Talos",
    Form.MACHINE_CONFIG: "this is a MachineConfig, for OpenShift's own operator",
    Form.POWERSHELL: "this is for Windows",
}


def is_foreign(kind: str) -> bool:
    """Whether parts of this type are for another reader."""
    return kind not in TYPES and kind not in VAGUE and not kind.startswith("multipart/")


def form_of(data: bytes) -> Form | None:
    """The form of data that no message describes; blank lines before it do not count."""
    start = data[:4096].lstrip()
    for pattern, form in _STARTS:
        if pattern.match(start):
            return form
    if _MESSAGE_START.match(start) and _MESSAGE_SIGN.search(start):
        return Form.MESSAGE
    return _form_by_content(data)


def _form_by_content(data: bytes) -> Form | None:
    start = data[:65536]
    begin = _COMMENTS.match(start)
    found = start[begin.end() if begin else 0 :]
    return next((form for pattern, form in _CONTENTS if pattern.match(found)), None)
