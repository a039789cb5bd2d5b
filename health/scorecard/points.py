"""Points: the values of accounts converted by the curve of each measure."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from health.settings.measure import Measure
from health.settings.scorecard import Card, Scorecard

#: With fewer known values than this in a peer group, all accounts of the date are the peers.
FEWEST_PEERS = 5


def read_values(
    features: pd.DataFrame,
    scorecard: Scorecard,
    groups: pd.Series[str],
    percentiles: pd.DataFrame | None = None,
) -> dict[str, pd.DataFrame]:
    """Return the inputs of a scorecard's measures: values, and percentiles among peers.

    Parameters
    ----------
    features : pd.DataFrame, shape = (n_rows, n_features)
        Features of any dates; with `as_of`, peers are those of the same date only.
    scorecard : Scorecard
        Defines the measured features.
    groups : pd.Series of str, shape = (n_rows,)
        Peer group of each row.
    percentiles : pd.DataFrame, optional
        The rows of `percentiles_among`, if these are not all accounts of their dates.

    Returns
    -------
    dict of str to pd.DataFrame
        ``values`` and ``percentiles`` (0-100), with a column per measure that uses them.
    """
    measures = [m for card in scorecard.cards for m in card.measures]
    plain = dict.fromkeys(m.feature for m in measures if not m.percentile)
    if percentiles is None:
        percentiles = percentiles_among(features, ranked_features(scorecard), groups)
    return {"values": features[list(plain)].astype(float), "percentiles": percentiles}


def ranked_features(scorecard: Scorecard) -> list[str]:
    """Return the features whose measures read the percentile among peers."""
    measures = [m for card in scorecard.cards for m in card.measures]
    return list(dict.fromkeys(m.feature for m in measures if m.percentile))


def card_points(read: dict[str, pd.DataFrame], card: Card) -> pd.DataFrame:
    """Return the points of each measure of a card, NaN if the value is missing.

    Returns
    -------
    pd.DataFrame, shape = (n_rows, n_measures)
        0-100, higher is better.
    """
    columns = {}
    for m in card.measures:
        values = read["percentiles" if m.percentile else "values"][m.feature]
        columns[m.feature] = curve_points(values.to_numpy(dtype=float), m)
    return pd.DataFrame(columns, index=read["values"].index)


def curve_points(values: np.ndarray, measure: Measure) -> np.ndarray:
    """Return the points of values (or of percentiles, if the measure uses those)."""
    at, points = (np.array(column) for column in zip(*measure.corners, strict=True))
    if measure.bands is not None:
        place = np.searchsorted(at, values, side="right") - 1
        earned = points[np.clip(place, 0, None)]
    else:
        earned = np.interp(values, at, points)
    return np.where(np.isnan(values), np.nan, earned)


def percentiles_among(
    features: pd.DataFrame, names: Iterable[str], groups: pd.Series[str]
) -> pd.DataFrame:
    """Return the percentile of features among all accounts of the same date and peer group.

    Parameters
    ----------
    features : pd.DataFrame
        All accounts of their dates.
    names : iterable of str
        The features.
    groups : pd.Series of str
        Peer group of each row.

    Returns
    -------
    pd.DataFrame, shape = (n_rows, n_names)
        0-100, on the index of `features`.
    """
    date = features["as_of"] if "as_of" in features.columns else pd.Series(0, features.index)
    columns = {}
    for name in names:
        values = features[name].astype(float)
        few = values.groupby([date, groups]).transform("count") < FEWEST_PEERS
        among_peers = _percentile(values, [date, groups])
        columns[name] = among_peers.where(~few, _percentile(values, [date]))
    return pd.DataFrame(columns, index=features.index, dtype=float)


def _percentile(values: pd.Series[float], by: list[pd.Series]) -> pd.Series[float]:
    """Return (rank − 1) ÷ (n − 1) × 100 within groups, ties at their mean rank; 50 for n = 1."""
    grouped = values.groupby(by)
    others = grouped.transform("count") - 1
    rank = (grouped.rank(method="average") - 1) / others.where(others > 0) * 100
    return rank.where((others > 0) | values.isna(), 50.0)
