"""What an account wants to achieve: goals set, reached and overdue."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from features.definitions.feature import FeatureFamily
from features.relationship.rows import AccountRows, load_rows, where
from features.tables.opened import Tables
from features.windows.day_rows import Numbers
from features.windows.observation_dates import DateFeatures, ObservationDates
from features.windows.table_columns import NEVER, moment, some

YEAR = 365
_GOALS = FeatureFamily(
    name="goals", table="goals", prefix="goals_", null_means="no goal was ever set"
)

FEATURES = (
    _GOALS.feature(
        name="set_365d",
        unit="count",
        sentence="Goals set in the last year: {value}",
        zero_means="no goal was set in the last year",
        window_days=YEAR,
    ),
    _GOALS.feature(
        name="reached_share",
        unit="share",
        sentence="{value} of goals were reached",
        zero_means="no goal was reached yet",
    ),
    _GOALS.feature(
        name="reached_365d",
        unit="count",
        sentence="Goals reached in the last year: {value}",
        zero_means="no goal was reached in the last year",
        window_days=YEAR,
    ),
    _GOALS.feature(
        name="overdue",
        unit="count",
        sentence="Overdue goals: {value}",
        zero_means="no goal is overdue",
        direction=-1,
        null_means="no goal was ever set, or goals have no dates",
    ),
)

#: The target of a goal without one, while the latest is looked for.
_BEFORE_ALL = np.iinfo(np.int64).min


def _once(goals: AccountRows) -> AccountRows:
    """Return one row of each goal that is in several, with the first reached_at and last target_at.

    Which of these rows was there on a date is not known: without known_at, all count from set_at.
    """
    names = ("goal", "set_at", "target_at", "reached_at")
    frame = pd.DataFrame({name: goals[name] for name in names})
    frame["account"] = goals.columns.account
    frame["from"], frame["until"] = goals.known_from, goals.known_until
    own = ["account", "goal", "set_at", "from", "until"]
    again = frame.duplicated(own)
    if not again.any():
        return goals
    due = frame["target_at"].replace(NEVER, _BEFORE_ALL)
    rows = frame.assign(target_at=due).groupby(own, sort=False)
    columns = {
        **goals.columns.columns,
        "target_at": rows["target_at"].transform("max").replace(_BEFORE_ALL, NEVER).to_numpy(),
        "reached_at": rows["reached_at"].transform("min").to_numpy(),
    }
    first = ~again.to_numpy()
    taken = replace(goals.columns, columns=columns).taken(first)
    return AccountRows(taken, goals.known_from[first], goals.known_until[first])


def prepare(tables: Tables, dates: ObservationDates) -> DateFeatures:
    """Return what computes the features of goals of each account on a date.

    Parameters
    ----------
    tables : Tables
        Without goals every feature is NaN.
    dates : ObservationDates
        The accounts and dates.
    """
    if not tables.has("goals"):
        return lambda _: {}
    goals = load_rows(
        tables,
        "goals",
        dates.accounts,
        dated_by="set_at",
        optional={"goal": "text", "target_at": "time", "reached_at": "time"},
    )
    goals = _once(goals)
    has_dates = tables.has("goals", "target_at")

    def values(as_of: pd.Timestamp) -> dict[str, Numbers]:
        at = moment(as_of)
        seen = goals.known(at)
        reached = seen & (goals["reached_at"] < at)
        overdue = seen & ~reached & (goals["target_at"] < at)
        count = goals.count(seen)
        ever = count > 0
        return {
            "goals_set_365d": where(ever, goals.count(seen & goals.within("set_at", at, YEAR))),
            "goals_reached_share": goals.count(reached) / some(count),
            "goals_reached_365d": where(
                ever, goals.count(reached & goals.within("reached_at", at, YEAR))
            ),
            "goals_overdue": where(ever & has_dates, goals.count(overdue)),
        }

    return lambda date: date.broadcast(values(date.as_of))
