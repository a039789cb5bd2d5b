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
        self._known_from = surveys.seen_from("answered_at")
        is_kind = {kind: surveys.is_text("kind", kind.__eq__) for kind in KINDS}
        scored = ~np.isnan(surveys["score"])
        self._scored = {kind: scored & of_kind for kind, of_kind in is_kind.items()}
        self._is_known_kind = np.logical_or.reduce(list(is_kind.values()))
        asked = np.flatnonzero(self._scored["nps"] & (surveys["answered_at"] != NEVER))
        self._person = np.full(len(surveys), -1)
        self._person[asked], self._person_account = _people(surveys.taken(asked))

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
                rows = rows[self._scored[kind][rows]]
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
        late = surveys.columns.get("known_at")
        known = True if late is None else (late < as_of) | (late == NEVER)
        sent = np.flatnonzero(within(surveys["sent_at"], as_of, _NOW) & known)
        answered = sent[surveys["answered_at"][sent] < as_of]
        recent = self._answered_within(as_of, _NOW)
        compared = recent[~np.isnan(surveys["gap"][recent])]
        quarter = self._answered_within(as_of, 90)
        bad = quarter[self._is_known_kind[quarter] & (surveys["is_bad"][quarter] == 1)]
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
        surveys, people = self._surveys, len(self._person_account)
        rows = self._answered_within(as_of, _NOW)
        rows = rows[self._scored["nps"][rows]]
        last = np.full(people, NEVER)
        last[self._person[rows]] = surveys["answered_at"][rows]
        rows = rows[surveys["answered_at"][rows] == last[self._person[rows]]]
        bad, decides = np.zeros(people), np.zeros(people)
        bad[self._person[rows[surveys["is_bad"][rows] == 1]]] = 1
        decides[self._person[rows[surveys["decides"][rows] == 1]]] = 1
        asked = np.flatnonzero(last != NEVER)

        def count(weights: Numbers) -> Numbers:
            return summed(self._person_account[asked], surveys.accounts, weights[asked])

        return {
            "detractors": np.where(count(np.ones(people)) > 0, count(bad), np.nan),
            "deciding_detractors": np.where(count(decides) > 0, count(bad * decides), np.nan),
        }


def _people(surveys: TableColumns) -> tuple[Codes, Codes]:
    """Return each answer's person, by number, and each person's account.

    A person without an id is told from others by the moment of the answer.
    """
    named = surveys["respondent_id"] >= 0
    keys = pd.DataFrame(
        {
            "account": surveys.account,
            "id": surveys["respondent_id"],
            "at": np.where(named, NEVER, surveys["answered_at"]),
        }
    )
    grouped = keys.groupby(["account", "id", "at"], sort=False)
    person: Codes = np.asarray(grouped.ngroup(), dtype=np.int64)
    owner = np.zeros(int(person.max(initial=-1)) + 1, dtype=np.int64)
    owner[person] = surveys.account
    return person, owner
