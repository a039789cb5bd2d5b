"""Where rows come from: dialects of CSV, folders, databases, queries and their messages."""

from __future__ import annotations

import gzip
from datetime import datetime
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.errors import HealthError
from features.reading.table_source import TableSource
from features.tables import relations as relations_module
from tests.features.small_company import FILES, codes, opened, refused, rows, write


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace(",", ";").replace("Smith; Inc", "Smith, Inc"),
        lambda text: text.replace(",", "\t").replace("Smith\t Inc", "Smith, Inc"),
        lambda text: "\ufeff" + text,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.rstrip("\n"),
        lambda text: text.replace("001,", "  001\t,"),
        lambda text: text.replace("\n", "\n\n"),
    ],
    ids=["semicolon", "tab", "bom", "crlf", "no last line end", "blanks", "blank lines"],
)
@pytest.mark.quick_cases(1)
def test_dialects_of_csv_read_alike(tmp_path: Path, change: object) -> None:
    sources = write(tmp_path, accounts=change(FILES["accounts"]))  # type: ignore[operator]
    accounts = rows(opened(tmp_path, sources), "accounts")
    assert accounts["account_id"].tolist() == ["001", "002", "003"]
    assert accounts["name"].tolist()[0] == "Smith, Inc"
    assert accounts["created_at"].notna().all()


def test_no_row_is_taken_for_a_comment_and_late_quotes_are_quotes(tmp_path: Path) -> None:
    many = "".join(f"A{i},2025-01-01,plain\n" for i in range(30_000))
    text = f'account_id,created_at,name\n#1,2025-01-01,hash\n{many}Z,2025-01-01,"Last, Inc"\n'
    subscriptions = "account_id,product,started_at,ended_at,mrr\n#1,crm,2025-01-01,,1\n"
    sources = write(tmp_path, accounts=text, subscriptions=subscriptions)
    kept = {name: sources[name] for name in ("accounts", "subscriptions")}
    accounts = rows(opened(tmp_path, kept), "accounts")
    assert len(accounts) == 30_002
    assert set(accounts["name"]) == {"hash", "plain", "Last, Inc"}


def test_compressed_csv_and_patterns_in_names(tmp_path: Path) -> None:
    sources = write(tmp_path)
    (tmp_path / "use[1].csv.gz").write_bytes(gzip.compress(FILES["usage"].encode()))
    sources["usage"] = TableSource(path="use[1].csv.gz")
    assert len(rows(opened(tmp_path, sources), "usage")) == 3


def as_parquet(folder: Path, table: str, frame: pd.DataFrame) -> TableSource:
    (folder / table).mkdir()
    for number, part in enumerate((frame.iloc[:2], frame.iloc[2:])):
        part.to_parquet(folder / table / f"part-{number}.parquet", index=False)
    return TableSource(path=table)


def test_folder_of_parquet_with_what_spark_leaves_there(tmp_path: Path) -> None:
    sources = write(tmp_path)
    usage = pd.read_csv(tmp_path / "usage.csv", dtype=str)
    usage["occurred_at"] = pd.to_datetime(usage["occurred_at"], format="ISO8601", utc=True)
    sources["usage"] = as_parquet(tmp_path, "usage", usage)
    (tmp_path / "usage" / "_SUCCESS").touch()
    (tmp_path / "usage" / ".part-0.parquet.crc").write_bytes(b"x")
    assert rows(opened(tmp_path, sources), "usage")["occurred_at"].max() == pd.Timestamp(
        "2025-12-30"
    )


def test_folder_of_csv(tmp_path: Path) -> None:
    sources = write(tmp_path)
    (tmp_path / "years").mkdir()
    for year in (2024, 2025):
        text = FILES["usage"].replace("2025-05", f"{year}-05")
        (tmp_path / "years" / f"{year}.csv").write_text(text)
    sources["usage"] = TableSource(path="years")
    assert len(rows(opened(tmp_path, sources), "usage")) == 6


def test_times_with_a_zone_become_utc_and_nanoseconds_are_read(tmp_path: Path) -> None:
    sources = write(tmp_path)
    usage = pd.read_csv(tmp_path / "usage.csv", dtype=str)
    at = pd.to_datetime(["2025-05-01 23:30"] * 3).tz_localize("America/New_York")
    usage["occurred_at"] = at.as_unit("ns")
    usage.to_parquet(tmp_path / "usage.parquet")
    sources["usage"] = TableSource(path="usage.parquet")
    seen = rows(opened(tmp_path, sources), "usage")["occurred_at"]
    assert set(seen) == {pd.Timestamp("2025-05-02 03:30")}


