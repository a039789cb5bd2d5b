"""Rolling-origin splits in time, with an embargo between training and test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from models.base.inputs import BoolArray, IntArray, ModelInputError, group_codes


class TimeSplit:
    """Train on the past and test on a later block of dates; a scikit-learn splitter.

    A training row's label depends on the next `horizon` + `grace` days. With an embargo of at least
    that length, every training label was known on the first day of the test block.

    Parameters
    ----------
    n_splits : int
        Number of test blocks of consecutive dates; the last block ends with the data.
    embargo_days : float
        Minimum number of days between the last training date and the first test date.
    times : str or array-like, shape = (n_samples,)
        The as_of of each row, or the name of the column or index level of `X` that contains it.
    disjoint_groups : bool
        Also leave the accounts of the test block out of training.
    least_history : float
        Share of all dates that the first training set should cover, if the data allow it.
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
        """Yield the positions of training and test rows, oldest test block first.

        Parameters
        ----------
        X : pandas.DataFrame or array-like, shape = (n_samples, n_features)
            Only its length is used, and the ``times`` column or index level if that is a name.
        y : ignored
        groups : array-like, shape = (n_samples,), optional
            The account of each row; required for `disjoint_groups`.

        Raises
        ------
        ModelInputError
            There are too few dates for `n_splits` blocks after the embargo.
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
        # Keep enough history before the first test date, unless that leaves no date to test on.
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
