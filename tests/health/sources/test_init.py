"""`health init`: what it recognises, what it writes, and what it leaves to a person."""

from __future__ import annotations

import json
import sqlite3
import tomllib
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pytest

from health.business.company import open_company
from health.demo import simulate_company
from health.settings.config import load_config
from health.sources.databases import adbc_connection
from tests.health.conftest import Finished, call_health
from tests.health.postgres import PASSWORD
from tests.health.sources.exports import Rows, customer, write, write_json_lines
from tests.health.sources.test_customers import billed, company, hubspot
from tests.health.sources.test_databases import fill
from tests.health.sources.test_events import posthog
from tests.health.sources.test_zendesk import ticket, zendesk


def exports() -> dict[str, Rows]:
    """Return a small company in the layouts of Stripe, HubSpot and Zendesk."""
    customers = [
        customer("cus_a", email="pay@first.example"),
        customer("cus_b", email="pay@second.example"),
        customer("cus_test", livemode=False),
    ]
    tables = hubspot([company(1, "First"), company(2, "Second"), company(3, "Lead")])
    tables |= billed(customers[:2])
    tables["stripe/customer"] = customers
    tables["stripe/coupon"] = [{"id": "x", "percent_off": 5}]
    support = zendesk([ticket("10"), ticket("11", requester_id="9")])
    tables |= {name: rows for name, rows in support.items() if name.startswith("zendesk")}
    return tables


def init(folder: Path, *places: str | Path) -> tuple[Finished, dict[str, Any]]:
    done = call_health("init", *places, "--output", folder / "health.toml")
    text = (folder / "health.toml").read_text() if done.code == 0 else ""
    return done, tomllib.loads(text)


@pytest.mark.slow
def test_a_folder_of_exports_becomes_a_configuration_that_opens(tmp_path: Path) -> None:
    write(tmp_path / "data", exports())
    posthog(tmp_path / "data")
    done, config = init(tmp_path, tmp_path / "data")
    assert done.code == 0, done.err
    assert {name: table["preset"] for name, table in config["tables"].items()} == {
        "accounts": "fivetran_hubspot",
        "subscriptions": "fivetran_stripe",
        "usage": "posthog",
        "tickets": "fivetran_zendesk",
    }
    assert config["sources"]["stripe"] == {"path": "data/stripe"}
    assert config["currency"] == "USD"
    assert config["shared"]["customers"]["account_key"] == "fivetran_hubspot"
    text = (tmp_path / "health.toml").read_text()
    for evidence in (
        "all 2 paying customers pay in it",
        "2 keys of Stripe (Fivetran): 2 by the domain of an e-mail address",
        "1 customers of the test mode",
        "rows belong to no account",
    ):
        assert evidence in text, evidence
    for words in ("data/stripe/coupon.csv", "surveys: nothing found", "health check"):
        assert words.removeprefix("data/") in done.out, words
    summaries = {s.table: s.rows for s in _opened(tmp_path / "health.toml")}
    assert (summaries["accounts"], summaries["subscriptions"]) == (2, 2)


def _opened(config: Path) -> Any:
    # Rows without an account and a month of data are no matter of this test.
    text = config.read_text().replace("[sources.", "observed_until = 2026-06-20\n[sources.", 1)
    parts = text.split("[tables.usage]")[0].split("[tables.tickets]")[0]
    config.with_name("small.toml").write_text(parts)
    return open_company(load_config(config.with_name("small.toml"))).opened.summaries


@pytest.mark.slow
def test_columns_that_no_recipe_reads_are_listed_in_the_file(tmp_path: Path) -> None:
    tables = exports()
    for number, row in enumerate(tables["hubspot/company"]):
        row["property_favourite_colour"] = f"blue {number}"
    write(tmp_path / "data", tables)
    done, _ = init(tmp_path, tmp_path / "data")
    assert "are not read: the file lists them" in done.out
    text = (tmp_path / "health.toml").read_text()
    listed = text.split("Columns that are not read:")[1]
    assert "company.csv: property_favourite_colour" in listed
    assert "property_name" not in listed and "favourite" not in done.out


@pytest.mark.slow
def test_several_currencies_are_asked_about(tmp_path: Path) -> None:
    tables = dict(exports())
    lines = [dict(row) for row in tables["stripe/invoice_line_item"]]
    lines[0]["currency"] = "eur"
    tables["stripe/invoice_line_item"] = lines
    write(tmp_path / "data", tables)
    done, config = init(tmp_path, tmp_path / "data")
    assert config["exchange_rates"] == {}
    assert "CONFIRM" in done.out and "USD = …" in done.out


