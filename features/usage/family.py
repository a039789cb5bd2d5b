"""Use: who used what, how often, and whether that is more or less than it used to be."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from features.rollups.daily_usage import REACH_DAYS, DailyUse, roll_up
from features.tables.opened import Tables
from features.usage.catalogue import FEATURES
from features.usage.levels import WINDOWS, Columns, levels, peak_users, share
from features.usage.quota import Quotas
from features.usage.users import Users
from features.windows.day_rows import BEFORE_ALL_DAYS, Numbers, day_number
from features.windows.observation_dates import DateFeatures, ObservationDates, OneDate

__all__ = ["FEATURES", "prepare", "quota_levels"]

#: What an account has once it could be seen for long enough to have a baseline of its own.
_HABITS = [f"usage_{name}_trend" for name in ("events", "users", "active_days")]
_HABITS.append("usage_weekend_share_change")
#: Columns of what is told of each quota.
_OF_QUOTAS = ["account_id", "product", "quota_event", "quota", "used_30d", "share"]
_OF_QUOTAS += ["days_to_limit", "as_of"]


def prepare(
    tables: Tables, dates: ObservationDates, *, use: Callable[[], DailyUse] | None = None
) -> DateFeatures:
    """Return what tells how much, how often and by whom it was used, from the use by day.

    Which features were used is told by `usage_events`, and how full quotas are by `usage_quota`.

    Parameters
    ----------
    tables : Tables
        Where usage is absent every feature is NaN.
    dates : SpineDates
        The spine needs created_at. The seats of contracts are told before.
    use : callable, optional
        Returns the roll-up for these dates, where others need it, too.
    """
    if not tables.has("usage"):
        return lambda _: {}
    rolled_up = roll_up(tables, dates.observations["as_of"]) if use is None else use()
    users = Users(rolled_up) if rolled_up.has_users else None
    # Whoever never used it stands at −1, the last.
    place = rolled_up.accounts.get_indexer(dates.accounts)

    def of_use(date: OneDate) -> dict[str, Numbers]:
        at, columns = place[date.account], _columns(rolled_up, users, day_number(date.as_of))
        out = {name: np.append(values, np.nan)[at] for name, values in columns.items()}
        return out | _habits(date, out)

    own = dates.ahead(of_use)

    def result(date: OneDate) -> dict[str, Numbers]:
        out = own(date)
        return {**out, **_of_seats(date, out)}

    return result


def quota_levels(tables: Tables, observations: pd.DataFrame) -> pd.DataFrame:
    """Return how full the quota of each product is: the fullest of an account is its feature.

    Parameters
    ----------
    tables : Tables
        Usage, and subscriptions with quota and quota_event.
    spine : pd.DataFrame
        account_id and as_of, ordered by as_of, as `build_features` returns them.

    Returns
    -------
    pd.DataFrame, shape = (n_quotas, 8)
        A row per account, date and product with a quota that runs: account_id, product,
        quota_event, quota (of 30 days), used_30d, share (used_30d over quota, 1 where it is used
        up), days_to_limit (at the present pace, NaN where there is none) and as_of. No row where
        use or quotas are not recorded.
    """
    if not tables.has("usage") or observations.empty:
        return pd.DataFrame(columns=_OF_QUOTAS)
    quotas, parts = Quotas(tables, observations["as_of"]), []
    for date in ObservationDates.of(observations):
        levels_then = quotas.as_of(date.as_of).assign(as_of=date.as_of)
        parts.append(levels_then[levels_then["account_id"].isin(date.observations["account_id"])])
    return pd.concat(parts, ignore_index=True)


def _columns(use: DailyUse, users: Users | None, as_of: int) -> Columns:
    """Return every value that is told per account of `use` as of a day; NaN where it has none."""
    out = levels(use, as_of)
    active = peak_users(use, as_of) if users is None else users.active(as_of)
    if users is not None:
        out |= users.columns(as_of)
    for days in ("28", "90"):
        out[f"usage_days_per_user_{days}d"] = share(active[f"days_{days}"], active[days])
    for window in WINDOWS:
        out[f"usage_active_users_{window}d"] = active[str(window)]
    out["usage_users_trend"] = np.log((active["28"] + 1.0) / (active["before"] + 1.0))
    if not _seen_since(use, as_of, REACH_DAYS):
        out |= {name: np.full(len(use.accounts), np.nan) for name in _HABITS}
    ever = use.used_from < as_of
    return {name: np.where(ever, values, np.nan) for name, values in out.items()}


def _seen_since(use: DailyUse, as_of: int, days: int) -> bool:
    """Tell whether the records of use reach back so many days: weeks before them are not silent."""
    before = use.rows.within(as_of, as_of - BEFORE_ALL_DAYS, days - 1)
    return len(use.rows.day[before]) > 0


def _habits(date: OneDate, result: Mapping[str, Numbers]) -> dict[str, Numbers]:
    """Blank what an account is too young for, and hold its trend against the fleet's."""
    young = date.younger_than(REACH_DAYS)
    out = {name: np.where(young, np.nan, result[name]) for name in _HABITS}
    trend = out["usage_events_trend"]
    fleet = trend[~np.isnan(trend)]
    out["usage_events_vs_fleet_trend"] = trend - (np.median(fleet) if len(fleet) else np.nan)
    return out


def _of_seats(date: OneDate, result: Mapping[str, Numbers]) -> dict[str, Numbers]:
    """Hold use against the seats of the contract."""
    utilisation = share(result["usage_active_users_28d"], date.feature("seats"))
    seat_days = utilisation * result["usage_days_per_user_28d"] / 28.0
    return {
        "usage_seat_utilisation_28d": utilisation,
        # Where nobody was active there are no days of theirs, and none of the seats was in use.
        "usage_seats_in_use_daily_28d": np.where(utilisation == 0, 0.0, seat_days),
    }
