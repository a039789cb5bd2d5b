"""What contacts, invoices, interactions and goals add to predicting churn, on made-up companies.

    uv run python -m tests.benchmarks.relationship [--accounts 400] [--seeds 0 1 … 10] [--no-usage]

One model is fitted with the features of these tables and one without, on the same earlier dates,
and both are tested on the same later ones. Prints the AUC of each company and the mean difference
with its standard error over companies. With --no-usage, both are without usage: a company that
does not record it.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import timedelta

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from features import CATALOGUE
from features.reading.frames import tables_from_frames
from health.demo import simulate_company
from models.glass_box.classifier import GlassBoxClassifier
from tests.benchmarks.scorecard import GRACE_DAYS, HORIZON_DAYS, labelled

TABLES = ("contacts", "invoices", "interactions", "goals")
#: Share of the dates that the models are tested on.
TESTED = 0.35


def main() -> None:
    """Print a line per company, and the mean difference."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", type=int, default=400)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(11)))
    parser.add_argument("--no-usage", action="store_true")
    given = parser.parse_args()
    found = []
    for seed in given.seeds:
        rows = _rows(given.accounts, seed)
        without, with_tables = (
            _auc(rows, columns, seed) for columns in _inputs(usage=not given.no_usage)
        )
        found.append((without, with_tables))
        print(f"seed {seed}: without {without:.3f}, with {with_tables:.3f}", flush=True)
    values = np.array(found)
    gain = values[:, 1] - values[:, 0]
    error = gain.std(ddof=1) / np.sqrt(len(gain)) if len(gain) > 1 else float("nan")
    without, with_tables = values.mean(axis=0)
    print(f"mean of {len(gain)} companies: without {without:.3f}, with {with_tables:.3f}")
    print(f"difference {gain.mean():+.4f}, standard error {error:.4f}")


def _inputs(*, usage: bool) -> tuple[list[str], list[str]]:
    """Return the features without those of the four tables, and all of them."""
    known = [
        name
        for name in CATALOGUE
        if usage or "usage" not in (CATALOGUE[name].table, *CATALOGUE[name].also)
    ]
    return [name for name in known if CATALOGUE[name].table not in TABLES], known


def _rows(accounts: int, seed: int) -> pd.DataFrame:
    company = simulate_company(accounts, seed=seed)
    tables = tables_from_frames(company.tables, observed_until=company.observed_until)
    return labelled(tables, every_days=28)


def _auc(rows: pd.DataFrame, inputs: Sequence[str], seed: int) -> float:
    """Return the AUC on the last dates of a model of those whose outcome was known before."""
    dates = sorted(rows["as_of"].unique())
    first = dates[int((1 - TESTED) * len(dates))]
    tested = rows["as_of"] >= first
    fitted = rows["as_of"] <= first - timedelta(days=HORIZON_DAYS + GRACE_DAYS)
    X, y = rows[list(inputs)], rows["churned"]
    model = GlassBoxClassifier(seed=seed)
    model.fit(X[fitted], y[fitted], groups=rows.loc[fitted, "account_id"])
    return float(roc_auc_score(y[tested], model.predict_proba(X[tested])[:, 1]))


if __name__ == "__main__":
    main()
