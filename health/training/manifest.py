"""The manifest of a version: its origin, its definitions and its quality."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import pandas as pd
from pandas.api.types import is_numeric_dtype

from features.feature_hashes import definition_hashes
from health.business.company import Company
from health.settings.custom_catalogue import catalogue_of
from health.training.custom_estimators import custom_modules
from health.training.evaluation import evaluation_of
from health.training.leakage import Leak
from health.training.reference import reference_ranges
from health.training.rows import TARGETS, TargetRows, TrainingSet, model_columns
from models import drivers
from models.evaluation.classification import plain

#: Maximum number of drivers, for the report.
MOST_DRIVERS = 12


def build_manifest(
    company: Company,
    training: TrainingSet,
    rows: Mapping[str, TargetRows],
    models: Mapping[str, Any],
    leaks: Sequence[Leak],
    *,
    known_until: datetime,
    truth: pd.DataFrame | None = None,
) -> dict[str, Any]:
    """Return the manifest of a version; it does not depend on the time or the machine.

    Parameters
    ----------
    company : Company
        Configuration and tables.
    training : TrainingSet
        The training data.
    rows : mapping of str to TargetRows
        The training rows by target.
    models : mapping of str to object
        The fitted artefacts.
    leaks : sequence of Leak
        Features that stop promotion.
    known_until : datetime
        Exclusive end of what was known.
    truth : pd.DataFrame, optional
        As in `evaluation_of`.
    """
    config = company.config
    columns = model_columns(training.accounts, config)
    hashes = definition_hashes(catalogue_of(config), config.feature_settings)
    definitions = {name: hashes[name] for name in columns if name in hashes}
    return {
        **provenance(company, training.dates, definitions, known_until),
        "own_estimators": {t: named.use for t, named in sorted(config.own.estimators.items())},
        "rows": {
            "accounts_and_dates": len(training.accounts),
            "accounts": int(training.accounts["account_id"].nunique()),
            "offers": len(training.products),
        },
        "sample": None if training.sample is None else training.sample.to_dict(),
        "targets": {target: _counts(rows[target]) for target in TARGETS},
        "leaks": [asdict(leak) for leak in leaks],
        "evaluation": evaluation_of(dict(models), training, truth),
        "drivers": _drivers(training, columns),
        "feature_ranges": reference_ranges(training.accounts[columns], training.accounts["as_of"]),
        "score_ranges": _score_ranges(models, training),
    }


def provenance(
    company: Company,
    dates: Sequence[datetime],
    definitions: Mapping[str, str],
    known_until: datetime,
) -> dict[str, Any]:
    """Return the origin of a version: settings, data and feature definitions."""
    config = company.config
    return {
        "config_hash": config.hash,
        "seed": config.training.seed,
        "trained_until": str(known_until.date()),
        "training_dates": [str(day.date()) for day in dates],
        "horizon_days": config.labels.horizon_days,
        "grace_days": config.labels.grace_days,
        "features": list(definitions),
        "feature_definitions": definitions,
        "features_hash": features_hash(definitions),
        "own_modules": custom_modules(config),
        "data": {"from": str(company.data_start.date()), "until": str(known_until.date())},
        "tables": {s.table: s.rows for s in company.opened.summaries},
    }


def _drivers(training: TrainingSet, columns: Sequence[str]) -> list[dict[str, Any]]:
    """Return the features that best separate churned from retained accounts on their own."""
    accounts = training.accounts
    numbers = [name for name in columns if is_numeric_dtype(accounts[name])]
    if not (accounts["churned"] == 1).any():
        return []
    table = drivers(accounts, numbers, "churned").head(MOST_DRIVERS)
    found: list[dict[str, Any]] = plain(table.reset_index().to_dict("records"))
    return found


def _counts(rows: TargetRows) -> dict[str, int]:
    """Count rows, events and outcomes that are not known yet."""
    labels = rows.frame[rows.label]
    happened = rows.frame[labels == 1]
    return {
        "rows": int(labels.notna().sum()),
        "events": len(happened),
        "accounts": int(rows.frame.loc[labels.notna(), "account_id"].nunique()),
        "event_accounts": int(happened["account_id"].nunique()),
        "outcome_not_known_yet": int(labels.isna().sum()),
    }


def _score_ranges(models: Mapping[str, Any], training: TrainingSet) -> dict[str, dict[str, Any]]:
    """Return the distribution of the probabilities over the accounts of every training date."""
    found = {}
    for target in ("churn", "upsell"):
        inputs = training.accounts[list(models[target].feature_names_in_)]
        found[target] = pd.Series(models[target].predict_proba(inputs)[:, 1])
    return reference_ranges(pd.DataFrame(found), training.accounts["as_of"])


def features_hash(definitions: Mapping[str, str]) -> str:
    """Return one hash of all feature definitions."""
    return hashlib.sha256(json.dumps(definitions, sort_keys=True).encode()).hexdigest()[:16]
