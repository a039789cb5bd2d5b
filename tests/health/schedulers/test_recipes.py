"""The recipes are valid Python, and what they run are commands with options that exist."""

from __future__ import annotations

import ast
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

import health.schedulers
from health.cli.commands import app
from tests.health.schedulers import stand_ins
from tests.health.schedulers.stand_ins import AirflowFailException, Declared, Failure, State

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


def _loaded(path: Path, monkeypatch: pytest.MonkeyPatch, folder: Path) -> tuple[Declared, Any]:
    """Run a recipe as its scheduler loads it; return what it declares, and its names."""
    declared = Declared()
    scheduler = path.stem.split("_")[0]
    for name, module in getattr(stand_ins, scheduler)(declared).items():
        monkeypatch.setitem(sys.modules, name, module)
    names = runpy.run_path(str(path), run_name="__main__")
    # The recipe's constant, which its readers change.
    for function in (*names.values(), *declared.work):
        if hasattr(function, "__globals__") and "FOLDER" in function.__globals__:
            function.__globals__["FOLDER"] = str(folder)
    return declared, names


def _health_that_exits(folder: Path, code: int, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a program `health` on the path that notes its arguments and exits with a code."""
    noted = folder / "noted.txt"
    program = folder / "health"
    program.write_text(f'#!/bin/sh\necho "$@" >> {noted}\nexit {code}\n')
    program.chmod(0o700)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return noted


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_loads_and_does_its_work_in_order(
    path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    declared, _ = _loaded(path, monkeypatch, tmp_path)
    assert sorted(declared.crons) == ["0 1 1 */3 *", "0 3 * * 0"]
    assert set(declared.retries) == {2}
    noted = _health_that_exits(tmp_path, 0, monkeypatch)
    for work in declared.work:
        work()
    done = [line.split()[0] for line in noted.read_text().splitlines()]
    assert {"score", "train"} <= set(done) <= {"check", "score", "train"}
    if "check" in done:
        assert done.index("check") < done.index("score")


def _is_retried(error: Exception, names: dict[str, Any]) -> bool:
    if isinstance(error, Failure):
        return error.allow_retries
    if "may_cure" in names:
        return bool(names["may_cure"](None, None, State(error)))
    return not isinstance(error, AirflowFailException)


@pytest.mark.parametrize(("code", "retried"), [(1, True), (2, False), (3, False), (143, True)])
@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_repeats_only_what_a_repetition_may_cure(
    path: Path, code: int, retried: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    declared, names = _loaded(path, monkeypatch, tmp_path)
    _health_that_exits(tmp_path, code, monkeypatch)
    for work in declared.work:
        with pytest.raises(Exception, match="health") as failed:
            work()
        assert _is_retried(failed.value, names) is retried
