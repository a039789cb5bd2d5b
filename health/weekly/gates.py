"""Gates: what must hold of a scored run before anybody may read it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from health.scoring.run import ScoredRun

#: Largest difference between a published figure and the sum of its contributions.
TOLERANCE = 1e-6


@dataclass(frozen=True)
class Gate:
    """One condition: its name, whether it held, and the figures in words."""

    name: str
    passed: bool
    what: str

    def to_dict(self) -> dict[str, Any]:
        """Return the gate as plain values for run.json."""
        return asdict(self)


def check_gates(scored: ScoredRun) -> list[Gate]:
    """Check a scored run; every gate is reported, passed or not."""
    return [
        _one_row_per_account(scored.scores),
        _some_scored(scored.scores),
        _within_range(scored.scores),
        *(_sums_to(scored, output, column) for output, column in _PUBLISHED.items()),
    ]


_PUBLISHED = {
    "health": "health_score",
    "churn": "churn_probability",
    "upsell": "upsell_probability",
    "cross_sell": "cross_sell_probability",
}


def _one_row_per_account(scores: pd.DataFrame) -> Gate:
    twice = int(scores["account_id"].duplicated().sum())
    return Gate("one row per account", twice == 0, f"{len(scores):,} rows, {twice:,} repeated")


def _some_scored(scores: pd.DataFrame) -> Gate:
    count = int(scores["health_score"].notna().sum())
    return Gate("accounts are scored", count > 0, f"{count:,} of {len(scores):,} have a score")


def _within_range(scores: pd.DataFrame) -> Gate:
    limits = {"health_score": 100.0, "health_coverage": 1.0}
    limits |= {column: 1.0 for column in _PUBLISHED.values() if column.endswith("probability")}
    outside = sum(
        int(((scores[column] < -1e-9) | (scores[column] > limit + 1e-9)).sum())
        for column, limit in limits.items()
    )
    return Gate("figures within their range", outside == 0, f"{outside:,} outside")


def _sums_to(scored: ScoredRun, output: str, column: str) -> Gate:
    published = scored.scores.set_index("account_id")[column].dropna()
    if column.endswith("probability"):
        published = np.log(published) - np.log1p(-published)
    own = scored.reasons[scored.reasons["output"] == output]
    sums = own.groupby("account_id")["contribution"].sum().reindex(published.index)
    worst = float((sums - published).abs().max()) if len(published) else 0.0
    held = bool(worst <= TOLERANCE) and not sums.isna().any()
    return Gate(f"{output} contributions sum", held, f"largest difference {worst:.1e}")
