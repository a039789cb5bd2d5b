"""The manifest of an order-based version: its origin and its quality."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from features.build import build_features
from features.feature_hashes import definition_hashes
from features.orders.family import orders_by_day
from features.tables.opened import Tables
from health.business.company import Company
from health.business.kinds import ORDERS
from health.settings.config import Config
from health.settings.custom_catalogue import catalogue_of, custom_families
from health.training.manifest import provenance
from health.training.orders import TARGET, OrderTest, models_on, order_chances
from health.training.reference import reference_ranges
from models import purchase_history
from models.base.calibration import Calibration
from models.evaluation.classification import plain

#: Number of dates whose features and probabilities define what is usual.
_DATES = 5


def build_order_manifest(
    company: Company,
    tables: Tables,
    models: Mapping[str, Any],
    test: OrderTest,
    *,
    known_until: datetime,
) -> dict[str, Any]:
    """Return the manifest of a version; it does not depend on the time or the machine.

    Parameters
    ----------
    company : Company
        Configuration and tables.
    tables : Tables
        The tables up to what the version knows.
    models : mapping of str to object
        As from `fit_orders`.
    test : OrderTest
        Their test on later orders.
    known_until : datetime
        Exclusive end of what was known.
    """
    config = company.config
    catalogue = catalogue_of(config)
    dates = _reference_dates(company, known_until)
    features = build_features(tables, dates, config.feature_settings, extra=custom_families(config))
    hashes = definition_hashes(catalogue, config.feature_settings)
    # Drift is checked in order features and those of the score, if any customer has a value.
    read = {n for n in catalogue if catalogue[n].table == "orders"} | {
        *config.score_settings.features
    }
    definitions = {n: hashes[n] for n in hashes if n in read and features[n].notna().any()}
    return {
        "business": ORDERS,
        **provenance(company, dates, definitions, known_until),
        "own_estimators": {},
        "rows": {
            "accounts_and_dates": len(features),
            "accounts": int(features["account_id"].nunique()),
            "offers": 0,
        },
        "targets": {TARGET: _counts(test)},
        "leaks": [],
        "evaluation": {TARGET: _judged(models, test)},
        "drivers": [],
        "feature_ranges": reference_ranges(features[list(definitions)], features["as_of"]),
        "score_ranges": _score_ranges(features, dates, tables, models, config),
    }


def _score_ranges(
    customers: pd.DataFrame,
    dates: Sequence[datetime],
    tables: Tables,
    models: Mapping[str, Any],
    config: Config,
) -> dict[str, dict[str, Any]]:
    """Return the distribution of the probabilities over the customers of the reference dates."""
    result = pd.DataFrame(
        np.nan, index=customers.index, columns=["alive_probability", "order_probability"]
    )
    # Season and trend of the newest date: what later runs are compared with first.
    latest = models_on(models, orders_by_day(tables, dates[-1]), dates[-1], config)
    for day in dates:
        orders, now = orders_by_day(tables, day), customers["as_of"] == pd.Timestamp(day)
        if not (orders["amount"] >= 0).any():
            continue
        history = purchase_history(orders, until=day)
        chances = order_chances(history, latest, config.labels.horizon_days)
        result.loc[now] = chances.reindex(customers.loc[now, "account_id"]).to_numpy()
    found = result.dropna(axis=1, how="all")
    found = found.rename(columns=lambda name: name.removesuffix("_probability"))
    return reference_ranges(found, customers["as_of"])


def _reference_dates(company: Company, known_until: datetime) -> list[datetime]:
    """Return the reference dates for later runs: the end, and some before it."""
    step = timedelta(days=company.config.training.every_days)
    dates = [known_until - step * back for back in range(_DATES)]
    return [day for day in dates if day > company.data_start][::-1]


def _counts(test: OrderTest) -> dict[str, int]:
    events = int(test.rows["happened"].sum())
    return {
        "rows": len(test.rows),
        "events": events,
        "accounts": len(test.rows),
        "event_accounts": events,
        "outcome_not_known_yet": 0,
    }


def _judged(models: Mapping[str, Any], test: OrderTest) -> dict[str, Any]:
    purchases, spend, risk = models["purchases"], models["spend"], models["risk"]
    unknown = purchases.basis_ == "none"
    notes = dict.fromkeys(n for n in (purchases.message_, spend.message_, test.note) if n)
    return dict(
        plain(
            {
                "basis": "none" if unknown else f"{purchases.basis_}, {spend.basis_}",
                "has_signal": risk.has_signal,
                "base_rate": float(test.rows["happened"].mean()) if len(test.rows) else None,
                "note": "; ".join(notes),
                "estimator": type(purchases).__name__,
                "reasons_by": "a sum of two terms, exact",
                "parameters": {
                    **{k: getattr(purchases, f"{k}_") for k in ("r", "alpha", "a", "b")},
                    "regularity": purchases.regularity_,
                    **{k: getattr(spend, f"{k}_") for k in ("p", "q", "v")},
                },
                "tested_from": str(test.split.date()),
                **test.metrics,
                "calibration": Calibration().to_dict(),
                "leakage": [],
            }
        )
    )
