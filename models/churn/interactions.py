"""Pairs of features that act together: found on early dates, claimed only if they hold later."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import csr_array
from scipy.special import expit
from scipy.stats import t as student
from sklearn.utils.validation import column_or_1d
from threadpoolctl import threadpool_limits

from models.base.inputs import (
    BoolArray,
    FloatArray,
    IntArray,
    ModelInputError,
    feature_frame,
    group_codes,
)
from models.base.splits import TimeSplit
from models.churn.later_dates import LabelledRows
from models.churn.spline_logistic import SplineLogisticClassifier, some_accounts
from models.evaluation.ranking import Interval

#: Pairs that are checked on later dates: each one more makes all intervals wider.
MOST_CHECKED = 5
#: Standard errors from which a pair of early dates is checked on later ones.
_CLEAR = 3.0
#: Pairs whose excess is computed exactly on early dates, the strongest by an approximation.
_SCREENED = 60
#: Joint confidence of the intervals of all pairs checked.
_LEVEL = 0.95
#: Accounts in each of the four cells, and accounts with the event on early and on later dates.
_FEWEST_IN_CELL, _FEWEST_EARLY, _FEWEST_LATE = 20, 20, 10
#: Share of the rows that each side of a split must have.
_SMALLEST_SIDE = 0.1
#: Correlation from which two pairs are the same finding.
_SAME = 0.5
#: Inverse ridge penalty of the sum of the parts; level, slope and both features are refitted.
_STRENGTH = 0.03
#: Rows that pairs are searched on; random accounts of more.
_MOST_ROWS = 20_000


@dataclass(frozen=True)
class Cell:
    """The rows of later dates in which each of two features is low or high.

    Attributes
    ----------
    first_high, second_high : bool
        Whether the feature is at or above its threshold.
    rows, accounts, event_accounts : int
    rate : float
        Share of the rows with the event.
    expected : float
        The same by the sum of the parts.
    difference : Interval
        rate − expected; the intervals of all pairs checked hold together with 95 %.
    """

    first_high: bool
    second_high: bool
    rows: int
    accounts: int
    event_accounts: int
    rate: float
    expected: float
    difference: Interval


@dataclass(frozen=True)
class InteractingPair:
    """Two features whose effects do not simply add up.

    Attributes
    ----------
    first, second : str
    first_from, second_from : float
        A value from here on is high.
    cells : tuple of Cell
        low/low, low/high, high/low, high/high.
    """

    first: str
    second: str
    first_from: float
    second_from: float
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Interactions:
    """What was searched, and what held.

    Attributes
    ----------
    pairs : int
        Pairs searched on early dates.
    checked : int
        Those of them that were checked on later dates.
    held : tuple of InteractingPair
        The strongest first.
    why : str
        How they were found, or why none was, in a sentence.
    early_until, late_from : str
        Last early and first later date; empty where nothing was searched.
    """

    pairs: int
    checked: int
    held: tuple[InteractingPair, ...]
    why: str
    early_until: str = ""
    late_from: str = ""


def find_interactions(
    X: Any,
    y: Any,
    *,
    groups: Any,
    times: Any,
    embargo_days: float,
    left_out: Sequence[str] = (),
    seed: int = 0,
) -> Interactions:
    """Search pairs of features on early dates, and keep those that hold on later ones.

    Each number is low or high, split near its early median. The sum of the parts is a logistic
    regression on splines of all features, fitted on early dates; level, slope and the effects of
    both features are refitted for every pair, so that what remains is their interaction: the
    same number of events too many in two cells and too few in the other two. Its standard error
    is the efficient score's, with accounts as clusters. At most `MOST_CHECKED` different pairs
    beyond three standard errors are checked on later dates, where their joint 95 % intervals
    (Bonferroni) must exclude 0 in the same direction. However many pairs were searched, a
    company without interactions thus has a claim with a probability of 2.5 % at most.

    Parameters
    ----------
    X : pandas.DataFrame, shape = (n_samples, n_features)
        Features; texts are part of the sum, but not of pairs.
    y : array-like, shape = (n_samples,)
        1, 0, or missing where the outcome is not known yet.
    groups, times : array-like, shape = (n_samples,)
        Account and as_of of every row.
    embargo_days : float
        Horizon + grace.
    left_out : sequence of str
        Features that drift with the calendar: their low and high mean early and late.
    seed : int
        Seed of folds and samples.

    References
    ----------
    Lou et al. 2013, "Accurate Intelligible Models with Pairwise Interactions"; Boos 1992, "On
    generalized score tests".
    """
    outcome = pd.Series(column_or_1d(y)).astype("float64").to_numpy()
    known = ~np.isnan(outcome)
    rows = LabelledRows(
        feature_frame(X).drop(columns=[n for n in left_out if n in X])[known],
        outcome[known].astype(np.int64),
        group_codes(groups, len(outcome))[known],
        np.asarray(times)[known],
    )
    split = TimeSplit(1, embargo_days=embargo_days, times=rows.dates, least_history=0.5)
    try:
        early, late = (rows.where(places) for places in next(split.split(rows.frame)))
    except (ModelInputError, IndexError):
        return Interactions(0, 0, (), "the history is too short to check pairs on later dates")
    ends = str(pd.Timestamp(early.dates.max()).date()), str(pd.Timestamp(late.dates.min()).date())
    counts = [len(np.unique(part.codes[part.target == 1])) for part in (early, late)]
    if counts[0] < _FEWEST_EARLY or counts[1] < _FEWEST_LATE:
        why = (
            f"{counts[0]} accounts with the event on early dates and {counts[1]} on later ones "
            f"are too few to search pairs ({_FEWEST_EARLY} and {_FEWEST_LATE} are needed)"
        )
        return Interactions(0, 0, (), why, *ends)
    some = early.where(np.flatnonzero(some_accounts(early.codes, seed, most=_MOST_ROWS)))
    try:
        additive = SplineLogisticClassifier(strengths=(_STRENGTH,), seed=seed)
        # Small products gain nothing from threads.
        with threadpool_limits(limits=1, user_api="blas"):
            additive.fit(some.frame, some.target, groups=some.codes)
    except ModelInputError:
        return Interactions(0, 0, (), "no feature varies", *ends)
    searched, found = _searched(some, additive.decision_function(some.frame))
    return _checked(searched, found, late, additive.decision_function(late.frame), ends)


@dataclass(frozen=True)
class _Split:
    """A number that is high from a threshold on."""

    feature: str
    threshold: float

    def high(self, frame: pd.DataFrame) -> FloatArray:
        """Return 1 where it is high, 0 where it is low, and NaN where it is missing."""
        values = frame[self.feature].to_numpy(dtype="float64")
        return np.where(np.isnan(values), np.nan, values >= self.threshold)


@dataclass(frozen=True)
class _Found:
    first: _Split
    second: _Split
    sign: float


@dataclass(frozen=True)
class _Excess:
    """Events in the high/high cell beyond the sum of the parts, and their standard error."""

    known: BoolArray
    high: tuple[FloatArray, FloatArray]
    p: FloatArray
    value: float
    standard_error: float

    @property
    def z(self) -> float:
        return self.value / self.standard_error if self.standard_error > 0 else 0.0


def _split_of(values: pd.Series[Any]) -> _Split | None:
    """Return the split nearest to half of the known rows; None where a side is too small."""
    if values.dtype.kind != "f":
        return None
    known = values.dropna().to_numpy()
    distinct = np.unique(known)
    if len(distinct) < 2:
        return None
    place = int(np.searchsorted(distinct, np.median(known)))
    thresholds = distinct[max(place, 1) : place + 2]
    shares = np.array([(known >= threshold).mean() for threshold in thresholds])
    best = int(np.argmin(np.abs(shares - 0.5)))
    if not _SMALLEST_SIDE <= shares[best] <= 1 - _SMALLEST_SIDE:
        return None
    low = distinct[int(np.searchsorted(distinct, thresholds[best])) - 1]
    return _Split(str(values.name), _round_between(float(low), float(thresholds[best])))


def _round_between(low: float, high: float) -> float:
    """Return the number with the fewest digits that is above `low` and not above `high`."""
    for digits in range(1, 17):
        step = 10.0 ** (np.floor(np.log10(max(abs(low), abs(high)))) + 1 - digits)
        candidate = float(np.floor(high / step) * step)
        if low < candidate <= high:
            return candidate
    return high


def _searched(rows: LabelledRows, log_odds: FloatArray) -> tuple[int, list[_Found]]:
    """Return the number of pairs searched, and the different ones that stand out."""
    made = (_split_of(rows.frame[name]) for name in rows.frame.columns)
    splits = [split for split in made if split is not None]
    if len(splits) < 2:
        return 0, []
    p = expit(log_odds)
    weight = p * (1 - p)
    high = np.stack([split.high(rows.frame) for split in splits], axis=1)
    known = ~np.isnan(high)
    means = np.nansum(high * weight[:, None], axis=0) / (known * weight[:, None]).sum(axis=0)
    sides = np.where(known, high - means, 0.0).astype("float32")
    scores = _scores(sides, (rows.target - p).astype("float32"), rows.codes)
    firsts, seconds = np.triu_indices(len(splits), 1)
    strongest = np.argsort(-np.abs(scores[firsts, seconds]), kind="stable")[:_SCREENED]
    exact = []
    for at in strongest:
        a, b = splits[firsts[at]], splits[seconds[at]]
        excess = _excess(rows, log_odds, a, b)
        if excess is not None and abs(excess.z) >= _CLEAR:
            exact.append((abs(excess.z), int(firsts[at]), int(seconds[at]), np.sign(excess.z)))
    kept: list[_Found] = []
    products: list[FloatArray] = []
    for _, a_at, b_at, sign in sorted(exact, key=lambda each: (-each[0], each[1:3])):
        product = sides[:, a_at] * sides[:, b_at]
        if all(abs(np.corrcoef(product, other)[0, 1]) < _SAME for other in products):
            products.append(product)
            kept.append(_Found(splits[a_at], splits[b_at], float(sign)))
    return len(firsts), kept[:MOST_CHECKED]


def _scores(sides: FloatArray, residual: FloatArray, codes: IntArray) -> FloatArray:
    """Return about how many standard errors each pair's interaction is from 0."""
    n, k = sides.shape
    cluster = np.unique(codes, return_inverse=True)[1]
    sums = csr_array((np.ones(n, dtype="float32"), (cluster, np.arange(n))))
    result = np.zeros((k, k))
    for a in range(k - 1):
        by_account = sums @ ((residual * sides[:, a])[:, None] * sides[:, a + 1 :])
        total, square = by_account.sum(axis=0), np.square(by_account).sum(axis=0)
        result[a, a + 1 :] = total / np.sqrt(np.maximum(square, 1e-12))
    return result


