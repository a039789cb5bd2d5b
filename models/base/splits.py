"""Rolling-origin splits in time, with an embargo between training and test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from models.base.inputs import BoolArray, IntArray, ModelInputError, group_codes


class TimeSplit:
    """Train on the past, test on a later block of dates; a scikit-learn splitter.

    A training row's label looks `horizon` + `grace` days ahead. With an embargo of at least
    that length, every training label was known on the first day of the test block.

    Parameters
    ----------
    n_splits : int
        Number of test blocks, each of consecutive dates; the last ends with the data.
    embargo_days : float
        Least distance, in days, from the last training date to the first test date.
    times : str or array-like, shape = (n_samples,)
        The as_of of every row, or the name of the column or index level of `X` that has it.
    disjoint_groups : bool
        Leave the accounts of the test block out of training, too.
    least_history : float
        Share of all dates that the first training set should span, where the data allow it.
    """

    def __init__(
        self,
        n_splits: int = 2,
        *,
        embargo_days: float = 120.0,
        times: Any = "as_of",
        disjoint_groups: bool = False,
        least_history: float = 0.25,
    ) -> None:
        self.n_splits = n_splits
        self.embargo_days = embargo_days
        self.times = times
        self.disjoint_groups = disjoint_groups
        self.least_history = least_history

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return the number of splits; the arguments are ignored."""
        return self.n_splits

    def split(
        self, X: Any, y: Any = None, groups: Any = None
    ) -> Iterator[tuple[IntArray, IntArray]]:
        """Yield the row numbers of training and test, oldest test block first.

        Parameters
        ----------
        X : pandas.DataFrame or array-like, shape = (n_samples, n_features)
            Its length counts, and its ``times`` column or index level where that is a name.
        y : ignored
        groups : array-like, shape = (n_samples,), optional
            The account of every row; needed for `disjoint_groups`.

        Raises
        ------
        ModelInputError
            Where the dates are too few for `n_splits` blocks after the embargo.
        """
        times = self._times(X)
        codes = group_codes(groups, len(times)) if self.disjoint_groups else None
        embargo = np.timedelta64(round(self.embargo_days * 86_400), "s")
        for block in np.array_split(self._test_dates(times, embargo), self.n_splits):
            train: BoolArray = times <= block[0] - embargo
            test: BoolArray = (times >= block[0]) & (times <= block[-1])
            if codes is not None:
                train &= ~np.isin(codes, codes[test])
            yield np.flatnonzero(train), np.flatnonzero(test)

    def _times(self, X: Any) -> Any:
        values = self.times
        if isinstance(values, str):
            values = _named_times(X, values)
        times = pd.DatetimeIndex(pd.to_datetime(np.asarray(values))).as_unit("us").to_numpy()
        if len(times) != len(X) or np.isnat(times).any():
            raise ModelInputError(
                f"{len(times)} dates, {int(np.isnat(times).sum())} of them missing, "
                f"for {len(X)} rows",
                where="times",
                fix="give every row its as_of",
            )
        return times

    def _test_dates(self, times: Any, embargo: np.timedelta64) -> Any:
        dates = np.unique(times)
        eligible = dates[dates >= dates[0] + embargo]
        # Enough history before the first test date, unless that leaves no date to test on.
        wanted = dates[int(self.least_history * (len(dates) - 1))] + embargo
        if int((eligible >= wanted).sum()) >= self.n_splits:
            eligible = eligible[eligible >= wanted]
        if len(eligible) < self.n_splits:
            span = (dates[-1] - dates[0]) / np.timedelta64(1, "D")
            raise ModelInputError(
                f"{len(dates)} dates over {span:.0f} days leave {len(eligible)} to test on after "
                f"an embargo of {self.embargo_days:.0f} days; {self.n_splits} are needed",
                where="times",
                fix="give a longer history, fewer splits or a shorter horizon",
            )
        return eligible


def _named_times(X: Any, name: str) -> Any:
    if isinstance(X, pd.DataFrame) and name in X.columns:
        return X[name]
    if isinstance(X, pd.DataFrame) and name in X.index.names:
        return X.index.get_level_values(name)
    raise ModelInputError(
        f"X has no column or index level {name!r}",
        where="times",
        fix="give TimeSplit(times=…) the dates themselves",
    )
