"""The demo company's customers: what each of them is, before any week is lived."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.random import Generator

from health.demo import catalogue, names
from health.demo.latent import Flags, Floats, Ints

#: Accounts that are customers already when the window opens.
PRESENT_AT_START = 0.62
ACCOUNTS_PER_CSM = 50
TERM_DAYS = 365


@dataclass(frozen=True)
class Traits:
    """What stays the same about each account; every field is an array of shape (accounts,).

    Attributes
    ----------
    segment, region, industry, plan : int
        Positions in the catalogue's tuples; the plan is the first one held.
    start_day : int
        First paid day, in days since 1970-01-01.
    annual : bool
        On a yearly contract.
    discount : float
        Share off the list price, 0 to 0.35.
    risk_offset : float
        Log risk of churn that stays: segment and discount.
    mean : float
        Satisfaction returns to this.
    ticket_rate, trouble : float
        Tickets, and bad support experiences, a week at satisfaction 0.
    drift, demand : float
        Growth of the customer's own business (log points a year) and log users at the start.
    seats : int
        Seats at the start.
    api_per_user : float
        API calls a user and month.
    habit : float
        How much its users use anything, whatever they think of it (log odds).
    ramp : float
        Weeks until a new account uses what it bought.
    champions : int
        Number of champions: the first users in the list, who are the most active ones.
    notice_weeks : int
        Weeks before the renewal at which a yearly contract is given notice.
    fit, trial_rate : float, shape (accounts, 4)
        Use for each add-on (the last: the next plan) and trials started per week.
    """

    segment: Ints
    region: Ints
    industry: Ints
    plan: Ints
    start_day: Ints
    annual: Flags
    discount: Floats
    risk_offset: Floats
    mean: Floats
    ticket_rate: Floats
    trouble: Floats
    drift: Floats
    demand: Floats
    seats: Ints
    api_per_user: Floats
    habit: Floats
    ramp: Floats
    champions: Ints
    notice_weeks: Ints
    fit: Floats
    trial_rate: Floats

    def __len__(self) -> int:
        return len(self.segment)


def draw_traits(accounts: int, first_day: int, weeks: int, rng: Generator) -> Traits:
    """Draw the customers of a company whose window opens on `first_day` (a Sunday)."""
    segment = rng.choice(3, accounts, p=catalogue.SEGMENT_SHARE)
    start_day = _start_days(accounts, first_day, weeks, rng)
    years_before = np.maximum(first_day - start_day, 0) / 365.0
    # Who is still there after years is more content than who has just come.
    mean = 0.30 + 0.75 * rng.standard_normal(accounts) + 0.18 * np.log1p(years_before)
    demand, seats = _sizes(segment, rng)
    discount = np.round(np.clip(rng.normal([0.04, 0.10, 0.17], 0.06, (accounts, 3)), 0, 0.35), 2)
    discount = discount[np.arange(accounts), segment]
    users = np.exp(demand)
    ticket_rate = 0.05 + 0.035 * users**0.6 * rng.lognormal(0.0, 0.3, accounts)
    plans = np.array(catalogue.SEGMENT_PLANS)[segment].cumsum(axis=1)
    return Traits(
        segment=segment,
        region=rng.choice(4, accounts, p=catalogue.REGION_SHARE),
        industry=rng.integers(0, len(catalogue.INDUSTRIES), accounts),
        plan=np.minimum((rng.random((accounts, 1)) > plans).sum(axis=1), catalogue.TOP_PLAN),
        start_day=start_day,
        annual=rng.random(accounts) < np.array(catalogue.SEGMENT_ANNUAL)[segment],
        discount=discount,
        risk_offset=np.array([0.15, 0.0, -0.25])[segment] + 1.2 * (discount - 0.08),
        mean=mean,
        ticket_rate=ticket_rate,
        trouble=np.minimum(ticket_rate * rng.uniform(0.06, 0.16, accounts), 0.08),
        drift=rng.normal(0.10, 0.22, accounts),
        demand=demand,
        seats=seats,
        api_per_user=rng.lognormal(np.log(1100.0), 0.5, accounts),
        habit=0.07 * rng.standard_normal(accounts),
        ramp=np.clip(7.0 - 3.0 * mean + rng.normal(0, 2.0, accounts), 2.0, 16.0),
        champions=np.maximum(1, np.round(0.2 * users)).astype(np.int64),
        notice_weeks=rng.integers(4, 10, accounts),
        fit=_fit(segment, rng),
        trial_rate=rng.gamma(2.0, 0.006, (accounts, 4)),
    )


def _start_days(accounts: int, first_day: int, weeks: int, rng: Generator) -> Ints:
    """Draw the first paid day of each account, always a weekday."""
    before = rng.random(accounts) < PRESENT_AT_START
    weeks_before = 1 + np.minimum(rng.exponential(95.0, accounts), 400.0).astype(np.int64)
    # Nobody joins in the last two weeks: the youngest account has a first week to look at.
    weeks_after = rng.integers(0, max(weeks - 2, 1), accounts)
    week = np.where(before, -weeks_before, weeks_after)
    return np.asarray(first_day + 7 * week + rng.integers(1, 6, accounts))


def _sizes(segment: Ints, rng: Generator) -> tuple[Floats, Ints]:
    """Draw log users and the seats bought for them."""
    median = np.array(catalogue.SEGMENT_SEATS)[segment]
    seats = np.maximum(2, np.round(median * rng.lognormal(0.0, 0.35, len(segment)))).astype(
        np.int64
    )
    return np.log(seats * rng.uniform(0.55, 0.98, len(segment))), seats


def _fit(segment: Ints, rng: Generator) -> Floats:
    """Draw how well each add-on fits; Connect is no product for small customers."""
    fit = rng.gamma(2.0, 0.5, (len(segment), 4))
    fit[segment == 0, 2] = 0.0
    return np.asarray(fit)


def account_ids(accounts: int) -> list[str]:
    """Return the identifiers; their order says nothing about the accounts."""
    width = max(5, len(str(accounts)))
    return [f"ACC-{number:0{width}d}" for number in range(1, accounts + 1)]


def accounts_table(traits: Traits, rng: Generator) -> pd.DataFrame:
    """Return the `accounts` table, one row an account in order of its identifier."""
    ids = np.array(account_ids(len(traits)), dtype=object)
    industries = [catalogue.INDUSTRIES[place] for place in traits.industry]
    created = traits.start_day - rng.integers(0, 21, len(traits))
    return pd.DataFrame(
        {
            "account_id": ids,
            "created_at": created.astype("datetime64[D]").astype("datetime64[us]"),
            "name": names.company_names(industries, rng),
            "csm": _managers(traits.region, rng),
            "segment": np.array(catalogue.SEGMENTS, dtype=object)[traits.segment],
            "industry": industries,
            "region": np.array(catalogue.REGIONS, dtype=object)[traits.region],
            "parent_id": _parents(traits.segment, ids, rng),
        }
    )


def _managers(region: Ints, rng: Generator) -> list[str]:
    """Give each region its managers, and each account of the region one of them."""
    per_region = np.maximum(1, np.round(np.bincount(region, minlength=4) / ACCOUNTS_PER_CSM))
    first = np.concatenate([[0], per_region.cumsum()[:-1]]).astype(np.int64)
    staff = names.manager_names(int(per_region.sum()), rng)
    picks = first[region] + (rng.random(len(region)) * per_region[region]).astype(np.int64)
    return [staff[pick] for pick in picks]


def _parents(segment: Ints, ids: Ints, rng: Generator) -> Ints:
    """Give a few smaller accounts an enterprise as their parent."""
    parents = np.full(len(segment), None, dtype=object)
    groups = np.flatnonzero(segment == 2)
    children = np.flatnonzero((segment < 2) & (rng.random(len(segment)) < 0.04))
    if len(groups):
        parents[children] = ids[rng.choice(groups, len(children))]
    return parents
