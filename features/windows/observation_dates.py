"""Observations date by date, with accounts as numbers: features of a date are arrays."""

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
from features.windows.fleet import FleetColumns, of_all
from features.windows.parallel import run_parallel
from features.windows.table_columns import days_from, moment

#: Values of one date, each with an entry per account (by number).
ByAccount = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class OneDate:
    """The accounts that pay on one date, and the features computed for them so far.

    Attributes
    ----------
    as_of : pd.Timestamp
        The date.
    rows : slice
        The rows of all observations.
    observations : pd.DataFrame, shape = (n_rows, n_columns)
        These rows.
    account : array of int, shape = (n_rows,)
        The place of each row's account among all accounts of the observations.
    before : mapping of str to array of float, shape = (n_rows,)
        The features of the families that were computed before.
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
        """Return a feature computed before, or a number of the observations; NaN if absent."""
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
        """Return which accounts were created within this many days before the date."""
        return self.age_days() < days

    def broadcast(self, by_account: Mapping[str, npt.NDArray[Any]]) -> dict[str, Numbers]:
        """Return values per account of all observations as values per row of this date."""
        count, account = len(self), self.account
        if (account[1:] > account[:-1]).all():
            # In order, as of a single date: where every account pays, their values are the rows'.
            return {n: v if len(v) == count else v[account] for n, v in by_account.items()}
        return {name: values[account] for name, values in by_account.items()}


#: Computes features of a date: an array of float with an entry per row of it, by name. Those that
#: need a statistic over all accounts come as one entry, whose name no later family asks for.
DateFeatures = Callable[[OneDate], Mapping[str, Numbers | FleetColumns[Any, Any]]]
#: Columns that wait for a statistic over all accounts, by date and name.
Waiting = dict[tuple[pd.Timestamp, str], FleetColumns[Any, Any]]


@dataclass(frozen=True)
class ObservationDates:
    """Observations, as of one date after another.

    Attributes
    ----------
    observations : pd.DataFrame
        account_id and as_of, ordered by as_of.
    accounts : pd.Index
        Every account of the observations, once.
    account : array of int, shape = (n_rows,)
        The place in `accounts` of each row's.
    places : mapping of str to int
        The features, each with its row in `numbers`.
    numbers : array of float, shape = (n_features, n_rows)
        Their values. A row per feature: a frame can use it as its columns without a copy.
    """

    observations: pd.DataFrame
    accounts: pd.Index[str]
    account: Codes
    places: Mapping[str, int]
    numbers: npt.NDArray[np.float64]

    @classmethod
    def of(cls, observations: pd.DataFrame, names: Sequence[str] = ()) -> ObservationDates:
        """Return the dates of observations, with accounts numbered, and room for these features."""
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

    def first_computed(
        self, own: Callable[[OneDate], Mapping[str, Any]]
    ) -> Callable[[OneDate], Mapping[str, Any]]:
        """Return a function of a date whose result on the first date is computed now.

        Families are prepared in parallel, but their features of a date are computed one family
        after another. What needs no other family's features is computed in advance.
        """
        first = next(iter(self), None)
        if first is None:
            return own
        found = dict(own(first))
        # Written to `numbers`, so that they are in memory once.
        for name in found.keys() & self.places.keys():
            place = self.numbers[self.places[name], first.rows]
            place[:] = found[name]
            found[name] = place
        return lambda date: found if date.as_of == first.as_of else own(date)

    def result(
        self, families: Sequence[DateFeatures], *, waiting: Waiting | None = None
    ) -> pd.DataFrame:
        """Compute the features of each date, several dates at a time.

        Parameters
        ----------
        families : sequence of callable
            Each computes features of a date from those of the ones before it, in several threads.
        waiting : dict, optional
            Where these are not all accounts: receives the columns that need a statistic over all
            of them, which are NaN until they are computed.

        Returns
        -------
        pd.DataFrame, shape = (n_rows, n_features)
            The observations' index; float columns, NaN where no family computes a feature.
        """

        def compute(date: OneDate) -> None:
            found: dict[str, Numbers] = {}
            for family in families:
                made: dict[str, Numbers] = {}
                for name, value in family(replace(date, before=found)).items():
                    if not isinstance(value, FleetColumns):
                        made[name] = value
                    elif waiting is None:
                        made |= of_all(value)
                    else:
                        waiting[date.as_of, name] = value
                found |= self._broadcast(date, made)
            for name, place in self.places.items():
                if name not in found:
                    self.numbers[place, date.rows] = np.nan

        run_parallel(partial(compute, date) for date in self)
        names = list(self.places)
        return pd.DataFrame(
            self.numbers.T, index=self.observations.index, columns=names, copy=False
        )

    def _broadcast(self, date: OneDate, found: Mapping[str, Numbers]) -> dict[str, Numbers]:
        """Write features to `numbers`, so that they are in memory once."""
        broadcast = dict(found)
        for name in found.keys() & self.places.keys():
            broadcast[name] = self.numbers[self.places[name], date.rows]
            broadcast[name][:] = found[name]
        return broadcast
