"""Every comment that was known before a date, with the score that came with it."""

from __future__ import annotations

from datetime import datetime

import narwhals as nw
import numpy as np
import pandas as pd

from features.tables.opened import Tables
from features.tables.point_in_time import Frame, collect, known_from
from features.tables.survey_scales import SCALES, default_scale

#: source is nps, csat, ces or ticket; score is on the default scale of its kind.
COLUMNS = ["account_id", "written_at", "source", "comment", "author", "score", "is_good", "is_bad"]
#: What `load_comments` adds: when a row and its score were known, and its reason code.
_WHEN = ["known_from", "scored_from", "label"]
_ANSWER = ("score", "scale", "respondent_id", "reason")
_TICKET = ("csat", "csat_at", "csat_scale", "requester_id", "reason")


def has_comments(tables: Tables) -> bool:
    """Return whether survey comments or ticket texts are recorded."""
    return tables.has("surveys", "comment") or tables.has("tickets", "subject")


def load_comments(tables: Tables, until: datetime) -> pd.DataFrame:
    """Return survey comments and ticket texts that were written before a date, oldest first.

    Parameters
    ----------
    tables : Tables
        Surveys with ``comment`` and tickets with ``subject``; either may be missing.
    until : datetime
        Exclusive.

    Returns
    -------
    pd.DataFrame
        `COLUMNS` with every score that is recorded; known_from and scored_from, the times after
        which the text and its score count; label, the reason code in lower case or empty. A
        missing author is the account.
    """
    found = [rows for rows in (_answers(tables, until), _tickets(tables, until)) if len(rows)]
    if not found:
        return pd.DataFrame(columns=[*COLUMNS, *_WHEN]).astype({"score": "float64"})
    rows = pd.concat(found, ignore_index=True)
    rows["author"] = rows["author"].fillna(rows["account_id"])
    rows["label"] = rows["label"].fillna("").astype(str).str.strip().str.casefold()
    # By everything that differs, so that the order of the tables' rows has no influence.
    order = ["written_at", "account_id", "source", "comment", "score"]
    return rows.sort_values(order, kind="stable")[[*COLUMNS, *_WHEN]].reset_index(drop=True)


def collect_comments(tables: Tables, until: datetime) -> pd.DataFrame:
    """Return survey comments and ticket texts that were known before a date, oldest first.

    Parameters
    ----------
    tables : Tables
        As for `load_comments`.
    until : datetime
        Exclusive. A text counts from when it was written (and from its ``known_at``), a ticket's
        rating from its ``csat_at``.

    Returns
    -------
    pd.DataFrame
        `COLUMNS`; score is NaN and both flags are False where no score is known.
    """
    return as_of(load_comments(tables, until), until)[COLUMNS].reset_index(drop=True)


def as_of(comments: pd.DataFrame, day: datetime) -> pd.DataFrame:
    """Return the rows of `load_comments` as they were known before a date, index kept."""
    rows = comments[comments["known_from"] < day].copy()
    unknown = ~(rows["scored_from"] < day)
    rows.loc[unknown, "score"] = np.nan
    rows.loc[unknown, ["is_good", "is_bad"]] = False
    return rows


def _answers(tables: Tables, until: datetime) -> pd.DataFrame:
    if not tables.has("surveys", "comment"):
        return pd.DataFrame()
    rows = tables["surveys"].filter(nw.col("answered_at") < until)
    frame = _read(rows, tables, "surveys", "answered_at", "comment", _ANSWER, "kind")
    frame["source"] = frame["kind"].str.lower()
    return _scored(
        frame.rename(columns={"respondent_id": "author"}).assign(scored_from=frame["known_from"]),
        frame["score"],
        frame["source"],
        frame["scale"],
    )


def _tickets(tables: Tables, until: datetime) -> pd.DataFrame:
    if not tables.has("tickets", "subject"):
        return pd.DataFrame()
    rows = tables["tickets"].filter(nw.col("opened_at") < until)
    frame = _read(rows, tables, "tickets", "opened_at", "subject", _TICKET)
    frame["source"] = "ticket"
    rated_at = pd.to_datetime(frame["csat_at"])
    return _scored(
        frame.rename(columns={"requester_id": "author"}).assign(
            scored_from=rated_at.where(rated_at > frame["known_from"], frame["known_from"]).where(
                rated_at.notna()
            )
        ),
        frame["csat"],
        pd.Series("csat", index=frame.index),
        frame["csat_scale"],
    )


def _read(
    rows: Frame,
    tables: Tables,
    table: str,
    at: str,
    text: str,
    optional: tuple[str, ...],
    *others: str,
) -> pd.DataFrame:
    present = [name for name in optional if tables.has(table, name)]
    known = known_from(rows, at)
    chosen = rows.select(
        "account_id",
        nw.col(at).alias("written_at"),
        nw.col(text).alias("comment"),
        known,
        *others,
        *present,
    )
    frame = collect(chosen.filter(~nw.col("comment").is_null()))
    for name in set(optional) - set(present):
        frame[name] = None
    return frame.rename(columns={"reason": "label"})


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
    scored = frame.assign(score=points, is_good=good, is_bad=bad)
    return scored[[*COLUMNS, *_WHEN]]
