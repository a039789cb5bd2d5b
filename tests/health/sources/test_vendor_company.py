"""A whole company in vendors' layouts, and Fivetran's own seeds, where they are at hand."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import duckdb
import pandas as pd
import pytest

from features.tables.point_in_time import collect
from health.business.company import open_company
from health.settings.config import load_config
from health.sources.databases import adbc_connection
from health.sources.inventory import tables_in_folder
from health.sources.recognise import recognise
from tests.health.conftest import call_health

DATA = Path(__file__).parents[4] / "shared" / "data"
SEEDS = DATA / "fivetran_seeds"

#: Every table of the seeds that a recipe reads.
NEEDED = {
    "fivetran_stripe": {
        *("customer", "invoice", "invoice_line_item", "subscription", "subscription_history"),
        *("subscription_item", "price", "plan", "product"),
    },
    "fivetran_zendesk": {
        *("ticket", "user", "organization", "ticket_comment", "ticket_field_history"),
        "domain_name",
    },
    "fivetran_hubspot": {
        *("company", "owner", "contact", "deal", "deal_company", "deal_pipeline_stage"),
        *("engagement_call", "engagement_email", "engagement_meeting"),
        *("engagement_company", "engagement_contact"),
    },
    "fivetran_salesforce": {"account", "user", "contact", "opportunity", "event", "task"},
}


@pytest.mark.slow
@pytest.mark.skipif(not SEEDS.is_dir(), reason=f"no vendors' seeds in {SEEDS}")
def test_every_table_of_the_seeds_is_recognised_and_none_wrongly() -> None:
    with duckdb.connect() as connection:
        found, _ = tables_in_folder(SEEDS, connection)
    recognition = recognise(found)
    assert {one.layout.preset for one in recognition.recognised} == set(NEEDED)
    assert not recognition.partial
    for one in recognition.recognised:
        assert set(one.tables) == NEEDED[one.layout.preset]
        for name, table in one.tables.items():
            assert table.label.split("/")[-1] in (f"{name}_data.csv", f"sf_{name}_data.csv")
            assert one.layout.preset.endswith(table.place)


COMPANY = DATA / "vendor_company"
#: What the company's invoices say: on each date, MRR in USD and paying accounts.
TRUTH = {"2026-08-30": (131_206.44, 164), "2026-11-22": (126_465.00, 153)}
RATES = {"# EUR = …": "EUR = 1.10", "# GBP = …": "GBP = 1.27"}
no_company = pytest.mark.skipif(not COMPANY.is_dir(), reason=f"no vendor company in {COMPANY}")


def configured(
    folder: Path, place: str | Path, rates: Mapping[str, str] = MappingProxyType(RATES)
) -> Path:
    """Run `health init`, and give the two rates that it asks for."""
    file = folder / "health.toml"
    done = call_health("init", place, "--output", file)
    assert done.code == 0, done.err
    text = file.read_text()
    for asked, given in rates.items():
        assert asked in text
        text = text.replace(asked, given)
    file.write_text(text)
    return file


def paying(config: Path) -> dict[str, tuple[float, int]]:
    subscriptions = collect(open_company(load_config(config)).opened.tables["subscriptions"])
    found = {}
    for day in TRUTH:
        at = pd.Timestamp(day)
        runs = (subscriptions["started_at"] < at) & (subscriptions["ended_at"] >= at)
        now = subscriptions[runs]
        found[day] = (round(float(now["mrr"].sum()), 2), now["account_id"].nunique())
    return found


@pytest.mark.slow
@no_company
def test_the_company_is_configured_by_two_lines(tmp_path: Path) -> None:
    config = configured(tmp_path, COMPANY)
    assert call_health("check", config).code == 0
    assert paying(config) == TRUTH


@pytest.mark.slow
@no_company
def test_no_row_of_the_company_is_lost_without_being_counted(tmp_path: Path) -> None:
    text = configured(tmp_path, COMPANY).read_text()
    counted = {
        "accounts": (224, 220, 4),
        "subscriptions": (2_502, 2_502, 0),
        "usage": (215_383, 179_030, 36_353),
        "tickets": (614, 600, 14),
        "surveys": (411, 411, 0),
        "contacts": (973, 973, 0),
    }
    for table, (rows, used, left_out) in counted.items():
        assert used + left_out == rows
        section = text.split(f"[tables.{table}]")[1].split("\n\n")[0]
        assert f"# {used:,} rows from" in section
        assert not left_out or f"left out: {left_out:,} " in section
        assert "belong to no account" not in section


#: The same company elsewhere: its currencies, and what one unit of each other is worth.
ELSEWHERE = {"usd": "chf", "eur": "sek", "gbp": "nok"}
OTHER_RATES = {"# SEK = …": "SEK = 1.10", "# NOK = …": "NOK = 1.27"}


def rewritten(folder: Path) -> Path:
    """Write the company's exports as another tool would.

    One folder of gzipped files named after schemas and in the plural, columns in upper case and
    in another order, other currencies, one table as JSON lines.
    """
    for file in COMPANY.rglob("*.csv"):
        rows = pd.read_csv(file, dtype=str, keep_default_na=False)
        if "currency" in rows:
            rows["currency"] = rows["currency"].str.lower().replace(ELSEWHERE)
        rows = rows[rows.columns[::-1]].rename(columns=str.upper)
        plural = {"company": "companies"}.get(file.stem, f"{file.stem}s")
        name = file.stem if file.stem.endswith("history") or "_company" in file.stem else plural
        stem = f"{file.parent.name}.{name}"
        if file.stem == "subscription_item":
            rows = rows.replace({"": None})
            rows.to_json(folder / f"{stem}.jsonl.gz", orient="records", lines=True)
        else:
            rows.to_csv(folder / f"{stem}.csv.gz", index=False)
    (folder / "posthog").symlink_to(COMPANY / "posthog")
    return folder


@pytest.mark.slow
@no_company
def test_the_same_holds_in_another_tools_files(tmp_path: Path) -> None:
    exports = tmp_path / "exports"
    exports.mkdir()
    config = configured(tmp_path, rewritten(exports), OTHER_RATES)
    assert call_health("check", config).code == 0
    assert paying(config) == TRUTH


@pytest.mark.slow
@no_company
def test_the_same_holds_in_postgres(
    tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with duckdb.connect() as engine, adbc_connection("test", postgres_url) as connection:
        cursor = connection.cursor()
        found, _ = tables_in_folder(COMPANY, engine)
        # The events' duplicates, as JSON lines, are read from files alone.
        for table in (t for t in found if t.place != "segment"):
            cursor.execute(f'CREATE SCHEMA IF NOT EXISTS "{table.place}"')
            kinds = {"TIMESTAMP WITH TIME ZONE": "TIMESTAMPTZ", "TIMESTAMPTZ_NS": "TIMESTAMPTZ"}
            columns = ", ".join(
                f'CAST("{c}" AS {kinds.get(k, k)}) AS "{c}"' for c, k in table.columns.items()
            )
            rows = engine.sql(f"SELECT {columns} FROM {table.sql}").to_arrow_table()
            name = "events" if table.place == "posthog" else table.name
            cursor.adbc_ingest(name, rows, mode="create", db_schema_name=table.place)
        connection.commit()
    monkeypatch.setenv("WAREHOUSE_URL", postgres_url)
    config = configured(tmp_path, "$WAREHOUSE_URL")
    assert call_health("check", config).code == 0
    assert paying(config) == TRUTH
