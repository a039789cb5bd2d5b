"""The `surveys` table: NPS, CSAT and CES questions, and the answers that came."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.random import Generator

from health.demo.accounts import Traits
from health.demo.latent import Floats, Ints
from health.demo.life import Life
from health.demo.support import Tickets, seconds_to_times
from health.demo.users import Users
from health.demo.words import ANSWERS, write

_HOUR = 3600
_DAY = 24 * _HOUR
_NPS_EVERY, _CSAT_EVERY = 13, 26
#: No relationship survey in the first weeks.
_FIRST_WEEKS = 6
_SCALE = {"nps": "0-10", "csat": "1-5", "ces": "1-7"}
_ROLES = np.array(["user", "manager", "admin", "executive"], dtype=object)
_ROLE_ODDS = np.array([0.55, 0.22, 0.15, 0.08]).cumsum()


@dataclass(frozen=True)
class Sent:
    """Questions that went out; arrays of shape (questions,).

    `at` is in seconds since 1970, `perceived` what the person thinks on the question's scale
    before rounding.
    """

    kind: str
    account: Ints
    week: Ints
    at: Floats
    perceived: Floats
    low: int
    high: int


def surveys_table(
    life: Life,
    traits: Traits,
    users: Users,
    tickets: Tickets,
    *,
    observed_until_day: int,
    rng: Generator,
    language: Ints,
    words: Generator,
) -> pd.DataFrame:
    """Return the `surveys` table in order of sending.

    `language` is the one each account writes in, `words` the chance of its words alone.
    """
    end = observed_until_day * float(_DAY)
    batches = (_nps(life, traits, rng), _csat(life, rng), _ces(life, tickets, rng))
    parts = [_answered(sent, life, users, end, rng) for sent in batches]
    for part in parts:
        own = language[part.pop("account").to_numpy()]
        part["comment"] = write(ANSWERS, part["comment"].to_numpy(), own, words)
    frame = pd.concat(parts, ignore_index=True)
    return frame.sort_values(["sent_at", "respondent_id"], kind="stable", ignore_index=True)


def _due(life: Life, every: int, rng: Generator) -> tuple[Ints, Ints]:
    """Return account and week of the relationship surveys that fall due."""
    phase = rng.integers(0, every, len(life.users))
    due = np.arange(life.weeks) % every == phase[:, None]
    settled = life.paying[:, : life.weeks].copy()
    settled[:, _FIRST_WEEKS:] &= life.paying[:, : life.weeks - _FIRST_WEEKS]
    account, week = np.nonzero(due & settled)
    return account, week


def _sent_at(life: Life, week: Ints, rng: Generator) -> Floats:
    """Return a time on the week's Monday, so that a week with an end still holds it."""
    return np.asarray(
        (life.first_day + 7.0 * week) * _DAY + 15 * _HOUR + rng.random(len(week)) * _HOUR
    )


def _nps(life: Life, traits: Traits, rng: Generator) -> Sent:
    account, week = _due(life, _NPS_EVERY, rng)
    people = np.array([2, 3, 5])[traits.segment[account]]
    account, week = np.repeat(account, people), np.repeat(week, people)
    feeling = life.satisfaction[account, week]
    perceived = 7.3 + 1.6 * feeling + rng.normal(0.0, 1.1, len(account))
    return Sent("nps", account, week, _sent_at(life, week, rng), perceived, 0, 10)


def _csat(life: Life, rng: Generator) -> Sent:
    account, week = _due(life, _CSAT_EVERY, rng)
    feeling = life.satisfaction[account, week]
    perceived = 3.7 + 0.7 * feeling + rng.normal(0.0, 0.6, len(account))
    return Sent("csat", account, week, _sent_at(life, week, rng), perceived, 1, 5)


def _ces(life: Life, tickets: Tickets, rng: Generator) -> Sent:
    """Ask after some of the solved tickets how easy it was."""
    solved = tickets.table["solved_at"].to_numpy()
    asked = np.flatnonzero(~np.isnat(solved) & (rng.random(len(solved)) < 0.40))
    account, bad = tickets.behind.account[asked], tickets.behind.bad[asked]
    seconds = solved[asked].astype("datetime64[s]").astype(np.int64) + 2.0 * _HOUR
    week = np.minimum((seconds // _DAY - life.first_day) // 7, life.weeks - 1).astype(np.int64)
    feeling = life.satisfaction[account, week]
    perceived = 5.6 - 1.8 * bad + 0.45 * feeling + rng.normal(0.0, 1.0, len(asked))
    return Sent("ces", account, week, seconds, perceived, 1, 7)


def _answered(sent: Sent, life: Life, users: Users, end: float, rng: Generator) -> pd.DataFrame:
    """Draw who answers, when and what; a question that went out too late is left out."""
    in_time = sent.at < end
    account, week, at = sent.account[in_time], sent.week[in_time], sent.at[in_time]
    n = len(account)
    mood = life.mood[account, week]
    answers = rng.random(n) < 1 / (1 + np.exp(0.75 - 0.40 * mood))
    late = np.where(rng.random(n) < 0.06, 18.0, 2.0)
    answered = at + rng.exponential(late) * _DAY + 600.0
    answered = np.where(answers & (answered < end), answered, np.nan)
    silent = np.isnan(answered)
    score = np.clip(np.round(sent.perceived[in_time]), sent.low, sent.high)
    score = np.where(silent, np.nan, score)
    count = life.users[account, week]
    place = (count * rng.random(n)).astype(np.int64)
    role = _ROLES[np.searchsorted(_ROLE_ODDS, rng.random(n), side="right").clip(max=3)]
    return pd.DataFrame(
        {
            "account_id": users.ids[account],
            "kind": sent.kind,
            "sent_at": seconds_to_times(at),
            "answered_at": seconds_to_times(answered),
            "score": score,
            "scale": _SCALE[sent.kind],
            "respondent_id": users.names(account, place, week),
            "role": role,
            "expected": _expected(sent.kind, silent, rng),
            "comment": _moved_by(sent, score, life.occupancy[account, week], rng),
            "account": account,
        }
    )


def _expected(kind: str, silent: Ints, rng: Generator) -> Floats:
    """Return what half of those who answer a CSAT survey had expected, on its scale."""
    n = len(silent)
    if kind != "csat":
        return np.full(n, np.nan)
    expected = np.clip(np.round(rng.normal(4.0, 0.7, n)), 1, 5)
    return np.where(silent | (rng.random(n) < 0.5), np.nan, expected)


def _moved_by(sent: Sent, score: Floats, occupancy: Floats, rng: Generator) -> Ints:
    """Return what some answers are about: what the score says, or that seats run short."""
    n = len(score)
    share = (score - sent.low) / (sent.high - sent.low)
    tone = np.where(share < 0.6, "low", np.where(share < 0.85, "middle", "high")).astype(object)
    short = (occupancy > 0.95) & (rng.random(n) < 0.3) & (share >= 0.5)
    tone[short] = "more"
    answered = ~np.isnan(score) & (rng.random(n) < np.where(short, 0.6, 0.25))
    # Drawn here before the words had a chance of their own; the rest of a company stays the same.
    rng.random(n)
    tone[~answered] = None
    return tone
