"""Differences between arms, with intervals and the required sample size."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import norm, t

from features.definitions.metrics import wilson_interval
from health.experiment.assignment import CONTROL, TREATED
from health.experiment.outcomes import BASELINE
from models.uplift.effects import accounts_per_arm

#: Standardised difference from which arms are considered different (Austin 2009).
UNLIKE = 0.25
#: Minimum number of accounts in an arm.
LEAST = 10
_Z = float(norm.ppf(0.975))
#: Standard normal values of a two-sided test at 5 % with a power of 80 %.
_POWER = float((norm.ppf(0.975) + norm.ppf(0.8)) ** 2)


@dataclass(frozen=True)
class Effect:
    """One outcome in both arms.

    Attributes
    ----------
    outcome : str
        Name of the compared outcome.
    n_treated, n_control : int
        Accounts whose outcome is known.
    treated, control : float
        Mean or share of each arm.
    difference, low, high : float
        Treated minus control, with its 95 % interval; NaN if an arm is too small.
    needed : float
        Accounts needed in each arm to detect, with a power of 80 %, that a share was halved or
        that a mean moved by half a standard deviation; NaN if unknown.
    """

    outcome: str
    n_treated: int
    n_control: int
    treated: float
    control: float
    difference: float
    low: float
    high: float
    needed: float

    @property
    def too_small(self) -> bool:
        """Whether an arm is smaller than it would need to be."""
        least = min(self.n_treated, self.n_control)
        return least < LEAST or not least >= self.needed


def share_effect(outcome: str, treated: pd.Series[float], control: pd.Series[float]) -> Effect:
    """Compare shares of 0 and 1; the interval is Newcombe's from two Wilson intervals.

    References
    ----------
    .. [1] Newcombe, R. (1998). Interval estimation for the difference between independent
       proportions. Statistics in Medicine 17, method 10.
    """
    arms = treated.dropna(), control.dropna()
    n = np.array([float(len(arm)) for arm in arms])
    counts = np.array([float(arm.sum()) for arm in arms])
    one, other = (counts / np.where(n > 0, n, np.nan)).tolist()
    ends = wilson_interval(counts, n)
    difference = one - other
    low = difference - math.hypot(one - ends.low[0], ends.high[1] - other)
    high = difference + math.hypot(ends.high[0] - one, other - ends.low[1])
    return Effect(
        outcome, len(arms[0]), len(arms[1]), one, other, difference, low, high, _to_halve(other)
    )


def mean_effect(outcome: str, treated: pd.Series[float], control: pd.Series[float]) -> Effect:
    """Compare means; the interval is Welch's, which does not assume equal variances."""
    arms = treated.dropna(), control.dropna()
    sizes = [len(arm) for arm in arms]
    one, other = (float(arm.mean()) for arm in arms)
    difference, reach = one - other, float("nan")
    if min(sizes) > 1:
        errors = [float(arm.var(ddof=1)) / len(arm) for arm in arms]
        total = sum(errors)
        parts = [e**2 / (n - 1) for e, n in zip(errors, sizes, strict=True)]
        degrees = total**2 / sum(parts) if sum(parts) > 0 else math.inf
        reach = float(t.ppf(0.975, degrees)) * math.sqrt(total) if total > 0 else 0.0
    # Half a standard deviation: 2 · power ⁄ 0.5².
    needed = math.ceil(2 * _POWER / 0.25)
    low, high = difference - reach, difference + reach
    return Effect(outcome, sizes[0], sizes[1], one, other, difference, low, high, needed)


def balance(rows: pd.DataFrame) -> pd.DataFrame:
    """Compare the arms before the experiment.

    Returns
    -------
    pd.DataFrame
        measure, treated, control (means), difference (in standard deviations), unlike (whether it
        exceeds `UNLIKE` and what chance explains with this number of accounts).
    """
    found = []
    arms = {arm: rows[rows["arm"] == arm] for arm in (TREATED, CONTROL)}
    for measure in BASELINE:
        one, other = (arms[arm][measure].dropna().astype(float) for arm in (TREATED, CONTROL))
        if not len(one) or not len(other):
            continue
        spread = float(np.sqrt((one.var(ddof=0) + other.var(ddof=0)) / 2))
        gap = float(one.mean() - other.mean())
        difference = gap / spread if spread > 0 else 0.0
        chance = _Z * math.sqrt(1 / len(one) + 1 / len(other))
        unlike = abs(difference) > max(UNLIKE, chance)
        found.append((measure, float(one.mean()), float(other.mean()), difference, unlike))
    columns = ["measure", "treated", "control", "difference", "unlike"]
    return pd.DataFrame(found, columns=columns)


def _to_halve(share: float) -> float:
    """Return the accounts needed in each arm to detect that a share was halved."""
    if not 0 < share < 1:
        return float("nan")
    return float(math.ceil(accounts_per_arm(share, share / 2)))
