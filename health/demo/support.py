"""The `tickets` table: good support, bad support, and what customers say of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.random import Generator

from health.demo import latent
from health.demo.accounts import Traits
from health.demo.latent import Flags, Floats, Ints
from health.demo.life import Life
from health.demo.users import Users
from health.demo.words import TICKETS, write

_PRIORITIES = np.array(["low", "normal", "high", "urgent"], dtype=object)
_CHANNELS = np.array(["email", "chat", "phone", "web"], dtype=object)
_PRIORITY_ODDS = np.array([[0.26, 0.55, 0.15, 0.04], [0.08, 0.42, 0.32, 0.18]])
_HOUR = 3600
_DAY = 24 * _HOUR


@dataclass(frozen=True)
class Contacts:
    """Who asked when, and whether it went badly; arrays of shape (tickets,)."""

    account: Ints
    week: Ints
    bad: Flags


@dataclass(frozen=True)
class Tickets:
    """The `tickets` table, in order of opening, and the contact behind each of its rows."""

    table: pd.DataFrame
    behind: Contacts


def contacts(life: Life, traits: Traits, rng: Generator) -> Contacts:
    """Draw the support requests: each bad experience is one, the others went as they should."""
    feeling = life.satisfaction[:, : life.weeks]
    rate = traits.ticket_rate[:, None] * np.exp(latent.TICKETS_BY_SATISFACTION * feeling)
    rate = rate - traits.trouble[:, None] * np.exp(latent.TICKETS_BY_SATISFACTION * feeling)
    # A failing product makes everyone ask.
    rate = np.clip(rate, 0.0, 20.0) * np.where(life.outage, 3.0, 1.0)
    good = rng.poisson(rate * life.paying[:, : life.weeks])
    account, week = np.nonzero(good)
    many = good[account, week]
    bad_account, bad_week = np.nonzero(life.bad_support)
    return Contacts(
        np.concatenate([np.repeat(account, many), bad_account]),
        np.concatenate([np.repeat(week, many), bad_week]),
        np.concatenate([np.zeros(many.sum(), dtype=bool), np.ones(len(bad_week), dtype=bool)]),
    )


def tickets_table(
    asked: Contacts,
    life: Life,
    users: Users,
    observed_until_day: int,
    rng: Generator,
    *,
    language: Ints,
    words: Generator,
) -> Tickets:
    """Return the tickets of the contacts that fall on paid days.

    `language` is the one each account writes in, `words` the chance of its words alone.
    """
    n = len(asked.account)
    day = np.minimum(rng.choice(7, n, p=[0.03, 0.2, 0.2, 0.19, 0.18, 0.16, 0.04]), 6)
    account, week = asked.account, asked.week
    inside = (day >= life.opens[account, week]) & (day < life.closes[account, week])
    opened = (life.first_day + 7 * week + day) * _DAY + _working_second(n, rng)
    rows = np.flatnonzero(inside)
    rows = rows[np.argsort(opened[rows], kind="stable")]
    kept = Contacts(account[rows], week[rows], asked.bad[rows])
    times = _timeline(opened[rows].astype(np.float64), kept.bad, rng)
    end = observed_until_day * float(_DAY)
    # A later step is unknown while an earlier one has not happened yet.
    known = {name: np.where(values < end, values, np.nan) for name, values in times.items()}
    place = _requesters(kept, life, rng)
    rated, score = _rating(known, life, kept, end, rng)
    frame = pd.DataFrame(
        {
            "ticket_id": [f"TCK-{number:07d}" for number in range(1, len(rows) + 1)],
            "account_id": users.ids[kept.account],
            "requester_id": users.names(kept.account, place, kept.week),
            "opened_at": seconds_to_times(times["opened_at"]),
            **{k: seconds_to_times(v) for k, v in known.items() if k != "opened_at"},
            "priority": _priorities(kept.bad, rng),
            "channel": rng.choice(_CHANNELS, len(rows), p=[0.42, 0.28, 0.08, 0.22]),
            "escalated": rng.random(len(rows)) < np.where(kept.bad, 0.40, 0.03),
            "subject": write(TICKETS, _moved_by(kept, life, words), language[kept.account], words),
            "csat": score,
            "csat_at": seconds_to_times(rated),
        }
    )
    return Tickets(frame, kept)


def _moved_by(kept: Contacts, life: Life, words: Generator) -> Ints:
    """Return what tickets are about: trouble or a question, too few seats, or leaving."""
    n = len(kept.account)
    what = np.where(kept.bad, "bad", "good").astype(object)
    chance = words.random(n)
    what[(life.occupancy[kept.account, kept.week] > 0.95) & (chance < 0.1)] = "more"
    what[(life.mood[kept.account, kept.week] < -1.0) & (chance > 0.92)] = "leaving"
    return what


def _working_second(n: int, rng: Generator) -> Ints:
    return np.asarray((7 * _HOUR + 11 * _HOUR * rng.beta(2.0, 2.0, n)).astype(np.int64))


def _timeline(opened: Floats, bad: Flags, rng: Generator) -> dict[str, Floats]:
    """Return the times of a ticket's steps in seconds since 1970; NaN where there is none."""
    n = len(opened)
    reply = rng.lognormal(np.where(bad, np.log(9.0), np.log(2.0)), 0.9) * _HOUR
    work = rng.lognormal(np.where(bad, np.log(7.0), np.log(0.9)), 0.8) * _DAY
    reopened = rng.random(n) < np.where(bad, 0.45, 0.05)
    again = rng.lognormal(np.log(0.8), 0.7, n) * _DAY
    rework = rng.lognormal(np.where(bad, np.log(4.0), np.log(1.0)), 0.6) * _DAY
    replied = opened + np.minimum(reply, 0.9 * (reply + work))
    solved = opened + reply + work
    back = np.where(reopened, solved + again, np.nan)
    closed = np.where(reopened, back + rework, solved) + 3 * _DAY
    names = ("opened_at", "first_replied_at", "solved_at", "reopened_at", "closed_at")
    return dict(zip(names, (opened, replied, solved, back, closed), strict=True))