@pytest.mark.slow
def test_two_systems_of_one_kind_are_never_added_up(tmp_path: Path) -> None:
    write(tmp_path / "data", exports())
    posthog(tmp_path / "data")
    events = pd.concat(map(pd.read_parquet, sorted((tmp_path / "data" / "posthog").iterdir())))
    copies = [
        {
            "messageId": row["uuid"],
            "type": "track",
            "event": row["event"],
            "userId": row["distinct_id"],
            "timestamp": str(row["timestamp"]),
            "context": {},
        }
        for _, row in events.head(4).iterrows()
    ]
    write_json_lines(tmp_path / "data" / "segment" / "2026-05-01.jsonl.gz", copies)
    done, config = init(tmp_path, tmp_path / "data")
    assert config["tables"]["usage"]["preset"] == "posthog"
    assert "segment" not in config["sources"]
    assert "100% of its events are in posthog under the same id" in " ".join(done.out.split())


def test_tables_that_already_have_our_columns_are_taken_as_they_are(tmp_path: Path) -> None:
    write(
        tmp_path / "data",
        {
            "accounts": [{"account_id": 1, "created_at": "2025-01-01"}],
            "subscriptions": [
                {
                    "account_id": 1,
                    "product": "core",
                    "started_at": "2025-01-01",
                    "ended_at": None,
                    "mrr": 5,
                }
            ],
            "other": [{"a": 1}],
        },
    )
    (tmp_path / "data" / "notes.docx").write_text("x")
    done, config = init(tmp_path, tmp_path / "data")
    assert config["tables"] == {
        "accounts": {"path": "data/accounts.csv"},
        "subscriptions": {"path": "data/subscriptions.csv"},
    }
    assert "other.csv" in done.out and "notes.docx: not a supported file type" in done.out


def _in_sqlite(folder: Path, tables: Mapping[str, pd.DataFrame], _url: str) -> str:
    with closing(sqlite3.connect(folder / "w.db")) as connection:
        for name, rows in tables.items():
            rows.to_sql(name, connection, index=False)
    return f"sqlite:///{folder / 'w.db'}"


def _in_duckdb(folder: Path, tables: Mapping[str, pd.DataFrame], _url: str) -> str:
    with duckdb.connect(str(folder / "w.duckdb")) as connection:
        connection.execute("CREATE SCHEMA customer_success")
        for name, rows in tables.items():
            connection.register("rows", rows)
            connection.execute(f"CREATE TABLE customer_success.{name} AS FROM rows")
    return f"duckdb:///{folder / 'w.duckdb'}"


def _in_postgres(folder: Path, tables: Mapping[str, pd.DataFrame], url: str) -> str:
    with adbc_connection("test", url) as connection:
        cursor = connection.cursor()
        # A copy of some tables in another schema is not mixed with the rest.
        for schema, names in (("archive", ("accounts", "usage")), ("cs", tuple(tables))):
            cursor.execute(f"CREATE SCHEMA {schema}")
            for name in names:
                rows = pa.Table.from_pandas(tables[name], preserve_index=False)
                cursor.adbc_ingest(name, rows, db_schema_name=schema)
        cursor.execute("CREATE TABLE cs.orders (account_id text, ordered_at date, amount int)")
        connection.commit()
    return url


@pytest.mark.parametrize("database", ["sqlite", "duckdb", "postgres"])
@pytest.mark.slow
def test_tables_of_a_database_that_already_have_our_columns_are_taken_as_they_are(
    tmp_path: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    database: str,
) -> None:
    company = simulate_company(15, weeks=20, seed=3)
    tables = dict(company.tables) | {"plans": pd.DataFrame({"plan": ["a"]})}
    fill_database = {"sqlite": _in_sqlite, "duckdb": _in_duckdb, "postgres": _in_postgres}[database]
    url = request.getfixturevalue("postgres_url") if database == "postgres" else ""
    place = fill_database(tmp_path, tables, url)
    done, config = init(tmp_path, place)
    assert done.code == 0, done.err
    schema = {"sqlite": "", "duckdb": "customer_success.", "postgres": "cs."}[database]
    assert config["tables"] == {
        name: {"source": "warehouse", "table": f"{schema}{name}"} for name in company.tables
    }
    stored_as = {"url": "$WAREHOUSE_URL" if database == "postgres" else place}
    assert config["sources"] == {"warehouse": stored_as}
    text = " ".join(done.out.split())
    assert f"{schema}plans" in text.split("Found and not used")[1]
    assert PASSWORD not in text
    if database == "postgres":
        assert "archive.usage: usage comes from another source" in text
        assert "cs.orders: has the columns of orders, but no rows" in text
        monkeypatch.setenv("WAREHOUSE_URL", url)
    opened = open_company(load_config(tmp_path / "health.toml")).opened
    assert {s.table: s.rows for s in opened.summaries} == {
        name: len(rows) for name, rows in company.tables.items()
    }


