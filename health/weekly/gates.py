"""Gates: conditions that a scored run must meet to be published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from features.errors import HealthError

#: Largest difference between a published value and the sum of its contributions.
TOLERANCE = 1e-6
#: Gates that fail only because of a fault in this software; they cannot be accepted.
STRICT = ("unique", "range", "sums")
#: Gates that a person may accept after checking the values.
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
    """One condition: its name, whether it is met, and the values in words.

    Attributes
    ----------
    code : str
        One of `STRICT` or `ACCEPTABLE`.
    name : str
        What is checked.
    passed : bool
        Whether it is met, or was accepted.
    what : str
        The values in words.
    accepted : bool
        It is not met, and a person decided to publish the run nevertheless.
    figures : mapping of str to float
        The measured values and the limit.
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
    """Raise HealthError if a gate to be accepted does not exist."""
    unknown = [code for code in codes if code not in ACCEPTABLE]
    if unknown:
        raise HealthError(
            f"there is no gate {', '.join(unknown)} that can be accepted",
            where="--accept",
            fix=f"choose from {', '.join(ACCEPTABLE)}",
        )


def accept(gates: Sequence[Gate], codes: Sequence[str]) -> list[Gate]:
    """Return the gates, with failed ones passed if a person has accepted them."""
    return [
        replace(gate, passed=True, accepted=True)
        if not gate.passed and gate.code in codes
        else gate
        for gate in gates
    ]


def check_counts(scores: pd.DataFrame, sums: pd.DataFrame) -> list[Gate]:
    """Check that the scores are possible values; every gate is returned, passed or not.

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


#: A probability this close to 0 or 1 is compared as it is.
_NEAR_CERTAIN = 1e-6
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
    return Gate("range", "values within their range", outside == 0, f"{outside:,} outside")


def _sums_to(scores: pd.DataFrame, sums: pd.DataFrame, output: str, column: str) -> Gate:
    published = scores[column]
    known = published.notna()
    own = sums[output] if output in sums else pd.Series(np.nan, index=sums.index)
    if column.endswith("probability"):
        # `health check`, which reads the gates of the tables, is faster without it.
        from scipy.special import expit  # noqa: PLC0415

        # As the log-odds differ, but for what rounding takes away next to 0 and 1.
        scale = (published * (1.0 - published)).clip(lower=_NEAR_CERTAIN)
        off = ((expit(own) - published).abs() / scale)[known]
    else:
        off = (own - published).abs()[known]
    worst = float(off.max()) if len(off) else 0.0
    met = bool(worst <= TOLERANCE) and not off.isna().any()
    return Gate("sums", f"{output} contributions sum", met, f"largest difference {worst:.1e}")
