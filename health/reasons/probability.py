"""The probability of a target, its base rate, and its reasons."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
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
from models.base.explanations import Explained, StrongestTerms, strongest_terms
from models.base.inputs import CheckedFrame, SharedRows, columns_of, feature_frame

#: The sentence of the baseline.
BASELINE_TEXT = "Starting point of every account"

#: Returns the values of a feature at some places.
ValuesOf = Callable[[str, npt.NDArray[np.intp]], "pd.Series[Any]"]
#: Default number of terms kept per row.
MOST = 12


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


@dataclass(frozen=True)
class ExplainedProbabilities:
    """The probabilities of some rows, and their reasons as far as they are asked for.

    Attributes
    ----------
    target : str
        ``churn``, ``upsell`` or ``cross_sell``.
    found : Probabilities
        On the index of the rows.
    explained : Explained or None
        The explanation of the model; None without a model.
    """

    target: str
    found: Probabilities
    explained: Explained | None

    def reasons(
        self,
        rows: npt.NDArray[np.intp],
        accounts: pd.Series[Any],
        values_of: ValuesOf,
        *,
        most: int = MOST,
    ) -> pd.DataFrame:
        """Return the terms of some rows with the largest contributions, one row each.

        Parameters
        ----------
        rows : array of int, shape = (n_asked,)
            Places of these rows among those that were scored.
        accounts : pd.Series, shape = (n_asked,)
            The account_id of these rows.
        values_of : callable
            Returns the values of a feature at some places of these rows.
        most : int
            Terms kept per row; the others are added up in one term.
        """
        if self.explained is None or not len(rows):
            return _no_reasons()
        terms = self.explained.terms_of(rows)
        if np.isnan(terms.baseline).any():
            return _no_reasons()
        strongest = strongest_terms(terms, most)
        return _rows(self.target, strongest, accounts, values_of)


def checked_features(
    features: pd.DataFrame, models: Mapping[str, Any], targets: Iterable[str]
) -> CheckedFrame:
    """Return the features that the models of some targets read, checked once for all of them."""
    known = [models[target] for target in targets if models[target] is not None]
    names = dict.fromkeys(name for model in known for name in model.feature_names_in_)
    return feature_frame(columns_of(features, [name for name in names if name in features]))


def explained_probabilities(
    models: Mapping[str, Any], target: str, inputs: pd.DataFrame | SharedRows
) -> ExplainedProbabilities:
    """Return probability and base rate of a target, on the index of `inputs`, and the reasons.

    Parameters
    ----------
    models : mapping of str to object
        The artefacts of a version.
    target : str
        ``churn``, ``upsell`` or ``cross_sell``.
    inputs : pd.DataFrame or SharedRows
        The features of the model; of a frame, other columns are left out.
    """
    model, base = models[target], models[f"{target}_base"]
    if model is None or not len(inputs):
        unknown = pd.Series(np.nan, index=inputs.index)
        return ExplainedProbabilities(target, Probabilities(unknown, unknown), None)
    names = model.feature_names_in_
    own = inputs.named(names) if isinstance(inputs, SharedRows) else columns_of(inputs, names)
    explained = model.explained(own)
    probability = pd.Series(expit(explained.log_odds), index=inputs.index)
    rate = pd.Series(base.predict_proba(own)[:, 1], index=inputs.index)
    found = Probabilities(probability, rate.where(probability.notna()))
    return ExplainedProbabilities(target, found, explained)


def _no_reasons() -> pd.DataFrame:
    return pd.DataFrame(columns=list(REASON_COLUMNS))


def _rows(
    output: str,
    strongest: StrongestTerms,
    accounts: pd.Series[Any],
    values_of: ValuesOf,
) -> pd.DataFrame:
    terms, top = list(strongest.names), strongest.places
    n, result = top.shape
    value, text, texts = _values_and_texts(terms, top, values_of)
    few, number = np.unique(strongest.n_rest, return_inverse=True)
    words = [f"{n} smaller influence{'s' if n != 1 else ''} together" for n in few]
    codes = np.hstack([np.full((n, 1), len(terms)), top, np.full((n, 1), len(terms) + 1)])
    amounts = np.column_stack([strongest.baseline, strongest.amounts, strongest.rest])
    kept = np.column_stack(
        [np.ones(n, dtype=bool), strongest.amounts != 0, strongest.n_rest > 0]
    ).ravel()
    nothing = np.full((n, 1), np.nan)
    sentence = np.column_stack(
        [np.full(n, len(texts)), text, number.reshape(n) + len(texts) + 1]
    ).ravel()
    count = int(kept.sum())
    rows = {
        "account_id": repeated(accounts, np.repeat(np.arange(n), result + 2)[kept]),
        "output": coded(np.zeros(count, dtype=np.int8), [output]),
        "term": coded(codes.ravel()[kept], [*terms, BASELINE, OTHERS]),
        "value": np.hstack([nothing, value, nothing]).ravel()[kept],
        "contribution": amounts.ravel()[kept],
        "missing": np.full(count, np.nan),
        "text": coded_once(sentence[kept], [*texts, BASELINE_TEXT, *words]),
        "points": np.full(count, np.nan),
        "weight": np.full(count, np.nan),
        "policy": no_texts(count),
    }
    return frame_of({name: rows[name] for name in COLUMNS})


def _values_and_texts(
    terms: list[str], top: npt.NDArray[np.int64], values_of: ValuesOf
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
        value, code, texts = value_and_text(values_of(term, where // top.shape[1]))
        flat_values[where], flat_codes[where] = value, code + len(every)
        every += texts.tolist()
    return values, codes, every
