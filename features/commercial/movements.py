"""How what an account pays moved: new, expansion, contraction, churn, reactivation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.commercial.contracts import Rows, deal_of
from features.windows.day_rows import Codes, Numbers, summed
from features.windows.observation_dates import ByAccount
from features.windows.table_columns import DAY_US, NEVER, TableColumns, Times, days_before, moment

#: What a movement may be, for an account as a whole: ending one of several subscriptions is
#: contraction.
MOVEMENTS = ("new", "expansion", "contraction", "churn", "reactivation")
_NONE = -1
#: What is below this is dust of sums, not money.
_DUST = 1e-6


class Movements:
    """The movements of a company's accounts, summed up as of one date after another.

    Parameters
    ----------
    rows : TableColumns
        The paid rows; see `commercial_contracts.paid_rows`.
    days : sequence of pd.Timestamp
        The dates, in order.
    grace_days : int
        A pause in paying that is shorter is no churn; what follows it is held against what was
        paid before it.
    """

    def __init__(
        self, rows: TableColumns, days: Sequence[pd.Timestamp], *, grace_days: int
    ) -> None:
        self._count = rows.accounts
        self._known_on = np.array([NEVER, *map(moment, days)])
        steps = _netted(rows, _as_known(rows, self._known_on[1:]))
        level = np.array(pd.Series(steps.mrr).groupby(steps.group, sort=False).cumsum())
        level[np.abs(level) <= _DUST] = 0.0
        before = _before(level, steps.group)
        self._part, self._account = np.divmod(steps.group, self._count)
        self._at = steps.at
        self._is_change = (before > 0) & (level > 0)
        self._kind = np.full(len(level), _NONE)
        self._amount = np.zeros(len(level))
        moving = np.flatnonzero(np.abs(level - before) > _DUST)
        self._kind[moving], self._amount[moving] = _named(
            steps.at[moving], level[moving], steps.group[moving], grace_days * DAY_US
        )

    def as_of(self, day: pd.Timestamp) -> ByAccount:
        """Return the features of every account as of a date: 0 where nothing moved."""
        half_year, year = self._within(day, 180), self._within(day, 365)
        out = {}
        for number, kind in enumerate(MOVEMENTS):
            rows = half_year[self._kind[half_year] == number]
            account = self._account[rows]
            out[f"mrr_{kind}_180d"] = summed(account, self._count, self._amount[rows])
            if kind in {"expansion", "contraction"}:
                out[f"{kind}s_180d"] = summed(account, self._count)
        changes = year[self._is_change[year]]
        return out | {"billing_changes_365d": summed(self._account[changes], self._count)}

    def _within(self, day: pd.Timestamp, days: int) -> Rows:
        """Return the movements in [day − days, day) that were known before the day."""
        as_of = moment(day)
        inside = (self._at < as_of) & (self._at >= days_before(as_of, days))
        known = (self._part == 0) | (self._known_on[self._part] == as_of)
        return np.flatnonzero(inside & known)


@dataclass(frozen=True)
class _Known:
    """Rows as they were known, each with its group (a part and an account) and its end."""

    rows: Rows
    group: Codes
    ends: Times


@dataclass(frozen=True)
class _Steps:
    """Moments at which what a group holds changed, and by how much its MRR, in their order."""

    group: Codes
    at: Times
    mrr: Numbers


def _as_known(rows: TableColumns, dates: Times) -> _Known:
    """Return which rows tell which dates.

    Rows that reached us after they began are seen on some dates and not on others, so that
    their accounts are told date by date, each date a part of its own; all others are part 0,
    which tells every date.
    """
    started, ended, seen_from = rows["started_at"], rows["ended_at"], rows.seen_from("started_at")
    is_late = np.zeros(rows.accounts, dtype=bool)
    is_late[rows.account[(seen_from > started) & (seen_from >= dates[0])]] = True
    late = is_late[rows.account]
    always = np.flatnonzero(~late & (started < dates[-1]))
    found = [_Known(always, rows.account[always], ended[always])]
    if late.any():
        for part, as_of in enumerate(dates, start=1):
            seen = np.flatnonzero(late & (seen_from < as_of))
            ends = np.where(ended[seen] < as_of, ended[seen], NEVER)
            found.append(_Known(seen, rows.account[seen] + part * rows.accounts, ends))
    return _Known(
        np.concatenate([part.rows for part in found]),
        np.concatenate([part.group for part in found]),
        np.concatenate([part.ends for part in found]),
    )


def _netted(rows: TableColumns, known: _Known) -> _Steps:
    """Net starts and ends per group and moment; where nothing changed there is no step."""
    # A row that ends before it begins never ran.
    ran = np.flatnonzero(known.ends > rows["started_at"][known.rows])
    held, group, ends = known.rows[ran], known.group[ran], known.ends[ran]
    over = np.flatnonzero(ends != NEVER)
    at = np.concatenate([rows["started_at"][held], ends[over]])
    moments, place = np.unique(at, return_inverse=True)
    terms, count = _terms(rows)
    steps = np.concatenate([group, group[over]]) * len(moments) + place
    # The same terms ended and begun again, as a renewal does, are no change.
    changes, place = np.unique(
        steps * count + np.concatenate([terms[held], terms[held[over]]]), return_inverse=True
    )

    def net(amounts: Numbers) -> Numbers:
        signed = np.concatenate([amounts[held], -amounts[held[over]]])
        return summed(place, len(changes), signed)

    mrr, others = net(rows["mrr"]), (net(rows["seats"]), net(np.ones(len(rows))))
    changed = np.any([np.abs(sums) > _DUST for sums in (mrr, *others)], axis=0)
    steps = changes // count
    steps, place = np.unique(steps, return_inverse=True)
    is_step = summed(place, len(steps), changed.astype(float)) > 0
    group, number = np.divmod(steps[is_step], max(len(moments), 1))
    return _Steps(group, moments[number], summed(place, len(steps), mrr)[is_step])


def _terms(rows: TableColumns) -> tuple[Codes, int]:
    """Return the number of each row's product, plan and months of billing, and how many."""
    months, _ = pd.factorize(rows["billing_months"])
    terms, unique = pd.factorize(deal_of(rows) * (len(rows) + 1) + months + 1)
    return terms, max(len(unique), 1)


def _named(
    at: Times, level: Numbers, group: Codes, grace: int
) -> tuple[npt.NDArray[np.integer], Numbers]:
    """Return kind and amount of each change of MRR of a group, in order of time."""
    before = _before(level, group)
    is_first = np.append(True, group[1:] != group[:-1])[: len(group)]
    is_soon = ~is_first & (at - _before(at, group) < grace)
    # A pause shorter than the grace period is none.
    resumed = is_soon & (before == 0)
    paused = np.append(is_soon[1:], False)[: len(group)] & (level == 0)
    was = np.where(resumed, _before(level, group, 2), before)
    kinds = {
        "churn": (level == 0) & ~paused,
        "reactivation": (was == 0) & ~is_first,
        "new": is_first,
        "": (level == was) | paused,
        "contraction": level < was,
    }
    numbers = [MOVEMENTS.index(kind) if kind else _NONE for kind in kinds]
    kind = np.select([*kinds.values()], numbers, MOVEMENTS.index("expansion"))
    return kind, np.abs(level - was)


def _before(values: npt.NDArray[Any], group: Codes, places: int = 1) -> npt.NDArray[Any]:
    """Return what stood so many places before in the same group; 0 where nothing did."""
    found = np.zeros_like(values)
    found[places:] = np.where(group[places:] == group[:-places], values[:-places], 0)
    return found
