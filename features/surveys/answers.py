"""Answers to surveys: loaded on their own scales, and counted as of one date after another."""

from __future__ import annotations

from dataclasses import astuple, replace
from datetime import timedelta

import narwhals as nw
import numpy as np
import numpy.typing as npt
import pandas as pd

from features.errors import HealthError
from features.tables.opened import Tables
from features.tables.point_in_time import collect, known_from
from features.tables.schema import Kind
from features.tables.survey_scales import (
    SCALES,
    default_scale,
    understood_scales,
)
from features.windows.day_rows import Codes, Numbers, summed
from features.windows.observation_dates import ByAccount
from features.windows.table_columns import (
    NEVER,
    TableColumns,
    Times,
    days_before,
    days_from,
    load_columns,
    moment,
    some,
    within,
)

#: Days in which surveys were sent for the response rate.
SENT_DAYS = 180
KINDS = ("nps", "csat", "ces")
#: Answers of half a year, and of the half-year before.
_NOW, _BEFORE = SENT_DAYS, 2 * SENT_DAYS
_YEAR = 365
_Rows = npt.NDArray[np.intp]
#: Columns that are loaded, empty where the table lacks them.
_OPTIONAL: dict[str, Kind] = {
    **dict.fromkeys(("sent_at", "asked_from"), "time"),
    **dict.fromkeys(("score", "expected"), "number"),
    **dict.fromkeys(("respondent_id", "scale"), "text"),
    "decides": "flag",
}


def load_surveys(
    tables: Tables,
    observations: pd.DataFrame,
    accounts: pd.Index[str],
    *,
    deciding: tuple[str, ...],
) -> TableColumns:
    """Load the questions of the observed accounts, in order of their answers.

    Parameters
    ----------
    tables : Tables
        Needs surveys.
    observations : pd.DataFrame
        Needs as_of.
    accounts : pd.Index
        The accounts of the observations.
    deciding : tuple of str
        Roles, in lower case, of those who decide on the contract.

    Returns
    -------
    TableColumns
        kind (lower case), sent_at, asked_from (when the question was known), answered_at,
        known_from (when the answer was known), score, respondent_id and the flag decides; the
        flags is_good and is_bad, points (the score on the kind's default scale) and gap (perceived
        minus expected, on a scale of ten). Of answers at the same moment the worse one comes
        last; unanswered questions come after all answers. Unanswered questions that were sent
        more than `SENT_DAYS` before the first date are left out.

    Raises
    ------
    HealthError
        A scale is unknown.
    """
    _refuse_unknown_scales(tables, observations)
    first, last = (
        day.to_pydatetime() for day in (observations["as_of"].min(), observations["as_of"].max())
    )
    rows = tables["surveys"].with_columns(kind=nw.col("kind").str.to_lowercase())
    plain = ("sent_at", "score", "expected", "scale", "respondent_id")
    made = [nw.col(name) for name in plain if tables.has("surveys", name)]
    if tables.has("surveys", "role"):
        made.append(nw.col("role").str.to_lowercase().is_in(deciding).alias("decides"))
    matters = nw.col("answered_at") < last
    if tables.has("surveys", "sent_at"):
        asked = nw.col("sent_at") >= first - timedelta(days=SENT_DAYS)
        matters = matters | (asked & (nw.col("sent_at") < last))
        made.append(known_from(rows, "sent_at").alias("asked_from"))
    rows = rows.filter(matters).select(
        "account_id", "kind", "answered_at", known_from(rows, "answered_at"), *made
    )
    loaded = _on_scales(load_columns(rows, accounts, optional=_OPTIONAL))
    return loaded.taken(_in_order(loaded["answered_at"], loaded["points"]))


def _in_order(answered_at: Times, points: Numbers) -> npt.NDArray[np.intp]:
    """Return the order of answers, the worse of simultaneous ones last, then questions."""
    present = np.flatnonzero(answered_at != NEVER)
    worst_last = -np.nan_to_num(points[present], nan=np.inf)
    present = present[np.lexsort([worst_last, answered_at[present]])]
    return np.append(present, np.flatnonzero(answered_at == NEVER))


