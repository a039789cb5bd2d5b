"""Scores of accounts with contracts: churn, lifetime value, upsell and cross-sell."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.tables.opened import Tables
from features.targets.growth import READS
from health.business.feature_table import FeatureTable
from health.business.risk import known_to_leave
from health.expansion.gaps import expansion_gaps
from health.expansion.inputs import OfferInputs, growth_of, read_offer_inputs
from health.expansion.offers import make_offers
from health.expansion.prices import peer_groups
from health.expansion.whitespace import cross_sell_chances
from health.reasons.probability import checked_features, explained_probabilities
from health.scoring.leaving import terms_of_contracts, value_until
from health.scoring.lifetime import lifetime_columns
from health.scoring.method import ScoredAccounts, ScoringMethod
from health.scoring.part import PartInputs, ScoredPart, finished_part, peers_of
from health.settings.config import Config
from health.training.rows import TARGETS
from models import expected_loss


class ContractScoring(ScoringMethod):
    """Scores accounts with contracts, from models of churn, upsell, cross-sell and survival."""

    def added(self, features: FeatureTable, tables: Tables, config: Config) -> pd.DataFrame:
        """Return the features of growth in owned products."""
        return growth_of(features.columns(READS), tables, config)

    def terms(
        self, features: pd.DataFrame, tables: Tables, config: Config
    ) -> dict[str, pd.Series[Any]]:
        """Return when each account leaves or renews, and its plan."""
        return terms_of_contracts(
            tables, features, _day(features), grace_days=config.labels.grace_days
        )

    def offers(self, features: pd.DataFrame, tables: Tables, config: Config) -> OfferInputs:
        """Return the products that accounts own, and those that could be offered."""
        return read_offer_inputs(tables, features, config)

    def models_on(
        self, models: Mapping[str, Any], tables: Tables, as_of: datetime, config: Config
    ) -> Mapping[str, Any]:
        """Return the artefacts: those for contracts apply on every date."""
        return models

    def history(self, tables: Tables, as_of: datetime) -> pd.DataFrame:
        """Return an empty frame: contracts are scored without a purchase history."""
        return pd.DataFrame(index=pd.Index([], dtype=object))

    def score_part(
        self, inputs: PartInputs, models: Mapping[str, Any], config: Config
    ) -> ScoredPart:
        """Add the probabilities, money and offers of some accounts, and the reasons for them."""
        features, scores = inputs.features, inputs.scores
        leaves = known_to_leave(features)
        # The models learn from accounts that gave no notice, so only these get predictions.
        asked = np.flatnonzero(~leaves)
        checked = checked_features(features, models, TARGETS)
        peers = peers_of(inputs, config)

        def values_of(term: str, places: npt.NDArray[np.intp]) -> pd.Series[Any]:
            return features[term].take(asked[places])

        reasons = []
        for target in ("churn", "upsell"):
            found = explained_probabilities(models, target, checked)
            columns = found.found.columns(target)
            scores = scores.assign(**{name: own.mask(leaves) for name, own in columns.items()})
            rows = found.reasons(
                asked, features["account_id"].take(asked), values_of, most=config.reasons.most
            )
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
        opened = cross_sell_chances(inputs.offers, checked, models)
        offers = make_offers(
            features, scores, reasons[-1], inputs.offers, opened, models, config, peers=peers
        )
        scores = scores.join(offers.columns)
        reasons.append(offers.reasons)
        return finished_part(
            inputs, scores, reasons, offers.whitespace, config, offered=offers.worth_listing
        )

    def has_signal(self, models: Mapping[str, Any]) -> dict[str, bool]:
        """Return for which targets there is a model with a signal."""
        return {t: models[t] is not None and bool(models[t].has_signal_) for t in TARGETS}

    def warnings(
        self,
        scored: ScoredAccounts,
        models: Mapping[str, Any],
        config: Config,
        *,
        tables: Tables,
        as_of: datetime,
    ) -> list[str]:
        """Return what is missing for offers in the catalogue, price list and contracts."""
        return expansion_gaps(tables, as_of, config, scored.offers, scored.unpriced)


def _day(features: pd.DataFrame) -> datetime:
    return pd.Timestamp(features["as_of"].iloc[0]).to_pydatetime()
