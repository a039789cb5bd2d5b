"""Customers who buy regularly: the shape of the time between two purchases is learned."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from models import PurchaseModel, SpendModel, value_customers
from models.base.inputs import FloatArray

LATER = 20.0


@dataclass(frozen=True)
class Lived:
    """Customers as known on a day, and whether and how often they bought in the weeks after."""

    history: pd.DataFrame
    alive: FloatArray
    later: FloatArray


def lived(n: int, k: int, *, seed: int = 0) -> Lived:
    """Simulate BG/CNBD-k: a purchase takes k random steps, and may be the last one."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(n):
        rate, leaves, age = rng.gamma(2.0, k / 12.0), rng.beta(0.8, 8.0), rng.uniform(40.0, 80.0)
        at, x, last, logs, later, alive, stays = 0.0, 0, 0.0, 0.0, 0, True, True
        while stays:
            wait = rng.gamma(k, 1.0 / rate)
            at += wait
            if at > age + LATER:
                break
            stays = rng.random() >= leaves
            if at <= age:
                x, last, logs, alive = x + 1, at, logs + np.log(wait), stays
            else:
                later += 1
        rows.append((x, last, age, logs, alive, later))
    columns = ["repeats", "recency_weeks", "age_weeks", "log_intervals", "alive", "later"]
    found = pd.DataFrame(rows, columns=columns).astype(float)
    spent = {"mean_spend": np.where(found["repeats"] > 0, 20.0, np.nan), "spent": 20.0}
    history = found[columns[:4]].assign(**spent)
    return Lived(history, found["alive"].to_numpy(), found["later"].to_numpy())


@pytest.fixture(scope="module")
def regular() -> Lived:
    return lived(1500, 4)


@pytest.fixture(scope="module")
def fitted(regular: Lived) -> PurchaseModel:
    return PurchaseModel().fit(regular.history)


def test_regular_customers_are_recognised_and_random_ones_too(
    regular: Lived, fitted: PurchaseModel
) -> None:
    assert fitted.regularity_ in (3, 4, 6) and fitted.basis_ == "bg/nbd"
    without = PurchaseModel().fit(regular.history.drop(columns="log_intervals"))
    assert without.regularity_ == 1
    assert fitted.log_likelihood_ > without.log_likelihood_ + 100
    assert PurchaseModel().fit(lived(1500, 1, seed=1).history).regularity_ == 1


def test_regularity_predicts_what_followed(regular: Lived, fitted: PurchaseModel) -> None:
    history = regular.history
    expected = fitted.expected(history, [LATER / 2, LATER])
    assert (np.diff(expected, axis=1) >= 0).all()
    assert expected[:, 1].sum() == pytest.approx(regular.later.sum(), rel=0.05)
    soon = fitted.order_probability(history, LATER)
    assert soon.sum() == pytest.approx((regular.later > 0).sum(), rel=0.05)
    random = PurchaseModel().fit(history.drop(columns="log_intervals"))
    came = regular.later > 0
    assert roc_auc_score(came, soon) > roc_auc_score(came, random.order_probability(history, LATER))
    error = np.abs(expected[:, 1] - regular.later).mean()
    assert error < np.abs(random.expected(history, [LATER])[:, 0] - regular.later).mean()


def test_the_chance_of_having_left_is_calibrated_and_its_parts_sum(
    regular: Lived, fitted: PurchaseModel
) -> None:
    back = regular.history["repeats"] > 0
    alive = fitted.alive(regular.history)
    assert alive[back].mean() == pytest.approx(regular.alive[back].mean(), abs=0.03)
    assert roc_auc_score(regular.alive[back], alive[back]) > 0.9
    parts = fitted.left_contributions(regular.history)
    total = parts[back].sum(axis=1)
    logit = np.log1p(-alive[back]) - np.log(alive[back])
    sure = np.abs(logit) < 14
    np.testing.assert_allclose(total[sure], logit[sure], rtol=0, atol=1e-6)
    assert (parts.loc[back, "silence"] >= 0).all() and (parts.loc[back, "returns"] <= 1e-9).all()


def test_one_step_is_bg_nbd() -> None:
    model = PurchaseModel()
    model.basis_, model.regularity_ = "bg/nbd", 1
    model.r_, model.alpha_, model.a_, model.b_ = 0.7, 5.0, 0.8, 3.0
    x, age = np.array([[0.0], [2.0], [9.0]]), np.array([[10.0], [40.0], [60.0]])
    weeks = np.array([[4.0, 30.0]])
    closed = model.expected_remaining(x[:, 0], age[:, 0], weeks[0])
    np.testing.assert_allclose(model._counted(x, age, weeks, age), closed, rtol=1e-3)


@given(
    k=st.sampled_from([2, 3, 8]),
    repeats=st.integers(0, 60),
    recency=st.floats(0.2, 100.0),
    silence=st.floats(0.0, 100.0),
    weeks=st.floats(0.1, 60.0),
)
def test_chances_are_chances_and_fall_with_the_count(
    k: int, repeats: int, recency: float, silence: float, weeks: float
) -> None:
    model = PurchaseModel()
    model.basis_, model.regularity_ = "bg/nbd", k
    model.r_, model.alpha_, model.a_, model.b_ = 1.2, 9.0, 0.8, 4.0
    last = recency if repeats else 0.0
    history = pd.DataFrame(
        {"repeats": [float(repeats)], "recency_weeks": [last], "age_weeks": [last + silence]}
    )
    chances = [
        float(model.at_least(repeats, last + silence, weeks, n, silence_weeks=silence))
        for n in (1, 2, 3, 10)
    ]
    assert all(0 <= low <= high <= 1 for high, low in pairwise(chances))
    soon, alive = model.order_probability(history, weeks)[0], model.alive(history)[0]
    assert soon == pytest.approx(alive * chances[0])
    assert model.expected(history, [weeks])[0, 0] >= soon - 1e-9
    later = history.assign(age_weeks=history["age_weeks"] + 5.0)
    assert model.alive(later)[0] <= alive + 1e-12


def test_ranges_of_values_cover_what_followed(regular: Lived, fitted: PurchaseModel) -> None:
    months = LATER * 7 / (365.25 / 12)
    spend = SpendModel().fit(regular.history)
    value = value_customers(
        regular.history, fitted, spend, horizon_months=round(months), margin=1.0,
        annual_discount_rate=0.0,
    )  # fmt: skip
    assert (value["clv_low"] <= value["clv"]).all() and (value["clv"] <= value["clv_high"]).all()
    share = round(months) / months
    paid = 20.0 * regular.later * share
    inside = (paid >= value["clv_low"] - 20.0) & (paid <= value["clv_high"] + 20.0)
    assert inside.mean() > 0.93
    shuffled = regular.history.sample(frac=1.0, random_state=1)
    again = value_customers(
        shuffled, fitted, spend, horizon_months=round(months), margin=1.0, annual_discount_rate=0.0
    )
    pd.testing.assert_frame_equal(again.sort_index(), value)
