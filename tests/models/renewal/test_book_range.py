"""How far accounts leave together, and the range of what a book keeps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtri

from models import ModelInputError
from models.renewal.book_range import StayRatios, draw_kept, ends_of
from models.renewal.dependence import chance_given, estimate_dependence


def _months(correlation: float, *, months: int, due: int, seed: int) -> tuple[np.ndarray, ...]:
    """Draw who leaves by the definition of the model, not by `chance_given`."""
    rng = np.random.default_rng(seed)
    p = rng.uniform(0.05, 0.3, (months, due))
    amount = rng.lognormal(0, 0.7, (months, due))
    common = rng.standard_normal((months, 1))
    latent = np.sqrt(correlation) * common
    latent = latent + np.sqrt(1 - correlation) * rng.standard_normal((months, due))
    month = np.repeat(np.arange(months), due)
    return p.ravel(), amount.ravel(), (latent < ndtri(p)).astype(float).ravel(), month


def test_the_mean_over_the_factor_is_the_chance() -> None:
    z = np.random.default_rng(0).standard_normal((200_000, 1))
    p = np.array([0.02, 0.2, 0.7])
    assert chance_given(p, z, 0.3).mean(axis=0) == pytest.approx(p, abs=0.003)
    assert chance_given(p, np.zeros((1, 1)), 0.0)[0].tolist() == p.tolist()


@pytest.mark.parametrize("correlation", [0.1, 0.3])
@pytest.mark.slow
def test_the_correlation_of_many_months_is_found(correlation: float) -> None:
    p, amount, lost, month = _months(correlation, months=400, due=40, seed=2)
    found = estimate_dependence(p, amount, lost, month)
    assert found.estimate == pytest.approx(correlation, abs=0.05)
    assert found.correlation == pytest.approx(found.estimate * 400 / 412)
    assert found.months == 400


def test_few_months_are_shrunk_towards_independence() -> None:
    p, amount, lost, month = _months(0.3, months=6, due=60, seed=5)
    found = estimate_dependence(p, amount, lost, month)
    assert found.correlation == pytest.approx(found.estimate / 3)
    independent = [
        estimate_dependence(*_months(0.0, months=12, due=40, seed=seed)).correlation
        for seed in range(20)
    ]
    assert np.mean(independent) < 0.03


def test_without_any_month_accounts_are_independent() -> None:
    assert estimate_dependence([], [], [], []).correlation == 0.0
    assert estimate_dependence([0.1], [0.0], [1.0], ["a"]).correlation == 0.0
    with pytest.raises(ModelInputError, match="missing"):
        estimate_dependence([0.1, np.nan], [1.0, 1.0], [0.0, 1.0], ["a", "a"])


@pytest.mark.parametrize("due", [60, 1_100])
def test_a_range_covers_four_in_five_months_whose_accounts_leave_together(due: int) -> None:
    p, amount, lost, month = _months(0.2, months=400, due=due, seed=7)
    kept = np.bincount(month, amount * (1 - lost))
    covered = []
    for number in range(0, 400, 8):
        own = month == number
        drawn = draw_kept(
            amount[own],
            p[own],
            month[own],
            correlation=0.2,
            level_error=0.0,
            ratios=StayRatios(np.ones(1)),
            seed=number,
            draws=200,
        )
        low, high = ends_of(drawn)
        covered.append(low <= kept[number] <= high)
    assert np.mean(covered) == pytest.approx(0.8, abs=0.13)


def test_multiples_keep_the_sum_of_what_stayed() -> None:
    rng = np.random.default_rng(1)
    before = rng.lognormal(3, 1, 500)
    after = before * rng.choice([0.5, 1.0, 1.0, 1.3], 500)
    ratios = StayRatios.of(before, after, np.arange(500))
    assert ratios.mean == pytest.approx(after.sum() / before.sum())
    assert ratios.mean == pytest.approx(1 - ratios.contracts + ratios.expands)
    assert len(ratios.quantiles) == 101
    assert (np.diff(ratios.quantiles) >= -1e-12).all()
    # Ten rows of one account are one account.
    repeated = [np.repeat(part, 10) for part in (before, after, np.arange(500))]
    assert StayRatios.of(*repeated).error == pytest.approx(ratios.error)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 1)), min_size=1, max_size=8),
    st.floats(0, 0.8),
    st.integers(1, 3),
)
def test_what_is_kept_of_any_book_is_within_what_can_be(
    book: list[tuple[float, float]], correlation: float, periods: int
) -> None:
    amount, chance = (np.array(part) for part in zip(*book, strict=True))
    drawn = draw_kept(
        amount,
        chance,
        np.zeros(len(book)),
        correlation=correlation,
        level_error=0.2,
        ratios=StayRatios(np.array([0.5, 1.0, 2.0])),
        periods=periods,
        draws=200,
    )
    assert drawn.shape == (200,)
    assert (drawn >= 0).all()
    assert drawn.max() <= amount[chance < 1].sum() * 2.0**periods + 1e-6
    low, high = ends_of(drawn)
    assert low <= high
