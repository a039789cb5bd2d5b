"""What an account wants to achieve: goals set, reached and overdue."""

from __future__ import annotations

import pandas as pd

from features.definitions.feature import FeatureFamily
from features.relationship.rows import load_rows, where
from features.tables.opened import Tables
from features.windows.day_rows import Numbers
from features.windows.observation_dates import DateFeatures, ObservationDates
from features.windows.table_columns import moment, some

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
        optional={"target_at": "time", "reached_at": "time"},
    )
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
