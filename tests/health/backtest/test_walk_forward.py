from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from health.backtest.walk_forward import origins
from health.training.rivals import single_feature_risks
from health.training.rows import known_before
from tests.examples import examples


@settings(max_examples=examples(50), deadline=None)
@given(
    st.lists(st.integers(0, 60), min_size=1, max_size=30),
    st.integers(1, 200),
    st.integers(1, 200),
)
def test_nothing_is_learnt_from_that_was_not_known(
    weeks: list[int], embargo_days: int, refit_days: int
) -> None:
    days = [datetime(2025, 1, 5) + timedelta(weeks=week) for week in sorted(weeks)]
    rows = pd.DataFrame({"as_of": days, "churned": np.arange(len(days)) % 3 / 2})
    rows["churned"] = rows["churned"].where(rows["churned"] != 0.5)
    tested: list[pd.Timestamp] = []
    for origin in origins(rows, embargo_days=embargo_days, refit_days=refit_days):
        learned = rows[origin.train]
        assert (learned["as_of"] + timedelta(days=embargo_days) <= origin.tested.min()).all()
        assert learned["churned"].notna().all()
        assert origin.tested.max() - origin.tested.min() < timedelta(days=refit_days)
        tested += list(origin.tested)
    assert tested == sorted(set(rows["as_of"]))


@settings(max_examples=examples(50), deadline=None)
@given(st.lists(st.integers(1, 400), min_size=1, max_size=20), st.integers(60, 500))
def test_what_was_known_before_a_date_is_what_a_truncated_history_shows(
    left_after: list[int], until: int
) -> None:
    horizon, grace = 90, 30
    start = pd.Timestamp("2025-01-05")

    def observed(end: int) -> pd.DataFrame:
        # Row i is of day 10 i, and its account left so many days later.
        day, after = 10 * np.arange(len(left_after)), np.array(left_after, dtype=float)
        seen = end - day - grace
        rows = pd.DataFrame({"as_of": start + pd.to_timedelta(day, "D")})
        rows["churned"] = np.where(seen >= horizon, (after < horizon).astype(float), np.nan)
        left = after < np.minimum(seen, horizon)
        rows["observed_days"] = np.where(left, after, np.clip(seen, 0, horizon))
        rows["observed_churn"] = left.astype(float)
        return rows

    moment = start + pd.Timedelta(until, "D")
    known = known_before(observed(2000), moment, horizon_days=horizon, grace_days=grace)
    expected = observed(until)
    pd.testing.assert_frame_equal(known, expected[expected["observed_days"] > 0])


def test_a_baseline_without_a_value_stands_in_the_middle_of_its_date() -> None:
    day = pd.Timestamp("2026-01-04")
    rows = pd.DataFrame(
        {
            "as_of": [day] * 3,
            "days_to_renewal": [10.0, np.nan, 30.0],
            "usage_events_28d": [np.nan] * 3,
        }
    )
    risks = single_feature_risks(rows)
    # Nobody's use is known, so that is no contender.
    assert list(risks.columns) == ["renewal"]
    assert risks["renewal"].tolist() == [-10.0, -20.0, -30.0]
