from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.base.inputs import ModelInputError
from models.clv.lifetime_value import expected_loss, lifetime_value

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
    monthly = (1 + rate) ** (1 / 12) - 1
    closed_form = mrr * margin * retention / (1 + monthly - retention)
    assert summed[0] == pytest.approx(closed_form)


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


def test_loss_is_a_years_revenue_at_risk() -> None:
    loss = expected_loss([0.0, 0.25, 0.5, np.nan], np.full(4, 200.0))
    np.testing.assert_allclose(loss[:3], [0, 600, 1200])
    assert np.isnan(loss[3])


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
