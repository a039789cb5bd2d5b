"""The range of one customer's value against outcomes drawn one by one."""

from __future__ import annotations

import numpy as np
import pytest

from models import PeerGrowth, PeerSurvival, ValueTerms, lifetime_value
from models.clv.customer_range import customer_range
from models.clv.growth import GROWTH_MONTHS
from models.survival.peer_survival import DAYS_PER_MONTH

TERMS = ValueTerms(24, 0.1)
MONTHS = np.arange(1, 25)


@pytest.fixture(scope="module")
def survival() -> PeerSurvival:
    rng = np.random.default_rng(0)
    lives = np.minimum(rng.exponential(500, 2000), 900)
    return PeerSurvival().fit(lives, lives < 900, groups=["A"] * 2000)


@pytest.fixture(scope="module")
def growth() -> PeerGrowth:
    rng = np.random.default_rng(1)
    before = rng.uniform(50, 500, 4000)
    after = before * np.exp(rng.normal(0.01, 0.05, 4000))
    return PeerGrowth().fit(before, after, np.full(4000, DAYS_PER_MONTH), groups=["A"] * 4000)


@pytest.mark.parametrize("chance", [0.02, 0.15, 0.5, np.nan])
def test_drawn_outcomes_lie_within_it_as_often_as_it_says(
    survival: PeerSurvival, growth: PeerGrowth, chance: float
) -> None:
    found = customer_range(
        [100.0], [chance], [120.0], ["A"], survival, terms=TERMS, margin=0.8, growth=growth
    )
    curve = survival.account_survival([chance], [120.0], ["A"], MONTHS * DAYS_PER_MONTH)[0]
    rng = np.random.default_rng(2)
    stays = rng.random(20_000)[:, None] < curve[None, :]
    steps = rng.normal(growth.net(["A"])[0], growth.account_sd(["A"])[0], stays.shape)
    steps[:, GROWTH_MONTHS:] -= growth.net(["A"])[0]
    index = np.exp(np.cumsum(steps, axis=1))
    outcomes = (stays * index * 1.1 ** (-MONTHS / 12.0)).sum(axis=1) * 100.0 * 0.8
    within = ((outcomes >= found.low[0] - 1e-6) & (outcomes <= found.high[0])).mean()
    assert 0.93 < within < 0.995


def test_it_is_wider_than_the_expectation_and_around_it(
    survival: PeerSurvival, growth: PeerGrowth
) -> None:
    p, tenure, groups = [0.01, 0.2, 0.6], [30.0, 400.0, 800.0], ["A", "A", "new"]
    curves = survival.account_survival(p, tenure, groups, MONTHS * DAYS_PER_MONTH)
    index = growth.index(groups, MONTHS)
    value = lifetime_value([50.0] * 3, curves, margin=1.0, annual_discount_rate=0.1, growth=index)
    found = customer_range(
        [50.0] * 3, p, tenure, groups, survival, terms=TERMS, margin=1.0, growth=growth
    )
    assert (found.low < value).all()
    assert (found.high > value).all()
    assert found.low[2] == pytest.approx(0.0, abs=1e-6)


def test_it_scales_with_money_and_is_the_same_whoever_else_is_asked_about(
    survival: PeerSurvival,
) -> None:
    p, tenure = [0.05, 0.3, np.nan], [10.0, 700.0, 90.0]
    every = customer_range([100.0] * 3, p, tenure, ["A"] * 3, survival, terms=TERMS, margin=1.0)
    alone = customer_range([200.0], [0.3], [700.0], ["A"], survival, terms=TERMS, margin=0.5)
    assert alone.low[0] == pytest.approx(every.low[1])
    assert alone.high[0] == pytest.approx(every.high[1])
