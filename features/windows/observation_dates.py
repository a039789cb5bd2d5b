"""The spine date by date, with accounts as numbers: features of a date are arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.windows.day_rows import Codes, Numbers
from features.windows.parallel import run_parallel
from features.windows.table_columns import days_from, moment

#: Values of one date, each with an entry per account (by number).
ByAccount = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class OneDate:
    """The accounts that pay on one date, and what was told of them already.

    Attributes
    ----------
    as_of : pd.Timestamp
        The date.
    rows : slice
        The rows of the whole spine.
    spine : pd.DataFrame, shape = (n_rows, n_columns)
        These rows.
    account : array of int, shape = (n_rows,)
        The place of each row's account among all accounts of the spine.
    before : mapping of str to array of float, shape = (n_rows,)
        The features of the families before.
    """

    as_of: pd.Timestamp
    rows: slice
    observations: pd.DataFrame
    account: Codes
    before: Mapping[str, Numbers] = field(default_factory=dict)

    def __len__(self) -> int:
        """Return how many accounts pay."""
        return len(self.account)

    def feature(self, name: str) -> Numbers:
        """Return a feature of a family before, or a number of the spine; NaN if not there."""
        if name in self.before:
            return self.before[name]
        if name in self.observations.columns:
            return self.observations[name].to_numpy(dtype=float)
        return np.full(len(self), np.nan)

    def age_days(self) -> Numbers:
        """Return how many days before the date each account was created."""
        created = self.observations["created_at"].to_numpy(dtype="datetime64[us]")
        return days_from(created.astype(np.int64), moment(self.as_of))

    def younger_than(self, days: int) -> npt.NDArray[np.bool_]:
        """Tell which accounts were created within so many days before the date."""
        return self.age_days() < days

    def broadcast(self, by_account: Mapping[str, npt.NDArray[Any]]) -> dict[str, Numbers]:
        """Lay values that have an entry per account of the spine on the rows of this date."""
        return {name: values[self.account] for name, values in by_account.items()}


#: Tells features of a date: an array of float with an entry per row of it, by name.
DateFeatures = Callable[[OneDate], Mapping[str, Numbers]]


@dataclass(frozen=True)
class ObservationDates:
    """A spine, looked at as of one date after another.

    Attributes
    ----------
    spine : pd.DataFrame
        account_id and as_of, ordered by as_of.
    accounts : pd.Index
        Every account of the spine, once.
    account : array of int, shape = (n_rows,)
        The place in `accounts` of each row's.
    places : mapping of str to int
        The features that are told, each with its row in `numbers`.
    numbers : array of float, shape = (n_features, n_rows)
        What was told of them. A row a feature: so a frame holds its columns, and none is moved.
    """

    observations: pd.DataFrame
    accounts: pd.Index[str]
    account: Codes
    places: Mapping[str, int]
    numbers: npt.NDArray[np.float64]

    @classmethod
    def of(cls, observations: pd.DataFrame, names: Sequence[str] = ()) -> ObservationDates:
        """Return the dates of a spine, its accounts numbered, and room for these features."""
        account, accounts = pd.factorize(observations["account_id"])
        return cls(
            observations,
            pd.Index(accounts, dtype=object),
            np.asarray(account, dtype=np.int64),
            {name: place for place, name in enumerate(names)},
            np.empty((len(names), len(observations))),
        )

    def __iter__(self) -> Iterator[OneDate]:
        """Yield each date."""
        dates = self.observations["as_of"].to_numpy()
        if len(dates):
            starts = np.flatnonzero(np.append(True, dates[1:] != dates[:-1]))
            for start, past in pairwise([*starts.tolist(), len(dates)]):
                rows = slice(start, past)
                as_of = pd.Timestamp(dates[start])
                yield OneDate(as_of, rows, self.observations.iloc[rows], self.account[rows])

    def ahead(self, own: DateFeatures) -> DateFeatures:
        """Return what tells features of a date without those of others, the first date told.

        Families are prepared at the same time, but of one date told one after another: what a
        family can tell without the others it tells while they are prepared.
        """
        first = next(iter(self))
        found = self._broadcast(first, own(first))
        return lambda date: found if date.as_of == first.as_of else own(date)

    def result(self, families: Sequence[DateFeatures]) -> pd.DataFrame:
        """Tell the features of each date, several dates at a time.

        Parameters
        ----------
        families : sequence of callable
            Each tells features of a date, and knows those of the ones before it; it is asked from
            several threads.

        Returns
        -------
        pd.DataFrame, shape = (n_rows, n_features)
            The spine's index; float columns, NaN where nothing is told.
        """

        def describe(date: OneDate) -> None:
            found: dict[str, Numbers] = {}
            for family in families:
                found |= self._broadcast(date, family(replace(date, before=found)))
            for name, place in self.places.items():
                if name not in found:
                    self.numbers[place, date.rows] = np.nan

        run_parallel(partial(describe, date) for date in self)
        names = list(self.places)
        return pd.DataFrame(
            self.numbers.T, index=self.observations.index, columns=names, copy=False
        )

    def _broadcast(self, date: OneDate, found: Mapping[str, Numbers]) -> dict[str, Numbers]:
        """Put features where they belong, so that they stand in memory once."""
        broadcast = dict(found)
        for name in found.keys() & self.places.keys():
            broadcast[name] = self.numbers[self.places[name], date.rows]
            broadcast[name][:] = found[name]
        return broadcast
