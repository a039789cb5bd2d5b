"""The interval of a lifetime value against draws made account by account."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, logit

from models import PeerGrowth, PeerSurvival, ValueTerms, lifetime_value, resampled_interval
from models.survival.peer_survival import DAYS_PER_MONTH

TERMS = ValueTerms(36, 0.1)
MONTHS = np.arange(1, 37)


@pytest.fixture(scope="module")
def survival() -> PeerSurvival:
    rng = np.random.default_rng(0)
    lives = np.minimum(rng.exponential(900, 1200), 700)
    return PeerSurvival().fit(lives, lives < 700, groups=np.where(np.arange(1200) % 3, "A", "B"))


@pytest.fixture(scope="module")
def growth() -> PeerGrowth:
    rng = np.random.default_rng(1)
    before = rng.uniform(50, 500, 800)
    after = before * rng.choice([1.0, 1.2], 800)
    return PeerGrowth().fit(before, after, np.full(800, 28.0), groups=["A", "B"] * 400)


def value_of(
    survival: PeerSurvival, p: list[float], tenure: list[float], groups: list[str]
) -> np.ndarray:
    curves = survival.account_survival(p, tenure, groups, MONTHS * DAYS_PER_MONTH)
    return lifetime_value(np.full(len(p), 80.0), curves, margin=1.0, annual_discount_rate=0.1)


def test_an_error_of_the_probability_alone_moves_the_value_as_drawing_it_does(
    survival: PeerSurvival,
) -> None:
    p, tenure, groups = [0.03, 0.11, 0.4], [10.0, 200.0, 500.0], ["A", "A", "B"]
    value = value_of(survival, p, tenure, groups)
    found = resampled_interval(
        value, p, tenure, groups, survival, terms=TERMS, logit_sd=0.8, n_draws=600
    )
    shift = 0.8 * np.random.default_rng(3).standard_normal(3000)
    for at in range(3):
        drawn = expit(logit(p[at]) + shift)
        several = value_of(
            survival, list(drawn), [tenure[at]] * 3000, [groups[at]] * 3000
        )  # the curve itself is not redrawn, and is well known here
        low, high = np.quantile(several, [0.025, 0.975])
        assert found.low[at] == pytest.approx(low, rel=0.1)
        assert found.high[at] == pytest.approx(high, rel=0.1)


def test_few_lives_widen_the_interval(survival: PeerSurvival) -> None:
    rng = np.random.default_rng(0)
    lives = np.minimum(rng.exponential(900, 80), 700)
    few = PeerSurvival().fit(lives, lives < 700)
    p, tenure, groups = [np.nan], [100.0], ["A"]
    widths = []
    for curves in (survival, few):
        value = value_of(curves, p, tenure, groups)
        found = resampled_interval(value, p, tenure, groups, curves, terms=TERMS)
        assert found.low[0] < value[0] < found.high[0]
        widths.append((found.high[0] - found.low[0]) / value[0])
    assert widths[1] > 2 * widths[0]


def test_growth_widens_the_interval(survival: PeerSurvival, growth: PeerGrowth) -> None:
    p, tenure, groups = [0.05], [300.0], ["A"]
    value = value_of(survival, p, tenure, groups)
    narrow = resampled_interval(value, p, tenure, groups, survival, terms=TERMS)
    wide = resampled_interval(value, p, tenure, groups, survival, terms=TERMS, growth=growth)
    assert wide.high[0] - wide.low[0] > narrow.high[0] - narrow.low[0]


def test_an_interval_does_not_hang_on_who_else_is_asked_for(survival: PeerSurvival) -> None:
    rng = np.random.default_rng(4)
    p, tenure = rng.beta(1, 15, 300), rng.uniform(0, 1500, 300)
    p[:20] = np.nan
    groups = rng.choice(["A", "B", "unseen"], 300)
    value = value_of(survival, list(p), list(tenure), list(groups))
    ask = {"survival": survival, "terms": TERMS, "logit_sd": 0.2}
    every = resampled_interval(value, p, tenure, groups, **ask)
    some = np.arange(7, 300, 11)
    alone = resampled_interval(value[some], p[some], tenure[some], groups[some], **ask)
    np.testing.assert_allclose(alone.low, every.low[some], rtol=1e-9)
    np.testing.assert_allclose(alone.high, every.high[some], rtol=1e-9)
    assert (every.low <= value).all() and (value <= every.high).all()
