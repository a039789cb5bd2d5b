"""Bands: red, yellow and green, and when an account changes from one to another."""

from __future__ import annotations

import numpy as np
import pandas as pd

from health.settings.scorecard import Bands

BANDS = ("red", "yellow", "green")


def band(score: pd.Series[float], bands: Bands) -> pd.Series[str]:
    """Return the band of each score, ignoring the previous band; null if not scored.

    red < `yellow` ≤ yellow < `green` ≤ green.
    """
    return _names(_level(score.to_numpy(dtype=float), bands), score)


def settled_band(
    score: pd.Series[float],
    bands: Bands,
    *,
    previous_score: pd.Series[float],
    previous_band: pd.Series[str],
) -> pd.Series[str]:
    """Return the band of each account, with hysteresis.

    An account leaves the band of the previous run if its score is `margin` points or more beyond
    the limit, or if it is less far beyond the limit for the second run in a row. Without a
    previous band (a new account, or one that was not scored) the band of the score applies.

    Parameters
    ----------
    score : pd.Series of float
        Scores of this run; NaN if not scored.
    bands : Bands
        Limits and margin.
    previous_score, previous_band : pd.Series
        Published by the previous run, on the index of `score`; missing if there is none.
    """
    now = score.to_numpy(dtype=float)
    before = previous_score.to_numpy(dtype=float)
    previous_place = previous_band.map({name: place for place, name in enumerate(BANDS)})
    previous_level = previous_place.to_numpy(dtype=float)
    level = _level(now, bands)
    known = ~np.isnan(previous_level) & ~np.isnan(now)
    current = np.where(known, previous_level, level)
    # Without a previous score, nothing was beyond a limit then.
    draw = np.where(np.isnan(before), current, _level(np.nan_to_num(before), bands))
    fallen = np.minimum(_fallen_level(now, bands), np.maximum(level, draw))
    risen = np.maximum(_risen_level(now, bands), np.minimum(level, draw))
    settled = np.where(
        level < current,
        np.minimum(current, fallen),
        np.where(level > current, np.maximum(current, risen), current),
    )
    return _names(np.where(np.isnan(now), np.nan, settled), score)


def _level(score: np.ndarray, bands: Bands) -> np.ndarray:
    """Return 0 for red, 1 for yellow, 2 for green; NaN if not scored."""
    level = (score >= bands.yellow).astype(float) + (score >= bands.green)
    return np.where(np.isnan(score), np.nan, level)


def _fallen_level(score: np.ndarray, bands: Bands) -> np.ndarray:
    """Return the level a falling score reaches at once: limits passed by the margin."""
    above = [
        (score > limit - bands.margin) | (score >= limit) for limit in (bands.yellow, bands.green)
    ]
    return above[0].astype(float) + above[1]


def _risen_level(score: np.ndarray, bands: Bands) -> np.ndarray:
    """Return the level a rising score reaches at once."""
    yellow: np.ndarray = score >= bands.yellow + bands.margin
    return yellow.astype(float) + (score >= bands.green + bands.margin)


def _names(level: np.ndarray, score: pd.Series[float]) -> pd.Series[str]:
    names = np.array([*BANDS, None], dtype=object)
    places = np.where(np.isnan(level), len(BANDS), np.nan_to_num(level)).astype(int)
    return pd.Series(names[places], index=score.index, dtype=object)
