"""Sentences of many values at once: equal values are put into words once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.catalogue import DESCRIBED, describe

#: Decimals that a sentence shows, a share's in per cent; a ratio is a logarithm, so it has more.
_DECIMALS = {"share": 2, "change": 2, "ratio": 4, "days": 0, "money": 0}
_OTHERWISE = 1
#: Sentences cached of one feature; beyond that the cache is emptied.
_MOST_KEPT = 100_000
_kept: dict[str, dict[float, str]] = {}


def sentences(feature: str, values: npt.NDArray[np.float64]) -> npt.NDArray[np.object_]:
    """Return the sentence of each value of a feature, as `describe` words it.

    Values that differ by less than a sentence shows have the same sentence.

    Parameters
    ----------
    feature : str
        Name of a feature of the catalogue.
    values : array of float, shape = (n_values,)
        NaN where nothing was measured.
    """
    rounded = as_shown(DESCRIBED[feature].unit, values)
    codes, distinct = pd.factorize(rounded, use_na_sentinel=False)
    known = _kept.setdefault(feature, {})
    if len(known) > _MOST_KEPT:
        known.clear()
    texts = [_worded(feature, float(value), known) for value in distinct]
    text: npt.NDArray[np.object_] = np.array(texts, dtype=object)[codes]
    return text


def as_shown(unit: str, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Round values of a feature's unit to what a sentence shows of them."""
    rounded = np.round(values, _DECIMALS.get(unit, _OTHERWISE))
    # Next to nothing is not nothing: zero has a sentence of its own.
    shown: npt.NDArray[np.float64] = np.where((rounded == 0) & (values != 0), values, rounded)
    return shown


def each_once(values: pd.Series[Any], say: Callable[[Any], str]) -> pd.Series[str]:
    """Return what `say` makes of each value; of equal ones it is asked once."""
    codes, distinct = pd.factorize(values, use_na_sentinel=False)
    text = np.array([say(value) for value in distinct], dtype=object)
    return pd.Series(text[codes], index=values.index, dtype=object)


def _worded(feature: str, value: float, known: dict[float, str]) -> str:
    text = known.get(value)
    if text is None:
        text = describe(feature, value)
        known[value] = text
    return text
