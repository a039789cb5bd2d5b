"""Rules that unchanged files passed are not evaluated again; of changed files every rule is."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.checks.findings import OpenTable, Rule, evaluate, may_repeat
from features.checks.passed import PassedRules
from features.errors import Finding, InputError
from features.reading.source import open_tables
from features.reading.table_source import TableSource
from features.tables import relations as relations_module
from features.tables.schema import TABLES
from tests.features.company import DAY, company, frame

#: One way for each rule on single rows, or on all rows of a table, to fail.
BROKEN = {
    "blanks": ("tickets", "account_id", " A1 "),
    "unknown account": ("tickets", "account_id", "nobody"),
    "before it was opened": ("tickets", "solved_at", datetime(2001, 1, 1)),
    "implausible date": ("tickets", "opened_at", datetime(1950, 1, 1)),
    "outside its scale": ("tickets", "csat", 77.0),
    "word for null": ("surveys", "kind", "n/a"),
    "below the smallest": ("subscriptions", "mrr", -5.0),
    "not a number": ("subscriptions", "mrr", float("nan")),
    "no key": ("subscriptions", "account_id", None),
}
NAMES = ("accounts", "subscriptions", "tickets", "surveys", "orders")
ROWS = {name: frame(name, company()[name]) for name in NAMES}


@pytest.fixture(autouse=True)
def _scanned_where_it_lies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relations_module, "LAZY_FROM_BYTES", 0)


def _written(folder: Path, *ways: str) -> None:
    tables: dict[str, pd.DataFrame] = {name: rows.copy() for name, rows in ROWS.items()}
    for way in ways:
        if way == "copies":
            tables["orders"] = pd.concat([tables["orders"], tables["orders"].tail(2)])
        elif way == "two versions":
            again = tables["tickets"].tail(1).assign(account_id="A1")
            tables["tickets"] = pd.concat([tables["tickets"], again])
        else:
            name, column, value = BROKEN[way]
            row = tables[name].index[len(tables[name]) // 2]
            tables[name].loc[row, column] = value
    for name, rows in tables.items():
        rows.to_parquet(folder / f"{name}.parquet", index=False)


def _sources(**columns: Mapping[str, str]) -> dict[str, TableSource]:
    return {n: TableSource(path=f"{n}.parquet", columns=columns.get(n, {})) for n in NAMES}


def _result(
    folder: Path, *, kept: bool = True, until: datetime = DAY, **columns: Mapping[str, str]
) -> tuple[set[Finding], dict[str, pd.DataFrame]]:
    """Return what is found, and the rows of each table where nothing is wrong."""
    rollups = folder / "rollups" if kept else None
    try:
        opened = open_tables(
            _sources(**columns), base=folder, observed_until=until, rollups=rollups
        )
    except InputError as error:
        return {*error.findings}, {}
    rows = {n: f.collect("pandas").to_native() for n, f in opened.tables.frames.items()}
    return {*opened.findings}, {
        name: table.sort_values([*table.columns], ignore_index=True) for name, table in rows.items()
    }


def _assert_same(folder: Path, until: datetime = DAY) -> None:
    found, rows = _result(folder, until=until)
    wanted, others = _result(folder, kept=False, until=until)
    assert found == wanted
    assert rows.keys() == others.keys()
    for name, table in rows.items():
        pd.testing.assert_frame_equal(table, others[name])


@pytest.mark.slow
@settings(max_examples=5, deadline=None)
@given(
    st.lists(
        st.sets(st.sampled_from([*BROKEN, "copies", "two versions"]), max_size=3),
        min_size=2,
        max_size=4,
    )
)
def test_what_is_found_does_not_depend_on_earlier_runs(exports: list[set[str]]) -> None:
    with TemporaryDirectory() as folder:
        for ways in exports:
            _written(Path(folder), *sorted(ways))
            for until in (DAY, datetime(2020, 1, 1)):
                _assert_same(Path(folder), until)


@pytest.mark.parametrize("ways", [("blanks", "not a number"), ("copies", "two versions")])
@pytest.mark.slow
def test_a_changed_file_is_checked_again(tmp_path: Path, ways: tuple[str, ...]) -> None:
    _written(tmp_path)
    sound, _ = _result(tmp_path)
    for way in ways:
        _written(tmp_path, way)
        _assert_same(tmp_path)
    _written(tmp_path)
    assert _result(tmp_path)[0] == sound


@pytest.mark.slow
def test_another_mapping_of_columns_is_checked_again(tmp_path: Path) -> None:
    _written(tmp_path)
    rows = pd.read_parquet(tmp_path / "subscriptions.parquet")
    rows["list_price"] = -rows["mrr"]
    rows.to_parquet(tmp_path / "subscriptions.parquet", index=False)
    _result(tmp_path)
    found, _ = _result(tmp_path, subscriptions={"mrr": "list_price"})
    assert "negative_value" in {finding.code for finding in found}


@pytest.mark.parametrize("broken", ["[1", '[1, "x", ["y"]]', "{}", "7", "\0"])
@pytest.mark.slow
def test_a_broken_note_is_ignored(tmp_path: Path, broken: str) -> None:
    _written(tmp_path)
    sound, _ = _result(tmp_path)
    notes = list((tmp_path / "rollups").glob("*.passed"))
    assert notes
    for note in notes:
        note.write_text(broken, encoding="utf-8")
    assert _result(tmp_path)[0] == sound
    shutil.rmtree(tmp_path / "rollups")
    (tmp_path / "rollups").write_text("a file where the folder should be")
    assert _result(tmp_path)[0] == sound


@pytest.mark.slow
def test_notes_unused_for_long_are_removed(tmp_path: Path) -> None:
    _written(tmp_path)
    _result(tmp_path)
    notes = {*(tmp_path / "rollups").glob("*.passed")}
    for note in notes:
        os.utime(note, (0, 0))
    rows = pd.read_parquet(tmp_path / "tickets.parquet")
    rows.head(-1).to_parquet(tmp_path / "tickets.parquet", index=False)
    _assert_same(tmp_path)
    left = {*(tmp_path / "rollups").glob("*.passed")}
    # The other tables' notes were used, the new tickets' is new.
    assert (len(left), len(left - notes)) == (len(notes), 1)


@pytest.fixture
def table(tmp_path: Path) -> tuple[duckdb.DuckDBPyConnection, OpenTable]:
    connection = duckdb.connect()
    connection.execute("CREATE TABLE t AS SELECT 'a' AS account_id, 1.0 AS mrr")
    passed = PassedRules(tmp_path / "note.passed", {"t": "SELECT 1"})
    types = {"account_id": "VARCHAR", "mrr": "DOUBLE"}
    opened = OpenTable(TABLES["subscriptions"], "s.parquet", "t", "t", False, types, passed=passed)
    return connection, opened


def _rule(where: str) -> Rule:
    return Rule("negative_value", "mrr", where, "mrr", "is below 0", "correct it")


def test_a_rule_that_rows_passed_is_not_evaluated_again(
    table: tuple[duckdb.DuckDBPyConnection, OpenTable],
) -> None:
    connection, opened = table
    rules = [_rule("mrr < 0"), _rule("mrr > 0")]
    assert [found.rows for found in evaluate(connection, opened, rules)] == [1]
    assert not may_repeat(connection, "t", "account_id", opened.passed)
    connection.execute("INSERT INTO t VALUES ('a', -1.0), ('b', 2.0)")
    # The rule that a row met is evaluated in every run, the other one only of other rows.
    assert [found.rows for found in evaluate(connection, opened, rules)] == [2]
    assert not may_repeat(connection, "t", "account_id", opened.passed)
    assert may_repeat(connection, "t", "account_id")
    connection.execute("CREATE VIEW others AS FROM t")
    others = replace(opened, view="others")
    assert [found.rows for found in evaluate(connection, others, rules)] == [1, 2]


def test_a_rule_that_looks_at_other_rows_is_evaluated_in_every_run(
    table: tuple[duckdb.DuckDBPyConnection, OpenTable],
) -> None:
    connection, opened = table
    connection.execute("CREATE TABLE known AS SELECT 'a' AS id")
    rule = _rule("account_id NOT IN (SELECT id FROM known)")
    assert not evaluate(connection, opened, [rule])
    connection.execute("DELETE FROM known")
    assert [found.rows for found in evaluate(connection, opened, [rule])] == [1]
