"""The range of what customers will bring, in closed form, against futures drawn one by one."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import PurchaseModel, SpendModel, purchase_history, value_customers
from models.base.inputs import FloatArray
from models.clv.order_interval import value_range
from tests.examples import examples
from tests.models.clv.test_beta_geo import simulated

WEEKS, DRAWS = 60.0, 8000
TERMS: dict[str, Any] = {"horizon_months": 12, "margin": 0.5, "annual_discount_rate": 0.1}


@pytest.fixture(scope="module")
def history() -> pd.DataFrame:
    return purchase_history(
        simulated(400, r=1.0, alpha=8.0, a=0.6, b=3.0, seed=3), until="2025-01-01"
    )


@pytest.fixture(scope="module")
def purchases(history: pd.DataFrame) -> PurchaseModel:
    return PurchaseModel().fit(history)


@pytest.fixture(scope="module")
def spend(history: pd.DataFrame) -> SpendModel:
    return SpendModel().fit(history)


def drawn_purchases(history: pd.DataFrame, model: PurchaseModel) -> FloatArray:
    """Draw futures by their causes: is the customer there, its rate, its chance of leaving."""
    rng = np.random.default_rng(1)
    x, age = (history[name].to_numpy(float)[:, None] for name in ("repeats", "age_weeks"))
    size = (len(x), DRAWS)
    if model.basis_ == "mean rate":
        rate = rng.gamma(x + 1.0, 1.0 / (age + 1.0 / model.rate_), size)
        return np.asarray(rng.poisson(WEEKS * rate), dtype=float)
    would = rng.poisson(rng.gamma(model.r_ + x, WEEKS / (model.alpha_ + age), size))
    leaves = np.clip(rng.beta(model.a_, model.b_ + x, size), 1e-9, 1.0)
    stays = np.minimum(would, rng.geometric(leaves))
    return np.asarray(stays * (rng.random(size) < model.alive(history)[:, None]), dtype=float)


def drawn_totals(history: pd.DataFrame, many: FloatArray, model: SpendModel) -> FloatArray:
    rng = np.random.default_rng(2)
    x = history["repeats"].to_numpy(float)[:, None]
    worth = x * np.nan_to_num(history["mean_spend"].to_numpy(float))[:, None]
    rate = rng.gamma(model.q_ + model.p_ * x, 1.0 / (model.v_ + worth), many.shape)
    return np.asarray(rng.gamma(model.p_ * many) / rate)


@pytest.mark.slow
def test_futures_drawn_by_their_causes_have_the_expected_mean(
    history: pd.DataFrame, purchases: PurchaseModel, spend: SpendModel
) -> None:
    many = drawn_purchases(history, purchases)
    expected = purchases.expected(history, [WEEKS])[:, 0]
    assert many.mean() == pytest.approx(expected.mean(), rel=0.01)
    soon = purchases.order_probability(history, WEEKS)
    assert (many > 0).mean(axis=1) == pytest.approx(soon, abs=0.03)
    totals = drawn_totals(history, many, spend)
    assert totals.mean() == pytest.approx((expected * spend.expected(history)).mean(), rel=0.02)
    for n in (1, 2, 5, 20):
        result = purchases.at_least(history["repeats"], history["age_weeks"], WEEKS, n)
        result = result * purchases.alive(history)
        assert (many >= n).mean(axis=1) == pytest.approx(result, abs=0.03)


@pytest.mark.parametrize(
    "p, q",
    [(None, None), (0.2, 3.0), (900.0, 60.0)],
    ids=["as fitted", "worth varies widely", "every purchase is worth nearly the same"],
)
@pytest.mark.slow
def test_95_in_100_drawn_futures_lie_inside(
    history: pd.DataFrame,
    purchases: PurchaseModel,
    spend: SpendModel,
    p: float | None,
    q: float | None,
) -> None:
    if p is not None and q is not None:
        spend = deepcopy(spend)
        spend.p_, spend.q_, spend.v_ = p, q, 20.0 * (q - 1.0) / p
    totals = drawn_totals(history, drawn_purchases(history, purchases), spend)
    found = value_range(history, purchases, spend, WEEKS)
    below, above = totals < found.low[:, None], totals > found.high[:, None]
    buys, comes = found.high > 0, found.low > 0
    assert buys.sum() > 100 and comes.sum() > 3
    assert above[buys].mean() == pytest.approx(0.025, abs=0.001)
    assert above.mean(axis=1)[buys] == pytest.approx(0.025, abs=0.009)
    assert below[comes].mean() == pytest.approx(0.025, abs=0.003)
    # Where nothing is the end, at most this many futures hold anything.
    assert (totals[~buys] > 0).mean(axis=1).max(initial=0.0) < 0.034
    assert (totals[~comes] == 0).mean(axis=1).min() > 0.016


@pytest.mark.slow
def test_where_each_purchase_is_worth_the_same_their_number_decides(
    history: pd.DataFrame, purchases: PurchaseModel
) -> None:
    equal = history.assign(mean_spend=history["mean_spend"].where(history["repeats"] == 0, 25.0))
    spend = SpendModel().fit(equal.assign(spent=25.0 * (equal["repeats"] + 1)))
    assert spend.basis_ == "mean spend"
    many = drawn_purchases(history, purchases)
    found = value_range(equal, purchases, spend, WEEKS)
    for tail, result in ((0.975, found.low), (0.025, found.high)):
        count = np.round(result / spend.expected(equal))[:, None]
        # The least number that is exceeded in no more than the tail.
        assert (many > count).mean(axis=1).max() < tail + 0.009
        assert (many >= count).mean(axis=1).min() > tail - 0.009


def test_a_mean_rate_has_a_range_too() -> None:
    few = purchase_history(simulated(12, r=1.0, alpha=8.0, a=0.6, b=3.0), until="2025-01-01")
    purchases, spend = PurchaseModel().fit(few), SpendModel().fit(few)
    assert (purchases.basis_, spend.basis_) == ("mean rate", "mean spend")
    many = drawn_purchases(few, purchases) * spend.expected(few)[:, None]
    found = value_range(few, purchases, spend, WEEKS)
    inside = (many >= found.low[:, None] - 1e-9) & (many <= found.high[:, None] + 1e-9)
    assert inside.mean(axis=1).min() > 0.94


@settings(max_examples=examples(10), deadline=None)
@given(seed=st.integers(0, 10_000), pieces=st.integers(1, 5))
def test_a_value_hangs_on_the_customer_alone(
    history: pd.DataFrame, purchases: PurchaseModel, spend: SpendModel, seed: int, pieces: int
) -> None:
    whole = value_customers(history, purchases, spend, **TERMS)
    order = np.random.default_rng(seed).permutation(len(history))
    parts = [
        value_customers(history.iloc[own], purchases, spend, **TERMS)
        for own in np.array_split(order, pieces)
    ]
    again = pd.concat(parts).loc[history.index]
    pd.testing.assert_frame_equal(whole, again, rtol=1e-9)


def test_a_customer_of_very_many_purchases_has_a_range() -> None:
    rows = {"repeats": [900.0, 0.0], "recency_weeks": [150.0, 0.0], "age_weeks": [150.0, 0.0]}
    history = pd.DataFrame(rows).assign(mean_spend=[10.0, np.nan], spent=[9010.0, 10.0])
    purchases, spend = PurchaseModel(), SpendModel()
    purchases.basis_, spend.basis_ = "bg/nbd", "gamma-gamma"
    purchases.r_, purchases.alpha_, purchases.a_, purchases.b_ = 0.5, 0.002, 0.1, 9.0
    spend.p_, spend.q_, spend.v_ = 6.0, 4.0, 16.0
    found = value_range(history, purchases, spend, WEEKS)
    expected = purchases.expected(history, [WEEKS])[:, 0] * spend.expected(history)
    assert (found.low < expected).all() and (expected < found.high).all()
    # 900 in 150 weeks, all but surely there: about 360 more, give or take little.
    assert found.high[0] / found.low[0] < 2


_LOGS = {"r": (-5, 5), "alpha": (-5, 5), "a": (-6, 6), "b": (-6, 6), "p": (-7, 7), "v": (-3, 6)}


@settings(max_examples=examples(25), deadline=None)
@given(
    logs=st.fixed_dictionaries({name: st.floats(*ends) for name, ends in _LOGS.items()}),
    log_q=st.floats(0.01, 7),
    weeks=st.sampled_from([4.0, 52.0, 156.0]),
)
def test_whatever_the_parameters_the_range_is_one(
    logs: dict[str, float], log_q: float, weeks: float
) -> None:
    rows = {"repeats": [0.0, 1.0, 3.0, 40.0], "recency_weeks": [0.0, 2.0, 30.0, 39.0]}
    history = pd.DataFrame(rows).assign(
        age_weeks=[20.0, 50.0, 40.0, 40.0], mean_spend=[np.nan, 5.0, 80.0, 20.0], spent=1.0
    )
    purchases, spend = PurchaseModel(), SpendModel()
    purchases.basis_, spend.basis_ = "bg/nbd", "gamma-gamma"
    fitted = {name: float(np.exp(value)) for name, value in logs.items()}
    for name in ("r", "alpha", "a", "b"):
        setattr(purchases, f"{name}_", fitted[name])
    spend.p_, spend.q_, spend.v_ = fitted["p"], float(np.exp(log_q)), fitted["v"]
    found = value_range(history, purchases, spend, weeks)
    soon = purchases.order_probability(history, weeks)
    assert np.isfinite(found.high).all() and (found.low >= 0).all()
    assert (found.low <= found.high).all()
    assert ((found.high > 0) == (soon > 0.025)).all() and ((found.low > 0) == (soon > 0.975)).all()
    wider = value_range(history, purchases, spend, weeks, level=0.99)
    assert (wider.low <= found.low).all() and (found.high <= wider.high).all()
