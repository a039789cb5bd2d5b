"""Contributions of pairs of features, divided between the two features."""

from __future__ import annotations

import pandas as pd

#: The separator between the names of a pair.
PAIR = " & "


def by_feature(contributions: pd.DataFrame) -> pd.DataFrame:
    """Assign half of each pair's contribution to each of its features.

    These are the Shapley values of a pair whose effect neither feature explains alone (Lundberg &
    Lee 2017); the tables are purified to have this property. Row sums do not change.

    Parameters
    ----------
    contributions : pd.DataFrame, shape = (n_samples, n_terms + 1)
        As from `GlassBoxClassifier.contributions`.
    """
    names = set(contributions.columns)
    parts = {name: str(name).split(PAIR) for name in names if PAIR in str(name)}
    pairs = [n for n in contributions.columns if n in parts and names.issuperset(parts[n])]
    if not pairs:
        return contributions
    columns = {name: contributions[name].to_numpy() for name in contributions.columns}
    for name in pairs:
        half = columns.pop(name) / 2
        for part in parts[name]:
            columns[part] = columns[part] + half
    return pd.DataFrame(columns, index=contributions.index, copy=False)
