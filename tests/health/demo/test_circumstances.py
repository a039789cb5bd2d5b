"""Causes of churn that use does not show: their law, and how the truth accounts for them."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.random import Generator

from health.demo import simulate_company
from health.demo.accounts import draw_traits
from health.demo.circumstances import (
    Chances,
    Circumstances,
    opening_circumstances,
    weeks_since_review,
)
from health.demo.life import live
from health.demo.oracle import forecast

CAUSES = ("review", "stressed", "neglected", "progress")


@pytest.fixture
def rng() -> Generator:
    return np.random.default_rng(5)


def test_the_risk_has_the_mean_one_and_keeps_it(rng: Generator) -> None:
    facing = opening_circumstances(np.full(100_000, 500.0), rng)
    for _ in range(30):
        assert np.exp(facing.risk()).mean() == pytest.approx(1.0, abs=0.03)
        facing = facing.step(Chances.draw(100_000, rng))
    assert facing.progress.std() == pytest.approx(1.0, abs=0.02)


def test_a_sponsor_who_leaves_raises_the_risk_for_some_months(rng: Generator) -> None:
    none = np.zeros(1)
    facing = Circumstances(none, none, none, none)
    usual = facing.risk()
    quiet = Chances(np.ones(1), np.ones(1), np.ones(1), none)
    facing = facing.step(Chances(none, np.ones(1), np.ones(1), none))
    ratios = []
    for week in range(27):
        assert weeks_since_review(facing.review) == week + 1
        ratios.append(float(np.exp(facing.risk() - usual)[0]))
        facing = facing.step(quiet)
    assert ratios[0] == pytest.approx(2.5) and (np.diff(ratios) < 0).all()
    assert ratios[13] > 1.5 and ratios[26] < 1.3


def test_a_new_customer_has_a_sponsor_money_and_a_csm(rng: Generator) -> None:
    before = opening_circumstances(np.full(1000, 500.0), rng)
    after = before.of_new_customers()
    assert not after.review.any() and not after.stressed.any() and not after.neglected.any()
    assert (after.progress == before.progress).all()


def test_the_truth_of_a_date_knows_the_circumstances() -> None:
    """Accounts that differ in nothing but these differ in the chance of churn, as they should."""
    weeks, first_day = 26, 20_000 - 20_000 % 7
    traits = draw_traits(300, first_day, weeks, np.random.default_rng(1))
    state = live(traits, first_day, weeks, {weeks}, np.random.default_rng(2)).states[weeks]
    rows = np.flatnonzero(state.paying & ~state.leaving & ~traits.annual)
    known, day = state.take(rows), first_day + 7 * weeks
    none = np.zeros(len(rows))
    chances = {}
    for cause in ("none", *CAUSES):
        values = {name: np.ones(len(rows)) if name == cause else none for name in CAUSES}
        known.circumstances = Circumstances(**values)
        chances[cause] = forecast(known, traits, rows, day, rng=np.random.default_rng(3))[0].mean()
    assert chances["progress"] < chances["none"]
    for cause in ("review", "stressed", "neglected"):
        assert 1.15 * chances["none"] < chances[cause] < 2.5 * chances["none"]


def test_the_circumstances_of_the_truth_are_those_of_the_weeks_lived() -> None:
    truth = simulate_company(60, weeks=30, seed=4).truth
    paying = truth[truth["paying"]].sort_values(["account_id", "as_of"])
    assert paying["review"].between(0, 1).all()
    assert set(paying["stressed"].unique()) <= {0.0, 1.0}
    # Progress is slow: from one week to the next it hardly changes.
    change = paying.groupby("account_id")["progress"].diff().dropna()
    assert change.std() < 0.5 * paying["progress"].std()
