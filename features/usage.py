"""Use: who used what, how often, and whether that is more or less than it used to be."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd

from features.daily_use import REACH_DAYS, DailyUse, roll_up
from features.day_rows import day_number
from features.spine_dates import ByAccount, SpineDates
from features.tables import Tables
from features.usage_catalogue import FEATURES
from features.usage_events import Events
from features.usage_levels import WINDOWS, Columns, levels, peak_users, share
from features.usage_quota import Quotas
from features.usage_users import Users

__all__ = ["FEATURES", "build", "quota_levels"]

#: What an account has once it is old enough for a baseline of its own.
_HABITS = [f"usage_{name}_trend" for name in ("events", "users", "active_days")]
_HABITS.append("usage_weekend_share_change")


def build(tables: Tables, spine: pd.DataFrame, *, use: DailyUse | None = None) -> pd.DataFrame:
    """Return the usage features of all dates, from one roll-up of the raw rows.

    Parameters
    ----------
    tables : Tables
        Where usage is absent every feature is NaN.
    spine : pd.DataFrame
        account_id, as_of and created_at, ordered by as_of; seats where contracts tell them.
    use : DailyUse, optional
        The roll-up for these dates, where it was made already.

    Returns
    -------
    pd.DataFrame, shape = (n_accounts × n_dates, n_features)
        The spine's index; a float column per feature.
    """
    names = [feature.name for feature in FEATURES]
    if spine.empty or not tables.has("usage"):
        return pd.DataFrame(np.nan, index=spine.index, columns=names)
    use = roll_up(tables, spine["as_of"]) if use is None else use
    users = Users(use) if use.has_users else None
    events, quotas = Events(tables, spine["as_of"], use.accounts), Quotas(tables, spine["as_of"])
    dates = SpineDates.of(spine)

    # Whoever never used it, or never had a quota, stands at −1, the last.
    place, limited = (
        index.get_indexer(dates.accounts) for index in (use.accounts, quotas.accounts)
    )

    def told(day: pd.Timestamp) -> ByAccount:
        full, columns = quotas.fullest(day), _columns(use, users, events, day_number(day))
        by_account = {name: np.append(values, np.nan)[place] for name, values in columns.items()}
        return by_account | {name: np.append(full[name], np.nan)[limited] for name in full}

    out = dates.told(names, told)
    return _with_habits(out, spine)


def quota_levels(tables: Tables, spine: pd.DataFrame) -> pd.DataFrame:
    """Return how full the quota of each product is: as_of, and the columns of `Quotas.as_of`."""
    quotas = Quotas(tables, spine["as_of"])
    parts = []
    for as_of, rows in SpineDates.of(spine):
        levels_then = quotas.as_of(as_of).assign(as_of=as_of)
        parts.append(levels_then[levels_then["account_id"].isin(spine["account_id"].iloc[rows])])
    return pd.concat(parts, ignore_index=True)


def _columns(use: DailyUse, users: Users | None, events: Events, as_of: int) -> Columns:
    """Return every value that is told per account of `use` as of a day; NaN where it has none."""
    out = levels(use, as_of) | events.breadth(as_of)
    active = peak_users(use, as_of) if users is None else users.active(as_of)
    if users is not None:
        out |= users.columns(as_of)
    for days in ("28", "90"):
        out[f"usage_days_per_user_{days}d"] = share(active[f"days_{days}"], active[days])
    for window in WINDOWS:
        out[f"usage_active_users_{window}d"] = active[str(window)]
    out["usage_users_trend"] = np.log((active["28"] + 1.0) / (active["before"] + 1.0))
    ever = use.used_from < as_of
    return {name: np.where(ever, values, np.nan) for name, values in out.items()}


def _with_habits(told: pd.DataFrame, spine: pd.DataFrame) -> pd.DataFrame:
    """Blank what an account is too young for, and add what rests on the spine."""
    young = spine["created_at"] > spine["as_of"] - timedelta(days=REACH_DAYS)
    told.loc[young, _HABITS] = np.nan
    fleet = told["usage_events_trend"].groupby(spine["as_of"]).transform("median")
    told["usage_events_vs_fleet_trend"] = told["usage_events_trend"] - fleet
    seats = spine["seats"] if "seats" in spine else pd.Series(np.nan, index=spine.index)
    utilisation = told["usage_active_users_28d"] / seats.where(seats > 0)
    told["usage_seat_utilisation_28d"] = utilisation
    # Where nobody was active there are no days of theirs, and none of the seats was in use.
    seat_days = (utilisation * told["usage_days_per_user_28d"] / 28.0).mask(utilisation == 0, 0.0)
    told["usage_seats_in_use_daily_28d"] = seat_days
    return told
