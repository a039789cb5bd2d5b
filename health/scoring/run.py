"""From features and models to everything a run publishes, in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import pandas as pd

from features.journey_stage import lifecycle_stage
from features.tables import Tables
from health.config import Config
from health.expansion.inputs import with_growth
from health.expansion.offers import make_offers
from health.expansion.prices import peer_groups
from health.flags.actions import read_actions
from health.flags.rules import Raised, raise_flags
from health.flags.scored import Scored
from health.own.families import catalogue_of
from health.scorecard.portfolio import roll_up
from health.scoring.health_part import HealthPart, score_health_part
from health.scoring.lifetime import lifetime_columns, paid_so_far
from health.scoring.probability import probabilities, probability_reasons
from health.scoring.reasons import with_own_sentences
from health.training.fit import TARGETS
from health.weekly.run_directory import PublishedRun
from models import expected_loss

#: Attributes of an account that a run carries along, in this order.
ATTRIBUTES = ("name", "csm", "segment", "industry", "region", "parent_id")


@dataclass(frozen=True)
class ScoredRun:
    """Everything a run publishes.

    Attributes
    ----------
    scores, reasons, portfolio, whitespace : pd.DataFrame
        Tables of the run directory.
    raised : Raised
        The flags of the week, and the conditions behind them.
    features : pd.DataFrame
        What everything was scored from.
    health : HealthPart
        What the scorecard gave: changes and overrides are tables, too.
    skipped : dict of str to int
        Accounts left out, by reason.
    warnings : list of str
        What a reader of the lists must know.
    """

    scores: pd.DataFrame
    reasons: pd.DataFrame
    raised: Raised
    portfolio: pd.DataFrame
    whitespace: pd.DataFrame
    features: pd.DataFrame
    health: HealthPart
    skipped: dict[str, int]
    warnings: list[str]

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return the tables by file name."""
        return {
            "scores": self.scores,
            "reasons": self.reasons,
            "changes": self.health.changes,
            "flags": self.flags,
            "episodes": self.raised.episodes,
            "portfolio": self.portfolio,
            "whitespace": self.whitespace,
            "features": self.features,
            "overrides": self.health.overrides,
        }

    @property
    def flags(self) -> pd.DataFrame:
        """What the lists show."""
        return self.raised.flags


def score_accounts(
    features: pd.DataFrame,
    tables: Tables,
    models: Mapping[str, Any],
    config: Config,
    *,
    previous: PublishedRun | None = None,
) -> ScoredRun:
    """Score every account of a feature table.

    Parameters
    ----------
    features : pd.DataFrame
        One row per paying account as of one date.
    tables : Tables
        The input tables, for the products held.
    models : mapping of str to object
        The artefacts of a trained version.
    config : Config
        Scorecard, flags, CLV and expansion settings.
    previous : PublishedRun, optional
        The run before: gives `health_change` and keeps a flag's `since`.
    """
    features = with_growth(features.reset_index(drop=True), tables, config)
    day = pd.Timestamp(features["as_of"].iloc[0])
    health = score_health_part(features, tables, config, previous)
    scores = _identity(features, config).assign(**health.columns)
    reasons = [health.reasons]
    for target in ("churn", "upsell"):
        found = probabilities(models, target, features)
        scores = scores.assign(**found.columns(target))
        reasons.append(probability_reasons(models, target, features))
    groups = peer_groups(features, config)
    scores["expected_loss"] = expected_loss(scores["churn_probability"], scores["mrr"])
    scores = scores.assign(
        **lifetime_columns(
            scores,
            groups,
            models["survival"],
            models["churn"],
            config,
            growth=models.get("growth"),
            past=paid_so_far(tables, day.to_pydatetime()),
        )
    )
    offers = make_offers(features, scores, reasons[-1], tables, models, config)
    scores = scores.join(offers.columns)
    reasons.append(offers.reasons)
    all_reasons = pd.concat([r for r in reasons if len(r)], ignore_index=True)
    all_reasons = with_own_sentences(all_reasons, catalogue_of(config))
    supports = {t: models[t] is not None and bool(models[t].has_signal_) for t in TARGETS}
    raised = raise_flags(
        Scored(scores, features, all_reasons, supports, offers.whitespace),
        config,
        as_of=day.date(),
        previous=_episodes(previous),
        actions=read_actions(tables, day.to_pydatetime()),
    )
    then = previous.table("portfolio") if previous and previous.has("portfolio") else None
    return ScoredRun(
        scores,
        all_reasons,
        raised,
        roll_up(scores, then),
        offers.whitespace,
        features,
        health,
        _skipped(scores, tables, day),
        [*_warnings(models), *health.warnings, *raised.warnings, *offers.gaps],
    )


def _episodes(previous: PublishedRun | None) -> pd.DataFrame | None:
    """Return the episodes of flags of the run before; of an older version's, its flags."""
    if previous is None:
        return None
    return previous.table("episodes" if previous.has("episodes") else "flags")


def _identity(features: pd.DataFrame, config: Config) -> pd.DataFrame:
    scores = features[["account_id", "as_of"]].copy()
    for column in ATTRIBUTES:
        scores[column] = features[column] if column in features.columns else None
    scores["stage"] = lifecycle_stage(features, config.stages)
    for column in ("mrr", "tenure_days", "days_to_renewal", "products_held", "seats"):
        scores[column] = features[column]
    return scores


def _skipped(scores: pd.DataFrame, tables: Tables, day: pd.Timestamp) -> dict[str, int]:
    created = tables["accounts"].filter(nw.col("created_at") < day.to_pydatetime())
    known = int(created.select(nw.len()).collect("pandas").item())
    unscored = int(scores["health_score"].isna().sum())
    skipped = {
        "not paying on the date": known - len(scores),
        "too little data for a health score": unscored,
    }
    return {why: count for why, count in skipped.items() if count > 0}


def _warnings(models: Mapping[str, Any]) -> list[str]:
    """Say of each output that no model stands behind why that is so."""
    return [
        f"{target.replace('_', '-')}: " + "; ".join(models[target].reasons_)
        for target in TARGETS
        if models[target] is not None and not models[target].has_signal_
    ]
