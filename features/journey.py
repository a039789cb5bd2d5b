"""The way of an account: how soon it had the first value, and which milestones it reached."""

from __future__ import annotations

import numpy as np
import pandas as pd

from features.daily_use import DailyUse
from features.feature import Feature, Unit
from features.journey_steps import Step, reached
from features.settings import DEFAULT_SETTINGS, FeatureSettings, Milestone
from features.spine_dates import SpineDates
from features.tables import Tables

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


def build(
    tables: Tables,
    spine: pd.DataFrame,
    *,
    settings: FeatureSettings = DEFAULT_SETTINGS,
    use: DailyUse | None = None,
) -> pd.DataFrame:
    """Return the features of the way of each account and date.

    A step is reached by the use that makes its count full, in the order in which uses became
    known; what is filled in later about earlier days moves no step that was reached before.

    Parameters
    ----------
    tables : Tables
        Without usage every feature is NaN.
    spine : pd.DataFrame
        account_id, as_of and tenure_days.
    settings : FeatureSettings
        What the first value and the milestones are.
    use : DailyUse, optional
        The roll-up for these dates, where it was made already.

    Returns
    -------
    pd.DataFrame, shape = (n_rows, n_features)
        The index of `spine`; a float column per feature.
    """
    names = [feature.name for feature in FEATURES]
    out = pd.DataFrame(np.nan, index=spine.index, columns=names)
    if not tables.has("usage"):
        return out
    if spine.empty:
        return out
    first, milestones = settings.first_value, settings.milestones
    steps = [Step(first.events, first.times), *(Step(_events(m), m.times) for m in milestones)]
    dates = SpineDates.of(spine)
    as_of = spine["as_of"].to_numpy().astype("datetime64[D]").astype(np.int64)
    ages = np.stack(
        [
            moment.age(as_of, dates.account)
            for moment in reached(tables, spine, steps, dates.accounts, use)
        ]
    )
    has_happened = ~np.isnan(ages)
    out["first_value_reached"] = has_happened[0].astype(float)
    out["days_to_first_value"] = (spine["tenure_days"] - ages[0]).clip(lower=0)
    if milestones:
        out["milestones_reached"] = has_happened[1:].sum(axis=0).astype(float)
        latest = np.where(has_happened[1:], ages[1:], np.inf).min(axis=0)
        out["days_since_milestone"] = np.where(np.isfinite(latest), latest - 1, np.nan)
    return out


def _events(milestone: Milestone) -> tuple[str, ...]:
    return () if milestone.event is None else (milestone.event,)
