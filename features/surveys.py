"""Voice of the customer: would they recommend us, are they satisfied, was it easy."""

from __future__ import annotations

from datetime import datetime, timedelta

import narwhals as nw
import numpy as np
import pandas as pd

from features import metrics, tickets
from features.feature import Feature, Unit
from features.point_in_time import collect
from features.tables import Tables

_NO_ANSWER = "nobody has answered"


def _survey(
    name: str,
    window: int | None,
    unit: Unit,
    direction: int,
    sentence: str,
    *,
    null: str = _NO_ANSWER,
    zero: str,
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
        "Would recommend us: {value} of 10 in the latest answer",
        null="no NPS answer in a year",
        zero="would not recommend us at all",
    ),
    _survey(
        "nps_180d",
        180,
        "points",
        1,
        "NPS of {value} over 180 days",
        null="no NPS answer in 180 days",
        zero="as many promoters as detractors",
    ),
    _survey(
        "csat_180d",
        180,
        "share",
        1,
        "{value} satisfied in surveys over 180 days",
        null="no CSAT answer in 180 days",
        zero="nobody was satisfied",
    ),
    _survey(
        "ces_180d",
        180,
        "points",
        1,
        "Ease rated {value} of 7 over 180 days",
        null="no effort answer in 180 days",
        zero="no ease at all",
    ),
    _survey(
        "days_since_answer",
        None,
        "days",
        -1,
        "Last answered a survey {value} days ago",
        zero="answered on the day before",
    ),
    _survey(
        "response_rate_180d",
        180,
        "share",
        1,
        "{value} of our surveys were answered",
        null="no survey was sent in 180 days",
        zero="no survey was answered",
    ),
    _survey(
        "negative_90d",
        90,
        "count",
        -1,
        "{value} bad experiences in 90 days (2 stands for more too)",
        null="neither surveys nor ratings are recorded",
        zero="no bad experience in 90 days",
    ),
)


def build(tables: Tables, as_of: datetime, accounts: pd.DataFrame) -> pd.DataFrame:
    """Return the survey features as of a date; parameters and result as in `usage.build`."""
    out = pd.DataFrame(np.nan, index=accounts.index, columns=[f.name for f in FEATURES])
    if not tables.has("surveys"):
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
    last = answered.groupby("account_id")["answered_at"].max().reindex(out.index)
    out["surveys_days_since_answer"] = np.floor((day - last).dt.total_seconds() / 86_400)
    if tables.has("surveys", "sent_at"):
        asked = sent[sent["sent_at"] >= day - timedelta(days=180)]
        out["surveys_response_rate_180d"] = (
            asked["answered_at"].notna().groupby(asked["account_id"]).mean()
        )
    out["surveys_negative_90d"] = _negative(tables, as_of, answered[age <= 90], out.index)
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
    least = answers["scale"].map(metrics.SATISFIED_FROM).astype(float).fillna(4.0)
    return (answers["score"] >= least).astype(float)


def _negative(
    tables: Tables, as_of: datetime, answered: pd.DataFrame, index: pd.Index[str]
) -> pd.Series[float]:
    """Count bad experiences, 2 at the most: detractors, dissatisfied, hard effort, bad ratings."""
    kind, score = answered["kind"], answered["score"]
    dissatisfied = (kind == "csat") & (_satisfied(answered) == 0) & (score <= 2)
    bad = ((kind == "nps") & (score <= 6)) | dissatisfied | ((kind == "ces") & (score <= 3))
    accounts = answered.loc[bad, "account_id"]
    if tables.has("tickets"):
        rated = tickets.negative_ratings(tables, as_of, days=90)
        accounts = pd.concat([accounts, rated["account_id"]])
    return accounts.value_counts().astype(float).reindex(index).fillna(0.0).clip(upper=2)
