"""Pipes, sockets and devices: named at once instead of waiting for rows."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from features.errors import HealthError, InputError
from features.reading.table_source import TableSource
from health.sources.databases import open_database
from tests.features.small_company import opened, refused, write

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="has no such files")
SPECIAL = "is a pipe, a socket or a device"


def pipe(path: Path) -> None:
    os.mkfifo(path)


def unix_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


MADE = [pipe, unix_socket, device]


@pytest.mark.parametrize("made", MADE)
@pytest.mark.parametrize("name", ["x.csv", "x.parquet", "x.jsonl", "x.db", "x.xlsx", "x.csv.gz"])
@pytest.mark.quick_cases(1)
def test_as_a_table(name: str, made: Callable[[Path], None], tmp_path: Path) -> None:
    sources = {**write(tmp_path), "usage": TableSource(path=name)}
    made(tmp_path / name)
    with pytest.raises(InputError, match=SPECIAL) as raised:
        opened(tmp_path, sources)
    (found,) = raised.value.findings
    assert (found.table, name in str(found)) == ("usage", True)


@pytest.mark.parametrize("query", ["select * from read_csv('x.csv')", "select * from 'x.csv'"])
def test_in_a_query(query: str, tmp_path: Path) -> None:
    sources = {**write(tmp_path), "usage": TableSource(sql=query)}
    pipe(tmp_path / "x.csv")
    with pytest.raises(InputError, match=SPECIAL):
        opened(tmp_path, sources)


@pytest.mark.parametrize("url", ["sqlite:///x.db", "duckdb:///x.db"])
def test_as_a_source(url: str, tmp_path: Path) -> None:
    pipe(tmp_path / "x.db")
    with pytest.raises(HealthError, match=f"source crm: x.db {SPECIAL}"):
        open_database("crm", url, tmp_path)


def test_as_the_database(tmp_path: Path) -> None:
    pipe(tmp_path / "x.db")
    with pytest.raises(HealthError, match=f"data.url: x.db {SPECIAL}"):
        opened(tmp_path, write(tmp_path), url="duckdb:///x.db")


@pytest.mark.parametrize("made", MADE)
@pytest.mark.quick_cases(1)
def test_in_a_folder_it_is_named(made: Callable[[Path], None], tmp_path: Path) -> None:
    sources = write(tmp_path)
    (tmp_path / "usage").mkdir()
    (tmp_path / "usage.csv").rename(tmp_path / "usage" / "usage.csv")
    made(tmp_path / "usage" / "late.csv")
    result = opened(tmp_path, {**sources, "usage": TableSource(path="usage")})
    (found,) = [f for f in result.findings if f.code == "skipped_files"]
    assert "late.csv (a pipe, a socket or a device)" in found.what


@pytest.mark.parametrize("query", ["select * from 'usage/*.csv'",
                                   "select * from read_csv('usage/**/*.csv')",
                                   "select * from read_csv('usage/[45].csv')"])  # fmt: skip
@pytest.mark.slow
def test_a_folder_with_brackets_in_its_name_is_no_pattern(tmp_path: Path, query: str) -> None:
    base = tmp_path / "export [2026] *"
    (base / "usage").mkdir(parents=True)
    rows = "account_id,event,occurred_at\n001,login,2025-0{0}-01\n"
    for month in (4, 5):
        (base / "usage" / f"{month}.csv").write_text(rows.format(month))
    sources = {**write(base), "usage": TableSource(sql=query)}
    found = opened(base, sources, readable=[base])
    assert len(found.tables["usage"].collect("pyarrow")) == 2
    # A Delta table is refused there, too.
    (base / "usage" / "_delta_log").mkdir()
    (error,) = refused(base, sources, readable=[base])
    assert error.code == "table_format"


LONG = "x" * 300


@pytest.mark.parametrize(
    "source",
    [
        TableSource(path=f"{LONG}.csv"),
        TableSource(sql=f"select * from '{LONG}.csv'"),
        TableSource(sql=f"select * from read_csv('{LONG}/*.csv')"),
    ],
)
@pytest.mark.quick_cases(1)
def test_a_name_that_no_file_can_have_is_refused(tmp_path: Path, source: TableSource) -> None:
    sources = {**write(tmp_path), "usage": source}
    (found,) = refused(tmp_path, sources)
    assert "too long" in found.what
    assert len(found.what) < 120