def _on_scales(rows: TableColumns) -> TableColumns:
    """Add is_good, is_bad, points and gap, by the kind and the scale of each row."""
    kinds, scales = (rows.texts[name].to_pylist() for name in ("kind", "scale"))
    # By the codes of both, of which the last ones are for none.
    ends = np.full((len(kinds) + 1, len(scales) + 1, 6), np.nan)
    for place, kind in enumerate(kinds):
        known = SCALES.get(kind, {})
        usual = known.get(default_scale(kind)) if known else None
        for other, name in enumerate([*scales, None]):
            scale = usual if name is None else known.get(name)
            if scale is not None and usual is not None:
                ends[place, other] = [*astuple(scale), usual.low, usual.high]
    low, high, good_from, bad_to, usual_low, usual_high = ends[rows["kind"], rows["scale"]].T
    score, is_scored = rows["score"], ~np.isnan(rows["score"] + low)
    made = {
        "is_good": np.where(is_scored, score >= good_from, -1),
        "is_bad": np.where(is_scored, score <= bad_to, -1),
        "points": (score - low) * ((usual_high - usual_low) / (high - low)) + usual_low,
        "gap": (score - rows["expected"]) * (10 / (high - low)),
    }
    return replace(rows, columns={**rows.columns, **made})


def _refuse_unknown_scales(tables: Tables, observations: pd.DataFrame) -> None:
    if not tables.has("surveys", "scale") or observations.empty:
        return
    last = observations["as_of"].max().to_pydatetime()
    asked = tables["surveys"].filter(nw.col("answered_at") < last)
    used = collect(asked.select(nw.col("kind").str.to_lowercase(), "scale").unique()).dropna()
    unknown = [
        f"{kind} {scale}"
        for kind, scale in zip(used["kind"], used["scale"], strict=True)
        if kind in SCALES and scale not in SCALES[kind]
    ]
    if unknown:
        raise HealthError(
            f"unknown scales: {', '.join(sorted(unknown))}",
            where="surveys.scale",
            fix=f"convert the answers to one of these scales: {understood_scales()}",
        )


