"""Which profile of the scorecard applies to an account: the first whose criteria all hold."""

from __future__ import annotations

import numpy as np
import pandas as pd

from features.definitions.condition import all_hold
from features.definitions.stages import lifecycle_stage
from health.settings.scorecard import DEFAULT_PROFILE, Profile, Scorecard
from health.settings.stages import StageConfig


def applied_profile(
    features: pd.DataFrame, scorecard: Scorecard, stages: StageConfig
) -> pd.Series[str]:
    """Name the one profile that applies to each row.

    Profiles are asked in the order they are written; a row that meets none has the default.

    Parameters
    ----------
    features : pd.DataFrame, shape = (n_rows, n_columns)
        Needs `segment`, and what the lifecycle stage is made from, where a profile asks.
    scorecard : Scorecard
        The profiles.
    stages : StageConfig
        Rules of the stages.
    """
    names = np.full(len(features), DEFAULT_PROFILE, dtype=object)
    if any(profile.stage for profile in scorecard.profiles):
        features = features.assign(stage=lifecycle_stage(features, stages))
    for profile in reversed(scorecard.profiles):
        names[_meets(features, profile)] = profile.name
    return pd.Series(names, index=features.index, dtype=object)


def _meets(features: pd.DataFrame, profile: Profile) -> np.ndarray:
    held = all_hold(profile.when, features).to_numpy()
    if profile.segment:
        held &= _among(features, "segment", profile.segment)
    if profile.stage:
        held &= _among(features, "stage", profile.stage)
    return held


def _among(features: pd.DataFrame, column: str, names: tuple[str, ...]) -> np.ndarray:
    if column not in features.columns:
        return np.zeros(len(features), dtype=bool)
    return features[column].isin(names).to_numpy()
