"""What an account wants to achieve: goals set, reached and overdue."""

from __future__ import annotations

import pandas as pd

from features.definitions.feature import Feature, Unit
from features.relationship.rows import load_rows, where
from features.tables.opened import Tables
from features.windows.day_rows import Numbers
from features.windows.observation_dates import DateFeatures, ObservationDates
from features.windows.table_columns import moment, some

YEAR = 365
_NONE = "no goal was ever set"


def _goal(
    name: str,
    window: int | None,
    unit: Unit,
    direction: int,
    sentence: str,
    zero: str,
    *,
    null: str = _NONE,
) -> Feature:
    full = f"goals_{name}"
    return Feature(full, "goals", "goals", window, unit, direction, null, zero, sentence)


FEATURES = (
    _goal("set_365d", YEAR, "count", 1, "Goals set in the last year: {value}", "no goal in a year"),
    _goal(
        "reached_share",
        None,
        "share",
        1,
        "{value} of the goals were reached",
        "no goal was reached yet",
    ),
    _goal(
        "reached_365d",
        YEAR,
        "count",
        1,
        "Goals reached in the last year: {value}",
        "no goal was reached in the last year",
    ),
    _goal(
        "overdue",
        None,
        "count",
        -1,
        "Goals past their date and not reached: {value}",
        "no goal is past its date",
        null="no goal was ever set, or goals have no dates",
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
