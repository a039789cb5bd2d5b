"""The recipes are valid Python, and what they run are commands with options that exist."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import typer

import health.schedulers
from health.cli.commands import app

RECIPES = sorted(Path(health.schedulers.__path__[0]).glob("*_*.py"))
RECIPES = [path for path in RECIPES if path.stem != "__init__"]


def _commands(path: Path) -> list[list[str]]:
    """Return every list of texts in a recipe that begins with `health`."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.List) and node.elts:
            first = node.elts[0]
            if isinstance(first, ast.Constant) and first.value == "health":
                found.append(ast.literal_eval(node))
    return found


def test_there_is_one_for_each_scheduler() -> None:
    assert [path.stem.split("_")[0] for path in RECIPES] == ["airflow", "dagster", "prefect"]


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_compiles_and_runs_commands_that_exist(path: Path) -> None:
    compile(path.read_text(encoding="utf-8"), str(path), "exec")
    group = typer.main.get_group(app)
    commands = _commands(path)
    assert {command[1] for command in commands} >= {"score", "train"}
    for _, name, *arguments in commands:
        command = group.commands[name]
        # Raises for an option or an argument that the command does not take.
        command.make_context(name, list(arguments), resilient_parsing=False).close()


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_imports_nothing_but_its_scheduler(path: Path) -> None:
    modules = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            modules.add(str(node.module).split(".")[0])
    own = {"__future__", "subprocess", "datetime", "typing"}
    assert modules - own == {path.stem.split("_")[0]}
