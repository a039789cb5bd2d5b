"""How much an account uses, how often, by how many users, and compared with its own baseline."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.rollups.daily_usage import ERROR_DAYS, DailyUsage
from features.usage.catalogue import ACTIVE_DAYS, EVENTS, RECORDS, WINDOWS
from features.windows.day_rows import Numbers, earliest, latest, summed
from features.windows.observation_dates import ByAccount

#: Weeks of the recent level, and of the account's own baseline. The week between is a buffer, so
#: that a slow fall does not hide itself in its own baseline.
RECENT_WEEKS, BUFFER_WEEKS, BASELINE_WEEKS = 4, 1, 13
_WEEKS = RECENT_WEEKS + BUFFER_WEEKS + BASELINE_WEEKS
_RECENT, _BASELINE = slice(0, RECENT_WEEKS), slice(RECENT_WEEKS + BUFFER_WEEKS, _WEEKS)
#: The window of active users two months ago: its first and last days before the date.
_BEFORE = (63, 35)
#: A regular is a user who was active on this many of the last 28 days.
REGULAR_DAYS = 4
#: This many of the quarter's most active users are its champions.
CHAMPIONS = 3


def levels(usage: DailyUsage, as_of: int) -> ByAccount:
    """Return levels, trends and habits as of a day: a value per account of `usage.accounts`."""
    rows, active, count = usage.rows, usage.account_days, len(usage.accounts)
    quantity = rows.per_week(as_of, _WEEKS, count, "quantity")
    days = active.per_week(as_of, _WEEKS, count)
    out: ByAccount = {
        **rows.totals_in_windows(as_of, count, EVENTS),
        **rows.totals_in_windows(as_of, count, RECORDS),
        **active.totals_in_windows(as_of, count, ACTIVE_DAYS),
        "usage_events_trend": weekly_trend(quantity, 1.0),
        "usage_active_days_trend": weekly_trend(days, 0.5),
        "usage_weekend_share_change": _weekend_change(usage, as_of, quantity),
        "usage_recency_days": as_of - usage.last_days[as_of] - 1,
    }
    if "errors" in rows.values:
        month = rows.within(as_of, ERROR_DAYS)
        errors, known = (rows.totals(month, count, name) for name in ("errors", "errors_known"))
        rate = share(np.where(known > 0, errors, np.nan), out["usage_events_28d"])
        out["usage_errors_per_100_events_28d"] = 100 * rate
    return out


def weekly_trend(weeks: npt.NDArray[np.float64], smoothing: float) -> Numbers:
    """Return the logarithm of the recent typical week over the baseline's typical week.

    Parameters
    ----------
    weeks : array of float, shape = (18, n_accounts)
        A level per week, the last week first; a silent week is 0.
    smoothing : float
        Added to both medians, so that zero is defined.

    Notes
    -----
    Typical is the median: of the last 4 weeks against the 13 that end a week earlier. One busy
    week moves neither, and an account that comes once a month has not grown in the week of the
    visit.
    """
    now, before = median_of_each(weeks[_RECENT]), median_of_each(weeks[_BASELINE])
    ratio: Numbers = np.log((now + smoothing) / (before + smoothing))
    return ratio


def median_of_each(weeks: npt.NDArray[np.float64]) -> Numbers:
    """Return the median of each account's weeks, shape = (n_weeks, n_accounts), none of them NaN.

    Sorted as a whole: for so few weeks numpy's own median takes three times as long.
    """
    ordered = np.sort(weeks, axis=0)
    middle: Numbers = (ordered[(len(weeks) - 1) // 2] + ordered[len(weeks) // 2]) / 2
    return middle


def share(part: Numbers, whole: Numbers) -> Numbers:
    """Return part over whole; NaN where the whole is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(whole > 0, part / whole, np.nan)


def _weekend_change(usage: DailyUsage, as_of: int, quantity: npt.NDArray[np.float64]) -> Numbers:
    """Return the weekend's share of usage in 28 days less its share in the baseline."""
    rows, shares = usage.weekends, []
    for part, days, until in ((_RECENT, 28, 0), (_BASELINE, 126, 35)):
        window = rows.within(as_of, days, until)
        at_weekends = rows.totals(window, len(usage.accounts), "quantity")
        shares.append(share(at_weekends, quantity[part].sum(axis=0)))
    return shares[0] - shares[1]