def test_a_file_comes_before_a_table_of_a_database_and_views_count(tmp_path: Path) -> None:
    company = simulate_company(12, weeks=20, seed=3)
    (tmp_path / "data").mkdir()
    company.tables["accounts"].to_csv(tmp_path / "data" / "accounts.csv", index=False)
    with closing(sqlite3.connect(tmp_path / "data" / "w.db")) as connection:
        company.tables["accounts"].to_sql("accounts", connection, index=False)
        contracts = company.tables["subscriptions"].rename(columns=str.upper)
        contracts.to_sql("contracts", connection, index=False)
        connection.execute("CREATE VIEW Subscriptions AS SELECT * FROM contracts")
    done, config = init(tmp_path, tmp_path / "data")
    assert done.code == 0, done.err
    assert config["tables"] == {
        "accounts": {"path": "data/accounts.csv"},
        "subscriptions": {
            "source": "warehouse",
            "table": "Subscriptions",
            "columns": {name: name.upper() for name in company.tables["subscriptions"]},
        },
    }
    assert "accounts: accounts comes from another source" in done.out
    tables = {s.table for s in open_company(load_config(tmp_path / "health.toml")).opened.summaries}
    assert tables == {"accounts", "subscriptions"}


def test_half_a_layout_is_named_with_what_it_lacks(tmp_path: Path) -> None:
    tables = exports()
    write(tmp_path / "data", {n: rows for n, rows in tables.items() if n != "stripe/invoice"})
    done, config = init(tmp_path, tmp_path / "data")
    assert "subscriptions" not in config["tables"]
    text = " ".join(done.out.split())
    assert "looks like Stripe (Fivetran), which also needs invoice" in text
    assert "subscriptions or orders: one is required" in text


