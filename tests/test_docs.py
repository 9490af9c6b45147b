# SPDX-License-Identifier: Apache-2.0
"""The documents say what the code does: codes, commands, flags, settings and JSON keys."""

from __future__ import annotations

import ast
import dataclasses
import functools
import json
import re
import shlex
import subprocess
import sys
import tomllib
from typing import TYPE_CHECKING, Any, get_args

import pytest

from admin_image import errors as image_errors
from launcher import errors, settings
from launcher.admin import status
from launcher.cli.output import Output
from launcher.door import Door, Key
from launcher.plan import Limits, Mount, Plan
from launcher.registry import failures
from launcher.runtimes.base import Image
from launcher.sessions import Session
from tests.conftest import ROOT
from toolbox import profiles
from toolbox.work import Work

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

README = (ROOT / "README.md").read_text()
EXIT_CODES = (ROOT / "docs" / "exit-codes.md").read_text()
OUTPUT = (ROOT / "docs" / "output.md").read_text()
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
# A command as people type it: by name, by its place on a host, or in the project's environment.
COMMAND = re.compile(r"(?:/opt/hatchway/|\.venv/bin/)?hatchway(?= |$)")
DOOR = Door(
    state="open", pid=1, started=1, runtime="podman", socket="", namespace="", container="x",
    address="127.0.0.1", port=22, host_keys=("ssh-ed25519 AAAA",),
    keys=(Key("SHA256:x", "t", "c"),),
)  # fmt: skip


def section(text: str, title: str) -> str:
    """The part of a document below the heading that begins with `title`."""
    parts = re.split(r"^##+ ", text, flags=re.MULTILINE)
    return next(part for part in parts if part.replace("`", "").startswith(title))


def rows(text: str) -> list[list[str]]:
    """The cells of all tables in `text`, without heads and rules."""
    lines = [line.strip() for line in text.splitlines()]
    tables = [line.strip("|").split("|") for line in lines if line.startswith("|")]
    cells = [[cell.strip() for cell in line] for line in tables]
    return [line for i, line in enumerate(cells) if not _is_rule(line) and not _is_head(cells, i)]


def _is_rule(line: list[str]) -> bool:
    return all(re.fullmatch(r"-+", cell) for cell in line)


def _is_head(lines: list[list[str]], index: int) -> bool:
    return index + 1 < len(lines) and _is_rule(lines[index + 1])


def documented(title: str) -> set[str]:
    """The keys in the first column of the table below a heading of output.md."""
    found = rows(section(OUTPUT, title).partition("| key of")[0])
    return {row[0].strip("`") for row in found}


def of_plan() -> set[str]:
    table = OUTPUT.partition("| key of `plan`")[2].partition("\n\n")[0]
    return {row[0].strip("`") for row in rows(table)} - {"type"}


