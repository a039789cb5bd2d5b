"""Who used it: how many, how regularly, how unevenly, and whether the busiest are still there."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from features.rollups.daily_usage import DailyUse
from features.usage.levels import WINDOWS, Columns, share
from features.windows.day_rows import Numbers, earliest, summed

#: A regular is a user who was active on so many days of the last 28.
REGULAR_DAYS = 4
#: So many of the quarter's most active users are its champions.
CHAMPIONS = 3


class Users:
    """The users of a company, looked at as of one day after another."""

    def __init__(self, use: DailyUse) -> None:
        self._use = use
        self._account = use.user_account
        self._count = len(use.user_account)
        # Where each account's users begin: they are in order of account.
        self._starts = np.flatnonzero(np.diff(use.user_account, prepend=-1))
        rows = use.rows
        self._all_named = bool((rows.member >= 0).all())
        named = slice(None) if self._all_named else np.flatnonzero(rows.member >= 0)
        # A user is no newcomer from the day on which use before the last 28 days was known.
        if rows.known is None:
            self._settled_from = earliest(rows.member[named], self._count, rows.day[named]) + 28
        else:
            settled = np.maximum(rows.day[named] + 28, rows.seen_from[named])
            self._settled_from = earliest(rows.member[named], self._count, settled)

    def active(self, as_of: int) -> Columns:
        """Return active users per account by window, and ``before``: two months ago.

        NaN where no user of the account was ever named. Beside them, as ``days_28`` and so on,
        the days of their use, those of each user counted.
        """
        named = self._use.named_from < as_of
        windows = {"before": self._days(as_of, 63, 35)}
        so_far, until = np.zeros(self._count), 0
        for window in WINDOWS:
            so_far = so_far + self._days(as_of, window, until)
            windows[str(window)], until = so_far, window
        out = {}
        for name, days in windows.items():
            out[name] = np.where(named, self._per_account(days > 0), np.nan)
            out[f"days_{name}"] = self._per_account(days)
        return out

    def columns(self, as_of: int) -> Columns:
        """Return the features that are told from users one by one."""
        days = self._days(as_of, 28)
        here, named = days > 0, self._use.named_from < as_of
        # Of what people did: machines that call an interface are nobody's colleagues.
        done = self._quantity(as_of, 28)
        new = here & (self._settled_from >= as_of)
        regular = self._per_account(days >= REGULAR_DAYS)
        return {
            "usage_top_user_share_28d": share(self._largest(done), self._per_account(done)),
            "usage_champions_silent": self._champions_silent(self._quantity(as_of, 118, 28), here),
            "usage_new_users_28d": np.where(named, self._per_account(new), np.nan),
            "usage_regular_share_28d": share(regular, self._per_account(here)),
        }

    def _days(self, as_of: int, days: int, until: int = 0) -> Numbers:
        rows = self._use.user_days
        return summed(rows.member[rows.within(as_of, days, until)], self._count)

    def _quantity(self, as_of: int, days: int, until: int = 0) -> Numbers:
        rows = self._use.rows
        window = rows.within(as_of, days, until)
        member, quantity = rows.member[window], rows.values["quantity"][window]
        if self._all_named:
            return summed(member, self._count, quantity)
        # The nameless stand in front, at 0, and are left out.
        return summed(member + 1, self._count + 1, quantity)[1:]

    def _per_account(self, values: npt.NDArray[np.generic]) -> Numbers:
        return summed(self._account, len(self._use.accounts), values.astype(float))

    def _largest(self, values: Numbers) -> Numbers:
        largest = np.zeros(len(self._use.accounts))
        if self._count:
            largest[self._account[self._starts]] = np.maximum.reduceat(values, self._starts)
        return largest

    def _champions_silent(self, quarter: Numbers, here: npt.NDArray[np.bool_]) -> Numbers:
        """Return the share of the most active users of the quarter who have gone quiet."""
        left = quarter.copy()
        champions = np.zeros(self._count, dtype=bool)
        for _ in range(CHAMPIONS):
            most = self._largest(left)[self._account]
            found = np.flatnonzero((left == most) & (left > 0))
            # Of equals the first by name: users are in that order.
            first = found[np.unique(self._account[found], return_index=True)[1]]
            champions[first] = True
            left[first] = 0.0
        return share(self._per_account(champions & ~here), self._per_account(champions))