def test_nothing_recognised_and_a_file_that_exists_are_refused(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    write(tmp_path / "data", {"other": [{"a": 1}]})
    done, _ = init(tmp_path, tmp_path / "data")
    assert done.code == 2 and "nothing was recognised" in done.err and "other.csv" in done.err
    (tmp_path / "health.toml").write_text("currency = 'EUR'")
    done = call_health("init", tmp_path / "data", "--output", tmp_path / "health.toml")
    assert done.code == 2 and "exists" in done.err
    assert (tmp_path / "health.toml").read_text() == "currency = 'EUR'"
    assert call_health("init", tmp_path / "absent").code == 2


@pytest.mark.slow
def test_names_from_the_data_cannot_break_out_of_a_comment(tmp_path: Path) -> None:
    write(tmp_path / "data", exports())
    (tmp_path / "data" / "x\n[tables.usage]\npath = 'evil'.csv").write_text("a\n1\n")
    _, config = init(tmp_path, tmp_path / "data")
    assert "usage" not in config["tables"]


@pytest.mark.slow
@pytest.mark.parametrize("given_as", ["variable", "url"])
def test_schemas_of_a_database_become_sources(
    tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch, given_as: str
) -> None:
    statements = []
    for name, rows in exports().items():
        schema, table = name.split("/")
        frame = pd.DataFrame(list(rows)).astype("string")
        columns = ", ".join(f'"{column}" text' for column in frame)
        statements.append(f'CREATE SCHEMA IF NOT EXISTS "{schema}"')
        statements.append(f'CREATE TABLE "{schema}"."{table}" ({columns})')
        for row in frame.itertuples(index=False):
            quoted = ["NULL" if pd.isna(v) else "'" + v.replace("'", "''") + "'" for v in row]
            statements.append(f'INSERT INTO "{schema}"."{table}" VALUES ({", ".join(quoted)})')
    fill(postgres_url, ";".join(statements))
    monkeypatch.delenv("WAREHOUSE_URL", raising=False)
    place = postgres_url
    if given_as == "variable":
        monkeypatch.setenv("WAREHOUSE_URL", postgres_url)
        place = "$WAREHOUSE_URL"
    done, config = init(tmp_path, place)
    assert done.code == 0, done.err
    assert config["sources"]["stripe"] == {"url": "$WAREHOUSE_URL", "schema_name": "stripe"}
    assert PASSWORD not in done.out + (tmp_path / "health.toml").read_text()
    assert "stripe.coupon" in done.out
    monkeypatch.setenv("WAREHOUSE_URL", postgres_url)
    summaries = {s.table: s.rows for s in _opened(tmp_path / "health.toml")}
    assert (summaries["accounts"], summaries["subscriptions"]) == (2, 2)


@pytest.mark.slow
def test_a_file_of_sqlite_is_a_database_too(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "w.db") as connection:
        for name, rows in exports().items():
            if name.startswith(("stripe", "hubspot")):
                frame = pd.DataFrame(list(rows))
                frame.to_sql(name.replace("/", "_"), connection, index=False)
    done, config = init(tmp_path, f"sqlite:///{tmp_path / 'w.db'}")
    assert done.code == 0, done.err
    assert json.dumps(config["tables"]["accounts"]) == json.dumps(
        {"preset": "fivetran_hubspot", "source": "hubspot"}
    )


def salesforce() -> dict[str, pd.DataFrame]:
    """Return two accounts under the names of Salesforce's own exports."""
    account = {
        "Id": ["001A000000aaaaaIAA", "001A000000bbbbbIAA"], "Name": ["First", "Second"],
        "OwnerId": "005A", "ParentId": None, "Industry": "Retail", "Website": None,
        "Type": "Customer", "CreatedDate": "2025-01-01", "Team_Size__c": 3,
    }  # fmt: skip
    user = {"Id": ["005A"], "Name": "Ola Berg", "Username": "o@us.example"}
    return {"Account": pd.DataFrame(account), "User": pd.DataFrame(user)}


@pytest.mark.slow
def test_workbooks_and_databases_in_a_folder_are_sources(tmp_path: Path) -> None:
    data = tmp_path / "data"
    keys = list(salesforce()["Account"]["Id"])
    tables = exports()
    # One account is known by the 15 characters that Salesforce's pages show.
    for row, key in zip(tables["stripe/customer"], (keys[0][:15], keys[1]), strict=False):
        row["metadata"] = json.dumps({"salesforce_id": key})  # type: ignore[index]
    data.mkdir()
    with pd.ExcelWriter(data / "crm.xlsx") as book:
        for name, frame in salesforce().items():
            frame.to_excel(book, sheet_name=name, index=False)
    with sqlite3.connect(data / "billing.db") as connection:
        for name, rows in tables.items():
            if name.startswith("stripe"):
                pd.DataFrame(list(rows)).to_sql(name.split("/")[1], connection, index=False)
    done, config = init(tmp_path, data)
    assert done.code == 0, done.err
    assert config["sources"] == {
        "salesforce": {"path": "data/crm.xlsx"},
        "stripe": {"url": "sqlite:///data/billing.db"},
    }
    assert "2 keys of Stripe (Fivetran): 2 by a key" in " ".join(done.out.split())
    assert "Team_Size__c" in (tmp_path / "health.toml").read_text()
    assert "to the database's URL" not in done.out
    summaries = {s.table: s.rows for s in _opened(tmp_path / "health.toml")}
    assert (summaries["accounts"], summaries["subscriptions"]) == (2, 2)
    # Each of them alone is a place as well.
    assert "Salesforce" in init(tmp_path / "book", data / "crm.xlsx")[0].out
    assert "Stripe" in init(tmp_path / "database", data / "billing.db")[0].out


def test_a_folder_for_each_table_is_one_layout(tmp_path: Path) -> None:
    for name, frame in salesforce().items():
        for part, rows in enumerate((frame.head(1), frame.tail(1))):
            folder = tmp_path / "data" / "sfdc" / name
            folder.mkdir(parents=True, exist_ok=True)
            rows.to_csv(folder / f"part-{part:04d}.csv", index=False)
    done, config = init(tmp_path, tmp_path / "data")
    assert done.code == 0, done.err
    assert config["sources"] == {"salesforce": {"path": "data/sfdc"}}
    assert "add to the file what is required" in done.out


@pytest.mark.parametrize("prefix", ["properties_", ""])
@pytest.mark.slow
def test_fields_of_hubspot_have_several_prefixes(tmp_path: Path, prefix: str) -> None:
    tables = {
        name: [{k.replace("property_", prefix): v for k, v in row.items()} for row in rows]
        for name, rows in exports().items()
    }
    write(tmp_path / "data", tables)
    done, config = init(tmp_path, tmp_path / "data")
    assert config["tables"]["accounts"] == {"preset": "fivetran_hubspot", "source": "hubspot"}
    assert "2 by the domain" in " ".join(done.out.split())


@pytest.mark.slow
def test_places_outside_of_the_configuration_are_allowed_by_name(tmp_path: Path) -> None:
    write(tmp_path / "data", exports())
    (tmp_path / "conf").mkdir()
    done, config = init(tmp_path / "conf", tmp_path / "data")
    assert done.code == 0, done.err
    named = {source["path"] for source in config["sources"].values()}
    assert set(config["data"]["allow"]) == named
    inside, own = init(tmp_path, tmp_path / "data")
    assert inside.code == 0, inside.err
    assert "data" not in own
