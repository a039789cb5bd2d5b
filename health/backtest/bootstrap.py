"""Metrics with 95 % intervals from a bootstrap over accounts.

All metrics of the same rows are measured on the same resamples, so two of them can be
subtracted resample by resample: a paired difference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from models.base.inputs import FloatArray, IntArray
from models.evaluation.ranking import Interval, ratio, resampled_weights

#: Metrics by name for a matrix of row weights, (n_resamples, n_rows).
Measure = Callable[[FloatArray], Mapping[str, FloatArray]]


@dataclass(frozen=True)
class Resampling:
    """The number of resamples of the accounts, and the seed."""

    resamples: int = 400
    seed: int = 0


@dataclass(frozen=True)
class Drawn:
    """A metric, and its value on each resample, shape = (n_resamples,)."""

    value: float
    drawn: FloatArray

    @property
    def interval(self) -> Interval:
        """The metric with its interval."""
        return Interval.of(self.value, self.drawn)

    def minus(self, other: Drawn) -> Interval:
        """Return the paired difference to a metric of the same rows, with its interval."""
        return Interval.of(self.value - other.value, self.drawn - other.drawn)


def measured(
    measures: Mapping[str, Measure], codes: IntArray, resampling: Resampling
) -> dict[str, dict[str, Drawn]]:
    """Measure everything on the rows themselves and on the same resamples of their accounts.

    Parameters
    ----------
    measures : mapping of str to callable
        What to measure, by name.
    codes : array, shape = (n_rows,)
        The account of every row, 0 … n_accounts − 1.
    resampling : Resampling
        Number of resamples and seed.
    """
    ones = np.ones((1, len(codes)))
    point = {name: measure(ones) for name, measure in measures.items()}
    drawn: dict[str, dict[str, list[FloatArray]]] = {
        name: {metric: [] for metric in metrics} for name, metrics in point.items()
    }
    for weights in resampled_weights(codes, resampling.resamples, resampling.seed):
        for name, measure in measures.items():
            for metric, values in measure(weights).items():
                drawn[name][metric].append(values)
    return {
        name: {
            metric: Drawn(float(values[0]), np.concatenate(drawn[name][metric]))
            for metric, values in metrics.items()
        }
        for name, metrics in point.items()
    }


def group_rates(
    groups: pd.Series[str],
    happened: pd.Series[float],
    codes: IntArray,
    resampling: Resampling,
    *,
    order: list[str],
) -> pd.DataFrame:
    """Return the event rate of each group of rows, with its interval.

    Parameters
    ----------
    groups : pd.Series of str, shape = (n_rows,)
        The group of every row; rows of groups that are not in `order` count only towards the total.
    happened : pd.Series of float, shape = (n_rows,)
        1 or 0.
    codes : array, shape = (n_rows,)
        The account of every row.
    resampling : Resampling
        Number of resamples and seed.
    order : list of str
        The groups to return, in order.

    Returns
    -------
    pd.DataFrame, shape = (n_groups, 11)
        name, rows, events, accounts, event_accounts, rate, low, high, lift (rate over that of
        all rows), lift_low, lift_high.
    """
    events, target = happened.to_numpy(dtype=float), groups.to_numpy(dtype=object)
    n_accounts = int(codes.max()) + 1
    cells = np.zeros((n_accounts, 2 * (len(order) + 1)))
    for place, name in enumerate(order):
        inside = target == name
        cells[:, 2 * place] = np.bincount(codes, inside, n_accounts)
        cells[:, 2 * place + 1] = np.bincount(codes, inside * events, n_accounts)
    cells[:, -2] = np.bincount(codes, minlength=n_accounts)
    cells[:, -1] = np.bincount(codes, events, n_accounts)
    draws = resampled_weights(np.arange(n_accounts), resampling.resamples, resampling.seed)
    sums = np.vstack([np.ones((1, n_accounts)) @ cells, *(weights @ cells for weights in draws)])
    usual = ratio(sums[:, -1], sums[:, -2])
    return pd.DataFrame(
        [
            _rate_row(name, sums[:, 2 * place : 2 * place + 2], usual, cells[:, 2 * place :])
            for place, name in enumerate(order)
        ]
    )


def _rate_row(
    name: str, sums: FloatArray, usual: FloatArray, cells: FloatArray
) -> dict[str, float | str | int]:
    empty = sums[:, 0] == 0
    rates = np.where(empty, np.nan, ratio(sums[:, 1], sums[:, 0]))
    lifts = np.where(usual > 0, ratio(rates, usual), np.nan)
    accounts = int((cells[:, 0] > 0).sum())
    rate = _open_ended(Interval.of(float(rates[0]), rates[1:]), accounts)
    lift = Interval.of(float(lifts[0]), lifts[1:])
    if rate.value == 0 and usual[0] > 0:
        lift = Interval(0.0, 0.0, rate.high / float(usual[0]))
    return {
        "name": name,
        "rows": int(sums[0, 0]),
        "events": int(sums[0, 1]),
        "accounts": accounts,
        "event_accounts": int((cells[:, 1] > 0).sum()),
        "rate": rate.value,
        "low": rate.low,
        "high": rate.high,
        "lift": lift.value,
        "lift_low": lift.low,
        "lift_high": lift.high,
    }


def median_of(values: FloatArray, resampling: Resampling) -> Interval:
    """Return the median of one value per account, with its interval; NaN without values."""
    if not len(values):
        return Interval(float("nan"), float("nan"), float("nan"))
    rng = np.random.default_rng(resampling.seed)
    draws = rng.integers(0, len(values), size=(resampling.resamples, len(values)))
    return Interval.of(float(np.median(values)), np.median(values[draws], axis=1))


def share_of(held: FloatArray, resampling: Resampling) -> Interval:
    """Return the share of accounts with a property (1 or 0), with its interval."""
    if not len(held):
        return Interval(float("nan"), float("nan"), float("nan"))
    rng = np.random.default_rng(resampling.seed)
    draws = rng.integers(0, len(held), size=(resampling.resamples, len(held)))
    return _open_ended(Interval.of(float(held.mean()), held[draws].mean(axis=1)), len(held))


def _open_ended(share: Interval, accounts: int) -> Interval:
    """Widen the interval of a share of 0 or 1, which is the same in every resample.

    The exact interval of Clopper & Pearson (1934) for the number of accounts: 0 of 10 may be 31 %.
    """
    if not accounts or share.value not in (0.0, 1.0):
        return share
    reach = 1.0 - 0.025 ** (1.0 / accounts)
    return Interval(share.value, max(0.0, share.value - reach), min(1.0, share.value + reach))
