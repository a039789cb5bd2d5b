"""The reasons of a health score: a row for each measure, rule and override, in sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from health.presentation.wording import day
from health.reasons.change_sentences import measure_title
from health.reasons.reasons import (
    COLUMNS,
    below_each_other,
    coded,
    coded_once,
    codes_of,
    reason_rows,
    rows_where,
    with_columns,
)
from health.scorecard.overrides import HEALTH, override_term
from health.scorecard.score import HealthScores
from health.settings.scorecard import Scorecard


def health_reasons(
    features: pd.DataFrame, health: HealthScores, scorecard: Scorecard, overrides: pd.DataFrame
) -> pd.DataFrame:
    """Return every term of every score: contributions sum to it, missing to 100 minus it.

    Parameters
    ----------
    features : pd.DataFrame
        The scored features, on the index of `health`.
    health : HealthScores
        The scores.
    scorecard : Scorecard
        The scorecard.
    overrides : pd.DataFrame
        The active overrides, as from `active_overrides` for one date.

    Returns
    -------
    pd.DataFrame
        Columns `COLUMNS` of `health.reasons.reasons`: a measure with a weight, with its value,
        points, effective weight and, if the value was missing, its policy; a rule whose
        conditions are met, even if it changed nothing; an override.
    """
    parts = [
        _of_measures(features, health, scorecard),
        *_of_rules(features, health, scorecard),
        *_of_overrides(features, health, scorecard, overrides),
    ]
    filled = [part for part in parts if len(part)]
    return below_each_other(filled or parts[:1])


def override_text(override: Mapping[Any, Any]) -> str:
    """Describe an override: who set what, why, and until when."""
    measure = override["measure"]
    what = "the health score" if measure == HEALTH else measure_title(measure)
    ends = override["expires_at"]
    until = "" if pd.isna(ends) else f" until {day(ends)}"
    return f"{override['author']} set {what} to {override['value']:g}{until}: {override['reason']}"


def _of_measures(
    features: pd.DataFrame, health: HealthScores, scorecard: Scorecard
) -> pd.DataFrame:
    measures = list(health.points.columns)
    rows = reason_rows(
        "health", health.contributions[measures], features, missing=health.missing[measures]
    )
    weights = health.weights.to_numpy().ravel(order="F")
    rows["points"] = health.points.to_numpy().ravel(order="F")
    rows["weight"] = weights
    rows["profile"] = np.tile(health.profile.to_numpy(), len(measures))
    return _with_fills(rows_where(rows, weights > 0), scorecard)[list(COLUMNS)]


def _with_fills(rows: pd.DataFrame, scorecard: Scorecard) -> pd.DataFrame:
    """Add to missing values with a weight how many points they counted as."""
    points = rows["points"].to_numpy(copy=True)
    codes, names = codes_of(rows["text"])
    # A fill leads to a sentence of its own for each that was there.
    texts, text = list(names), codes.astype(np.intp)
    policy, policies = np.full(len(rows), -1, dtype=np.int8), ["neutral", "worst"]
    gaps = np.flatnonzero(np.isnan(points))
    profile, term = (np.asarray(rows[name].array[gaps]) for name in ("profile", "term"))
    for card in scorecard.cards:
        for measure in card.measures:
            if measure.fill is None:
                continue
            own = gaps[(profile == card.profile) & (term == measure.feature)]
            points[own] = measure.fill
            policy[own] = policies.index(measure.missing)
            place, distinct = pd.factorize(text[own])
            text[own] = place + len(texts)
            texts += [f"{texts[at]} (counted as {measure.fill:g} points)" for at in distinct]
    return with_columns(
        rows, points=points, policy=coded(policy, policies), text=coded_once(text, texts)
    )


def _of_rules(
    features: pd.DataFrame, health: HealthScores, scorecard: Scorecard
) -> list[pd.DataFrame]:
    texts = {(c.profile, r.term): r.text for c in scorecard.cards for r in c.rules}
    parts = []
    for term in health.rules.columns:
        held = health.rules[term] & health.score.notna()
        own = [texts[profile, term] for profile in health.profile[held]]
        parts.append(_term_rows(features, health, str(term), held, own))
    return parts


def _of_overrides(
    features: pd.DataFrame, health: HealthScores, scorecard: Scorecard, overrides: pd.DataFrame
) -> list[pd.DataFrame]:
    parts = []
    for measure, own in overrides.groupby("measure", sort=True):
        term = override_term(str(measure))
        if term not in health.contributions.columns:
            continue
        texts_by_account = {row["account_id"]: override_text(row) for row in own.to_dict("records")}
        texts = features["account_id"].map(texts_by_account)
        held = texts.notna() & health.score.notna()
        if measure != HEALTH:
            held &= health.profile.isin(scorecard.profiles_with(str(measure)))
        rows = _term_rows(features, health, term, held, texts[held].tolist())
        given = own.set_index("account_id")["value"]
        parts.append(rows.assign(value=rows["account_id"].map(given).astype(float)))
    return parts


def _term_rows(
    features: pd.DataFrame,
    health: HealthScores,
    term: str,
    held: pd.Series[bool],
    texts: list[str],
) -> pd.DataFrame:
    rows = pd.DataFrame(
        {
            "account_id": features.loc[held, "account_id"],
            "output": "health",
            "term": term,
            "value": np.nan,
            "contribution": health.contributions.loc[held, term],
            "missing": health.missing.loc[held, term],
            "text": texts,
            "points": np.nan,
            "weight": np.nan,
            "policy": None,
        }
    )
    return rows[list(COLUMNS)]
