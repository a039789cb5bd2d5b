"""Voice of the customer: would they recommend us, are they satisfied, was it easy."""

from __future__ import annotations

from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from features.many_dates import KEYS, Frame, count_where, last_days, on_spine
from features.metrics import Z_95, nps_standard_error, wilson_interval
from features.settings import DEFAULT_SETTINGS, FeatureSettings
from features.shrinkage import shrink
from features.surveys_answers import surveys_on_dates
from features.surveys_catalogue import FEATURES
from features.tables import Tables

__all__ = ["FEATURES", "build"]

_KINDS = ("nps", "csat", "ces")
#: Answers of half a year, and of the half-year before.
_NOW, _BEFORE = 180, 360
_YEAR = 365


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
        out = pd.DataFrame(np.nan, index=spine.index, columns=names)
        out["surveys_negative_90d"] = bad_ratings.clip(upper=2)
        return out
    deciding = tuple(role.lower() for role in settings.deciding_roles)
    rows = surveys_on_dates(tables, spine, deciding=deciding)
    summed = on_spine(_summed(rows), spine)
    latest = on_spine(_latest(rows), spine)
    people = on_spine(_people(rows), spine)
    peers = spine.get(settings.peer_group, pd.Series(None, index=spine.index, dtype=object))
    out = _answering(summed, spine)
    out = out.join(_nps(summed, spine["as_of"], peers)).join(_csat(summed, spine["as_of"], peers))
    out = out.join(_ces(summed, spine["as_of"], peers))
    for kind in _KINDS:
        out[f"surveys_{kind}_latest"] = latest[kind]
    out["surveys_detractors_180d"] = people["detractors"]
    out["surveys_deciding_detractors_180d"] = people["deciding_detractors"].where(
        people["deciding"] > 0
    )
    # A third bad experience says nothing new.
    bad = summed["bad"].fillna(0.0) + bad_ratings.fillna(0.0)
    out["surveys_negative_90d"] = bad.clip(upper=2)
    return out[names].astype(float)


def _summed(rows: Frame) -> Frame:
    """Count answers by kind, half-year and how good they are, per date and account."""
    scored = ~nw.col("score").is_null()
    sent, gap = last_days("sent_at", _NOW), nw.when(last_days("answered_at", _NOW))
    sums = []
    for kind in _KINDS:
        of_kind = scored & (nw.col("kind") == kind)
        for when, within in (
            ("now", last_days("answered_at", _NOW)),
            ("before", last_days("answered_at", _BEFORE, until_days=_NOW)),
        ):
            sums += [
                count_where(of_kind & within).alias(f"{kind}_{when}"),
                count_where(of_kind & within & (nw.col("is_good") == 1.0)).alias(
                    f"{kind}_good_{when}"
                ),
                count_where(of_kind & within & (nw.col("is_bad") == 1.0)).alias(
                    f"{kind}_bad_{when}"
                ),
                nw.when(of_kind & within)
                .then(nw.col("points"))
                .mean()
                .alias(f"{kind}_points_{when}"),
            ]
    known = nw.col("kind").is_in(_KINDS)
    return rows.group_by("as_of", "account_id").agg(
        *sums,
        nw.col("answered_at").max().alias("answered_at"),
        count_where(sent).alias("sent"),
        count_where(sent & ~nw.col("answered_at").is_null()).alias("answered"),
        gap.then(nw.col("gap")).mean().alias("gap"),
        count_where(last_days("answered_at", 90) & known & (nw.col("is_bad") == 1.0)).alias("bad"),
    )


def _latest(rows: Frame) -> Frame:
    """Return the points of the latest answer of each kind in a year; of two at once the worse."""
    scored = rows.filter(~nw.col("score").is_null() & last_days("answered_at", _YEAR))
    scored = scored.select(*KEYS, "kind", "answered_at", "points")
    last = _last_answers(scored, "kind")
    return last.group_by(*KEYS).agg(
        *(nw.when(nw.col("kind") == k).then(nw.col("points")).min().alias(k) for k in _KINDS)
    )


