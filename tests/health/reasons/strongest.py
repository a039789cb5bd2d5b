"""The strongest terms of contributions that a test makes up."""

from __future__ import annotations

import numpy as np
import pandas as pd

from health.reasons.probability import ExplainedProbabilities, Probabilities
from models.base.explanations import Explained, Terms


def strongest_rows(contributions: pd.DataFrame, inputs: pd.DataFrame, *, most: int) -> pd.DataFrame:
    """Return the rows of reasons of a model whose terms have these contributions."""
    explained = Explained(
        contributions.sum(axis=1).to_numpy(), lambda rows: Terms.of(contributions.iloc[rows])
    )
    unknown = pd.Series(np.nan, index=contributions.index)
    probabilities = ExplainedProbabilities("churn", Probabilities(unknown, unknown), explained)
    places = np.arange(len(contributions))
    return probabilities.reasons(
        places,
        inputs["account_id"],
        lambda term, some: inputs[term].take(some),
        most=most,
    )
