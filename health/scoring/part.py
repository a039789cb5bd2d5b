"""Scores of some of the accounts: probabilities, money, offers, and the reasons for each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from features.catalogue import DESCRIBED
from health.business.risk import known_to_leave
from health.expansion.inputs import OfferInputs
from health.expansion.offers import make_offers
from health.expansion.prices import peer_groups
from health.reasons.probability import explained_probabilities
from health.reasons.reasons import below_each_other, contribution_sums
from health.reasons.shown import Peers
from health.scorecard.score import HealthScores
from health.scoring.health_reasons import health_reasons
from health.scoring.leaving import value_until
from health.scoring.lifetime import lifetime_columns
from health.settings.config import Config
from health.settings.custom_catalogue import catalogue_of
from models import expected_loss


@dataclass(frozen=True)
class PartInputs:
    """The inputs to score some accounts: no table is read again, and no other account needed.

    Attributes
    ----------
    features : pd.DataFrame
        One row per account, with the growth features.
    scores : pd.DataFrame
        Identity and health columns of scores.parquet, in the same order; like all below.
    health : HealthScores
        The points they are made of.
    past : pd.Series of float
        Revenue so far by account_id.
    offers : OfferInputs
        The products of these accounts.
    overrides : pd.DataFrame
        The overrides that hold, of any account.
    usual : pd.DataFrame
        Median features of similar accounts, as from `usual_values`, of all accounts.
    history : pd.DataFrame, optional
        The purchase history of customers who order and have no contract, by account_id.
    """

    features: pd.DataFrame
    scores: pd.DataFrame
    health: HealthScores
    past: pd.Series[float]
    offers: OfferInputs
    overrides: pd.DataFrame
    usual: pd.DataFrame
    history: pd.DataFrame | None = None

    def part(self, places: np.ndarray) -> PartInputs:
        """Return the inputs of the accounts at some places, numbered from 0."""
        features = _renumbered(self.features.iloc[places])
        history = self.history
        if history is not None:
            known = history.index.get_indexer(pd.Index(features["account_id"]))
            history = history.iloc[known[known >= 0]]
        return PartInputs(
            features,
            _renumbered(self.scores.iloc[places]),
            self.health.rows(places),
            self.past.iloc[places],
            self.offers.part(places),
            self.overrides,
            self.usual,
            history,
        )


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
        What the reasons add up to, a column per output.
    whitespace : pd.DataFrame
        Rows of whitespace.parquet.
    offered : pd.DataFrame
        The rows of it that a list may show.
    """

    scores: pd.DataFrame
    reasons: pd.DataFrame
    sums: pd.DataFrame
    whitespace: pd.DataFrame
    offered: pd.DataFrame


def score_part(inputs: PartInputs, models: Mapping[str, Any], config: Config) -> ScoredPart:
    """Add the probabilities, money and offers of some accounts, and the reasons for them."""
    features, scores = inputs.features, inputs.scores
    leaves = known_to_leave(features)
    # The models learn from accounts that gave no notice, so they are not asked about the others.
    asked = features[~leaves]
    peers = peers_of(inputs, config)
    reasons = []
    for target in ("churn", "upsell"):
        found, rows = explained_probabilities(models, target, asked, most=config.reasons.most)
        scores = scores.assign(**found.columns(target))
        reasons.append(peers.mark(rows))
    scores["expected_loss"] = expected_loss(scores["churn_probability"], scores["mrr"])
    scores = scores.assign(
        **lifetime_columns(
            scores,
            peer_groups(features, config),
            models["survival"],
            models["churn"],
            config,
            growth=models.get("growth"),
            past=inputs.past,
        )
    )
    until = value_until(scores, config)
    for name in ("clv", "clv_low", "clv_high", "clv_mean_low", "clv_mean_high"):
        scores[name] = scores[name].where(~leaves, until)
    scores["total_value"] = scores["past_value"] + scores["clv"]
    offers = make_offers(features, scores, reasons[-1], inputs.offers, models, config, peers=peers)
    scores = scores.join(offers.columns)
    reasons.append(offers.reasons)
    return finished_part(
        inputs, scores, reasons, offers.whitespace, config, offered=offers.worth_listing
    )


def peers_of(inputs: PartInputs, config: Config) -> Peers:
    """Return what the reasons of these accounts are compared with."""
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
    """Put the reasons of the health score first, and sum up the reasons of each output.

    Parameters
    ----------
    inputs, config
        As for `score_part`.
    scores : pd.DataFrame
        All columns of scores.parquet.
    reasons : list of pd.DataFrame
        Reasons of each output but the health score.
    whitespace : pd.DataFrame
        Rows of whitespace.parquet.
    offered : pd.DataFrame, optional
        The rows of it that a list may show; all, if missing.
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
    """Return the terms of every amount: tables of several runs may be read together."""
    clv = config.clv
    return {
        "currency": config.currency,
        "clv_horizon_months": clv.horizon_months,
        "clv_margin": clv.margin,
        "clv_discount_rate": clv.discount_rate,
    }


def _renumbered(frame: pd.DataFrame) -> pd.DataFrame:
    renumbered = frame.copy(deep=False)
    renumbered.index = pd.RangeIndex(len(frame))
    return renumbered