def peak_users(usage: DailyUsage, as_of: int) -> ByAccount:
    """Return active users by window from a table that counts users instead of naming them.

    The users of the busiest day are a lower bound; NaN where users were never counted.
    ``days_28`` and so on are the users of each day of the window, added up.
    """
    count, windows = len(usage.accounts), {str(days): (days, 0) for days in WINDOWS}
    windows["before"] = _BEFORE
    if "active_users" not in usage.rows.values:
        unknown = np.full(count, np.nan)
        return {name: unknown for window in windows for name in (window, f"days_{window}")}
    counted, out = _ever_counted(usage, as_of), {}
    for name, (days, until) in windows.items():
        rows = usage.rows.within(as_of, days, until)
        users = usage.rows.values["active_users"][rows]
        present = ~np.isnan(users)
        account, day = usage.rows.account[rows][present], as_of - usage.rows.day[rows][present]
        peak = latest(account, count, users[present])
        out[name] = np.where(counted, np.nan_to_num(peak), np.nan)
        # Rows of one day may have been known at different times: the largest count is the day's.
        number, both = pd.factorize(account * (days + 1) + day)
        most = latest(number, len(both), users[present])
        out[f"days_{name}"] = summed(both // (days + 1), count, most)
    return out


def _ever_counted(usage: DailyUsage, as_of: int) -> npt.NDArray[np.bool_]:
    rows = usage.rows
    counted = (rows.values["users_counted"] > 0) & (rows.known_from < as_of)
    return summed(rows.account[counted], len(usage.accounts)) > 0


class Users:
    """The users of a company as of one day after another."""

    def __init__(self, usage: DailyUsage) -> None:
        self._usage = usage
        self._account = usage.user_account
        self._count = len(usage.user_account)
        # The first user of each account: they are in order of account.
        self._starts = np.flatnonzero(np.diff(usage.user_account, prepend=-1))
        rows = usage.rows
        # A user is new until usage before the last 28 days is known. The nameless come first.
        settled = rows.day + 28
        if rows.known is not None:
            settled = np.maximum(settled, rows.known_from)
        self._settled_from = earliest(rows.member + 1, self._count + 1, settled)[1:]

    def active(self, as_of: int) -> ByAccount:
        """Return active users per account by window, and ``before``: two months ago.

        NaN where no user of the account was ever named. ``days_28`` and so on are the days of
        usage of each of these users, added up.
        """
        named = self._usage.named_from < as_of
        windows = {"before": self._days(as_of, *_BEFORE)}
        so_far, until = np.zeros(self._count), 0
        for window in WINDOWS:
            so_far = so_far + self._days(as_of, window, until)
            windows[str(window)], until = so_far, window
        out = {}
        for name, days in windows.items():
            out[name] = np.where(named, self._per_account(days > 0), np.nan)
            out[f"days_{name}"] = self._per_account(days)
        return out

    def columns(self, as_of: int) -> ByAccount:
        """Return the features that compare single users."""
        days = self._days(as_of, 28)
        active, named = days > 0, self._usage.named_from < as_of
        # Only named users count: a machine that calls an interface is no user.
        done = self._quantity(as_of, 28)
        new = active & (self._settled_from >= as_of)
        regular = self._per_account(days >= REGULAR_DAYS)
        return {
            "usage_top_user_share_28d": share(self._largest(done), self._per_account(done)),
            "usage_champions_silent": self._champions_silent(
                self._quantity(as_of, 118, 28), active
            ),
            "usage_new_users_28d": np.where(named, self._per_account(new), np.nan),
            "usage_regular_share_28d": share(regular, self._per_account(active)),
        }

    def _days(self, as_of: int, days: int, until: int = 0) -> Numbers:
        rows = self._usage.user_days
        return summed(rows.member[rows.within(as_of, days, until)], self._count)

    def _quantity(self, as_of: int, days: int, until: int = 0) -> Numbers:
        rows = self._usage.rows
        window = rows.within(as_of, days, until)
        # The nameless come first, and are left out.
        member, quantity = rows.member[window] + 1, rows.values["quantity"][window]
        return summed(member, self._count + 1, quantity)[1:]

    def _per_account(self, values: npt.NDArray[np.generic]) -> Numbers:
        return summed(self._account, len(self._usage.accounts), values.astype(float))

    def _largest(self, values: Numbers) -> Numbers:
        largest = np.zeros(len(self._usage.accounts))
        if self._count:
            largest[self._account[self._starts]] = np.maximum.reduceat(values, self._starts)
        return largest

    def _champions_silent(self, quarter: Numbers, active: npt.NDArray[np.bool_]) -> Numbers:
        """Return the share of the quarter's most active users who stopped."""
        left = quarter.copy()
        champions = np.zeros(self._count, dtype=bool)
        for _ in range(CHAMPIONS):
            most = self._largest(left)[self._account]
            found = np.flatnonzero((left == most) & (left > 0))
            # Of equals the first by name: users are in that order.
            first = found[np.unique(self._account[found], return_index=True)[1]]
            champions[first] = True
            left[first] = 0.0
        return share(self._per_account(champions & ~active), self._per_account(champions))
