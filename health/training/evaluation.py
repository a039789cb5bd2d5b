"""Evaluation of each model of a version, with an oracle if one is known."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pandas as pd
from sklearn.metrics import roc_auc_score

from health.training.rows import TARGETS, TrainingSet
from models import PropensityModel
from models.churn.few_events import FEWEST_EVENTS
from models.evaluation.classification import plain

#: Counts that a model provides itself, over all of its rows and not only the tested ones.
_OWN = ("accounts", "event_accounts", "base_rate")


def evaluation_of(
    models: dict[str, Any], training: TrainingSet, truth: pd.DataFrame | None = None
) -> dict[str, Any]:
    """Return the evaluation of each model, for manifest and run.json.

    Parameters
    ----------
    models : dict of str to object
        As from `fit_models`.
    training : TrainingSet
        The training data.
    truth : pd.DataFrame, optional
        account_id, as_of, churn and upsell: the true probabilities of a simulation. Their AUC on
        the tested rows, the oracle's, is the best that any model could reach.
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
    metrics = model.evaluation_.to_dict() if model.evaluation_ is not None else {}
    rate = model.events_ / model.rows_ if model.rows_ else None
    judged = {
        "basis": model.basis_,
        "has_signal": bool(model.has_signal_),
        "accounts": model.accounts_,
        "event_accounts": model.event_accounts_,
        "event_accounts_needed": FEWEST_EVENTS,
        "base_rate": rate,
        "note": "; ".join(model.reasons_),
        "estimator": _estimator_name(model.model_),
        "reasons_by": getattr(model.model_, "reasons_by_", "a sum of terms, exact"),
        **{key: value for key, value in metrics.items() if key not in _OWN},
        **_on_unseen_accounts(model),
        **_choice(model),
        "calibration": model.calibration_.to_dict(),
        "leakage": [suspect.feature for suspect in model.leakage_],
    }
    return dict(plain(judged))


def _on_unseen_accounts(model: PropensityModel) -> dict[str, Any]:
    auc = model.unseen_accounts_auc_
    return {} if auc is None else {"auc_unseen_accounts": asdict(auc)}


def _choice(model: PropensityModel) -> dict[str, Any]:
    """Return the chosen candidate and the held-out values of all."""
    choice = model.choice_
    if choice is None:
        return {}
    kept = {key: value for key, value in asdict(choice).items() if key != "held_out"}
    return {"choice": kept}


def _estimator_name(fitted: Any) -> str:
    inner = getattr(fitted, "estimator_", fitted)
    return type(inner).__name__
