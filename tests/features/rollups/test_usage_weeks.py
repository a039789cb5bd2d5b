"""A company scored week after week with roll-ups kept: no figure differs from a first run's."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features import build_features
from features.definitions.settings import FeatureSettings, FirstValue, Milestone
from features.errors import HealthError
from features.reading.source import OpenedTables, open_tables
from features.reading.table_source import TableSource
from features.rollups import cache as rollup_cache_module
from features.rollups.cache import RollupCache
from features.tables import relations as relations_module
from tests.features.company import DAY, frame
from tests.features.random_company import random_company

#: Steps that are reached by any use, by one event, and late.
STEPS = FeatureSettings(
    first_value=FirstValue(events=("view",), times=2),
    milestones=(Milestone(times=9), Milestone(event="export", times=3)),
)
ANY_USE = FeatureSettings(milestones=(Milestone(times=12),))


@pytest.fixture(autouse=True)
def _scanned_where_it_lies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relations_module, "LAZY_FROM_BYTES", 0)


def _sources(folder: Path, rows: dict[str, pd.DataFrame]) -> dict[str, TableSource]:
    for name, table in rows.items():
        if name != "usage":
            table.to_parquet(folder / f"{name}.parquet", index=False)
    (folder / "usage").mkdir()
    found = {name: TableSource(path=f"{name}.parquet") for name in rows if name != "usage"}
    return found | {"usage": TableSource(path="usage")}


def _weeks(use: pd.DataFrame, days: int) -> dict[str, pd.DataFrame]:
    """Return the use in files of so many days, by name."""
    number = (use["occurred_at"] - use["occurred_at"].min()).dt.days // days
    return {f"{week:03d}.parquet": rows for week, rows in use.groupby(number)}


def _write(folder: Path, name: str, rows: pd.DataFrame) -> None:
    schema = pa.Schema.from_pandas(rows.head(0).convert_dtypes(), preserve_index=False)
    fields = [pa.field(n, pa.string() if t.type == pa.null() else t.type) for n, t in
              zip(schema.names, schema, strict=True)]  # fmt: skip
    schema = pa.schema([pa.field(f.name, f.type) for f in fields])
    pq.write_table(
        pa.Table.from_pandas(rows, schema=schema, preserve_index=False), folder / "usage" / name
    )


def _opened(
    folder: Path, sources: dict[str, TableSource], until: datetime, *, kept: bool
) -> OpenedTables:
    return open_tables(
        sources, base=folder, observed_until=until, rollups=Path("kept") if kept else None,
        allow=["score_outside_scale", "date_outside_data"],
    )  # fmt: skip


def _values(
    folder: Path, sources: dict[str, TableSource], until: datetime, settings: FeatureSettings, *,
    kept: bool,
) -> tuple[pd.DataFrame, set[str]]:  # fmt: skip
    opened = _opened(folder, sources, until, kept=kept)
    day = datetime(until.year, until.month, until.day)
    built = build_features(opened.tables, [day - timedelta(days=60), day], settings)
    return built, {str(finding) for finding in opened.findings}


@pytest.mark.parametrize(
    ("days", "late", "settings"),
    [(60, False, STEPS), (90, True, ANY_USE)],
    ids=["in order, steps by an event", "some rows late, steps by any use"],
)
def test_week_after_week_no_figure_and_no_finding_differs(
    tmp_path: Path, days: int, settings: FeatureSettings, *, late: bool
) -> None:
    rows = {name: frame(name, listed) for name, listed in random_company(days).items()}
    use = rows["usage"] if late else rows["usage"].drop(columns="known_at")
    sources = _sources(tmp_path, rows)
    files = sorted(_weeks(use, days).items())
    for name, part in files[:-2]:
        _write(tmp_path, name, part)
    for week, (name, part) in enumerate(files[-2:]):
        _write(tmp_path, name, part)
        until = part["occurred_at"].max() + timedelta(hours=1)
        if week == 1:
            # An early file comes once more, with some of its rows twice.
            early, before = files[2]
            _write(tmp_path, early, pd.concat([before, before.head(2)], ignore_index=True))
        kept, found = _values(tmp_path, sources, until, settings, kept=True)
        plain, expected = _values(tmp_path, sources, until, settings, kept=False)
        pd.testing.assert_frame_equal(kept, plain, rtol=1e-9)
        assert found == expected


def test_one_sum_of_each_kind_is_kept(tmp_path: Path) -> None:
    rows = {name: frame(name, listed) for name, listed in random_company(5).items()}
    use = rows["usage"].drop(columns="known_at")
    sources = _sources(tmp_path, rows)
    files = sorted(_weeks(use[use["occurred_at"] < DAY], 45).items())
    for number, (name, part) in enumerate(files):
        _write(tmp_path, name, part)
        if number > len(files) - 3:
            until = part["occurred_at"].max() + timedelta(hours=1)
            _values(tmp_path, sources, until, STEPS, kept=True)
    sums = [file.name.split(".")[1] for file in (tmp_path / "kept").glob("*.arrow")]
    kinds = {name for name in sums if name not in {"users", "events", "days", "within"}}
    assert {"spans", "last_days"} <= kinds
    assert any(name.startswith("steps_") for name in kinds)
    assert all(sums.count(name) == 1 for name in kinds)


def _noted_long_ago(cache: RollupCache) -> None:
    """Let the note of the files' contents be of a time when all changes were past."""
    note = cache.folder / "contents.json"
    later = note.stat().st_mtime + 60
    os.utime(note, (later, later))


def test_a_file_that_nothing_touched_is_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, file = RollupCache(tmp_path / "kept"), tmp_path / "a.parquet"
    file.write_bytes(b"first")
    known = cache.contents([file])
    _noted_long_ago(cache)

    def refuse(path: Path) -> str:
        raise AssertionError(f"{path} was read again")

    monkeypatch.setattr(rollup_cache_module, "_digest_of", refuse)
    assert cache.contents([file]) == known


@pytest.mark.parametrize("way", ["written over", "another put in its place"])
def test_a_change_that_hides_behind_size_and_date_is_found(tmp_path: Path, way: str) -> None:
    cache, file = RollupCache(tmp_path / "kept"), tmp_path / "a.parquet"
    file.write_bytes(b"first")
    known, result = cache.contents([file]), file.stat()
    _noted_long_ago(cache)
    if way == "written over":
        file.write_bytes(b"other")
    else:
        (tmp_path / "b").write_bytes(b"other")
        (tmp_path / "b").replace(file)
    os.utime(file, ns=(result.st_atime_ns, result.st_mtime_ns))
    assert cache.contents([file])[file] != known[file]


def test_a_file_noted_in_the_instant_of_its_change_is_read_again(tmp_path: Path) -> None:
    cache, file = RollupCache(tmp_path / "kept"), tmp_path / "a.parquet"
    file.write_bytes(b"first")
    cache.contents([file])
    before = (tmp_path / "kept" / "contents.json").stat().st_mtime_ns
    cache.contents([file])
    assert (tmp_path / "kept" / "contents.json").stat().st_mtime_ns > before


def test_a_folder_that_takes_no_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("no folder")
    with pytest.raises(HealthError, match="roll-ups cannot be kept") as result:
        RollupCache(tmp_path / "kept").write("key", {}, {})
    assert result.value.where == str(tmp_path / "kept")
    assert "rollups_dir" in result.value.fix
