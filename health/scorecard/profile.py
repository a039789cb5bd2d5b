"""Which profile of the scorecard applies to an account: the first whose criteria all hold."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd

from features.condition import all_hold
from features.errors import HealthError
from features.journey_stage import lifecycle_stage
from health.scorecard.config import DEFAULT_PROFILE, Profile, Scorecard
from health.scorecard.stage_config import StageConfig


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


def require_known_segments(scorecard: Scorecard, segments: Collection[str], *, where: str) -> None:
    """Raise HealthError where a profile names a segment that no account has.

    Parameters
    ----------
    scorecard : Scorecard
        The profiles.
    segments : collection of str
        Every segment that the accounts table holds.
    where : str
        The configuration file.
    """
    wrong = [
        f"scorecard.profiles.{place}.segment: no account has the segment {name!r}"
        for place, profile in enumerate(scorecard.profiles)
        for name in profile.segment
        if name not in segments
    ]
    if wrong:
        known = ", ".join(sorted(segments)) or "none: accounts has no column segment"
        raise HealthError(
            "a profile of the scorecard would never apply\n  " + "\n  ".join(wrong),
            where=where,
            fix=f"name segments of the accounts table; it holds {known}",
        )


def unknown_stages(scorecard: Scorecard, stages: StageConfig) -> list[str]:
    """Return what to say of each stage that a profile names and no rule gives."""
    return [
        f"scorecard.profiles.{place}.stage: no stage is called {name!r}; known are "
        + ", ".join(stages.names)
        for place, profile in enumerate(scorecard.profiles)
        for name in profile.stage
        if name not in stages.names
    ]


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
