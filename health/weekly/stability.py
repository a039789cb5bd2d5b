"""Drift of a week's values from the training data: the population stability index (PSI)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from scipy.stats import chi2

from health.training.reference import bin_shares, stability_index

#: Quantile of the index under chance alone: one column in a thousand is above it.
_SURE = 0.999
COLUMNS = (
    *("column", "kind", "shares", "missing"),
    *("psi_training", "psi_before", "limit", "limit_before"),
)


def chance_index(n_bins: int, n_now: int, n_then: int) -> float:
    """Return the index that chance alone exceeds once in a thousand columns.

    Without drift, the index divided by (1/n + 1/m) is chi-squared with one degree of freedom less
    than bins.

    References
    ----------
    .. [1] Yurdakul, B. (2018). Statistical Properties of Population Stability Index.
    """
    degrees = max(n_bins - 1, 1)
    return float(chi2.ppf(_SURE, degrees) * (1.0 / max(n_now, 1) + 1.0 / max(n_then, 1)))


def measure_drift(
    frame: pd.DataFrame,
    ranges: Mapping[str, Mapping[str, Any]],
    *,
    kind: str,
    trained_accounts: int,
    threshold: float,
    before: pd.DataFrame | None = None,
    weeks: float = 1.0,
) -> pd.DataFrame:
    """Compare each column with its distribution in training and in the previous run.

    Parameters
    ----------
    frame : pd.DataFrame, shape = (n_accounts, n_columns)
        The values of this week.
    ranges : mapping of str to mapping
        Bins and shares in training, as from `reference_ranges`.
    kind : str
        ``feature`` or ``score``.
    trained_accounts : int
        Distinct accounts in training.
    threshold : float
        Index from which a column has drifted. Added to it is the quantile under chance or, if that
        is larger, the usual change of the column between two training dates.
    before : pd.DataFrame, optional
        The result of this function for the previous run, with the same ranges; without it, the
        last training date is used.
    weeks : float
        How long ago that was. A random walk strays by the square root of time and the index is
        quadratic, so the threshold, which is for one week, grows in proportion.

    Returns
    -------
    pd.DataFrame
        Columns `COLUMNS`, a row per column of `ranges` that `frame` has: the shares in the
        bins, the share missing, both indices (NaN without a comparison) and
        the limit of each.
    """
    earlier = {} if before is None else dict(before.set_index("column")["shares"])
    earlier_missing = {} if before is None else dict(before.set_index("column")["missing"])
    rows = []
    for column, reference in ranges.items():
        if column not in frame.columns:
            continue
        shares, missing = bin_shares(frame[column], dict(reference))
        now = [*shares, missing]
        least = 0.5 / max(len(frame), 1)
        then = [*reference["shares"], reference["missing"]]
        # Shares of a number that the whole fleet has in common, such as how many product features
        # are sticky, move together when it does. In a small company, it does most of the time.
        usual = float(reference.get("usual_step", 0.0))
        chance = max(chance_index(len(now), len(frame), trained_accounts), usual)
        limits = (threshold + chance, threshold * max(weeks, 1.0) + chance)
        since = float("nan")
        past_shares = earlier.get(column, reference.get("newest_shares", ()))
        if len(past_shares) == len(shares):
            past_missing = earlier_missing.get(column, reference.get("newest_missing", 0.0))
            since = stability_index(now, [*past_shares, past_missing], least=least)
        index = stability_index(now, then, least=least)
        rows.append((column, kind, shares, missing, index, since, *limits))
    return pd.DataFrame(rows, columns=list(COLUMNS))
