"""Voice of the customer: would they recommend us, are they satisfied, was it easy."""

from __future__ import annotations

from datetime import datetime, timedelta

import narwhals as nw
import numpy as np
import pandas as pd

from features import metrics, tickets
from features.feature import Feature, Unit
from features.point_in_time import collect
from features.survey_scales import SCALES
from features.tables import Tables


def _survey(
    name: str,
    window: int | None,
    unit: Unit,
    direction: int,
    sentence: str,
    zero: str,
    *,
    null: str,
) -> Feature:
    return Feature(
        f"surveys_{name}", "surveys", "surveys", window, unit, direction, null, zero, sentence
    )


FEATURES = (
    _survey(
        "nps_latest",
        365,
        "points",
        1,
        "The latest answer to whether they would recommend us: {value} of 10",
        "the latest answer to whether they would recommend us is 0 of 10",
        null="no answer in a year to whether they would recommend us (NPS)",
    ),
    _survey(
        "nps_180d",
        180,
        "points",
        1,
        "NPS over 180 days: {value} (from −100 to 100)",
        "NPS over 180 days: 0, as many promoters as detractors",
        null="no NPS answer in 180 days",
    ),
    _survey(
        "csat_180d",
        180,
        "share",
        1,
        "{value} of the satisfaction answers (CSAT) in 180 days were satisfied",
        "none of the satisfaction answers (CSAT) in 180 days was satisfied",
        null="no satisfaction answer (CSAT) in 180 days",
    ),
    _survey(
        "ces_180d",
        180,
        "points",
        1,
        "Ease of working with us (CES) over 180 days: {value} of 7",
        "ease of working with us (CES) over 180 days: 0 of 7",
        null="no answer on ease (CES) in 180 days",
    ),
    _survey(
        "days_since_answer",
        None,
        "days",
        -1,
        "Days without an answer to a survey: {value}",
        "answered a survey on the day before",
        null="nobody has ever answered a survey",
    ),
    _survey(
        "response_rate_180d",
        180,
        "share",
        1,
        "{value} of the surveys sent in 180 days were answered",
        "none of the surveys sent in 180 days was answered",
        null="no survey was sent in 180 days",
    ),
    _survey(
        "negative_90d",
        90,
        "count",
        -1,
        "Bad answers and ratings in 90 days: {value} (2 stands for more, too)",
        "no bad answer or rating in 90 days",
        null="neither surveys nor ratings are recorded",
    ),
)


def build(tables: Tables, as_of: datetime, accounts: pd.DataFrame) -> pd.DataFrame:
    """Return the survey features as of a date; parameters and result as in `usage.build`."""
    out = pd.DataFrame(np.nan, index=accounts.index, columns=[f.name for f in FEATURES])
    if not tables.has("surveys"):
        if tables.has("tickets", "csat"):
            out["surveys_negative_90d"] = _count(_bad_ratings(tables, as_of), out.index)
        return out
    sent = _surveys(tables, as_of)
    day = pd.Timestamp(as_of)
    answered = sent[sent["answered_at"].notna() & sent["score"].notna()]
    age = (day - answered["answered_at"]).dt.total_seconds() / 86_400
    nps = answered[answered["kind"] == "nps"]
    latest = nps[age.loc[nps.index] <= 365].sort_values(
        ["answered_at", "score"], ascending=[True, False]
    )
    out["surveys_nps_latest"] = latest.groupby("account_id")["score"].last()
    half_year = answered[age <= 180]
    for kind, column, metric in (
        ("nps", "surveys_nps_180d", metrics.nps),
        ("csat", "surveys_csat_180d", None),
        ("ces", "surveys_ces_180d", metrics.ces),
    ):
        own = half_year[half_year["kind"] == kind]
        if metric is None:
            out[column] = _satisfied(own).groupby(own["account_id"]).mean()
        else:
            out[column] = own.groupby("account_id")["score"].agg(
                lambda s, m=metric: m(s.to_numpy())
            )
    # An answer in words alone is an answer too.
    last = sent.groupby("account_id")["answered_at"].max().reindex(out.index)
    out["surveys_days_since_answer"] = np.ceil((day - last).dt.total_seconds() / 86_400) - 1
    if tables.has("surveys", "sent_at"):
        asked = sent[sent["sent_at"].between(day - timedelta(days=180), day, inclusive="left")]
        out["surveys_response_rate_180d"] = (
            asked["answered_at"].notna().groupby(asked["account_id"]).mean()
        )
    bad = pd.concat([_bad_answers(answered[age <= 90]), _bad_ratings(tables, as_of)])
    out["surveys_negative_90d"] = _count(bad, out.index)
    return out.astype(float)


def _surveys(tables: Tables, as_of: datetime) -> pd.DataFrame:
    """Return the questions asked before the date; an answer is seen from its own time on."""
    rows = tables["surveys"]
    has_sent = tables.has("surveys", "sent_at")
    if tables.has("surveys", "known_at"):
        rows = rows.filter(nw.col("known_at").is_null() | (nw.col("known_at") < as_of))
    before = nw.col("answered_at") < as_of
    if has_sent:
        before = before | (nw.col("sent_at") < as_of)
    score = nw.col("score") if tables.has("surveys", "score") else nw.lit(None, dtype=nw.Float64)
    scale = nw.col("scale") if tables.has("surveys", "scale") else nw.lit(None, dtype=nw.String)
    sent_at = nw.col("sent_at") if has_sent else nw.col("answered_at")
    known = nw.col("answered_at") < as_of
    rows = rows.filter(before).select(
        "account_id",
        nw.col("kind").str.to_lowercase().alias("kind"),
        nw.when(known).then(nw.col("answered_at")).alias("answered_at"),
        nw.when(known).then(score).alias("score"),
        scale.alias("scale"),
        sent_at.alias("sent_at"),
    )
    return collect(rows)


def _satisfied(answers: pd.DataFrame) -> pd.Series[float]:
    """Return 1 where a CSAT answer is satisfied on its own scale, else 0."""
    least = answers["scale"].map({n: s.good_from for n, s in SCALES["csat"].items()}).fillna(4.0)
    return (answers["score"] >= least).astype(float)


def _bad_answers(answers: pd.DataFrame) -> pd.Series[str]:
    """Return the account of each detractor, dissatisfied answer and hard effort."""
    kind, score = answers["kind"], answers["score"]
    most = answers["scale"].map({n: s.bad_to for n, s in SCALES["csat"].items()}).fillna(2.0)
    bad = (
        ((kind == "nps") & (score <= 6))
        | ((kind == "csat") & (score <= most))
        | ((kind == "ces") & (score <= 3))
    )
    return answers.loc[bad, "account_id"]


def _bad_ratings(tables: Tables, as_of: datetime) -> pd.Series[str]:
    if not tables.has("tickets"):
        return pd.Series(dtype=object)
    return tickets.negative_ratings(tables, as_of, days=90)["account_id"]


def _count(accounts: pd.Series[str], index: pd.Index[str]) -> pd.Series[float]:
    """Count bad experiences, 2 at the most: a third says nothing new."""
    return accounts.value_counts().astype(float).reindex(index).fillna(0.0).clip(upper=2)
