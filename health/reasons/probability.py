"""The probability of a target, its base rate, and its reasons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit

from health.reasons.reasons import (
    COLUMNS,
    coded,
    coded_once,
    frame_of,
    no_texts,
    repeated,
    value_and_text,
)
from health.reasons.reasons import COLUMNS as REASON_COLUMNS
from health.reasons.signals import BASELINE, OTHERS
from models.base.inputs import columns_of

#: The sentence of the baseline.
BASELINE_TEXT = "Starting point of every account"

#: Default number of terms kept per row.
MOST = 12
#: Rows whose largest terms are looked for at once.
_BLOCK = 1024


@dataclass(frozen=True)
class Probabilities:
    """The probabilities of some rows.

    Attributes
    ----------
    probability, base_rate : pd.Series of float
        0-1; NaN where none is published.
    """

    probability: pd.Series[float]
    base_rate: pd.Series[float]

    def columns(self, target: str) -> dict[str, pd.Series[float]]:
        """Return both under their column names in scores.parquet."""
        return {f"{target}_probability": self.probability, f"{target}_base_rate": self.base_rate}


def probabilities(models: Mapping[str, Any], target: str, inputs: pd.DataFrame) -> Probabilities:
    """Return probability and base rate of a target, on the index of `inputs`."""
    model, base = models[target], models[f"{target}_base"]
    unknown = pd.Series(np.nan, index=inputs.index)
    if model is None or inputs.empty:
        return Probabilities(unknown, unknown)
    columns = columns_of(inputs, model.feature_names_in_)
    probability = pd.Series(model.predict_proba(columns)[:, 1], index=inputs.index)
    rate = pd.Series(base.predict_proba(columns)[:, 1], index=inputs.index)
    return Probabilities(probability, rate.where(probability.notna()))


def explained_probabilities(
    models: Mapping[str, Any], target: str, inputs: pd.DataFrame, *, most: int = MOST
) -> tuple[Probabilities, pd.DataFrame]:
    """Return the results of `probabilities` and `probability_reasons` for the cost of one.

    The contributions are exact, so the probability is computed from their sum.
    """
    model, base = models[target], models[f"{target}_base"]
    if model is None or inputs.empty:
        return probabilities(models, target, inputs), _no_reasons()
    columns = columns_of(inputs, model.feature_names_in_)
    contributions = model.contributions(columns)
    logit = contributions.sum(axis=1, skipna=False)
    probability = pd.Series(expit(logit.to_numpy(dtype=float)), index=inputs.index)
    rate = pd.Series(base.predict_proba(columns)[:, 1], index=inputs.index)
    found = Probabilities(probability, rate.where(probability.notna()))
    return found, _strongest(target, contributions, inputs, most)


def probability_reasons(
    models: Mapping[str, Any], target: str, inputs: pd.DataFrame, *, most: int = MOST
) -> pd.DataFrame:
    """Return the terms with the largest contributions, one row each; no rows without a model.

    Parameters
    ----------
    models : mapping of str to object
        The artefacts of a version.
    target : str
        ``churn``, ``upsell`` or ``cross_sell``.
    inputs : pd.DataFrame
        account_id and the features of the model.
    most : int
        Terms kept per row; the others are added up in one term.
    """
    model = models[target]
    if model is None or inputs.empty:
        return _no_reasons()
    contributions = model.contributions(columns_of(inputs, model.feature_names_in_))
    return _strongest(target, contributions, inputs, most)


def _strongest(
    target: str, contributions: pd.DataFrame, inputs: pd.DataFrame, most: int
) -> pd.DataFrame:
    if contributions[BASELINE].isna().any():
        return _no_reasons()
    return strongest_rows(target, contributions, inputs, most=most, baseline_text=BASELINE_TEXT)


def _no_reasons() -> pd.DataFrame:
    return pd.DataFrame(columns=list(REASON_COLUMNS))


def strongest_rows(
    output: str,
    contributions: pd.DataFrame,
    inputs: pd.DataFrame,
    *,
    most: int,
    baseline_text: str,
) -> pd.DataFrame:
    """Return the baseline, the strongest terms and the sum of all others, for each account.

    The sum of an account's contributions does not change; only terms that hardly moved the
    probability are no longer listed one by one.

    Parameters
    ----------
    output : str
        ``churn``, ``upsell`` or ``cross_sell``.
    contributions : pd.DataFrame, shape = (n_accounts, n_terms + 1)
        Log-odds of each term, with a column ``baseline``.
    inputs : pd.DataFrame, shape = (n_accounts, n_columns)
        The inputs, in the same order, with account_id and a column per term.
    most : int
        Maximum number of terms kept per account; terms that contribute nothing are left out.
    baseline_text : str
        The sentence of the baseline.

    Returns
    -------
    pd.DataFrame
        Columns `COLUMNS` of `health.reasons.reasons`, account by account; those of texts are
        categorical.
    """
    terms = [str(name) for name in contributions.columns if name != BASELINE]
    table = contributions[terms].to_numpy(dtype=float)
    # A model reads few of the features, and a base rate none.
    moving = np.flatnonzero(table.any(axis=0))
    terms, table = [terms[place] for place in moving], table[:, moving]
    n = len(table)
    result = min(most, len(terms))
    top = _largest(np.abs(table), result)
    strongest = np.take_along_axis(table, top, axis=1)
    rest = table.sum(axis=1) - strongest.sum(axis=1)
    n_others = (table != 0).sum(axis=1) - (strongest != 0).sum(axis=1)
    value, text, texts = _values_and_texts(terms, top, inputs)
    few, number = np.unique(n_others, return_inverse=True)
    words = [f"{n} smaller influence{'s' if n != 1 else ''} together" for n in few]
    codes = np.hstack([np.full((n, 1), len(terms)), top, np.full((n, 1), len(terms) + 1)])
    amounts = np.column_stack([contributions[BASELINE].to_numpy(dtype=float), strongest, rest])
    kept = np.column_stack([np.ones(n, dtype=bool), strongest != 0, n_others > 0]).ravel()
    nothing = np.full((n, 1), np.nan)
    sentence = np.column_stack(
        [np.full(n, len(texts)), text, number.reshape(n) + len(texts) + 1]
    ).ravel()
    count = int(kept.sum())
    rows = {
        "account_id": repeated(inputs["account_id"], np.repeat(np.arange(n), result + 2)[kept]),
        "output": coded(np.zeros(count, dtype=np.int8), [output]),
        "term": coded(codes.ravel()[kept], [*terms, BASELINE, OTHERS]),
        "value": np.hstack([nothing, value, nothing]).ravel()[kept],
        "contribution": amounts.ravel()[kept],
        "missing": np.full(count, np.nan),
        "text": coded_once(sentence[kept], [*texts, baseline_text, *words]),
        "points": np.full(count, np.nan),
        "weight": np.full(count, np.nan),
        "policy": no_texts(count),
    }
    return frame_of({name: rows[name] for name in COLUMNS})


def _largest(size: npt.NDArray[np.float64], most: int) -> npt.NDArray[np.intp]:
    """Return the places of the largest values of each row, the largest first, ties by place."""
    left = np.array(size, order="C")
    places = np.empty((len(left), most), dtype=np.intp)
    # Looking for one after the other, in rows that fit the cache, is several times faster than
    # partitioning each row.
    for start in range(0, len(left), _BLOCK):
        block, found = left[start : start + _BLOCK], places[start : start + _BLOCK]
        rows = np.arange(len(block))
        for rank in range(most):
            found[:, rank] = block.argmax(axis=1)
            block[rows, found[:, rank]] = -1.0
    return places


def _values_and_texts(
    terms: list[str], top: npt.NDArray[np.int64], inputs: pd.DataFrame
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.intp], list[str]]:
    """Return the value of each chosen term, the place of its sentence, and all sentences."""
    values, codes = np.full(top.shape, np.nan), np.zeros(top.shape, dtype=np.intp)
    every: list[str] = []
    # Small numbers are sorted many times faster.
    flat_values, flat_codes, chosen = values.ravel(), codes.ravel(), top.ravel().astype(np.int16)
    order = np.argsort(chosen, kind="stable")
    ends = np.searchsorted(chosen[order], np.arange(len(terms) + 1))
    for place, term in enumerate(terms):
        where = order[ends[place] : ends[place + 1]]
        if not len(where):
            continue
        value, code, texts = value_and_text(inputs[term].take(where // top.shape[1]))
        flat_values[where], flat_codes[where] = value, code + len(every)
        every += texts.tolist()
    return values, codes, every
