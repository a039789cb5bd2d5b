"""Since when an account exists: its creation, or its first paid contract or order."""

from __future__ import annotations

from datetime import datetime

import pandas as pd
import pytest

from features import as_known
from features.reading.frames import tables_from_frames
from features.tables.opened import Tables
from features.tables.point_in_time import account_starts, collect


def _tables(**frames: list[dict[str, object]]) -> Tables:
    opened = {name: pd.DataFrame(rows) for name, rows in frames.items()}
    return tables_from_frames(opened, observed_until=datetime(2026, 6, 1))


def _contract(
    account: str, start: str, *, mrr: float = 10.0, known: str | None = None
) -> dict[str, object]:
    times = {"started_at": start, "ended_at": None, "known_at": known}
    return {"account_id": account, "product": "core", "mrr": mrr, **times}


def _starts(tables: Tables) -> list[tuple[str, str, str]]:
    rows = collect(account_starts(tables)).sort_values(["account_id", "start"])
    return [(r.account_id, f"{r.start:%m-%d}", f"{r.known_from:%m-%d}") for r in rows.itertuples()]


@pytest.fixture
def tables() -> Tables:
    accounts = [
        {"account_id": "late", "created_at": "2026-03-01", "known_at": "2026-03-10"},
        {"account_id": "plain", "created_at": "2026-02-01", "known_at": None},
        {"account_id": "backfilled", "created_at": "2026-02-01", "known_at": None},
        {"account_id": "migrated", "created_at": "2026-05-01", "known_at": None},
    ]
    contracts = [
        _contract("late", "2026-01-01"),
        _contract("plain", "2026-01-01", mrr=0.0),
        _contract("backfilled", "2026-01-01", known="2026-04-01"),
        _contract("migrated", "2026-01-05"),
        _contract("unknown", "2026-01-01"),
    ]
    return _tables(accounts=accounts, subscriptions=contracts)


def test_a_start_is_known_once_its_row_and_its_account_are(tables: Tables) -> None:
    found = _starts(tables)
    assert ("late", "01-01", "03-10") in found
    assert [row for row in found if row[0] == "backfilled"] == [
        ("backfilled", "01-01", "04-01"),
        ("backfilled", "02-01", "02-01"),
    ]


def test_unpaid_contracts_start_no_account(tables: Tables) -> None:
    assert [row for row in _starts(tables) if row[0] == "plain"] == [("plain", "02-01", "02-01")]


def test_tables_as_known_have_the_accounts_that_existed(tables: Tables) -> None:
    known = collect(as_known(tables, datetime(2026, 3, 10))["accounts"])
    created = dict(zip(known["account_id"], known["created_at"], strict=True))
    # The account of a later date counts from its contract; "late" was not known before.
    assert created == {
        "plain": pd.Timestamp("2026-02-01"),
        "backfilled": pd.Timestamp("2026-02-01"),
        "migrated": pd.Timestamp("2026-01-05"),
    }


def test_without_contracts_the_first_order_counts() -> None:
    orders = [
        {"account_id": "a", "ordered_at": f"2026-01-{day:02d}", "amount": 5.0} for day in (9, 3)
    ]
    accounts = [{"account_id": "a", "created_at": "2026-02-01"}]
    assert _starts(_tables(accounts=accounts, orders=orders)) == [("a", "01-03", "01-03")]
