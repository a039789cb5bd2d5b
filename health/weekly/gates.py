"""Gates: what must hold of a scored run before anybody may read it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from features.errors import HealthError

#: Largest difference between a published figure and the sum of its contributions.
TOLERANCE = 1e-6
#: Gates that only a fault of ours fails: no run passes them by being accepted.
STRICT = ("unique", "range", "sums")
#: Gates whose figures somebody may look at and accept.
ACCEPTABLE = (
    "rows",
    "mrr",
    "unmatched",
    "freshness",
    "unscored",
    "coverage",
    "feature_drift",
    "score_drift",
    "bands_moved",
    "fleet_shift",
)


@dataclass(frozen=True)
class Gate:
    """One condition: its name, whether it held, and the figures in words.

    Attributes
    ----------
    code : str
        One of `STRICT` or `ACCEPTABLE`.
    name : str
        What is looked at.
    passed : bool
        Whether it held, or was accepted.
    what : str
        The figures in words.
    accepted : bool
        It did not hold, and somebody said that the run is to be published all the same.
    figures : mapping of str to float
        What was measured, and the limit.
    """

    code: str
    name: str
    passed: bool
    what: str
    accepted: bool = False
    figures: Mapping[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the gate as plain values for run.json."""
        return asdict(self)


def refuse_unknown_gates(codes: Sequence[str]) -> None:
    """Raise HealthError where a gate to be accepted is none."""
    unknown = [code for code in codes if code not in ACCEPTABLE]
    if unknown:
        raise HealthError(
            f"no gate that can be accepted is called {', '.join(unknown)}",
            where="--accept",
            fix=f"known are {', '.join(ACCEPTABLE)}",
        )


def accept(gates: Sequence[Gate], codes: Sequence[str]) -> list[Gate]:
    """Let the gates pass that did not hold and that somebody has accepted."""
    return [
        replace(gate, passed=True, accepted=True)
        if not gate.passed and gate.code in codes
        else gate
        for gate in gates
    ]


def check_counts(scores: pd.DataFrame, sums: pd.DataFrame) -> list[Gate]:
    """Check that the tables say nothing impossible; every gate is reported, passed or not.

    Parameters
    ----------
    scores : pd.DataFrame
        scores.parquet.
    sums : pd.DataFrame
        What the reasons of each account add up to, a column per output, in the same order.
    """
    return [
        _one_row_per_account(scores),
        _within_range(scores),
        *(_sums_to(scores, sums, output, column) for output, column in _PUBLISHED.items()),
    ]


_PUBLISHED = {
    "health": "health_score",
    "churn": "churn_probability",
    "upsell": "upsell_probability",
    "cross_sell": "cross_sell_probability",
}


def _one_row_per_account(scores: pd.DataFrame) -> Gate:
    twice = int(scores["account_id"].duplicated().sum())
    what = f"{len(scores):,} rows, {twice:,} repeated"
    return Gate("unique", "one row per account", twice == 0, what)


def _within_range(scores: pd.DataFrame) -> Gate:
    limits = {"health_score": 100.0, "health_coverage": 1.0}
    limits |= {column: 1.0 for column in _PUBLISHED.values() if column.endswith("probability")}
    outside = sum(
        int(((scores[column] < -1e-9) | (scores[column] > limit + 1e-9)).sum())
        for column, limit in limits.items()
    )
    return Gate("range", "figures within their range", outside == 0, f"{outside:,} outside")


def _sums_to(scores: pd.DataFrame, sums: pd.DataFrame, output: str, column: str) -> Gate:
    published = scores[column]
    if column.endswith("probability"):
        published = np.log(published) - np.log1p(-published)
    known = published.notna()
    own = sums[output] if output in sums else pd.Series(np.nan, index=sums.index)
    off = (own[known] - published[known]).abs()
    worst = float(off.max()) if len(off) else 0.0
    held = bool(worst <= TOLERANCE) and not off.isna().any()
    return Gate("sums", f"{output} contributions sum", held, f"largest difference {worst:.1e}")