def _excess(rows: LabelledRows, log_odds: FloatArray, a: _Split, b: _Split) -> _Excess | None:
    """Compare the events of the four cells with the sum of the parts; None in small cells."""
    first, second = a.high(rows.frame), b.high(rows.frame)
    known = ~np.isnan(first) & ~np.isnan(second)
    first, second = first[known], second[known]
    target, codes = rows.target[known], rows.codes[known]
    cell = (2 * first + second).astype(int)
    in_cell = [len(np.unique(codes[cell == c])) for c in range(4)]
    sides = [(side == s) for side in (first, second) for s in (0, 1)]
    if min(in_cell) < _FEWEST_IN_CELL or not all(0 < target[s].sum() < s.sum() for s in sides):
        return None
    parts = np.column_stack([np.ones(len(target)), first, second, log_odds[known]])
    p = _fitted(parts, target)
    weight, both = p * (1 - p), first * second
    slopes = np.linalg.lstsq(parts * np.sqrt(weight)[:, None], both * np.sqrt(weight), rcond=None)
    score = (target - p) * (both - parts @ slopes[0])
    by_account = np.bincount(np.unique(codes, return_inverse=True)[1], weights=score)
    n = len(by_account)
    error = float(np.sqrt(np.square(by_account).sum() * n / (n - 1)))
    return _Excess(known, (first, second), p, float(score.sum()), error)


