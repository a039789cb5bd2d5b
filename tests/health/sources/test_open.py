"""Tables of named sources in a configuration: databases, shared views, presets, and mistakes."""

from __future__ import annotations

import sqlite3
from datetime import datetime
from pathlib import Path

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from features.build import build_features
from features.errors import HealthError
from health.business.company import open_company
from health.settings.config import load_config
from tests.health.conftest import call_health
from tests.health.postgres import PASSWORD
from tests.health.sources.exports import line, price, stripe, subscription, write
from tests.health.sources.test_customers import billed, company, customer, hubspot
from tests.health.sources.test_databases import fill

AS_OF = datetime(2026, 4, 5)
ACCOUNTS = pd.DataFrame(
    {
        "account_id": ["1", "2", "3"],
        "created_at": "2025-01-01 00:00:00",
        "segment": ["big", "small", None],
    }
)
SUBSCRIPTIONS = pd.DataFrame(
    {
        "account_id": ["1", "2", "3"],
        "product": "core",
        "started_at": "2025-01-01 00:00:00",
        "ended_at": None,
        "mrr": [100.5, 50.25, 10.0],
    }
)
USAGE = pd.DataFrame(
    {
        "account_id": ["1", "1", "2"] * 20,
        "event": "opened",
        "occurred_at": [f"2026-03-{day:02d} 10:00:00" for day in range(1, 21) for _ in range(3)],
        "user_id": [None, "b", "c"] * 20,
    }
)
TABLES = {"accounts": ACCOUNTS, "subscriptions": SUBSCRIPTIONS, "usage": USAGE}


def features_of(config: Path) -> pd.DataFrame:
    opened = open_company(load_config(config)).opened
    return build_features(opened.tables, [AS_OF]).sort_values("account_id", ignore_index=True)


def configured(folder: Path, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "health.toml").write_text(text)
    return folder / "health.toml"


@pytest.fixture
def from_files(tmp_path: Path) -> pd.DataFrame:
    """Return the features of the same tables as CSV files."""
    folder = tmp_path / "files"
    folder.mkdir()
    for name, table in TABLES.items():
        table.to_csv(folder / f"{name}.csv", index=False)
    text = "\n".join(f'[tables.{name}]\npath = "{name}.csv"' for name in TABLES)
    return features_of(configured(folder, text))


def test_a_database_gives_what_the_same_files_give(
    tmp_path: Path, from_files: pd.DataFrame
) -> None:
    with sqlite3.connect(tmp_path / "crm.db") as connection:
        for name, table in TABLES.items():
            table.to_sql(f"t_{name}", connection, index=False)
    (tmp_path / "usage.sql").write_text("select * from events where event = 'opened';\n")
    config = configured(
        tmp_path,
        """
        [sources.crm]
        url = "sqlite:///crm.db"
        [shared.events]
        source = "crm"
        sql = "select account_id, event, occurred_at, user_id from t_usage"
        [tables.accounts]
        source = "crm"
        table = "t_accounts"
        [tables.subscriptions]
        source = "crm"
        sql = "select account_id, product, started_at, ended_at, mrr as price from t_subscriptions"
        columns = { mrr = "price" }
        [tables.usage]
        source = "crm"
        sql_file = "usage.sql"
        """,
    )
    assert_frame_equal(features_of(config), from_files)


