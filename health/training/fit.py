"""The models of a version, fitted on the rows of past dates."""

from __future__ import annotations

from typing import Any

import pandas as pd

from features.catalogue import CATALOGUE
from health.expansion.prices import StepPrices, peer_groups
from health.settings.config import Config
from health.training.custom_estimators import custom_estimator
from health.training.rows import PRODUCT, TargetRows, TrainingSet, target_rows
from health.training.score_terms import SCORECARD, kept_scorecard
from models import (
    AnyClassifier,
    ChurnModel,
    ExpansionModel,
    GlassBoxClassifier,
    PeerGrowth,
    PeerSurvival,
    PropensityModel,
)
from models.churn.few_events import BaseRateClassifier
from models.clv.growth import surviving_pairs
from models.glass_box.pooled import PooledGlassBox

#: Features of a small model, best first, chosen by domain knowledge and not from the data: with so
#: few events, a selection among many features is not reliable.
FEW_FEATURES = {
    "churn": (
        "days_to_renewal",
        "usage_active_days_28d",
        "usage_events_trend",
        "surveys_negative_90d",
        "usage_seat_utilisation_28d",
        "tickets_backlog_oldest_days",
        "mrr_change_90d",
    ),
    "upsell": (
        "growth_seats_in_use_90d",
        "usage_quota_use_30d",
        "growth_higher_plan_tried_28d",
        "usage_users_trend",
        "usage_active_days_28d",
    ),
    "cross_sell": (
        "offer_tried_28d",
        "offer_bought_180d",
        "offer_co_ownership",
        "offer_peer_share",
        "usage_active_days_28d",
    ),
}
#: Number of folds of accounts in which churn's candidates are compared.
ACCOUNT_FOLDS = 3
#: The estimator of each target.
_KINDS: dict[str, type[PropensityModel]] = {
    "churn": ChurnModel,
    "upsell": ExpansionModel,
    "cross_sell": ExpansionModel,
}


def fit_models(training: TrainingSet, config: Config) -> dict[str, Any]:
    """Fit churn, upsell, cross-sell and the peer curves; return them by artefact name."""
    models: dict[str, Any] = {
        "survival": fit_survival(training.durations),
        "growth": fit_growth(training.accounts, config),
        "steps": StepPrices.from_history(
            training.accounts, training.products, training.held, config
        ),
    }
    for name, rows in target_rows(training, config).items():
        models[name] = fit_target(name, rows, config)
        models[f"{name}_base"] = fit_base(rows, config)
    if models["churn"] is not None and models["churn"].score_measures_:
        models[SCORECARD] = kept_scorecard(config.score_settings)
    return models


def fit_target(
    target: str, rows: TargetRows, config: Config, *, account_folds: int = ACCOUNT_FOLDS
) -> PropensityModel | None:
    """Fit the model of one target (churn, upsell, cross_sell), with the estimator configured.

    Parameters
    ----------
    target : str
        Name of the target.
    rows : TargetRows
        The training rows.
    config : Config
        Labels, seed and estimators.
    account_folds : int
        Number of folds of accounts in which churn's candidates are compared; without them, they
        are compared on later dates of all accounts, in half the time.
    """
    estimator = custom_estimator(config, target)
    return _fit(target, rows, config, estimator, account_folds=account_folds)


def _fit(
    target: str,
    rows: TargetRows,
    config: Config,
    estimator: AnyClassifier | None = None,
    *,
    account_folds: int = ACCOUNT_FOLDS,
) -> PropensityModel | None:
    """Fit one model; None if there are no rows."""
    frame = rows.frame
    if frame.empty:
        return None
    seed = config.training.seed
    if estimator is None and target == "cross_sell":
        # Products share their curves, so that a rare product borrows strength from the others.
        estimator = PooledGlassBox(seed=seed)
    if estimator is None and config.training.monotone and target == "churn":
        estimator = GlassBoxClassifier(monotone=churn_directions(rows.inputs), seed=seed)
    model = _KINDS[target](
        config.labels.horizon_days,
        grace_days=config.labels.grace_days,
        account_folds=account_folds if target == "churn" else 0,
        peer_column=_peer_column(rows.inputs, config),
        few_features=FEW_FEATURES[target],
        small_model=config.training.small_model,
        leakage_auc=config.training.leakage_auc,
        estimator=estimator,
        seed=seed,
    )
    labels = frame[rows.label]
    # Churn is also learned from rows whose outcome is known only in part.
    followed = (
        {"durations": frame["observed_days"], "events": frame["observed_churn"]}
        if target == "churn" and "observed_days" in frame
        else {}
    )
    return model.fit(
        frame[rows.inputs], labels, groups=frame["account_id"], times=frame["as_of"], **followed
    )


def churn_directions(inputs: list[str]) -> dict[str, int]:
    """Return the direction in which churn risk may move with each feature that has one."""
    return {
        name: -CATALOGUE[name].direction
        for name in inputs
        if name in CATALOGUE and CATALOGUE[name].direction
    }


def fit_base(rows: TargetRows, config: Config) -> BaseRateClassifier | None:
    """Fit the base rate that a probability is compared with; None without a known outcome."""
    known = rows.frame[rows.frame[rows.label].notna()]
    if known.empty:
        return None
    base = BaseRateClassifier(peer_column=_peer_column(rows.inputs, config))
    return base.fit(known[rows.inputs], known[rows.label])


def _peer_column(inputs: list[str], config: Config) -> str | None:
    """Return the column of the base rate: the product of an offer, else the peer group."""
    if PRODUCT in inputs:
        return PRODUCT
    return config.peer_group if config.peer_group in inputs else None


def fit_growth(accounts: pd.DataFrame, config: Config) -> PeerGrowth | None:
    """Fit the MRR growth of retained accounts; None if no account has two dates."""
    history = accounts[["account_id", "as_of", "mrr"]].assign(group=peer_groups(accounts, config))
    pairs = surviving_pairs(history)
    if pairs.empty:
        return None
    return PeerGrowth(seed=config.training.seed).fit(
        pairs["mrr_before"],
        pairs["mrr_after"],
        pairs["days_between"],
        groups=pairs["group"],
        accounts=pairs["account_id"],
    )


def fit_survival(durations: pd.DataFrame) -> PeerSurvival:
    """Fit the peer curves on paid spells."""
    return PeerSurvival().fit(
        durations["duration_days"],
        durations["churned"],
        entry_days=durations["entry_days"],
        groups=durations["group"],
    )
