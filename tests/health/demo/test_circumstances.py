"""Causes of churn that use does not show: their law, and how the truth accounts for them."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.random import Generator

from health.demo import simulate_company
from health.demo.accounts import draw_traits
from health.demo.circumstances import (
    STRAIN_RISK,
    Chances,
    Circumstances,
    opening_circumstances,
    weeks_since_review,
)
from health.demo.life import live
from health.demo.oracle import forecast

CAUSES = ("review", "strain", "progress", "contact")


@pytest.fixture
def rng() -> Generator:
    return np.random.default_rng(5)


def quiet_week() -> Chances:
    """Return the chances of a week in which nothing happens."""
    return Chances(np.ones(1), np.zeros(1), np.zeros(1), np.zeros(1))


def test_the_causes_keep_their_distribution(rng: Generator) -> None:
    facing = opening_circumstances(np.full(100_000, 500.0), rng)
    usual = np.exp(facing.risk()).mean()
    for _ in range(30):
        facing = facing.step(Chances.draw(100_000, rng))
    assert np.exp(facing.risk()).mean() == pytest.approx(usual, rel=0.05)
    for degree in (facing.strain, facing.progress, facing.contact):
        assert degree.mean() == pytest.approx(0.0, abs=0.02)
        assert degree.std() == pytest.approx(1.0, abs=0.02)


def test_the_sizes_are_those_reported(rng: Generator) -> None:
    """The docstring of the module names them."""
    facing = opening_circumstances(np.zeros(400_000), rng)
    risk = np.exp(facing.risk())
    halves = {}
    for name in ("progress", "contact"):
        low = getattr(facing, name) < 0
        halves[name] = risk[low].mean() / risk[~low].mean()
    assert halves["progress"] == pytest.approx(4.0, rel=0.05)
    assert halves["contact"] == pytest.approx(1.5, rel=0.05)
    strained = np.exp(STRAIN_RISK * facing.strain)
    assert 1 - 1 / strained.mean() == pytest.approx(0.25, abs=0.02)


def test_a_sponsor_who_leaves_raises_the_risk_for_some_months() -> None:
    none = np.zeros(1)
    facing = Circumstances(none, none, none, none)
    usual = facing.risk()
    facing = facing.step(Chances(none, none, none, none))
    ratios = []
    for week in range(27):
        assert weeks_since_review(facing.review) == week + 1
        ratios.append(float(np.exp(facing.risk() - usual)[0]))
        facing = facing.step(quiet_week())
    assert ratios[0] == pytest.approx(3.2) and (np.diff(ratios) < 0).all()
    assert ratios[13] > 1.8 and ratios[26] < 1.6


def test_a_new_customer_has_the_sponsor_who_bought(rng: Generator) -> None:
    before = opening_circumstances(np.full(1000, 500.0), rng)
    after = before.of_new_customers()
    assert before.review.any() and not after.review.any()
    for name in ("strain", "progress", "contact"):
        assert (getattr(after, name) == getattr(before, name)).all()


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
    assert chances["progress"] < chances["contact"] < chances["none"]
    for cause in ("review", "strain"):
        assert 1.15 * chances["none"] < chances[cause] < 3.2 * chances["none"]


def test_the_circumstances_of_the_truth_are_those_of_the_weeks_lived() -> None:
    truth = simulate_company(60, weeks=30, seed=4).truth
    paying = truth[truth["paying"]].sort_values(["account_id", "as_of"])
    assert paying["review"].between(0, 1).all()
    # The degrees are slow: from one week to the next they hardly change.
    for name in ("strain", "progress", "contact"):
        change = paying.groupby("account_id")[name].diff().dropna()
        assert 0 < change.std() < 0.5 * paying[name].std()
