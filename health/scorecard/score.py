"""The health score of a feature table: points, rules and overrides that sum to it exactly.

The steps, in this order, are each a separate term:

1. every measure contributes its points, by its weight after redistributing missing ones;
2. a person's override of a measure replaces its points;
3. floors whose conditions hold raise the score, in the order of the configuration;
4. caps whose conditions hold lower it, so that a cap wins over a floor;
5. a person's override of the whole score replaces it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import pandas as pd

from features.definitions.condition import all_hold
from health.scorecard.overrides import HEALTH, override_term, override_values
from health.scorecard.points import (
    card_points,
    percentiles_among,
    ranked_features,
    read_values,
)
from health.scorecard.profile import applied_profile
from health.scorecard.weights import Weighed, weigh
from health.settings.rule import Rule
from health.settings.score import ScoreSettings
from health.settings.scorecard import Card, Scorecard
from health.settings.stages import DEFAULT_STAGE_CONFIG, StageConfig

#: Coverage is a sum of weights: a hair below the minimum is the minimum.
_TOLERANCE = 1e-9


@dataclass(frozen=True)
class HealthScores:
    """Scores of the rows of a feature table, with the contribution of each term.

    All share the index of the features. Columns of measures, rules or overrides that a row's
    profile does not have are NaN in `points` and 0 elsewhere.

    Attributes
    ----------
    score : pd.Series of float
        The published score: 0-100, higher is better; NaN if the row is not scored.
    machine_score : pd.Series of float
        The score without overrides.
    coverage : pd.Series of float
        Share of the weight of measures with data, 0-1; an overridden measure counts as having
        data.
    profile : pd.Series of str
        The profile that applied.
    minimum_coverage : pd.Series of float
        The minimum coverage of that profile.
    points : pd.DataFrame, shape = (n_rows, n_measures)
        The points of each measure without overrides, 0-100; NaN if its value is missing.
    weights : pd.DataFrame, shape = (n_rows, n_measures)
        Effective weights after redistributing missing ones; a row sums to 1 or is all 0.
    contributions : pd.DataFrame, shape = (n_rows, n_terms)
        Points of the score by measure, ``override:MEASURE``, ``rule:NAME`` and
        ``override:health``; a row sums to `score`, or is all 0 if not scored.
    missing : pd.DataFrame, shape = (n_rows, n_terms)
        Missing points to 100; a row sums to 100 − `score`.
    rules : pd.DataFrame of bool, shape = (n_rows, n_rules)
        Whether each rule's conditions hold, even if it did not move the score.
    """

    score: pd.Series[float]
    machine_score: pd.Series[float]
    coverage: pd.Series[float]
    profile: pd.Series[str]
    minimum_coverage: pd.Series[float]
    points: pd.DataFrame
    weights: pd.DataFrame
    contributions: pd.DataFrame
    missing: pd.DataFrame
    rules: pd.DataFrame


def score_health(
    features: pd.DataFrame,
    scorecard: Scorecard,
    *,
    stages: StageConfig | None = None,
    peer_group: str = "segment",
    overrides: pd.DataFrame | None = None,
    profile: pd.Series[str] | None = None,
    whatever_coverage: bool = False,
    percentiles: pd.DataFrame | None = None,
) -> HealthScores:
    """Score accounts of one or many dates with a scorecard.

    Parameters
    ----------
    features : pd.DataFrame, shape = (n_rows, n_columns)
        A row per account and date with the features of the scorecard, and account_id, as_of and
        segment if the scorecard or the overrides need them.
    scorecard : Scorecard
        Components, measures, curves, rules and profiles.
    stages : StageConfig, optional
        Rules of the lifecycle stages that profiles refer to.
    peer_group : str
        Column of the groups in which percentiles are computed; without it, all are peers.
    overrides : pd.DataFrame, optional
        account_id, measure and value of the active overrides, and as_of if there are many dates;
        as returned by `active_overrides`.
    profile : pd.Series of str, optional
        The profile of each row, instead of the one chosen by the criteria.
    whatever_coverage : bool
        Score every row, however little is known about it: 0 points if nothing is.
    percentiles : pd.DataFrame, optional
        Percentiles of these rows among all accounts, as from `percentiles_with`; without them,
        the rows are all accounts of their dates.

    Returns
    -------
    HealthScores
        On the index of `features`.
    """
    index = features.index
    # The frame is wide: do not copy its columns just to change the index.
    features = features.copy(deep=False)
    features.index = pd.RangeIndex(len(features))
    if profile is None:
        profile = applied_profile(features, scorecard, stages or DEFAULT_STAGE_CONFIG)
    profile = profile.reset_index(drop=True)
    if percentiles is not None:
        percentiles = percentiles.set_axis(features.index, axis=0)
    read = read_values(features, scorecard, peers(features, peer_group), percentiles)
    given = override_values(features, overrides)
    parts: list[HealthScores] = []
    for card in scorecard.cards:
        rows = np.flatnonzero(profile == card.profile)
        if len(rows) or (features.empty and not parts):
            every = len(rows) == len(features)
            some = features if every else features.iloc[rows]
            own = {name: frame if every else frame.iloc[rows] for name, frame in read.items()}
            parts.append(_score_card(some, card, own, given.iloc[rows], whatever_coverage))
    return _together(parts, index)


def peers(features: pd.DataFrame, peer_group: str) -> pd.Series[str]:
    """Return the peer group of each row; "all" without the attribute."""
    if peer_group not in features.columns:
        return pd.Series("all", index=features.index, dtype=object)
    return features[peer_group].fillna("unknown").astype(object)


class _Terms:
    """The terms of a score as they are added, each with its points and its missing points."""

    def __init__(self) -> None:
        self.earned: dict[str, np.ndarray] = {}
        self.short: dict[str, np.ndarray] = {}

    def add(self, term: str, earned: np.ndarray, short: np.ndarray) -> None:
        self.earned[term], self.short[term] = earned, short

    def frames(self, index: pd.Index) -> tuple[pd.DataFrame, pd.DataFrame]:
        return pd.DataFrame(self.earned, index=index), pd.DataFrame(self.short, index=index)


def _score_card(
    features: pd.DataFrame,
    card: Card,
    read: dict[str, pd.DataFrame],
    given: pd.DataFrame,
    whatever_coverage: bool,
) -> HealthScores:
    """Score the rows of one profile."""
    index = features.index
    points = card_points(read, card)
    machine = weigh(points.to_numpy(), card)
    terms = _Terms()
    for measure, earned_by, short_of in zip(
        points.columns, machine.earned.T, machine.missing.T, strict=True
    ):
        terms.add(measure, earned_by, short_of)
    weighed = _with_overrides(points, machine, card, given, terms)
    holding = {rule: all_hold(rule.when, features).to_numpy() for rule in _in_order(card)}
    score = _bounded(weighed.score, holding, terms)
    scored = _enough(weighed, card) | whatever_coverage
    earned, short = terms.frames(index)
    earned, short = earned.mul(scored, axis=0), short.mul(scored, axis=0)
    published = np.where(scored, score, np.nan)
    if HEALTH in given:
        own = given[HEALTH].to_numpy()
        theirs, term = ~np.isnan(own), override_term(HEALTH)
        published = np.where(theirs, own, published)
        # Without a computed score, the override accounts for all of it.
        earned[term] = np.where(theirs, own - earned.sum(axis=1), 0.0)
        short[term] = np.where(theirs, 100.0 - own - short.sum(axis=1), 0.0)
    machine_score = _bounded(machine.score, holding, _Terms())
    weights = pd.DataFrame(machine.weights, index=index, columns=points.columns)
    return HealthScores(
        score=pd.Series(published, index=index),
        machine_score=pd.Series(machine_score, index=index).where(_enough(machine, card)),
        coverage=pd.Series(weighed.coverage, index=index),
        profile=pd.Series(card.profile, index=index, dtype=object),
        minimum_coverage=pd.Series(card.minimum_coverage, index=index),
        points=points,
        weights=weights.mul(scored, axis=0),
        contributions=earned,
        missing=short,
        rules=pd.DataFrame(
            {r.term: active for r, active in holding.items()}, index=index, dtype=bool
        ),
    )


def _with_overrides(
    points: pd.DataFrame, machine: Weighed, card: Card, given: pd.DataFrame, terms: _Terms
) -> Weighed:
    """Replace the points of overridden measures one after the other, each as a term."""
    values, weighed = points.to_numpy(copy=True), machine
    for place, measure in enumerate(points.columns):
        if measure not in given or given[measure].isna().all():
            continue
        own, before = given[measure].to_numpy(), weighed
        values[:, place] = np.where(np.isnan(own), values[:, place], own)
        weighed = weigh(values, card)
        short = weighed.missing.sum(axis=1) - before.missing.sum(axis=1)
        terms.add(override_term(measure), weighed.score - before.score, short)
    return weighed


def _bounded(score: np.ndarray, holding: dict[Rule, np.ndarray], terms: _Terms) -> np.ndarray:
    """Apply every rule whose conditions hold, each as a term."""
    for rule, active in holding.items():
        bounded = np.where(active, rule.bounded(score), score)
        terms.add(rule.term, bounded - score, score - bounded)
        score = bounded
    return score


def _in_order(card: Card) -> list[Rule]:
    """Return the floors, then the caps, each in the order of the configuration."""
    return sorted(card.rules, key=lambda rule: rule.cap is not None)


def _enough(weighed: Weighed, card: Card) -> np.ndarray:
    """Return which rows have enough data for a score, and at least some."""
    enough = weighed.coverage >= card.minimum_coverage - _TOLERANCE
    return enough & (weighed.coverage > _TOLERANCE)


def _together(parts: list[HealthScores], index: pd.Index) -> HealthScores:
    """Combine the rows of all profiles in their original order, with the original index."""
    columns = {f.name: [getattr(part, f.name) for part in parts] for f in fields(HealthScores)}
    whole = {name: own[0] if len(own) == 1 else pd.concat(own) for name, own in columns.items()}
    for name in ("weights", "contributions", "missing"):
        whole[name] = whole[name].fillna(0.0)
    whole["rules"] = whole["rules"].eq(True)
    for name, values in whole.items():
        whole[name] = values.copy(deep=False) if len(parts) == 1 else values.sort_index()
        whole[name].index = index
    return HealthScores(**whole)


def not_scored_reason(scores: HealthScores) -> pd.Series[str]:
    """Return why each row is not scored; null for scored rows."""
    reasons = pd.Series(None, index=scores.score.index, dtype=object)
    lacking = scores.score.isna()
    reasons[lacking] = [
        f"{coverage:.0%} of the measures have data, {least:.0%} are needed"
        for coverage, least in zip(
            scores.coverage[lacking], scores.minimum_coverage[lacking], strict=True
        )
    ]
    return reasons


def score_with(
    settings: ScoreSettings,
    features: pd.DataFrame,
    overrides: pd.DataFrame | None = None,
    profile: pd.Series[str] | None = None,
    *,
    whatever_coverage: bool = False,
    percentiles: pd.DataFrame | None = None,
) -> HealthScores:
    """Score a feature table with one settings object; see `score_health` for the parameters."""
    return score_health(
        features,
        settings.scorecard,
        stages=settings.stages,
        peer_group=settings.peer_group,
        overrides=overrides,
        profile=profile,
        whatever_coverage=whatever_coverage,
        percentiles=percentiles,
    )


def percentiles_with(settings: ScoreSettings, features: pd.DataFrame) -> pd.DataFrame:
    """Return the percentiles that a score reads, a column per ranked feature.

    Parameters
    ----------
    settings : ScoreSettings
        Names the features and the peer group.
    features : pd.DataFrame
        The columns `percentile_columns` of every account of their dates.
    """
    ranked = ranked_features(settings.scorecard)
    return percentiles_among(features, ranked, peers(features, settings.peer_group))


def percentile_columns(settings: ScoreSettings) -> list[str]:
    """Return the columns of features that `percentiles_with` reads; none without a ranked one."""
    ranked = ranked_features(settings.scorecard)
    return ["as_of", settings.peer_group, *ranked] if ranked else []
