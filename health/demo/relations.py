"""Invoices, conversations and goals: what a vendor sees of a customer outside the product.

Each follows circumstances that use does not show (health.demo.circumstances) and, less, the
customer's mood, with its own lag and noise, and with habits that are unrelated to either: some
customers always pay late, and some never write back.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.random import Generator

from health.demo.accounts import Traits
from health.demo.latent import Floats, Ints
from health.demo.ledger import CURRENCY, days_to_times
from health.demo.life import Life
from health.demo.people import People
from health.demo.support import seconds_to_times

_DAY = 86_400
#: Days a customer has to pay.
_TERMS = np.array([14, 30, 30])
#: Outreach a week by segment: meetings, calls and emails of the CSM. Small customers have two
#: reviews a year, medium ones four, large ones twelve, and each an email a month at least.
_OUTREACH = np.array([[0.04, 0.03, 0.23], [0.08, 0.06, 0.35], [0.23, 0.10, 0.50]])
_KINDS = np.array(["meeting", "call", "email"], dtype=object)
#: Weeks after which mood shows in how people deal with the vendor.
_LAG_WEEKS = 3
#: Days by which a bill is late for each standard deviation of strain. 55 % of invoices are paid
#: late (clockify.me/late-invoice-statistics).
_STRAIN_DAYS = 13.0
#: Log of the failed charges of a card, and what strain adds: 5 to 10 % of monthly charges fail
#: (rekko.io/blog/involuntary-churn-statistics-2026). Each failure costs some days.
_FAILED, _STRAIN_FAILED, _RETRY_DAYS = -3.4, 1.4, 4
#: People who keep in touch answer and meet more, and a new decision maker less (log odds).
_CONTACT_ANSWERS, _REVIEW_ANSWERS = 1.0, -1.0
#: Milestones of a goal, the weeks it usually takes, how progress speeds it up (log), and the share
#: of the speed that is left after the target: what is late loses its urgency, and stays overdue.
_MILESTONES, _GOAL_WEEKS, _PROGRESS_SPEED, _LATE_SPEED = 4, 8.0, 0.9, 0.2
_GOALS = (
    "Report to the board every month",
    "Replace the spreadsheets",
    "Roll out to a second team",
    "Halve the time to close the month",
    "Connect the data warehouse",
    "Train all users",
)


def _mood(life: Life, account: Ints, week: Ints) -> Floats:
    """Return the mood of some weeks before, when what happens now was decided."""
    return np.asarray(life.mood[account, np.clip(week - _LAG_WEEKS, 0, life.weeks)], dtype=float)


def invoices_table(
    life: Life,
    traits: Traits,
    subscriptions: pd.DataFrame,
    ids: Ints,
    *,
    end_day: int,
    rng: Generator,
) -> pd.DataFrame:
    """Return the `invoices` table: a bill each month, of yearly contracts too."""
    account, issued = _issues(life, traits, end_day)
    mrr = _mrr_on(subscriptions, ids[account], days_to_times(issued))
    kept = mrr > 0
    account, issued, amount = account[kept], issued[kept], np.round(mrr, 2)[kept]
    n, segment = len(account), traits.segment[account]
    # A card is charged at once.
    by_card = (rng.random(len(traits)) < np.array([0.2, 0.1, 0.0])[traits.segment])[account]
    due = issued + np.where(by_card, 0, _TERMS[segment])
    week = np.clip((due - life.first_day) // 7, 0, life.weeks)
    # Some pay early and some late whatever they think; the unhappy put it off a little.
    strain = life.strain[account, week].astype(float)
    habit = rng.normal(0.0, 2.0, len(traits))[account]
    days = 4.0 + habit + _STRAIN_DAYS * strain - 2.0 * _mood(life, account, week)
    days = days + rng.gumbel(0.0, 3.0, n)
    failed = np.where(by_card, rng.poisson(np.exp(_FAILED + _STRAIN_FAILED * strain)), 0)
    paid = np.maximum(due + np.where(by_card, _RETRY_DAYS * failed, np.round(days)), issued)
    # Who is about to end the contract often leaves the last bills unpaid.
    ends = life.leaving[account, week] | ~life.paying[account, week]
    unpaid = rng.random(n) < np.where(ends, 0.35, 0.004)
    paid = np.where(unpaid | (paid >= end_day), np.nan, paid)
    order = np.argsort(issued, kind="stable")
    table = pd.DataFrame(
        {
            "account_id": ids[account],
            "issued_at": days_to_times(issued),
            "due_at": days_to_times(due),
            "amount": amount,
            "currency": CURRENCY,
            "paid_at": days_to_times(paid),
            "failed_attempts": failed.astype(float),
        }
    ).iloc[order]
    table.insert(1, "invoice_id", [f"INV-{number:07d}" for number in range(1, n + 1)])
    return table.reset_index(drop=True)


def _issues(life: Life, traits: Traits, end_day: int) -> tuple[Ints, Ints]:
    """Return an account and a day for each bill that falls into the window."""
    step = 365.25 / 12
    count = np.maximum((end_day - traits.start_day) // step + 1, 0).astype(int)
    account = np.repeat(np.arange(len(traits)), count)
    number = np.arange(len(account)) - np.repeat(count.cumsum() - count, count)
    issued = (traits.start_day[account] + number * step).astype(np.int64)
    inside = (issued >= life.first_day) & (issued < end_day)
    return account[inside], issued[inside]


def _mrr_on(subscriptions: pd.DataFrame, accounts: Ints, days: Floats) -> Floats:
    """Return the MRR of accounts on days."""
    asked = pd.DataFrame({"account_id": accounts, "day": days}).reset_index(names="row")
    rows = subscriptions[["account_id", "started_at", "ended_at", "mrr"]]
    both = asked.merge(rows, on="account_id")
    runs = (both["started_at"] <= both["day"]) & ~(both["ended_at"] <= both["day"])
    found = both.loc[runs].groupby("row")["mrr"].sum().reindex(asked["row"], fill_value=0.0)
    return np.asarray(found.to_numpy(dtype=float))


def interactions_table(
    life: Life,
    traits: Traits,
    people: People,
    managers: pd.Series[str],
    *,
    end_day: int,
    rng: Generator,
) -> pd.DataFrame:
    """Return the `interactions` table: the CSM's outreach, the answers, and who calls unasked."""
    weeks = np.arange(life.weeks)
    paying = life.paying[:, : life.weeks]
    parts = []
    shape = paying.shape
    eager = np.exp(0.5 * rng.standard_normal(len(traits)))[:, None]
    for place, kind in enumerate(_KINDS):
        # After an outage or a bad experience the CSM reaches out more.
        rate = _OUTREACH[traits.segment, place][:, None] * np.where(life.outage, 2.0, 1.0)
        rate = rate * np.where(life.bad_support, 2.5, 1.0)
        mood = life.mood[:, np.maximum(weeks - _LAG_WEEKS, 0)]
        contact = life.contact[:, : life.weeks]
        ready = 0.6 + 0.5 * mood + _CONTACT_ANSWERS * contact
        ready = ready + _REVIEW_ANSWERS * life.review[:, : life.weeks]
        accepts = 1 / (1 + np.exp(-ready)) if kind != "email" else 1.0
        parts.append(_drawn(rng.poisson(rate * accepts * paying), kind, "out", life, rng))
        unasked = eager * np.array([0.004, 0.008, 0.03])[place] * np.exp(0.4 * mood + 0.6 * contact)
        parts.append(_drawn(rng.poisson(unasked * paying, shape), kind, "in", life, rng))
    found = pd.concat([*parts, _answers(parts[4], life, traits, rng)], ignore_index=True)
    found = found[found["at"] < end_day * _DAY].sort_values("at", kind="stable")
    account = found["account"].to_numpy()
    who = _partners(account, found["at"].to_numpy() // _DAY, people, rng)
    return pd.DataFrame(
        {
            "account_id": managers.index.to_numpy()[account],
            "occurred_at": seconds_to_times(found["at"].to_numpy(dtype=float)),
            "kind": found["kind"].to_numpy(),
            "direction": found["direction"].to_numpy(),
            "contact_id": who,
            "csm": managers.to_numpy()[account],
        }
    ).reset_index(drop=True)


def _drawn(counts: Ints, kind: str, direction: str, life: Life, rng: Generator) -> pd.DataFrame:
    account, week = np.nonzero(counts)
    account, week = (np.repeat(values, counts[account, week]) for values in (account, week))
    n = len(account)
    day = life.first_day + 7 * week + rng.integers(1, 6, n)
    at = day * _DAY + (8 * 3600 + 9 * 3600 * rng.random(n)).astype(np.int64)
    return pd.DataFrame({"account": account, "at": at, "kind": kind, "direction": direction})


def _answers(emails: pd.DataFrame, life: Life, traits: Traits, rng: Generator) -> pd.DataFrame:
    """Return the answers to emails of the CSM: fewer from those who have lost interest."""
    account = emails["account"].to_numpy()
    week = np.clip((emails["at"].to_numpy() // _DAY - life.first_day) // 7, 0, life.weeks)
    habit = 0.5 * rng.standard_normal(len(traits))[account]
    ready = 0.2 + habit + 0.6 * _mood(life, account, week)
    ready = ready + _CONTACT_ANSWERS * life.contact[account, week]
    ready = ready + _REVIEW_ANSWERS * life.review[account, week]
    likely = 1 / (1 + np.exp(-ready))
    answered = emails[rng.random(len(emails)) < likely]
    wait = (rng.exponential(1.5 * _DAY, len(answered)) + 600).astype(np.int64)
    result: pd.DataFrame = answered.assign(at=answered["at"] + wait, direction="in")
    return result


def _partners(account: Ints, day: Ints, people: People, rng: Generator) -> Ints:
    """Draw the contact of each conversation among those at the customer on that day."""
    who = np.full(len(account), None, dtype=object)
    owned = pd.Series(np.arange(len(people.ids))).groupby(people.account).indices
    chance = rng.random(len(account))
    weight = np.where(people.champion, 4.0, np.where(people.decides, 1.5, 1.0))
    for row, (one, when) in enumerate(zip(account.tolist(), day.tolist(), strict=True)):
        known = owned.get(one)
        if known is None:
            continue
        present = known[(people.created[known] <= when) & (people.goes[known] > when)]
        if len(present):
            share = weight[present].cumsum()
            who[row] = people.ids[present[int(np.searchsorted(share, chance[row] * share[-1]))]]
    return np.asarray(who)


def goals_table(
    life: Life, traits: Traits, ids: Ints, *, end_day: int, rng: Generator
) -> pd.DataFrame:
    """Return the `goals` table: what customers want to achieve, and when they did."""
    rows = []
    # Goals are agreed where a CSM has time for the account.
    agrees = rng.random(len(traits)) < np.array([0.90, 0.95, 1.0])[traits.segment]
    for account in np.flatnonzero(agrees).tolist():
        day = int(traits.start_day[account] + rng.integers(7, 36))
        while day < end_day:
            week = (day - life.first_day) // 7
            if 0 <= week < life.weeks and life.paying[account, week]:
                target = day + int(rng.integers(40, 81))
                done = _reached(life, account, week, target, rng)
                rows.append((account, day, target, done))
            day += int(rng.integers(40, 61))
    columns = ["account", "set", "target", "reached"]
    found = pd.DataFrame(rows, columns=columns).sort_values("set", kind="stable")
    reached = found["reached"].where(found["reached"] < end_day).to_numpy(dtype=float)
    return pd.DataFrame(
        {
            "account_id": ids[found["account"].to_numpy(dtype=int)],
            "goal": rng.choice(np.array(_GOALS, dtype=object), len(found)),
            "set_at": days_to_times(found["set"].to_numpy()),
            "target_at": days_to_times(found["target"].to_numpy()),
            "reached_at": days_to_times(reached),
        }
    )


def _reached(life: Life, account: int, week: int, target: int, rng: Generator) -> float:
    """Draw the day on which a goal was noted as reached, some weeks after it was; NaN if never."""
    weeks = np.arange(week, life.weeks)
    # Goals are reached where the product does what it was bought for, less so by good mood.
    pull = _PROGRESS_SPEED * life.progress[account, weeks] + 0.1 * life.mood[account, weeks]
    speed = np.where(life.first_day + 7 * weeks < target, 1.0, _LATE_SPEED)
    done = np.cumsum(np.exp(pull) * speed * life.paying[account, weeks]) / _GOAL_WEEKS
    reached = np.flatnonzero(done >= rng.gamma(_MILESTONES) / _MILESTONES)
    if not len(reached):
        return float("nan")
    noted = 7 * rng.exponential(1.0)
    return float(life.first_day + 7 * weeks[reached[0]] + np.floor(noted) + rng.integers(0, 7))
