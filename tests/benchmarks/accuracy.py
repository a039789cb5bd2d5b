"""Accuracy on public churn sets against usual models, all in one run.

    uv run python -m tests.benchmarks.accuracy [--repeats 1]

Prints the mean AUC of repeated stratified 5-fold cross-validation, its standard error over the
folds, and the seconds of one fold's fit. Needs the shared data beside the project.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import RepeatedStratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from models.glass_box import GlassBoxClassifier

SHARED = Path(__file__).parents[2].parent / "shared" / "data"


def telco() -> tuple[pd.DataFrame, np.ndarray]:
    """Return IBM's Telco set, its blank TotalCharges as missing."""
    frame = pd.read_csv(SHARED / "telco" / "telco.csv")
    frame["TotalCharges"] = pd.to_numeric(frame["TotalCharges"], errors="coerce")
    y = (frame["Churn"] == "Yes").to_numpy().astype(int)
    return _text(frame.drop(columns=["customerID", "Churn"])), y


def bigml() -> tuple[pd.DataFrame, np.ndarray]:
    """Return the telephone churn set of BigML, both files."""
    files = sorted((SHARED / "bigml").glob("*.csv"))
    frame = pd.concat([pd.read_csv(f, sep=";") for f in files], ignore_index=True)
    y = frame["Churn"].astype(str).str.upper().isin(["VRAI", "TRUE"]).to_numpy().astype(int)
    frame["Area code"] = frame["Area code"].astype(str)
    return _text(frame.drop(columns="Churn")), y


def _text(frame: pd.DataFrame) -> pd.DataFrame:
    words = frame.select_dtypes(exclude="number").columns
    return frame.astype(dict.fromkeys(words, "category"))


def logistic() -> Any:
    """Return logistic regression with imputed, scaled and one-hot columns."""
    return make_pipeline(
        make_column_transformer(
            (
                make_pipeline(SimpleImputer(), StandardScaler()),
                make_column_selector(dtype_include="number"),
            ),
            (
                OneHotEncoder(handle_unknown="ignore"),
                make_column_selector(dtype_include="category"),
            ),
        ),
        LogisticRegression(max_iter=2000),
    )


MODELS: dict[str, Callable[[], Any]] = {
    "logistic regression": logistic,
    "HistGradientBoosting": lambda: HistGradientBoostingClassifier(
        categorical_features="from_dtype", random_state=0
    ),
    "HistGradientBoosting, slower": lambda: HistGradientBoostingClassifier(
        categorical_features="from_dtype", learning_rate=0.03, max_iter=200, random_state=0
    ),
    "glass box": GlassBoxClassifier,
    "glass box, 10 pairs": lambda: GlassBoxClassifier(interactions=10),
}


def measure(
    make: Callable[[], Any], X: pd.DataFrame, y: np.ndarray, repeats: int
) -> tuple[np.ndarray, float]:
    """Return the AUC of each fold and the mean seconds of a fit."""
    folds = RepeatedStratifiedKFold(n_splits=5, n_repeats=repeats, random_state=0)
    scores, seconds = [], []
    for train, test in folds.split(X, y):
        start = time.perf_counter()
        model = make().fit(X.iloc[train], y[train])
        seconds.append(time.perf_counter() - start)
        scores.append(roc_auc_score(y[test], model.predict_proba(X.iloc[test])[:, 1]))
    return np.array(scores), float(np.mean(seconds))


def main() -> None:
    """Print one row a set and model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=1)
    repeats = parser.parse_args().repeats
    if not SHARED.exists():
        raise SystemExit(f"skipped: there is no {SHARED.name} folder at {SHARED}")
    print(f"{'set':8} {'model':30} {'AUC':>7} {'s.e.':>7} {'fit, s':>7}")
    for name, load in {"telco": telco, "bigml": bigml}.items():
        X, y = load()
        for label, make in MODELS.items():
            auc, seconds = measure(make, X, y, repeats)
            spread = auc.std(ddof=1) / np.sqrt(len(auc))
            print(f"{name:8} {label:30} {auc.mean():7.4f} {spread:7.4f} {seconds:7.2f}", flush=True)


if __name__ == "__main__":
    main()
