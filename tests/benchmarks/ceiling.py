"""What keeps churn models of the demo company from its oracle: few rows or the features.

    uv run python -m tests.benchmarks.ceiling [--seeds 201 …] [--accounts 1000]
        [--folds 2] [--models TEXT …] [--cache FOLDER]

Each line is a model, tested on the later dates of every company as `accuracy demo` does:

- from the company's own earlier dates: what `health train` publishes;
- from all dates of companies of other folds (none of its own): more rows;
- from the oracle's probability in place of what happened, also of other companies: an estimate of
  its expectation given the features, which is the best that a model of these features can predict;
- the same with filters of the tables by the simulator's own laws (`demo_filters`): about what the
  tables contain; and with the true satisfaction and contact, which have no filter: more than that;
- the same with the causes of churn that usage does not show, or all of the simulator's state: what
  no table shows, and what the form of the model costs.

Prints the share of the oracle's AUC − 0.5 with its 95 % interval over companies, by what happened
and as expected: there, each row leaves with the oracle's probability.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, logit
from scipy.stats import t as student
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, QuantileTransformer, SplineTransformer

from health.demo import simulate_company
from health.training.rows import known_before
from models.churn.spline_logistic import SplineLogisticClassifier
from models.glass_box.classifier import GlassBoxClassifier
from tests.benchmarks.accuracy import (
    DEMO_HORIZON,
    GRACE_DAYS,
    MODELS,
    STATE,
    as_trained,
    demo_rows,
    later_blocks,
    usable,
)
from tests.benchmarks.demo_filters import COLUMNS as FILTERS
from tests.benchmarks.demo_filters import filtered

Floats = NDArray[np.float64]
Frames = dict[int, pd.DataFrame]
Predict = Callable[[pd.DataFrame, pd.DataFrame], Floats]
OWN = "own past: what is published"


def labelled(model: Callable[[], Any]) -> Predict:
    """Return what learns from the outcomes of some rows and ranks others."""

    def predict(rows: pd.DataFrame, tested: pd.DataFrame) -> Floats:
        known = rows.dropna(subset="churned")
        columns, own = _features(known), model()
        more = {"groups": _accounts(known)} if isinstance(own, GlassBoxClassifier) else {}
        own.fit(known[columns], known["churned"].to_numpy().astype(int), **more)
        return np.asarray(own.predict_proba(tested[columns])[:, 1])

    return predict


def from_oracle(more: Sequence[str] = ()) -> Predict:
    """Return what learns the oracle's log-odds: a ridge on splines, and trees on what it misses."""

    def predict(rows: pd.DataFrame, tested: pd.DataFrame) -> Floats:
        rows = rows.dropna(subset="oracle")
        columns = [*_features(rows), *more]
        goal = logit(rows["oracle"].clip(1e-5, 1 - 1e-5))
        numbers = make_pipeline(
            SimpleImputer(add_indicator=True),
            QuantileTransformer(n_quantiles=200, subsample=20_000, random_state=0),
            SplineTransformer(n_knots=4, degree=1, include_bias=False),
        )
        line = make_pipeline(
            make_column_transformer(
                (numbers, make_column_selector(dtype_include="number")),
                (OneHotEncoder(), make_column_selector(dtype_include="category")),
            ),
            Ridge(30.0),
        ).fit(rows[columns], goal)
        trees = HistGradientBoostingRegressor(
            learning_rate=0.06, max_iter=200, min_samples_leaf=60, max_leaf_nodes=16,
            l2_regularization=5.0, max_features=0.3, categorical_features="from_dtype",
            random_state=0,
        ).fit(rows[columns], goal - line.predict(rows[columns]))  # fmt: skip
        return np.asarray(expit(line.predict(tested[columns]) + trees.predict(tested[columns])))

    return predict


def own_past(rows: pd.DataFrame) -> Floats:
    """Return what would have been published before each tested block of one company."""
    columns = _features(rows.dropna(subset="churned"))
    found = []
    for block in later_blocks(rows):
        first = block["as_of"].min()
        seen = known_before(rows, first, horizon_days=DEMO_HORIZON, grace_days=GRACE_DAYS)
        model = as_trained(seen, columns, DEMO_HORIZON)
        asked = block.dropna(subset="oracle")
        found.append(model.predict_proba(asked[columns])[:, 1])
    return np.concatenate(found)


