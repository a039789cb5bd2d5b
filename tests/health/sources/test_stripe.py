"""What Stripe's invoice lines become: paid periods with their monthly revenue."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from health.sources.recipes import Options
from tests.health.sources.exports import (
    customer,
    left_out,
    line,
    mrr,
    price,
    recipes,
    stripe,
    subscription,
    table,
    write,
)

PRESET = "fivetran_stripe"


def paid(folder: Path, lines: Sequence[dict[str, Any]], **tables: Any) -> pd.DataFrame:
    with recipes(write(folder, stripe(lines, **tables))) as opened:
        return table(opened, PRESET, "subscriptions").sort_values(["product", "started_at"])


def test_a_month_and_a_year_are_monthly_revenue(tmp_path: Path) -> None:
    rows = paid(
        tmp_path,
        [
            line("m", 10_000, "2026-01-31", "2026-02-28"),
            line("y", 120_000, "2026-01-01", "2027-01-01", plan_id="year"),
            line("q", 30_000, "2026-01-01", "2026-04-01", plan_id="quarter"),
            line("w", 1_000, "2026-01-01", "2026-01-08", plan_id="week"),
        ],
        prices=[
            price("core"),
            price("year", "year"),
            price("quarter", "month", recurring_interval_count=3),
            price("week", "week"),
        ],
    )
    found = dict(zip(rows["plan"], rows["mrr"], strict=True))
    assert found == pytest.approx(
        {"core": 100.0, "year": 100.0, "quarter": 100.0, "week": 520 / 12}
    )


@pytest.mark.slow
def test_a_price_change_within_a_period_holds_from_its_day(tmp_path: Path) -> None:
    # 3 seats at 100 for June; on the 16th a fourth: half a month of 3 back, half of 4 charged.
    rows = paid(
        tmp_path,
        [
            line("june", 30_000, "2026-06-01", "2026-07-01", quantity=3),
            line("back", -15_000, "2026-06-16", "2026-07-01", quantity=3, proration=True),
            line("more", 20_000, "2026-06-16", "2026-07-01", quantity=4, proration=True),
        ],
    )
    assert rows[["mrr", "seats"]].round(6).to_numpy().tolist() == [[300.0, 3.0], [400.0, 4.0]]
    assert str(rows["started_at"].iloc[1]) == "2026-06-16 00:00:00"


@pytest.mark.slow
def test_another_product_within_a_period_ends_the_first(tmp_path: Path) -> None:
    rows = paid(
        tmp_path,
        [
            line("june", 30_000, "2026-06-01", "2026-07-01"),
            line("back", -20_001, "2026-06-11", "2026-07-01", proration=True),
            line("team", 60_000, "2026-06-11", "2026-07-01", plan_id="team", proration=True),
        ],
        prices=[price("core"), price("team")],
    )
    assert [mrr(rows, day) for day in ("2026-06-05", "2026-06-20")] == pytest.approx([300, 900])
    assert rows.loc[rows["product"] == "prod_core", "ended_at"].item() == pd.Timestamp("2026-06-11")


@pytest.mark.slow
def test_a_cancelled_period_ends_when_the_subscription_does(tmp_path: Path) -> None:
    ended = subscription(
        "sub_a", status="canceled", ended_at="2026-06-20", canceled_at="2026-06-10"
    )
    rows = paid(tmp_path, [line("june", 30_000, "2026-06-01", "2026-07-01")], subscriptions=[ended])
    assert str(rows["ended_at"].item()) == "2026-06-20 00:00:00"
    assert str(rows["notice_at"].item()) == "2026-06-10 00:00:00"


@pytest.mark.slow
def test_money_is_net_of_discounts_and_without_tax(tmp_path: Path) -> None:
    rows = paid(
        tmp_path,
        [line("june", 10_000, "2026-06-01", "2026-07-01")],
        invoices={"june": {"subtotal": 10_000, "total": 9_520, "tax": 1_520}},
    )
    assert (rows["mrr"].item(), rows["list_mrr"].item()) == pytest.approx((80.0, 100.0))


@pytest.mark.slow
def test_a_discount_is_of_what_can_be_discounted(tmp_path: Path) -> None:
    # 20 % off: 3 seats at 80, and from the 16th of June a fourth, at the discounted price.
    extra = line("more", 4_000, "2026-06-16", "2026-07-01", proration=True, discountable=False)
    lines = [
        line("june", 30_000, "2026-06-01", "2026-07-01", discountable=True),
        extra | {"invoice_id": "in_july"},
        line("july", 40_000, "2026-07-01", "2026-08-01", discountable=True),
    ]
    rows = paid(
        tmp_path,
        lines,
        invoices={
            "june": {"subtotal": 30_000, "total": 24_000},
            "july": {"subtotal": 44_000, "total": 36_000},
        },
    )
    assert [mrr(rows, f"2026-{d}") for d in ("06-05", "06-20", "07-05")] == pytest.approx(
        [240, 320, 320]
    )


@pytest.mark.parametrize(
    ("currency", "expected"), [("usd", 10.0), ("jpy", 1000.0), ("kwd", 1.0), ("GBP", 10.0)]
)
@pytest.mark.slow
def test_amounts_are_in_the_smallest_unit_of_their_currency(
    tmp_path: Path, currency: str, expected: float
) -> None:
    rows = paid(tmp_path, [line("june", 1_000, "2026-06-01", "2026-07-01", currency=currency)])
    assert rows["mrr"].item() == pytest.approx(expected)
    assert rows["currency"].item() == currency.upper()


@pytest.mark.slow
def test_what_is_no_paid_period_is_counted_and_not_revenue(tmp_path: Path) -> None:
    june = ("2026-06-01", "2026-07-01")
    lines = [
        line("paid", 10_000, *june),
        line("void", 10_000, *june),
        line("draft", 10_000, *june),
        line("test", 10_000, *june, livemode=False),
        line("once", 150_000, *june, plan_id="setup"),
        line("metered", 7_700, *june, plan_id="api"),
        line("trial", 0, "2026-05-01", "2026-06-01"),
        line("nothing", 500, "2026-06-01", "2026-06-01"),
    ]
    tables = stripe(
        lines,
        subscriptions=[
            subscription("sub_a", trial_start="2026-05-01", trial_end="2026-06-01"),
            subscription("sub_b", status="trialing"),
        ],
        prices=[
            price("core"),
            price("setup", None),
            price("api", recurring_usage_type="metered"),
        ],
        customers=[customer("cus_a"), customer("cus_t", livemode=False)],
        invoices={"void": {"status": "void"}, "draft": {"status": "draft"}},
    )
    with recipes(write(tmp_path, tables)) as opened:
        rows = table(opened, PRESET, "subscriptions")
        counted = left_out(opened, PRESET)
    assert rows["mrr"].tolist() == [100.0]
    assert counted == {
        "invoice lines of void invoices": 1,
        "invoice lines of draft invoices": 1,
        "invoice lines of the test mode": 1,
        "invoice lines of one-off charges": 1,
        "invoice lines of metered use, billed after the fact": 1,
        "invoice lines of trials": 1,
        "invoice lines that cover no time": 1,
        "customers of the test mode": 1,
        "subscriptions without a paid period (trialing)": 1,
    }
    lines_left_out = sum(n for reason, n in counted.items() if reason.startswith("invoice lines"))
    assert lines_left_out + 1 == len(lines)


@pytest.mark.slow
def test_the_old_table_of_plans_and_the_history_alone_will_do(tmp_path: Path) -> None:
    tables = stripe([line("y", 120_000, "2026-01-01", "2027-01-01")])
    del tables["stripe/price"]
    tables["stripe/plan"] = [
        {"id": "core", "product_id": "p", "interval": "year", "interval_count": 1}
    ]
    tables["stripe/product"] = [{"id": "p", "name": "Core", "livemode": True}]
    with recipes(write(tmp_path, tables)) as opened:
        rows = table(opened, PRESET, "subscriptions")
    assert rows[["product", "mrr"]].to_numpy().tolist() == [["Core", 100.0]]


@pytest.mark.slow
def test_bills_are_due_paid_late_and_tried_again(tmp_path: Path) -> None:
    june = ("2026-06-01", "2026-07-01")
    names = ("late", "open", "void", "zero")
    tables = stripe(
        [line(name, 0 if name == "zero" else 10_000, *june) for name in names],
        invoices={
            "late": {"paid_at": "2026-06-20", "attempt_count": 3},
            "open": {"status": "open", "due_date": "2026-06-15", "attempt_count": 2},
            "void": {"status": "void"},
        },
    )
    tables["stripe/invoice"] = [
        {"created": "2026-06-01", "currency": "eur", **row} for row in tables["stripe/invoice"]
    ]
    with recipes(write(tmp_path / "with", tables)) as opened:
        rows = table(opened, PRESET, "invoices").sort_values("invoice_id").astype(str)
        counted = {c.reason: c.rows for c in opened.left_out(PRESET, Options(), "invoices")}
    assert rows[["due_at", "paid_at", "amount", "failed_attempts"]].to_numpy().tolist() == [
        ["2026-06-01", "2026-06-20", "100.0", "2.0"],
        ["2026-06-15", "NaT", "100.0", "2.0"],
    ]
    assert set(rows["currency"]) == {"EUR"}
    assert counted == {"void invoices": 1, "invoices over 0": 1}
    without = [{k: v for k, v in row.items() if k != "paid_at"} for row in tables["stripe/invoice"]]
    with recipes(write(tmp_path / "without", tables | {"stripe/invoice": without})) as opened:
        assert table(opened, PRESET, "invoices").empty


@st.composite
def seat_changes(draw: st.DrawFn) -> list[tuple[int, int]]:
    """A day of the year and the seats from then on; the first at the start."""
    days = draw(st.lists(st.integers(1, 364), max_size=6, unique=True).map(sorted))
    seats = draw(st.lists(st.integers(1, 40), min_size=7, max_size=7))
    return [(0, seats[0]), *zip(days, seats[1:], strict=False)]


@pytest.mark.slow
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seat_changes(), st.sampled_from([2_500, 9_999, 123_456]))
def test_mrr_follows_the_seats_whatever_the_prorations(
    changes: list[tuple[int, int]], cents: int
) -> None:
    start = pd.Timestamp("2026-01-01")
    end = start + pd.DateOffset(years=1)
    days = (end - start).days
    lines = [line("0", cents * changes[0][1], str(start), str(end), quantity=changes[0][1])]
    for number, ((_, before), (day, after)) in enumerate(pairwise(changes)):
        at, share = start + pd.Timedelta(days=day), (days - day) / days
        for kind, seats, sign in (("back", before, -1), ("more", after, 1)):
            amount = round(sign * cents * seats * share)
            lines.append(
                line(
                    f"{kind}{number}",
                    amount,
                    str(at),
                    str(end),
                    quantity=seats,
                    proration=True,
                )
            )
    with tempfile.TemporaryDirectory() as folder:
        rows = paid(Path(folder), lines, prices=[price("core", "year")])
    assert len(rows) == len(changes)
    for index, (day, seats) in enumerate(changes):
        row = rows.iloc[index]
        assert row["started_at"] == start + pd.Timedelta(days=day)
        assert row["seats"] == seats
        # Each proration is rounded to a cent, for the rest of the year.
        slack = 0.01 * 2 * (index + 1) * days / (days - day) / 12
        assert row["mrr"] == pytest.approx(cents * seats / 1200, abs=slack + 1e-9)
