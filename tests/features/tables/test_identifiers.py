"""One form for identifiers: whatever the engine, the file and the way a value is written."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import narwhals as nw
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from features import InputError, build_features, tables_from_frames
from features.reading.source import open_tables
from features.reading.table_source import TableSource
from features.tables.casting import as_text_sql, may_need_cleaning_sql
from features.tables.identifiers import (
    BLANKS,
    NULL_SPELLINGS,
    NULL_WORDS,
    normalised,
    text_expression,
)
from features.tables.schema import TABLES, Column
from tests.examples import examples
from tests.features.company import DAY, Rows
from tests.features.company import open_tables as open_company
from tests.features.random_company import ACCOUNTS, random_company

END = datetime(2026, 1, 1)
ID, LABEL = Column("account_id", "text"), Column("product", "text")


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("123", "123"),
        ("123.0", "123"),
        (" 123.00\t", "123"),
        ("\xa0123", "123"),
        ("\u200b123\ufeff", "123"),
        ("00123", "00123"),
        ("00123.0", "00123"),
        ("-7.0", "-7"),
        ("1.05", "1.05"),
        ("1.0.0", "1.0.0"),
        ("v1.0", "v1.0"),
        ("abc", "abc"),
        ("ABC", "ABC"),
        ("NA", "NA"),
        ("nan", None),
        ("Nan", "Nan"),
        ("undefined", None),
        ("", None),
        ("  ", None),
        ("\\N", None),
        ("null ", None),
        ("None", None),
        ("N/A", None),
    ],
)
def test_the_form_of_an_identifier(written: str, read: str | None) -> None:
    assert normalised(written) == read


def test_names_that_look_like_versions_keep_their_point() -> None:
    assert normalised(" 2.0 ", is_identifier=False) == "2.0"


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table, "duckdb"])
def test_every_engine_has_the_same_form(make: Any) -> None:
    values = [" 1.0 ", "007", "\\N", "nUlL", "x", "", None, "NA", "1e3", "12.50", "\xa0y"]
    if make == "duckdb":
        connection = duckdb.connect()
        connection.register("values_", pa.table({"x": values}))
        frame = nw.from_native(connection.table("values_"))
    else:
        frame = nw.from_native(make({"x": values})).lazy()
    rule = text_expression("x", nw.String(), is_identifier=True)
    found = frame.select(rule).collect("pyarrow")["x"].to_list()
    assert found == ["1", "007", None, None, "x", None, None, "NA", "1e3", "12.50", "y"]


texts = st.text(st.sampled_from([*BLANKS, *"0.1aN/\\uUlLoOeE#<>-+ß"]), max_size=7)


@settings(max_examples=examples(60), deadline=None)
@given(st.lists(texts, min_size=1, max_size=40))
@example([*NULL_WORDS, *(word.upper() for word in NULL_WORDS), *NULL_SPELLINGS, "Nan", " nan "])
@pytest.mark.slow
def test_what_is_taken_for_sound_is_in_its_form_already(values: list[str]) -> None:
    with duckdb.connect() as connection:
        for column in (ID, LABEL):
            name, is_id = f'"{column.name}"', column.is_identifier
            connection.register("raw", pa.table({column.name: values}))
            doubtful = may_need_cleaning_sql(name, is_identifier=is_id)
            form = as_text_sql(column, "VARCHAR")
            query = f"SELECT {name}, {doubtful}, {form} FROM raw"
            for value, doubt, found in connection.execute(query).fetchall():
                assert found == normalised(value, is_identifier=is_id)
                assert doubt or found == value


FORMS: dict[str, Any] = {
    "plain": str,
    "point": "{}.0".format,
    "blanks": " {} ".format,
    "no-break space": "\xa0{}".format,
    "float": float,
    "integer": int,
}


def _company(form: Any) -> dict[str, pd.DataFrame]:
    ids = [1000, 1001, 1002]
    written = [form(i) for i in ids]
    return {
        "accounts": pd.DataFrame({"account_id": ids, "created_at": "2025-01-01"}),
        "subscriptions": pd.DataFrame(
            {"account_id": written, "product": "core", "started_at": "2025-01-01",
             "ended_at": None, "mrr": 100.0}
        ),
        "usage": pd.DataFrame(
            {"account_id": written, "event": "login", "occurred_at": "2025-12-20 09:30",
             "user_id": written}
        ),
    }  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", ["csv", "parquet", "frames", "database"])
@pytest.mark.quick_cases(1)
def test_the_form_of_an_identifier_changes_no_value(kind: str, form: str, tmp_path: Path) -> None:
    tables = _company(FORMS[form])
    if kind == "frames":
        opened = tables_from_frames(tables, observed_until=END)
    else:
        sources, url = {}, "duckdb://"
        for name, frame in tables.items():
            file = tmp_path / f"{name}.{kind}"
            sources[name] = TableSource(path=file.name)
            if kind == "csv":
                frame.to_csv(file, index=False)
            elif kind == "parquet":
                frame.to_parquet(file)
        if kind == "database":
            url = "duckdb:///company.duckdb"
            with duckdb.connect(str(tmp_path / "company.duckdb")) as database:
                for name, frame in tables.items():
                    database.register("frame", frame)
                    database.execute(f"CREATE TABLE {name} AS SELECT * FROM frame")
            sources = {name: TableSource(table=name) for name in tables}
        result = open_tables(sources, base=tmp_path, url=url, observed_until=END)
        assert {f.code for f in result.findings} == {"missing_table"}
        opened = result.tables
    for table, columns in {
        "subscriptions": ["account_id"],
        "usage": ["account_id", "user_id"],
    }.items():
        frame = opened[table].collect("pandas").to_native()
        for column in columns:
            assert sorted(frame[column]) == ["1000", "1001", "1002"]


def test_parquet_files_that_write_one_id_differently(tmp_path: Path) -> None:
    tables = _company(int)
    sources = {name: TableSource(path=name) for name in tables}
    usage = tables["usage"]
    forms: list[Any] = [[1000, 1001, 1002], [1000.0, 1001.0, None], ["1000.0", " 1001", "1002"]]
    for name, frame in tables.items():
        (tmp_path / name).mkdir()
        parts = [frame.assign(account_id=ids) for ids in forms] if name == "usage" else [frame]
        for number, part in enumerate(parts):
            part.dropna(subset=["account_id"]).to_parquet(tmp_path / name / f"{number}.parquet")
    result = open_tables(sources, base=tmp_path, observed_until=END)
    found = result.tables["usage"].collect("pandas").to_native()["account_id"]
    assert found.value_counts().to_dict() == {"1000": 3, "1001": 3, "1002": 2}
    assert len(usage) == 3


def test_a_value_of_a_frame_that_cannot_be_cast_is_named() -> None:
    tables = {**_company(int)}
    tables["subscriptions"] = tables["subscriptions"].assign(mrr=["100", "a lot", "5"])
    with pytest.raises(InputError) as caught:
        tables_from_frames(tables, observed_until=END)
    (found,) = caught.value.findings
    assert (found.table, found.column, found.rows) == ("subscriptions", "mrr", 1)
    assert found.example == "a lot"


@pytest.mark.slow
@settings(max_examples=examples(15), deadline=None)
@given(st.lists(st.sampled_from(["A1", "a1", "01", "1", "001"]), min_size=1, unique=True))
def test_ids_that_differ_by_case_or_zeros_are_several_customers(ids: list[str]) -> None:
    text = "account_id,created_at\n" + "".join(f"{i},2025-01-01\n" for i in ids)
    rows = "account_id,product,started_at,ended_at,mrr\n"
    rows += "".join(f"{i},core,2025-01-01,,5\n" for i in ids)
    with TemporaryDirectory() as folder:
        base = Path(folder)
        (base / "accounts.csv").write_text(text)
        (base / "subscriptions.csv").write_text(rows)
        sources = {name: TableSource(path=f"{name}.csv") for name in ("accounts", "subscriptions")}
        opened = open_tables(sources, base=base, observed_until=END).tables
        found = opened["accounts"].collect("pandas").to_native()["account_id"]
    assert sorted(found) == sorted(ids)


def test_every_id_of_the_tables_is_one() -> None:
    ids = {c.name for t in TABLES.values() for c in t.columns if c.is_identifier}
    assert {"account_id", "user_id", "parent_id", "ticket_id", "respondent_id"} <= ids
    assert not {"name", "product", "event", "plan"} & ids


@pytest.mark.slow
@settings(max_examples=examples(2), deadline=None)
@given(seed=st.integers(0, 10_000))
def test_forms_of_identifiers_and_copies_change_no_value_of_a_random_company(seed: int) -> None:
    chance, rows = Random(seed), random_company(seed)
    numbers = {account: str(1000 + n) for n, account in enumerate(ACCOUNTS)}
    plain: Rows = {
        table: [{**row, "account_id": numbers[row["account_id"]]} for row in of_table]
        for table, of_table in rows.items()
    }
    forms = ("{}", "{}.0", " {} ", "\xa0{}\n", "\u200b{}")
    other: Rows = {
        table: [
            {**row, "account_id": chance.choice(forms).format(row["account_id"])}
            for row in of_table
        ]
        for table, of_table in plain.items()
    }
    for table in ("tickets", "invoices"):
        again = chance.sample(other[table], 9)
        other[table] += [{**row, "account_id": f"{row['account_id']}"} for row in again]
    found = build_features(open_company(other), [DAY])
    pd.testing.assert_frame_equal(found, build_features(open_company(plain), [DAY]))
