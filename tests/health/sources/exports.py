"""Small exports in vendors' layouts, written as the vendors write them."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from features.tables.connection import connect
from health.sources.inventory import tables_in_folder
from health.sources.recipes import Options, Recipes, VendorSource
from health.sources.recognise import recognise

Rows = Sequence[Mapping[str, Any]]


def write(folder: Path, tables: Mapping[str, Rows]) -> Path:
    """Write tables as CSV files; a name may contain a folder."""
    for name, rows in tables.items():
        file = folder / f"{name}.csv"
        file.parent.mkdir(parents=True, exist_ok=True)
        pd.DataFrame(list(rows)).to_csv(file, index=False)
    return folder


def write_json_lines(file: Path, rows: Rows) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(file, "wt", encoding="utf-8") as lines:
        lines.writelines(json.dumps(row) + "\n" for row in rows)


@contextmanager
def recipes(folder: Path, account_key: str = "") -> Iterator[Recipes]:
    """Open the recipes of everything that is recognised in a folder."""
    connection = connect("duckdb://", folder, "1GB")
    try:
        found, _ = tables_in_folder(folder, connection)
        sources = [
            VendorSource(one.place or one.layout.preset, one.layout, one.tables)
            for one in recognise(found).recognised
        ]
        opened = Recipes(connection, sources, account_key)
        opened.prepare()
        yield opened
    finally:
        connection.close()


def table(opened: Recipes, preset: str, name: str, **options: Any) -> pd.DataFrame:
    """Return the rows that a preset's recipes make of an input table."""
    return opened.connection.execute(opened.query(preset, name, Options(**options))).df()


def left_out(opened: Recipes, preset: str, name: str = "", **options: Any) -> dict[str, int]:
    return {c.reason: c.rows for c in opened.left_out(preset, Options(**options), name)}


def stripe(
    lines: Rows,
    *,
    subscriptions: Rows | None = None,
    prices: Rows | None = None,
    customers: Rows | None = None,
    invoices: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, Rows]:
    """Return Stripe's tables around invoice lines, each on an invoice of its own.

    `invoices` changes the invoice of a line, by the line's id.
    """
    known = {str(line["subscription_id"]) for line in lines}
    subscriptions = subscriptions or [subscription(name) for name in sorted(known)]
    of = {str(s["id"]): s["customer_id"] for s in subscriptions}
    written = [
        {
            "id": f"in_{line['id']}",
            "customer_id": of.get(str(line["subscription_id"])),
            "subscription_id": line["subscription_id"],
            "status": "paid",
            "livemode": True,
            "is_deleted": False,
            "subtotal": line["amount"],
            "tax": 0,
            "total": line["amount"],
        }
        | dict((invoices or {}).get(str(line["id"]), {}))
        for line in lines
    ]
    everyone = customers or [customer(str(c)) for c in dict.fromkeys(of.values())]
    return {
        "stripe/customer": everyone,
        "stripe/invoice": written,
        "stripe/invoice_line_item": lines,
        "stripe/subscription": subscriptions,
        "stripe/price": prices or [price("core")],
    }


def customer(key: str, **changes: Any) -> dict[str, Any]:
    return {
        "id": key,
        "created": "2025-01-01 00:00:00",
        "name": key.upper(),
        "email": f"billing@{key.replace('_', '')}.example",
        "livemode": True,
        "metadata": "{}",
    } | changes


def subscription(name: str, customer_id: str = "cus_a", **changes: Any) -> dict[str, Any]:
    return {
        "id": name,
        "customer_id": customer_id,
        "status": "active",
        "current_period_end": "2027-01-01 00:00:00",
        "ended_at": None,
        "canceled_at": None,
        "trial_start": None,
        "trial_end": None,
        "livemode": True,
    } | changes


def price(name: str, interval: str | None = "month", **changes: Any) -> dict[str, Any]:
    return {
        "id": name,
        "product_id": f"prod_{name}",
        "nickname": None,
        "recurring_interval": interval,
        "recurring_interval_count": 1 if interval else None,
        "recurring_usage_type": "licensed" if interval else None,
        "type": "recurring" if interval else "one_time",
    } | changes


def line(name: str, amount: float, start: str, end: str, **changes: Any) -> dict[str, Any]:
    return {
        "id": name,
        "invoice_id": f"in_{name}",
        "amount": amount,
        "currency": "usd",
        "period_start": start,
        "period_end": end,
        "plan_id": "core",
        "proration": False,
        "quantity": 1,
        "subscription_id": "sub_a",
        "subscription_item_id": "si_a",
        "livemode": True,
    } | changes


def mrr(subscriptions: pd.DataFrame, day: str) -> float:
    """Return what is paid per month on a day."""
    at = pd.Timestamp(day)
    runs = (subscriptions["started_at"] <= at) & (at < subscriptions["ended_at"])
    return float(subscriptions.loc[runs, "mrr"].sum())