class Answers:
    """The answers of a company's accounts, as of one date after another.

    Parameters
    ----------
    surveys : TableColumns
        In order of their answers, as `load_surveys` returns them.
    """

    def __init__(self, surveys: TableColumns) -> None:
        self._surveys = surveys
        self._known_from = surveys["known_from"]
        is_kind = {kind: surveys.is_text("kind", kind.__eq__) for kind in KINDS}
        scored = ~np.isnan(surveys["score"])
        self._scored = {kind: scored & of_kind for kind, of_kind in is_kind.items()}
        self._is_known_kind = np.logical_or.reduce(list(is_kind.values()))
        self._person = _people(surveys)

    def as_of(self, day: pd.Timestamp) -> ByAccount:
        """Return what every account answered; NaN where there is nothing to measure.

        Returns
        -------
        mapping of str to array of float
            For each of `KINDS`, of half a year (``_now``) and of the half-year before
            (``_before``): the number of answers, of good and of bad ones, and the mean points, as
            ``nps_now``, ``nps_good_now``, ``nps_bad_now``, ``nps_points_now`` and so on; the points
            of the latest answer, as ``nps_latest``. In addition days_since (an answer), sent,
            answered, gap, bad, detractors and deciding_detractors.
        """
        as_of = moment(day)
        year = self._answered_within(as_of, _YEAR)
        out = self._asked(as_of) | self._people_asked(as_of)
        for kind in KINDS:
            for when, days, until in (("now", _NOW, 0), ("before", _BEFORE, _NOW)):
                rows = self._answered_within(as_of, days, until)
                rows = self._of_people(rows[self._scored[kind][rows]])
                good, bad = (rows[self._surveys[n][rows] == 1] for n in ("is_good", "is_bad"))
                out[f"{kind}_{when}"] = count = self._count(rows)
                out[f"{kind}_good_{when}"], out[f"{kind}_bad_{when}"] = map(
                    self._count, (good, bad)
                )
                points = self._count(rows, self._surveys["points"][rows])
                out[f"{kind}_points_{when}"] = points / some(count)
            out[f"{kind}_latest"] = self._latest(year[self._scored[kind][year]])
        return out

    def _answered_within(self, as_of: int, days: float, until_days: float = 0) -> _Rows:
        """Return the rows, in order, answered in [as_of − days, as_of − until_days) and known."""
        ends = [days_before(as_of, days), days_before(as_of, until_days)]
        first, past = np.searchsorted(self._surveys["answered_at"], ends)
        known: _Rows = np.flatnonzero(self._known_from[first:past] < as_of)
        return known + int(first)

    def _count(self, rows: _Rows, weights: Numbers | None = None) -> Numbers:
        return summed(self._surveys.account[rows], self._surveys.accounts, weights)

    def _latest(self, rows: _Rows) -> Numbers:
        """Return the points of the latest answer; of two at once the worse."""
        last = np.full(self._surveys.accounts, np.nan)
        # In order of time, the worse one later: the last one assigned remains.
        last[self._surveys.account[rows]] = self._surveys["points"][rows]
        return last

    def _asked(self, as_of: int) -> dict[str, Numbers]:
        """Count surveys sent and answered; an answer in words alone is an answer, too."""
        surveys = self._surveys
        # A question is known with its row, an answer from when it is given.
        known = surveys["asked_from"] < as_of
        sent = np.flatnonzero(within(surveys["sent_at"], as_of, _NOW) & known)
        answered = sent[surveys["answered_at"][sent] < as_of]
        is_scored = self._is_known_kind & ~np.isnan(surveys["score"])
        recent, quarter = (self._answered_within(as_of, days) for days in (_NOW, 90))
        recent, quarter = (self._of_people(rows[is_scored[rows]]) for rows in (recent, quarter))
        compared = recent[~np.isnan(surveys["gap"][recent])]
        bad = quarter[surveys["is_bad"][quarter] == 1]
        ever = np.flatnonzero(self._known_from < as_of)
        last = np.full(surveys.accounts, NEVER)
        last[surveys.account[ever]] = surveys["answered_at"][ever]
        gap = self._count(compared, surveys["gap"][compared])
        return {
            "days_since": days_from(last, as_of),
            "sent": self._count(sent),
            "answered": self._count(answered),
            "gap": gap / some(self._count(compared)),
            "bad": self._count(bad),
        }

    def _people_asked(self, as_of: int) -> dict[str, Numbers]:
        """Count the people who answered NPS in half a year by their latest answer."""
        rows = self._answered_within(as_of, _NOW)
        rows = self._of_people(rows[self._scored["nps"][rows]])
        bad = rows[self._surveys["is_bad"][rows] == 1]
        deciding = rows[self._surveys["decides"][rows] == 1]
        deciding_bad = bad[self._surveys["decides"][bad] == 1]
        return {
            "detractors": np.where(self._count(rows) > 0, self._count(bad), np.nan),
            "deciding_detractors": np.where(
                self._count(deciding) > 0, self._count(deciding_bad), np.nan
            ),
        }

    def _of_people(self, rows: _Rows) -> _Rows:
        """Keep the latest of some answers of each person and kind; of two at once the worse."""
        person = self._person[rows]
        # In order of time, the worse one later: the last one assigned remains.
        last = np.full(len(self._surveys), -1)
        last[person] = np.arange(len(rows))
        kept: _Rows = rows[last[person] == np.arange(len(rows))]
        return kept


def _people(surveys: TableColumns) -> Codes:
    """Return the number of each answer's person, account and kind.

    Every answer without a respondent counts as another person.
    """
    named = surveys["respondent_id"] >= 0
    keys = pd.DataFrame(
        {
            "account": surveys.account,
            "kind": surveys["kind"],
            "id": surveys.people("respondent_id"),
            "answer": np.where(named, -1, np.arange(len(surveys))),
        }
    )
    grouped = keys.groupby(["account", "kind", "id", "answer"], sort=False)
    return np.asarray(grouped.ngroup(), dtype=np.int64)
