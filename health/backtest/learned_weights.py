"""Points of past rows, and the score under weights learned from what was known before each date."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from health.backtest.proposal import with_weights
from health.backtest.walk_forward import origins
from health.backtest.weight_fit import Learnt, PointRows, fit_weights
from health.scorecard.points import card_points, read_values
from health.scorecard.profile import applied_profile
from health.scorecard.score import peers, score_with
from health.settings.config import Config
from health.settings.measure import Component
from models.base.inputs import FloatArray, IntArray, ModelInputError, group_codes
from models.base.splits import TimeSplit


def point_rows(features: pd.DataFrame, config: Config) -> list[PointRows]:
    """Return the points of every row, by the set of components that scores it.

    Profiles with the same components share a set. A missing value that the measure counts as
    neutral or worst is filled with those points; otherwise it stays NaN and its weight goes to
    the other measures.

    Parameters
    ----------
    features : pd.DataFrame, shape = (n_rows, n_columns)
        Accounts × dates, with a range as index.
    config : Config
        Scorecard, stages, peer group.
    """
    card_of = applied_profile(features, config.scorecard, config.stages)
    read = read_values(features, config.scorecard, peers(features, config.peer_group))
    parts: dict[tuple[Component, ...], list[tuple[np.ndarray, np.ndarray]]] = {}
    for card in config.scorecard.cards:
        rows = np.flatnonzero(card_of == card.profile)
        points = card_points({k: frame.iloc[rows] for k, frame in read.items()}, card).to_numpy()
        fills = np.array([np.nan if m.fill is None else m.fill for m in card.measures])
        filled = np.where(np.isnan(points), fills, points)
        parts.setdefault(card.components, []).append((rows, filled))
    return [
        PointRows(
            components,
            np.concatenate([rows for rows, _ in own]),
            np.vstack([points for _, points in own]),
        )
        for components, own in parts.items()
    ]


@dataclass(frozen=True)
class WeightFit:
    """One fit of the weights, as `health tune` would have proposed them then.

    Attributes
    ----------
    first_date : str
        The first date it scores.
    churned_accounts : int
        Accounts that left in the training rows.
    learned : bool
        Whether any weight changed; the configured ones stay if too few accounts left, or if no
        other weights were better.
    """

    first_date: str
    churned_accounts: int
    learned: bool


@dataclass(frozen=True)
class WeightPast:
    """The score under learned weights, shape = (n_rows,), and how they were learned."""

    score: pd.Series[float]
    fits: tuple[WeightFit, ...]


def learnt_on_past(
    features: pd.DataFrame, config: Config, first: pd.Timestamp | None = None
) -> WeightPast:
    """Score each row under weights learned from what was known before its date.

    The configured weights stay until enough accounts have left to learn from.

    Parameters
    ----------
    features : pd.DataFrame, shape = (n_rows, n_columns)
        account_id, as_of, churned, features; with a range as index.
    config : Config
        Scorecard, labels, and how often to fit.
    first : pd.Timestamp, optional
        First date to score.
    """
    sets = point_rows(features, config)
    own = score_with(config.score_settings, features).machine_score
    scored, score = own.notna().to_numpy(), own.copy()
    fits = []
    embargo = config.labels.horizon_days + config.labels.grace_days
    for origin in origins(
        features, embargo_days=embargo, refit_days=config.backtest.refit_days, first=first
    ):
        train = origin.train & scored
        learned = learn_weights(features, sets, train, config)
        card = (
            config.scorecard if learned is None else with_weights(config.scorecard, sets, learned)
        )
        if card != config.scorecard:
            tested = features["as_of"].isin(origin.tested)
            settings = config.score_settings.model_copy(update={"scorecard": card})
            score[tested] = score_with(settings, features[tested]).machine_score
        churned = churned_accounts(features[train])
        fits.append(WeightFit(str(origin.tested[0].date()), churned, card != config.scorecard))
    return WeightPast(score, tuple(fits))


def learn_weights(
    features: pd.DataFrame, sets: Sequence[PointRows], train: np.ndarray, config: Config
) -> Learnt | None:
    """Learn weights from some rows; None if the configured ones stay.

    Parameters
    ----------
    features : pd.DataFrame, shape = (n_rows, n_columns)
        account_id, as_of, churned.
    sets : sequence of PointRows
        The points of all rows, as from `point_rows`.
    train : array of bool, shape = (n_rows,)
        The rows to learn from.
    config : Config
        Labels, and the minimum number of accounts that left.
    """
    known = features[train]
    if churned_accounts(known) < config.tune.least_churned:
        return None
    learned = learn(
        [own.take(train) for own in sets],
        known["churned"].to_numpy(dtype=float),
        group_codes(known["account_id"], len(known)),
        known["as_of"],
        embargo_days=config.labels.horizon_days + config.labels.grace_days,
    )
    return learned if np.isfinite(learned.strength) else None


def churned_accounts(rows: pd.DataFrame) -> int:
    """Count the accounts that left, from rows with account_id and churned."""
    return int(rows.loc[rows["churned"] == 1, "account_id"].nunique())


#: From keeping the configured weights to leaving them free.
STRENGTHS = (float("inf"), 0.1, 0.03, 0.01, 0.003, 0.001)
_BLOCKS = 3


def learn(
    sets: Sequence[PointRows],
    churned: FloatArray,
    codes: IntArray,
    times: object,
    *,
    embargo_days: int,
) -> Learnt:
    """Choose the strength on later blocks of these rows, then fit on all of them.

    The strongest penalty is taken whose log loss is within a standard error of the best one. If
    the history is too short to test any, the configured weights stay.

    Parameters
    ----------
    sets : sequence of PointRows
        Together they contain every row once.
    churned : array, shape = (n_rows,)
        1 or 0.
    codes : array, shape = (n_rows,)
        The account of every row.
    times : array-like, shape = (n_rows,)
        The as_of of every row.
    embargo_days : int
        Horizon + grace.
    """
    strength = _chosen(sets, churned, codes, times, embargo_days)
    return fit_weights(sets, churned, strength)


def _chosen(
    sets: Sequence[PointRows],
    churned: FloatArray,
    codes: IntArray,
    times: object,
    embargo_days: int,
) -> float:
    folds = _folds(times, len(churned), embargo_days)
    losses = {strength: [] for strength in STRENGTHS}  # type: dict[float, list[FloatArray]]
    tested: list[IntArray] = []
    for train, test in folds:
        if not 0 < churned[train].sum() < len(train):
            continue
        tested.append(test)
        own, other = _part(sets, train, len(churned)), _part(sets, test, len(churned))
        for strength in STRENGTHS:
            logit = fit_weights(own, churned[train], strength).logit(other, len(test))
            losses[strength].append(_row_losses(logit, churned[test]))
    if not tested:
        return float("inf")
    rows = np.concatenate(tested)
    by_strength = {strength: np.concatenate(parts) for strength, parts in losses.items()}
    best = min(STRENGTHS, key=lambda s: float(by_strength[s].mean()))
    for strength in STRENGTHS:
        worse = by_strength[strength] - by_strength[best]
        by_account = np.bincount(codes[rows], weights=worse)
        if worse.sum() <= np.sqrt(by_account @ by_account):
            return strength
    return best


def _folds(times: object, n_rows: int, embargo_days: int) -> list[tuple[IntArray, IntArray]]:
    for blocks in range(_BLOCKS, 0, -1):
        splitter = TimeSplit(blocks, embargo_days=embargo_days, times=times)
        try:
            return list(splitter.split(np.empty((n_rows, 1))))
        except ModelInputError:
            continue
    return []


def _part(sets: Sequence[PointRows], places: IntArray, n_rows: int) -> list[PointRows]:
    chosen = np.zeros(n_rows, dtype=bool)
    chosen[places] = True
    return [own.take(chosen) for own in sets]


def _row_losses(logit: FloatArray, churned: FloatArray) -> FloatArray:
    return np.asarray(np.logaddexp(0.0, logit) - churned * logit)
