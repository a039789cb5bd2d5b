"""Uses counted in the order in which they became known, until they make a step's count full."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from features.day_rows import Codes, Numbers
from features.table_columns import NEVER, TableColumns


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
            Columns day, known, and uses_0, uses_1 … in the order of `totals`.
        """
        if not len(uses):
            return self
        rows = uses.taken(_in_order(uses["day"], uses["known"]))
        day, known = rows["day"], rows["known"]
        totals, reached = {}, dict(self.reached)
        changes = np.flatnonzero((day[1:] != day[:-1]) | (known[1:] != known[:-1])) + 1
        moments = np.split(np.arange(len(day)), changes)
        for number, (events, so_far) in enumerate(self.totals.items()):
            totals[events] = total = so_far.copy()
            waiting = {
                step: Reached(found.day.copy(), found.known.copy())
                for step, found in self.reached.items()
                if step.events == events
            }
            for moment in moments:
                users = rows.account[moment]
                before = total[users]
                np.add.at(total, users, rows[f"uses_{number}"][moment])
                after = total[users]
                for step, found in waiting.items():
                    full = users[(before < step.times) & (after >= step.times)]
                    full = full[found.known[full] == NEVER]
                    found.day[full], found.known[full] = day[moment[:1]], known[moment[:1]]
            reached |= waiting
        return Counts(totals, reached)


def _in_order(day: Codes, known: Codes) -> Codes:
    """Return the order in which uses became known, those of one day in order of their own."""
    # Small whole numbers are sorted by counting.
    first = int(min(day.min(initial=0), known.min(initial=0)))
    order = np.argsort((day - first).astype(np.uint16), kind="stable")
    if (day == known).all():
        return order
    return order[np.argsort((known[order] - first).astype(np.uint16), kind="stable")]
