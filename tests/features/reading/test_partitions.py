"""Columns that contradict the folders of their files: found in queries and by statistics."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.errors import Finding
from features.reading.partitions import _agrees
from features.reading.table_source import TableSource
from health.business.company import open_company
from health.settings.config import load_config
from tests.features.small_company import opened, write

END = datetime(2026, 1, 1)
ROW = {"account_id": "001", "event": "login", "occurred_at": "2025-05-01", "user_id": "u"}


def partitioned(folder: Path, ending: str) -> None:
    for day, own in (("2025-05-01", "2025-05-01"), ("2025-05-02", "2025-05-07")):
        place = folder / "usage" / f"dt={day}"
        place.mkdir(parents=True)
        rows = pd.DataFrame([ROW | {"user_id": f"u{n}", "dt": own} for n in range(3)])
        if ending == "parquet":
            rows.to_parquet(place / "part.parquet", index=False)
        elif ending == "csv":
            rows.to_csv(place / "part.csv", index=False)
        else:
            rows.to_json(place / "part.jsonl", orient="records", lines=True)


def contradictions(findings: tuple[Finding, ...]) -> list[Finding]:
    return [found for found in findings if found.code == "contradicted_folder"]


@pytest.mark.quick_cases(2)
@pytest.mark.parametrize(
    ("ending", "query"),
    [
        ("parquet", "select * from read_parquet('usage/*/*.parquet', hive_partitioning = true)"),
        ("parquet", "select * from 'usage/**/*.parquet' where user_id is not null"),
        ("parquet", "select * from parquet_scan(['usage/dt=2025-05-01/part.parquet', "
                    "'usage/dt=2025-05-02/part.parquet'])"),
        ("csv", "select * from read_csv('usage/dt=*/*.csv')"),
        ("jsonl", "select * from read_json('usage/*/*.jsonl')"),
    ],
)  # fmt: skip
def test_in_the_files_of_a_query(ending: str, query: str, tmp_path: Path) -> None:
    partitioned(tmp_path, ending)
    sources = {**write(tmp_path), "usage": TableSource(sql=query)}
    (found,) = contradictions(opened(tmp_path, sources, observed_until=END).findings)
    assert (found.table, found.column, found.rows) == ("usage", "dt", 3)
    assert found.example == f"2025-05-07 in dt=2025-05-02/part.{ending}"


def test_a_query_that_does_not_read_the_names_of_folders(tmp_path: Path) -> None:
    partitioned(tmp_path, "parquet")
    query = "select * from read_parquet('usage/*/*.parquet', hive_partitioning = false)"
    sources = {**write(tmp_path), "usage": TableSource(sql=query)}
    assert contradictions(opened(tmp_path, sources, observed_until=END).findings) == []


@pytest.mark.parametrize("kind", ["sql", "sql_file", "shared"])
@pytest.mark.slow
def test_in_the_queries_of_a_configuration(kind: str, tmp_path: Path) -> None:
    partitioned(tmp_path, "parquet")
    write(tmp_path)
    query = "select * from read_parquet('usage/*/*.parquet')"
    (tmp_path / "usage.sql").write_text(query)
    usage = {
        "sql": f'[tables.usage]\nsql = "{query}"',
        "sql_file": '[tables.usage]\nsql_file = "usage.sql"',
        "shared": f'[shared.raw]\nsql = "{query}"\n[shared.own]\nsql = "select * from raw"\n'
        '[shared.other]\nsql = "select 1 as one"\n'
        '[tables.usage]\nsql = "select * from own"',
    }
    others = "".join(f'[tables.{n}]\npath = "{n}.csv"\n' for n in ("accounts", "subscriptions"))
    config = tmp_path / "health.toml"
    config.write_text(f"observed_until = 2026-01-01\n{others}{usage[kind]}\n")
    (found,) = contradictions(open_company(load_config(config)).opened.findings)
    assert (found.table, found.column, found.rows) == ("usage", "dt", 3)


DAY = datetime(2025, 6, 1)
LATE = datetime(2025, 6, 1, 23, 59)
AGREEING: list[tuple[str, list[Any], pa.DataType]] = [
    ("month=06", [6, 6], pa.int64()),
    ("month=6", [6.0], pa.float64()),
    ("month=06", ["6"], pa.string()),
    ("amount=1.50", [Decimal("1.5")], pa.decimal128(10, 2)),
    ("dt=2025-06-01", [DAY, LATE], pa.timestamp("us")),
    ("dt=2025-06-01", [DAY, LATE], pa.timestamp("ms", "UTC")),
    ("dt=20250601", [DAY, LATE], pa.timestamp("us")),
    ("dt=20250601", [date(2025, 6, 1)], pa.date32()),
    ("dt=2025-06", [DAY, datetime(2025, 6, 30)], pa.timestamp("us")),
    ("dt=2025-06", [date(2025, 6, 2), date(2025, 6, 30)], pa.date32()),
]
OTHER: list[tuple[str, list[Any], pa.DataType]] = [
    ("month=06", [6, 7], pa.int64()),
    ("month=june", [6], pa.int64()),
    ("month=__HIVE_DEFAULT_PARTITION__", [6], pa.int64()),
    ("dt=2025-06-01", [DAY, datetime(2025, 6, 2)], pa.timestamp("us")),
    ("dt=2025-06", [DAY, datetime(2025, 7, 1)], pa.timestamp("us")),
    ("dt=2025", [DAY], pa.timestamp("us")),
    ("dt=2025-06-01", ["2025-06-01", "2025-06-02"], pa.string()),
]


def _written(folder: Path, name: str, values: list[Any], kind: pa.DataType) -> Path:
    place = folder / name
    place.mkdir()
    column = pa.array(values, kind)
    pq.write_table(pa.table({name.partition("=")[0]: column}), place / "part.parquet")
    return place / "part.parquet"


@pytest.mark.parametrize(("name", "values", "kind"), AGREEING)
def test_statistics_show_that_all_rows_agree(
    name: str, values: list[Any], kind: pa.DataType, tmp_path: Path
) -> None:
    assert _agrees(_written(tmp_path, name, values, kind), name.partition("=")[0])


@pytest.mark.parametrize(("name", "values", "kind"), OTHER)
def test_statistics_that_show_nothing_of_the_kind(
    name: str, values: list[Any], kind: pa.DataType, tmp_path: Path
) -> None:
    assert not _agrees(_written(tmp_path, name, values, kind), name.partition("=")[0])
