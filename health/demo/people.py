"""The `contacts` table: who is who at a customer, as far as the CRM keeps up with it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.random import Generator

from health.demo.accounts import Traits
from health.demo.circumstances import weeks_since_review
from health.demo.latent import Floats, Ints
from health.demo.ledger import days_to_times
from health.demo.life import Life
from health.demo.state import NEVER
from health.demo.users import EMPTY_WEEKS, Users

#: Share of departures that anyone records, and the weeks until someone does.
_NOTICED, _NOTICED_AFTER_WEEKS = 0.9, 2.0
#: Weeks from a person's first day to their row in the CRM.
_RECORDED_AFTER_WEEKS = 3.0
#: Account, id, role, champion, and the days on which the person comes and goes.
Row = tuple[int, str, str, bool, int, int]


@dataclass(frozen=True)
class People:
    """The contacts of all accounts; arrays of shape (contacts,), days since 1970.

    `comes` and `goes` are the days of the real life (`NEVER`: still at the customer), `created`
    and `left` what the CRM has of them; `decides` marks executives.
    """

    account: Ints
    ids: Ints
    role: Ints
    champion: Ints
    decides: Ints
    comes: Ints
    goes: Ints
    created: Ints
    left: Ints


def contacts_of(life: Life, traits: Traits, users: Users, end_day: int, rng: Generator) -> People:
    """Draw the people the vendor knows: executives, champions, and others who use the product."""
    rows: list[Row] = []
    last = life.first_day + 7 * life.weeks
    for account in range(len(traits)):
        start, name = int(traits.start_day[account]), users.ids[account]
        rows += _executives(account, name, start, life, rng)
        rows += _champions(account, name, start, life, rng)
        others = rng.poisson(0.4 + 0.1 * life.users[account].max())
        came = start + (rng.random(others) ** 2 * max(last - start, 1)).astype(int)
        rows += [
            (account, f"{name}-P{n + 1:02d}", "admin" if n == 0 else "user", False, int(day), NEVER)
            for n, day in enumerate(came)
        ]
    account_, ids, role, champion, comes, goes = (np.array(c) for c in zip(*rows, strict=True))
    n = len(ids)
    created = comes + (7 * rng.exponential(_RECORDED_AFTER_WEEKS, n)).astype(int)
    late = (7 * rng.exponential(_NOTICED_AFTER_WEEKS, n)).astype(int)
    noticed = (goes < NEVER) & (rng.random(n) < _NOTICED)
    left = np.where(noticed, np.maximum(goes, created) + late, NEVER)
    kept = created < end_day
    people = People(
        account_, ids, role, champion, role == "executive", comes, goes, created,
        np.where(left < end_day, left, NEVER),
    )  # fmt: skip
    return People(*(getattr(people, name)[kept] for name in People.__dataclass_fields__))


def _executives(account: int, name: str, start: int, life: Life, rng: Generator) -> list[Row]:
    """Draw one decision maker after another."""
    leaves = np.flatnonzero(life.sponsor_left[account])
    if life.review[account, 0] > 0:
        leaves = np.append(-weeks_since_review(life.review[account, 0]), leaves)
    return _one_after_another((account, f"{name}-X", "executive", False), start, leaves, life, rng)


def _champions(account: int, name: str, start: int, life: Life, rng: Generator) -> list[Row]:
    """Draw the person behind the product at the customer, until a champion leaves, and on."""
    leaves = np.flatnonzero(life.champion_left[account])
    return _one_after_another((account, f"{name}-C", "manager", True), start, leaves, life, rng)


def _one_after_another(
    who: tuple[int, str, str, bool], start: int, leaves: Ints, life: Life, rng: Generator
) -> list[Row]:
    """Draw the people in one place at the customer; `leaves` has the weeks in which one goes.

    A successor comes some weeks later. Who goes before coming never was there: the next one comes
    later still.
    """
    account, prefix, role, champion = who
    found: list[Row] = []
    comes = start
    for week in [*leaves.tolist(), None]:
        goes = NEVER if week is None else life.first_day + 7 * week + int(rng.integers(0, 7))
        if comes < goes:
            found.append((account, f"{prefix}{len(found) + 1:02d}", role, champion, comes, goes))
        comes = goes + 7 * EMPTY_WEEKS
    return found


def contacts_table(people: People, ids: Ints) -> pd.DataFrame:
    """Return the `contacts` table."""
    left: Floats = np.where(people.left < NEVER, people.left, np.nan).astype(float)
    return pd.DataFrame(
        {
            "account_id": ids[people.account],
            "contact_id": people.ids,
            "role": people.role,
            "is_champion": people.champion,
            "created_at": days_to_times(people.created),
            "left_at": days_to_times(left),
        }
    )
