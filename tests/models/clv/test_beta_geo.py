"""BG/NBD and Gamma-Gamma against published figures, and where they give way."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from models import PurchaseModel, SpendModel, order_lifetime, order_value, purchase_history
from models.base.inputs import ModelInputError
from tests.models.conftest import shared

CALIBRATED = pd.Timestamp("1997-10-01")
WEEKS = 39


@pytest.fixture(scope="module")
def cdnow() -> pd.DataFrame:
    frame = pd.read_csv(
        shared("cdnow/CDNOW_sample.txt"),
        sep=r"\s+",
        names=["master", "account_id", "ordered_at", "cds", "amount"],
        dtype={"account_id": str, "ordered_at": str},
    )
    return frame.assign(ordered_at=pd.to_datetime(frame["ordered_at"], format="%Y%m%d"))


@pytest.fixture(scope="module")
def history(cdnow: pd.DataFrame) -> pd.DataFrame:
    return purchase_history(cdnow, until=CALIBRATED)


def test_bg_nbd_on_cdnow_has_the_published_parameters(history: pd.DataFrame) -> None:
    model = PurchaseModel().fit(history)
    assert model.basis_ == "bg/nbd" and model.message_ == ""
    found = [model.r_, model.alpha_, model.a_, model.b_]
    assert found == pytest.approx([0.243, 4.414, 0.793, 2.426], abs=0.006)
    assert model.log_likelihood_ == pytest.approx(-9582.4, abs=0.1)


def test_gamma_gamma_on_cdnow_has_the_published_parameters(history: pd.DataFrame) -> None:
    model = SpendModel().fit(history)
    assert model.basis_ == "gamma-gamma"
    assert [model.p_, model.q_, model.v_] == pytest.approx([6.25, 3.74, 15.44], abs=0.05)


def test_cdnow_holdout_of_39_weeks(cdnow: pd.DataFrame, history: pd.DataFrame) -> None:
    end = CALIBRATED + pd.Timedelta(weeks=WEEKS)
    later = purchase_history(cdnow, until=end)["repeats"] - history["repeats"]
    predicted = PurchaseModel().fit(history).expected(history, [WEEKS])[:, 0]
    assert later.sum() == pytest.approx(1882, abs=8)
    assert predicted.sum() == pytest.approx(1653, abs=5)
    assert np.abs(predicted - later).mean() == pytest.approx(0.786, abs=0.005)


def simulated(n: int, *, r: float, alpha: float, a: float, b: float, seed: int = 0) -> pd.DataFrame:
    """Orders over two years of customers who live by BG/NBD."""
    rng = np.random.default_rng(seed)
    rate, leave = rng.gamma(r, 1 / alpha, n), rng.beta(a, b, n)
    rows = []
    for who in range(n):
        at, start = 0.0, rng.uniform(0, 26)
        mean = 20 / rng.gamma(4.0)
        while at + start < 104:
            rows.append((f"C{who}", at + start, mean * rng.gamma(6.0)))
            at += rng.exponential(1 / rate[who])
            if len(rows) > 1 and rng.random() < leave[who] and at > 0:
                break
    frame = pd.DataFrame(rows, columns=["account_id", "week", "amount"])
    start_of_all = pd.Timestamp("2024-01-01")
    return frame.assign(ordered_at=start_of_all + pd.to_timedelta(frame["week"] * 7, unit="D"))


def test_expected_purchases_agree_with_what_followed() -> None:
    orders = simulated(1500, r=1.0, alpha=8.0, a=0.6, b=3.0)
    until, end = pd.Timestamp("2025-01-01"), pd.Timestamp("2025-12-28")
    known = purchase_history(orders, until=until)
    later = purchase_history(orders, until=end).loc[known.index, "repeats"] - known["repeats"]
    model = PurchaseModel().fit(known)
    expected = model.expected(known, [10, (end - until).days / 7])
    assert expected[:, 1].sum() == pytest.approx(later.sum(), rel=0.08)
    assert (np.diff(expected, axis=1) >= 0).all()
    alive = model.alive(known)
    assert ((alive > 0) & (alive <= 1)).all()
    assert (alive[(known["repeats"] == 0).to_numpy()] == 1).all()


def test_too_few_who_came_back_give_way_with_a_message() -> None:
    orders = pd.DataFrame(
        {
            "account_id": ["A", "A", "B"],
            "ordered_at": pd.to_datetime(["2025-01-01", "2025-02-01", "2025-01-10"]),
            "amount": [10.0, 30.0, 20.0],
        }
    )
    known = purchase_history(orders, until="2025-06-01")
    model, spend = PurchaseModel().fit(known), SpendModel().fit(known)
    assert (model.basis_, spend.basis_) == ("mean rate", "mean spend")
    assert "1 customers bought again" in model.message_ and "mean spend" in spend.message_
    assert np.isnan(model.alive(known)).all()
    expected = model.expected(known, [4, 8])
    assert (expected[:, 1] == 2 * expected[:, 0]).all()
    assert spend.expected(known).tolist() == [30.0, 30.0]


def test_machines_that_buy_every_week_have_no_inner_maximum() -> None:
    weeks = pd.date_range("2025-01-01", periods=30, freq="7D")
    orders = pd.DataFrame(
        [(f"C{who}", day, 10.0) for who in range(40) for day in weeks],
        columns=["account_id", "ordered_at", "amount"],
    )
    known = purchase_history(orders, until="2025-08-01")
    model = PurchaseModel().fit(known)
    assert model.basis_ == "bg/nbd"
    assert "did not converge" in model.message_ and "a weak prior" in model.message_
    assert model.expected(known, [10])[:, 0] == pytest.approx(9.9, rel=0.05)


def test_order_value_is_the_discounted_sum() -> None:
    purchases = np.array([[1.0, 3.0]])
    value = order_value(purchases, np.array([50.0]), margin=0.5, annual_discount_rate=0.21)
    assert value[0] == pytest.approx(25 * (1 / 1.21 ** (1 / 12) + 2 / 1.21 ** (2 / 12)))


def test_history_counts_days_and_sees_nothing_later() -> None:
    orders = pd.DataFrame(
        {
            "account_id": ["A"] * 4,
            "ordered_at": pd.to_datetime(
                ["2025-01-01 08:00", "2025-01-01 18:00", "2025-01-15 00:00", "2025-03-01 00:00"]
            ),
            "amount": [1.0, 2.0, 4.0, 8.0],
        }
    )
    row = purchase_history(orders, until="2025-03-01").loc["A"]
    assert row.to_dict() == pytest.approx(
        {
            "repeats": 1,
            "recency_weeks": 2.0,
            "age_weeks": 58 / 7,
            "log_intervals": np.log(2.0),
            "mean_spend": 4.0,
            "spent": 7.0,
        }
    )
    with pytest.raises(ModelInputError, match="no purchase"):
        purchase_history(orders, until="2024-01-01")


def test_order_lifetime_values_every_customer(cdnow: pd.DataFrame) -> None:
    found = order_lifetime(
        cdnow, until=CALIBRATED, horizon_months=12, margin=0.3, annual_discount_rate=0.1
    )
    assert found.messages == ()
    table = found.table
    assert len(table) == 2357 and table.notna().all(axis=None)
    assert (table["total_value"] == table["past_value"] + table["clv"]).all()
    # The undiscounted value is purchases times spend times margin; discounting takes a little.
    most = table["expected_purchases"] * table["expected_spend"] * 0.3
    assert (table["clv"] <= most).all() and (table["clv"] >= 0.9 * most).all()


def test_order_lifetime_says_where_a_mean_stands_in() -> None:
    orders = pd.DataFrame(
        {
            "account_id": ["A", "A", "B"],
            "ordered_at": pd.to_datetime(["2025-01-01", "2025-02-01", "2025-01-10"]),
            "amount": [10.0, 30.0, 20.0],
        }
    )
    found = order_lifetime(
        orders, until="2025-06-01", horizon_months=12, margin=0.5, annual_discount_rate=0.1
    )
    assert len(found.messages) == 2 and found.table["alive_probability"].isna().all()
    assert (found.table["clv"] > 0).all()


def test_customers_of_regular_habits_are_expected_until_they_leave() -> None:
    rng = np.random.default_rng(0)
    rows = []
    for who in range(200):
        usual, week = min(1 / rng.gamma(0.8, 1 / 3.2), 60.0), rng.uniform(0, 60)
        while week < 130:
            rows.append((f"C{who}", pd.Timestamp("2022-06-01") + pd.Timedelta(weeks=week), 20.0))
            week += usual * rng.gamma(8.0) / 8.0
            if rng.random() < 0.03:
                break
    orders = pd.DataFrame(rows, columns=["account_id", "ordered_at", "amount"])
    until = pd.Timestamp("2024-06-01")
    known = purchase_history(orders, until=until)
    model = PurchaseModel().fit(known)
    assert model.basis_ == "bg/nbd"
    later = purchase_history(orders, until=until + pd.Timedelta(weeks=13))["repeats"]
    came = later.reindex(known.index) - known["repeats"]
    assert model.expected(known, [13])[:, 0].sum() == pytest.approx(came.sum(), rel=0.15)
    assert model.alive(known)[(came > 0).to_numpy()].mean() > 0.8