#: Models of other companies' rows.
FROM_OTHERS: dict[str, Predict] = {
    "glass box without pairs": labelled(lambda: GlassBoxClassifier(interactions=0)),
    "boosting, slower": labelled(MODELS["HistGradientBoosting, slower"]),
    "logistic with splines": labelled(SplineLogisticClassifier),
    "oracle from the features": from_oracle(),
    "oracle from features and filters": from_oracle(FILTERS),
    "oracle, true state where no filter": from_oracle([*FILTERS, "satisfaction", "contact"]),
    "oracle from features and causes": from_oracle(STATE[1:]),
    "oracle from features and state": from_oracle(STATE),
}


def _features(rows: pd.DataFrame) -> list[str]:
    return [name for name in usable(rows) if name not in ("seed", *FILTERS)]


def _accounts(rows: pd.DataFrame) -> pd.Series[str]:
    return rows["seed"].astype(str) + rows["account_id"].astype(str)


def expected_auc(p: Floats, score: Floats) -> float:
    """Return the AUC of a score where each row leaves with probability p."""
    _, place = np.unique(score, return_inverse=True)
    leaves, stays = np.bincount(place, p), np.bincount(place, 1.0 - p)
    below = stays.cumsum() - stays / 2.0
    return float((leaves * below).sum() / (leaves.sum() * stays.sum()))


def shares(tested: pd.DataFrame, score: Floats) -> tuple[float, float]:
    """Return the share of the oracle's AUC − 0.5, by what happened and as expected."""
    happened, p = tested["churned"].to_numpy(), tested["oracle"].to_numpy()
    return (
        (roc_auc_score(happened, score) - 0.5) / (roc_auc_score(happened, p) - 0.5),
        (expected_auc(p, score) - 0.5) / (expected_auc(p, p) - 0.5),
    )


def interval(values: Sequence[float]) -> str:
    """Return the mean and its 95 % interval in percent."""
    found = 100.0 * np.asarray(values)
    half = student.ppf(0.975, len(found) - 1) * found.std(ddof=1) / np.sqrt(len(found))
    return f"{found.mean():5.1f} ({found.mean() - half:5.1f} to {found.mean() + half:5.1f})"


def main() -> None:
    """Print a line per model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[201, 202, 203, 204])
    parser.add_argument("--accounts", type=int, default=1000)
    parser.add_argument("--folds", type=int, default=2, help="of companies")
    parser.add_argument("--models", nargs="+", default=[], help="parts of their names")
    parser.add_argument("--cache", type=Path, help="a folder that keeps the rows")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    companies = {seed: _rows(given.accounts, seed, given.cache) for seed in given.seeds}
    tested = {
        seed: pd.concat(later_blocks(rows)).dropna(subset="oracle")
        for seed, rows in companies.items()
    }
    print(f"{'share of the oracle, in %':34} {'by what happened':24} expected")
    for name in (OWN, *FROM_OTHERS):
        if given.models and not any(word in name for word in given.models):
            continue
        scores = (
            {seed: own_past(rows) for seed, rows in companies.items()}
            if name == OWN
            else from_others(FROM_OTHERS[name], companies, tested, given.folds)
        )
        found = [shares(tested[seed], scores[seed]) for seed in companies]
        happened, expected = zip(*found, strict=True)
        print(f"{name:34} {interval(happened):24} {interval(expected)}", flush=True)


def from_others(
    predict: Predict, companies: Frames, tested: Frames, folds: int
) -> dict[int, Floats]:
    """Return the scores of each company's tested rows, learned from companies of other folds."""
    scores: dict[int, Floats] = {}
    seeds = list(companies)
    for fold in range(folds):
        own = seeds[fold::folds]
        others = pd.concat(rows for seed, rows in companies.items() if seed not in own)
        every = predict(others, pd.concat(tested[seed] for seed in own))
        ends = np.cumsum([len(tested[seed]) for seed in own])[:-1]
        scores |= dict(zip(own, np.split(every, ends), strict=True))
    return scores


def _rows(accounts: int, seed: int, cache: Path | None) -> pd.DataFrame:
    file = None if cache is None else cache / f"demo_{accounts}_{seed}.pkl"
    if file is not None and file.exists():
        rows: pd.DataFrame = pd.read_pickle(file)
        return rows
    company = simulate_company(accounts, seed=seed)
    rows = demo_rows(company).assign(seed=seed)
    dates = sorted(rows["as_of"].unique())
    known = filtered(company.tables, dates, pd.Timestamp(company.observed_until))
    rows = rows.merge(known, on=["account_id", "as_of"], how="left")
    if file is not None:
        rows.to_pickle(file)
    return rows


if __name__ == "__main__":
    main()
