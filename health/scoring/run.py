"""From features and models to everything a run publishes, in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from features.definitions.stages import lifecycle_stage
from features.tables.opened import Tables
from features.tables.truncation import as_known
from health.business.kinds import CONTRACTS, ORDERS, business_of_tables
from health.business.revenue import paid_so_far
from health.expansion.prices import peer_groups
from health.flags.actions import read_actions
from health.flags.rules import Raised, list_flags, word_flags
from health.flags.scored import Scored
from health.reasons.reasons import COLUMNS as REASON_COLUMNS
from health.reasons.shown import usual_values
from health.renewals.calls import read_calls
from health.runs.directory import PublishedRun
from health.runs.part_files import decoded
from health.scorecard.portfolio import roll_up
from health.scoring.contracts import ContractScoring
from health.scoring.health_part import HealthPart, score_health_part
from health.scoring.method import ScoredAccounts, ScoringMethod
from health.scoring.orders import OrderScoring
from health.scoring.part import PartInputs
from health.scoring.parts import AT_ONCE, KeptPart, score_parts
from health.settings.config import Config
from health.training.rows import TARGETS
from health.training.score_terms import SCORECARD, kept_scorecard, with_score_terms
from models.churn.candidates import SCORE

#: Attributes of an account that a run copies, in this order.
ATTRIBUTES = ("name", "csm", "segment", "industry", "region", "parent_id")
#: How accounts are scored, by the key of the business.
METHODS: Mapping[str, ScoringMethod] = {CONTRACTS: ContractScoring(), ORDERS: OrderScoring()}

POINT_COLUMNS = ("account_id", "as_of", "health_score", "churn_probability")
WEEKLY_USE = "usage_events_7d"


@dataclass(frozen=True)
class ScoredRun:
    """Everything a run publishes.

    Attributes
    ----------
    scores, portfolio : pd.DataFrame
        Tables of the run directory.
    reasons, whitespace : pd.DataFrame
        Rows of reasons.parquet and whitespace.parquet; for a large company only those of accounts
        that are on a list or whose health changed most.
    sums : pd.DataFrame
        Sums of the reasons in the order of the scores, one column per output.
    raised : Raised
        The flags of the week, and the conditions behind them.
    features : pd.DataFrame
        The inputs.
    health : HealthPart
        The result of the scorecard, with the tables of changes and overrides.
    skipped : dict of str to int
        Accounts left out, by reason.
    warnings : list of str
        What readers of the lists should know.
    """

    scores: pd.DataFrame
    reasons: pd.DataFrame
    sums: pd.DataFrame
    raised: Raised
    portfolio: pd.DataFrame
    whitespace: pd.DataFrame
    features: pd.DataFrame
    health: HealthPart
    skipped: dict[str, int]
    warnings: list[str]

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return the tables by file name, except reasons and whitespace.

        Those are written part by part.
        """
        return {
            "scores": self.scores,
            "changes": self.health.changes,
            "flags": self.flags,
            "my_week": self.raised.week,
            "episodes": self.raised.episodes,
            "portfolio": self.portfolio,
            "features": self.features,
            "points": self.points,
            "overrides": self.health.overrides,
        }

    @property
    def points(self) -> pd.DataFrame:
        """What a year's chart of an account has of the run: few columns, read from 52 runs."""
        own = self.scores[list(POINT_COLUMNS)]
        if WEEKLY_USE not in self.features:
            return own.assign(**{WEEKLY_USE: float("nan")})
        use = self.features.set_index("account_id")[WEEKLY_USE]
        return own.assign(**{WEEKLY_USE: own["account_id"].map(use).astype(float)})

    @property
    def flags(self) -> pd.DataFrame:
        """The rows that the lists show."""
        return self.raised.flags


