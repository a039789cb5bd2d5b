"""Whether accounts leave at the end of a term: an exact test of the day on which each one left."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.base.inputs import BoolArray, FloatArray
from models.churn.hazard import term_ends
from models.churn.later_dates import FollowedRows

#: Days around the end of a term that count as its end.
_CLOSE = 3.0
#: Accounts that left which are enough for the test; of more, every second or third counts.
_MOST_LEAVERS = 2_000


def term_end_chance(rows: FollowedRows) -> float:
    """Return the probability that so many leave at the end of a term by chance.

    Each account that left is compared with all accounts observed on that day: of these, a share
    has the end of a term within three days. Where terms have nothing to do with leaving, the
    accounts that left are random ones, so the number of those that left at the end of their term
    is a sum of independent draws with these shares (a Poisson binomial distribution). No horizon
    blurs the day, and what happened to all accounts at once cancels out.

    Parameters
    ----------
    rows : FollowedRows
        Of an account that left, the last row before it did counts.

    Returns
    -------
    float
        0-1, small where accounts leave at the end of a term; 1 where no end of a term is recorded.

    Examples
    --------
    >>> import pandas as pd
    >>> ends = np.tile(np.arange(0.0, 90.0, 3.0), 2)
    >>> frame = pd.DataFrame({"days_to_term_end": ends, "contract_months": 3.0})
    >>> left = np.arange(60) % 30 < 5
    >>> at_end = FollowedRows(frame, np.arange(60), np.where(left, ends, 90.0), left)
    >>> any_day = FollowedRows(frame, np.arange(60), np.where(left, 80.0 - ends, 90.0), left)
    >>> term_end_chance(at_end) < 1e-6, term_end_chance(any_day) > 0.05
    (True, True)
    """
    left = np.flatnonzero(rows.left)
    latest = left[np.lexsort((rows.days[left], rows.codes[left]))]
    latest = latest[np.unique(rows.codes[latest], return_index=True)[1]]
    latest = latest[:: -(-len(latest) // _MOST_LEAVERS) or 1]
    dates = np.zeros(len(rows.days)) if rows.dates is None else np.asarray(rows.dates)
    first, length = term_ends(rows.frame)
    shares, at_end = [], 0
    for date in np.unique(dates[latest]):
        same_date = np.flatnonzero(dates == date)
        for row in latest[dates[latest] == date]:
            day = rows.days[row]
            observed = same_date[rows.days[same_date] >= day]
            ends = _near_an_end(day, first[observed], length[observed])
            shares.append(float(ends.mean()))
            at_end += int(ends[observed == row].sum())
    return _at_least(at_end, shares)


def _near_an_end(day: float, first: FloatArray, length: FloatArray) -> BoolArray:
    further = np.where(day > first, np.round((day - first) / length), 0.0)
    end = first + np.where(further > 0, further * length, 0.0)
    return np.asarray(np.abs(end - day) <= _CLOSE)


def _at_least(count: int, chances: Sequence[float]) -> float:
    """Return the probability that at least `count` of independent events occur."""
    distribution = np.ones(1)
    for chance in chances:
        distribution = np.convolve(distribution, [1.0 - chance, chance])
    return float(min(distribution[count:].sum(), 1.0))
