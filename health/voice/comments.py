"""Every comment that was known before a date, with the score that came with it."""

from __future__ import annotations

from datetime import datetime

import narwhals as nw
import numpy as np
import pandas as pd

from features.tables.opened import Tables
from features.tables.point_in_time import collect, known_rows
from features.tables.survey_scales import SCALES, default_scale

#: source is nps, csat, ces or ticket; score is on the default scale of its kind.
COLUMNS = ["account_id", "written_at", "source", "comment", "author", "score", "is_good", "is_bad"]


def collect_comments(tables: Tables, until: datetime) -> pd.DataFrame:
    """Return survey comments and ticket texts that were known before a date, oldest first.

    Parameters
    ----------
    tables : Tables
        Surveys with ``comment`` and tickets with ``subject``; either may be missing.
    until : datetime
        Exclusive. A text counts from when it was written (and from its ``known_at``), a ticket's
        rating from its ``csat_at``.

    Returns
    -------
    pd.DataFrame
        `COLUMNS`; score is NaN and both flags are False where no score is known. A missing author
        is the account.
    """
    found = [rows for rows in (_answers(tables, until), _tickets(tables, until)) if len(rows)]
    if not found:
        return pd.DataFrame(columns=COLUMNS).astype({"score": "float64"})
    rows = pd.concat(found, ignore_index=True)
    rows["author"] = rows["author"].fillna(rows["account_id"])
    ordered = rows.sort_values(["written_at", "account_id", "source"], kind="stable")
    return ordered[COLUMNS].reset_index(drop=True)


def _answers(tables: Tables, until: datetime) -> pd.DataFrame:
    if not tables.has("surveys", "comment"):
        return pd.DataFrame(columns=COLUMNS)
    optional = ("score", "scale", "respondent_id")
    present = [name for name in optional if tables.has("surveys", name)]
    rows = known_rows(tables, "surveys", until).select(
        "account_id", "kind", "answered_at", "comment", *present
    )
    frame = collect(rows.filter(~nw.col("comment").is_null())).reindex(
        columns=["account_id", "kind", "answered_at", "comment", *optional]
    )
    frame["source"] = frame["kind"].str.lower()
    return _scored(
        frame.rename(columns={"answered_at": "written_at", "respondent_id": "author"}),
        frame["score"],
        frame["source"],
        frame["scale"],
    )


def _tickets(tables: Tables, until: datetime) -> pd.DataFrame:
    if not tables.has("tickets", "subject"):
        return pd.DataFrame(columns=COLUMNS)
    optional = ("csat", "csat_at", "csat_scale", "requester_id")
    present = [name for name in optional if tables.has("tickets", name)]
    rows = known_rows(tables, "tickets", until).select(
        "account_id", "opened_at", nw.col("subject").alias("comment"), *present
    )
    frame = collect(rows.filter(~nw.col("comment").is_null())).reindex(
        columns=["account_id", "opened_at", "comment", *optional]
    )
    frame["source"] = "ticket"
    rated_at = pd.to_datetime(frame["csat_at"])
    rating = frame["csat"].where(rated_at < pd.Timestamp(until))
    return _scored(
        frame.rename(columns={"opened_at": "written_at", "requester_id": "author"}),
        rating,
        pd.Series("csat", index=frame.index),
        frame["csat_scale"],
    )


def _scored(
    frame: pd.DataFrame,
    score: pd.Series[float],
    kind: pd.Series[str],
    scale: pd.Series[str],
) -> pd.DataFrame:
    """Add the score on the kind's default scale, and whether it is a good or a bad one."""
    values = pd.to_numeric(score).to_numpy(dtype="float64")
    points = np.full(len(frame), np.nan)
    good, bad = np.zeros(len(frame), dtype=bool), np.zeros(len(frame), dtype=bool)
    for name, scales in SCALES.items():
        usual = scales[default_scale(name)]
        of_kind = (kind == name) & ~np.isnan(values)
        for label, on in scales.items():
            named = (scale == label) | (scale.isna() if on is usual else False)
            own = (of_kind & named).to_numpy(dtype=bool)
            stretch = (usual.high - usual.low) / (on.high - on.low)
            points[own] = (values[own] - on.low) * stretch + usual.low
            good[own], bad[own] = values[own] >= on.good_from, values[own] <= on.bad_to
    return frame.assign(score=points, is_good=good, is_bad=bad)[COLUMNS]
