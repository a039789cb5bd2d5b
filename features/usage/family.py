"""Usage: by whom, how much and how often, and compared with the account's own baseline."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from features.rollups.daily_usage import REACH_DAYS, DailyUsage, roll_up
from features.tables.opened import Tables
from features.usage.catalogue import FEATURES, WINDOWS
from features.usage.levels import Users, levels, peak_users, share
from features.usage.quota import COLUMNS, Quotas
from features.windows.contracts import load_contracts
from features.windows.day_rows import BEFORE_ALL_DAYS, Numbers, day_number
from features.windows.fleet import FleetColumns
from features.windows.observation_dates import (
    ByAccount,
    DateFeatures,
    ObservationDates,
    OneDate,
)
from features.windows.table_columns import places_of

__all__ = ["FEATURES", "prepare", "quota_levels"]

#: Features of accounts that have been observed for long enough to have a baseline.
_HABITS = [f"usage_{name}_trend" for name in ("events", "users", "active_days")]
_HABITS.append("usage_weekend_share_change")
_OF_QUOTAS = ["account_id", "product", "quota_event", "quota", "used_30d", "share"]
_OF_QUOTAS += ["days_to_limit", "as_of"]


def prepare(
    tables: Tables, dates: ObservationDates, *, usage: Callable[[], DailyUsage] | None = None
) -> DateFeatures:
    """Return a function that computes levels, trends and habits of usage on a date.

    `usage.events` computes which product features were used, `usage.quota` how full quotas are.

    Parameters
    ----------
    tables : Tables
        Where usage is absent every feature is NaN.
    dates : ObservationDates
        The observations need created_at, and seats where contracts have them.
    usage : callable, optional
        Returns the roll-up for these dates, if other families use it, too.
    """
    if not tables.has("usage"):
        return lambda _: {}
    daily = roll_up(tables, dates.observations["as_of"]) if usage is None else usage()
    users = Users(daily) if daily.has_users else None
    # An account without usage has the place −1, the last.
    place = places_of(*(pa.array(n, pa.string()) for n in (dates.accounts, daily.accounts)))

    def of_accounts(date: OneDate) -> dict[str, Numbers]:
        at, columns = place[date.account], _columns(daily, users, day_number(date.as_of))
        return {name: np.append(values, np.nan)[at] for name, values in columns.items()}

    by_itself = dates.first_computed(of_accounts)

    def features(date: OneDate) -> dict[str, Numbers | Habits]:
        as_of, out = day_number(date.as_of), dict(by_itself(date))
        young = date.younger_than(REACH_DAYS)
        habits = {name: np.where(young, np.nan, out.pop(name)) for name in _HABITS}
        recorded = _recorded_since(daily, as_of, REACH_DAYS)
        return {**out, **_of_seats(date, out), "habits": Habits(habits, recorded=recorded)}

    return features


def quota_levels(tables: Tables, observations: pd.DataFrame) -> pd.DataFrame:
    """Return how full the quota of each product is: the fullest of an account is its feature.

    Parameters
    ----------
    tables : Tables
        Usage, and subscriptions with quota and quota_event.
    observations : pd.DataFrame
        account_id and as_of, ordered by as_of, as `build_features` returns them.

    Returns
    -------
    pd.DataFrame, shape = (n_quotas, 8)
        A row per account, date and product with a quota that runs: account_id, product,
        quota_event, quota (of 30 days), used_30d, share (used_30d over quota, 1 where it is used
        up), days_to_limit (at the present pace, NaN where there is none) and as_of. No row where
        usage or quotas are not recorded.
    """
    if not tables.has("usage") or observations.empty:
        return pd.DataFrame(columns=_OF_QUOTAS)
    contracts = load_contracts(tables, columns=COLUMNS)
    quotas, parts = Quotas(tables, observations["as_of"], contracts), []
    for date in ObservationDates.of(observations):
        levels_then = quotas.as_of(date.as_of).assign(as_of=date.as_of)
        parts.append(levels_then[levels_then["account_id"].isin(date.observations["account_id"])])
    return pd.concat(parts, ignore_index=True)


def _columns(usage: DailyUsage, users: Users | None, as_of: int) -> ByAccount:
    """Return every value per account of `usage` as of a day; NaN for one without usage yet."""
    out = levels(usage, as_of)
    active = peak_users(usage, as_of) if users is None else users.active(as_of)
    if users is not None:
        out |= users.columns(as_of)
    for days in ("28", "90"):
        out[f"usage_days_per_user_{days}d"] = share(active[f"days_{days}"], active[days])
    for window in WINDOWS:
        out[f"usage_active_users_{window}d"] = active[str(window)]
    out["usage_users_trend"] = np.log((active["28"] + 1.0) / (active["before"] + 1.0))
    ever = usage.used_from < as_of
    return {name: np.where(ever, values, np.nan) for name, values in out.items()}


def _recorded_since(usage: DailyUsage, as_of: int, days: int) -> bool:
    """Return whether usage was recorded this many days ago: weeks before that are not silent."""
    before = usage.rows.within(as_of, as_of - BEFORE_ALL_DAYS, days - 1)
    return len(usage.rows.day[before]) > 0


@dataclass(frozen=True)
class Habits(FleetColumns[tuple[bool, Numbers], float | None]):
    """Habits, and the trend against the fleet's; NaN where usage was not recorded for long enough.

    Attributes
    ----------
    habits : mapping of str to array of float
        Habits by name, blank for accounts that are too young.
    recorded : bool
        Whether usage of any of these accounts was recorded before the baseline.
    """

    habits: Mapping[str, Numbers]
    recorded: bool

    def share(self) -> tuple[bool, Numbers]:
        """Return whether usage was recorded, and the trends that are known."""
        trend = self.habits["usage_events_trend"]
        return self.recorded, trend[~np.isnan(trend)]

    @staticmethod
    def pooled(shares: Sequence[tuple[bool, Numbers]]) -> float | None:
        """Return the median trend, NaN without one; None where usage was not recorded."""
        if not any(recorded for recorded, _ in shares):
            return None
        fleet = np.concatenate([trends for _, trends in shares])
        return float(np.median(fleet)) if len(fleet) else np.nan

    def columns(self, statistic: float | None) -> dict[str, Numbers]:
        """Return the habits, and the trend less the median of the fleet."""
        out = dict(self.habits)
        if statistic is None:
            out = {name: np.full(len(values), np.nan) for name, values in out.items()}
        fleet = np.nan if statistic is None else statistic
        return {**out, "usage_events_vs_fleet_trend": out["usage_events_trend"] - fleet}


def _of_seats(date: OneDate, result: Mapping[str, Numbers]) -> dict[str, Numbers]:
    """Return usage as a share of the seats of the contract."""
    utilisation = share(result["usage_active_users_28d"], date.feature("seats"))
    seat_days = utilisation * result["usage_days_per_user_28d"] / 28.0
    return {
        "usage_seat_utilisation_28d": utilisation,
        # Without an active user there are no days per user, and no seat is in use.
        "usage_seats_in_use_daily_28d": np.where(utilisation == 0, 0.0, seat_days),
    }
