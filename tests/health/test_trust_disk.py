"""A short run on full and read-only disks: exit 2, and nothing is changed (see the benchmark)."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import typer

from health.cli.commands import app
from tests.benchmarks.trust_disk import COMMANDS, SETTINGS, Tried, try_command
from tests.health.conftest import Demo


@pytest.fixture(scope="module")
def prepared(demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("disk") / "prepared"
    shutil.copytree(demo.folder, folder, symlinks=True)
    config = folder / "health.toml"
    config.write_text(config.read_text() + SETTINGS)
    return folder


def test_every_command_of_the_command_line_is_tried() -> None:
    commands = typer.main.get_group(app).commands
    nested = {n: c.commands for n, c in commands.items() if hasattr(c, "commands")}
    names = {n for n in commands if n not in nested}
    names |= {f"{n} {inner}" for n, found in nested.items() for inner in found}
    assert names <= COMMANDS.keys()


@pytest.mark.slow
@pytest.mark.parametrize("situation", ["full", "read-only"])
@pytest.mark.parametrize("name", ["publish", "users add", "voice", "init"])
def test_a_disk_that_refuses(prepared: Path, name: str, situation: str) -> None:
    try:
        tried = try_command(prepared, name, situation, room=0)
    except PermissionError as error:
        pytest.skip(str(error))
    assert tried == Tried(name, tried.situation, 2, ())
