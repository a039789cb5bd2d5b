"""How long tickets take to be answered or solved, and whether it takes longer than before."""

from __future__ import annotations

import numpy as np

from features.tickets.contacts import RECENT_DAYS
from features.windows.day_rows import Codes, Numbers
from features.windows.table_columns import NEVER, Lengths, Mask, Times, within

#: The account's own past: from so many days to a quarter before the date.
PAST_DAYS = 365
_HOUR_US = 3_600_000_000


class Speed:
    """The time from opening to one kind of end, looked at as of one date after another.

    Parameters
    ----------
    account : array of int
        Each ticket's account, below `accounts`.
    accounts : int
        How many there are.
    opened_at, ended_at : array of int
        Moments; an end that is not there is `NEVER`. One before the opening is no end: its times
        are wrong, and 0 hours would be the best there is.
    """

    def __init__(self, account: Codes, accounts: int, opened_at: Times, ended_at: Times) -> None:
        ended_at = np.where(ended_at < opened_at, NEVER, ended_at)
        lasted = ended_at - opened_at
        lasted[ended_at == NEVER] = 0
        self._ended_at, self._lasted = ended_at, Lengths(account, accounts, lasted)

    def as_of(self, as_of: int, standing: Mask) -> dict[str, Numbers]:
        """Return the hours of every account by name, of the tickets that stand so on a date."""
        now, before = (
            self._lasted[np.flatnonzero(within(self._ended_at, as_of, *days) & standing)]
            for days in ((RECENT_DAYS, 0), (PAST_DAYS, RECENT_DAYS))
        )
        median, past = now.of(0.5) / _HOUR_US, before.of(0.5) / _HOUR_US
        return {
            "hours_median_90d": median,
            "hours_p90_90d": now.of(0.9) / _HOUR_US,
            # An hour on either side: minutes more or less are no trend.
            "trend": np.log((median + 1) / (past + 1)),
        }