@pytest.mark.quick_cases(2)
@pytest.mark.parametrize("sql_type", ["BIGINT", "UINTEGER", "DOUBLE", "DECIMAL(18, 2)"])
def test_number_keys_are_texts_without_a_point(tmp_path: Path, sql_type: str) -> None:
    connection = duckdb.connect()
    connection.execute(
        f"COPY (SELECT CAST(range AS {sql_type}) AS account_id, "
        f"DATE '2025-01-01' AS created_at FROM range(3)) TO '{tmp_path / 'accounts.parquet'}'"
    )
    text = "account_id,product,started_at,ended_at,mrr\n0,crm,2025-01-01,,1\n2,crm,2025-01-01,,1\n"
    write(tmp_path, subscriptions=text)
    sources = {
        "accounts": TableSource(path="accounts.parquet"),
        "subscriptions": TableSource(path="subscriptions.csv"),
    }
    accounts = rows(opened(tmp_path, sources), "accounts")
    assert accounts["account_id"].tolist() == ["0", "1", "2"]


def database(folder: Path) -> Path:
    file = folder / "company.duckdb"
    with duckdb.connect(str(file)) as connection:
        connection.execute("CREATE SCHEMA crm")
        for name in FILES:
            csv = f"read_csv('{folder / f'{name}.csv'}', all_varchar = true)"
            connection.execute(f"CREATE TABLE crm.{name} AS SELECT * FROM {csv}")
        connection.execute("CREATE TABLE usage AS SELECT * FROM crm.usage")
    return file


@pytest.mark.slow
def test_database_file_is_read_and_left_as_it_was(tmp_path: Path) -> None:
    write(tmp_path)
    file = database(tmp_path)
    before = file.read_bytes()
    sources = {name: TableSource(table=f"crm.{name}") for name in FILES}
    sources["usage"] = TableSource(sql="select * from usage where quantity <> '2'")
    for url in ("duckdb:///company.duckdb", f"duckdb://{file}", f"duckdb:///{file}"):
        result = opened(tmp_path, sources, url=url)
        assert len(rows(result, "usage")) == 2
        assert len(rows(result, "accounts")) == 3
        result.tables.keep_alive.close()
    assert file.read_bytes() == before


def test_table_not_in_the_database(tmp_path: Path) -> None:
    write(tmp_path)
    database(tmp_path)
    sources = {"accounts": TableSource(table="acounts"), "subscriptions": TableSource(table="usag")}
    findings = refused(tmp_path, sources, url="duckdb:///company.duckdb")
    assert codes(findings) == ["file_missing", "file_missing"]
    assert "did you mean 'usage'" in findings[1].fix


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("spark://host", "duckdb:///file.duckdb"),
        ("postgres://x", "duckdb://"),
        ("nonsense", "duckdb://"),
        ("duckdb:///absent.duckdb", "absent.duckdb"),
        ("duckdb:///accounts.csv", "not a readable DuckDB file"),
    ],
)
def test_urls_that_do_not_work(tmp_path: Path, url: str, says: str) -> None:
    with pytest.raises(HealthError) as caught:
        opened(tmp_path, write(tmp_path), url=url)
    assert says in str(caught.value)
    assert caught.value.exit_code == 2


def test_query_starts_beside_the_configuration_not_in_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, elsewhere = tmp_path / "a, b", tmp_path / "elsewhere"
    base.mkdir()
    elsewhere.mkdir()
    sources = write(base)
    (elsewhere / "usage.csv").write_text(FILES["usage"].replace("login", "stale"))
    monkeypatch.chdir(elsewhere)
    sources["usage"] = TableSource(
        sql="""
        select u.account_id, event, u.occurred_at, 'usage.csv' as user_id -- 'usage.csv', é
        from read_csv(['usage.csv'], delim = ',') u join 'accounts.csv' a
            on a.account_id = u.account_id
        where 'é' <> event and extract(year from date '2024-01-01') = 2024; """
    )
    result = opened(base, sources)
    # The query guesses types, so its ids have lost their zeros: text keys join all the same.
    usage = rows(result, "usage")
    assert set(usage["event"]) == {"login", "report"}
    assert set(usage["user_id"]) == {"usage.csv"}
    label = next(s.source for s in result.summaries if s.table == "usage")
    assert label == "sql (usage.csv, accounts.csv)"


