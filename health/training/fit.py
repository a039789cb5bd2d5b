"""Training: past dates, what was known on them, what followed, and the models fitted on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

import pandas as pd
from sklearn.metrics import roc_auc_score

from features.build import build_features
from features.catalogue import CATALOGUE
from features.errors import HealthError
from features.growth import NAMES as GROWTH
from features.labels import build_labels, cross_sell_labels, tenure_spells, upsell_labels
from features.offers import NAMES as OFFERS
from features.spine import data_start, training_dates
from features.tables import Tables
from health.business import require_contracts
from health.config import Config
from health.expansion.inputs import with_growth, with_offer_features
from health.expansion.prices import StepPrices, peer_groups
from health.own.estimators import own_estimator
from health.own.families import catalogue_of, own_families
from models import (
    AnyClassifier,
    ChurnModel,
    ExpansionModel,
    GlassBoxClassifier,
    PeerGrowth,
    PeerSurvival,
    PropensityModel,
)
from models.evaluation import plain
from models.growth import surviving_pairs
from models.pooled import PooledGlassBox
from models.small_data import BaseRateClassifier

#: What a probability is published of.
TARGETS = ("churn", "upsell", "cross_sell")
#: What a small model may use, best first, by what is known of the target and not by the data at
#: hand: so few accounts with the event cannot choose among many features.
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
#: Folds in which churn is tested on accounts that a model has never seen.
ACCOUNT_FOLDS = 3
#: The feature that names the product of an offer.
PRODUCT = "product"
#: Days of history that a training date should have before it.
WARM_UP_DAYS = 126


@dataclass(frozen=True)
class TrainingSet:
    """Accounts × past dates with their features and what followed.

    Attributes
    ----------
    accounts : pd.DataFrame, shape = (n_rows, n_columns)
        account_id, as_of, attributes, features, and the labels churned and upsold (1, 0, or
        NaN where the outcome was not known yet).
    products : pd.DataFrame, shape = (n_offers, n_columns)
        account_id, as_of, product, bought, step_mrr and the features of the offer: one row per
        product not held.
    held : pd.DataFrame, shape = (n_held, 6)
        account_id, as_of, product, mrr, upsold, step_mrr: one row per product held.
    durations : pd.DataFrame, shape = (n_spells, 5)
        account_id, entry_days, duration_days, churned, group.
    dates : tuple of datetime
        The dates.
    """

    accounts: pd.DataFrame
    products: pd.DataFrame
    held: pd.DataFrame
    durations: pd.DataFrame
    dates: tuple[datetime, ...]


def model_columns(frame: pd.DataFrame, config: Config) -> list[str]:
    """Return the columns models learn from: the catalogue and the peer group."""
    peer = [config.peer_group] if config.peer_group in frame.columns else []
    return [*catalogue_of(config), *peer]


def build_training_set(
    tables: Tables,
    config: Config,
    *,
    until: datetime | None = None,
    dates: Sequence[datetime] | None = None,
) -> TrainingSet:
    """Collect past dates, features as of each, and labels.

    Parameters
    ----------
    tables : Tables
        The input tables.
    config : Config
        Labels, training dates and peer group.
    until : datetime, optional
        Pretend that the data ends here.
    dates : sequence of datetime, optional
        Take these dates instead of those of the configuration.

    Raises
    ------
    HealthError
        There are no subscriptions, or the history is too short for a single date with a known
        outcome.
    """
    require_contracts(tables, str(config.file))
    if until is not None and until < tables.observed_until:
        tables = replace(tables, observed_until=until)
    dates = _configured_dates(tables, config) if dates is None else dates
    features = build_features(tables, dates, config.feature_settings, extra=own_families(config))
    spine = features[["account_id", "as_of"]]
    options = {
        "horizon_days": config.labels.horizon_days,
        "grace_days": config.labels.grace_days,
    }
    labels = build_labels(tables, spine, upsell_step=config.labels.upsell_step, **options)
    accounts = features.merge(labels, on=["account_id", "as_of"], how="left", validate="1:1")
    # Who has given notice is known to leave: a model would only learn to read the notice.
    accounts = accounts[accounts["notice_given"] == 0].reset_index(drop=True)
    accounts = with_growth(accounts, tables, config)
    horizon = config.labels.horizon_days
    products = cross_sell_labels(tables, spine, horizon_days=horizon)
    products = with_offer_features(products, tables, config)
    held = upsell_labels(tables, spine, horizon_days=horizon, upsell_step=config.labels.upsell_step)
    return TrainingSet(accounts, products, held, _durations(tables, config), tuple(dates))


def _configured_dates(tables: Tables, config: Config) -> list[datetime]:
    first = config.training.first
    dates = training_dates(
        tables,
        every_days=config.training.every_days,
        first=datetime(first.year, first.month, first.day) if first else None,
        weekday=config.weekday,
        warm_up_days=WARM_UP_DAYS,
        horizon_days=config.labels.horizon_days,
    )
    if dates:
        return dates
    begin, end = data_start(tables), tables.observed_until
    since = f" from {first} on" if first else ""
    raise HealthError(
        f"too little history: the records run for {(end - begin).days} days, {begin:%Y-%m-%d} to "
        f"{end:%Y-%m-%d}, and a date to learn from{since} needs {WARM_UP_DAYS} days before it and "
        f"{config.labels.horizon_days} days after it, every {config.training.every_days} days",
        where=str(config.file),
        fix="give more history, a shorter labels.horizon_days, a smaller training.every_days or "
        "an earlier training.first; `health score` needs a model, so it waits as well",
    )


@dataclass(frozen=True)
class TargetRows:
    """The rows that one model learns from.

    Attributes
    ----------
    frame : pd.DataFrame, shape = (n_rows, n_columns)
        account_id, as_of, the inputs, the label, and product where a row is an offer.
    label : str
        The column that says what happened: 1, 0, or NaN where it is not known yet.
    inputs : list of str
        The columns the model sees.
    """

    frame: pd.DataFrame
    label: str
    inputs: list[str]


def target_rows(training: TrainingSet, config: Config) -> dict[str, TargetRows]:
    """Return what each model learns from, by target."""
    columns = model_columns(training.accounts, config)
    offers = with_features(training.products, training.accounts, columns)
    return {
        "churn": TargetRows(training.accounts, "churned", columns),
        "upsell": TargetRows(training.accounts, "upsold", [*columns, *GROWTH]),
        "cross_sell": TargetRows(offers, "bought", [*columns, *OFFERS, PRODUCT]),
    }


def fit_models(training: TrainingSet, config: Config) -> dict[str, Any]:
    """Fit churn, upsell, cross-sell and the peer curves; return them by artefact name."""
    models: dict[str, Any] = {
        "survival": _fit_survival(training.durations),
        "growth": _fit_growth(training.accounts, config),
        "steps": StepPrices.from_history(
            training.accounts, training.products, training.held, config
        ),
    }
    for name, rows in target_rows(training, config).items():
        models[name] = fit_target(name, rows, config)
        models[f"{name}_base"] = fit_base(rows, config)
    return models


#: The estimator of each target.
_KINDS: dict[str, type[PropensityModel]] = {
    "churn": ChurnModel,
    "upsell": ExpansionModel,
    "cross_sell": ExpansionModel,
}


def with_features(
    products: pd.DataFrame, accounts: pd.DataFrame, columns: list[str]
) -> pd.DataFrame:
    """Join each open product of an account with the account's features on that date."""
    keys = ["account_id", "as_of"]
    return products.merge(accounts[[*keys, *columns]], on=keys, how="inner")


