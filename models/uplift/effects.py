"""Average effect of a randomised treatment on a share, by group, and the power to detect it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import norm

from models.base.inputs import BoolArray, FloatArray, ModelInputError

_Z = float(norm.ppf(0.975))


def accounts_per_arm(
    control_share: float,
    treated_share: float,
    *,
    treated_per_control: float = 1.0,
    power: float = 0.8,
) -> float:
    """Return the accounts needed in the control arm to detect a difference between two shares.

    Parameters
    ----------
    control_share, treated_share : float
        Expected shares, 0 to 1.
    treated_per_control : float
        Treated accounts per control account; 1 for arms of equal size.
    power : float
        Chance of a two-sided test at 5 % to detect the difference.

    Returns
    -------
    float
        Accounts in the control arm; the treated arm needs `treated_per_control` times as many.
        Infinite if the shares are equal.

    References
    ----------
    .. [1] Fleiss, J., Levin, B. and Paik, M. (2003). Statistical methods for rates and
       proportions, section 4.2, without continuity correction and with unpooled variances.
    """
    difference = control_share - treated_share
    if difference == 0:
        return math.inf
    quantiles = (_Z + float(norm.ppf(power))) ** 2
    variance = control_share * (1 - control_share)
    variance += treated_share * (1 - treated_share) / treated_per_control
    return quantiles * variance / difference**2


@dataclass(frozen=True)
class GroupEffects:
    """Effects by group, shrunk to their mean.

    Attributes
    ----------
    table : pd.DataFrame
        Indexed by group: treated, control (accounts), effect, low, high (treated share minus
        control share with its 95 % interval) and shrunk, shrunk_low, shrunk_high.
    mean, mean_error : float
        Mean effect over the groups and its standard error.
    spread : float
        Estimated standard deviation of the true effects between groups; 0 if the groups differ
        no more than expected by chance.
    """

    table: pd.DataFrame
    mean: float
    mean_error: float
    spread: float


def group_effects(
    outcome: FloatArray, treated: BoolArray, group: pd.Series[str], *, least: int = 10
) -> GroupEffects:
    """Estimate the effect in predefined groups.

    Parameters
    ----------
    outcome : array, shape = (n_accounts,)
        0 or 1.
    treated : array of bool, shape = (n_accounts,)
    group : pd.Series of str, shape = (n_accounts,)
    least : int
        Groups with fewer accounts in an arm are left out.

    Notes
    -----
    Shares use Agresti and Caffo's adjustment (one event and one non-event per arm), which improves
    the coverage of intervals in small groups [1]_. The effects are shrunk by a normal model whose
    spread is the DerSimonian-Laird estimate [2]_.

    References
    ----------
    .. [1] Agresti, A. and Caffo, B. (2000). Simple and effective confidence intervals for
       proportions and differences of proportions. The American Statistician 54.
    .. [2] DerSimonian, R. and Laird, N. (1986). Meta-analysis in clinical trials.
    """
    rows = pd.DataFrame({"group": group.to_numpy(), "treated": treated, "outcome": outcome})
    by_arm = {
        arm: rows[rows["treated"] == arm].groupby("group")["outcome"] for arm in (False, True)
    }
    size = pd.DataFrame({arm: found.size() for arm, found in by_arm.items()}).fillna(0)
    events = pd.DataFrame({arm: found.sum() for arm, found in by_arm.items()}).fillna(0)
    size = size[size.min(axis=1) >= least]
    n = {arm: size[arm].to_numpy(dtype="float64") for arm in by_arm}
    happened = {arm: events.loc[size.index, arm].to_numpy(dtype="float64") for arm in by_arm}
    share = {arm: (happened[arm] + 1) / (n[arm] + 2) for arm in by_arm}
    effect = share[True] - share[False]
    error = np.sqrt(sum(share[arm] * (1 - share[arm]) / (n[arm] + 2) for arm in by_arm))
    mean, mean_error, spread = _pooled(effect, error)
    weight = spread**2 / (spread**2 + error**2) if len(error) else error
    shrunk = weight * effect + (1 - weight) * mean
    shrunk_error = np.sqrt(weight * error**2 + ((1 - weight) * mean_error) ** 2)
    table = pd.DataFrame(
        {
            "treated": n[True].astype(int),
            "control": n[False].astype(int),
            "effect": effect,
            "low": effect - _Z * error,
            "high": effect + _Z * error,
            "shrunk": shrunk,
            "shrunk_low": shrunk - _Z * shrunk_error,
            "shrunk_high": shrunk + _Z * shrunk_error,
        },
        index=size.index,
    )
    return GroupEffects(table, mean, mean_error, spread)


def _pooled(effect: FloatArray, error: FloatArray) -> tuple[float, float, float]:
    """Return the mean effect, its standard error and the spread of true effects."""
    if not len(effect):
        return float("nan"), float("nan"), 0.0
    fixed = 1 / error**2
    mean = (fixed * effect).sum() / fixed.sum()
    spread2 = 0.0
    if len(effect) > 1:
        excess = (fixed * (effect - mean) ** 2).sum() - (len(effect) - 1)
        spread2 = max(0.0, excess / (fixed.sum() - (fixed**2).sum() / fixed.sum()))
    both = 1 / (error**2 + spread2)
    return (
        float((both * effect).sum() / both.sum()),
        float(np.sqrt(1 / both.sum())),
        math.sqrt(spread2),
    )


def require_two_arms(treated: BoolArray) -> None:
    """Raise ModelInputError if an arm is empty."""
    if treated.all() or not treated.any():
        raise ModelInputError(
            "all accounts are in one arm", where="treated", fix="keep some accounts as a control"
        )
