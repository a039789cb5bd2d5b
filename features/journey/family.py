"""The way of an account: how soon it had the first value, and which milestones it reached."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from features.definitions.feature import Feature, Unit
from features.definitions.settings import DEFAULT_SETTINGS, FeatureSettings, Milestone
from features.journey.steps import Step, reached
from features.rollups.daily_usage import DailyUse
from features.tables.opened import Tables
from features.windows.day_rows import Numbers, day_number
from features.windows.observation_dates import DateFeatures, ObservationDates, OneDate

_UNUSED = "use is not recorded"


def _step(name: str, unit: Unit, direction: int, sentence: str, zero: str, *, null: str) -> Feature:
    return Feature(name, "journey", "usage", None, unit, direction, null, zero, sentence)


FEATURES = (
    _step(
        "first_value_reached",
        "flag",
        1,
        "Has had the first value of the product",
        "has not had the first value of the product yet",
        null=_UNUSED,
    ),
    _step(
        "days_to_first_value",
        "days",
        -1,
        "Days from the start to the first value: {value}",
        "had the first value on the day it started",
        null="has not had the first value yet, or use is not recorded",
    ),
    _step(
        "milestones_reached",
        "count",
        1,
        "Milestones reached: {value}",
        "no milestone was reached yet",
        null="use is not recorded, or no milestone is named in the configuration",
    ),
    _step(
        "days_since_milestone",
        "days",
        -1,
        "Days since the latest milestone: {value}",
        "reached a milestone on the day before",
        null="no milestone was reached yet, or use is not recorded",
    ),
)


def prepare(
    tables: Tables,
    dates: ObservationDates,
    *,
    settings: FeatureSettings = DEFAULT_SETTINGS,
    use: Callable[[], DailyUse] | None = None,
) -> DateFeatures:
    """Return what tells the features of the way of each account on a date.

    A step is reached by the use that makes its count full, in the order in which uses became
    known; what is filled in later about earlier days moves no step that was reached before.
    The tenure of an account (tenure_days) is told before.

    Parameters
    ----------
    tables : Tables
        Without usage every feature is NaN.
    dates : SpineDates
        The accounts and dates.
    settings : FeatureSettings
        What the first value and the milestones are.
    use : callable, optional
        Returns the roll-up for these dates, where others need it, too.
    """
    if not tables.has("usage"):
        return lambda _: {}
    first, milestones = settings.first_value, settings.milestones
    steps = [Step(first.events, first.times), *(Step(_events(m), m.times) for m in milestones)]
    moments = reached(tables, dates.observations, steps, dates.accounts, use)

    def result(date: OneDate) -> dict[str, Numbers]:
        ages = [found.age(day_number(date.as_of), date.account) for found in moments]
        has_happened = ~np.isnan(ages)
        out = {
            "first_value_reached": has_happened[0].astype(float),
            "days_to_first_value": np.maximum(date.feature("tenure_days") - ages[0], 0.0),
        }
        if milestones:
            out["milestones_reached"] = has_happened[1:].sum(axis=0).astype(float)
            latest = np.where(has_happened[1:], ages[1:], np.inf).min(axis=0)
            out["days_since_milestone"] = np.where(np.isfinite(latest), latest - 1, np.nan)
        return out

    return result


def _events(milestone: Milestone) -> tuple[str, ...]:
    return () if milestone.event is None else (milestone.event,)