@pytest.mark.slow
def test_postgres_gives_what_the_same_files_give(
    tmp_path: Path, from_files: pd.DataFrame, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(
        postgres_url,
        "CREATE SCHEMA shop;"
        "CREATE TABLE shop.accounts (account_id int, created_at timestamptz, segment text);"
        "CREATE TABLE shop.subscriptions (account_id int, product text, started_at timestamp, "
        "ended_at timestamp, mrr numeric(12, 2));"
        "CREATE TABLE shop.usage "
        "(account_id int, event text, occurred_at timestamptz, user_id text)",
    )
    for name, table in TABLES.items():
        rows = ", ".join(
            "(" + ", ".join("NULL" if pd.isna(v) else f"'{v}'" for v in row) + ")"
            for row in table.itertuples(index=False)
        )
        fill(postgres_url, f"SET TIME ZONE 'UTC';INSERT INTO shop.{name} VALUES {rows}")
    monkeypatch.setenv("SHOP_URL", postgres_url)
    text = '[sources.shop]\nurl = "$SHOP_URL"\n' + "\n".join(
        f'[tables.{name}]\nsource = "shop"\ntable = "shop.{name}"' for name in TABLES
    )
    config = configured(tmp_path, text)
    assert_frame_equal(features_of(config), from_files)
    reached = call_health("check", config, "--connect")
    assert reached.code == 0 and "shop.accounts" in reached.out
    monkeypatch.setenv("SHOP_URL", postgres_url.replace("127.0.0.1", "127.0.0.2"))
    for arguments in (("check", config, "--connect"), ("check", config), ("train", config)):
        failed = call_health(*arguments)
        assert failed.code == 2
        assert "shop" in (failed.out + failed.err) and PASSWORD not in (failed.out + failed.err)


@pytest.mark.slow
def test_files_and_a_shared_view_over_them(tmp_path: Path, from_files: pd.DataFrame) -> None:
    files = tmp_path / "files"
    (files / "usage.sql").write_text(
        "select u.* from read_csv('usage.csv', all_varchar = true) as u\n"
        "join everyone using (account_id) -- of ours\n"
    )
    config = configured(
        files,
        """
        [shared.everyone]
        sql = "select * from read_csv('accounts.csv', all_varchar = true)"
        [tables.accounts]
        sql = "select * from everyone"
        [tables.subscriptions]
        path = "subscriptions.csv"
        [tables.usage]
        sql_file = "usage.sql"
        """,
    )
    assert_frame_equal(features_of(config), from_files)


@pytest.mark.slow
def test_presets_are_opened_from_folders(tmp_path: Path) -> None:
    tables = hubspot([company(1, "First"), company(2, "Second")])
    tables |= billed(
        [customer("cus_a", email="p@first.example"), customer("cus_b", email="p@second.example")]
    )
    write(tmp_path, tables)
    config = configured(
        tmp_path,
        """
        observed_until = 2026-06-20
        [sources.crm]
        path = "hubspot"
        [sources.money]
        path = "stripe"
        [tables.accounts]
        preset = "fivetran_hubspot"
        source = "crm"
        [tables.subscriptions]
        preset = "fivetran_stripe"
        source = "money"
        """,
    )
    opened = open_company(load_config(config)).opened
    rows = {s.table: (s.rows, s.source) for s in opened.summaries}
    assert rows == {
        "accounts": (2, "fivetran_hubspot of crm"),
        "subscriptions": (2, "fivetran_stripe of money"),
    }


@pytest.mark.quick_cases(4)
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[tables.accounts]\nsource = "crmm"\ntable = "x"', ("crmm", "crm")),
        ('[tables.accounts]\nsource = "crm"\ntable = "nowhere"', ("nowhere", "source crm")),
        ('[tables.accounts]\nsource = "crm"\nsql = "select nothing from t"', ("nothing",)),
        ('[tables.accounts]\nsource = "crm"\npreset = "fivetran_strip"', ("fivetran_stripe",)),
        ('[tables.accounts]\nsource = "crm"\npreset = "fivetran_hubspot"', ("property_name",)),
        ('[tables.accounts]\nsource = "folder"\ntable = "x"', ("sources.folder",)),
        ('[tables.accounts]\nsql_file = "absent.sql"', ("absent.sql",)),
        (
            '[tables.accounts]\nsource = "crm"\npreset = "posthog"\n'
            '[tables.usage]\nsource = "folder"\npreset = "posthog"',
            ("two sources: crm and folder",),
        ),
        ('[tables.accounts]\npreset = "posthog"', ("source",)),
        ('[tables.accounts]\npath = "a.csv"\nexclude_events = ["x"]', ("exclude_events",)),
        ('[tables.accounts]\npath = "a.csv"\n[shared.x]\npreset = "customers"', ("shared.x",)),
        (
            '[tables.accounts]\npath = "a.csv"\n[sources.y]\nurl = "postgresql://a:hunter2@h/d"',
            ("password", "environment"),
        ),
    ],
)  # fmt: skip
def test_a_mistake_is_named(tmp_path: Path, text: str, words: tuple[str, ...]) -> None:
    with sqlite3.connect(tmp_path / "crm.db") as connection:
        connection.execute("CREATE TABLE t (a)")
    (tmp_path / "exports").mkdir()
    config = configured(
        tmp_path,
        f'{text}\n[sources.crm]\nurl = "sqlite:///crm.db"\n[sources.folder]\npath = "exports"\n',
    )
    failed = call_health("check", config)
    assert failed.code == 2
    for word in words:
        assert word in " ".join((failed.out + failed.err).split())
    assert "hunter2" not in (failed.out + failed.err)


@pytest.mark.slow
def test_a_table_of_another_name_can_be_given(tmp_path: Path) -> None:
    tables = stripe(
        [line("a", 100, "2026-06-01", "2026-07-01")],
        subscriptions=[subscription("sub_a")],
        prices=[price("core")],
    )
    tables["stripe/kunden"] = tables.pop("stripe/customer")
    write(tmp_path, tables)
    text = """
        observed_until = 2026-06-20
        [tables.accounts]
        preset = "fivetran_stripe"
        source = "money"
        [tables.subscriptions]
        preset = "fivetran_stripe"
        source = "money"
        [sources.money]
        path = "stripe"
        """
    with pytest.raises(HealthError, match=r"sources\.money\.tables"):
        open_company(load_config(configured(tmp_path, text)))
    text += 'tables = { customer = "kunden" }\n'
    opened = open_company(load_config(configured(tmp_path, text))).opened
    assert {s.table: s.rows for s in opened.summaries} == {"accounts": 1, "subscriptions": 1}


@pytest.mark.parametrize("shared", ["", '[shared.one]\nsql = "select 1 as a"\n'])
@pytest.mark.parametrize("where", ["tables.accounts", "shared.two"])
@pytest.mark.quick_cases(1)
def test_a_mistake_in_a_query_over_files_is_shown_in_its_line(
    tmp_path: Path, where: str, shared: str
) -> None:
    (tmp_path / "a.csv").write_text("account_id,created_at\nA,2025-01-01\n")
    (tmp_path / "q.sql").write_text("select account_id,\n  created as created_at\nfrom 'a.csv'\n;")
    text = f'[{where}]\nsql_file = "q.sql"\n{shared}'
    if where != "tables.accounts":
        text += '[tables.accounts]\npath = "a.csv"\n'
    failed = call_health("check", configured(tmp_path, text))
    assert failed.code == 2
    lines = failed.err.splitlines()
    (place,) = (n for n, line in enumerate(lines) if "line 2: " in line)
    assert lines[place + 1].index("^") == lines[place].index("created as")
