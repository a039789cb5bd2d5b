"""Movements of revenue, with the golden values."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.reading.frames import tables_from_frames
from features.tables.opened import Tables
from health.report.revenue import RevenueMovements, revenue_movements

START, END = datetime(2026, 1, 1), datetime(2026, 4, 1)


def company(rows: list[tuple[str, str, str, str | None, float]]) -> Tables:
    columns = ["account_id", "product", "started_at", "ended_at", "mrr"]
    subscriptions = pd.DataFrame(rows, columns=columns)
    accounts = pd.DataFrame({"account_id": subscriptions["account_id"].unique()})
    accounts["created_at"] = pd.Timestamp("2025-01-01")
    tables = {"accounts": accounts, "subscriptions": subscriptions}
    return tables_from_frames(tables, observed_until=END)


BOOK = [
    ("stays", "core", "2025-01-01", None, 50.0),
    ("leaves", "core", "2025-01-01", "2026-02-01", 10.0),
    ("falls", "core", "2025-01-01", None, 20.0),
    ("falls", "extra", "2025-01-01", "2026-02-01", 10.0),
    ("rises", "core", "2025-01-01", "2026-02-01", 10.0),
    ("rises", "core", "2026-02-01", None, 20.0),
    ("new", "core", "2026-02-01", None, 7.0),
    ("back", "core", "2025-01-01", "2025-06-01", 5.0),
    ("back", "core", "2026-03-01", None, 4.0),
]


def test_the_golden_book() -> None:
    found = revenue_movements(company(BOOK), START, END)
    assert found == RevenueMovements(
        start=100.0,
        new=7.0,
        expansion=10.0,
        contraction=10.0,
        churn=10.0,
        reactivation=4.0,
        accounts_start=4,
        accounts_lost=1,
    )
    assert found.grr == pytest.approx(0.80)
    assert found.nrr == pytest.approx(0.90)
    assert found.logo_churn == pytest.approx(0.25)
    assert found.quick_ratio == pytest.approx(17 / 20)


def test_a_late_renewal_is_no_churn() -> None:
    gap = [
        ("a", "core", "2025-01-01", str(START - timedelta(days=5)), 10.0),
        ("a", "core", str(START + timedelta(days=5)), None, 10.0),
        ("b", "core", "2025-01-01", None, 5.0),
    ]
    renewed = revenue_movements(company(gap), START, END, grace_days=30)
    assert (renewed.start, renewed.reactivation, renewed.accounts_start) == (15.0, 0.0, 2)
    returned = revenue_movements(company(gap), START, END, grace_days=7)
    assert (returned.start, returned.reactivation, returned.accounts_start) == (5.0, 10.0, 1)


def test_nothing_lost_has_no_quick_ratio_and_no_start_no_rates() -> None:
    quiet = revenue_movements(company([("a", "core", "2025-01-01", None, 5.0)]), START, END)
    assert math.isnan(quiet.quick_ratio)
    fresh = revenue_movements(company([("a", "core", "2026-02-01", None, 5.0)]), START, END)
    assert math.isnan(fresh.nrr)
    assert math.isnan(fresh.logo_churn)
    assert fresh.new == 5.0


def test_the_start_lies_before_the_end() -> None:
    with pytest.raises(ValueError, match="not before"):
        revenue_movements(company(BOOK), END, START)


@pytest.mark.slow
@settings(max_examples=25)
@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 100)), min_size=1, max_size=20))
def test_movements_add_up_to_the_end(levels: list[tuple[float, float]]) -> None:
    rows: list[tuple[str, str, str, str | None, float]] = []
    for number, (before, after) in enumerate(np.round(levels, 2)):
        rows.append((f"a{number}", "core", "2025-01-01", "2026-02-01", float(before)))
        rows.append((f"a{number}", "core", "2026-02-01", None, float(after)))
    found = revenue_movements(company(rows), START, END)
    ending = found.start + found.new + found.expansion + found.reactivation
    ending -= found.contraction + found.churn
    assert ending == pytest.approx(sum(row[4] for row in rows[1::2]), abs=1e-6)
    assert math.isnan(found.grr) or 0 <= found.grr <= 1 + 1e-12
