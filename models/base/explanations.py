"""Contributions of pairs, divided between their features."""

from __future__ import annotations

import pandas as pd

#: The separator between the names of a pair.
PAIR = " & "


def by_feature(contributions: pd.DataFrame) -> pd.DataFrame:
    """Give half of each pair's contribution to each of its features.

    This is a pair's Shapley value where neither feature explains any of it alone (Lundberg &
    Lee 2017, which the tables are purified for). Row sums do not change.

    Parameters
    ----------
    contributions : pd.DataFrame, shape = (n_samples, n_terms + 1)
        As from `GlassBoxClassifier.contributions`.
    """
    names = set(contributions.columns)
    parts = {name: str(name).split(PAIR) for name in names if PAIR in str(name)}
    pairs = [n for n in contributions.columns if n in parts and names.issuperset(parts[n])]
    single = [name for name in contributions.columns if name not in pairs]
    result = contributions[single].copy()
    for name in pairs:
        for part in parts[name]:
            result[part] = result[part] + contributions[name] / 2
    return result
