"""Distributions of inputs and probabilities in training, the reference for drift."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

#: Number of bins of a number, of equal size as far as ties allow.
N_BINS = 10
#: Number of most frequent texts with a separate share; the rest have one share.
_MOST_TEXTS = 20


def reference_ranges(
    frame: pd.DataFrame, newest: pd.Series[bool] | None = None
) -> dict[str, dict[str, Any]]:
    """Return the distribution of each column.

    Parameters
    ----------
    frame : pd.DataFrame, shape = (n_rows, n_columns)
        Numbers with NaN, or texts with None, for missing values.
    newest : pd.Series of bool, optional
        Whether each row is of the newest date, which is the reference for a first run.

    Returns
    -------
    dict of str to dict
        By column. Of numbers: ``edges`` (the inner ones, rising), ``shares`` (one more than
        edges) and ``missing``. Of texts: ``values``, ``shares`` (one more than values: the
        last is of all others) and ``missing``. Shares and missing sum to 1; a value at an edge
        belongs to the bin above it. With `newest`, ``newest_shares`` and ``newest_missing`` of
        those rows.
    """
    found = {str(name): _range_of(frame[name]) for name in frame.columns}
    if newest is not None:
        for name, reference in found.items():
            shares, missing = bin_shares(frame.loc[newest, name], reference)
            reference |= {"newest_shares": shares, "newest_missing": missing}
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
        bins = np.searchsorted(np.asarray(reference["edges"]), numbers, side="right")
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
