"""Inputs of a model of the health score alone: the points and weights of the score."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from health.scorecard.score import HealthScores, score_with
from health.settings.measure import CUSTOM_FEATURES
from health.settings.score import ScoreSettings
from models.churn.score_model import POINTS, WEIGHT

#: Artefact of a version whose churn model may use the score: the scorecard at training time.
SCORECARD = "scorecard"


def score_measures(settings: ScoreSettings) -> list[str]:
    """Return the features of a score: those of its measures and of its rules."""
    rules = [rule for card in settings.scorecard.cards for rule in card.rules]
    asked = [condition.feature for rule in rules for condition in rule.when]
    return list(dict.fromkeys([*settings.scorecard.measures, *asked]))


def score_terms(
    features: pd.DataFrame, settings: ScoreSettings, health: HealthScores | None = None
) -> pd.DataFrame:
    """Return the parts of the health score of each row, by feature, as of its date.

    Overrides are ignored, because they are not evidence about the scorecard. The effect of a rule
    is divided equally among the features of its conditions.

    Parameters
    ----------
    features : pd.DataFrame, shape = (n_rows, n_columns)
        Features as of any dates, with all accounts of a date, because some measures use
        percentiles among peers.
    settings : ScoreSettings
        The scorecard.
    health : HealthScores, optional
        The health scores by `settings`, without overrides, if already computed.

    Returns
    -------
    pd.DataFrame, shape = (n_rows, 2 × n_measures)
        Columns `score_columns` of `score_measures`; the points of a row sum to its score, the
        weights to 1. All are NaN if a row has no score.
    """
    health = score_with(settings, features) if health is None else health
    measures = score_measures(settings)
    points = health.contributions.reindex(columns=measures, fill_value=0.0)
    for card in settings.scorecard.cards:
        own = (health.profile == card.profile).to_numpy()
        for rule in card.rules if own.any() else ():
            moved = health.contributions[rule.term].where(own, 0.0)
            for condition in rule.when:
                points[condition.feature] = points[condition.feature] + moved / len(rule.when)
    weights = health.weights.reindex(columns=measures, fill_value=0.0)
    result = pd.concat([points.add_prefix(POINTS), weights.add_prefix(WEIGHT)], axis=1)
    result[health.score.isna().to_numpy()] = np.nan
    return result


def kept_scorecard(settings: ScoreSettings) -> dict[str, Any]:
    """Return the scorecard as plain values, deterministically."""
    kept: dict[str, Any] = settings.model_dump(mode="json")
    return kept


def scorecard_of(models: Mapping[str, Any], columns: Iterable[str]) -> ScoreSettings | None:
    """Return the scorecard whose terms a version's churn model reads, None if it reads none.

    Parameters
    ----------
    models : mapping of str to object
        The artefacts of the version.
    columns : iterable of str
        Of the features: custom ones are among them.
    """
    if SCORECARD not in models:
        return None
    known = {CUSTOM_FEATURES: frozenset(map(str, columns))}
    return ScoreSettings.model_validate(models[SCORECARD], context=known)


def with_score_terms(
    features: pd.DataFrame,
    models: Mapping[str, Any],
    percentiles: Mapping[str, pd.DataFrame] | None = None,
) -> pd.DataFrame:
    """Add the score inputs of a version's churn model, by the scorecard it was trained with.

    Parameters
    ----------
    features : pd.DataFrame
        As in `score_terms`.
    models : mapping of str to object
        The artefacts of a version. Without a scorecard, the features are returned unchanged.
    percentiles : mapping of str to pd.DataFrame, optional
        As for `ScoreInputs`, if these are not all accounts.
    """
    settings = scorecard_of(models, features.columns)
    if settings is None:
        return features
    among = None if percentiles is None else percentiles.get(settings.hash)
    result = score_terms(features, settings, score_with(settings, features, percentiles=among))
    return pd.concat([features.drop(columns=result.columns, errors="ignore"), result], axis=1)
