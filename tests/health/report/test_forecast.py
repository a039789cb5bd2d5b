"""The forecast: every account once, totals that reconcile, ranges that cover what they promise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from health.report.background import Background
from health.report.forecast import (
    MONTHS_OF_YEAR,
    build_forecast,
    contraction,
    draw_range,
    known_to_leave,
)
from health.report.forecast_page import render_forecast
from health.report.revenue import RevenueMovements
from tests.health.sample_run import HOSTILE, SampleRun, sample_run


@pytest.fixture(scope="module")
def sample() -> SampleRun:
    sample = sample_run()
    scores = sample.scores
    gave_notice = scores.index[5:12]
    scores.loc[gave_notice, "stage"] = "leaving"
    scores.loc[gave_notice, ["churn_probability", "expected_loss"]] = np.nan
    scores.loc[scores.index[:3], "days_to_renewal"] = [-4.0, 364.6, 700.0]
    return sample


def test_every_account_is_in_one_row_and_the_totals_reconcile_to_mrr(sample: SampleRun) -> None:
    scores = sample.scores
    found = build_forecast(scores, sample.run, {})
    for table in (found.due, found.quarters):
        counted = table["accounts"].sum() + table["leaving_accounts"].sum()
        assert counted == len(scores)
        money = table["arr"].sum() + table["leaving_arr"].sum()
        assert money == pytest.approx(MONTHS_OF_YEAR * scores["mrr"].sum())
        assert table["loss"].sum() == pytest.approx(found.total["loss"])
    leaves = known_to_leave(scores)
    assert found.total["leaving_accounts"] == leaves.sum() == 7
    assert found.total["loss"] == pytest.approx(scores.loc[~leaves, "expected_loss"].sum())
    assert {"overdue", "later", "no date"} <= set(found.due["place"])


def test_the_bridge_adds_up(sample: SampleRun) -> None:
    periods = {pd.Timestamp("2026-11-01"): RevenueMovements(100.0, contraction=2.0)}
    bridge = build_forecast(sample.scores, sample.run, periods).bridge
    staying = sample.scores.loc[~known_to_leave(sample.scores), "mrr"].sum() * MONTHS_OF_YEAR
    assert bridge.contraction.value == pytest.approx(0.02 * staying)
    total = bridge.arr - bridge.leaving - bridge.loss.value - bridge.contraction.value
    assert bridge.expected.value == pytest.approx(total + bridge.expansion.value)
    assert bridge.expected.low < bridge.expected.value < bridge.expected.high


def test_contraction_is_the_mean_of_the_past_with_its_extremes() -> None:
    rates = (0.01, 0.03, 0.02)
    periods = {
        pd.Timestamp(2026, 1 + i, 1): RevenueMovements(1000.0, contraction=1000.0 * rate)
        for i, rate in enumerate(rates)
    }
    found = contraction({**periods, pd.Timestamp(2025, 1, 1): RevenueMovements(0.0)}, 500.0)
    assert (found.value, found.low, found.high) == pytest.approx((10.0, 5.0, 15.0))
    assert np.isnan(contraction({}, 500.0).value)


def test_a_range_covers_four_in_five_outcomes() -> None:
    rng = np.random.default_rng(3)
    chance = pd.Series(rng.beta(1, 9, 300))
    amount = pd.Series(rng.lognormal(7, 1, 300))
    ends = draw_range(chance, amount, seed=1).iloc[0]
    outcomes = (rng.random((4000, 300)) < chance.to_numpy()) @ amount.to_numpy()
    covered = np.mean((outcomes >= ends["low"]) & (outcomes <= ends["high"]))
    assert covered == pytest.approx(0.8, abs=0.03)
    assert ends["value"] == pytest.approx((chance * amount).sum())


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.one_of(st.none(), st.floats(0, 1)),
            st.floats(0, 1e6),
            st.sampled_from(["a", "b"]),
        ),
        max_size=20,
    )
)
def test_ranges_of_any_accounts_are_ordered_and_within_what_can_be_lost(
    rows: list[tuple[float | None, float, str]],
) -> None:
    frame = pd.DataFrame(rows, columns=["p", "a", "g"]).astype({"p": float, "a": float})
    found = draw_range(frame["p"], frame["a"], frame["g"])
    assert (found["low"] <= found["high"]).all()
    assert (found["low"] >= 0).all()
    most = frame[frame["p"].notna()].groupby("g")["a"].sum().reindex(found.index)
    assert (found["high"] <= most + 1e-6).all()
    assert (found["value"] <= most + 1e-6).all()


def test_the_page_states_its_totals_definitions_and_past(sample: SampleRun) -> None:
    monitor = pd.DataFrame(
        {
            "as_of": pd.to_datetime(["2026-05-03", "2026-05-10", "2026-06-28"]),
            "accounts": 190.0,
            "expected": 12.4,
            "churned": 11.0,
            "expected_loss": 90_000.0,
            "expected_loss_low": 60_000.0,
            "expected_loss_high": 120_000.0,
            "lost_arr": [70_000.0, 1.0, 130_000.0],
        }
    )
    html = render_forecast(
        sample.scores, sample.flags, sample.run, background=Background(monitor=monitor)
    )
    assert "Reconciliation: ARR due" in html
    for title in ("ARR today", "Known to leave", "Expected loss", "Expected expansion"):
        assert html.count(f">{title}</dt>") == 1
    # Weekly forecasts overlap: the one of 3 May is a week before that of 10 May.
    assert "28 Jun 2026" in html and "10 May 2026" in html and "3 May 2026" not in html
    assert "USD 130,000 (outside)" in html
    assert "<script" not in html.replace("&lt;script", "")
    assert HOSTILE[0] not in html
    assert "http" not in html.replace("http-equiv", "").replace(HOSTILE[1], "").replace(
        "http://link.example/account", ""
    ).replace("http://evil.example", "")


def test_without_a_probability_there_is_no_expected_loss(sample: SampleRun) -> None:
    scores = sample.scores.assign(churn_probability=np.nan, expected_loss=np.nan)
    churn = {"has_signal": False, "accounts": 384, "event_accounts": 2, "note": ""}
    judged = {"churn": {**churn, "event_accounts_needed": 10}}
    html = render_forecast(scores, sample.flags, {**sample.run, "evaluation": judged})
    left = "only 2 of 384 accounts with a known outcome left; a probability needs at least 10"
    assert left in html
    bridge = build_forecast(scores, sample.run, {}).bridge
    assert np.isnan(bridge.loss.value) and np.isnan(bridge.expected.value)


def test_without_terms_no_month_is_listed_and_the_page_states_why(sample: SampleRun) -> None:
    scores = sample.scores.assign(days_to_renewal=np.nan)
    html = render_forecast(scores, sample.flags, sample.run)
    table = html.partition("Renewals by quarter and month")[2].partition("</table>")[0]
    assert table.count('scope="row"') == 2  # without a date, and the total
    assert "Contraction" not in table
    assert "No account has a renewal date within twelve months" in html


def test_a_company_of_orders_has_its_own_forecast(sample: SampleRun, tmp_path: Path) -> None:
    scores = sample.scores.assign(
        monthly_orders=sample.scores["mrr"],
        orders_expected=2.5,
        order_probability=0.7,
        past_value=1000.0,
    )
    html = render_forecast(scores, sample.flags, {**sample.run, "business": "orders"})
    assert "Customers by their chance of having left" in html
    assert "ARR" not in html
    assert "Reconciliation: monthly orders of 200 customers" in html
