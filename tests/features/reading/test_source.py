"""Opening tables: every kind of source, cast exactly, through real files."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

from features.errors import HealthError, InputError
from features.reading.source import OpenedTables, open_tables
from features.reading.table_source import TableSource
from features.tables.opened import DTYPES

ACCOUNTS = "account_id,created_at\n001,2024-01-01\n002,2024-02-01\n"
SUBSCRIPTIONS = (
    "account_id,product,started_at,ended_at,mrr\n"
    "001,core,2024-01-01,,100\n002,core,2024-02-01,2024-06-01,50.5\n"
)


def _company(folder: Path, **files: str | bytes) -> dict[str, TableSource]:
    """Write CSV files and return the sources that name them."""
    content: dict[str, str | bytes] = {"accounts": ACCOUNTS, "subscriptions": SUBSCRIPTIONS}
    for name, text in (content | files).items():
        data = text if isinstance(text, bytes) else text.encode()
        (folder / f"{name}.csv").write_bytes(data)
    return {name: TableSource(path=f"{name}.csv") for name in content | files}


def _open(folder: Path, sources: dict[str, TableSource], **options: Any) -> OpenedTables:
    return open_tables(sources, base=folder, **options)


def _frame(opened: OpenedTables, table: str) -> pd.DataFrame:
    frame = opened.tables[table].collect("pandas").to_native()
    return frame.sort_values("account_id").reset_index(drop=True)


def test_canonical_names_and_types(tmp_path: Path) -> None:
    opened = _open(tmp_path, _company(tmp_path))
    schema = opened.tables["subscriptions"].collect_schema()
    assert schema["account_id"] == DTYPES["text"]
    assert schema["started_at"] == DTYPES["time"]
    assert schema["mrr"] == DTYPES["number"]
    frame = _frame(opened, "subscriptions")
    assert frame["account_id"].tolist() == ["001", "002"]
    assert frame["mrr"].tolist() == [100.0, 50.5]
    assert pd.isna(frame["ended_at"][0])


@pytest.mark.quick_cases(2)
@pytest.mark.parametrize(
    "accounts",
    [
        ACCOUNTS.replace(",", ";"),
        b"\xef\xbb\xbf" + ACCOUNTS.encode(),
        ACCOUNTS.replace("\n", "\r\n"),
        ACCOUNTS.replace("001,", "  001 ,"),
        'account_id,created_at,name\n001,2024-01-01,"Smith, Jones"\n002,2024-02-01,\n',
    ],
    ids=["semicolons", "byte order mark", "CRLF", "blanks", "quoted commas"],
)
def test_csv_as_it_comes(tmp_path: Path, accounts: str | bytes) -> None:
    frame = _frame(_open(tmp_path, _company(tmp_path, accounts=accounts)), "accounts")
    assert frame["account_id"].tolist() == ["001", "002"]
    assert frame["created_at"][1] == pd.Timestamp(2024, 2, 1)
    if "name" in frame:
        assert frame["name"].tolist() == ["Smith, Jones", None]


def test_times_with_an_offset_become_utc(tmp_path: Path) -> None:
    text = "account_id,created_at\n001,2024-01-01T02:00:00+02:00\n002,2024-02-01 00:00:00Z\n"
    frame = _frame(_open(tmp_path, _company(tmp_path, accounts=text)), "accounts")
    assert frame["created_at"].tolist() == [pd.Timestamp(2024, 1, 1), pd.Timestamp(2024, 2, 1)]


@pytest.mark.parametrize("ids", [[1.0, 2.0], [1, 2]])
def test_whole_numbers_as_ids_keep_no_point(tmp_path: Path, ids: list[float]) -> None:
    sources = _company(tmp_path)
    pd.DataFrame({"account_id": ids, "created_at": pd.to_datetime(["2024-01-01"] * 2)}).to_parquet(
        tmp_path / "accounts.parquet"
    )
    subscriptions = SUBSCRIPTIONS.replace("001", "1").replace("002", "2")
    (tmp_path / "subscriptions.csv").write_text(subscriptions)
    sources["accounts"] = TableSource(path="accounts.parquet")
    assert _frame(_open(tmp_path, sources), "accounts")["account_id"].tolist() == ["1", "2"]


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_folder_of_files(tmp_path: Path, ending: str) -> None:
    sources = _company(tmp_path)
    folder = tmp_path / "usage" / "2024"
    folder.mkdir(parents=True)
    for day in (1, 2, 3):
        frame = pd.DataFrame(
            {"account_id": ["001"], "event": ["login"], "occurred_at": [datetime(2024, 3, day)]}
        )
        if ending == "csv":
            frame.to_csv(folder / f"{day}.csv", index=False)
        else:
            frame.to_parquet(folder / f"{day}.parquet")
    opened = _open(tmp_path, {**sources, "usage": TableSource(path="usage")})
    assert len(_frame(opened, "usage")) == 3
    assert opened.tables.observed_until == datetime(2024, 3, 4)


def test_renamed_columns_and_sql_beside_the_configuration(tmp_path: Path) -> None:
    sources = _company(tmp_path, accounts="id,signup\n001,2024-01-01\n002,2024-02-01\n")
    sources["accounts"] = TableSource(
        path="accounts.csv", columns={"account_id": "id", "created_at": "signup"}
    )
    sources["subscriptions"] = TableSource(
        sql="select * from read_csv('subscriptions.csv', all_varchar = true);"
    )
    opened = _open(tmp_path, sources)
    assert len(_frame(opened, "accounts")) == 2
    assert len(_frame(opened, "subscriptions")) == 2


def test_a_duckdb_file_is_read_and_not_written(tmp_path: Path) -> None:
    file = tmp_path / "company.duckdb"
    with duckdb.connect(str(file)) as database:
        database.execute("CREATE SCHEMA billing")
        database.execute(
            "CREATE TABLE accounts AS SELECT 'A' account_id, DATE '2024-01-01' created_at"
        )
        database.execute(
            "CREATE TABLE billing.subscriptions AS SELECT 'A' account_id, 'core' product, "
            "DATE '2024-01-01' started_at, NULL::DATE ended_at, 10::DECIMAL(9, 2) mrr"
        )
    before = file.read_bytes()
    sources = {
        "accounts": TableSource(table="accounts"),
        "subscriptions": TableSource(table="billing.subscriptions"),
    }
    opened = _open(tmp_path, sources, url="duckdb:///company.duckdb")
    assert _frame(opened, "subscriptions")["mrr"].tolist() == [10.0]
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    ("url", "message"),
    [("postgres://x", "cannot connect"), ("duckdb:///absent.duckdb", "no such database file")],
)
def test_a_url_that_leads_nowhere(tmp_path: Path, url: str, message: str) -> None:
    with pytest.raises(HealthError, match=message):
        _open(tmp_path, _company(tmp_path), url=url)


def test_the_end_of_the_data(tmp_path: Path) -> None:
    usage = "account_id,event,occurred_at\n001,login,2024-05-01 10:30:00\n"
    sources = _company(tmp_path, usage=usage)
    assert _open(tmp_path, sources).tables.observed_until == datetime(2024, 5, 1, 10, 30, 0, 1)
    given = _open(tmp_path, sources, observed_until=datetime(2025, 1, 1))
    assert given.tables.observed_until == datetime(2025, 1, 1)


def test_exactly_one_kind_of_source() -> None:
    with pytest.raises(ValueError, match="exactly one of"):
        TableSource(path="a.csv", sql="select 1")
    with pytest.raises(ValueError, match="exactly one of"):
        TableSource()


def _refusal(folder: Path, sources: dict[str, TableSource]) -> InputError:
    with pytest.raises(InputError) as caught:
        _open(folder, sources)
    return caught.value


@pytest.mark.quick_cases(2)
@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty_table"),
        ("account_id,created_at\n", "empty_table"),
        ("account_id,created_at\n001,caf\xe9\n".encode("latin-1"), "unreadable"),
        ("account_id,created_at\n001,2024-01-01\n002,2024-01-01\n003,2024-01-01,x\n", "unreadable"),
    ],
    ids=["0 bytes", "header only", "not UTF-8", "ragged"],
)
def test_files_that_are_no_tables(tmp_path: Path, content: str | bytes, code: str) -> None:
    error = _refusal(tmp_path, _company(tmp_path, accounts=content))
    assert code in {finding.code for finding in error.findings}
    assert "accounts.csv" in str(error)
    assert "remedy" in str(error)


def test_folders_that_are_no_tables(tmp_path: Path) -> None:
    sources = _company(tmp_path)
    (tmp_path / "usage").mkdir()
    error = _refusal(tmp_path, {**sources, "usage": TableSource(path="usage")})
    assert "contains no CSV, Parquet or JSON" in str(error)
    (tmp_path / "usage" / "a.csv").write_text("a\n1\n")
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "usage" / "b.parquet")
    error = _refusal(tmp_path, {**sources, "usage": TableSource(path="usage")})
    assert "mixture" in str(error)


def test_bad_sql_and_a_missing_file_in_one_go(tmp_path: Path) -> None:
    sources = _company(tmp_path)
    sources["accounts"] = TableSource(path="absent.csv")
    sources["subscriptions"] = TableSource(sql="select nothing from nowhere")
    error = _refusal(tmp_path, sources)
    assert {f.code for f in error.findings} == {"file_missing", "unreadable"}
    assert "absent.csv" in str(error)


def test_columns_that_do_not_match(tmp_path: Path) -> None:
    sources = _company(tmp_path, accounts="acount_id,created_at\n001,2024-01-01\n")
    sources["subscriptions"] = TableSource(path="subscriptions.csv", columns={"price": "mrr"})
    error = _refusal(tmp_path, sources)
    text = str(error)
    assert "accounts.account_id" in text
    assert "did you mean 'acount_id'?" in text
    assert "subscriptions.price" in text


def test_a_required_table_must_be_there(tmp_path: Path) -> None:
    sources = _company(tmp_path)
    del sources["subscriptions"]
    assert {f.code for f in _refusal(tmp_path, sources).findings} == {"table_missing"}