def score_accounts(
    features: pd.DataFrame,
    tables: Tables,
    models: Mapping[str, Any],
    config: Config,
    *,
    previous: PublishedRun | None = None,
    keep: Callable[[KeptPart], object] = lambda part: None,
    at_once: int = AT_ONCE,
    processes: int = 1,
    progress: Callable[[float], object] = lambda share: None,
    savable: Callable[[pd.DataFrame], pd.Series[float]] | None = None,
) -> ScoredRun:
    """Score every account of a feature table.

    Parameters
    ----------
    features : pd.DataFrame
        One row per paying account as of one date.
    tables : Tables
        The input tables, for the products owned.
    models : mapping of str to object
        The artefacts of a trained version.
    config : Config
        Scorecard, flags, CLV and expansion settings.
    previous : PublishedRun, optional
        The previous run: for `health_change`, and the `since` of each flag.
    keep : callable
        Called with every part of the accounts, with all of its reasons and offers: those of a
        large company do not fit in memory.
    at_once, processes : int
        As for `score_parts`.
    progress : callable
        Called with the share that is done.
    """
    business = business_of_tables(tables)
    method = METHODS[business.key]
    features = method.features(features, tables, config)
    features.index = pd.RangeIndex(len(features))
    day = pd.Timestamp(features["as_of"].iloc[0])
    models = method.models_on(models, tables, day.to_pydatetime(), config)
    # Some measures are percentiles among peers, so all accounts are scored together.
    health = score_health_part(features, tables, config, previous)
    terms = method.terms(features, tables, config)
    inputs = PartInputs(
        with_score_terms(features, models),
        _identity(features, config).assign(**terms, **health.columns),
        health.scores,
        paid_so_far(tables, day.to_pydatetime(), grace_days=config.labels.grace_days).reindex(
            features["account_id"]
        ),
        method.offers(features, tables, config),
        health.overrides,
        usual_values(features, peer_groups(features, config)),
        method.history(tables, day.to_pydatetime()),
    )
    parts = []
    for part in score_parts(method, inputs, models, config, at_once=at_once, processes=processes):
        keep(part)
        parts.append(part if at_once >= len(features) else part.without_tables())
        progress(min(1.0, len(parts) * at_once / len(features)))
    scores = pd.concat([part.scores for part in parts], ignore_index=True)
    offered = pd.concat([part.offered for part in parts], ignore_index=True)
    with_money = business.with_money(scores)
    scored = Scored(
        with_money,
        features,
        _no_reasons(),
        method.has_signal(models),
        offered,
        inputs.offers.least_gain,
        read_calls(tables, day.to_pydatetime()),
    )
    raised = list_flags(
        scored,
        config,
        as_of=day.date(),
        previous=_episodes(previous),
        actions=read_actions(tables, day.to_pydatetime()),
        savable=None if savable is None else savable(scores),
    )
    result = parts[0]
    if len(parts) > 1:
        listed = scores["account_id"].isin([*raised.flags["account_id"], *_movers(scores)])
        result = KeptPart.of(method.score_part(inputs.part(np.flatnonzero(listed)), models, config))
    reasons = decoded(result.reasons)
    raised = word_flags(raised, replace(scored, reasons=reasons), config, as_of=day.date())
    unpriced = pd.concat([part.unpriced for part in parts]).groupby(level=0).sum()
    unpriced = unpriced.sort_values(ascending=False, kind="stable")
    limits = method.warnings(
        ScoredAccounts(scores, inputs.offers, unpriced),
        models,
        config,
        tables=tables,
        as_of=day.to_pydatetime(),
    )
    then = previous.table("portfolio") if previous and previous.has("portfolio") else None
    return ScoredRun(
        scores,
        reasons,
        pd.concat([part.sums for part in parts], ignore_index=True),
        raised,
        roll_up(with_money, then),
        decoded(result.whitespace),
        features,
        health,
        _skipped(scores, tables, day, config),
        [*_warnings(models, config), *health.warnings, *raised.warnings, *limits],
    )


def _movers(scores: pd.DataFrame, most: int = 100) -> list[str]:
    """Return the accounts whose health rose or fell most."""
    ordered = scores.sort_values(["health_change", "account_id"])
    ordered = ordered[ordered["health_change"].notna()]
    return [*ordered["account_id"].head(most), *ordered["account_id"].tail(most)]


def _episodes(previous: PublishedRun | None) -> pd.DataFrame | None:
    """Return the episodes of the previous run, or its flags if an older version wrote it."""
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


def _no_reasons() -> pd.DataFrame:
    return pd.DataFrame(columns=list(REASON_COLUMNS))


def _skipped(
    scores: pd.DataFrame, tables: Tables, day: pd.Timestamp, config: Config
) -> dict[str, int]:
    existing = as_known(tables, day.to_pydatetime())["accounts"]
    known = int(existing.select(nw.len()).collect("pandas").item())
    unscored = int(scores["health_score"].isna().sum())
    skipped = {
        business_of_tables(tables).idle(config.features.active_order_days): known - len(scores),
        "too little data for a health score": unscored,
    }
    return {why: count for why, count in skipped.items() if count > 0}


def _warnings(models: Mapping[str, Any], config: Config) -> list[str]:
    """Return why an output has no model, and whether the scorecard of a model has changed."""
    found = [
        f"{target.replace('_', '-')}: " + "; ".join(models[target].reasons_)
        for target in TARGETS
        if models.get(target) is not None and not models[target].has_signal_
    ]
    reads = SCORECARD in models and models["churn"].basis_ == SCORE
    if reads and models[SCORECARD] != kept_scorecard(config.score_settings):
        found.append(
            "churn: the model uses the health score of the scorecard that it was trained with, "
            "which has changed since; train again"
        )
    return found
