"""How far a week's values lie from where a model learnt: the population stability index."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import chi2

from health.training.reference import bin_shares

#: Quantile of what chance alone gives: one column in a thousand lies above it.
_SURE = 0.999
COLUMNS = (
    *("column", "kind", "shares", "missing"),
    *("psi_training", "psi_before", "limit", "limit_before"),
)


def stability_index(shares: Sequence[float], reference: Sequence[float], *, least: float) -> float:
    """Return Σ (s − r) · ln(s ⁄ r) over the bins of two distributions, ≥ 0.

    Parameters
    ----------
    shares, reference : sequence of float, shape = (n_bins,)
        Shares of each bin, in the same order.
    least : float
        What an empty bin counts as, so that one account more or less does not decide.

    References
    ----------
    .. [1] Siddiqi, N. (2006). Credit Risk Scorecards. Wiley.
    """
    now = np.maximum(np.asarray(shares, dtype=float), least)
    then = np.maximum(np.asarray(reference, dtype=float), least)
    now, then = now / now.sum(), then / then.sum()
    return float(np.sum((now - then) * np.log(now / then)))


def chance_index(n_bins: int, n_now: int, n_then: int) -> float:
    """Return the index that chance alone exceeds once in a thousand.

    Without any drift the index over (1/n + 1/m) is chi-squared with a degree of freedom less
    than there are bins.

    References
    ----------
    .. [1] Yurdakul, B. (2018). Statistical Properties of Population Stability Index.
    """
    degrees = max(n_bins - 1, 1)
    return float(chi2.ppf(_SURE, degrees) * (1.0 / max(n_now, 1) + 1.0 / max(n_then, 1)))


def measure_drift(
    frame: pd.DataFrame,
    ranges: Mapping[str, Mapping[str, Any]],
    *,
    kind: str,
    trained_accounts: int,
    threshold: float,
    before: pd.DataFrame | None = None,
    weeks: float = 1.0,
) -> pd.DataFrame:
    """Compare each column with its range in training and with the run before.

    Parameters
    ----------
    frame : pd.DataFrame, shape = (n_accounts, n_columns)
        The values of this week.
    ranges : mapping of str to mapping
        Bins and shares in training, as `reference_ranges` gives them.
    kind : str
        ``feature`` or ``score``.
    trained_accounts : int
        Distinct accounts in training.
    threshold : float
        Index from which a column has drifted; what chance gives is added to it.
    before : pd.DataFrame, optional
        What this function returned for the run before, made with the same ranges; without it
        the newest date in training takes its place.
    weeks : float
        How far back that is. What wanders strays by the root of time, and the index by its
        square: the threshold is a week's, and grows in proportion.

    Returns
    -------
    pd.DataFrame
        Columns `COLUMNS`, a row per column of `ranges` that `frame` has: the shares in the
        bins, the share missing, both indices (NaN where there is nothing to compare with) and
        the limit of each.
    """
    earlier = {} if before is None else dict(before.set_index("column")["shares"])
    earlier_missing = {} if before is None else dict(before.set_index("column")["missing"])
    rows = []
    for column, reference in ranges.items():
        if column not in frame.columns:
            continue
        shares, missing = bin_shares(frame[column], dict(reference))
        now = [*shares, missing]
        least = 0.5 / max(len(frame), 1)
        then = [*reference["shares"], reference["missing"]]
        chance = chance_index(len(now), len(frame), trained_accounts)
        limits = (threshold + chance, threshold * max(weeks, 1.0) + chance)
        since = float("nan")
        past_shares = earlier.get(column, reference.get("newest_shares", ()))
        if len(past_shares) == len(shares):
            past_missing = earlier_missing.get(column, reference.get("newest_missing", 0.0))
            since = stability_index(now, [*past_shares, past_missing], least=least)
        index = stability_index(now, then, least=least)
        rows.append((column, kind, shares, missing, index, since, *limits))
    return pd.DataFrame(rows, columns=list(COLUMNS))
