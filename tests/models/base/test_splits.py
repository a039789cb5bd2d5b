from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score

from models.base.inputs import ModelInputError
from models.base.splits import TimeSplit


def test_golden_blocks() -> None:
    times = pd.date_range("2024-01-01", periods=10, freq="30D")
    splits = list(TimeSplit(2, embargo_days=60, times=times).split(np.zeros((10, 1))))
    # Dates 4 … 9 have a quarter of the history, then 60 days, before them.
    assert [(list(a), list(b)) for a, b in splits] == [
        ([0, 1, 2], [4, 5, 6]),
        ([0, 1, 2, 3, 4, 5], [7, 8, 9]),
    ]


@settings(deadline=None, max_examples=60)
@given(
    days=st.lists(st.integers(0, 400), min_size=4, max_size=60),
    n_splits=st.integers(1, 3),
    embargo=st.integers(0, 120),
    disjoint=st.booleans(),
)
def test_no_label_reaches_into_the_test(
    days: list[int], n_splits: int, embargo: int, disjoint: bool
) -> None:
    times = pd.Timestamp("2024-01-01") + pd.to_timedelta(days, unit="D")
    X = pd.DataFrame({"as_of": times})
    groups = np.arange(len(days)) % 5
    splitter = TimeSplit(n_splits, embargo_days=embargo, disjoint_groups=disjoint)
    try:
        splits = list(splitter.split(X, groups=groups))
    except ModelInputError:
        return
    assert len(splits) == splitter.get_n_splits()
    seen: set[int] = set()
    for train, test in splits:
        assert len(test)
        if len(train):
            assert times[train].max() + pd.Timedelta(days=embargo) <= times[test].min()
        if disjoint:
            assert set(groups[train]).isdisjoint(groups[test])
        assert seen.isdisjoint(test)
        seen |= set(test)


def test_too_short_a_history_is_refused() -> None:
    X = pd.DataFrame({"as_of": pd.date_range("2024-01-01", periods=4, freq="7D")})
    with pytest.raises(ModelInputError, match="4 dates over 21 days leave 0 to test on"):
        list(TimeSplit(embargo_days=120).split(X))


def test_times_by_column_level_or_array_are_one(rows: Any) -> None:
    splitter = {"n_splits": 2, "embargo_days": 60}
    column = TimeSplit(**splitter).split(rows.X.assign(as_of=rows.times))
    level = TimeSplit(**splitter).split(rows.X.set_index(rows.times.rename("as_of")))
    array = TimeSplit(**splitter, times=rows.times).split(rows.X)
    for a, b, c in zip(column, level, array, strict=True):
        for side in (0, 1):
            np.testing.assert_array_equal(a[side], b[side])
            np.testing.assert_array_equal(a[side], c[side])


def test_missing_dates_are_refused(rows: Any) -> None:
    with pytest.raises(ModelInputError, match="no column or index level 'as_of'"):
        next(TimeSplit().split(rows.X))
    with pytest.raises(ModelInputError, match="1 of them missing"):
        next(TimeSplit(times=[pd.NaT, *rows.times[1:]]).split(rows.X))


def test_scikit_learn_takes_it(rows: Any) -> None:
    splitter = TimeSplit(2, embargo_days=60, times=rows.times)
    scores = cross_val_score(LogisticRegression(), rows.X[["tickets"]], rows.y, cv=splitter)
    assert len(scores) == 2
