"""A linear outlook over all features: how an account will behave, learned without churn labels.

Few accounts leave, so their labels cannot weigh a hundred features against each other. But how
much an account uses a product in the coming months is known for every account and date. The
weights of the line are learned from that; the labels only determine how steep it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit
from threadpoolctl import threadpool_limits

from features.catalogue import CATALOGUE
from models.base.calibration import row_log_loss
from models.base.inputs import BoolArray, FloatArray, IntArray
from models.glass_box.additive import AdditiveTables, purified
from models.glass_box.binning import Codes, FeatureBins

#: Following days over which a behaviour is averaged: about the coming quarter, from two weeks on.
_FROM_DAYS, _TO_DAYS = 14, 100
#: Rows that the prior of a flat line weighs.
_RIDGE_ROWS = 300.0
#: Behaviours that an outlook predicts together: with few churned accounts, a single one is luck.
_BEHAVIOURS = 5
#: Prior precision of the weights of boosted terms (around 0) and of the line's slope.
_TERM_PRECISION, _SLOPE_PRECISION = 3.0, 1.0
#: Rows with a known future below which no line is learned.
_FEWEST_ROWS = 200
_BEHAVIOUR_TABLES = ("usage", "tickets", "surveys")


@dataclass(frozen=True)
class HeldOutTerms:
    """Boosted terms of each row, from the bag that has not seen its account.

    Attributes
    ----------
    terms : array, shape = (n_samples, n_features + n_pairs)
    intercept : array, shape = (n_samples,)
        That of the row's bag.
    folds : array, shape = (n_samples,)
        The bag that has not seen the row.
    """

    terms: FloatArray
    intercept: FloatArray
    folds: IntArray


def behaviours(names: Sequence[str]) -> list[str]:
    """Return the features of what people of an account do: usage, tickets, surveys."""
    known = [name for name in names if name in CATALOGUE]
    return [name for name in known if CATALOGUE[name].table in _BEHAVIOUR_TABLES]


def with_outlook(
    tables: AdditiveTables,
    held_out: HeldOutTerms,
    codes: Codes,
    target: IntArray,
    groups: IntArray,
    times: Any,
    bins: Sequence[FeatureBins],
    *,
    outlook_of: Sequence[str],
    directions: Sequence[int] | None = None,
    if_it_helps: bool = True,
) -> AdditiveTables | None:
    """Weigh the boosted terms against the outlook, and return both as one set of tables.

    The target is the sum of a few behaviours of `outlook_of`: those whose boosted curves agree
    best with what held-out accounts did, each in the direction of its curve. The outlook is a
    line over ranks of the features, so it is a sum of tables like the boosted terms, and so is
    the whole.

    Parameters
    ----------
    tables : AdditiveTables
        Of all bags.
    held_out : HeldOutTerms
        Of single bags.
    codes : array, shape = (n_samples, n_features)
        Bin numbers.
    target : array, shape = (n_samples,)
        0 or 1.
    groups : array, shape = (n_samples,)
        The account of every row.
    times : array-like of datetime, shape = (n_samples,)
        The as_of of every row.
    bins : sequence of FeatureBins
        The bins that the numbers refer to.
    outlook_of : sequence of str
        Behaviours to choose from.
    directions : sequence of int, optional
        1, −1 or 0 a feature: where the line runs against it, the feature is left out of it.
    if_it_helps : bool
        Return tables only where the log loss of held-out accounts falls by more than a standard
        error.

    Returns
    -------
    AdditiveTables or None
        None where there is no behaviour to follow, or where it does not help.
    """
    chosen = _behaviours(held_out.terms, target, bins, outlook_of)
    ranks = [_ranks(codes[:, place], feature) for place, feature in enumerate(bins)]
    values = np.column_stack([rank[codes[:, place]] for place, rank in enumerate(ranks)])
    signs = np.sign((values[:, chosen] * held_out.terms[:, chosen]).sum(axis=0))
    future = _mean_of_following_days(values[:, chosen] @ signs, groups, _days(times))
    known = ~np.isnan(future)
    if known.sum() < _FEWEST_ROWS or not future[known].any():
        return None
    line = _ridge(values[known], future[known])
    spread = float((values @ line).std())
    if spread <= 0:
        return None
    line = line / spread
    if if_it_helps and not _helps(held_out, values @ line, target, groups):
        return None
    weights = _weigh(held_out, values @ line, target)
    slope = weights[-2]
    if directions is not None:
        line = np.where(np.sign(slope * line) * np.asarray(directions) < 0, 0.0, line)
    return purified(_together(tables, ranks, weights, slope * line), codes)


def _behaviours(
    terms: FloatArray, target: IntArray, bins: Sequence[FeatureBins], names: Sequence[str]
) -> list[int]:
    """Return the behaviours whose curves go most with the outcome, if any do."""
    places = [at for at, b in enumerate(bins) if b.name in names and b.edges is not None]
    centred = target - target.mean()
    found = {
        at: float(terms[:, at] @ centred) / (float(terms[:, at].std()) + 1e-9) for at in places
    }
    best = sorted(places, key=lambda at: (-found[at], at))[:_BEHAVIOURS]
    return [at for at in best if found[at] > 0]


def _ranks(column: Codes, feature: FeatureBins) -> FloatArray:
    """Return each bin's mean rank, standardised over the known rows; 0 where not measured."""
    size = feature.size
    ranks = np.zeros(size + 1)
    counts = np.bincount(column, minlength=size + 1)[:size].astype("float64")
    known = counts.sum()
    if feature.edges is None or size < 2 or not known:
        return ranks
    middle = (np.cumsum(counts) - counts / 2) / known
    mean = (middle * counts).sum() / known
    spread = np.sqrt(((middle - mean) ** 2 * counts).sum() / known)
    if spread > 0:
        ranks[:size] = (middle - mean) / spread
    return ranks


