"""SQL of a configuration is one SELECT, and reads only what it may read."""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb
import pytest

from features.errors import HealthError, InputError
from features.reading.source import open_tables
from features.reading.table_source import TableSource
from features.tables.connection import connect, in_memory, limited
from features.tables.one_select import require_one_select

SELECTS = (
    "select 1",
    "with a as (select 1) select * from a;",
    "from range(3)",
    "(select 1) union all (select 2) -- ; drop table t",
    "select update, \"delete\", t.insert, a as load from 'x.csv' where x = ';'",
    "select count(delete), insert(a, 1, 2), replace(x, 'a', 'b') from read_csv('x.csv')",
    "select sum(import) over (partition by x order by y) from t",
)
OTHERS = (
    "select 1; select 2",
    "select 1) as q; drop table t; select (1",
    "select 1) union (select 2",
    "(select 1",
    "COPY (SELECT 1) TO 'file.csv'",
    "attach 'file.duckdb'",
    "create table t as select 1",
    "install httpfs",
    "pragma version",
    "set x = 1",
    "begin",
    "call pragma_version()",
    "export database 'x'",
    "explain select 1",
    "with x as (insert into t values (1) returning *) select * from x",
    "WITH x AS MATERIALIZED (DELETE FROM t RETURNING *) SELECT * FROM x",
    "with x as (select 1) update t set a = 1",
    "select * into t from b",
    "",
    " -- nothing",
    ";",
)


@pytest.mark.parametrize("of_engine", [True, False])
@pytest.mark.parametrize("sql", SELECTS)
def test_one_select_passes(sql: str, of_engine: bool) -> None:
    require_one_select(sql, of_engine=of_engine)


@pytest.mark.parametrize("of_engine", [True, False])
@pytest.mark.parametrize("sql", OTHERS)
def test_anything_else_is_refused(sql: str, of_engine: bool) -> None:
    with pytest.raises(HealthError, match="one SELECT"):
        require_one_select(sql, of_engine=of_engine)


@pytest.mark.parametrize("name", ["enable_logging", "arrow_scan", "checkpoint", "query"])
def test_a_function_that_does_more_than_read_is_refused(name: str) -> None:
    with pytest.raises(HealthError, match=f"calls {name}"):
        require_one_select(f"select * from {name}('x')")


@pytest.mark.parametrize(
    "sql",
    [
        "select x::jsonb ->> 'a' from t",
        "select `a`.`b` from `project.data.t`",
        "select top 5 * from t qualify row_number() over (order by b) = 1",
    ],
)
def test_a_select_of_another_dialect_passes(sql: str) -> None:
    require_one_select(sql, of_engine=False)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    base, outside = tmp_path / "base", tmp_path / "outside"
    for folder in (base, outside):
        folder.mkdir()
        (folder / "accounts.csv").write_text("account_id,created_at\na,2026-01-01\n")
    (base / "link").symlink_to(outside)
    rows = "account_id,product,started_at,ended_at,mrr\na,p,2026-01-01,,10\n"
    (base / "subscriptions.csv").write_text(rows)
    return base, outside


@pytest.mark.parametrize(
    "source",
    [
        "read_csv('{}/accounts.csv')",
        "read_csv('../outside/accounts.csv')",
        "read_csv('link/accounts.csv')",
        "read_csv(concat('{}', '/accounts.csv'))",
        "glob('{}/*')",
        "'{}/accounts.csv'",
        '"{}/accounts.csv"',
        "read_text('/etc/hostname')",
        "read_csv('https://first.example/a.csv')",
    ],
)
@pytest.mark.quick_cases(1)
def test_files_elsewhere_are_not_read(folders: tuple[Path, Path], source: str) -> None:
    base, outside = folders
    with pytest.raises(InputError) as refused:
        _open(base, f"select * from {source.format(outside)}")
    assert "a,2026" not in str(refused.value)
    codes = {finding.code for finding in refused.value.findings if finding.table == "accounts"}
    assert codes & {"unreadable", "file_missing", "not_one_select"}


@pytest.mark.slow
def test_what_is_allowed_is_read(folders: tuple[Path, Path]) -> None:
    base, outside = folders
    here = _open(base, "select * from read_csv('accounts.csv')")
    there = _open(base, f"select * from read_csv('{outside}/accounts.csv')", readable=[outside])
    linked = _open(base, "link/accounts.csv", is_path=True)
    for opened in (here, there, linked):
        assert [s.rows for s in opened.summaries if s.table == "accounts"] == [1]


def _open(base: Path, accounts: str, *, is_path: bool = False, **options: object):  # type: ignore[no-untyped-def]
    source = TableSource(path=accounts) if is_path else TableSource(sql=accounts)
    sources = {"accounts": source, "subscriptions": TableSource(path="subscriptions.csv")}
    return open_tables(sources, base=base, **options)  # type: ignore[arg-type]


@pytest.mark.slow
def test_nothing_is_written(folders: tuple[Path, Path]) -> None:
    base, _ = folders
    before = sorted(path.name for path in base.iterdir())
    for sql in OTHERS:
        with pytest.raises((InputError, ValueError)):
            _open(base, sql)
    assert sorted(path.name for path in base.iterdir()) == before


def test_sql_that_takes_too_long_is_interrupted(folders: tuple[Path, Path]) -> None:
    forever = (
        "select max(a.range)::text as account_id, date '2026-01-01' as created_at "
        "from range(10000000000) a, range(1000000) b where a.range + b.range > 5"
    )
    with pytest.raises(InputError, match="took longer than"):
        _open(folders[0], forever, time_limit=0.2)
    with in_memory() as connection, limited(connection, 60):
        assert connection.execute("select 1").fetchone() == (1,)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits what a process allocates")
@pytest.mark.parametrize("value", ["repeat('a', 3000000000)", "range(2000000000)::text"])
def test_one_value_that_needs_much_memory_is_refused(
    folders: tuple[Path, Path], value: str
) -> None:
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_DATA)
    sql = f"select {value} as account_id, date '2026-01-01' as created_at"
    with pytest.raises(InputError, match="needs more memory than it may have"):
        _open(folders[0], sql, memory_limit="200MB")
    assert resource.getrlimit(resource.RLIMIT_DATA) == before


def test_a_restriction_cannot_be_lifted(tmp_path: Path) -> None:
    connection = connect("duckdb://", tmp_path, "100MB", readable=[tmp_path])
    for statement in ("SET enable_external_access = true", "SET allowed_directories = ['/']"):
        with pytest.raises(duckdb.Error):
            connection.execute(statement)
    connection.close()
