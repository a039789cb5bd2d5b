"""Which features of the product an account uses, and how many of those that make customers stay."""

from __future__ import annotations

import numpy as np

from features.day_rows import summed
from features.usage_levels import Columns
from features.usage_rollup import DailyUse

#: A feature is sticky where at least this share of the accounts that used it in one month use it
#: in the next as well; it must have been used by so many accounts, and by such a share of them.
STICKY_SHARE, STICKY_ACCOUNTS, STICKY_REACH = 0.5, 3, 0.05


def breadth(use: DailyUse, as_of: int) -> Columns:
    """Return how many features each account used in 28 days, and of which set."""
    rows, count, names = use.events, len(use.accounts), len(use.event_names)
    account, event = use.pairs[:, 0], use.pairs[:, 1]

    def used(days: int, until: int = 0) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        window = rows.within(as_of, days, until)
        quantity = rows.values["quantity"][window]
        return summed(rows.member[window], len(use.pairs), quantity) > 0

    now, before = used(28), used(56, 28)
    reached, kept = summed(event[before], names), summed(event[before & now], names)
    active_before = len(np.unique(account[before]))
    enough = reached >= max(STICKY_ACCOUNTS, STICKY_REACH * active_before)
    sticky = enough & (kept >= STICKY_SHARE * reached)
    different = summed(account[now], count)
    of_sticky = summed(account[now & sticky[event]], count)
    whole = sticky.sum() or np.nan
    return {
        "usage_distinct_events_28d": different,
        "usage_breadth_share_28d": different / max(len(np.unique(event[now])), 1),
        "usage_sticky_share_28d": of_sticky / whole,
    }
