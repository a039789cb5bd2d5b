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
    """Return the profile that applies to each row.

    Profiles are tried in order; a row that matches none has the default.

    Parameters
    ----------
    features : pd.DataFrame, shape = (n_rows, n_columns)
        Needs `segment` and the features of the lifecycle stage, if a profile uses them.
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
    matches = all_hold(profile.when, features).to_numpy()
    if profile.segment:
        matches &= _among(features, "segment", profile.segment)
    if profile.stage:
        matches &= _among(features, "stage", profile.stage)
    return matches


def _among(features: pd.DataFrame, column: str, names: tuple[str, ...]) -> np.ndarray:
    if column not in features.columns:
        return np.zeros(len(features), dtype=bool)
    return features[column].isin(names).to_numpy()
