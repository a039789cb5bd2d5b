"""The columns of scores.parquet that the health score fills."""

from __future__ import annotations

from typing import Any

import pandas as pd

from health.scorecard.bands import band, settled_band
from health.scorecard.overrides import HEALTH
from health.scorecard.score import HealthScores, not_scored_reason
from health.settings.score import ScoreSettings

#: Columns of the previous run that the bands and the change need.
BEFORE = ["account_id", "health_score", "health_band"]


def health_columns(
    features: pd.DataFrame,
    health: HealthScores,
    overrides: pd.DataFrame,
    settings: ScoreSettings,
    previous: pd.DataFrame | None = None,
) -> dict[str, Any]:
    """Return score, band and related values, by column of scores.parquet.

    Parameters
    ----------
    features : pd.DataFrame
        The scored features, on the index of `health`.
    health : HealthScores
        The scores.
    overrides : pd.DataFrame
        The active overrides of one date.
    settings : ScoreSettings
        Bands, and the settings that are hashed.
    previous : pd.DataFrame, optional
        Columns `BEFORE` of the previous run, for the hysteresis of the bands.
    """
    before = _before(features, previous)
    bands = settings.scorecard.bands
    settled = settled_band(
        health.score,
        bands,
        previous_score=before["health_score"],
        previous_band=before["health_band"],
    )
    # If a person set the score, the band follows it without hysteresis.
    whole = overrides[overrides["measure"] == HEALTH].set_index("account_id")
    set_by_hand = features["account_id"].isin(whole.index)
    return {
        "health_score": health.score,
        "machine_health_score": health.machine_score,
        "health_band": settled.where(~set_by_hand, band(health.score, bands)),
        "health_coverage": health.coverage,
        "health_change": health.score - before["health_score"],
        "not_scored_reason": not_scored_reason(health),
        "health_profile": health.profile,
        "overridden_by": features["account_id"].map(_authors(overrides)),
        "scorecard_hash": settings.hash,
    }


def _before(features: pd.DataFrame, previous: pd.DataFrame | None) -> pd.DataFrame:
    """Return score and band of the previous run, on the index of `features`."""
    if previous is None:
        none = {"health_score": float("nan"), "health_band": None}
        return pd.DataFrame(none, index=features.index)
    then = previous[BEFORE].set_index("account_id")
    return then.reindex(features["account_id"]).set_axis(features.index, axis=0)


def _authors(overrides: pd.DataFrame) -> pd.Series[str]:
    """Return who overrode the score of each account, or one of its measures."""
    by_account = overrides.sort_values(["author"]).groupby("account_id")["author"]
    return by_account.agg(lambda names: ", ".join(dict.fromkeys(names)))
