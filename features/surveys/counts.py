"""Answers to surveys counted as of a date: by kind, by half-year, by person."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.surveys.answers import SENT_DAYS
from features.windows.day_rows import Codes, Numbers, summed
from features.windows.observation_dates import ByAccount
from features.windows.table_columns import (
    NEVER,
    TableColumns,
    days_before,
    days_from,
    moment,
    some,
    within,
)

KINDS = ("nps", "csat", "ces")
#: Answers of half a year, and of the half-year before.
_NOW, _BEFORE = SENT_DAYS, 2 * SENT_DAYS
_YEAR = 365
Rows = npt.NDArray[np.intp]


class Answers:
    """The answers of a company's accounts, looked at as of one date after another.

    Parameters
    ----------
    surveys : TableColumns
        In order of their answers; see `surveys_answers.surveys_brought_in`.
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
        """Return what every account answered; NaN where there is nothing to tell.

        Returns
        -------
        mapping of str to array of float
            For each of `KINDS`, of half a year (``_now``) and of the half-year before
            (``_before``): the number of answers, of good and of bad ones, and the mean points, as
            ``nps_now``, ``nps_good_now``, ``nps_bad_now``, ``nps_points_now`` and so on; the points
            of the latest answer, as ``nps_latest``. Beside them days_since (an answer), sent,
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

    def _answered_within(self, as_of: int, days: float, until_days: float = 0) -> Rows:
        """Return the rows, in order, answered in [as_of − days, as_of − until_days) and known."""
        ends = [days_before(as_of, days), days_before(as_of, until_days)]
        first, past = np.searchsorted(self._surveys["answered_at"], ends)
        known: Rows = np.flatnonzero(self._known_from[first:past] < as_of)
        return known + int(first)

    def _count(self, rows: Rows, weights: Numbers | None = None) -> Numbers:
        return summed(self._surveys.account[rows], self._surveys.accounts, weights)

    def _latest(self, rows: Rows) -> Numbers:
        """Return the points of the latest answer; of two at once the worse."""
        last = np.full(self._surveys.accounts, np.nan)
        # In order of time, the worse one later: the last one written stays.
        last[self._surveys.account[rows]] = self._surveys["points"][rows]
        return last

    def _asked(self, as_of: int) -> dict[str, Numbers]:
        """Count what was sent and what came back; an answer in words alone is an answer too."""
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

    def _of_people(self, rows: Rows) -> Rows:
        """Keep the latest of some answers of each person and kind; of two at once the worse."""
        person = self._person[rows]
        # In order of time, the worse one later: the last one written remains.
        last = np.full(len(self._surveys), -1)
        last[person] = np.arange(len(rows))
        kept: Rows = rows[last[person] == np.arange(len(rows))]
        return kept


def _people(surveys: TableColumns) -> Codes:
    """Return the number of each answer's person, account and kind.

    Every answer without a respondent is a person's of its own.
    """
    named = surveys["respondent_id"] >= 0
    keys = pd.DataFrame(
        {
            "account": surveys.account,
            "kind": surveys["kind"],
            "id": surveys["respondent_id"],
            "answer": np.where(named, -1, np.arange(len(surveys))),
        }
    )
    grouped = keys.groupby(["account", "kind", "id", "answer"], sort=False)
    return np.asarray(grouped.ngroup(), dtype=np.int64)
