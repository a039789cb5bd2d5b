"""Voice of the customer: would they recommend us, are they satisfied, was it easy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from features.metrics import Z_95, nps_standard_error, wilson_interval
from features.settings import DEFAULT_SETTINGS, FeatureSettings
from features.shrinkage import shrink
from features.spine_dates import SpineDates
from features.surveys_answers import surveys_brought_in
from features.surveys_catalogue import FEATURES
from features.surveys_counts import COUNTS, KINDS, Answers
from features.tables import Tables

__all__ = ["FEATURES", "build"]


def build(
    tables: Tables, spine: pd.DataFrame, *, settings: FeatureSettings = DEFAULT_SETTINGS
) -> pd.DataFrame:
    """Return the survey features of each account and date.

    Parameters
    ----------
    tables : Tables
        Without surveys every feature is NaN, but for bad ratings of tickets.
    spine : pd.DataFrame
        account_id, as_of, the attribute that makes peers, and tickets_badly_rated_90d.
    settings : FeatureSettings
        Peer group and deciding roles.

    Returns
    -------
    pd.DataFrame, shape = (n_rows, n_features)
        The index of `spine`; a float column per feature.

    Raises
    ------
    HealthError
        An answer is on a scale that is not understood.
    """
    names = [feature.name for feature in FEATURES]
    bad_ratings = spine.get("tickets_badly_rated_90d", pd.Series(np.nan, index=spine.index))
    if not tables.has("surveys"):
        empty = pd.DataFrame(np.nan, index=spine.index, columns=names)
        return empty.assign(surveys_negative_90d=bad_ratings.clip(upper=2))
    if spine.empty:
        return pd.DataFrame(np.nan, index=spine.index, columns=names)
    deciding = tuple(role.lower() for role in settings.deciding_roles)
    dates = SpineDates.of(spine)
    answers = Answers(surveys_brought_in(tables, spine, dates.accounts, deciding=deciding))
    summed = dates.told(COUNTS, answers.as_of)
    peers = spine.get(settings.peer_group, pd.Series(None, index=spine.index, dtype=object))
    out = _answering(summed) | _nps(summed, spine["as_of"], peers)
    out |= _csat(summed, spine["as_of"], peers) | _ces(summed, spine["as_of"], peers)
    for kind in KINDS:
        out[f"surveys_{kind}_latest"] = summed[f"{kind}_latest"]
    out["surveys_detractors_180d"] = summed["detractors"]
    out["surveys_deciding_detractors_180d"] = summed["deciding_detractors"]
    # A third bad experience says nothing new.
    bad = summed["bad"].fillna(0.0) + bad_ratings.fillna(0.0)
    out["surveys_negative_90d"] = bad.clip(upper=2)
    return pd.DataFrame({name: out[name] for name in names}).astype(float)


def _answering(summed: pd.DataFrame) -> dict[str, pd.Series[float]]:
    return {
        # An answer in words alone is an answer too; the day before is 0, whatever its hour.
        "surveys_days_since_answer": np.ceil(summed["days_since"]) - 1,
        "surveys_response_rate_180d": summed["answered"] / _some(summed["sent"]),
        "surveys_expectation_gap_180d": summed["gap"],
    }


def _nps(
    summed: pd.DataFrame, as_of: pd.Series[Any], peers: pd.Series[str]
) -> dict[str, pd.Series[float]]:
    now, before = (
        100 * (summed[f"nps_good_{w}"] - summed[f"nps_bad_{w}"]) / _some(summed[f"nps_{w}"])
        for w in ("now", "before")
    )
    shares, weight = _shrunk(summed, "nps", as_of, peers)
    shrunk = 100 * (shares["good"] - shares["bad"])
    # The standard error of the posterior: never 0, as it would be after a single answer.
    reach = 100 * Z_95 * nps_standard_error(shares["good"], shares["bad"], weight + 1)
    return {
        "surveys_nps_180d": now,
        "surveys_nps_shrunk_180d": shrunk,
        "surveys_nps_low_180d": (shrunk - reach).clip(lower=-100),
        "surveys_nps_high_180d": (shrunk + reach).clip(upper=100),
        "surveys_nps_trend_180d": now - before,
    }


def _csat(
    summed: pd.DataFrame, as_of: pd.Series[Any], peers: pd.Series[str]
) -> dict[str, pd.Series[float]]:
    now, before = (summed[f"csat_good_{w}"] / _some(summed[f"csat_{w}"]) for w in ("now", "before"))
    shares, _ = _shrunk(summed, "csat", as_of, peers)
    ends = wilson_interval(summed["csat_good_now"], summed["csat_now"])
    return {
        "surveys_csat_180d": now,
        "surveys_csat_shrunk_180d": shares["good"],
        "surveys_csat_low_180d": ends.low,
        "surveys_csat_high_180d": ends.high,
        "surveys_csat_trend_180d": now - before,
    }


def _ces(
    summed: pd.DataFrame, as_of: pd.Series[Any], peers: pd.Series[str]
) -> dict[str, pd.Series[float]]:
    shares, _ = _shrunk(summed, "ces", as_of, peers)
    good, bad, answers = (summed[f"ces{what}_now"] for what in ("_good", "_bad", ""))
    ends = wilson_interval(good, answers)
    return {
        "surveys_ces_180d": summed["ces_points_now"],
        "surveys_net_easy_180d": 100 * (good - bad) / _some(answers),
        "surveys_easy_shrunk_180d": shares["good"],
        "surveys_easy_low_180d": ends.low,
        "surveys_easy_high_180d": ends.high,
        "surveys_ces_trend_180d": summed["ces_points_now"] - summed["ces_points_before"],
    }


def _shrunk(
    summed: pd.DataFrame, kind: str, as_of: pd.Series[Any], peers: pd.Series[str]
) -> tuple[pd.DataFrame, pd.Series[float]]:
    """Return shares of good (and, of NPS, bad) answers, drawn to the peers' of the same date."""
    counts = summed[[f"{kind}_good_now", f"{kind}_bad_now", f"{kind}_now"]].fillna(0.0)
    counts.columns = ["good", "bad", "rest"]
    counts["rest"] -= counts["good"]
    if kind == "nps":
        counts["rest"] -= counts["bad"]
    else:
        counts = counts.drop(columns="bad")
    shares, weights = [], []
    for _, on_date in counts.groupby(as_of):
        found = shrink(on_date, peers.loc[on_date.index])
        shares.append(found.shares)
        weights.append(found.weight)
    if not shares:
        return counts, counts["good"]
    return pd.concat(shares).reindex(counts.index), pd.concat(weights).reindex(counts.index)


def _some(count: pd.Series[float]) -> pd.Series[float]:
    return count.where(count > 0)
