"""The features of one family by themselves, which takes a fraction of the time of all."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pandas as pd

from features import Tables
from features.usage import events as usage_events
from features.usage import family as usage
from features.usage import quota as usage_quota
from features.windows.observation_dates import ObservationDates

#: Usage has three parts, which are prepared separately.
_PARTS = {usage: (usage, usage_events, usage_quota)}


def one_family(
    family: ModuleType, tables: Tables, observations: pd.DataFrame, **options: Any
) -> Any:
    """Return the family's features on the index of the observations.

    Features of earlier families may be columns of the observations.
    """
    dates = ObservationDates.of(observations, [feature.name for feature in family.FEATURES])
    parts = [part.prepare(tables, dates, **options) for part in _PARTS.get(family, (family,))]
    result: pd.DataFrame = dates.result(parts)
    return result
