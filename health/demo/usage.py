"""The `usage` table: one row an account, user, day and event."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.random import Generator

from health.demo import catalogue
from health.demo.accounts import Traits
from health.demo.latent import Flags, Floats, Ints
from health.demo.life import Life
from health.demo.users import Users

#: Accounts whose rows are made at once; bounds the memory, not the result's size.
_BLOCK = 100
#: Chance of use by day, from Sunday on, against a working day.
WEEKDAY = np.array([0.05, 1.0, 1.05, 1.0, 1.0, 0.85, 0.08], dtype=np.float32)
#: Share of accounts with a few rows after their end, for this many days.
TAIL_SHARE = 0.15
TAIL_DAYS = 3
_API_DAYS = np.array([1, 3, 5])
_WEEKS_A_MONTH = 30.4 / 7


@dataclass(frozen=True)
class Levels:
    """What drives use, by account and week; arrays of shape (accounts, weeks), float32.

    Attributes
    ----------
    active : float
        Log odds that a user of no special zeal works with the product in the week.
    days : float
        Chance that such a user does so on a working day.
    breadth : float
        Factor on the chance of each feature but the dashboard.
    errors : float
        Errors per use.
    """

    active: Floats
    days: Floats
    breadth: Floats
    errors: Floats


@dataclass(frozen=True)
class _Source:
    """Everything that rows are made of; `closes` has the tails after an end."""

    life: Life
    traits: Traits
    users: Users
    levels: Levels
    closes: Ints


def season(first_day: int, weeks: int) -> Floats:
    """Return the fleet's habit of the year by week, 1 in a plain week."""
    days = np.asarray(first_day + 7 * np.arange(weeks) + 3)
    dates = days.astype("datetime64[D]")
    of_year = (dates - dates.astype("datetime64[Y]")).astype(int)
    factor = np.where((of_year > 352) | (of_year < 4), 0.7, 1.0)
    factor = np.where((of_year > 205) & (of_year < 235), 0.92, factor)
    return np.asarray(np.where((of_year > 343) & (of_year <= 352), 0.85, factor))


def usage_levels(life: Life, traits: Traits, rng: Generator) -> Levels:
    """Turn the latent state into levels of use, each with its own lag and noise."""
    shape = life.closes.shape
    weeks = shape[1]
    feeling, mood = life.satisfaction[:, :weeks], life.mood[:, :weeks]

    def noise(scale: float) -> Floats:
        return scale * rng.standard_normal(shape, dtype=np.float32)

    factor = season(life.first_day, weeks) * np.where(life.outage, 0.7, 1.0)
    habit = traits.habit[:, None] - 0.8 * life.leaving[:, :weeks]
    active = -0.50 + 0.55 * mood + 0.75 * feeling + habit + 1.2 * np.log(factor) + noise(0.10)
    days = (
        0.42
        * np.exp(0.16 * mood + 0.20 * feeling + 0.08 * traits.habit[:, None] + noise(0.06))
        * factor
    )
    # Breadth follows with two to six weeks' delay, errors come before the mood.
    breadth = np.exp(0.36 * (lagged(mood, 2) + lagged(mood, 6)) / 2 + noise(0.12))
    errors = 0.08 * np.exp(-0.65 * feeling + noise(0.3)) * np.where(life.outage, 4.0, 1.0)
    return Levels(*(v.astype(np.float32) for v in (active, days, breadth, errors)))


def lagged(values: Floats, weeks: int) -> Floats:
    """Return the values of this many weeks ago; the first weeks repeat the first value."""
    places = np.maximum(np.arange(values.shape[1]) - weeks, 0)
    return np.asarray(values[:, places])


def usage_table(life: Life, traits: Traits, users: Users, rng: Generator) -> pd.DataFrame:
    """Return the `usage` table, in order of time."""
    levels = usage_levels(life, traits, rng)
    source = _Source(life, traits, users, levels, _with_tails(life.closes, rng))
    parts = []
    for first in range(0, len(traits), _BLOCK):
        rows = np.arange(first, min(first + _BLOCK, len(traits)))
        parts.append(_user_rows(source, rows, rng))
        parts.append(_api_rows(source, rows, rng))
    frame = pd.concat(parts, ignore_index=True)
    order = np.argsort(frame["occurred_at"].to_numpy().astype(np.int64), kind="stable")
    return frame.take(order).reset_index(drop=True)


def _with_tails(closes: Ints, rng: Generator) -> Ints:
    """Let a few accounts that ended be seen some days longer, within the week of the end."""
    tail = (rng.random(len(closes)) < TAIL_SHARE)[:, None] & (closes < 7)
    return np.asarray(np.where(tail, np.minimum(closes + TAIL_DAYS, 7), closes))