def test_base_may_be_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "conf").mkdir()
    sources = write(tmp_path / "conf")
    sources["usage"] = TableSource(sql="select * from read_csv('usage.csv', all_varchar = true)")
    monkeypatch.chdir(tmp_path)
    assert len(rows(opened(Path("conf"), sources), "usage")) == 3


def test_query_that_fails(tmp_path: Path) -> None:
    sources = write(tmp_path)
    sources["usage"] = TableSource(sql="select nothing from read_csv('usage.csv')")
    sources["tickets"] = TableSource(sql="select from where")
    sources["surveys"] = TableSource(sql="select * from read_csv('absent.csv')")
    findings = refused(tmp_path, sources)
    assert codes(findings) == ["unreadable"] * 3
    assert "nothing" in findings[0].what
    assert "absent.csv" in findings[2].what


def test_large_parquet_stays_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("features.tables.relations.LAZY_FROM_BYTES", 0)
    sources = write(tmp_path)
    pd.read_csv(tmp_path / "usage.csv", dtype=str).to_parquet(tmp_path / "usage.parquet")
    sources["usage"] = TableSource(path="usage.parquet")
    result = opened(tmp_path, sources)
    kinds = dict(
        result.tables.keep_alive.execute(
            "SELECT table_name, table_type FROM information_schema.tables"
        ).fetchall()
    )
    of = {name.rpartition(" ")[2]: kind for name, kind in kinds.items() if "input " in name}
    assert of["usage"] == "VIEW"
    assert "VIEW" not in {of["accounts"], of["tickets"]}
    assert len(rows(result, "usage")) == 3


@pytest.mark.slow
def test_queries_see_the_tables_of_the_database_not_the_opened_ones(tmp_path: Path) -> None:
    write(tmp_path)
    database(tmp_path)
    sources = {name: TableSource(table=f"crm.{name}") for name in ("accounts", "subscriptions")}
    sources["usage"] = TableSource(table="usage")
    # Names a column that only the database's own table has under this name.
    sources["tickets"] = TableSource(
        sql="select account_id, event || occurred_at as ticket_id, occurred_at as opened_at "
        "from usage where typeof(occurred_at) = 'VARCHAR'"
    )
    result = opened(tmp_path, sources, url="duckdb:///company.duckdb", allow=["unknown_account"])
    assert len(rows(result, "tickets")) == 3


@pytest.mark.parametrize(
    ("content", "code", "says"),
    [
        (b"", "empty_table", "the file is empty"),
        (b"\xef\xbb\xbf \r\n", "empty_table", "the file is empty"),
        (b"account_id,event,occurred_at\r\n", "empty_table", "has no rows"),
        ("account_id,event,occurred_at\n001,é,2025-01-01\n".encode("latin-1"), "unreadable",
         "not UTF-8 text (line 2)"),
        (b"account_id,event,occurred_at\n001,a,2025-01-01\n001,a,2025-01-01,3\n", "unreadable",
         "has 4 values in line 3, 3 in its header"),
        (b'account_id,event,occurred_at\n001,"a,2025-01-01\n', "unreadable",
         "opened in line 2 and never closed"),
    ],
    ids=["0 bytes", "blank", "header only", "latin-1", "ragged", "open quote"],
)  # fmt: skip
@pytest.mark.quick_cases(1)
def test_files_that_cannot_be_read(tmp_path: Path, content: bytes, code: str, says: str) -> None:
    sources = write(tmp_path)
    (tmp_path / "usage.csv").write_bytes(content)
    (finding,) = refused(tmp_path, sources)
    assert (finding.code, finding.table, finding.source) == (code, "usage", "usage.csv")
    assert says in finding.what


def test_parquet_that_is_none(tmp_path: Path) -> None:
    sources = write(tmp_path)
    (tmp_path / "usage.parquet").write_bytes(b"PAR1 no more than this")
    sources["usage"] = TableSource(path="usage.parquet")
    (finding,) = refused(tmp_path, sources)
    assert (finding.code, finding.source) == ("unreadable", "usage.parquet")


