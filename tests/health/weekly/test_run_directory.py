"""Run directories: whole or not at all; the old one is never lost."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from features.errors import HealthError
from health.weekly.run_directory import list_runs, publish, runs_before

DAY = date(2026, 1, 4)


def _write(text: str):
    def write(folder: Path) -> None:
        (folder / "run.json").write_text(text)

    return write


def test_published_by_rename(tmp_path: Path) -> None:
    run = publish(tmp_path, DAY, _write("1"), replace=False)
    assert run.folder == tmp_path / "as_of=2026-01-04"
    assert [p.name for p in tmp_path.iterdir()] == ["as_of=2026-01-04"]


def test_a_failure_leaves_the_last_run_whole(tmp_path: Path) -> None:
    publish(tmp_path, DAY, _write("1"), replace=False)

    def fail(folder: Path) -> None:
        (folder / "run.json").write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        publish(tmp_path, DAY, fail, replace=True)
    assert [p.name for p in tmp_path.iterdir()] == ["as_of=2026-01-04"]
    assert (tmp_path / "as_of=2026-01-04" / "run.json").read_text() == "1"


def test_a_date_is_scored_twice_only_when_asked(tmp_path: Path) -> None:
    publish(tmp_path, DAY, _write("1"), replace=False)
    with pytest.raises(HealthError, match="scored before"):
        publish(tmp_path, DAY, _write("2"), replace=False)
    publish(tmp_path, DAY, _write("2"), replace=True)
    assert (tmp_path / "as_of=2026-01-04" / "run.json").read_text() == "2"
    assert (tmp_path / "replaced" / "as_of=2026-01-04.1" / "run.json").read_text() == "1"
    assert [run.as_of for run in list_runs(tmp_path)] == [DAY]


def test_the_runs_before(tmp_path: Path) -> None:
    first = date(2025, 12, 28)
    for day in (first, DAY):
        publish(tmp_path, day, _write("1"), replace=False)
    assert [run.as_of for run in runs_before(tmp_path, DAY)] == [first]
    assert runs_before(tmp_path, first) == []
