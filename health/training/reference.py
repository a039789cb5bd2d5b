"""Distributions of inputs and probabilities in training, the reference for drift."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

#: Number of bins of a number, of equal size as far as ties allow.
N_BINS = 10
#: From this many pairs of dates on it is known how far a column usually moves between two.
_LEAST_STEPS = 4
#: Number of most frequent texts with a separate share; the rest have one share.
_MOST_TEXTS = 20


def stability_index(shares: Sequence[float], reference: Sequence[float], *, least: float) -> float:
    """Return Σ (s − r) · ln(s ⁄ r) over the bins of two distributions, ≥ 0.

    Parameters
    ----------
    shares, reference : sequence of float, shape = (n_bins,)
        Shares of each bin, in the same order.
    least : float
        What an empty bin counts as, so that one account more or less does not decide.

    References
    ----------
    .. [1] Siddiqi, N. (2006). Credit Risk Scorecards. Wiley.
    """
    now = np.maximum(np.asarray(shares, dtype=float), least)
    then = np.maximum(np.asarray(reference, dtype=float), least)
    now, then = now / now.sum(), then / then.sum()
    return float(np.sum((now - then) * np.log(now / then)))


def reference_ranges(
    frame: pd.DataFrame, dates: pd.Series[Any] | None = None
) -> dict[str, dict[str, Any]]:
    """Return the distribution of each column.

    Parameters
    ----------
    frame : pd.DataFrame, shape = (n_rows, n_columns)
        Numbers with NaN, or texts with None, for missing values.
    dates : pd.Series, optional
        The date of each row; the newest one is the reference for a first run.

    Returns
    -------
    dict of str to dict
        By column. Of numbers: ``edges`` (the inner ones, rising), ``shares`` (one more than
        edges) and ``missing``. Of texts: ``values``, ``shares`` (one more than values: the
        last is of all others) and ``missing``. Shares and missing sum to 1; a value at an edge
        belongs to the bin above it. With `dates`, ``newest_shares`` and ``newest_missing`` of
        the newest, and ``usual_step``: the upper quartile of the stability index between dates
        that follow each other, 0 where there are too few to know.
    """
    found = {str(name): _range_of(frame[name]) for name in frame.columns}
    if dates is None or frame.empty:
        return found
    number, order = pd.factorize(dates.to_numpy(), sort=True)
    groups = [np.flatnonzero(number == place) for place in range(len(order))]
    for name, reference in found.items():
        column = frame[name]
        binned = [bin_shares(column.iloc[rows], reference) for rows in groups]
        steps = [
            stability_index([*now[0], now[1]], [*then[0], then[1]], least=0.5 / len(rows))
            for (then, now), rows in zip(pairwise(binned), groups[1:], strict=True)
        ]
        shares, missing = binned[-1]
        reference |= {
            "newest_shares": shares,
            "newest_missing": missing,
            "usual_step": float(np.quantile(steps, 0.75)) if len(steps) >= _LEAST_STEPS else 0.0,
        }
    return found


def bin_shares(values: pd.Series[Any], reference: dict[str, Any]) -> tuple[list[float], float]:
    """Return the shares of `values` in the bins of a reference, and the share missing.

    Parameters
    ----------
    values : pd.Series, shape = (n_rows,)
        Newer values of the column.
    reference : dict
        As from `reference_ranges`.
    """
    if not len(values):
        return [0.0] * len(reference["shares"]), 0.0
    known = values.dropna()
    if "edges" in reference:
        numbers = known.to_numpy(dtype="float64")
        # There are few edges: comparing all values with each is faster than placing each value.
        below = [np.count_nonzero(numbers < edge) for edge in reference["edges"]]
        counts = np.diff([0, *below, len(numbers)])
    else:
        places = {text: i for i, text in enumerate(reference["values"])}
        bins = known.astype(str).map(places).fillna(len(places)).to_numpy(dtype=np.int64)
        counts = np.bincount(bins, minlength=len(reference["shares"]))
    return (counts / len(values)).tolist(), 1.0 - len(known) / len(values)


def _range_of(values: pd.Series[Any]) -> dict[str, Any]:
    if pd.api.types.is_numeric_dtype(values.dtype):
        known = values.dropna().to_numpy(dtype="float64")
        inner = np.linspace(0, 1, N_BINS + 1)[1:-1]
        edges = np.unique(np.quantile(known, inner, method="higher")) if len(known) else known
        # Nothing is below the minimum, so it is not an edge.
        reference: dict[str, Any] = {"edges": [float(e) for e in edges if e > known.min()]}
        n_bins = len(reference["edges"]) + 1
    else:
        counts = values.dropna().astype(str).value_counts()
        # By count, then by name, so that ties are ordered.
        common = counts.sort_index().sort_values(ascending=False, kind="stable").index
        reference = {"values": [str(text) for text in common[:_MOST_TEXTS]]}
        n_bins = len(reference["values"]) + 1
    shares, missing = bin_shares(values, {**reference, "shares": [0.0] * n_bins})
    return {**reference, "shares": shares, "missing": missing}
