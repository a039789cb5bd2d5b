"""The four outcomes of a renewal are one distribution, whose mean is the expected revenue."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import ModelInputError
from models.renewal.book_range import StayRatios
from models.renewal.outcomes import RenewalOutcomes

_CHANCES = st.lists(st.floats(0, 1), min_size=1, max_size=20)
_MULTIPLES = st.lists(st.floats(0.01, 5) | st.just(1.0), min_size=1, max_size=30)


@given(leaves=_CHANCES, multiples=_MULTIPLES, arr=st.floats(1, 1e6))
def test_the_chances_sum_to_one_and_the_revenue_is_their_sum(
    leaves: list[float], multiples: list[float], arr: float
) -> None:
    ratios = StayRatios(np.sort(multiples))
    each = RenewalOutcomes.of(leaves, ratios)
    chances = np.stack([each.leaves, each.contracts, each.flat, each.expands])
    assert ((chances >= 0) & (chances <= 1)).all()
    assert chances.sum(axis=0) == pytest.approx(1.0, abs=1e-12)
    assert each.leaves.tolist() == leaves
    amount = np.full(len(leaves), arr)
    paid = np.array([0.0, each.contracts_to, 1.0, each.expands_to])
    assert each.expected(amount) == pytest.approx(arr * (paid @ chances), rel=1e-12, abs=1e-9)
    # Nothing is lost between the parts: what is due is what is kept and what is not.
    parts = each.lost(amount) + each.given_up(amount) - each.added(amount)
    assert amount - parts == pytest.approx(each.expected(amount), rel=1e-9, abs=1e-9 * arr)
    assert each.expected(amount) == pytest.approx(
        arr * (1 - np.array(leaves)) * ratios.mean, rel=1e-9, abs=1e-9 * arr
    )
    assert each.contracts_to <= 1 <= each.expands_to


@given(leaves=st.floats(0, 1), multiples=_MULTIPLES, odds=st.floats(0.05, 20))
def test_relative_odds_of_expanding_change_the_rest_in_proportion(
    leaves: float, multiples: list[float], odds: float
) -> None:
    ratios = StayRatios(np.sort(multiples))
    usual = RenewalOutcomes.of([leaves], ratios)
    each = RenewalOutcomes.of([leaves], ratios, odds=[odds])
    assert each.leaves[0] == leaves
    total = each.leaves + each.contracts + each.flat + each.expands
    assert total[0] == pytest.approx(1.0, abs=1e-12)
    flat, contracts = (1 - leaves - usual.expands[0]), usual.contracts[0]
    if 1e-6 < usual.expands[0] < 1 - leaves - 1e-6:
        before = usual.expands[0] / (1 - leaves - usual.expands[0])
        after = each.expands[0] / (1 - leaves - each.expands[0])
        assert after / before == pytest.approx(odds, rel=1e-6)
        assert each.contracts[0] * flat == pytest.approx(
            contracts * (1 - leaves - each.expands[0]), abs=1e-9
        )


def test_a_part_of_a_period_changes_what_is_paid_and_no_chance() -> None:
    ratios = StayRatios(np.array([0.5, 1.0, 1.0, 1.4]))
    whole, half = (RenewalOutcomes.of([0.2], ratios, step=step) for step in (1.0, 0.5))
    assert (whole.contracts, whole.expands) == (half.contracts, half.expands)
    assert (half.contracts_to, half.expands_to) == (0.75, 1.2)
    unknown = RenewalOutcomes.of([np.nan], ratios)
    assert np.isnan(unknown.expected(np.ones(1))).all() and np.isnan(unknown.flat).all()


def test_a_chance_outside_of_its_range_is_refused() -> None:
    with pytest.raises(ModelInputError, match="outside 0-1"):
        RenewalOutcomes.of([1.2], StayRatios(np.ones(1)))
