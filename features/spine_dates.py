"""The spine date by date, with accounts as numbers: features of a date are arrays by account."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.day_rows import Codes

#: Values of one date, each with an entry per account (by number).
ByAccount = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class SpineDates:
    """A spine, looked at as of one date after another.

    Attributes
    ----------
    spine : pd.DataFrame
        account_id and as_of, ordered by as_of.
    accounts : pd.Index
        Every account of the spine, once.
    account : array of int, shape = (n_rows,)
        The place in `accounts` of each row's.
    """

    spine: pd.DataFrame
    accounts: pd.Index[str]
    account: Codes

    @classmethod
    def of(cls, spine: pd.DataFrame) -> SpineDates:
        """Return the dates of a spine, its accounts numbered."""
        account, accounts = pd.factorize(spine["account_id"])
        return cls(spine, pd.Index(accounts, dtype=object), np.asarray(account, dtype=np.int64))

    def __iter__(self) -> Iterator[tuple[pd.Timestamp, slice]]:
        """Yield each date and its rows of the spine."""
        dates = self.spine["as_of"].to_numpy()
        if len(dates):
            starts = np.flatnonzero(np.append(True, dates[1:] != dates[:-1]))
            for start, past in pairwise([*starts.tolist(), len(dates)]):
                yield pd.Timestamp(dates[start]), slice(start, past)

    def told(self, names: Sequence[str], told: Callable[[pd.Timestamp], ByAccount]) -> pd.DataFrame:
        """Lay what is told of each date on the spine.

        Parameters
        ----------
        names : sequence of str
            The columns; one that is not told is NaN.
        told : callable
            Returns, as of a date, arrays with an entry per account of `accounts`.

        Returns
        -------
        pd.DataFrame, shape = (n_rows, n_names)
            The spine's index; float columns.
        """
        # A row a column: so a frame holds its numbers, and none is moved again.
        out = np.full((len(names), len(self.spine)), np.nan)
        for as_of, rows in self:
            found, account = told(as_of), self.account[rows]
            for number, name in enumerate(names):
                if name in found:
                    out[number, rows] = found[name][account]
        return pd.DataFrame(out.T, index=self.spine.index, columns=list(names), copy=False)
