"""Run directories: whole or not at all; the old one is never lost."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from features.errors import HealthError
from health.runs.directory import (
    NEW,
    REPLACED,
    REPLACING,
    UNFINISHED,
    keep_replaced,
    list_runs,
    publish,
    runs_before,
)
from health.runs.durable import swap
from health.runs.leftovers import clean_up

DAY = date(2026, 1, 4)


def _write(text: str):
    def write(folder: Path) -> None:
        (folder / "run.json").write_text(text)

    return write


def test_published_by_rename(tmp_path: Path) -> None:
    run = publish(tmp_path, DAY, _write("1"), replace=False)
    assert run.folder == tmp_path / "as_of=2026-01-04"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["as_of=2026-01-04", "latest"]


def test_latest_is_the_newest_run_even_when_an_older_date_comes_later(tmp_path: Path) -> None:
    publish(tmp_path, DAY, _write("1"), replace=False)
    publish(tmp_path, date(2025, 12, 28), _write("2"), replace=False)
    assert (tmp_path / "latest" / "run.json").read_text() == "1"
    assert not (tmp_path / "latest").readlink().is_absolute()


def test_a_copied_latest_is_put_away_not_lost(tmp_path: Path) -> None:
    publish(tmp_path, date(2025, 12, 28), _write("1"), replace=False)
    (tmp_path / "latest").unlink()
    (tmp_path / "latest").mkdir()
    _write("copy")(tmp_path / "latest")
    publish(tmp_path, DAY, _write("2"), replace=False)
    assert (tmp_path / "latest" / "run.json").read_text() == "2"
    assert (tmp_path / REPLACED / "latest.1" / "run.json").read_text() == "copy"


def test_a_failure_leaves_the_last_run_whole(tmp_path: Path) -> None:
    publish(tmp_path, DAY, _write("1"), replace=False)

    def fail(folder: Path) -> None:
        (folder / "run.json").write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(HealthError, match="the disk is full") as raised:
        publish(tmp_path, DAY, fail, replace=True)
    assert raised.value.exit_code == 2
    assert sorted(p.name for p in tmp_path.iterdir()) == ["as_of=2026-01-04", "latest"]
    assert (tmp_path / "as_of=2026-01-04" / "run.json").read_text() == "1"


def test_a_date_is_scored_twice_only_when_asked(tmp_path: Path) -> None:
    publish(tmp_path, DAY, _write("1"), replace=False)
    with pytest.raises(HealthError, match="already been scored"):
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


def test_a_broken_earlier_run_is_named(tmp_path: Path) -> None:
    run = publish(tmp_path, DAY, _write("{"), replace=False)
    (run.folder / "scores.parquet").write_bytes(b"PAR1 half a file")
    with pytest.raises(HealthError, match="earlier run cannot be read") as raised:
        run.table("scores")
    assert raised.value.where.endswith("scores.parquet")
    with pytest.raises(HealthError, match=r"run\.json"):
        run.info()


def _half_replaced(runs_dir: Path, *, swapped: bool) -> Path:
    """Stop a replacement just before or just after the swap."""
    publish(runs_dir, DAY, _write("old"), replace=False)
    target, coming = runs_dir / "as_of=2026-01-04", runs_dir / f"{REPLACING}as_of=2026-01-04+x"
    coming.mkdir()
    _write("new")(coming)
    (coming / NEW).touch()
    if swapped:
        assert swap(coming, target)
    return target


def test_a_replacement_stopped_before_the_swap_is_undone(tmp_path: Path) -> None:
    target = _half_replaced(tmp_path, swapped=False)
    assert "removed an interrupted replacement" in clean_up(tmp_path)[0]
    assert (target / "run.json").read_text() == "old"
    assert not (tmp_path / REPLACED).exists()


def test_a_replacement_stopped_after_the_swap_is_finished(tmp_path: Path) -> None:
    target = _half_replaced(tmp_path, swapped=True)
    assert "moved the replaced run" in clean_up(tmp_path)[0]
    assert [p.name for p in target.iterdir()] == ["run.json"]
    assert (target / "run.json").read_text() == "new"
    kept = tmp_path / REPLACED / "as_of=2026-01-04.1"
    assert (kept / "run.json").read_text() == "old"
    assert clean_up(tmp_path) == []


def test_where_names_cannot_be_swapped_a_stopped_replacement_is_finished(tmp_path: Path) -> None:
    target = _half_replaced(tmp_path, swapped=False)
    keep_replaced(tmp_path, target, target.name)
    assert "completed" in clean_up(tmp_path)[0]
    assert (target / "run.json").read_text() == "new"


def test_an_unfinished_run_is_removed_and_latest_set_right(tmp_path: Path) -> None:
    publish(tmp_path, DAY, _write("1"), replace=False)
    (tmp_path / "latest").unlink()
    (tmp_path / f"{UNFINISHED}as_of=2026-01-11+x").mkdir()
    done = clean_up(tmp_path)
    assert len(done) == 2
    assert sorted(p.name for p in tmp_path.iterdir()) == ["as_of=2026-01-04", "latest"]