def _days(times: Any) -> IntArray:
    moments = np.asarray(times).astype("datetime64[D]").astype(np.int64)
    return np.asarray(moments - moments.min())


def _mean_of_following_days(values: FloatArray, groups: IntArray, days: IntArray) -> FloatArray:
    """Return each row's mean of the account's values in the days to come; NaN without any."""
    order = np.lexsort((days, groups))
    # One number per row that rises with the account and then with the day; the gap between
    # accounts is longer than any window.
    key = groups[order] * (2 * _TO_DAYS + int(days.max()) + 1) + days[order]
    first = np.searchsorted(key, key + _FROM_DAYS)
    last = np.searchsorted(key, key + _TO_DAYS, side="right")
    sums = np.concatenate([[0.0], np.cumsum(values[order])])
    count = last - first
    result = np.full(len(values), np.nan)
    seen = count > 0
    result[order[seen]] = (sums[last[seen]] - sums[first[seen]]) / count[seen]
    return result


def _ridge(values: FloatArray, future: FloatArray) -> FloatArray:
    gram = values.T @ values + _RIDGE_ROWS * np.eye(values.shape[1])
    return np.asarray(np.linalg.solve(gram, values.T @ (future - future.mean())))


def _weigh(held_out: HeldOutTerms, line: FloatArray, target: IntArray) -> FloatArray:
    """Return the weights of the terms (never below 0), of the line, and the intercept.

    Penalised likelihood of the held-out terms, which have not seen the row's account.
    """
    n_terms = held_out.terms.shape[1]
    design = np.column_stack([held_out.terms, line, np.ones(len(line))])
    precision = np.concatenate([np.full(n_terms, _TERM_PRECISION), [_SLOPE_PRECISION, 0.0]])

    def loss(weights: FloatArray) -> tuple[float, FloatArray]:
        log_odds = design @ weights + held_out.intercept
        value = row_log_loss(target, log_odds).sum() + 0.5 * (precision * weights**2).sum()
        return float(value), design.T @ (expit(log_odds) - target) + precision * weights

    start = np.concatenate([np.ones(n_terms), [0.0, 0.0]])
    bounds = [(0.0, None)] * n_terms + [(None, None)] * 2
    # Threads that wait for each other between steps of microseconds take 25 times as long.
    with threadpool_limits(limits=1, user_api="blas"):
        return np.asarray(minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x)


def _helps(held_out: HeldOutTerms, line: FloatArray, target: IntArray, groups: IntArray) -> bool:
    """Return whether weights learned without a fold of accounts lower that fold's log loss.

    By more than a standard error over accounts.
    """
    gain = np.zeros(len(target))
    terms, intercept = held_out.terms, held_out.intercept
    for fold in np.unique(held_out.folds):
        inside: BoolArray = held_out.folds == fold
        rest = HeldOutTerms(terms[~inside], intercept[~inside], held_out.folds[~inside])
        weights = _weigh(rest, line[~inside], target[~inside])
        before = intercept[inside] + terms[inside].sum(axis=1)
        after = intercept[inside] + terms[inside] @ weights[:-2]
        after += line[inside] * weights[-2] + weights[-1]
        gain[inside] = row_log_loss(target[inside], before) - row_log_loss(target[inside], after)
    by_account = np.bincount(groups, weights=gain)
    return bool(by_account.sum() > np.sqrt((by_account**2).sum()))


def _together(
    tables: AdditiveTables, ranks: Sequence[FloatArray], weights: FloatArray, line: FloatArray
) -> AdditiveTables:
    n_mains = len(tables.mains)
    mains = tuple(
        weight * table + share * rank
        for weight, table, share, rank in zip(
            weights[:n_mains], tables.mains, line, ranks, strict=True
        )
    )
    pairs = {
        pair: weight * table
        for weight, (pair, table) in zip(weights[n_mains:-2], tables.pairs.items(), strict=True)
    }
    return AdditiveTables(tables.intercept + float(weights[-1]), mains, pairs)
