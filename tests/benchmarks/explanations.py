"""Exact contributions of the glass box against TreeSHAP on a boosted forest, in one run.

    uv run --group benchmark python -m tests.benchmarks.explanations [--rows 1000000]

Both models learn from the same rows of 60 features. The glass box explains all rows; shap's
TreeExplainer explains a sample of a forest of 200 trees, and its time is scaled up to all rows.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import pandas as pd
from scipy.special import expit
from sklearn.ensemble import HistGradientBoostingClassifier

from models.glass_box.classifier import GlassBoxClassifier

FEATURES = 60


def rows(n: int, seed: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Return features of which twenty matter, some missing, and the outcome."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, FEATURES))
    logit = values[:, :20] @ np.linspace(0.6, 0.1, 20) - 2.5 + 0.5 * values[:, 0] * values[:, 1]
    values[rng.random(values.shape) < 0.05] = np.nan
    X = pd.DataFrame(values, columns=[f"feature_{i}" for i in range(FEATURES)])
    return X, (rng.random(n) < expit(logit)).astype(int)


def main() -> None:
    """Print seconds and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--sample", type=int, default=2_000)
    given = parser.parse_args()
    import shap  # noqa: PLC0415

    X, y = rows(20_000, 0)
    start = time.perf_counter()
    glass = GlassBoxClassifier().fit(X, y)
    print(f"glass box fitted on 20,000 × {FEATURES}: {time.perf_counter() - start:.1f} s")
    start = time.perf_counter()
    forest = HistGradientBoostingClassifier(
        max_iter=200, learning_rate=0.05, random_state=0, early_stopping=False
    ).fit(X, y)
    print(f"forest of 200 trees: {time.perf_counter() - start:.1f} s")
    many, _ = rows(given.rows, 1)
    start = time.perf_counter()
    parts = glass.contributions(many)
    ours = time.perf_counter() - start
    error = np.abs(parts.iloc[:10_000].sum(axis=1) - glass.decision_function(many.iloc[:10_000]))
    print(f"glass box, {given.rows:,} rows: {ours:.1f} s; largest error of a sum {error.max():.1e}")
    explainer = shap.TreeExplainer(forest)
    sample = many.iloc[: given.sample]
    start = time.perf_counter()
    explainer.shap_values(sample, check_additivity=False)
    theirs = (time.perf_counter() - start) / len(sample) * given.rows
    print(f"TreeSHAP, {len(sample):,} rows measured, scaled to {given.rows:,}: {theirs:.0f} s")
    print(f"{theirs / ours:.0f} times as fast")


if __name__ == "__main__":
    main()
