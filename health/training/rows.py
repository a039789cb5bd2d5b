"""Training data: past dates, what was known on them and what followed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd

from features.build import build_features
from features.errors import HealthError
from features.tables.opened import Tables
from features.tables.point_in_time import collect
from features.targets.growth import NAMES as GROWTH
from features.targets.labels import build_labels, cross_sell_labels, tenure_spells, upsell_labels
from features.targets.offers import NAMES as OFFERS
from features.windows.observations import data_start, training_dates
from health.business.kinds import require_contracts
from health.expansion.inputs import with_growth, with_offer_features
from health.expansion.prices import peer_groups
from health.settings.config import Config
from health.settings.custom_catalogue import catalogue_of, custom_families
from health.training.sample import Sample, sample_accounts
from health.training.score_terms import score_terms
from models.churn.candidates import FEW
from models.churn.few_events import model_kind
from models.churn.score_model import measures_given, score_columns
from models.survival.comparison import landmark_follow_up

#: Events with a published probability.
TARGETS = ("churn", "upsell", "cross_sell")
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
        account_id, as_of, attributes, features, the labels churned and upsold (1, 0, or NaN if the
        outcome was not known yet), observed_days and observed_churn (as in `with_days_observed`),
        and, if few accounts churned, the columns of `score_terms`.
    products : pd.DataFrame, shape = (n_offers, n_columns)
        account_id, as_of, product, bought, step_mrr and the features of the offer: one row per
        product not owned.
    held : pd.DataFrame, shape = (n_held, 6)
        account_id, as_of, product, mrr, upsold, step_mrr: one row per product owned.
    durations : pd.DataFrame, shape = (n_spells, 5)
        account_id, entry_days, duration_days, churned, group.
    dates : tuple of datetime
        The dates.
    sample : Sample, optional
        The accounts drawn, where not all are needed; nothing is of others.
    """

    accounts: pd.DataFrame
    products: pd.DataFrame
    held: pd.DataFrame
    durations: pd.DataFrame
    dates: tuple[datetime, ...]
    sample: Sample | None = None

    def tables(self, tables: Tables) -> Tables:
        """Return the tables of the accounts drawn."""
        return tables if self.sample is None else self.sample.tables(tables)


def model_columns(frame: pd.DataFrame, config: Config) -> list[str]:
    """Return the columns that models learn from: the catalogue and the peer group."""
    peer = [config.peer_group] if config.peer_group in frame.columns else []
    return [*catalogue_of(config), *peer]


def build_training_set(
    tables: Tables,
    config: Config,
    *,
    until: datetime | None = None,
    dates: Sequence[datetime] | None = None,
) -> TrainingSet:
    """Collect past dates, features as of each, and labels, of as many accounts as are enough.

    Parameters
    ----------
    tables : Tables
        The input tables.
    config : Config
        Labels, training dates and peer group.
    until : datetime, optional
        Ignore data from this time on.
    dates : sequence of datetime, optional
        Use these dates instead of those of the configuration.

    Raises
    ------
    HealthError
        There are no subscriptions, or the history is too short for a single date with a known
        outcome.
    """
    require_contracts(tables, str(config.file))
    if until is not None and until < tables.observed_until:
        tables = tables.until(until)
    dates = _configured_dates(tables, config) if dates is None else dates
    sample = sample_accounts(tables, config)
    if sample is not None:
        tables = sample.tables(tables)
    features = _features(tables, config, dates)
    observations = features[["account_id", "as_of"]]
    accounts = _labelled(features, tables, config)
    _require_rows(accounts, tables, dates, config)
    horizon = config.labels.horizon_days
    grace = config.labels.grace_days
    products = cross_sell_labels(tables, observations, horizon_days=horizon, grace_days=grace)
    products = with_offer_features(products, tables, config)
    held = upsell_labels(
        tables,
        observations,
        horizon_days=horizon,
        grace_days=grace,
        upsell_step=config.labels.upsell_step,
    )
    durations = paid_durations(tables, config)
    return TrainingSet(accounts, products, held, durations, tuple(dates), sample)


