"""How well the default scorecard ranks who leaves: the whole, and each component and measure alone.

    uv run python -m tests.benchmarks.scorecard --seeds 101-120 [--accounts 300]
    uv run python -m tests.benchmarks.scorecard --config health.toml

The score before rules and overrides, on dates every 56 days; accounts that gave notice are known
to leave and are left out. AUC within each company (0.5 is chance), and for several companies the
mean with its standard error.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from features import build_features, build_labels
from features.reading.frames import tables_from_frames
from features.tables.opened import Tables
from features.windows.observations import training_dates
from health.business.company import open_company
from health.demo import simulate_company
from health.scorecard.score import score_health
from health.settings.config import load_config
from health.settings.scorecard import Scorecard

HORIZON_DAYS, GRACE_DAYS, EVERY_DAYS, WARM_UP_DAYS = 90, 30, 56, 120
#: A measure is compared if a company has this many rows of either outcome with a value.
FEWEST = 10


def main() -> None:
    """Print a line per term: its AUC, the standard error and the number of companies."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", default="101-140", help="demo companies, from-to")
    parser.add_argument("--accounts", type=int, default=300)
    parser.add_argument("--config", type=Path, help="a company instead of the demo's")
    parser.add_argument("--keep", type=Path, help="a folder for the rows, to build them once")
    given = parser.parse_args()
    found = [auc_by_term(rows) for rows in companies(given)]
    table = pd.DataFrame(found)
    summary = pd.DataFrame(
        {"AUC": table.mean(), "standard error": table.sem(), "companies": table.count()}
    )
    print(summary.round(3).to_string())


def companies(given: argparse.Namespace) -> Iterator[pd.DataFrame]:
    """Yield the rows of each company: features, whether goals are known, and who left."""
    if given.config is not None:
        company = open_company(load_config(given.config))
        yield labelled(company.opened.tables)
        return
    first, _, last = given.seeds.partition("-")
    for seed in range(int(first), int(last or first) + 1):
        kept = given.keep / f"{seed}-{given.accounts}.parquet" if given.keep else None
        if kept is not None and kept.exists():
            yield pd.read_parquet(kept)
            continue
        made = simulate_company(given.accounts, seed=seed)
        rows = labelled(tables_from_frames(made.tables, observed_until=made.observed_until))
        if kept is not None:
            given.keep.mkdir(parents=True, exist_ok=True)
            rows.to_parquet(kept)
        yield rows


def labelled(tables: Tables, *, every_days: int = EVERY_DAYS) -> pd.DataFrame:
    """Return the features of past dates, and who left within the horizon.

    Who gave notice is known to leave, and no model is asked.
    """
    dates = training_dates(
        tables,
        every_days=every_days,
        weekday=6,
        warm_up_days=WARM_UP_DAYS,
        horizon_days=HORIZON_DAYS + GRACE_DAYS,
    )
    features = build_features(tables, dates)
    keys = features[["account_id", "as_of"]]
    labels = build_labels(tables, keys, horizon_days=HORIZON_DAYS, grace_days=GRACE_DAYS)
    rows = features.merge(labels[["account_id", "as_of", "churned"]], on=["account_id", "as_of"])
    rows = rows[rows["churned"].notna() & (rows["notice_given"] != 1)]
    return rows.astype({"churned": "float64"}).reset_index(drop=True)


def auc_by_term(rows: pd.DataFrame, scorecard: Scorecard | None = None) -> dict[str, float]:
    """Return the AUC of the whole score, each component and each measure, lower points first."""
    card = scorecard or default_card(rows)
    scores = score_health(rows, card, whatever_coverage=True)
    left = rows["churned"].to_numpy() == 1
    terms = {"score": _auc(left, scores.score)}
    for component in card.components:
        names = [measure.feature for measure in component.measures]
        weights = scores.weights[_columns(scores.points, names)]
        points = scores.points[weights.columns]
        sums = weights.sum(axis=1)
        alone = (points.fillna(0.0) * weights).sum(axis=1) / sums.where(sums > 0)
        terms[f"{component.name}:"] = _auc(left, alone)
        terms |= {f"  {name}": _auc(left, points[name]) for name in points}
    return terms


def default_card(rows: pd.DataFrame) -> Scorecard:
    """Return the built-in scorecard for what a company's rows know, without its rules."""
    card = Scorecard(rules=())
    reached = rows.get("goals_reached_share")
    return card if reached is None or reached.isna().all() else card.with_goals()


def _columns(points: pd.DataFrame, names: list[str]) -> list[str]:
    return [column for column in points if column.split(":")[-1] in names]


def _auc(left: np.ndarray, points: pd.Series[float]) -> float:
    known = points.notna().to_numpy()
    if min(left[known].sum(), (~left[known]).sum()) < FEWEST:
        return float("nan")
    return float(roc_auc_score(left[known], -points[known]))


if __name__ == "__main__":
    main()
