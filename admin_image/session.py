# SPDX-License-Identifier: Apache-2.0
"""What is asked for beside a target: the words of the joiner's command line."""

from __future__ import annotations


class Session:
    """The fields are those of `spec.JoinSpec`."""

    def __init__(self, words: list[str]) -> None:
        end = words.index("--")
        options = dict(word.removeprefix("--").split("=", 1) for word in words[:end])
        self.command = words[end + 1 :]
        self.pid = int(options["pid"])
        self.started = int(options["started"])
        self.name = options["name"]
        self.root = options["root"] == "target"
        self.tools_at = options["tools-at"]
        self.ptrace = options["ptrace"] == "yes"
        self.volumes = [place for place in options["volumes"].split(":") if place]
        self.read_only = options["read-only"] == "yes"
        self.confined = options["confined"] == "yes"
        self.environment = options["environment"] == "target"
        self.variables = [name for name in options["variables"].split(",") if name]
        self.directory = options["directory"] == "target"
        self.workdir = options["workdir"]
        self.user = options["user"]
        self.observer = int(options["observer"])
        self.capabilities = int(options["capabilities"], 16)
