"""A short run of the kills: what was interrupted leaves nothing half-done (see the benchmark)."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.benchmarks.trust_kills import kill_once, prepare, serve_once, two_at_once
from tests.health.conftest import Demo

#: About as long as these commands take.
_SECONDS = 3.0


@pytest.fixture(scope="module")
def prepared(demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare(demo.folder, tmp_path_factory.mktemp("kills") / "prepared")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["import", "publish"])
def test_a_killed_command_leaves_nothing_half_done(prepared: Path, name: str) -> None:
    assert kill_once(prepared, name, random.Random(24), whole=_SECONDS) == []


@pytest.mark.slow
def test_two_imports_at_once_add_every_row_once(prepared: Path) -> None:
    assert two_at_once(prepared, "import") == []


@pytest.mark.slow
def test_a_killed_app_keeps_what_it_acknowledged(prepared: Path) -> None:
    assert serve_once(prepared, random.Random(24), notes=8) == []
