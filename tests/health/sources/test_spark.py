"""The weekly batch on Spark Connect, and tables that Spark reads: the same run as on DuckDB."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import pytest

from features.errors import HealthError
from features.redaction import redact
from features.tables.spark import session
from health.settings.config import load_config
from health.sources.databases import open_database
from tests import spark as sessions
from tests.health.conftest import Demo, call_health, run_health

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::ResourceWarning")]
_PUBLISHED = ("features", "scores", "reasons", "flags", "whitespace")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with sessions.server() as running:
        yield running


def _scored(demo: Demo, folder: Path, text: str) -> dict[str, pd.DataFrame]:
    for name in ("tables", "models"):
        shutil.copytree(demo.folder / name, folder / name)
    (folder / "health.toml").write_text(text)
    as_of = demo.runs[-1].name.removeprefix("as_of=")
    done = run_health("score", folder / "health.toml", "--as-of", as_of)
    assert done.code == 0, done.err
    assert not list(folder.glob("parts/*"))
    run = folder / "runs" / f"as_of={as_of}"
    tables = {name: pd.read_parquet(run / f"{name}.parquet") for name in _PUBLISHED}
    return {name: t.drop(columns="config_hash", errors="ignore") for name, t in tables.items()}


@pytest.fixture(scope="module")
def expected(demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> dict[str, pd.DataFrame]:
    return _scored(demo, tmp_path_factory.mktemp("here") / "company", demo.config.read_text())


@pytest.mark.parametrize("parted", [False, True], ids=["driver", "executors"])
def test_the_whole_run_is_the_same(
    demo: Demo, url: str, expected: dict[str, pd.DataFrame], tmp_path: Path, *, parted: bool
) -> None:
    settings = f'\n[data]\nurl = "{url}"\n'
    if parted:
        settings += 'spill = "parts"\naccounts_at_once = 50\n'
    found = _scored(demo, tmp_path / "company", demo.config.read_text() + settings)
    for name, table in expected.items():
        # Rows of reasons and offers are those of one part after another.
        ordered = (
            t.sort_values([*table.columns[:4]], ignore_index=True) for t in (found[name], table)
        )
        pd.testing.assert_frame_equal(*ordered, check_dtype=False, rtol=1e-9, atol=1e-9, obj=name)


def test_usage_that_spark_reads_is_summed_there(
    demo: Demo, url: str, expected: dict[str, pd.DataFrame], tmp_path: Path
) -> None:
    files = demo.folder / "tables" / "usage"
    kept = [line for line in demo.config.read_text().splitlines() if '"tables/usage"' not in line]
    lake = f'[tables.usage]\nsource = "lake"\nsql = "SELECT * FROM parquet.`{files}`"'
    text = "\n".join(kept).replace("[tables.usage]", lake)
    found = _scored(demo, tmp_path / "company", f'{text}\n[sources.lake]\nurl = "{url}"\n')
    for name, table in expected.items():
        pd.testing.assert_frame_equal(found[name], table, rtol=1e-9, atol=1e-9, obj=name)


def test_tables_of_a_catalogue_are_found(url: str, tmp_path: Path) -> None:
    running = session(url)
    running.createDataFrame([("a", 1)], "account_id string, seats int").write.saveAsTable("held")
    # A view of a table that has gone has no columns.
    running.createDataFrame([(1,)], "a int").write.saveAsTable("gone")
    for statement in ("CREATE VIEW broken AS SELECT * FROM gone", "DROP TABLE gone"):
        running.sql(statement).toArrow()
    database = open_database("lake", url, tmp_path)
    tables = {table.name: table for table in database.tables()}
    found = tables["held"]
    assert list(found.columns) == ["account_id", "seats"]
    assert not tables["broken"].columns
    query = f"SELECT * FROM {database.quoted_table(found.label)}"
    assert database.read(query).to_pylist() == [{"account_id": "a", "seats": 1}]


def test_init_recognises_input_tables(url: str, tmp_path: Path) -> None:
    running = session(url)
    tables = {
        "accounts": "SELECT 'a' AS account_id, TIMESTAMP '2025-01-01' AS created_at",
        "subscriptions": "SELECT 'a' AS account_id, 'Plan' AS product, 9.5D AS mrr, "
        "TIMESTAMP '2025-01-01' AS started_at, CAST(NULL AS TIMESTAMP) AS ended_at",
        "usage": "SELECT 'a' AS account_id, 'login' AS event, "
        "TIMESTAMP '2026-01-01' AS occurred_at",
    }
    running.sql("CREATE DATABASE crm").toArrow()
    for name, query in tables.items():
        running.sql(query).write.saveAsTable(f"crm.{name}")
    file = tmp_path / "health.toml"
    done = call_health("init", url, "--output", file)
    assert done.code == 0, done.err
    text = file.read_text()
    assert all(f'table = "crm.{name}"' in text for name in tables), text
    assert call_health("check", file, "--now", "2026-01-02").code == 0, text


def test_two_servers_have_a_session_each(url: str) -> None:
    first = session(url)
    first.sql("SELECT 1 AS a").createOrReplaceTempView("of_the_first")
    with sessions.server() as another:
        second = session(another)
        assert first.catalog.tableExists("of_the_first")
        assert not second.catalog.tableExists("of_the_first")
        assert (session(url), session(another)) == (first, second)
        second.stop()


def test_types_of_spark_are_plain(url: str, tmp_path: Path) -> None:
    query = "SELECT CAST('1.50' AS DECIMAL(12, 2)) AS mrr, TIMESTAMP '2026-01-02 03:04:05' AS at"
    found = open_database("lake", url, tmp_path).read(query)
    assert {f.name: str(f.type) for f in found.schema} == {"mrr": "double", "at": "timestamp[us]"}
    assert found["mrr"].to_pylist() == [1.5]
    assert str(found["at"][0].as_py()) == "2026-01-02 03:04:05"


def test_whole_decimals_keep_every_digit(url: str, tmp_path: Path) -> None:
    ids = ["12345678901234567891", "9007199254740993"]
    columns = [f"CAST({own} AS DECIMAL(38, 0)) AS id_{n}" for n, own in enumerate(ids)]
    found = open_database("lake", url, tmp_path).read(f"SELECT {', '.join(columns)}")
    assert [str(value) for value in found.to_pylist()[0].values()] == ids


def test_an_unknown_table_is_an_error_with_a_remedy(url: str, tmp_path: Path) -> None:
    with pytest.raises(HealthError, match="absent") as fault:
        open_database("lake", url, tmp_path).read("SELECT * FROM absent")
    assert fault.value.where == "source lake"
    assert "--connect" in fault.value.fix


def test_a_server_that_stops_is_an_error(demo: Demo, tmp_path: Path) -> None:
    file = tmp_path / "health.toml"
    for name in ("tables", "models"):
        (tmp_path / name).symlink_to(demo.folder / name)
    with sessions.process() as (url, server):
        settings = f'\n[data]\nurl = "{url}"\n'
        file.write_text(demo.config.read_text() + settings)
        command = [sys.executable, "-m", "health.cli", "score", str(file)]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as scoring:
            assert scoring.stderr is not None
            seen = ""
            while "features …" not in seen:
                seen = scoring.stderr.readline()
                assert seen
            server.kill()
            said = scoring.stderr.read()
    assert scoring.returncode == 2, said
    assert "Traceback" not in said
    assert "remedy:" in said
    assert not list((tmp_path / "runs").glob("as_of=*"))


def test_a_token_is_read_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "health.toml"
    file.write_text('[data]\nurl = "$SPARK_URL"\n[tables.accounts]\npath = "accounts.csv"\n')
    monkeypatch.setenv("SPARK_URL", "sc://127.0.0.1:1/;token=hunter2-token")
    config = load_config(file)
    assert config.engine_url.endswith("hunter2-token")
    # Without the URL around it, too.
    assert "hunter2" not in redact("the server refuses hunter2-token")
    # Where pyspark is missing, that is the message; nothing listens at port 1.
    done = run_health("score", file)
    assert done.code == 2
    assert ("cannot connect" if find_spec("pyspark") else "pyspark is not installed") in done.err
    assert "hunter2" not in done.out + done.err
    file.write_text(file.read_text().replace("$SPARK_URL", "sc://host/;token=hunter2-token"))
    with pytest.raises(HealthError, match="environment variable") as fault:
        load_config(file)
    assert "hunter2" not in str(fault.value)
