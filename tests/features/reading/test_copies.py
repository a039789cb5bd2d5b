"""Rows that are there more than once: what counts, and what is reported."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import narwhals as nw
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features import build_features
from features.reading import copies as copies_module
from features.reading.source import OpenedTables, open_tables
from features.reading.table_source import TableSource
from features.tables import relations as relations_module
from features.tables.copies import Copies, count_copies
from features.tables.schema import TABLES
from tests.features.small_company import FILES, broken, opened, rows, warned, write

END = datetime(2026, 1, 1)

#: Tables with times of day: whatever is in them twice was loaded twice.
TIMED = {
    "accounts": "account_id,created_at,name\n001,2025-01-01 08:00,A\n002,2025-02-01 09:00,B\n",
    "subscriptions": "account_id,product,started_at,ended_at,mrr\n"
    "001,crm,2025-01-01 08:30,,100\n002,crm,2025-02-01 09:30,2025-10-01,50\n",
    "usage": "account_id,event,occurred_at,user_id\n001,login,2025-12-20 10:01,u1\n"
    "001,login,2025-12-20 10:02,u1\n002,login,2025-05-01 12:00,u2\n",
    "tickets": "account_id,ticket_id,opened_at,solved_at\n"
    "001,T1,2025-12-02 10:00,2025-12-03 10:00\n",
    "surveys": "account_id,kind,answered_at,score\n001,nps,2025-12-05 11:00,9\n"
    "002,nps,2025-05-05 11:30,3\n",
    "orders": "account_id,ordered_at,amount\n001,2025-12-05 10:30,20\n002,2025-06-05 12:12,30\n",
    "interventions": "account_id,occurred_at,kind\n001,2025-12-01 09:00,call\n",
    "actions": "account_id,action,at\n001,called,2025-12-01 09:00\n",
}


def _features(tables: OpenedTables) -> pd.DataFrame:
    return build_features(tables.tables, [datetime(2025, 12, 28)])


def _opened(folder: Path, files: dict[str, str]) -> OpenedTables:
    return opened(folder, write(folder, **files), observed_until=END)


def _twice(text: str) -> str:
    head, _, body = text.partition("\n")
    return f"{head}\n{body}{body}"


@pytest.mark.slow
@pytest.mark.parametrize("table", TIMED)
def test_a_table_loaded_twice_counts_once_and_is_reported(table: str, tmp_path: Path) -> None:
    plain = _opened(tmp_path, TIMED)
    assert [f for f in plain.findings if f.code != "missing_table"] == []
    expected = _features(plain)
    twice = _opened(tmp_path, {**TIMED, table: _twice(TIMED[table])})
    (found,) = [f for f in twice.findings if f.code != "missing_table"]
    count = TIMED[table].count("\n") - 1
    assert found.code == ("duplicate_id" if table in {"accounts", "tickets"} else "copied_rows")
    assert (found.level, found.table) == ("warning", table)
    assert (found.rows, found.total) == (count, 2 * count)
    assert "count" in found.what
    pd.testing.assert_frame_equal(_features(twice), expected)


@pytest.mark.slow
@settings(max_examples=10, deadline=None)
@given(st.data())
def test_a_copy_of_a_row_with_an_id_changes_no_value(data: st.DataObject) -> None:
    table = data.draw(st.sampled_from(["accounts", "subscriptions", "usage", "tickets"]))
    texts = dict(TIMED)
    for name, key in (("subscriptions", "subscription_id"), ("usage", "usage_id")):
        head, *lines = texts[name].splitlines()
        ids = [f"{line},{name}{n}" for n, line in enumerate(lines)]
        texts[name] = "\n".join([f"{head},{key}", *ids]) + "\n"
    _, *lines = texts[table].splitlines()
    again = data.draw(st.lists(st.sampled_from(lines), min_size=1, max_size=3))
    with TemporaryDirectory() as folder:
        expected = _features(_opened(Path(folder), texts))
        more = {**texts, table: texts[table] + "".join(f"{line}\n" for line in again)}
        copied = _opened(Path(folder), more)
        assert [f.rows for f in copied.findings if f.table == table] == [len(again)]
        pd.testing.assert_frame_equal(_features(copied), expected)


@pytest.mark.slow
def test_few_copies_and_days_without_a_time_are_reported_and_count(tmp_path: Path) -> None:
    days = "account_id,event,occurred_at\n" + "001,login,2025-12-01\n" * 10
    found = warned(tmp_path, usage=days)["copied_rows"]
    assert (found.rows, found.total) == (9, 10)
    assert "each of them counts" in found.what
    many = "".join(f"001,2025-05-{d:02d} 10:{m:02d},{m}\n" for d in range(1, 9) for m in range(9))
    orders = f"account_id,ordered_at,amount\n{many}001,2025-05-01 10:05,5\n"
    result = opened(tmp_path, write(tmp_path, usage=days, orders=orders), observed_until=END)
    assert len(rows(result, "usage")) == 10
    assert len(rows(result, "orders")) == 73
    (found,) = [f for f in result.findings if f.table == "orders"]
    assert (found.rows, found.total, found.example) == (1, 73, "001")
    assert "amount 5.00 in all" in found.what


def test_rows_that_differ_in_a_column_that_is_not_read_are_no_copies(tmp_path: Path) -> None:
    orders = (
        "account_id,ordered_at,amount,line\n001,2025-05-05 10:30,5,1\n001,2025-05-05 10:30,5,2\n"
    )
    sources = write(tmp_path, orders=orders)
    result = opened(tmp_path, sources, observed_until=END)
    assert [f for f in result.findings if f.table == "orders"] == []
    assert len(rows(result, "orders")) == 2


@pytest.mark.slow
def test_the_latest_version_of_a_ticket_counts(tmp_path: Path) -> None:
    head = "account_id,ticket_id,opened_at,solved_at,csat,csat_at\n"
    open_, solved = "001,T1,2025-05-01 10:00,,,", "001,T1,2025-05-01 10:00,2025-05-02 10:00,,"
    rated = "001,T1,2025-05-01 10:00,2025-05-02 10:00,5,2025-05-03 10:00"
    for order in ([open_, solved, rated], [rated, open_, solved], [solved, rated, open_]):
        sources = write(tmp_path, tickets=head + "".join(f"{line}\n" for line in order))
        result = opened(tmp_path, sources, observed_until=END)
        (ticket,) = rows(result, "tickets").to_dict("records")
        assert ticket["csat"] == 5
        (found,) = [f for f in result.findings if f.table == "tickets"]
        assert (found.code, found.rows, found.total) == ("duplicate_id", 2, 3)


def test_the_version_that_arrived_last_counts_and_is_known_from_the_first(tmp_path: Path) -> None:
    accounts = (
        "account_id,created_at,csm,known_at\n001,2025-01-01,Ann,2025-01-02\n"
        "001,2025-01-01,Bob,2025-06-01\n002,2025-01-01,Ann,2025-01-02\n003,2025-01-01,,2025-01-02\n"
    )
    result = opened(tmp_path, write(tmp_path, accounts=accounts), observed_until=END)
    first = rows(result, "accounts").iloc[0]
    assert (first["csm"], first["known_at"]) == ("Bob", pd.Timestamp(2025, 1, 2))


def test_versions_that_nothing_decides_between_are_an_error(tmp_path: Path) -> None:
    text = FILES["accounts"] + "001,2025-01-01,Smith & Co\n"
    (finding,) = broken(tmp_path, accounts=text)
    assert (finding.code, finding.column, finding.rows) == ("duplicate_key", "account_id", 2)
    assert "known_at" in finding.fix


@pytest.mark.parametrize("key", [False, True])
@pytest.mark.slow
def test_large_usage_loaded_twice_counts_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, key: bool
) -> None:
    monkeypatch.setattr(relations_module, "LAZY_FROM_BYTES", 0)
    count = 5_000
    usage = pd.DataFrame(
        {
            "account_id": [f"00{1 + n % 3}" for n in range(count)],
            "event": "login",
            "occurred_at": pd.date_range("2024-01-01", "2025-12-30", periods=count).as_unit("us"),
        }
    )
    if key:
        usage["usage_id"] = [f"e{n}" for n in range(count)]
    place = tmp_path / "usage"
    place.mkdir()
    usage.to_parquet(place / "1.parquet", index=False)
    sources = {**write(tmp_path), "usage": TableSource(path="usage")}

    def found() -> tuple[int, list[tuple[str, int]]]:
        result = open_tables(sources, base=tmp_path, observed_until=END, rollups=Path("kept"))
        known = {"missing_table", "usage_before_signup", "usage_outside_subscription"}
        notes = [(f.code, f.rows) for f in result.findings if f.code not in known]
        return len(rows(result, "usage")), notes

    assert found() == (count, [])
    # The same rows in another order: no byte of the file is the same.
    usage.sample(frac=1, random_state=1).to_parquet(place / "2.parquet", index=False)
    assert found() == (count, [("duplicate_id", count) if key else ("duplicate_file", 0)])


def test_copies_are_counted_with_their_amount() -> None:
    at = [datetime(2025, 5, 1, 10), datetime(2025, 5, 1), None]
    frame = pd.DataFrame(
        {"account_id": ["b", "a", "c"], "ordered_at": at, "amount": [5.0, 7.0, None]}
    )
    rows_ = duckdb.connect().from_df(pd.concat([frame, frame, frame.iloc[:1]]))
    found = count_copies(nw.from_native(rows_), TABLES["orders"])
    assert found == Copies(rows=4, timed=2, total=7, example="a", amount=17.0)


@pytest.mark.slow
def test_part_of_large_usage_loaded_twice_is_found_weeks_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relations_module, "LAZY_FROM_BYTES", 0)
    monkeypatch.setattr(copies_module, "_MANY_COUNTED", 0)
    count = 6_000
    usage = pd.DataFrame(
        {
            "account_id": [f"00{1 + n % 3}" for n in range(count)],
            "event": "login",
            "occurred_at": pd.date_range("2025-01-01", "2025-12-30", periods=count).as_unit("us"),
        }
    )
    place = tmp_path / "usage"
    place.mkdir()
    for month, part in usage.groupby(usage["occurred_at"].dt.strftime("%Y-%m")):
        part.to_parquet(place / f"{month}.parquet", index=False)
    sources = {**write(tmp_path), "usage": TableSource(path="usage")}

    def found() -> dict[str, int]:
        result = open_tables(sources, base=tmp_path, observed_until=END, rollups=Path("kept"))
        return {f.code: f.rows for f in result.findings}

    assert "copied_rows" not in found()
    # A week in March arrives again with the rows of the last month, in a file of their own.
    week = usage[usage["occurred_at"].between("2025-03-10", "2025-03-17")]
    late = usage.iloc[-50:].assign(event="export")
    pd.concat([week, late]).to_parquet(place / "again.parquet", index=False)
    assert found()["copied_rows"] == len(week)
    assert found()["copied_rows"] == len(week)


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize("table", ["orders", "interventions"])
def test_a_table_of_a_database_loaded_twice_counts_once(table: str, tmp_path: Path) -> None:
    sources = write(tmp_path, **{**TIMED, table: _twice(TIMED[table])})
    with duckdb.connect(str(tmp_path / "c.duckdb")) as database:
        database.execute(f"CREATE TABLE {table} AS FROM read_csv('{tmp_path}/{table}.csv')")
    sources[table] = TableSource(table=table)
    result = opened(tmp_path, sources, url="duckdb:///c.duckdb", observed_until=END)
    (found,) = [f for f in result.findings if f.table == table]
    assert (found.code, found.rows) == ("copied_rows", TIMED[table].count("\n") - 1)
    assert len(rows(result, table)) == found.rows
