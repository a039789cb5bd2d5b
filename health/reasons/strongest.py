"""Of each probability the terms that moved it most, and the others in one sum."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from health.reasons.reasons import COLUMNS, value_and_text
from health.reasons.signals import BASELINE, OTHERS


def strongest_rows(
    output: str,
    contributions: pd.DataFrame,
    inputs: pd.DataFrame,
    *,
    most: int,
    baseline_text: str,
) -> pd.DataFrame:
    """Return the baseline, the strongest terms and the sum of all others of each account.

    A row's contributions sum to the same as before; only terms that hardly moved the probability
    are no longer listed one by one.

    Parameters
    ----------
    output : str
        ``churn``, ``upsell`` or ``cross_sell``.
    contributions : pd.DataFrame, shape = (n_accounts, n_terms + 1)
        Log-odds of each term, with a column ``baseline``.
    inputs : pd.DataFrame, shape = (n_accounts, n_columns)
        The inputs, in the same order, with account_id and a column per term.
    most : int
        Terms kept of each account, at most; those that moved nothing are left out.
    baseline_text : str
        The sentence of the baseline.

    Returns
    -------
    pd.DataFrame
        Columns `COLUMNS` of `health.reasons.reasons`, account by account.
    """
    terms = [str(name) for name in contributions.columns if name != BASELINE]
    table = contributions[terms].to_numpy(dtype=float)
    n, result = len(table), min(most, len(terms))
    size = np.abs(table)
    top = np.argpartition(-size, result - 1, axis=1)[:, :result]
    # By size, and of equal ones by place: the same input gives the same rows.
    order = np.lexsort((top, -np.take_along_axis(size, top, axis=1)), axis=1)
    top = np.take_along_axis(top, order, axis=1)
    strongest = np.take_along_axis(table, top, axis=1)
    rest = table.sum(axis=1) - strongest.sum(axis=1)
    silent = (table != 0).sum(axis=1) - (strongest != 0).sum(axis=1)
    value, text = _values_and_texts(terms, top, inputs)
    names = np.array([*terms, BASELINE, OTHERS], dtype=object)
    codes = np.hstack([np.full((n, 1), len(terms)), top, np.full((n, 1), len(terms) + 1)])
    amounts = np.column_stack([contributions[BASELINE].to_numpy(dtype=float), strongest, rest])
    kept = np.column_stack([np.ones(n, dtype=bool), strongest != 0, silent > 0]).ravel()
    nothing = np.full((n, 1), np.nan)
    said = np.column_stack(
        [np.full(n, baseline_text, dtype=object), text, _others_text(silent)]
    ).ravel()
    accounts = inputs["account_id"].to_numpy(dtype=object)
    rows = {
        "account_id": np.repeat(accounts, result + 2)[kept],
        "output": output,
        "term": names[codes.ravel()[kept]],
        "value": np.hstack([nothing, value, nothing]).ravel()[kept],
        "contribution": amounts.ravel()[kept],
        "missing": np.nan,
        "text": said[kept],
        "points": np.nan,
        "weight": np.nan,
        "policy": None,
    }
    return pd.DataFrame(rows)[list(COLUMNS)]


def _values_and_texts(
    terms: list[str], top: npt.NDArray[np.int64], inputs: pd.DataFrame
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.object_]]:
    """Return value and sentence of the chosen terms, term by term."""
    values = np.full(top.shape, np.nan)
    texts = np.empty(top.shape, dtype=object)
    flat_values, flat_texts, chosen = values.ravel(), texts.ravel(), top.ravel()
    order = np.argsort(chosen, kind="stable")
    ends = np.searchsorted(chosen[order], np.arange(len(terms) + 1))
    for place, term in enumerate(terms):
        where = order[ends[place] : ends[place + 1]]
        if not len(where):
            continue
        result = value_and_text(inputs[term].iloc[where // top.shape[1]])
        flat_values[where], flat_texts[where] = result
    return values, texts


def _others_text(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.object_]:
    distinct, codes = np.unique(counts, return_inverse=True)
    words = [f"{n} smaller influence{'s' if n != 1 else ''} together" for n in distinct]
    return np.array(words, dtype=object)[codes]
