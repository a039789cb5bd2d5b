"""The account pass: from the features of some accounts to all that a run publishes of them.

It needs nothing of other accounts but the few values in `Fleet` and the percentiles in
`AccountPart`. Any division of the accounts into parts therefore gives the same run, and a part can
be scored in any process: in this one, in a pool, or in an executor of a cluster.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from features.definitions.stages import lifecycle_stage
from health.expansion.inputs import OfferInputs
from health.runs.directory import PublishedRun
from health.scoring.health_part import Percentiles, score_health_part
from health.scoring.method import ScoringMethod
from health.scoring.part import PartInputs, ScoredPart
from health.settings.config import Config
from health.training.score_terms import with_score_terms

#: Attributes of an account that a run copies, in this order.
ATTRIBUTES = ("name", "csm", "segment", "industry", "region", "parent_id")
#: Columns of scores.parquet that say whose row it is and of which date.
IDENTITY = ("account_id", "as_of", *ATTRIBUTES)
_COPIED = ("mrr", "tenure_days", "days_to_renewal", "products_held", "seats")


@dataclass(frozen=True)
class Fleet:
    """What the account pass needs to know of all accounts; the same for every part.

    Attributes
    ----------
    overrides : pd.DataFrame
        The active overrides.
    usual : pd.DataFrame
        Median features of similar accounts, as from `usual_values`.
    previous : PublishedRun or None
        The previous run, of which each part reads the rows of its accounts.
    with_changes : bool
        Whether to explain the changes since the previous run.
    """

    overrides: pd.DataFrame
    usual: pd.DataFrame
    previous: PublishedRun | None
    with_changes: bool = True


@dataclass(frozen=True)
class AccountPart:
    """Some accounts of one date.

    Attributes
    ----------
    features : pd.DataFrame
        One row per account, with the features that only models read; the index is a range.
    terms : pd.DataFrame
        Columns of scores.parquet that contracts provide, in the same order.
    past : pd.Series of float
        Revenue so far by account_id, in the same order.
    offers : OfferInputs
        The products of these accounts.
    history : pd.DataFrame
        Their purchase history by account_id; empty for accounts with contracts.
    percentiles : Percentiles
        Where measures compare these accounts with others.
    """

    features: pd.DataFrame
    terms: pd.DataFrame
    past: pd.Series[float]
    offers: OfferInputs
    history: pd.DataFrame
    percentiles: Percentiles


def score_part(
    method: ScoringMethod,
    part: AccountPart,
    fleet: Fleet,
    models: Mapping[str, Any],
    config: Config,
) -> ScoredPart:
    """Score some accounts: health, its change, probabilities, money, offers, and reasons.

    Parameters
    ----------
    method : ScoringMethod
        Of the company's business.
    part : AccountPart
        The accounts.
    fleet : Fleet
        What is needed of all accounts.
    models : mapping of str to object
        The artefacts of a version, as they apply on the date.
    config : Config
        The configuration.
    """
    features = part.features
    health = score_health_part(
        features,
        fleet.overrides,
        config,
        fleet.previous,
        part.percentiles,
        with_changes=fleet.with_changes,
    )
    scores = pd.concat([_identity(features, config), part.terms], axis=1).assign(**health.columns)
    inputs = PartInputs(
        with_score_terms(features, models, part.percentiles.now),
        scores,
        health.scores,
        part.past,
        part.offers,
        fleet.overrides,
        fleet.usual,
        part.history,
    )
    return replace(method.score_part(inputs, models, config), changes=health.changes)


def _identity(features: pd.DataFrame, config: Config) -> pd.DataFrame:
    scores = features[["account_id", "as_of"]].copy()
    for column in ATTRIBUTES:
        scores[column] = features[column] if column in features.columns else None
    scores["stage"] = lifecycle_stage(features, config.stages)
    return scores.assign(**{column: features[column] for column in _COPIED})
