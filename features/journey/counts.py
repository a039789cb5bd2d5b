"""Uses counted in the order in which they became known, until they make a step's count full."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from features.windows.day_rows import Codes, Numbers, order_of, summed
from features.windows.table_columns import NEVER, TableColumns


class Step(NamedTuple):
    """A sum of uses to reach: of these events (empty: of any), so many."""

    events: tuple[str, ...]
    times: int


@dataclass(frozen=True)
class Reached:
    """The day whose use made a step's count full, and the day on which that was known.

    `NEVER` for an account that has not reached it.
    """

    day: Codes
    known: Codes

    def age(self, as_of: int, account: Codes) -> Numbers:
        """Return the days since then for accounts as of a day; NaN where it was not known yet."""
        since = (as_of - self.day[account]).astype(float)
        return np.where(self.known[account] < as_of, since, np.nan)


@dataclass(frozen=True)
class Counts:
    """How far each account has come, after all uses up to some day.

    Attributes
    ----------
    totals : mapping of tuple of str to array of float
        Uses of each set of events, by account.
    reached : mapping of Step to Reached
        Each step once.
    """

    totals: Mapping[tuple[str, ...], Numbers]
    reached: Mapping[Step, Reached]

    @classmethod
    def nothing(cls, steps: Sequence[Step], accounts: int) -> Counts:
        """Return the counts of accounts that have used nothing yet."""
        never = {s: Reached(np.full(accounts, NEVER), np.full(accounts, NEVER)) for s in steps}
        return cls({step.events: np.zeros(accounts) for step in steps}, never)

    def and_then(self, uses: TableColumns) -> Counts:
        """Return the counts after further uses, none of which was known before those counted.

        Parameters
        ----------
        uses : TableColumns
            Columns day, known (where it may be later than the day), and uses_0, uses_1 … in the
            order of `totals`.
        """
        totals, reached = {}, dict(self.reached)
        for number, (events, so_far) in enumerate(self.totals.items()):
            added = uses[f"uses_{number}"]
            totals[events] = total = so_far + summed(uses.account, len(so_far), added)
            waiting = {step: found for step, found in reached.items() if step.events == events}
            # The uses of most accounts make no count full: only those that do are put in order.
            full = np.zeros(len(total), dtype=bool)
            for step, found in waiting.items():
                full |= (total >= step.times) & (found.known == NEVER)
            rows = np.flatnonzero(full[uses.account])
            if len(rows):
                reached |= _counted(waiting, so_far, uses.taken(rows), f"uses_{number}")
        return Counts(totals, reached)


def _counted(
    waiting: Mapping[Step, Reached], so_far: Numbers, uses: TableColumns, column: str
) -> dict[Step, Reached]:
    """Return the steps with what a column of uses, moment by moment, made full."""
    known = uses.columns.get("known", uses["day"])
    order = _in_order(uses["day"], known)
    account, day, known = uses.account[order], uses["day"][order], known[order]
    added, total = uses[column][order], so_far.copy()
    reached = {
        step: Reached(found.day.copy(), found.known.copy()) for step, found in waiting.items()
    }
    changes = np.flatnonzero((day[1:] != day[:-1]) | (known[1:] != known[:-1])) + 1
    for first, past in pairwise([0, *changes.tolist(), len(day)]):
        users = account[first:past]
        np.add.at(total, users, added[first:past])
        for step, found in reached.items():
            full = users[(total[users] >= step.times) & (found.known[users] == NEVER)]
            found.day[full], found.known[full] = day[first], known[first]
    return reached


def _in_order(day: Codes, known: Codes) -> Codes:
    """Return the order in which uses became known, those of one day in order of their own."""
    order = order_of(day)
    return order if known is day else order[order_of(known[order])]
