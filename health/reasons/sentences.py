"""Sentences for many values at once: each distinct value is described once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.catalogue import DESCRIBED, describe

#: Decimals that a sentence shows, by unit: shares are shown in per cent, and ratios are logarithms.
_DECIMALS = {"share": 2, "change": 2, "ratio": 4, "days": 0, "money": 0}
_OTHERWISE = 1
#: Maximum number of cached sentences per feature; a fuller cache is emptied.
_MOST_KEPT = 100_000
_kept: dict[str, dict[float, str]] = {}


def sentences(feature: str, values: npt.NDArray[np.float64]) -> npt.NDArray[np.object_]:
    """Return the sentence of each value of a feature, as written by `describe`.

    Values that round to the same shown value share a sentence.

    Parameters
    ----------
    feature : str
        Name of a feature of the catalogue.
    values : array of float, shape = (n_values,)
        NaN where nothing was measured.
    """
    codes, texts = sentence_codes(feature, values)
    text: npt.NDArray[np.object_] = texts[codes]
    return text


def sentence_codes(
    feature: str, values: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.object_]]:
    """Return the place of each value's sentence in a list of sentences, and that list."""
    rounded = as_shown(DESCRIBED[feature].unit, values)
    codes, distinct = pd.factorize(rounded, use_na_sentinel=False)
    known = _kept.setdefault(feature, {})
    if len(known) > _MOST_KEPT:
        known.clear()
    texts = [_worded(feature, float(value), known) for value in distinct]
    return codes, np.array(texts, dtype=object)


def as_shown(unit: str, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Round values of a unit to the decimals that a sentence shows."""
    rounded = np.round(values, _DECIMALS.get(unit, _OTHERWISE))
    # A tiny value must not round to zero, which has a separate sentence.
    shown: npt.NDArray[np.float64] = np.where((rounded == 0) & (values != 0), values, rounded)
    return shown


def each_once(values: pd.Series[Any], describe_one: Callable[[Any], Any]) -> pd.Series[Any]:
    """Return what a function says of each value; it is called once per distinct value."""
    codes, distinct = pd.factorize(values, use_na_sentinel=False)
    text = np.array([describe_one(value) for value in distinct], dtype=object)
    return pd.Series(text[codes], index=values.index, dtype=object)


def _worded(feature: str, value: float, known: dict[float, str]) -> str:
    text = known.get(value)
    if text is None:
        text = describe(feature, value)
        known[value] = text
    return text
