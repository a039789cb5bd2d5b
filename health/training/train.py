"""Training a version: from the tables to a folder with artefacts and manifest."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import pandas as pd

from features.tables.opened import Tables
from health.business.company import Company, open_company
from health.business.kinds import ORDERS, lives_by
from health.settings.config import Config
from health.settings.custom_catalogue import catalogue_of, custom_families
from health.training import registry
from health.training.curves import judge_curves
from health.training.directions import choose_directions, with_directions
from health.training.evaluation_page import render_evaluation, render_order_evaluation
from health.training.fit import fit_models
from health.training.held_out import FILE, held_out_predictions, to_parquet
from health.training.leakage import known_late, strong_alone
from health.training.manifest import build_manifest
from health.training.order_manifest import build_order_manifest
from health.training.orders import fit_orders, judge_in_time
from health.training.promotion import Decision, promote_version, weigh
from health.training.rivals import compare_rivals
from health.training.rows import TARGETS, TrainingSet, build_training_set, target_rows
from health.training.value_check import check_value, with_checked_growth


@dataclass(frozen=True)
class Trained:
    """A trained version, and whether it is now the champion.

    Attributes
    ----------
    version : Version
    decision : Decision
        Reasons against promotion.
    promoted : bool
        Whether it is the champion.
    held_back : str
        Why it does not though nothing speaks against it and nobody asked for that.
    is_blocked : bool
        Whether it was to be promoted, and what speaks against it blocked that.
    """

    version: registry.Version
    decision: Decision
    promoted: bool
    held_back: str = ""
    is_blocked: bool = False


def train_version(
    config: Config,
    *,
    until: datetime | None = None,
    promoted: bool = True,
    truth: pd.DataFrame | None = None,
    at: str = "",
    by: str = "",
    say: Callable[[str], None] = lambda _: None,
) -> Trained:
    """Train on past dates, write a version to `models_dir`, and promote it if it passes the gate.

    Parameters
    ----------
    config : Config
        The configuration.
    until : datetime, optional
        Learn only from what was known before this date.
    promoted : bool
        Make the version the champion, unless a feature leaks, it is worse than the champion, or
        the champion has learnt from later data.
    truth : pd.DataFrame, optional
        The true probabilities of a simulated company, as in `evaluation_of`.
    at, by : str
        Time and person, for the records.
    say : callable
        Called with progress messages.

    Raises
    ------
    HealthError
        Bad input, or too little history to learn from.
    """
    say("Reading and checking the tables")
    company = open_company(config)
    tables = company.opened.tables
    known_until = min(until or company.data_end, company.data_end)
    if until is not None and until < tables.observed_until:
        tables = replace(tables, observed_until=until)
    made = (
        _from_orders(company, tables, known_until, say)
        if lives_by(tables).key == ORDERS
        else _from_contracts(company, tables, known_until, truth, say)
    )
    version = registry.save_version(
        config.models_dir,
        made.models,
        made.manifest,
        until=str(known_until.date()),
        tables={FILE: to_parquet(made.held_out)},
        notes={
            "trained.json": json.dumps({"at": at, "by": by}) + "\n",
            "evaluation.html": made.page,
        },
    )
    say("Comparing it with the champion")
    decision = weigh(config, version.name, made.training)
    held_back = _knows_less(config, version, decision) if promoted else ""
    is_blocked = promoted and not decision.passes and decision.champion != version.name
    promoted = promoted and decision.passes and not held_back
    if promoted and decision.champion != version.name:
        promote_version(config, decision, at=at, by=by, reason="trained")
    return Trained(version, decision, promoted, held_back, is_blocked)


def _knows_less(config: Config, version: registry.Version, decision: Decision) -> str:
    """Return a message if the champion has learnt from later data; then it is not replaced."""
    if decision.champion is None or not decision.compared:
        return ""
    champion = registry.require_version(config.models_dir, decision.champion)
    ours, theirs = (str(v.manifest["trained_until"]) for v in (version, champion))
    return f"it has learnt until {ours}, the champion until {theirs}" if ours < theirs else ""


@dataclass(frozen=True)
class _Made:
    """The parts of a version, before it is written."""

    models: dict[str, Any]
    manifest: dict[str, Any]
    held_out: pd.DataFrame
    page: str
    training: TrainingSet | None = None


def _from_contracts(
    company: Company,
    tables: Tables,
    known_until: datetime,
    truth: pd.DataFrame | None,
    say: Callable[[str], None],
) -> _Made:
    """Learn churn, upsell and cross-sell from contracts and all other tables."""
    config = company.config
    say("Building features and labels of past dates")
    training = build_training_set(tables, config)
    rows = target_rows(training, config)
    say(_learns_from(training.accounts, len(training.dates)))
    value = check_value(tables, training, config)
    directions = choose_directions(rows["churn"], config)
    models = with_checked_growth(fit_models(training, with_directions(config, directions)), value)
    say("Checking for features that leak the outcome")
    leaks = [
        *strong_alone(models, TARGETS, config.training.leakage_auc),
        *known_late(
            tables,
            training.accounts,
            training.dates,
            catalogue_of(config),
            config.feature_settings,
            extra=custom_families(config),
        ),
    ]
    embargo = config.labels.horizon_days + config.labels.grace_days
    held_out = held_out_predictions(models, rows, embargo)
    manifest = build_manifest(
        company, training, rows, models, leaks, known_until=known_until, truth=truth
    )
    say("Comparing the survival curves with a Cox model")
    manifest["evaluation"]["churn"]["survival"] = judge_curves(training, held_out, config)
    manifest["rivals"] = compare_rivals(training.accounts, held_out, config)
    manifest["directions"] = directions.to_dict()
    manifest["value"] = None if value is None else value.to_dict()
    say("Drawing the evaluation")
    page = render_evaluation(manifest, models, rows, held_out, company=config.company)
    return _Made(models, manifest, held_out, page, training)


def _from_orders(
    company: Company, tables: Tables, known_until: datetime, say: Callable[[str], None]
) -> _Made:
    """Learn how often customers return, and for how much, from orders alone."""
    config = company.config
    say("No subscriptions: fitting how often customers return, from the orders")
    test = judge_in_time(tables, config, known_until)
    models = fit_orders(tables, config, known_until, test)
    manifest = build_order_manifest(company, tables, models, test, known_until=known_until)
    say("Drawing the evaluation")
    page = render_order_evaluation(manifest, test.rows, company=config.company)
    return _Made(models, manifest, test.rows, page)


def _learns_from(accounts: pd.DataFrame, n_dates: int) -> str:
    """Return a message about the amount of training data."""
    churned = accounts[accounts["churned"] == 1]
    return (
        f"Fitting on {len(accounts):,} rows: {accounts['account_id'].nunique():,} accounts on "
        f"{n_dates} dates, {churned['account_id'].nunique():,} of which churned"
    )
