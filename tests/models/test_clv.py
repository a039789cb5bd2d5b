from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.clv import (
    expected_loss,
    lifetime_value,
    lifetime_value_closed_form,
    lifetime_value_interval,
    probability_log_hazard_sd,
    simple_lifetime_value,
)
from models.inputs import ModelInputError

TERMS: dict[str, Any] = {"margin": 0.8, "annual_discount_rate": 0.1}


def test_by_hand() -> None:
    value = lifetime_value([100.0], [[0.9, 0.8]], margin=0.5, annual_discount_rate=0.21)
    assert value[0] == pytest.approx(50 * (0.9 / 1.21 ** (1 / 12) + 0.8 / 1.21 ** (2 / 12)))


@settings(deadline=None, max_examples=50)
@given(
    retention=st.floats(0.5, 0.98),
    rate=st.floats(0.0, 0.3),
    margin=st.floats(0.1, 1),
    mrr=st.floats(1, 1e5),
)
def test_the_sum_is_its_closed_form(
    retention: float, rate: float, margin: float, mrr: float
) -> None:
    curve = retention ** np.arange(1, 2001)
    terms = {"margin": margin, "annual_discount_rate": rate}
    summed = lifetime_value([mrr], curve[None, :], **terms)
    assert summed[0] == pytest.approx(float(lifetime_value_closed_form(mrr, retention, **terms)))


def test_growth_by_month_or_by_account() -> None:
    curves = np.full((2, 3), 0.9)
    growth = np.array([1.0, 1.1, 1.2])
    by_month = lifetime_value([10, 20], curves, growth=growth, **TERMS)
    by_account = lifetime_value([10, 20], curves, growth=np.tile(growth, (2, 1)), **TERMS)
    np.testing.assert_allclose(by_month, by_account)
    np.testing.assert_allclose(by_month, lifetime_value([10, 20], curves * growth, **TERMS))


def test_unknown_revenue_is_unknown_value() -> None:
    assert np.isnan(lifetime_value([np.nan], [[0.9]], **TERMS)[0])
    assert lifetime_value([0.0], [[0.9]], **TERMS)[0] == 0


@settings(deadline=None, max_examples=50)
@given(sd=st.floats(0, 2), retention=st.floats(0.5, 0.999))
def test_the_interval_holds_the_value(sd: float, retention: float) -> None:
    curve = retention ** np.arange(1, 37)[None, :]
    result = lifetime_value_interval([100.0], curve, sd, **TERMS)
    assert result.low[0] <= result.value[0] <= result.high[0]
    assert result.low[0] >= 0
    assert result.high[0] <= 100 * 0.8 * 36


def test_the_interval_is_what_resampling_gives() -> None:
    curve = 0.96 ** np.arange(1, 37)
    result = lifetime_value_interval([100.0], curve[None, :], 0.3, **TERMS)
    factors = np.exp(0.3 * np.random.default_rng(0).normal(size=20_000))
    drawn = lifetime_value(np.full(20_000, 100.0), curve ** factors[:, None], **TERMS)
    low, high = np.quantile(drawn, [0.025, 0.975])
    assert (result.low[0], result.high[0]) == pytest.approx((low, high), rel=0.01)


def test_the_interval_with_growth_is_what_resampling_gives() -> None:
    curve, months = 0.97 ** np.arange(1, 37), np.arange(1, 37)
    growth, sd = 1.004**months, 0.004
    result = lifetime_value_interval(
        [100.0], curve[None, :], 0.25, growth=growth, growth_sd=sd, **TERMS
    )
    rng = np.random.default_rng(0)
    hazards = curve ** np.exp(0.25 * rng.normal(size=(20_000, 1)))
    paths = growth * np.exp(sd * rng.normal(size=(20_000, 1)) * months)
    drawn = lifetime_value(np.full(20_000, 100.0), hazards, growth=paths, **TERMS)
    low, high = np.quantile(drawn, [0.025, 0.975])
    assert (result.low[0], result.high[0]) == pytest.approx((low, high), rel=0.02)
    plain = lifetime_value_interval([100.0], curve[None, :], 0.25, growth=growth, **TERMS)
    assert result.low[0] < plain.low[0] and plain.high[0] < result.high[0]


def test_a_spread_of_log_odds_becomes_one_of_log_hazard() -> None:
    p, step = 0.2, 1e-6
    z = np.log(p / (1 - p))

    def log_hazard(logit: float) -> float:
        return float(np.log(np.logaddexp(0, logit)))

    slope = (log_hazard(z + step) - log_hazard(z - step)) / (2 * step)
    assert probability_log_hazard_sd([p], 0.5)[0] == pytest.approx(0.5 * slope, rel=1e-6)
    assert np.isfinite(probability_log_hazard_sd([0.0, 1.0], 0.5)).all()


def test_loss_is_a_years_revenue_at_risk() -> None:
    loss = expected_loss([0.0, 0.25, 0.5, np.nan], np.full(4, 200.0))
    np.testing.assert_allclose(loss[:3], [0, 600, 1200])
    assert np.isnan(loss[3])


def test_simple_value_golden() -> None:
    assert simple_lifetime_value(100, 0.05) == pytest.approx(2000)
    assert np.isnan(simple_lifetime_value(100, 0.0))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"margin": 80}, "margin: is 80"),
        ({"annual_discount_rate": -1}, "discount rate"),
        ({"survival": [0.9]}, "survival: has shape"),
        ({"growth": [1, 1, 1]}, "growth: has shape"),
    ],
)
def test_bad_input(change: dict[str, Any], message: str) -> None:
    arguments = {"mrr": [1.0], "survival": [[0.9, 0.8]], **TERMS, **change}
    with pytest.raises(ModelInputError, match=message):
        lifetime_value(**arguments)
