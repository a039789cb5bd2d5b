"""Comparison of the survival curves of several models on the same later outcomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from models.base.inputs import BoolArray, FloatArray, ModelInputError, as_floats
from models.evaluation.ranking import Interval, resampled_weights
from models.survival.evaluation import integrated_brier_losses

#: Maximum number of accounts whose pairs fit into memory; of more accounts, a sample is drawn.
_MOST = 2_500


@dataclass(frozen=True)
class CurveQuality:
    """Quality of one model's curves.

    Attributes
    ----------
    concordance : Interval
        Share of pairs of accounts in which the one at higher risk leaves first (Harrell's C).
    integrated_brier : Interval
        Mean Brier score over the times, weighted for censoring; lower is better.
    concordance_against_first, integrated_brier_against_first : Interval
        Difference from the first model's metric, on the same resamples.
    """

    concordance: Interval
    integrated_brier: Interval
    concordance_against_first: Interval
    integrated_brier_against_first: Interval


def compare_curves(
    durations: Any,
    events: Any,
    curves: Mapping[str, FloatArray],
    times: FloatArray,
    *,
    n_resamples: int = 200,
    seed: int = 0,
) -> dict[str, CurveQuality]:
    """Evaluate the curves of several models on the same accounts.

    Parameters
    ----------
    durations, events : array-like, shape = (n_accounts,)
        Time to churn or to the end of observation, and whether the account churned (1 or 0).
    curves : mapping of str to array, shape = (n_accounts, n_times)
        By model, each account's survival probability at each time. An account's risk is one minus
        its mean over the times.
    times : array, shape = (n_times,)
        At least two increasing times below the longest duration.
    n_resamples : int
        Number of bootstrap resamples of the accounts for the intervals.
    seed : int
        Seed of the resampling, and of the sample if there are more than 2,500 accounts.

    Raises
    ------
    ModelInputError
        No account left, so nothing can be ranked.
    """
    time = as_floats(durations, "durations")
    churned = as_floats(events, "events", len(time)) == 1
    if len(time) > _MOST:
        kept = np.sort(np.random.default_rng(seed).choice(len(time), _MOST, replace=False))
        time, churned = time[kept], churned[kept]
        curves = {name: curve[kept] for name, curve in curves.items()}
    pairs = _comparable(time, churned)
    if not pairs.any():
        raise ModelInputError("no pair of accounts can be ranked", where="events")
    losses = {n: integrated_brier_losses(time, churned, c, times) for n, c in curves.items()}
    right = {name: _in_order(pairs, curve.mean(axis=1)) for name, curve in curves.items()}
    weights = np.vstack(
        [np.ones((1, len(time))), *resampled_weights(np.arange(len(time)), n_resamples, seed)]
    ).astype("float32")
    total = _weighted_pairs(weights, pairs)
    c = {name: _weighted_pairs(weights, own) / total for name, own in right.items()}
    brier = {name: weights @ own / weights.sum(axis=1) for name, own in losses.items()}
    first = next(iter(curves))
    return {
        name: CurveQuality(
            _interval(c[name]),
            _interval(brier[name]),
            _interval(c[name] - c[first]),
            _interval(brier[name] - brier[first]),
        )
        for name in curves
    }


def _comparable(time: FloatArray, churned: BoolArray) -> FloatArray:
    """Return 1 if the row's account left while the column's account was still present."""
    later = time[None, :] > time[:, None]
    remaining = (time[None, :] == time[:, None]) & ~churned[None, :]
    return np.asarray(churned[:, None] & (later | remaining), dtype="float32")


def _in_order(pairs: FloatArray, stays: FloatArray) -> FloatArray:
    """Return the pairs whose first account had the lower survival; a tie counts as half."""
    less, same = stays[:, None] < stays[None, :], stays[:, None] == stays[None, :]
    return np.asarray(pairs * (less + 0.5 * same), dtype="float32")


def _weighted_pairs(weights: FloatArray, pairs: FloatArray) -> FloatArray:
    """Return the sum over pairs, weighted by both of their accounts, for each resample."""
    return np.asarray(((weights @ pairs) * weights).sum(axis=1), dtype="float64")


def _interval(drawn: FloatArray) -> Interval:
    return Interval.of(float(drawn[0]), np.asarray(drawn[1:], dtype="float64"))


def landmark_follow_up(
    spells: pd.DataFrame, rows: pd.DataFrame, until: pd.Timestamp, *, grace_days: int
) -> pd.DataFrame:
    """Return how long each account stayed after a date, as known at a later date.

    Parameters
    ----------
    spells : pd.DataFrame
        account_id, began_at, duration_days, churned: paid spells, as known at the end of the data.
    rows : pd.DataFrame
        account_id and as_of of accounts that pay on the date.
    until : datetime
        What became known at this moment or later is ignored: an end counts only after its grace
        period.
    grace_days : int
        See `build_labels`.

    Returns
    -------
    pd.DataFrame, shape = (n_rows, 2)
        On the index of `rows`: days until the end, and left (1 or 0); NaN if no spell covers the
        date.
    """
    keyed = rows[["account_id", "as_of"]].assign(row=rows.index)
    both = keyed.merge(spells[["account_id", "began_at", "duration_days", "churned"]])
    ended = both["began_at"] + pd.to_timedelta(both["duration_days"], unit="D")
    both = both[(both["began_at"] < both["as_of"]) & (ended >= both["as_of"])].assign(ended=ended)
    known = both["churned"] & (both["ended"] + pd.Timedelta(days=grace_days) <= until)
    last = both["ended"].where(both["ended"] < until, until)
    days = (last - both["as_of"]).dt.total_seconds() / 86_400
    lifetimes = pd.DataFrame({"days": days, "left": known.astype(float), "row": both["row"]})
    return lifetimes.drop_duplicates("row").set_index("row").reindex(rows.index)
