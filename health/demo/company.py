"""The demo company: its tables, and the truth behind them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time

import numpy as np
import pandas as pd
from numpy.random import Generator

from features.errors import HealthError
from health.demo import accounts as customers
from health.demo.ledger import subscriptions_table
from health.demo.life import Life, live
from health.demo.oracle import known_weeks, truth_table
from health.demo.people import contacts_of, contacts_table
from health.demo.relations import goals_table, interactions_table, invoices_table
from health.demo.support import contacts, tickets_table
from health.demo.surveys import surveys_table
from health.demo.usage import usage_table
from health.demo.users import Users, people
from health.demo.words import languages

MIN_ACCOUNTS = 10
MIN_WEEKS = 13


@dataclass(frozen=True)
class DemoCompany:
    """A simulated company.

    Attributes
    ----------
    tables : dict of str to pandas.DataFrame
        accounts, subscriptions, usage, tickets, surveys, contacts, invoices, interactions and
        goals, with canonical columns.
    truth : pandas.DataFrame
        One row an account and Sunday: account_id, as_of, satisfaction, churn_hazard (the true
        chance of ending within the week), review, strain, progress and contact (the
        circumstances of `health.demo.circumstances`), paying, leaving (has given notice), and, for
        paying accounts at every fourth Sunday (one of them 13 weeks before the end) and on the
        last, churn_probability_90d, upsell_probability_90d and cross_sell_probability_90d (missing
        elsewhere).
    observed_until : datetime
        Midnight after the last simulated day; nothing in the tables is of this moment or later,
        but for planned times: `renews_at`, `due_at` and `target_at`.
    """

    tables: dict[str, pd.DataFrame]
    truth: pd.DataFrame
    observed_until: datetime


def simulate_company(
    accounts: int = 1000, *, weeks: int = 104, end: date = date(2026, 11, 1), seed: int = 7
) -> DemoCompany:
    """Simulate a company that sells software by subscription.

    A latent satisfaction of each account (mean-reverting, with shocks) drives use, tickets,
    survey answers and, through a smoothed mood, the hazards of churn and of buying more.
    Circumstances that use does not show drive the hazard of churn too, and contacts, invoices,
    interactions and goals show them: a decision maker who leaves, difficulty to pay, goals reached,
    and how close the customer's people keep in touch. Size, season, contract, tenure, discount and
    the growth of the customer's own business confound.

    Parameters
    ----------
    accounts : int
        Customers there ever are in the window, at least 10; about two in three pay at its end.
    weeks : int
        Length of the window, at least 13.
    end : datetime.date
        The Sunday on which the data ends; it is not simulated itself.
    seed : int
        The same seed gives the same company.

    Raises
    ------
    HealthError
        A size is too small, or `end` is not a Sunday.

    Examples
    --------
    >>> company = simulate_company(20, weeks=20, seed=1)
    >>> ", ".join(sorted(company.tables))
    'accounts, contacts, goals, interactions, invoices, subscriptions, surveys, tickets, usage'
    """
    _check(accounts, weeks, end)
    end_day = (end - date(1970, 1, 1)).days
    first_day = end_day - 7 * weeks
    rng = [np.random.default_rng([seed, stage]) for stage in range(10)]
    ids = np.array(customers.account_ids(accounts), dtype=object)
    traits = customers.draw_traits(accounts, first_day, weeks, rng[0])
    life = live(traits, first_day, weeks, known_weeks(weeks), rng[1])
    users = people(life, traits, ids, rng[2])
    asked = contacts(life, traits, rng[3])
    language = languages(accounts, rng[9])
    tickets = tickets_table(asked, life, users, end_day, rng[3], language=language, words=rng[9])
    tables = {
        "accounts": customers.accounts_table(traits, rng[4]),
        "subscriptions": subscriptions_table(life.ledger, ids, end_day, rng[4]),
        "usage": usage_table(life, traits, users, rng[5]),
        "tickets": tickets.table,
        "surveys": surveys_table(
            life,
            traits,
            users,
            tickets,
            observed_until_day=end_day,
            rng=rng[6],
            language=language,
            words=rng[9],
        ),
    }
    tables |= _relationship(life, traits, users, tables, end_day=end_day, rng=rng[8])
    truth = truth_table(life, traits, ids, rng[7])
    return DemoCompany(tables, truth, datetime.combine(end, time()))


def _relationship(
    life: Life,
    traits: customers.Traits,
    users: Users,
    tables: Mapping[str, pd.DataFrame],
    *,
    end_day: int,
    rng: Generator,
) -> dict[str, pd.DataFrame]:
    """Return what the CRM and the billing system have of the same accounts."""
    known = contacts_of(life, traits, users, end_day, rng)
    managers = tables["accounts"].set_index("account_id")["csm"]
    return {
        "contacts": contacts_table(known, users.ids),
        "invoices": invoices_table(
            life, traits, tables["subscriptions"], users.ids, end_day=end_day, rng=rng
        ),
        "interactions": interactions_table(life, traits, known, managers, end_day=end_day, rng=rng),
        "goals": goals_table(life, traits, users.ids, end_day=end_day, rng=rng),
    }


def _check(accounts: int, weeks: int, end: date) -> None:
    """Refuse sizes that make no company."""
    if accounts < MIN_ACCOUNTS:
        raise HealthError(
            f"{accounts} accounts are too few for a demo company",
            where="accounts",
            fix=f"ask for {MIN_ACCOUNTS} or more",
        )
    if weeks < MIN_WEEKS:
        raise HealthError(
            f"{weeks} weeks are too short a history",
            where="weeks",
            fix=f"ask for {MIN_WEEKS} or more",
        )
    if end.isoweekday() != 7:
        raise HealthError(f"{end} is not a Sunday", where="end", fix="give the date of a Sunday")