def _people(rows: Frame) -> Frame:
    """Count the people who answered NPS in half a year by their latest answer."""
    scored = rows.filter(
        ~nw.col("score").is_null() & (nw.col("kind") == "nps") & last_days("answered_at", _NOW)
    )
    # A person without an id is told from others by the moment of the answer.
    scored = scored.with_columns(
        who=nw.when(nw.col("anonymous_at").is_null())
        .then(nw.col("person"))
        .otherwise(nw.col("anonymous_at").cast(nw.String))
    ).select(*KEYS, "who", "answered_at", "is_bad", "decides")
    person = (
        _last_answers(scored, "who")
        .group_by(*KEYS, "who")
        .agg(nw.col("is_bad").max(), nw.col("decides").max())
    )
    bad = nw.col("is_bad") == 1.0
    return person.group_by(*KEYS).agg(
        count_where(bad).alias("detractors"),
        count_where(nw.col("decides") == 1.0).alias("deciding"),
        count_where(bad & (nw.col("decides") == 1.0)).alias("deciding_detractors"),
    )


def _last_answers(rows: Frame, by: str) -> Frame:
    """Return the rows of the latest moment of each date, account and `by`."""
    keys = [*KEYS, by, "answered_at"]
    last = rows.group_by(*KEYS, by).agg(nw.col("answered_at").max())
    return rows.join(last, on=keys, how="inner")


def _answering(summed: pd.DataFrame, spine: pd.DataFrame) -> pd.DataFrame:
    since = spine["as_of"] - pd.to_datetime(summed["answered_at"])
    return pd.DataFrame(
        {
            # An answer in words alone is an answer too; the day before is 0, whatever its hour.
            "surveys_days_since_answer": np.ceil(since.dt.total_seconds() / 86_400) - 1,
            "surveys_response_rate_180d": summed["answered"] / _some(summed["sent"]),
            "surveys_expectation_gap_180d": summed["gap"],
        }
    )


def _nps(summed: pd.DataFrame, as_of: pd.Series[Any], peers: pd.Series[str]) -> pd.DataFrame:
    now, before = (
        100 * (summed[f"nps_good_{w}"] - summed[f"nps_bad_{w}"]) / _some(summed[f"nps_{w}"])
        for w in ("now", "before")
    )
    shares, weight = _shrunk(summed, "nps", as_of, peers)
    shrunk = 100 * (shares["good"] - shares["bad"])
    # The standard error of the posterior: never 0, as it would be after a single answer.
    reach = 100 * Z_95 * nps_standard_error(shares["good"], shares["bad"], weight + 1)
    return pd.DataFrame(
        {
            "surveys_nps_180d": now,
            "surveys_nps_shrunk_180d": shrunk,
            "surveys_nps_low_180d": (shrunk - reach).clip(lower=-100),
            "surveys_nps_high_180d": (shrunk + reach).clip(upper=100),
            "surveys_nps_trend_180d": now - before,
        }
    )


def _csat(summed: pd.DataFrame, as_of: pd.Series[Any], peers: pd.Series[str]) -> pd.DataFrame:
    now, before = (summed[f"csat_good_{w}"] / _some(summed[f"csat_{w}"]) for w in ("now", "before"))
    shares, _ = _shrunk(summed, "csat", as_of, peers)
    ends = wilson_interval(summed["csat_good_now"], summed["csat_now"])
    return pd.DataFrame(
        {
            "surveys_csat_180d": now,
            "surveys_csat_shrunk_180d": shares["good"],
            "surveys_csat_low_180d": ends.low,
            "surveys_csat_high_180d": ends.high,
            "surveys_csat_trend_180d": now - before,
        }
    )


def _ces(summed: pd.DataFrame, as_of: pd.Series[Any], peers: pd.Series[str]) -> pd.DataFrame:
    shares, _ = _shrunk(summed, "ces", as_of, peers)
    good, bad, answers = (summed[f"ces{what}_now"] for what in ("_good", "_bad", ""))
    ends = wilson_interval(good, answers)
    return pd.DataFrame(
        {
            "surveys_ces_180d": summed["ces_points_now"],
            "surveys_net_easy_180d": 100 * (good - bad) / _some(answers),
            "surveys_easy_shrunk_180d": shares["good"],
            "surveys_easy_low_180d": ends.low,
            "surveys_easy_high_180d": ends.high,
            "surveys_ces_trend_180d": summed["ces_points_now"] - summed["ces_points_before"],
        }
    )


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