def build_account_rows(tables: Tables, config: Config) -> pd.DataFrame:
    """Collect only the accounts of a `TrainingSet`, in half the time.

    Parameters
    ----------
    tables : Tables
        The input tables.
    config : Config
        Labels and training dates.

    Returns
    -------
    pd.DataFrame, shape = (n_rows, n_columns)
        As `TrainingSet.accounts`.

    Raises
    ------
    HealthError
        As `build_training_set`.
    """
    require_contracts(tables, str(config.file))
    features = _features(tables, config, _configured_dates(tables, config))
    return _labelled(features, tables, config)


def _features(tables: Tables, config: Config, dates: Sequence[datetime]) -> pd.DataFrame:
    return build_features(tables, dates, config.feature_settings, extra=custom_families(config))


def _require_rows(
    accounts: pd.DataFrame, tables: Tables, dates: Sequence[datetime], config: Config
) -> None:
    """Raise HealthError if there are no rows, and explain why."""
    if len(accounts):
        return
    created = collect(tables["accounts"].select("created_at"))["created_at"]
    raise HealthError(
        f"there is nothing to learn from: no account without a notice pays on any of the "
        f"{len(dates)} training dates ({dates[0]:%Y-%m-%d} to {dates[-1]:%Y-%m-%d}). "
        f"{len(created):,} accounts were created from {created.min():%Y-%m-%d} on (an account "
        "exists from the earlier of accounts.created_at and its first paid contract, and is known "
        "from known_at on)",
        where=str(config.file),
        fix="check started_at and mrr of subscriptions, and known_at if it is mapped (not "
        "if it is the day of a migration), or wait for more history",
    )


def _labelled(features: pd.DataFrame, tables: Tables, config: Config) -> pd.DataFrame:
    """Return the rows of accounts without notice, with growth and what followed."""
    labels = build_labels(
        tables,
        features[["account_id", "as_of"]],
        horizon_days=config.labels.horizon_days,
        grace_days=config.labels.grace_days,
        upsell_step=config.labels.upsell_step,
    )
    accounts = features.merge(labels, on=["account_id", "as_of"], how="left", validate="1:1")
    accounts = with_days_observed(accounts, tables, config)
    # Accounts with notice are known to leave: a model would only learn to read the notice.
    stays = accounts["notice_given"] == 0
    if _few_churned(accounts[stays]):
        # Accounts with notice still count as peers.
        accounts = accounts.join(score_terms(accounts, config.score_settings))
    return with_growth(accounts[stays].reset_index(drop=True), tables, config)


def with_days_observed(accounts: pd.DataFrame, tables: Tables, config: Config) -> pd.DataFrame:
    """Add how long each row was observed, whether or not its outcome is known up to the horizon.

    Parameters
    ----------
    accounts : pd.DataFrame
        account_id, as_of and churned, as from `build_labels`.
    tables : Tables
        The input tables; nothing is known from `observed_until` on.
    config : Config
        Horizon and grace.

    Returns
    -------
    pd.DataFrame
        With observed_days (to the end of what is paid, to the horizon, or to the last day on which
        an end would be known as churn, a grace period before the end of the data; 0 where there is
        no such day) and observed_churn (1.0 where the account churned then, else 0.0).
    """
    horizon, grace = config.labels.horizon_days, config.labels.grace_days
    until = pd.Timestamp(tables.observed_until)
    spells = tenure_spells(tables, grace_days=grace)
    follow_up = landmark_follow_up(spells, accounts, until, grace_days=grace)
    seen = (until - accounts["as_of"]).dt.total_seconds() / 86_400 - grace
    # An account whose last row had already ended on the date left on it, by the usual lag.
    ended = follow_up["days"].isna() & (accounts["churned"] == 1)
    days = follow_up["days"].mask(ended, 0.0).fillna(seen).clip(upper=horizon)
    left = (ended | (follow_up["left"] == 1)) & (days < horizon)
    days = days.where(left, np.minimum(days, seen)).clip(lower=0.0)
    return accounts.assign(observed_days=days, observed_churn=left.astype(float))


