"""Names drawn at random by their hash, so that hardly any of them change when others come or go."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

_LARGEST = np.iinfo(np.uint64).max
#: Digits of the key that hashes take.
_KEY_DIGITS = 16


def drawn_share(names: Sequence[str], share: float, *, seed: int) -> list[str]:
    """Return a random part of the names, sorted.

    Whether a name is drawn depends on it, the seed and the share alone.

    Parameters
    ----------
    names : sequence of str
        Names that differ.
    share : float
        Of the names, 0 to 1; about so many are drawn.
    seed : int
        Of the draw.

    Examples
    --------
    >>> drawn_share(["a", "b", "c", "d"], 1.0, seed=0)
    ['a', 'b', 'c', 'd']
    """
    chosen = _hashes(names, seed) <= _LARGEST * share
    return sorted(np.array(names, dtype=object)[chosen])


def drawn_number(names: Sequence[str], number: int, *, seed: int) -> list[str]:
    """Return so many of the names, sorted; a new name replaces at most one of them.

    Examples
    --------
    >>> len(drawn_number(["a", "b", "c", "d"], 2, seed=0))
    2
    """
    order = np.argsort(_hashes(names, seed), kind="stable")
    return sorted(np.array(names, dtype=object)[order[:number]])


def _hashes(names: Sequence[str], seed: int) -> np.ndarray:
    key = f"{seed % 10**_KEY_DIGITS:0{_KEY_DIGITS}d}"
    return pd.util.hash_array(np.array(names, dtype=object), hash_key=key, categorize=False)