def test_a_file_that_is_none_among_others(tmp_path: Path) -> None:
    sources = write(tmp_path)
    usage = pd.read_csv(tmp_path / "usage.csv", dtype=str)
    sources["usage"] = as_parquet(tmp_path, "usage", usage)
    (tmp_path / "usage" / "part-9.parquet").write_bytes(b"PAR1 no more than this")
    (finding,) = refused(tmp_path, sources)
    assert (finding.code, finding.source) == ("unreadable", "usage")


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize("lazy_from", [0, 2**40])
def test_files_with_other_columns_are_one_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lazy_from: int
) -> None:
    monkeypatch.setattr(relations_module, "LAZY_FROM_BYTES", lazy_from)
    sources = write(tmp_path)
    usage = pd.read_csv(tmp_path / "usage.csv", dtype=str)
    sources["usage"] = as_parquet(tmp_path, "usage", usage)
    later = usage.assign(errors=[2.0, 3.0, 4.0])
    later = later[later.columns[::-1]]
    later.to_parquet(tmp_path / "usage" / "part-9.parquet", index=False)
    seen = rows(opened(tmp_path, sources), "usage")
    assert sorted(seen["errors"].dropna()) == [2.0, 3.0, 4.0]
    assert seen["errors"].isna().sum() == 3
    assert sorted(seen["account_id"]) == sorted([*usage["account_id"], *usage["account_id"]])


@pytest.mark.slow
def test_a_text_in_another_encoding_is_read_by_sql_as_the_remedy_says(tmp_path: Path) -> None:
    sources = write(tmp_path)
    (tmp_path / "usage.csv").write_bytes(FILES["usage"].replace("login", "é").encode("latin-1"))
    assert "encoding = 'latin-1'" in refused(tmp_path, sources)[0].fix
    query = "select * from read_csv('usage.csv', all_varchar = true, encoding = 'latin-1')"
    sources["usage"] = TableSource(sql=query)
    assert "é" in set(rows(opened(tmp_path, sources), "usage")["event"])


@pytest.mark.quick_cases(2)
@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("usge.csv", "did you mean 'usage.csv'?"),
        ("absent/usage.csv", "paths start at"),
        ("nothing", "the folder contains no CSV, Parquet or JSON file, only notes.md"),
        ("both", "a mixture of CSV and Parquet"),
        ("book.docx", "neither CSV nor Parquet"),
    ],
)
def test_paths_without_data(tmp_path: Path, path: str, says: str) -> None:
    sources = write(tmp_path)
    (tmp_path / "nothing").mkdir()
    (tmp_path / "nothing" / "notes.md").write_text("no data")
    (tmp_path / "both").mkdir()
    (tmp_path / "both" / "a.csv").write_text(FILES["usage"])
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "both" / "b.parquet")
    (tmp_path / "book.docx").write_bytes(b"PK")
    sources["usage"] = TableSource(path=path)
    (finding,) = refused(tmp_path, sources)
    assert finding.code == "file_missing"
    assert finding.source == path
    assert says in f"{finding.what} {finding.fix}"


def test_nothing_is_written_where_tables_are_refused(tmp_path: Path) -> None:
    sources = write(tmp_path, usage="account_id\n009\n")
    before = sorted(p.name for p in tmp_path.iterdir())
    refused(tmp_path, sources)
    assert sorted(p.name for p in tmp_path.iterdir()) == before


@pytest.mark.parametrize("lazy_from", [0, relations_module.LAZY_FROM_BYTES])
@pytest.mark.slow
def test_nan_in_parquet_is_an_empty_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lazy_from: int
) -> None:
    """Smallest and largest value, which the file tells of itself, leave NaN out."""
    monkeypatch.setattr(relations_module, "LAZY_FROM_BYTES", lazy_from)
    sources = write(tmp_path)
    usage = pa.table(
        {
            "account_id": ["001", "002", "003"],
            "user_id": pa.array([7.0, float("nan"), 8.0]),
            "event": ["login", " \r\n", "login"],
            "occurred_at": pa.array([datetime(2025, 5, 1)] * 3, pa.timestamp("us")),
            "quantity": pa.array([1.0, float("nan"), 3.0]),
        }
    )
    file = tmp_path / "usage.parquet"
    pq.write_table(usage, file)
    assert pq.ParquetFile(file).metadata.row_group(0).column(4).statistics.max == 3.0
    sources["usage"] = TableSource(path="usage.parquet")
    assert [(f.code, f.column) for f in refused(tmp_path, sources)] == [("null_key", "event")]
    pq.write_table(usage.set_column(2, "event", [["login", " view\r\n", "login"]]), file)
    seen = rows(opened(tmp_path, sources), "usage")
    assert seen["quantity"].isna().tolist() == [False, True, False]
    assert seen["user_id"].fillna("").tolist() == ["7", "", "8"]
    assert seen["event"].tolist() == ["login", "view", "login"]