def _fitted(parts: FloatArray, target: IntArray) -> FloatArray:
    """Return the probabilities of a logistic regression on few columns, by Newton's method."""
    weights = np.zeros(parts.shape[1])
    weights[-1] = 1.0
    for _ in range(25):
        p = expit(parts @ weights)
        slope = parts.T @ (target - p)
        curve = (parts * (p * (1 - p))[:, None]).T @ parts
        step = np.linalg.lstsq(curve + 1e-9 * np.eye(len(curve)), slope, rcond=None)[0]
        weights += np.clip(step, -2.0, 2.0)
        if np.abs(step).max() < 1e-8:
            break
    return np.asarray(expit(parts @ weights))


def _checked(
    searched: int,
    found: Sequence[_Found],
    late: LabelledRows,
    log_odds: FloatArray,
    ends: tuple[str, str],
) -> Interactions:
    """Return the pairs that hold on later dates."""
    events = len(np.unique(late.codes[late.target == 1]))
    critical = float(student.ppf(1 - (1 - _LEVEL) / (2 * max(len(found), 1)), events - 1))
    held = []
    for pair in found:
        excess = _excess(late, log_odds, pair.first, pair.second)
        if excess is not None and pair.sign * excess.z > critical:
            held.append((abs(excess.z), _pair(pair, excess, late, critical)))
    held.sort(key=lambda each: -each[0])
    if not searched:
        why = "fewer than two numbers vary enough to be compared in pairs"
    elif not found:
        why = f"none of {searched:,} pairs stands out on early dates"
    else:
        why = (
            f"of {searched:,} pairs, {len(found)} stood out on early dates, and "
            f"{len(held) or 'none'} of these held on later dates"
        )
    return Interactions(searched, len(found), tuple(pair for _, pair in held), why, *ends)


def _pair(pair: _Found, excess: _Excess, late: LabelledRows, critical: float) -> InteractingPair:
    target, codes = late.target[excess.known], late.codes[excess.known]
    cells = []
    for first_high, second_high in ((0, 0), (0, 1), (1, 0), (1, 1)):
        inside = (excess.high[0] == first_high) & (excess.high[1] == second_high)
        n = int(inside.sum())
        rate, expected = float(target[inside].mean()), float(excess.p[inside].mean())
        # What is too much in one cell is too little in those next to it: the margins agree.
        half = critical * excess.standard_error / n
        cells.append(
            Cell(
                bool(first_high),
                bool(second_high),
                n,
                len(np.unique(codes[inside])),
                len(np.unique(codes[inside & (target == 1)])),
                rate,
                expected,
                Interval(rate - expected, rate - expected - half, rate - expected + half),
            )
        )
    first, second = pair.first, pair.second
    return InteractingPair(
        first.feature, second.feature, first.threshold, second.threshold, tuple(cells)
    )
