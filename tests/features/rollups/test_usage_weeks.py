"""A company scored week after week with roll-ups kept: no figure differs from a first run's."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features import build_features
from features.definitions.settings import FeatureSettings, FirstValue, Milestone
from features.reading.source import OpenedTables, open_tables
from features.reading.table_source import TableSource
from features.tables import relations as relations_module
from tests.features.company import frame
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
    """Return the use in files of this many days, by name."""
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


@pytest.mark.slow
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
