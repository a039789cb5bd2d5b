"""The probability of a target, the rate beside it, and the reasons for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from health.scoring.reasons import BASELINE, reason_rows
from health.scoring.reasons import COLUMNS as REASON_COLUMNS

#: The sentence of the term that every account starts from.
BASELINE_TEXT = "Where every account starts from"


@dataclass(frozen=True)
class Probabilities:
    """What a model says of some rows.

    Attributes
    ----------
    probability, base_rate : pd.Series of float
        0-1; NaN where none is published.
    """

    probability: pd.Series[float]
    base_rate: pd.Series[float]

    def columns(self, target: str) -> dict[str, pd.Series[float]]:
        """Return both under the names they have in scores.parquet."""
        return {f"{target}_probability": self.probability, f"{target}_base_rate": self.base_rate}


def probabilities(models: Mapping[str, Any], target: str, inputs: pd.DataFrame) -> Probabilities:
    """Return probability and base rate of a target, on the index of `inputs`."""
    model, base = models[target], models[f"{target}_base"]
    unknown = pd.Series(np.nan, index=inputs.index)
    if model is None or inputs.empty:
        return Probabilities(unknown, unknown)
    columns = list(model.feature_names_in_)
    probability = pd.Series(model.predict_proba(inputs[columns])[:, 1], index=inputs.index)
    rate = pd.Series(base.predict_proba(inputs[columns])[:, 1], index=inputs.index)
    return Probabilities(probability, rate.where(probability.notna()))


def probability_reasons(
    models: Mapping[str, Any], target: str, inputs: pd.DataFrame
) -> pd.DataFrame:
    """Return what each term adds to the log-odds, a row each; none where no model is behind."""
    model = models[target]
    none = pd.DataFrame(columns=list(REASON_COLUMNS))
    if model is None or inputs.empty:
        return none
    contributions = model.contributions(inputs[list(model.feature_names_in_)])
    if contributions[BASELINE].isna().any():
        return none
    rows = reason_rows(target, contributions, inputs, baseline_text=BASELINE_TEXT)
    spoke = (rows["contribution"] != 0) | (rows["term"] == BASELINE)
    return rows[spoke].reset_index(drop=True)
