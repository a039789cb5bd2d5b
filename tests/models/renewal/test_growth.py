"""Growth goes on as far as it went on in past months."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from models.base.inputs import ModelInputError
from models.renewal.growth import DampedGrowth


def customers(months: int, *, growing: int, rate: float = 0.1, each: int = 10) -> np.ndarray:
    """Return what accounts pay that start in every month and grow in their first months."""
    table = np.zeros((months * each, months))
    for start in range(months):
        age = np.arange(months - start)
        table[start * each : (start + 1) * each, start:] = (1 + rate) ** np.minimum(age, growing)
    return table


def test_growth_that_never_ended_goes_on() -> None:
    assert DampedGrowth.of(customers(24, growing=24)) == DampedGrowth(1.0, 12)


def test_growth_of_first_months_ends() -> None:
    table = customers(24, growing=3)
    found = DampedGrowth.of(table[:, :13])
    assert found.damping < 1
    # A year later, those that paid then pay what was forecast, and not what the growth of all
    # account-months comes to if it goes on.
    before, after = table[:, 11:12], table[:, 12:13]
    stayed = before > 0
    usual = after[stayed].sum() / before[stayed].sum() - 1
    forecast = np.prod([1 + usual * found.share(ahead) for ahead in range(11)])
    own = table[:, 12] > 0
    actual = table[own, 23].sum() / table[own, 12].sum()
    assert abs(forecast - actual) < abs((1 + usual) ** 11 - actual) / 2


@pytest.mark.parametrize("months", [0, 1, 2, 3])
def test_without_a_past_growth_ends_after_a_month(months: int) -> None:
    found = DampedGrowth.of(np.ones((50, months)))
    assert [found.share(ahead) for ahead in (0, 1, 11)] == [1.0, 0.0, 0.0]


def test_no_growth_further_ahead_than_it_was_observed() -> None:
    found = DampedGrowth.of(customers(8, growing=8))
    assert 1 < found.months < 7
    assert found.share(found.months - 1) > 0 and found.share(found.months) == 0


@given(
    arrays(float, (12, 9), elements=st.floats(0, 1e6).map(lambda paid: round(paid, 2))),
    st.floats(0.01, 100),
)
def test_the_share_never_rises_whatever_was_paid(paid: np.ndarray, times: float) -> None:
    found = DampedGrowth.of(paid)
    shares = [found.share(ahead / 2) for ahead in range(30)]
    assert shares[0] == 1 and min(shares) >= 0
    assert all(later <= earlier for earlier, later in pairwise(shares))
    assert DampedGrowth.of(paid[::-1]).months == found.months
    assert DampedGrowth.of(paid * times).months == found.months


@pytest.mark.parametrize("paid", [[1.0, 2.0], [[1.0, -1.0]], [[1.0, float("nan")]]])
def test_what_is_no_table_of_amounts_is_refused(paid: list[object]) -> None:
    with pytest.raises(ModelInputError, match="a row per account and a column per month"):
        DampedGrowth.of(paid)