def _requesters(kept: Contacts, life: Life, rng: Generator) -> Ints:
    """Draw the place of the person who asks; those who use most ask most."""
    users = life.users[kept.account, kept.week]
    return np.asarray((users * rng.random(len(users)) ** 1.6).astype(np.int64))


def _priorities(bad: Flags, rng: Generator) -> Ints:
    odds = _PRIORITY_ODDS.cumsum(axis=1)[bad.astype(np.int64)]
    place = (rng.random((len(bad), 1)) > odds).sum(axis=1)
    return np.asarray(_PRIORITIES[np.minimum(place, 3)])


def _rating(
    times: dict[str, Floats], life: Life, kept: Contacts, end: float, rng: Generator
) -> tuple[Floats, Floats]:
    """Draw when a ticket was rated, and with how many of 5; NaN where it was not."""
    n = len(kept.account)
    feeling = life.satisfaction[kept.account, kept.week]
    mean = 4.2 - 1.5 * kept.bad + 0.35 * feeling
    score = np.clip(np.round(mean + rng.normal(0.0, 0.8, n)), 1, 5)
    # Who is content or furious answers, who is neither does not bother.
    answers = rng.random(n) < 0.30 + 0.06 * (score >= 5) + 0.08 * (score <= 2)
    at = times["solved_at"] + rng.exponential(10.0, n) * _HOUR
    at = np.where(answers & (at < end), at, np.nan)
    return at, np.where(np.isnan(at), np.nan, score)


def seconds_to_times(seconds: Floats) -> Floats:
    """Turn seconds since 1970 (NaN: none) into datetime64[us] of whole seconds."""
    missing = np.isnan(seconds)
    whole = np.where(missing, 0, seconds).astype(np.int64)
    times = whole.astype("datetime64[s]").astype("datetime64[us]")
    times[missing] = np.datetime64("NaT")
    return np.asarray(times)
