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
from tests.features.small_company import opened, write

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


@pytest.mark.quick_cases(4)
@pytest.mark.parametrize("made", MADE)
@pytest.mark.parametrize("name", ["x.csv", "x.parquet", "x.jsonl", "x.db", "x.xlsx", "x.csv.gz"])
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
def test_in_a_folder_it_is_named(made: Callable[[Path], None], tmp_path: Path) -> None:
    sources = write(tmp_path)
    (tmp_path / "usage").mkdir()
    (tmp_path / "usage.csv").rename(tmp_path / "usage" / "usage.csv")
    made(tmp_path / "usage" / "late.csv")
    result = opened(tmp_path, {**sources, "usage": TableSource(path="usage")})
    (found,) = [f for f in result.findings if f.code == "skipped_files"]
    assert "late.csv (a pipe, a socket or a device)" in found.what