def evaluation_of(
    models: dict[str, Any], training: TrainingSet, truth: pd.DataFrame | None = None
) -> dict[str, Any]:
    """Return how each model was judged, for manifest and run.json.

    Parameters
    ----------
    models : dict of str to object
        As from `fit_models`.
    training : TrainingSet
        What they were fitted on.
    truth : pd.DataFrame, optional
        account_id, as_of, churn and upsell: the true probabilities, where a simulator knows
        them. The AUC they reach on the rows a model was tested on, the oracle's, is the best
        that any model could.
    """
    judged = {target: _judged(models[target]) for target in TARGETS}
    if truth is not None:
        for target in ("churn", "upsell"):
            judged[target] |= _against_oracle(models[target], target, training, truth)
    return judged


def _against_oracle(
    model: PropensityModel | None, target: str, training: TrainingSet, truth: pd.DataFrame
) -> dict[str, float]:
    """Return the oracle's AUC and the model's on the same later rows; nothing if untested."""
    if model is None or model.evaluation_ is None:
        return {}
    keys = ["account_id", "as_of"]
    tested = training.accounts.loc[model.held_out_.index, keys].assign(
        happened=model.held_out_["target"], logit=model.held_out_["logit"]
    )
    both = tested.merge(truth[[*keys, target]].dropna(), on=keys)
    if both["happened"].nunique() < 2:
        return {}
    return {
        "oracle_auc": float(roc_auc_score(both["happened"], both[target])),
        "auc_beside_oracle": float(roc_auc_score(both["happened"], both["logit"])),
        "oracle_rows": len(both),
    }


