"""Predictions of a version for rows it was not trained on, stored for later comparisons."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit

from health.training.rows import TargetRows
from models import PropensityModel
from models.base.calibration import fit_calibration
from models.base.inputs import FloatArray
from models.churn.few_events import BaseRateClassifier

KEYS = ["target", "account_id", "as_of", "product"]
COLUMNS = [*KEYS, "happened", "logit", "probability", "learnt_until"]
FILE = "held_out.parquet"


def held_out_predictions(
    models: Mapping[str, Any], rows: Mapping[str, TargetRows], embargo_days: int
) -> pd.DataFrame:
    """Collect the predictions for every tested row.

    Parameters
    ----------
    models : mapping of str to PropensityModel or None
        The fitted model of each target.
    rows : mapping of str to TargetRows
        The training rows of each model.
    embargo_days : int
        Horizon + grace.

    Returns
    -------
    pd.DataFrame, shape = (n_tested, 8)
        target, account_id, as_of, product (empty if the row is not an offer), happened, logit
        (uncalibrated), probability (what would have been published) and learnt_until, the last
        date the row's model was fitted on; none of it includes the row's own outcome.
    """
    parts = [
        _of_one(target, models[target], rows[target], embargo_days)
        for target in rows
        if models[target] is not None and len(models[target].held_out_)
    ]
    if not parts:
        return pd.DataFrame(columns=COLUMNS)
    return pd.concat(parts, ignore_index=True).sort_values(KEYS, ignore_index=True)


def _of_one(
    target: str, model: PropensityModel, rows: TargetRows, embargo_days: int
) -> pd.DataFrame:
    held_out = model.held_out_.reset_index(names="row")
    tested = rows.frame.iloc[held_out["row"].to_numpy(dtype=int)].reset_index(drop=True)
    happened = held_out["target"].to_numpy(dtype="float64")
    logit = held_out["logit"].to_numpy(dtype="float64")
    if model.has_signal_:
        fitted = fit_calibration(logit, happened, groups=tested["account_id"], seed=model.seed)
        probability = expit(fitted.held_out_logit)
    else:
        probability = _earlier_rates(model, rows, tested, embargo_days)
    return pd.DataFrame(
        {
            "target": target,
            "account_id": tested["account_id"].astype(str),
            "as_of": tested["as_of"],
            "product": tested["product"].astype(str) if "product" in tested else "",
            "happened": happened,
            "logit": logit,
            "probability": probability,
            "learnt_until": held_out["learnt_until"].astype("datetime64[us]"),
        }
    )


def _earlier_rates(
    model: PropensityModel, rows: TargetRows, tested: pd.DataFrame, embargo_days: int
) -> FloatArray:
    """Return the base rate that replaces the model, from outcomes known by each date."""
    # A base rate depends at most on the peer group.
    inputs = [model.peer_column or str(model.feature_names_in_[0])]
    labelled = rows.frame[rows.frame[rows.label].notna()]
    rates = np.full(len(tested), np.nan)
    for day in tested["as_of"].unique():
        known = labelled[labelled["as_of"] <= day - pd.Timedelta(days=embargo_days)]
        now = (tested["as_of"] == day).to_numpy()
        if len(known):
            base = BaseRateClassifier(peer_column=model.peer_column)
            base.fit(known[inputs], known[rows.label])
            rates[now] = base.predict_proba(tested.loc[now, inputs])[:, 1]
    return rates


def to_parquet(held_out: pd.DataFrame) -> bytes:
    """Return the table as bytes, deterministically."""
    buffer = io.BytesIO()
    held_out.to_parquet(buffer, index=False)
    return buffer.getvalue()


def from_parquet(content: bytes) -> pd.DataFrame:
    """Read the result of `to_parquet`."""
    return pd.read_parquet(io.BytesIO(content))
