"""Which reasons are shown to people, each with the usual value of similar accounts.

The exact breakdown keeps every term. People see one reason per signal, and only reasons that point
in the direction given by the catalogue.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api.types import is_numeric_dtype

from features.catalogue import DESCRIBED
from features.definitions.feature import Feature
from health.reasons.change_sentences import bare_value
from health.reasons.reasons import (
    coded,
    coded_once,
    codes_of,
    with_columns,
    with_custom_sentences,
)
from health.reasons.sentences import as_shown
from health.reasons.signals import direction_of, never_a_reason, signal_of

#: Columns of reasons.parquet about what is shown.
COLUMNS = ("signal", "usual", "shown")
#: Introduces the usual value after the value of the account.
USUAL = " (similar accounts: "
#: A peer group with fewer values than this is compared with all accounts.
_FEWEST = 20
#: Maximum number of accounts that a usual value is computed from.
_SAMPLE = 50_000
_ALL = ""
#: Units that are relative to the past or to other accounts: zero means no difference.
_RELATIVE = {"ratio", "change"}


@dataclass(frozen=True)
class Peers:
    """What reasons are compared with.

    Attributes
    ----------
    groups : pd.Series of str
        Peer group by account_id.
    usual : pd.DataFrame
        As from `usual_values`.
    features : mapping of str to Feature
        The catalogue, with custom features.
    """

    groups: pd.Series[str]
    usual: pd.DataFrame
    features: Mapping[str, Feature]

    def mark(self, reasons: pd.DataFrame) -> pd.DataFrame:
        """Return reasons of one output with `COLUMNS`, as `mark_shown` does."""
        worded = with_custom_sentences(reasons, self.features)
        return mark_shown(worded, self.groups, self.usual, self.features)


def sampled(accounts: int) -> npt.NDArray[np.intp]:
    """Return the places, out of so many accounts, of those that usual values are computed from."""
    return np.arange(0, accounts, max(1, accounts // _SAMPLE))


def usual_values(features: pd.DataFrame, groups: pd.Series[str]) -> pd.DataFrame:
    """Return the median of each feature among similar accounts.

    Parameters
    ----------
    features : pd.DataFrame, shape = (n_accounts, n_columns)
        The features of all accounts of one date, or of those that `sampled` chose.
    groups : pd.Series of str, shape = (n_accounts,)
        Peer group of each account.

    Returns
    -------
    pd.DataFrame
        A row per peer group, and ``""`` for all accounts; a column per feature of the catalogue.
        A group with fewer than 20 values of a feature has the median of all.
    """
    names = [name for name in DESCRIBED if name in features and _is_number(features[name])]
    numbers = {name: features[name].to_numpy(dtype=float) for name in names}
    sample = pd.DataFrame(numbers, index=features.index, copy=False)
    by_group = sample.groupby(groups.astype(str).to_numpy())
    everyone = sample.median()
    medians = by_group.median().where(by_group.count() >= _FEWEST)
    medians = medians.fillna(everyone)
    return pd.concat([medians, everyone.to_frame(_ALL).T])


def _is_number(column: pd.Series[float]) -> bool:
    return is_numeric_dtype(column.dtype)


def mark_shown(
    reasons: pd.DataFrame,
    groups: pd.Series[str],
    usual: pd.DataFrame,
    features: Mapping[str, Feature] = DESCRIBED,
) -> pd.DataFrame:
    """Add each reason's signal, usual value, and whether it is shown.

    Parameters
    ----------
    reasons : pd.DataFrame
        Rows of one output, as from `reason_rows`.
    groups : pd.Series of str
        Peer group by account_id.
    usual : pd.DataFrame
        As from `usual_values`.
    features : mapping of str to Feature
        The catalogue, with custom features.

    Returns
    -------
    pd.DataFrame
        With `COLUMNS`; the text includes the usual value. For a probability, the
        strongest term of each signal is shown that raised it, is not context, and points in the
        catalogue's direction; for the health score, every measure that is not context.
    """
    if reasons.empty:
        return reasons.assign(signal=None, usual=np.nan, shown=False)
    output = str(reasons["output"].iloc[0])
    term, terms = codes_of(reasons["term"])
    names = [str(name) for name in terms]
    account, accounts = codes_of(reasons["account_id"])
    group = usual.index.get_indexer(
        pd.Index(pd.Series(accounts).map(groups).fillna(_ALL).astype(str))
    )
    row_group = np.where(group < 0, usual.index.get_indexer(pd.Index([_ALL]))[0], group)[account]
    value = reasons["value"].to_numpy(dtype=float)
    by_group = np.column_stack([_usual_of(name, usual, features) for name in names])
    found = by_group[row_group, term]
    signal, signals = pd.factorize(np.array([signal_of(name) for name in names], dtype=object))
    may_be = np.array([not never_a_reason(name, features) for name in names])
    shown = may_be[term]
    if output != "health":
        contribution = reasons["contribution"].to_numpy(dtype=float)
        rows = np.flatnonzero(shown & (contribution > 0))
        rows = rows[np.argsort(term[rows], kind="stable")]
        ends = np.searchsorted(term[rows], np.arange(len(names) + 1))
        shown = np.zeros(len(reasons), dtype=bool)
        for place, name in enumerate(names):
            own = rows[ends[place] : ends[place + 1]]
            if len(own):
                shown[own] = _supports(
                    features.get(name),
                    direction_of(name, output, features),
                    value[own],
                    found[own],
                )
        key = account.astype(np.int64) * len(signals) + signal[term]
        shown = _first_of_key(key, contribution, shown)
    return with_columns(
        reasons,
        text=_with_usual(
            reasons["text"],
            [features.get(name) for name in names],
            term=term,
            group=row_group,
            value=value,
            usual=by_group,
        ),
        signal=coded(signal[term], signals),
        usual=found,
        shown=shown,
    )


def _usual_of(
    name: str, usual: pd.DataFrame, features: Mapping[str, Feature]
) -> npt.NDArray[np.float64]:
    """Return the usual value of a term in each group; NaN where it is compared with none."""
    if name not in features or name not in usual or name.startswith("offer_"):
        return np.full(len(usual), np.nan)
    return usual[name].to_numpy(dtype=float)


def _supports(
    feature: Feature | None,
    direction: int | None,
    values: npt.NDArray[np.float64],
    usual: npt.NDArray[np.float64],
) -> npt.NDArray[np.bool_]:
    """Return which values support the output: they are on the right side of the usual value."""
    if feature is None or direction is None:
        return np.ones(len(values), dtype=bool)
    if direction == 0:
        return np.zeros(len(values), dtype=bool)
    shown, usual_shown = (as_shown(feature.unit, given) for given in (values, usual))
    # A value that reads like the usual one is no reason.
    beyond = np.isnan(usual) | (direction * (shown - usual_shown) > 0)
    if feature.unit in _RELATIVE:
        # "Use is up" is not a reason to worry, even if others are up more.
        beyond &= direction * values > 0
    return np.asarray(beyond & ~np.isnan(values))


def _first_of_key(
    keys: npt.NDArray[np.int64], size: npt.NDArray[np.float64], shown: npt.NDArray[np.bool_]
) -> npt.NDArray[np.bool_]:
    """Return which shown rows are the largest of their key, an account and a signal."""
    at = np.flatnonzero(shown)
    ordered = at[np.argsort(-size[at], kind="stable")]
    kept = np.zeros(len(shown), dtype=bool)
    kept[ordered[~pd.Series(keys[ordered]).duplicated().to_numpy()]] = True
    return kept


def _with_usual(
    texts: pd.Series[str],
    features: Sequence[Feature | None],
    *,
    term: npt.NDArray[Any],
    group: npt.NDArray[np.intp],
    value: npt.NDArray[np.float64],
    usual: npt.NDArray[np.float64],
) -> pd.Categorical:
    """Append the usual value to each sentence about a number.

    Parameters
    ----------
    texts : pd.Series of str
        The sentences.
    features : sequence of Feature or None
        The feature of each term.
    term, group, value : array, shape = (n_reasons,)
        The place of the term and of the peer group of each reason, and its value.
    usual : array, shape = (n_groups, n_terms)
        Usual values.
    """
    # The first end is none at all, the second that of a zero that is usual: its sentence contains
    # no number that another zero could be compared with.
    ends = ["", f"{USUAL}the same)"]
    end = np.zeros(usual.shape, dtype=np.intp)
    zero = np.zeros(usual.shape, dtype=bool)
    for place, feature in enumerate(features):
        if feature is None or feature.unit == "flag":
            continue
        shown = as_shown(feature.unit, usual[:, place])
        codes, distinct = pd.factorize(shown)
        end[:, place] = np.where(codes < 0, 0, codes + len(ends))
        ends += [f"{USUAL}{bare_value(feature, float(each))})" for each in distinct]
        zero[:, place] = (shown == 0) & (feature.unit not in _RELATIVE)
    own = end[group, term]
    own[zero[group, term] & (value == 0)] = 1
    own[np.isnan(value)] = 0
    text, names = codes_of(texts)
    # Each distinct pair is joined once: millions of rows share a few thousand sentences.
    pair, pairs = pd.factorize(text.astype(np.int64) * len(ends) + own)
    return coded_once(pair, [names[each // len(ends)] + ends[each % len(ends)] for each in pairs])
