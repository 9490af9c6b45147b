# SPDX-License-Identifier: Apache-2.0
"""The shape of the program: who may import whom, and what a start-up may load."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from launcher import errors

ROOT = Path(__file__).resolve().parent.parent.parent
HEAVY = ("rich", "pydantic", "python_on_whales", "paramiko", "stamina", "ssl", "urllib.request")
LIGHT_COMMANDS = [
    ("--version",),
    ("--help",),
    ("admin", "--help"),
    ("admin", "status", "--output", "json"),
    ("admin", "start", "--no-such-flag"),
]


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {
    module_name(path): path
    for package in ("launcher", "admin_image", "bootstrap_image", "hostview", "toolbox")
    for path in (ROOT / package).rglob("*.py")
}


def imports(path: Path, *, eager: bool) -> set[str]:
    """The modules of ours that a file imports, all or only those at import time."""
    tree = ast.parse(path.read_text())
    found: set[str] = set()
    for node in ast.walk(tree) if not eager else _eager_nodes(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in MODULES else node.module for name in names}
    return found & MODULES.keys() - {module_name(path)}


def _eager_nodes(tree: ast.Module) -> list[ast.stmt]:
    return [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]


def test_no_two_files_import_each_other() -> None:
    graph = {name: imports(path, eager=True) for name, path in MODULES.items()}
    order = list(TopologicalSorter(graph).static_order())
    assert set(order) >= MODULES.keys()


@pytest.mark.parametrize("package", ["admin_image", "bootstrap_image", "hostview"])
def test_what_runs_in_an_image_imports_itself_and_the_view_of_the_host(package: str) -> None:
    used = {
        other.partition(".")[0]
        for name, path in MODULES.items()
        if name.startswith(package)
        for other in imports(path, eager=False)
    }
    assert used <= {package, "hostview"}


def test_the_launcher_imports_only_the_contract_of_the_image() -> None:
    """And the table of calls by which both confine an observer: two would soon differ."""
    used = {
        other
        for name, path in MODULES.items()
        if name.startswith("launcher")
        for other in imports(path, eager=False)
        if other.startswith(("admin_image", "bootstrap_image"))
    }
    shared = {
        *("admin_image.spec", "admin_image.algorithms", "bootstrap_image.spec"),
        *("hostview.ids", "hostview.seccomp_allow"),
    }
    assert used - {"admin_image", "bootstrap_image", "hostview"} <= shared


def test_the_bundle_leaves_out_nothing_that_is_imported() -> None:
    spec = ast.parse((ROOT / "tools" / "bundle" / "hatchway.spec").read_text())
    (unused,) = (
        ast.literal_eval(node.value)
        for node in spec.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "UNUSED"
    )
    found = {
        alias.name if isinstance(node, ast.Import) else node.module or ""
        for package in ("launcher", "toolbox", "hostview")
        for path in (ROOT / package).glob("**/*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert "yaml" in found
    assert found & set(unused) == set()


def test_only_the_command_line_knows_typer() -> None:
    guilty = [
        name
        for name, path in MODULES.items()
        if "import typer" in path.read_text() and not name.startswith("launcher.cli")
    ]
    assert guilty == []


@pytest.mark.parametrize("command", LIGHT_COMMANDS, ids=" ".join)
def test_a_light_command_loads_no_heavy_library(command: tuple[str, ...]) -> None:
    script = (
        "import sys\n"
        f"sys.argv = ['hatchway', *{command!r}]\n"
        "from launcher.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        f"print('LOADED', [name for name in {HEAVY!r} if name in sys.modules])\n"
    )
    done = subprocess.run(
        (sys.executable, "-c", script), capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.splitlines()[-1] == "LOADED []"


def test_every_code_that_is_raised_is_in_the_table() -> None:
    raised = {
        node.value
        for path in MODULES.values()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if node.value.split(".")[0] in {"door", "image", "host", "runtime", "container", "keys"}
        if node.value.count(".") == 1 and node.value.replace(".", "").replace("-", "").isalpha()
        if not node.value.endswith((".json", ".lock", ".log", ".index"))
    }
    assert raised - errors.CODES.keys() == set()