def known_before(
    accounts: pd.DataFrame, moment: pd.Timestamp, *, horizon_days: int, grace_days: int
) -> pd.DataFrame:
    """Return what was known at a moment: rows from before it, and what had followed them by then.

    Parameters
    ----------
    accounts : pd.DataFrame
        as_of, churned, and observed_days and observed_churn of `TrainingSet.accounts`.
    moment : pd.Timestamp
        Churn is known a grace period after it happened.
    horizon_days, grace_days : int
        Of the labels.

    Returns
    -------
    pd.DataFrame
        The rows that were observed for any time; churned is NaN where it was not known.
    """
    seen = (moment - accounts["as_of"]).dt.total_seconds() / 86_400 - grace_days
    left = (accounts["observed_churn"] == 1) & (accounts["observed_days"] < seen)
    known = accounts.assign(
        churned=accounts["churned"].where(seen >= horizon_days),
        observed_days=np.minimum(accounts["observed_days"], seen.clip(lower=0.0)),
        observed_churn=left.astype(float),
    )
    kept: pd.DataFrame = known[seen > 0]
    return kept


def _few_churned(accounts: pd.DataFrame) -> bool:
    """Whether churn will have a small model, which may use the score alone."""
    left = (accounts["churned"] == 1) | (accounts["observed_churn"] == 1)
    return model_kind(accounts.loc[left, "account_id"].nunique()) == FEW


def churn_inputs(frame: pd.DataFrame, config: Config) -> list[str]:
    """Return the input columns of the churn model, including those of the score if present."""
    return [*model_columns(frame, config), *score_columns(measures_given(frame.columns))]


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
        f"{end:%Y-%m-%d}, and a training date{since} needs {WARM_UP_DAYS} days before it and "
        f"{config.labels.horizon_days} days after it, every {config.training.every_days} days",
        where=str(config.file),
        fix="give more history, a shorter labels.horizon_days, a smaller training.every_days or "
        "an earlier training.first; `health score` needs a model, so it cannot run before that",
    )


@dataclass(frozen=True)
class TargetRows:
    """The rows that one model learns from.

    Attributes
    ----------
    frame : pd.DataFrame, shape = (n_rows, n_columns)
        account_id, as_of, the inputs, the label, and product if a row is an offer.
    label : str
        The column of the outcome: 1, 0, or NaN if it is not known yet.
    inputs : list of str
        The input columns of the model.
    """

    frame: pd.DataFrame
    label: str
    inputs: list[str]


def target_rows(training: TrainingSet, config: Config) -> dict[str, TargetRows]:
    """Return what each model learns from, by target."""
    columns = model_columns(training.accounts, config)
    offers = with_features(training.products, training.accounts, columns)
    return {
        "churn": TargetRows(training.accounts, "churned", churn_inputs(training.accounts, config)),
        "upsell": TargetRows(training.accounts, "upsold", [*columns, *GROWTH]),
        "cross_sell": TargetRows(offers, "bought", [*columns, *OFFERS, PRODUCT]),
    }


def with_features(
    products: pd.DataFrame, accounts: pd.DataFrame, columns: list[str]
) -> pd.DataFrame:
    """Join each open product of an account with the account's features on that date."""
    keys = ["account_id", "as_of"]
    return products.merge(accounts[[*keys, *columns]], on=keys, how="inner")


def paid_durations(tables: Tables, config: Config) -> pd.DataFrame:
    """Return the paid spells with the peer group of their account."""
    spells = tenure_spells(tables, grace_days=config.labels.grace_days)
    peer = [config.peer_group] if tables.has("accounts", config.peer_group) else []
    accounts = tables["accounts"].select("account_id", *peer).collect("pandas").to_native()
    spells = spells.merge(accounts, on="account_id", how="left")
    return spells.assign(group=peer_groups(spells, config))
