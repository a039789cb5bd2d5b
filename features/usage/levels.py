"""How much an account used, how often, and against its own habit."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.rollups.daily_usage import DailyUse
from features.windows.day_rows import DayRows, Numbers, latest, summed

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
    rows, active, count = use.rows, use.account_days, len(use.accounts)
    quantity = rows.per_week(as_of, _WEEKS, count, "quantity")
    days = active.per_week(as_of, _WEEKS, count)
    out: Columns = {
        "usage_events_7d": quantity[0],
        "usage_events_28d": quantity[_RECENT].sum(axis=0),
        "usage_events_90d": _quarter(rows, as_of, quantity, "quantity"),
        "usage_active_days_7d": days[0],
        "usage_active_days_28d": days[_RECENT].sum(axis=0),
        "usage_active_days_90d": _quarter(active, as_of, days),
        "usage_events_trend": weekly_trend(quantity, 1.0),
        "usage_active_days_trend": weekly_trend(days, 0.5),
        "usage_weekend_share_change": _weekend_change(use, as_of, quantity),
        "usage_recency_days": as_of - use.last_days[as_of] - 1,
    }
    records, until = np.zeros(count), 0
    for window in WINDOWS:
        records = records + rows.totals(rows.within(as_of, window, until), count, "records")
        out[f"usage_records_{window}d"], until = records, window
    month = rows.within(as_of, 28)
    errors, known = (rows.totals(month, count, name) for name in ("errors", "errors_known"))
    rate = share(np.where(known > 0, errors, np.nan), out["usage_events_28d"])
    out["usage_errors_per_100_events_28d"] = 100 * rate
    return out


def _quarter(
    rows: DayRows, as_of: int, weeks: npt.NDArray[np.float64], column: str = ""
) -> Numbers:
    """Return what twelve weeks and the six days before them add up to."""
    rest = rows.within(as_of, 90, 84)
    total: Numbers = weeks[:12].sum(axis=0) + rows.totals(rest, len(weeks.T), column)
    return total


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
    week moves neither, and whoever comes once a month has not grown in the week of the visit.
    """
    now, before = median_of_each(weeks[_RECENT]), median_of_each(weeks[_BASELINE])
    ratio: Numbers = np.log((now + smoothing) / (before + smoothing))
    return ratio


def median_of_each(weeks: npt.NDArray[np.float64]) -> Numbers:
    """Return the median of each account's weeks, shape = (n_weeks, n_accounts), none of them NaN.

    Put in order as a whole: for so few of each numpy's own median takes three times as long.
    """
    ordered = np.sort(weeks, axis=0)
    middle: Numbers = (ordered[(len(weeks) - 1) // 2] + ordered[len(weeks) // 2]) / 2
    return middle


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
        result = use.rows.values["active_users"][rows]
        present = ~np.isnan(result)
        account, day = use.rows.account[rows][present], as_of - use.rows.day[rows][present]
        peak = latest(account, count, result[present])
        out[name] = np.where(counted, np.nan_to_num(peak), np.nan)
        # Several rows of a day may have come at different times: its users are those of the most.
        number, both = pd.factorize(account * (days + 1) + day)
        most = latest(number, len(both), result[present])
        out[f"days_{name}"] = summed(both // (days + 1), count, most)
    return out


def share(part: Numbers, whole: Numbers) -> Numbers:
    """Return part over whole; NaN where the whole is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(whole > 0, part / whole, np.nan)


def _ever_counted(use: DailyUse, as_of: int) -> npt.NDArray[np.bool_]:
    counted = (use.rows.values["users_counted"][:] > 0) & (use.rows.seen_from < as_of)
    return summed(use.rows.account[counted], len(use.accounts)) > 0


def _weekend_change(use: DailyUse, as_of: int, quantity: npt.NDArray[np.float64]) -> Numbers:
    """Return the weekend's share of use in 28 days less its share in the baseline."""
    rows, shares = use.weekends, []
    for part, days, until in ((_RECENT, 28, 0), (_BASELINE, 126, 35)):
        at_weekends = rows.totals(rows.within(as_of, days, until), len(use.accounts), "quantity")
        shares.append(share(at_weekends, quantity[part].sum(axis=0)))
    return shares[0] - shares[1]