def _judged(model: PropensityModel | None) -> dict[str, Any]:
    if model is None:
        return {"basis": "none", "has_signal": False, "note": "no product is left to sell"}
    figures = model.evaluation_.to_dict() if model.evaluation_ is not None else {}
    rate = model.events_ / model.rows_ if model.rows_ else None
    judged = {
        "basis": model.basis_,
        "has_signal": bool(model.has_signal_),
        "accounts": model.accounts_,
        "event_accounts": model.event_accounts_,
        "base_rate": rate,
        "note": "; ".join(model.reasons_),
        "estimator": _estimator_name(model.model_),
        "reasons_by": getattr(model.model_, "reasons_by_", "a sum of terms, exact"),
        **{key: value for key, value in figures.items() if key not in _OWN},
        **_on_unseen_accounts(model),
        "calibration": model.calibration_.to_dict(),
        "leakage": [suspect.feature for suspect in model.leakage_],
    }
    return dict(plain(judged))


def _on_unseen_accounts(model: PropensityModel) -> dict[str, Any]:
    auc = model.unseen_accounts_auc_
    return {} if auc is None else {"auc_unseen_accounts": asdict(auc)}


def _estimator_name(fitted: Any) -> str:
    inner = getattr(fitted, "estimator_", fitted)
    return type(inner).__name__


_OWN = ("accounts", "event_accounts", "base_rate")


def fit_target(target: str, rows: TargetRows, config: Config) -> PropensityModel | None:
    """Fit the model of one target (churn, upsell, cross_sell), with the estimator configured."""
    return _fit(target, rows, config, own_estimator(config, target))


def _fit(
    target: str,
    rows: TargetRows,
    config: Config,
    estimator: AnyClassifier | None = None,
) -> PropensityModel | None:
    """Fit one model; None where there was never anything to decide."""
    frame = rows.frame
    if frame.empty:
        return None
    seed = config.training.seed
    if estimator is None and target == "cross_sell":
        # Products share their curves, so that a rare one borrows from the others.
        estimator = PooledGlassBox(seed=seed)
    if estimator is None and config.training.monotone and target == "churn":
        estimator = GlassBoxClassifier(monotone=churn_directions(rows.inputs), seed=seed)
    model = _KINDS[target](
        config.labels.horizon_days,
        grace_days=config.labels.grace_days,
        account_folds=ACCOUNT_FOLDS if target == "churn" else 0,
        peer_column=_peer_column(rows.inputs, config),
        few_features=FEW_FEATURES[target],
        leakage_auc=config.training.leakage_auc,
        estimator=estimator,
        seed=seed,
    )
    labels = frame[rows.label]
    return model.fit(frame[rows.inputs], labels, groups=frame["account_id"], times=frame["as_of"])


def churn_directions(inputs: list[str]) -> dict[str, int]:
    """Return which way the risk of churn may move with each feature that has a direction."""
    return {
        name: -CATALOGUE[name].direction
        for name in inputs
        if name in CATALOGUE and CATALOGUE[name].direction
    }


def fit_base(rows: TargetRows, config: Config) -> BaseRateClassifier | None:
    """Fit the rate that a probability is shown beside; None without a known outcome."""
    known = rows.frame[rows.frame[rows.label].notna()]
    if known.empty:
        return None
    base = BaseRateClassifier(peer_column=_peer_column(rows.inputs, config))
    return base.fit(known[rows.inputs], known[rows.label])


def _peer_column(inputs: list[str], config: Config) -> str | None:
    """Return what a base rate is told by: the product of an offer, else the peer group."""
    if PRODUCT in inputs:
        return PRODUCT
    return config.peer_group if config.peer_group in inputs else None


def _durations(tables: Tables, config: Config) -> pd.DataFrame:
    """Return the paid spells with the peer group of their account."""
    spells = tenure_spells(tables, grace_days=config.labels.grace_days)
    peer = [config.peer_group] if tables.has("accounts", config.peer_group) else []
    accounts = tables["accounts"].select("account_id", *peer).collect("pandas").to_native()
    spells = spells.merge(accounts, on="account_id", how="left")
    return spells.assign(group=peer_groups(spells, config))


def _fit_growth(accounts: pd.DataFrame, config: Config) -> PeerGrowth | None:
    """Fit how the MRR of those who stay moves; None where no account has two dates."""
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


def _fit_survival(durations: pd.DataFrame) -> PeerSurvival:
    return PeerSurvival().fit(
        durations["duration_days"],
        durations["churned"],
        entry_days=durations["entry_days"],
        groups=durations["group"],
    )
