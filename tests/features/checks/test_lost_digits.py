"""Identifiers with more digits than a float holds: exact, or refused with the remedy."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import narwhals as nw
import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features import HealthError, InputError, tables_from_frames
from features.reading import frames
from features.reading.source import open_tables
from features.reading.table_source import TableSource
from features.tables.decimals import plain_numbers
from features.tables.identifiers import normalised
from features.tables.schema import TABLES
from features.tables.warehouse import Warehouse

END = datetime(2026, 6, 1)
LONG = (12345678901234567890, 12345678901234567891, 12345678901234567892)
Written = Callable[[Path, Sequence[Any]], TableSource]


def csv(folder: Path, ids: Sequence[Any]) -> TableSource:
    lines = [f"{value},2025-01-01" for value in ids]
    (folder / "accounts.csv").write_text("\n".join(["account_id,created_at", *lines]))
    return TableSource(path="accounts.csv")


def own_sql(folder: Path, ids: Sequence[Any]) -> TableSource:
    csv(folder, ids)
    return TableSource(sql="select * from read_csv('accounts.csv')")


def json_lines(folder: Path, ids: Sequence[Any]) -> TableSource:
    rows = [json.dumps({"account_id": value, "created_at": "2025-01-01"}) for value in ids]
    (folder / "accounts.jsonl").write_text("\n".join(rows))
    return TableSource(path="accounts.jsonl")


def sqlite_text(folder: Path, ids: Sequence[Any]) -> TableSource:
    with sqlite3.connect(folder / "accounts.db") as connection:
        connection.execute("CREATE TABLE accounts (account_id TEXT, created_at TEXT)")
        rows = [(str(value), "2025-01-01") for value in ids]
        connection.executemany("INSERT INTO accounts VALUES (?, ?)", rows)
    return TableSource(path="accounts.db")


def _parquet(folder: Path, ids: pa.Array) -> TableSource:
    days = pa.array(["2025-01-01"] * len(ids))
    pq.write_table(pa.table({"account_id": ids, "created_at": days}), folder / "accounts.parquet")
    return TableSource(path="accounts.parquet")


def decimals(folder: Path, ids: Sequence[Any]) -> TableSource:
    return _parquet(folder, pa.array(list(map(Decimal, ids)), pa.decimal128(38, 4)))


def unsigned(folder: Path, ids: Sequence[Any]) -> TableSource:
    return _parquet(folder, pa.array(ids, pa.uint64()))


def read(folder: Path, accounts: TableSource, **options: Any) -> list[str]:
    rows = "account_id,product,started_at,ended_at,mrr\n"
    names = [f"{value}" for value in LONG]
    rows += "".join(f"{name},core,2025-01-01,,10\n" for name in names)
    (folder / "subscriptions.csv").write_text(rows)
    sources = {"accounts": accounts, "subscriptions": TableSource(path="subscriptions.csv")}
    opened = open_tables(sources, base=folder, observed_until=END, **options)
    found = opened.tables["accounts"].select("account_id").collect("pyarrow").to_native()
    return sorted(found["account_id"].to_pylist())


@pytest.mark.parametrize("written", [csv, own_sql, json_lines, sqlite_text, decimals, unsigned])
@pytest.mark.quick_cases(1)
def test_every_digit_is_read(written: Written, tmp_path: Path) -> None:
    assert read(tmp_path, written(tmp_path, LONG)) == [str(value) for value in LONG]


def test_huge_integers_of_an_engine_are_read(tmp_path: Path) -> None:
    with duckdb.connect(str(tmp_path / "crm.duckdb")) as connection:
        values = ", ".join(f"({value}::HUGEINT, DATE '2025-01-01')" for value in LONG)
        connection.execute(f"CREATE TABLE a AS FROM (VALUES {values}) t(account_id, created_at)")
    source = TableSource(table="a")
    assert read(tmp_path, source, url=f"duckdb:///{tmp_path}/crm.duckdb") == list(map(str, LONG))


def sqlite_numbers(folder: Path, ids: Sequence[Any]) -> TableSource:
    with sqlite3.connect(folder / "accounts.db") as connection:
        connection.execute("CREATE TABLE accounts (account_id NUMERIC, created_at TEXT)")
        rows = [(str(value), "2025-01-01") for value in ids]
        connection.executemany("INSERT INTO accounts VALUES (?, ?)", rows)
    return TableSource(path="accounts.db")


def workbook(folder: Path, ids: Sequence[Any]) -> TableSource:
    book = openpyxl.Workbook()
    assert book.active is not None
    book.active.append(["account_id", "created_at"])
    for value in ids:
        book.active.append([value, "2025-01-01"])
    book.save(folder / "accounts.xlsx")
    return TableSource(path="accounts.xlsx")


def rounded_by_a_spreadsheet(folder: Path, ids: Sequence[Any]) -> TableSource:
    return csv(folder, [f"{n}{value // 10**6}00000" for n, value in enumerate(ids, 1)])


def floats(folder: Path, ids: Sequence[Any]) -> TableSource:
    return _parquet(folder, pa.array(list(map(float, ids)), pa.float64()))


def floats_in_csv(folder: Path, ids: Sequence[Any]) -> TableSource:
    return csv(folder, [float(value) for value in ids])


def small_floats_in_csv(folder: Path, ids: Sequence[Any]) -> TableSource:
    return csv(folder, [float(2**53 + n) for n in range(len(ids))])


def floats_of_java(folder: Path, ids: Sequence[Any]) -> TableSource:
    return csv(folder, [repr(float(value)).replace("e+", "E") for value in ids])


def commas_in_csv(folder: Path, ids: Sequence[Any]) -> TableSource:
    return csv(folder, [f'"{value:.5E}"'.replace(".", ",") for value in map(float, ids)])


def floats_in_json(folder: Path, ids: Sequence[Any]) -> TableSource:
    return json_lines(folder, [float(value) for value in ids])


LOST = [sqlite_numbers, workbook, rounded_by_a_spreadsheet, floats, floats_in_csv,
        small_floats_in_csv, floats_of_java, commas_in_csv, floats_in_json]  # fmt: skip


@pytest.mark.parametrize("written", LOST)
@pytest.mark.quick_cases(1)
def test_lost_digits_are_refused(written: Written, tmp_path: Path) -> None:
    with pytest.raises(InputError) as raised:
        read(tmp_path, written(tmp_path, LONG))
    (found,) = [f for f in raised.value.findings if f.code == "lost_digits"]
    assert (found.table, found.column, found.rows, found.total) == ("accounts", "account_id", 3, 3)
    assert "as text" in found.fix and found.example


def test_identifiers_that_look_like_lost_digits_are_read(tmp_path: Path) -> None:
    own = ["1e10", "12E5", "0", "-7", "1234567890123450", "1234567890123451", "a+b", "5.0"]
    expected = sorted([*own[:-1], "5"])
    assert read(tmp_path, csv(tmp_path, own), allow=["unknown_account"]) == expected


@pytest.mark.parametrize(
    "own",
    [
        [f"{n:018d}" for n in range(1000, 9000, 1000)],
        [str(10**15 + 10 * n) for n in range(3)],
        ["1E+5", "2E+7", "1.5E5", "123E+45", "1.5E+x"],
        [f"-{10**17 + 1000 * n}" for n in range(5)],
    ],
    ids=["leading zeros", "few zeros", "codes", "negative"],
)
@pytest.mark.quick_cases(1)
def test_codes_and_numbers_with_zeros_are_read(own: list[str], tmp_path: Path) -> None:
    assert read(tmp_path, csv(tmp_path, own), allow=["unknown_account"]) == sorted(own)


def test_who_knows_better_may_allow_them(tmp_path: Path) -> None:
    source = rounded_by_a_spreadsheet(tmp_path, LONG)
    allow = ["lost_digits", "unknown_account"]
    assert len(read(tmp_path, source, allow=allow)) == len(LONG)


@pytest.mark.parametrize(("dtype", "first"), [("float64", 2**53), ("float32", 2**24)])
def test_frames_with_float_identifiers(dtype: str, first: int) -> None:
    def frame(start: int) -> dict[str, pd.DataFrame]:
        ids = pd.Series([start, start - 1], dtype=dtype)
        return {"accounts": pd.DataFrame({"account_id": ids, "created_at": "2025-01-01"})}

    exact = tables_from_frames(frame(first - 1), observed_until=END)["accounts"]
    kept = exact.select("account_id").collect("pyarrow").to_native()["account_id"].to_pylist()
    assert kept == [str(first - 1), str(first - 2)]
    with pytest.raises(InputError, match=r"accounts\.account_id.*floating-point.*lost_digits"):
        tables_from_frames(frame(first), observed_until=END)


def test_frames_of_another_engine_with_float_identifiers() -> None:
    connection = duckdb.connect()

    def read_arrow(query: str) -> pa.Table:
        return connection.sql(query).to_arrow_table()

    query = "SELECT 2.0::double ** 60 AS account_id, DATE '2025-01-01' AS created_at"
    rows = Warehouse("duckdb", read_arrow).rows(query, read_arrow(query).schema)
    with pytest.raises(HealthError, match=r"accounts\.account_id.*floating-point"):
        tables_from_frames({"accounts": rows.to_native()}, observed_until=END)


@given(
    numbers=st.lists(st.integers(-(10**44), 10**44) | st.none(), min_size=1),
    places=st.integers(0, 5),
)
def test_plain_numbers_keep_every_digit(numbers: list[int | None], places: int) -> None:
    texts = [None if n is None else f"{n}.{'0' * places}".rstrip(".") for n in numbers]
    found = plain_numbers(pa.chunked_array([pa.array(texts, pa.string())])).to_pylist()
    assert [None if n is None else int(n) for n in found] == numbers


@given(st.lists(st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**30),
                            max_value=10**30), min_size=1))  # fmt: skip
def test_other_decimals_are_the_nearest_floats(numbers: list[Decimal]) -> None:
    found = plain_numbers(pa.chunked_array([pa.array(numbers, pa.decimal256(50, 6))]))
    assert [float(n) for n in found.to_pylist()] == pytest.approx(list(map(float, numbers)))


def _java(value: float) -> str:
    """Return a float as Java writes it: 1.2345678E7."""
    mantissa, exponent = f"{value:.15e}".split("e")
    digits = mantissa.rstrip("0")
    return f"{digits}0E{int(exponent)}" if digits.endswith(".") else f"{digits}E{int(exponent)}"


@pytest.mark.parametrize("write", [csv, json_lines, sqlite_text])
def test_whole_numbers_in_javas_spelling_are_whole_numbers(write: Written, tmp_path: Path) -> None:
    whole = [10_000_000, 12_345_678, 9_007_199_254_740_991, 123_456_789_000]
    others = ["1E7", "1.5E3", "1.50E7", "0.5E8", "1.23456789E7", "1.2e7", "V1.2E8"]
    source = write(tmp_path, [*map(_java, map(float, whole)), *others])
    assert read(tmp_path, source, allow=["lost_digits", "unknown_account"]) == sorted(
        [*map(str, whole), *others]
    )


@given(st.integers(10_000_000, 2**53 - 1))
def test_javas_spelling_of_a_whole_number_is_that_number(value: int) -> None:
    assert normalised(_java(float(value))) == str(value)


def test_a_nul_byte_in_an_identifier_is_refused(tmp_path: Path) -> None:
    source = csv(tmp_path, ["A\x001", "B"])
    with pytest.raises(InputError) as caught:
        read(tmp_path, source, allow=["unknown_account"])
    (found,) = (f for f in caught.value.findings if f.table == "accounts")
    assert (found.code, found.column, found.rows, found.example) == (
        *("nul_byte", "account_id", 1, r"A\01"),
    )


@pytest.mark.parametrize(("kind", "limit"), [("float32", 2**24), ("float64", 2**53)])
def test_frames_that_stay_on_their_engine_hold_floats_to_the_limit_of_their_type(
    kind: str, limit: int
) -> None:
    for value, is_refused in ((limit - 1, False), (limit, True)):
        frame = nw.from_native(pd.DataFrame({"account_id": pd.Series([value], dtype=kind)}))
        refusal = pytest.raises(HealthError, match=f"{limit:,}")
        with refusal if is_refused else nullcontext():
            frames._require_digits(TABLES["accounts"], frame)
