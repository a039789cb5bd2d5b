"""The customer journey: how soon an account had first value, and which milestones it reached."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from features.definitions.feature import FeatureFamily
from features.definitions.settings import DEFAULT_SETTINGS, FeatureSettings, Milestone
from features.journey.steps import Step, reached
from features.rollups.daily_usage import DailyUsage
from features.tables.opened import Tables
from features.windows.day_rows import Numbers, day_number
from features.windows.observation_dates import DateFeatures, ObservationDates, OneDate

_JOURNEY = FeatureFamily(name="journey", table="usage", null_means="use is not recorded")

FEATURES = (
    _JOURNEY.feature(
        name="first_value_reached",
        unit="flag",
        sentence="Has reached first value",
        zero_means="has not reached first value yet",
    ),
    _JOURNEY.feature(
        name="days_to_first_value",
        unit="days",
        direction=-1,
        sentence="Days from start to first value: {value}",
        zero_means="reached first value on the first day",
        null_means="has not reached first value yet, or use is not recorded",
    ),
    _JOURNEY.feature(
        name="milestones_reached",
        unit="count",
        sentence="Milestones reached: {value}",
        zero_means="no milestone reached yet",
        null_means="use is not recorded, or no milestone is named in the configuration",
    ),
    _JOURNEY.feature(
        name="milestones_90d",
        unit="count",
        window_days=90,
        direction=1,
        sentence="Milestones reached in 90 days: {value}",
        zero_means="no milestone reached in 90 days",
        null_means="use is not recorded, or no milestone is named in the configuration",
    ),
    _JOURNEY.feature(
        name="days_since_milestone",
        unit="days",
        direction=-1,
        sentence="Days since the last milestone: {value}",
        zero_means="reached a milestone on the day before",
        null_means="no milestone was reached yet, or use is not recorded",
    ),
)


def prepare(
    tables: Tables,
    dates: ObservationDates,
    *,
    settings: FeatureSettings = DEFAULT_SETTINGS,
    usage: Callable[[], DailyUsage] | None = None,
) -> DateFeatures:
    """Return a function that computes the journey features of each account on a date.

    A step is reached by the usage that completes its count, in the order in which usage became
    known; what is filled in later about earlier days changes no step that was reached before.
    It needs the tenure of an account (tenure_days).

    Parameters
    ----------
    tables : Tables
        Without usage every feature is NaN.
    dates : ObservationDates
        The accounts and dates.
    settings : FeatureSettings
        What the first value and the milestones are.
    usage : callable, optional
        Returns the roll-up for these dates, if other families use it, too.
    """
    if not tables.has("usage"):
        return lambda _: {}
    first, milestones = settings.first_value, settings.milestones
    steps = [Step(first.events, first.times), *(Step(_events(m), m.times) for m in milestones)]
    moments = reached(tables, dates.observations, steps, dates.accounts, usage)

    def features(date: OneDate) -> dict[str, Numbers]:
        day = day_number(date.as_of)
        ages = np.stack([found.age(day, date.account) for found in moments])
        has_happened = ~np.isnan(ages)
        out = {
            "first_value_reached": has_happened[0].astype(float),
            "days_to_first_value": np.maximum(date.feature("tenure_days") - ages[0], 0.0),
        }
        if milestones:
            out["milestones_reached"] = has_happened[1:].sum(axis=0).astype(float)
            out["milestones_90d"] = (ages[1:] <= 90).sum(axis=0).astype(float)
            latest = np.where(has_happened[1:], ages[1:], np.inf).min(axis=0)
            out["days_since_milestone"] = np.where(np.isfinite(latest), latest - 1, np.nan)
        return out

    return features


def _events(milestone: Milestone) -> tuple[str, ...]:
    return () if milestone.event is None else (milestone.event,)
