"""What goes wrong at a source: each ends with exit code 2, the place and the remedy."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.health import postgres
from tests.health.conftest import call_health
from tests.health.postgres import PASSWORD
from tests.health.sources.test_databases import fill

FILES = {
    "accounts": "account_id,created_at\na,2025-01-01\n",
    "subscriptions": "account_id,product,started_at,ended_at,mrr\na,p,2025-01-01,,10\n",
}


def check(folder: Path, url: str, monkeypatch: pytest.MonkeyPatch, **usage: str) -> str:
    monkeypatch.setenv("WAREHOUSE_URL", url)
    sections = []
    for name, text in FILES.items():
        (folder / f"{name}.csv").write_text(text)
        sections.append(f'[tables.{name}]\npath = "{name}.csv"')
    settings = "\n".join(f'{key} = "{value}"' for key, value in usage.items())
    sections += [
        '[sources.warehouse]\nurl = "$WAREHOUSE_URL"',
        f'[tables.usage]\nsource = "warehouse"\n{settings}',
    ]
    (folder / "health.toml").write_text("\n".join(sections))
    done = call_health("check", folder / "health.toml")
    assert done.code == 2, done.out
    assert "Traceback" not in done.err and PASSWORD not in done.err
    return " ".join(done.err.split()) + " ".join(done.out.split())


@pytest.fixture(scope="module")
def filled(postgres_server: str) -> Iterator[str]:
    with postgres.database(postgres_server) as url:
        fill(
            url,
            "CREATE SCHEMA faults; CREATE TABLE faults.events "
            "(account_id text, event text, occurred_at text, quantity numeric);"
            "INSERT INTO faults.events VALUES ('a', 'open', 'some day', 1);"
            "CREATE ROLE visitor LOGIN PASSWORD 'vis1tor'; GRANT USAGE ON SCHEMA faults TO visitor",
        )
        yield url


@pytest.mark.quick_cases(3)
@pytest.mark.parametrize(
    ("usage", "words"),
    [
        (
            {"table": "faults.evnts"},
            (
                "tables.usage, source warehouse",
                'relation "faults.evnts" does not exist',
                "--connect",
            ),
        ),
        (
            {"sql": "select nothing from faults.events"},
            ("tables.usage, source warehouse", 'column "nothing" does not exist remedy'),
        ),
        (
            {"table": "faults.events"},
            ("faults.events of warehouse", "usage.occurred_at", "cast(occurred_at as timestamp)"),
        ),
        (
            {"sql": "select account_id, event, occurred_at::timestamp from faults.events"},
            (
                "tables.usage, source warehouse",
                "cannot be cast",
                '"some day" remedy',
                "its row out",
            ),
        ),
        (
            {"sql": "select account_id, occurred_at::date from faults.events"},
            ("event", "no column", "tables.usage.columns"),
        ),
        ({"preset": "posthog"}, ("source warehouse", "no table in the layout of PostHog")),
        ({"preset": "posthogg"}, ("posthogg", "tables.usage.preset", "posthog")),
    ],
)
def test_faults_of_a_table_name_it_and_the_remedy(
    tmp_path: Path,
    filled: str,
    monkeypatch: pytest.MonkeyPatch,
    usage: dict[str, str],
    words: tuple[str, ...],
) -> None:
    message = check(tmp_path, filled, monkeypatch, **usage)
    for word in words:
        assert word in message


def test_a_missing_right_names_the_grant(
    tmp_path: Path, filled: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor = filled.replace(f"corvid:{PASSWORD}", "visitor:vis1tor")
    query = "select account_id, event, now()::timestamp as occurred_at from faults.events"
    message = check(tmp_path, visitor, monkeypatch, sql=query)
    assert "permission denied" in message and "grant" in message and "vis1tor" not in message


def test_a_server_that_is_down_is_tried_three_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    url = f"postgresql://ann:{PASSWORD}@127.0.0.1:1/crm"
    message = check(tmp_path, url, monkeypatch, table="faults.events")
    assert len(pauses) == 2
    assert "source warehouse" in message and "cannot connect" in message
