"""How much an account used, how often, and against its own habit."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.daily_use import DailyUse
from features.day_rows import Numbers, latest, summed

#: Weeks of the recent level, and of the account's own baseline. The week between is a buffer, so
#: that a slow fall does not hide itself in its own baseline.
RECENT_WEEKS, BUFFER_WEEKS, BASELINE_WEEKS = 4, 1, 13
_WEEKS = RECENT_WEEKS + BUFFER_WEEKS + BASELINE_WEEKS
_RECENT, _BASELINE = slice(0, RECENT_WEEKS), slice(RECENT_WEEKS + BUFFER_WEEKS, _WEEKS)
#: Days of the windows.
WINDOWS = (7, 28, 90)
Columns = dict[str, npt.NDArray[Any]]


def levels(use: DailyUse, as_of: int) -> Columns:
    """Return levels, trends and habits as of a day: a value per account of `use.accounts`."""
    rows, count = use.rows, len(use.accounts)
    reach = rows.within(as_of, 7 * _WEEKS)
    quantity = rows.per_week(reach, as_of, _WEEKS, count, "quantity")
    active = use.account_days
    days = active.per_week(active.within(as_of, 7 * _WEEKS), as_of, _WEEKS, count)
    month, quarter = rows.within(as_of, 28), rows.within(as_of, 90)
    out: Columns = {
        "usage_events_7d": quantity[:, 0],
        "usage_events_28d": quantity[:, _RECENT].sum(axis=1),
        "usage_events_90d": rows.totals(quarter, "quantity", count),
        "usage_active_days_7d": days[:, 0],
        "usage_active_days_28d": days[:, _RECENT].sum(axis=1),
        "usage_active_days_90d": summed(active.account[active.within(as_of, 90)], count),
        "usage_events_trend": weekly_trend(quantity, 1.0),
        "usage_active_days_trend": weekly_trend(days, 0.5),
        "usage_weekend_share_change": _weekend_change(use, as_of, quantity),
        "usage_recency_days": as_of - _last_day(use, as_of) - 1,
    }
    for window in WINDOWS:
        own = rows.within(as_of, window)
        out[f"usage_records_{window}d"] = rows.totals(own, "records", count)
    errors = rows.totals(month, "errors", count)
    known = rows.totals(month, "errors_known", count) > 0
    rate = share(np.where(known, errors, np.nan), out["usage_events_28d"])
    out["usage_errors_per_100_events_28d"] = 100 * rate
    return out


def weekly_trend(weeks: npt.NDArray[np.float64], smoothing: float) -> Numbers:
    """Return the logarithm of the recent typical week over the baseline's typical week.

    Parameters
    ----------
    weeks : array of float, shape = (n_accounts, 18)
        A level per week, the last week first; a silent week is 0.
    smoothing : float
        Added to both medians, so that zero is defined.

    Notes
    -----
    Typical is the median: of the last 4 weeks against the 13 that end a week earlier. One busy
    week moves neither, and whoever comes once a month has not grown in the week of the visit.
    """
    now, before = np.median(weeks[:, _RECENT], axis=1), np.median(weeks[:, _BASELINE], axis=1)
    ratio: Numbers = np.log((now + smoothing) / (before + smoothing))
    return ratio


def peak_users(use: DailyUse, as_of: int) -> Columns:
    """Return active users by window where rows were summed up before they reached us.

    The busiest day's users are a lower bound; NaN where they were never counted. Beside them, as
    ``days_28`` and so on, the users of the window's days added up.
    """
    counted, count = _ever_counted(use, as_of), len(use.accounts)
    out = {}
    windows = {str(window): (window, 0) for window in WINDOWS} | {"before": (63, 35)}
    for name, (days, until) in windows.items():
        rows = use.rows.within(as_of, days, until)
        told = use.rows.values["active_users"][rows]
        there = ~np.isnan(told)
        account, day = use.rows.account[rows][there], as_of - use.rows.day[rows][there]
        peak = latest(account, count, told[there])
        out[name] = np.where(counted, np.nan_to_num(peak), np.nan)
        # Several rows of a day may have come at different times: its users are those of the most.
        number, both = pd.factorize(account * (days + 1) + day)
        most = latest(number, len(both), told[there])
        out[f"days_{name}"] = summed(both // (days + 1), count, most)
    return out


def share(part: Numbers, whole: Numbers) -> Numbers:
    """Return part over whole; NaN where the whole is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(whole > 0, part / whole, np.nan)


def _ever_counted(use: DailyUse, as_of: int) -> npt.NDArray[np.bool_]:
    counted = (use.rows.values["users_counted"] > 0) & (use.rows.seen_from < as_of)
    return summed(use.rows.account[counted], len(use.accounts)) > 0


def _last_day(use: DailyUse, as_of: int) -> Numbers:
    days = use.account_days
    rows = days.within(as_of, as_of - int(days.day[0])) if len(days.day) else slice(0, 0)
    return latest(days.account[rows], len(use.accounts), days.day[rows].astype(float))


def _weekend_change(use: DailyUse, as_of: int, quantity: npt.NDArray[np.float64]) -> Numbers:
    """Return the weekend's share of use in 28 days less its share in the baseline."""
    count = len(use.accounts)
    shares = []
    for part, days, until in ((_RECENT, 28, 0), (_BASELINE, 126, 35)):
        rows = use.rows.within(as_of, days, until)
        # 1970-01-01 was a Thursday.
        weekend = (use.rows.day[rows] + 3) % 7 >= 5
        told = use.rows.values["quantity"][rows][weekend]
        at_weekends = summed(use.rows.account[rows][weekend], count, told)
        shares.append(share(at_weekends, quantity[:, part].sum(axis=1)))
    return shares[0] - shares[1]
