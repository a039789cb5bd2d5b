"""Scores of some of the accounts: probabilities, money, offers, and the reasons for each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from features.catalogue import DESCRIBED
from health.expansion.inputs import OfferInputs
from health.expansion.prices import peer_groups
from health.reasons.reasons import below_each_other, contribution_sums
from health.reasons.shown import Peers
from health.scorecard.score import HealthScores
from health.scoring.health_reasons import health_reasons
from health.settings.config import Config
from health.settings.custom_catalogue import catalogue_of


@dataclass(frozen=True)
class PartInputs:
    """The inputs of the models for some accounts, after their health was scored.

    Attributes
    ----------
    features : pd.DataFrame
        One row per account, with the growth features.
    scores : pd.DataFrame
        Identity, terms and health columns of scores.parquet, in the same order; like all below.
    health : HealthScores
        The points that the health columns are computed from.
    past : pd.Series of float
        Revenue so far by account_id.
    offers : OfferInputs
        The products of these accounts.
    overrides : pd.DataFrame
        The active overrides of all accounts.
    usual : pd.DataFrame
        Median features of similar accounts, as from `usual_values`, of all accounts.
    history : pd.DataFrame
        Their purchase history by account_id; empty for accounts with contracts.
    """

    features: pd.DataFrame
    scores: pd.DataFrame
    health: HealthScores
    past: pd.Series[float]
    offers: OfferInputs
    overrides: pd.DataFrame
    usual: pd.DataFrame
    history: pd.DataFrame


@dataclass(frozen=True)
class ScoredPart:
    """The scores of some of the accounts.

    Attributes
    ----------
    scores : pd.DataFrame
        All columns of scores.parquet.
    reasons : pd.DataFrame
        Rows of reasons.parquet.
    sums : pd.DataFrame
        Sums of the reasons, one column per output.
    whitespace : pd.DataFrame
        Rows of whitespace.parquet.
    offered : pd.DataFrame
        Rows of `whitespace` that a list may show.
    changes : pd.DataFrame
        Rows of changes.parquet; the account pass adds them.
    """

    scores: pd.DataFrame
    reasons: pd.DataFrame
    sums: pd.DataFrame
    whitespace: pd.DataFrame
    offered: pd.DataFrame
    changes: pd.DataFrame = field(default_factory=pd.DataFrame)


def peers_of(inputs: PartInputs, config: Config) -> Peers:
    """Return the peers that the reasons of these accounts are compared with."""
    groups = peer_groups(inputs.features, config)
    by_account = pd.Series(groups.to_numpy(), index=inputs.features["account_id"].to_numpy())
    return Peers(by_account, inputs.usual, {**DESCRIBED, **catalogue_of(config)})


def finished_part(
    inputs: PartInputs,
    scores: pd.DataFrame,
    reasons: list[pd.DataFrame],
    whitespace: pd.DataFrame,
    config: Config,
    *,
    offered: pd.DataFrame | None = None,
) -> ScoredPart:
    """Add the reasons of the health score and sum the reasons of each output.

    Parameters
    ----------
    inputs, config
        As for `ScoringMethod.score_part`.
    scores : pd.DataFrame
        All columns of scores.parquet.
    reasons : list of pd.DataFrame
        Reasons of each output except the health score.
    whitespace : pd.DataFrame
        Rows of whitespace.parquet.
    offered : pd.DataFrame, optional
        Rows of `whitespace` that a list may show; by default all.
    """
    card = config.scorecard
    health = health_reasons(inputs.features, inputs.health, card, inputs.overrides)
    reasons = [peers_of(inputs, config).mark(health), *reasons]
    strongest = [rows for rows in reasons if len(rows)] or reasons[:1]
    sums = contribution_sums(strongest, scores["account_id"])
    result = below_each_other(strongest)
    scores = scores.assign(**_terms_of_value(config))
    return ScoredPart(scores, result, sums, whitespace, whitespace if offered is None else offered)


def _terms_of_value(config: Config) -> dict[str, Any]:
    """Return the terms of the amounts as columns: tables of several runs may be combined."""
    clv = config.clv
    return {
        "currency": config.currency,
        "clv_horizon_months": clv.horizon_months,
        "clv_margin": clv.margin,
        "clv_discount_rate": clv.discount_rate,
    }
