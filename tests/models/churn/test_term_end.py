"""Whether accounts leave at the end of a term: exact, no look at the horizon, silent by chance."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from models import ChurnModel
from models.churn.later_dates import FollowedRows
from models.churn.term_end import term_end_chance

HORIZON, GRACE, EVERY = 90, 30, 28


def company(seed: int, *, at_end: bool, accounts: int = 150, leavers: int = 16) -> pd.DataFrame:
    """Accounts with a yearly or a monthly term, some of which leave at its end or on any day."""
    rng = np.random.default_rng(seed)
    length = np.where(rng.random(accounts) < 0.6, 365.25, 365.25 / 12)
    start = -rng.uniform(0, 1, accounts) * length
    gone = np.full(accounts, np.inf)
    left = rng.permutation(accounts)[:leavers]
    gone[left] = rng.uniform(30, 480, leavers)
    if at_end:
        gone[left] = start[left] + np.ceil((gone[left] - start[left]) / length[left]) * length[left]
    parts = []
    for day in range(0, 500, EVERY):
        frame = pd.DataFrame({"usage": rng.normal(size=accounts)})
        frame["days_to_term_end"] = length - (day - start) % length
        frame["contract_months"] = np.round(length / 365.25 * 12)
        seen = 500 - GRACE - day
        frame["observed_days"] = np.clip(np.minimum(gone - day, seen), 0, HORIZON)
        frame["left"] = (gone - day < min(seen, HORIZON)).astype(float)
        frame["churned"] = (gone - day <= HORIZON).astype(float) if seen >= HORIZON else np.nan
        frame["account"], frame["as_of"] = np.arange(accounts), pd.Timestamp("2024-01-07")
        frame["as_of"] += pd.Timedelta(day, "D")
        parts.append(frame[(gone > day) & (frame["observed_days"] > 0)])
    return pd.concat(parts, ignore_index=True)


def followed(rows: pd.DataFrame) -> FollowedRows:
    X = rows[["usage", "days_to_term_end", "contract_months"]]
    left = rows["left"].to_numpy() == 1
    days, dates = rows["observed_days"].to_numpy(), rows["as_of"].to_numpy()
    return FollowedRows(X, rows["account"].to_numpy(), days, left, dates)


def fitted(rows: pd.DataFrame) -> ChurnModel:
    model = ChurnModel(HORIZON, grace_days=GRACE, few_features=("usage",))
    return model.fit(
        rows[["usage", "days_to_term_end", "contract_months"]],
        rows["churned"],
        groups=rows["account"],
        times=rows["as_of"],
        durations=rows["observed_days"],
        events=rows["left"],
    )


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 30), st.integers(0, 30), st.integers(1, 40))
def test_with_one_share_it_is_a_binomial_tail(leavers: int, at_end: int, others: int) -> None:
    at_end = min(at_end, leavers)
    # Each leaves on its own date, on which one in 1 + others has the end of its term.
    ends = np.full((leavers, 1 + others), 60.0)
    ends[:, 0] = 10.0
    left = np.zeros_like(ends, dtype=bool)
    left[np.arange(leavers), np.where(np.arange(leavers) < at_end, 0, 1)] = True
    dates = np.repeat(np.arange(leavers), 1 + others)
    days = np.where(left, 10.0, 90.0)
    frame = pd.DataFrame({"days_to_term_end": ends.ravel(), "contract_months": 12.0})
    rows = FollowedRows(frame, np.arange(ends.size), days.ravel(), left.ravel(), dates)
    expected = binom.sf(at_end - 1, leavers, 1 / (1 + others))
    assert term_end_chance(rows) == pytest.approx(expected, abs=1e-12)


@pytest.mark.slow
def test_chance_is_small_only_where_accounts_leave_at_the_end() -> None:
    by_chance = [term_end_chance(followed(company(seed, at_end=False))) for seed in range(60)]
    assert np.mean(np.array(by_chance) < 0.1) < 0.25
    assert min(by_chance) > 1e-4
    assert max(term_end_chance(followed(company(s, at_end=True))) for s in range(10)) < 1e-6


def test_without_leavers_or_terms_it_is_one() -> None:
    rows = company(1, at_end=True)
    assert term_end_chance(followed(rows[rows["left"] == 0])) == 1.0
    unknown = rows.assign(days_to_term_end=np.nan)
    assert term_end_chance(followed(unknown)) == 1.0


@pytest.mark.slow
def test_few_leavers_at_the_end_of_their_terms_are_enough_for_the_renewal_timing() -> None:
    model = fitted(company(3, at_end=True))
    assert model.basis_ == "renewal timing" and model.has_signal_
    assert fitted(company(3, at_end=False)).basis_ == "base rate"


@pytest.mark.slow
def test_accounts_that_left_before_their_horizon_has_passed_count() -> None:
    rows = company(4, at_end=True, leavers=14)
    model = fitted(rows)
    labelled = rows.loc[rows["churned"] == 1, "account"].nunique()
    assert model.event_accounts_ == rows.loc[rows["left"] == 1, "account"].nunique() > labelled