def _user_rows(source: _Source, rows: Ints, rng: Generator) -> pd.DataFrame:
    """Return the rows that people caused at the accounts `rows`."""
    life, users, levels, closes = source.life, source.users, source.levels, source.closes
    account, week, place = _people_at_work(life, users, levels, rows, rng)
    day_chance = np.minimum(levels.days[account, week], 0.95)[:, None] * WEEKDAY
    # People are regular: the days of a week are spread evenly, not drawn one by one.
    turns = day_chance.cumsum(axis=1) + rng.random((len(account), 1), dtype=np.float32)
    day = np.arange(7)
    paid = (day >= life.opens[account, week][:, None]) & (day < closes[account, week][:, None])
    seen, on_day = np.nonzero(_passed(turns, turns - day_chance) & paid)
    chance = feature_chances(life, levels, rows)[account[seen] - rows[0], week[seen]]
    use, event = np.nonzero(rng.random(chance.shape, dtype=np.float32) < chance)
    person = seen[use]
    names = users.names(account, place, week)
    day_number = life.first_day + 7 * week[person] + on_day[use]
    quantity = 1 + rng.exponential(1.2, len(use)).astype(np.int64)
    return pd.DataFrame(
        {
            "account_id": users.ids[account[person]],
            "user_id": names[person],
            "event": np.array(catalogue.USER_EVENTS, dtype=object)[event],
            "occurred_at": _clock(day_number, rng),
            "quantity": quantity,
            "duration_s": np.round(quantity * rng.exponential(90.0, len(use))),
            "errors": rng.poisson(quantity * levels.errors[account[person], week[person]]),
        }
    )


def _people_at_work(
    life: Life, users: Users, levels: Levels, rows: Ints, rng: Generator
) -> tuple[Ints, Ints, Ints]:
    """Draw who works with the product in which week: account, week and place of each."""
    weeks = life.weeks
    paid = (life.opens[rows] < 7) & (life.closes[rows] > 0)
    count = np.where(paid, life.users[rows, :weeks], 0)
    places = np.arange(count.max())
    present = places < count[:, :, None]
    present &= ~(users.empty[rows, :, None] & (places < users.champions[rows, None, None]))
    odds = levels.active[rows, :, None] + users.zeal[rows, None, : len(places)]
    chance = np.where(present, 1 / (1 + np.exp(-odds)), np.float32(0))
    start = rng.random((len(rows), 1, len(places)), dtype=np.float32)
    # Here too: who works in half of the weeks comes about every second one.
    turns = chance.cumsum(axis=1, dtype=np.float32) + start
    at, week, place = np.nonzero(_passed(turns, turns - chance) & present)
    return rows[at], week, place


def _passed(now: Floats, before: Floats) -> Flags:
    """Tell where a growing count has reached a new whole number."""
    return np.asarray(np.floor(now) > np.floor(before))


def feature_chances(life: Life, levels: Levels, rows: Ints) -> Floats:
    """Return the chance of each user event on a day of use, shape (rows, weeks, events)."""
    weeks = life.weeks
    breadth = levels.breadth[rows]
    columns = [
        p * (breadth if p < 0.5 else 1.0 + 0 * breadth) for p in catalogue.CORE_EVENTS.values()
    ]
    young = np.minimum(life.paying[rows, :weeks].cumsum(axis=1), 9) < 9
    new = young & ~life.paying[rows, :1]
    columns.append(0.30 * new * np.minimum(breadth, 2.0))
    columns.append(0.10 * (life.plan[rows, :weeks] == catalogue.TOP_PLAN) * breadth)
    columns += [0.16 * life.held[rows, :, k] * breadth for k in range(3)]
    columns += [0.14 * life.trying[rows, :, k] for k in range(4)]
    return np.asarray(np.minimum(np.stack(columns, axis=2), 0.95), dtype=np.float32)


def _api_rows(source: _Source, rows: Ints, rng: Generator) -> pd.DataFrame:
    """Return the nightly syncs: API calls of no person, three times a week."""
    life, traits, levels, closes = source.life, source.traits, source.levels, source.closes
    weeks = life.weeks
    paid = (life.quota_ratio[rows, :weeks] > 0) & (life.opens[rows] < 7)
    at, week = np.nonzero(paid)
    account = rows[at]
    calls = np.exp(rng.normal(0.0, 0.15, (len(at), 3))) / (3 * _WEEKS_A_MONTH)
    # Most calls are made by machines and do not mind the mood.
    used = traits.api_per_user[account] * life.users[account, week]
    used = used * np.clip(0.75 + 0.25 * levels.days[account, week] / 0.42, 0.2, 1.5)
    calls = np.maximum(np.round(calls * used[:, None]), 1).astype(np.int64)
    inside = (life.opens[account, week][:, None] <= _API_DAYS) & (
        closes[account, week][:, None] > _API_DAYS
    )
    row, slot = np.nonzero(inside)
    day = life.first_day + 7 * week[row] + _API_DAYS[slot]
    quantity = calls[row, slot]
    wrong = rng.poisson(0.02 * levels.errors[account[row], week[row]] * quantity)
    return pd.DataFrame(
        {
            "account_id": source.users.ids[account[row]],
            "user_id": np.full(len(row), None, dtype=object),
            "event": np.full(len(row), catalogue.QUOTA_EVENT, dtype=object),
            "occurred_at": _clock(day, rng),
            "quantity": quantity,
            "duration_s": np.full(len(row), np.nan),
            "errors": wrong,
        }
    )


def _clock(day: Ints, rng: Generator) -> Ints:
    """Give each row a time of its working day, in whole seconds, as datetime64[us]."""
    second = (6.5 * 3600 + 12 * 3600 * rng.beta(2.0, 2.0, len(day))).astype(np.int64)
    return np.asarray((day * 86400 + second).astype("datetime64[s]").astype("datetime64[us]"))
