"""A run in a database: whole or not at all, once however often, and what changed with it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pytest

from features.errors import HealthError
from health.publishing import targets
from health.publishing.delta import changed_accounts, write_delta
from health.publishing.publish import Written, publish_run
from health.sources.databases import adbc_connection
from tests.health.postgres import PASSWORD

AT = datetime(2026, 3, 2, 6)


def run_of(folder: Path, as_of: str, scores: dict[str, float], **more: Any) -> Path:
    """Write what is published of a run."""
    target = folder / f"as_of={as_of}"
    target.mkdir(parents=True, exist_ok=True)
    table = pd.DataFrame(
        {
            "account_id": list(scores),
            "as_of": pd.Timestamp(as_of),
            "health_score": list(scores.values()),
            "health_band": pd.Categorical(["red" if s < 50 else "green" for s in scores.values()]),
            "name": ["Robert'); DROP TABLE x; --"] * len(scores),
            **more,
        }
    )
    table.to_parquet(target / "scores.parquet")
    table[["account_id"]].assign(flag="at_risk", products=[["a", "b"]] * len(table)).to_parquet(
        target / "flags.parquet"
    )
    table[["account_id"]].assign(text="down 4 %").to_parquet(target / "reasons.parquet")
    return target


class Place:
    """A database to publish to, and how to look into it."""

    def __init__(self, url: str, schema: str, look: Callable[[str], list[tuple[Any, ...]]]) -> None:
        self.url, self.schema, self.look = url, schema, look

    def publish(self, run: Path) -> Written:
        return publish_run(
            run, self.url, schema=self.schema, prefix="health_", base=run.parent, at=AT
        )

    def latest(self, view: str = "health_latest") -> dict[str, float]:
        name = f"{self.schema}.{view}" if self.schema else view
        return {
            str(a): float(s) for a, s in self.look(f"SELECT account_id, health_score FROM {name}")
        }


@pytest.fixture(params=["postgresql", "sqlite", "duckdb"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_url")
        schema = f"s{abs(hash(tmp_path.name)) % 10**9}"

        def look(query: str) -> list[tuple[Any, ...]]:
            with adbc_connection("test", url) as connection, connection.cursor() as cursor:
                cursor.execute(query)
                return list(cursor.fetchall())

        return Place(url, schema, look)
    if request.param == "sqlite":

        def look(query: str) -> list[tuple[Any, ...]]:
            with sqlite3.connect(tmp_path / "w.db") as connection:
                return connection.execute(query).fetchall()

        return Place("sqlite:///w.db", "", look)

    def look(query: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(tmp_path / "w.duckdb")) as connection:
            return connection.execute(query).fetchall()

    return Place("duckdb:///w.duckdb", "crm", look)


def test_a_run_is_a_table_per_date_and_a_view_of_the_newest(place: Place, tmp_path: Path) -> None:
    first = place.publish(run_of(tmp_path, "2026-03-01", {"a": 40.0, "b": 80.0}))
    assert (first.rows, first.is_latest) == (6, True)
    assert first.tables[0] == "health_scores_20260301"
    second = place.publish(run_of(tmp_path, "2026-03-08", {"a": 45.0}, more=[1]))
    assert (second.rows, place.latest()) == (3, {"a": 45.0})
    # A late run of an earlier date has its tables, and the view stays.
    late = place.publish(run_of(tmp_path, "2026-02-22", {"a": 1.0}))
    assert (late.is_latest, place.latest()) == (False, {"a": 45.0})


def test_publishing_a_run_again_changes_no_row(place: Place, tmp_path: Path) -> None:
    run = run_of(tmp_path, "2026-03-01", {"a": 40.0, "b": 80.0})
    place.publish(run)
    again = place.publish(run)
    assert (again.rows, again.is_latest) == (0, True)
    assert place.latest() == {"a": 40.0, "b": 80.0}


def test_a_replaced_run_replaces_its_tables(place: Place, tmp_path: Path) -> None:
    place.publish(run_of(tmp_path, "2026-03-01", {"a": 40.0, "b": 80.0}))
    written = place.publish(run_of(tmp_path, "2026-03-01", {"a": 60.0}, more=["x"]))
    assert (written.rows, place.latest()) == (3, {"a": 60.0})


def test_what_fails_midway_leaves_tables_and_view_as_they_were(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.publish(run_of(tmp_path, "2026-03-01", {"a": 40.0}))

    class Killed(BaseException):
        """The process ends here."""

    def die(*_: object) -> None:
        raise Killed

    for kind in ("_Postgres", "_Sqlite", "_DuckDB"):
        monkeypatch.setattr(getattr(targets, kind), "replace_view", die)
    with pytest.raises(Killed):
        place.publish(run_of(tmp_path, "2026-03-08", {"a": 45.0}))
    monkeypatch.undo()
    assert place.latest() == {"a": 40.0}
    assert place.publish(tmp_path / "as_of=2026-03-08").rows == 3
    assert place.latest() == {"a": 45.0}


def test_a_database_that_refuses_is_reported_without_its_password(
    postgres_url: str, tmp_path: Path
) -> None:
    run = run_of(tmp_path, "2026-03-01", {"a": 40.0})
    with adbc_connection("test", postgres_url) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE ROLE reader LOGIN PASSWORD 'pw-of-reader'")
        cursor.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        connection.commit()
    url = postgres_url.replace(f"corvid:{PASSWORD}", "reader:pw-of-reader")
    with pytest.raises(HealthError, match=r"permission denied") as error:
        publish_run(run, url, schema="", prefix="health_", base=tmp_path, at=AT)
    assert "pw-of-reader" not in str(error.value)
    with pytest.raises(HealthError, match="cannot be published to this kind"):
        publish_run(run, "oracle://x", schema="", prefix="health_", base=tmp_path, at=AT)


def test_every_type_of_a_run_has_one_in_a_database() -> None:
    table = pa.table(
        {
            "nothing": pa.nulls(2),
            "band": pa.array(["a", "b"]).dictionary_encode(),
            "at": pa.array([datetime(2026, 1, 1), None], pa.timestamp("ns")),
            "list": pa.array([["x"], None]),
            "number": pa.array([1.5, None]),
        }
    )
    plain = targets.as_plain_columns(table)
    assert [str(kind) for kind in plain.schema.types] == [
        "string",
        "string",
        "timestamp[us]",
        "string",
        "double",
    ]


def _scores(**scores: float | None) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "account_id": list(scores),
            "as_of": pd.Timestamp("2026-03-08"),
            "health_score": list(scores.values()),
            "churn_probability": 0.1,
        }
    )


def test_only_accounts_that_changed_are_passed_on(tmp_path: Path) -> None:
    before = _scores(same=50.0, moved=60.0, gone=70.0, unknown=None)
    now = _scores(same=50.0 + 1e-9, moved=61.0, new=80.0, unknown=None)
    ids = pd.Series({"moved": "crm-1", "gone": "crm-2"})
    rows = changed_accounts(now, before, ids)
    assert dict(zip(rows["account_id"], rows["operation"], strict=True)) == {
        "moved": "upsert",
        "new": "upsert",
        "gone": "delete",
    }
    assert dict(zip(rows["account_id"], rows["external_id"], strict=True)) == {
        "moved": "crm-1",
        "new": "new",
        "gone": "crm-2",
    }
    assert set(rows["as_of"]) == {"2026-03-08"}
    write_delta(rows, tmp_path / "delta" / "d.csv")
    assert len(pd.read_csv(tmp_path / "delta" / "d.csv")) == 3


def test_without_a_run_before_every_account_is_new() -> None:
    rows = changed_accounts(_scores(a=1.0, b=2.0), None)
    assert rows["operation"].tolist() == ["upsert", "upsert"]
    assert changed_accounts(_scores(a=1.0), _scores(a=1.0)).empty
