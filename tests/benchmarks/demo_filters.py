"""What a demo company's tables contain of the causes of churn that usage does not show.

Filters by the laws that the simulator itself follows (`health.demo.circumstances`, `relations` and
`people`), from what was known before a date. Nobody has these laws of a real company: they show
how much the tables contain, for `tests.benchmarks.ceiling`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm, poisson

from health.demo.circumstances import PROGRESS_KEPT, SPONSOR_KEPT, SPONSOR_RATE, STRAIN_KEPT

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
#: Mean and standard deviation of a cause given the tables; the chance of a departure not recorded.
COLUMNS = (
    "strain_mean",
    "strain_sd",
    "progress_mean",
    "progress_sd",
    "review_mean",
    "review_hidden",
)
WEEKS = 104
#: Weeks after which nearly all bills are paid.
_SETTLED = 13


@dataclass(frozen=True)
class Clock:
    """Days since 1970 of the first week, and the dates asked for."""

    first: int
    dates: Sequence[int]

    def week(self, days: Floats) -> Ints:
        """Return the week of some days."""
        return np.asarray((days - self.first) // 7, dtype=np.int64)


def filtered(
    tables: Mapping[str, pd.DataFrame], stamps: Sequence[pd.Timestamp], until: pd.Timestamp
) -> pd.DataFrame:
    """Return account_id, as_of and `COLUMNS` of every account on every date."""
    ids = tables["accounts"]["account_id"].to_numpy()
    dates = [int(day) for day in _days(pd.Series(stamps))]
    clock = Clock(int(_days(pd.Series([until]))[0]) - 7 * WEEKS, dates)
    code = pd.Series(np.arange(len(ids)), index=ids)
    start = _days(tables["subscriptions"].groupby("account_id")["started_at"].min().reindex(ids))
    found = [
        _strain(tables["invoices"], code, clock),
        _progress(tables["goals"], code, clock),
        _review(tables["contacts"], code, start, clock),
    ]
    parts = [
        pd.DataFrame(
            {"account_id": ids, "as_of": stamp}
            | dict(zip(COLUMNS, [column for cause in found for column in cause[n]], strict=True))
        )
        for n, stamp in enumerate(stamps)
    ]
    return pd.concat(parts, ignore_index=True)


def _days(times: pd.Series[pd.Timestamp]) -> Floats:
    return np.asarray((times - pd.Timestamp(0)) / pd.Timedelta(days=1), dtype=float)


def _strain(bills: pd.DataFrame, code: pd.Series[int], clock: Clock) -> list[tuple[Floats, Floats]]:
    """Filter strain on a grid, together with how late the account pays anyway.

    Bills older than `_SETTLED` weeks are read once; those since, of which some are still open,
    are read anew for every date.
    """
    grid, habits = np.linspace(-3, 3, 31), np.linspace(-2, 2, 5)
    edges = np.r_[-np.inf, (grid[1:] + grid[:-1]) / 2, np.inf]
    spread = np.sqrt(1 - STRAIN_KEPT**2)
    move = np.diff(norm.cdf((edges - STRAIN_KEPT * grid[:, None]) / spread), axis=1)
    usual, often = (norm.pdf(values) / norm.pdf(values).sum() for values in (grid, habits))
    # Lateness: 13 days a unit of strain, a habit of 2 days and mood, about 0.4 (0.8) × −2 days.
    late = 3.3 + 13.0 * grid + 2.57 * habits[:, None]
    failing = np.exp(-3.4 + 1.4 * grid)
    account = code[bills["account_id"]].to_numpy()
    due, issued, paid = (_days(bills[name]) for name in ("due_at", "issued_at", "paid_at"))
    failed = bills["failed_attempts"].to_numpy(dtype=float)
    week = np.clip(clock.week(due), 0, WEEKS)
    of_week = [np.flatnonzero(week == number) for number in range(WEEKS + 1)]

    def read(p: Floats, number: int, date: int) -> None:
        rows = of_week[number][due[of_week[number]] < date]
        settled = paid[rows] < date
        days = np.where(settled, paid[rows], date) - due[rows]
        above, below = (_gumbel(days[:, None, None] - late + half) for half in (0.5, -0.5))
        # Nobody pays before the bill is there.
        at_once = settled & (paid[rows] <= issued[rows])
        on_time = np.where(at_once[:, None, None], above, above - below)
        chance = np.where(
            settled[:, None, None], 0.996 * np.maximum(on_time, 1e-7), 1 - 0.996 * below
        )
        card = due[rows] == issued[rows]
        tries = np.where(settled, failed[rows], np.ceil(np.maximum(days, 0) / 4))[card]
        by_card = np.where(
            settled[card][:, None],
            poisson.pmf(tries[:, None], failing),
            0.004 + 0.996 * poisson.sf(tries[:, None] - 1, failing),
        )
        chance[card] = by_card[:, None, :]
        # A bill a month: an account is in a week at most once.
        p[account[rows]] *= chance
        p[account[rows]] /= p[account[rows]].sum(axis=(1, 2), keepdims=True)

    known = np.tile(often[:, None] * usual, (len(code), 1, 1))
    done, found = -1, []
    for date in clock.dates:
        now = int(clock.week(np.array([date]))[0])
        for number in range(done + 1, now - _SETTLED + 1):
            known = known @ move if number else known
            read(known, number, date)
        done = max(done, now - _SETTLED)
        p = known.copy()
        for number in range(done + 1, now + 1):
            p = p @ move if number else p
            read(p, number, date)
        found.append(_moments(p.sum(axis=1), grid))
    return found


def _gumbel(days: Floats) -> Floats:
    return np.asarray(np.exp(-np.exp(-np.clip(days, -30, None) / 3.0)))


def _moments(weight: Floats, values: Floats) -> tuple[Floats, Floats]:
    share = weight / weight.sum(axis=1, keepdims=True)
    mean = share @ values
    return mean, np.sqrt(np.maximum(share @ values**2 - mean**2, 0.0))


def _progress(
    goals: pd.DataFrame, code: pd.Series[int], clock: Clock, paths: int = 1200
) -> list[tuple[Floats, Floats]]:
    """Weigh simulated paths of progress by the goals that each account had reached or not."""
    rng = np.random.default_rng(0)
    last = WEEKS + 14
    path = np.empty((last, paths))
    path[0] = rng.standard_normal(paths)
    for number in range(1, last):
        noise = np.sqrt(1 - PROGRESS_KEPT**2) * rng.standard_normal(paths)
        path[number] = PROGRESS_KEPT * path[number - 1] + noise
    # A goal takes eight weeks at a speed of 1; the mean over moods speeds it up by 6 %.
    speed = 1.06 * np.exp(0.9 * path) / 8.0
    total = np.vstack([np.zeros(paths), speed.cumsum(axis=0)]).astype(np.float32)
    account = code[goals["account_id"]].to_numpy()
    agreed, reached = _days(goals["set_at"]), _days(goals["reached_at"])
    begin = clock.week(agreed)
    target = np.ceil((_days(goals["target_at"]) - clock.first) / 7).astype(int)

    def done(rows: Ints, number: Ints | int) -> Floats:
        """Return the chance that a goal is reached before a week, by path: four milestones."""
        until = np.clip(number, begin[rows], last)
        in_time = np.minimum(until, np.clip(target[rows], begin[rows], last))
        work = total[in_time] - total[begin[rows]] + 0.2 * (total[until] - total[in_time])
        x = 4.0 * np.maximum(work, 0.0)
        return np.asarray(1 - np.exp(-x) * (1 + x + x**2 / 2 + x**3 / 6))

    noted_after = np.diff(1 - np.exp(-np.arange(7)))
    delay = np.convolve(noted_after / noted_after.sum(), [0.5, 0.5])
    known = np.flatnonzero(np.isfinite(reached))
    week = clock.week(reached[known])
    when = sum(
        share * (done(known, week - weeks + 1) - done(known, week - weeks))
        for weeks, share in enumerate(delay)
    )
    log_when = np.zeros((len(goals), paths), dtype=np.float32)
    log_when[known] = np.log(np.maximum(when, 1e-9))
    found = []
    for date in clock.dates:
        now = int(clock.week(np.array([date]))[0])
        noted = reached < date
        still = np.flatnonzero(~noted & (agreed < date))
        not_yet = sum(share * (1 - done(still, now - weeks)) for weeks, share in enumerate(delay))
        likelihood = np.zeros((len(code), paths))
        np.add.at(likelihood, account[noted], log_when[noted])
        np.add.at(likelihood, account[still], np.log(np.maximum(not_yet, 1e-9)))
        weight = np.exp(likelihood - likelihood.max(axis=1, keepdims=True))
        found.append(_moments(weight, path[now]))
    return found


def _review(
    contacts: pd.DataFrame, code: pd.Series[int], start: Floats, clock: Clock
) -> list[tuple[Floats, Floats]]:
    """Date the decision maker's departure, and weigh one that nobody has recorded yet."""
    executives = contacts[contacts["role"] == "executive"]
    account = code[executives["account_id"]].to_numpy()
    created, left = _days(executives["created_at"]), _days(executives["left_at"])
    age = np.arange(160)
    recorded = 0.9 * (1 - np.exp(-age / 2.0))
    followed = np.where(age < 5, 0.0, 1 - np.exp(-(age - 5) / 3.0))
    silent = SPONSOR_RATE * (1 - recorded) * (1 - followed)
    found = []
    for date in clock.dates:
        newest, gone = np.full((2, len(code)), -np.inf)
        count = np.zeros(len(code), dtype=int)
        known = created < date
        np.maximum.at(newest, account[known], created[known])
        np.add.at(count, account[known], 1)
        known &= left < date
        np.maximum.at(gone, account[known], left[known])
        # Recorded two weeks late, or seen from the successor: 5 weeks of vacancy, 3 to the record.
        departure = np.maximum(gone - 14.0, np.where(count > 1, newest - 56.0, -np.inf))
        review = SPONSOR_KEPT ** np.clip((date - departure) / 7, 0, 500)
        since = (date - np.maximum(departure, start)) / 7
        odds = silent * (age < since[:, None])
        total = odds.sum(axis=1)
        hidden = total / (1 + total)
        mean = review * (1 - hidden) + (odds * SPONSOR_KEPT**age).sum(axis=1) / (1 + total)
        found.append((mean, hidden))
    return found
