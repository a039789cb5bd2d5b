"""What customers without a contract are worth: expected, drawn, and held against what came."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from models import PurchaseModel, SpendModel, purchase_history, value_customers
from tests.models.clv.test_beta_geo import simulated

UNTIL, END = pd.Timestamp("2025-01-01"), pd.Timestamp("2025-12-28")
MONTHS = 12


@pytest.fixture(scope="module")
def orders() -> pd.DataFrame:
    return simulated(1500, r=1.0, alpha=8.0, a=0.6, b=3.0)


@pytest.fixture(scope="module")
def history(orders: pd.DataFrame) -> pd.DataFrame:
    return purchase_history(orders, until=UNTIL)


@pytest.fixture(scope="module")
def fitted(history: pd.DataFrame) -> tuple[PurchaseModel, SpendModel]:
    return PurchaseModel().fit(history), SpendModel().fit(history)


def test_the_interval_holds_what_customers_brought(
    orders: pd.DataFrame,
    history: pd.DataFrame,
    fitted: tuple[PurchaseModel, SpendModel],
) -> None:
    value = value_customers(
        history, *fitted, horizon_months=MONTHS, margin=1.0, annual_discount_rate=0.0
    )
    later = orders[(orders["ordered_at"] >= UNTIL) & (orders["ordered_at"] < END)]
    came = later.groupby("account_id")["amount"].sum().reindex(history.index).fillna(0.0)
    inside = came.between(value["clv_low"] - 1e-9, value["clv_high"] + 1e-9)
    assert inside.mean() == pytest.approx(0.95, abs=0.025)
    often = history["repeats"] > 5
    assert inside[often].mean() == pytest.approx(0.95, abs=0.04)
    assert value["clv"].sum() == pytest.approx(came.sum(), rel=0.12)


def test_the_chance_of_having_left_is_the_sum_of_its_terms(
    history: pd.DataFrame, fitted: tuple[PurchaseModel, SpendModel]
) -> None:
    parts = fitted[0].left_contributions(history)
    back = (history["repeats"] > 0).to_numpy()
    assert parts[~back].isna().all(axis=None) and parts[back].notna().all(axis=None)
    left = 1 / (1 + np.exp(-parts[back].sum(axis=1)))
    assert left.to_numpy() == pytest.approx(1 - fitted[0].alive(history)[back], abs=1e-6)
    assert (parts.loc[back, "returns"] <= 0).all() and (parts.loc[back, "silence"] >= 0).all()


def test_a_customer_gone_beyond_doubt_keeps_a_finite_chance(
    fitted: tuple[PurchaseModel, SpendModel],
) -> None:
    gone = pd.DataFrame({"repeats": [400.0], "recency_weeks": [50.0], "age_weeks": [104.0]})
    parts = fitted[0].left_contributions(gone)
    assert parts.sum(axis=1).iloc[0] == pytest.approx(15.0)


def test_a_refund_lowers_the_purchase_before_it_and_is_none() -> None:
    rows = [
        ("A", "2024-01-01", 50.0),
        ("A", "2024-02-01", 40.0),
        ("A", "2024-02-09", -15.0),
        ("A", "2024-03-01", 30.0),
        ("B", "2024-01-02", -5.0),
        ("B", "2024-01-09", 20.0),
    ]
    orders = pd.DataFrame(rows, columns=["account_id", "ordered_at", "amount"])
    orders["ordered_at"] = pd.to_datetime(orders["ordered_at"])
    history = purchase_history(orders, until="2024-04-01")
    assert history["repeats"].tolist() == [2, 0]
    assert history.loc["A", "mean_spend"] == pytest.approx((25.0 + 30.0) / 2)
    assert history["spent"].tolist() == [105.0, 15.0]


@pytest.mark.parametrize("amount", [0.0, 25.0])
def test_equal_amounts_give_way_to_the_mean(amount: float) -> None:
    orders = simulated(200, r=1.0, alpha=8.0, a=0.6, b=3.0).assign(amount=amount)
    days = orders.assign(ordered_at=orders["ordered_at"].dt.normalize())
    once = days.drop_duplicates(["account_id", "ordered_at"])
    history = purchase_history(once, until=UNTIL)
    spend = SpendModel().fit(history)
    assert spend.basis_ == "mean spend" and spend.message_
    assert spend.expected(history) == pytest.approx(amount)


def test_customers_of_yesterday_tell_no_rate() -> None:
    history = pd.DataFrame(
        {
            "repeats": [0.0] * 30,
            "recency_weeks": 0.0,
            "age_weeks": 0.1,
            "mean_spend": np.nan,
            "spent": 5.0,
        }
    )
    model = PurchaseModel().fit(history)
    assert model.basis_ == "none" and "not known yet" in model.message_
    value = value_customers(
        history,
        model,
        SpendModel().fit(history),
        horizon_months=MONTHS,
        margin=0.5,
        annual_discount_rate=0.1,
    )
    assert value["clv"].isna().all() and (value["past_value"] == 2.5).all()
