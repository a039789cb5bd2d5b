"""Contributions shared out: pairs among their features, features among their families."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from models.base.calibration import BASELINE

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


def by_family(contributions: pd.DataFrame, families: Mapping[str, str]) -> pd.DataFrame:
    """Add up the contributions of each family of features; row sums do not change.

    Parameters
    ----------
    contributions : pd.DataFrame, shape = (n_samples, n_features + 1)
        As from `by_feature`.
    families : mapping of str to str
        The family of each feature; one that is not named is a family of its own.

    Returns
    -------
    pd.DataFrame, shape = (n_samples, n_families + 1)
        A column a family in order of appearance, and ``baseline`` last.
    """
    shared = by_feature(contributions)
    named = [families.get(str(name), str(name)) for name in shared.columns]
    summed = shared.T.groupby(named, sort=False).sum().T
    return summed[[*(name for name in summed.columns if name != BASELINE), BASELINE]]