def literals(call: ast.Call) -> Iterator[str]:
    """The code that a call names, also by a conditional expression."""
    first = call.args[0] if call.args else None
    for node in (first, getattr(first, "body", None), getattr(first, "orelse", None)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def raised_codes() -> dict[str, str]:
    """Every code that the sources pass to an error, with the file that does."""
    kinds = {
        name
        for module in (errors, image_errors, failures)
        for name, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, Exception)
    }
    found: dict[str, str] = {}
    for path in (*ROOT.glob("launcher/**/*.py"), *ROOT.glob("admin_image/*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in kinds:
                found |= dict.fromkeys(literals(node), path.name)
    return found


def commands() -> Iterator[list[str]]:
    """Every command line of hatchway in the README: in blocks, and in code within sentences."""
    blocks = re.findall(r"```(?:console|text)\n(.*?)```", README, re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    lines += [code for code in re.findall(r"`([^`\n]+)`", README) if COMMAND.match(code)]
    for line in lines:
        words = shlex.split(line.strip().removeprefix("sudo "))
        if words and COMMAND.fullmatch(words[0]) and len(words) > 1:
            yield words[1:]


@functools.cache
def help_of(*words: str) -> str:
    argv = (sys.executable, "-m", "launcher.cli.main", *words, "--help")
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"hatchway {' '.join(words)}: {done.stderr}"
    return done.stdout


def flags_of(*words: str) -> set[str]:
    return set(
        re.findall(
            r"(?:^|[ ,\n])(--[a-z][a-z-]*|-[a-z](?=[, ]))", help_of(*words).partition("Options:")[2]
        )
    )


def path_of(words: list[str]) -> tuple[str, ...]:
    """The subcommands that a command line begins with."""
    path: list[str] = []
    for word in words[:2]:
        if word.startswith("-") or "Commands:" not in help_of(*path):
            break
        path.append(word)
    return tuple(path)


def test_every_code_is_in_the_table_once_with_its_sentence_and_status() -> None:
    table = [row for row in rows(EXIT_CODES) if re.fullmatch(r"`[a-z]+(?:\.[a-z-]+)?`", row[0])]
    assert [row[0].strip("`") for row in table] == list(errors.CODES)
    assert {row[0].strip("`"): row[2] for row in table} == errors.CODES
    assert all(len(row) == 4 and row[3] for row in table)
    usage = ("usage.", "settings.", "keys.")
    for code, exit_status, *_ in table:
        if code == "`interrupted`":
            assert exit_status == "128 + N"
            continue
        assert int(exit_status) == (64 if code.strip("`").startswith(usage) else 1), code


def test_every_exit_status_is_in_the_table() -> None:
    table = {int(row[0]): row[1] for row in rows(EXIT_CODES) if row[0].isdigit()}
    assert table == {member.value: member.name.lower().replace("_", " ") for member in errors.Exit}


def test_every_code_that_is_raised_is_known() -> None:
    raised = raised_codes()
    assert len(raised) > 30
    assert {code: file for code, file in raised.items() if code not in errors.CODES} == {}


@pytest.mark.parametrize(("kind", "number"), [("usage.", 64), ("settings.", 64), ("keys.", 64)])
def test_wrong_input_ends_with_64(kind: str, number: int) -> None:
    known = errors.UsageError if kind == "usage." else errors.SettingsError
    assert known.exit == number
    for path in ROOT.glob("launcher/**/*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and any(c.startswith(kind) for c in literals(node)):
                name = getattr(node.func, "id", "")
                assert not name.endswith("Error") or getattr(errors, name).exit == number, path


def test_every_command_and_flag_of_the_readme_exists() -> None:
    found = list(commands())
    assert len(found) > 15
    for words in found:
        path = path_of(words)
        line = f"hatchway {' '.join(words)}"
        own = words[len(path) :]
        own = own[: own.index("--")] if "--" in own else own  # the rest is the command's
        if path[-1:] == ("exec",):
            own = []  # the rest is the command's
        flags = {word.partition("=")[0] for word in own if word.startswith("-") and word != "-"}
        assert flags <= flags_of(*path), line


def test_every_command_that_exists_is_in_the_readme() -> None:
    table = section(README, "Commands")
    for group in ("admin", "bootstrap", "image", "toolbox"):
        listed = re.findall(r"^  ([a-z]+) ", help_of(group).partition("Commands:")[2], re.MULTILINE)
        assert listed
        for name in listed:
            assert f"`hatchway {group} {name}" in table, name


def test_every_flag_of_a_start_is_in_the_readme() -> None:
    text = section(README, "Commands") + section(README, "Flags of admin start")
    for flag in flags_of("admin", "start") - {"-q", "-o", "--help"}:
        assert f"{flag} " in text or f"{flag}`" in text, flag


def test_every_flag_of_a_toolbox_is_in_the_readme() -> None:
    parts = ("Tools for a node", "Into one container", "Commands")
    text = "".join(section(README, title) for title in parts)
    for verb in ("run", "enter"):
        for flag in flags_of("toolbox", verb) - {"--help", "--output"}:
            if flag.startswith("--"):
                assert flag in text, flag


def test_every_profile_is_in_the_readme() -> None:
    table = rows(section(README, "Tools for a node").partition("| profile |")[2])
    assert [row[0].strip("`") for row in table if row[0].startswith("`")] == list(profiles.TABLE)


def test_the_keys_of_detached_work_are_documented() -> None:
    work = Work(id="x", state="ended", command=(), image="", profile="", asked=0.0)
    assert documented("hatchway toolbox stop") == work.as_json().keys()


def test_the_settings_of_the_readme_load_without_a_finding(tmp_path: Path) -> None:
    example, bootstrap, toolbox = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
    (tmp_path / "config.toml").write_text(f"{example}\n{bootstrap}\n{toolbox}")
    (tmp_path / "config.toml").chmod(0o600)
    loaded, findings = settings.load(tmp_path, {})
    assert findings == []
    assert loaded.admin.user == "sre"
    table = section(README, "Settings")
    for name in settings.RegistrySettings.__struct_fields__:
        assert f"`{name.replace('_', '-')}`" in table, name
    named = set(tomllib.loads(example)["host-containers"]["admin"]) | {"user-data"}
    ignored = {"enabled", "superpowered", "command"}
    assert named | ignored == {name.replace("_", "-") for name in settings.Admin.__struct_fields__}


def test_every_variable_is_in_the_readme() -> None:
    assert set(re.findall(r"HATCHWAY_[A-Z_]+", README)) == set(settings.ENVIRONMENT)


def test_the_keys_of_an_open_door_are_documented() -> None:
    facts = {"state", "ready", "adopted", *status.door_facts(DOOR), "differences", "skipped_keys"}
    assert documented("hatchway admin start, hatchway admin restart") == facts
    (example,) = re.findall(r"   ```json\n(.*?)```", README, re.DOTALL)
    assert set(json.loads(example)) == facts


def test_the_keys_of_the_status_are_documented() -> None:
    reason = status.Reason("internal", "")
    session = Session("a", "b", "c", 1, 1.0)
    whole = status.as_json(status.Status("open", True, DOOR, reason, (session,)))
    assert documented("hatchway admin status") == whole.keys() - status.door_facts(DOOR).keys()
    text = section(OUTPUT, "hatchway admin status")
    for name in (*get_args(status.State), *whole["reason"], *whole["sessions"][0]):
        assert f"`{name}`" in text, name
    (example,) = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    assert json.loads(example) == status.as_json(status.Status("closed", False))


def test_the_keys_of_a_plan_are_documented() -> None:
    assert of_plan() == {field.name for field in dataclasses.fields(Plan)}
    text = section(OUTPUT, "hatchway admin start --dry-run")
    for kind in (Mount, Limits, Image):
        for field in dataclasses.fields(kind):
            assert f"`{field.name}`" in text, field.name


@pytest.mark.parametrize(
    ("title", "file"),
    [("hatchway admin stop", "admin"), ("hatchway image pull", "image")],
)
def test_the_keys_that_a_command_prints_are_documented(title: str, file: str) -> None:
    keys = documented(title)
    tree = ast.parse((ROOT / "launcher" / "cli" / f"{file}.py").read_text())
    printed = [
        {key.value for key in node.keys if isinstance(key, ast.Constant)}
        for node in ast.walk(tree)
        if isinstance(node, ast.Dict)
    ]
    assert keys in printed


def test_the_keys_of_an_error_are_documented() -> None:
    error: dict[str, Any] = errors.UsageError("usage.invalid", "x").as_json()["error"]
    table = section(OUTPUT, "Errors")
    assert {row[0].strip("`") for row in rows(table)} == error.keys()


def test_the_forms_of_output_are_documented() -> None:
    assert all(f"--output {form.value}" in OUTPUT for form in Output if form is not Output.TEXT)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.name))
def test_a_document_leads_to_what_exists(document: Path) -> None:
    text = document.read_text()
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert "://" in target or (document.parent / target).exists(), target
    for name in re.findall(r"`((?:launcher|admin_image|tools|tests|docs)/[\w./-]*)`", text):
        assert (ROOT / name).exists(), name
