"""The state of each account at the start of a week, and what follows from it."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.random import Generator

from health.demo import catalogue, latent
from health.demo.accounts import TERM_DAYS, Traits
from health.demo.circumstances import Circumstances, opening_circumstances
from health.demo.latent import Flags, Floats, Ints

#: A day no simulation reaches: the renewal of a contract that has none.
NEVER = 10**6


@dataclass
class State:
    """The accounts at the start of a week; arrays of shape (accounts,), days since 1970.

    Attributes
    ----------
    satisfaction, mood, demand : float
        The latent state; demand is log users who would use the product.
    seats, plan, packs : int
        What is held of the core product; a pack is a larger quota.
    price_index : float
        Grows a little with every renewal.
    paying, leaving : bool
        Pays on this day; has given notice.
    start_day, renew_day, end_day : int
        Start of the relationship, next renewal, end (known once notice was given).
    held : bool, shape (accounts, 3)
        Add-ons held; `add_on_price` is what each costs a month.
    fit : float, shape (accounts, 4)
        Use for an add-on; falls to 0 once it was given back.
    trial_left : int, shape (accounts, 4)
        Weeks for which an add-on (the last: the next plan) is still being tried.
    cooldown : int
        Weeks for which nothing is bought, after seats were given back.
    circumstances : Circumstances
        What moves the account to leave though its use does not show it.
    """

    satisfaction: Floats
    mood: Floats
    demand: Floats
    seats: Ints
    plan: Ints
    packs: Ints
    price_index: Floats
    paying: Flags
    leaving: Flags
    start_day: Ints
    renew_day: Ints
    end_day: Ints
    held: Flags
    add_on_price: Floats
    fit: Floats
    trial_left: Ints
    cooldown: Ints
    circumstances: Circumstances

    def copy(self) -> State:
        """Return a state that shares no array with this one."""
        return replace(self, **{f.name: getattr(self, f.name).copy() for f in fields(self)})

    def take(self, rows: Ints) -> State:
        """Return the state of those accounts only."""
        return replace(self, **{f.name: getattr(self, f.name)[rows] for f in fields(self)})


def opening_state(traits: Traits, first_day: int, rng: Generator) -> State:
    """Return the state on the day the window opens."""
    n = len(traits)
    paying = traits.start_day <= first_day
    # New customers begin hopeful; what they find moves them to their own mean.
    satisfaction = np.where(paying, traits.mean + 0.5 * rng.standard_normal(n), 0.4)
    terms = np.maximum(first_day - traits.start_day, 0) // TERM_DAYS + 1
    tenure = np.maximum(first_day - traits.start_day, 0) / 7.0
    held = (rng.random((n, 3)) < 0.14 * traits.fit[:, :3]) & paying[:, None]
    return State(
        satisfaction=satisfaction,
        mood=satisfaction.copy(),
        demand=traits.demand.copy(),
        seats=traits.seats.copy(),
        plan=traits.plan.copy(),
        packs=np.zeros(n, dtype=np.int64),
        price_index=np.ones(n),
        paying=paying,
        leaving=np.zeros(n, dtype=bool),
        start_day=traits.start_day.copy(),
        renew_day=np.where(traits.annual, traits.start_day + TERM_DAYS * terms, NEVER),
        end_day=np.full(n, NEVER),
        held=held,
        add_on_price=add_on_prices(traits, traits.seats),
        fit=traits.fit.copy(),
        trial_left=np.zeros((n, 4), dtype=np.int64),
        cooldown=np.zeros(n, dtype=np.int64),
        # A stream of its own leaves the draws of everything else as they are.
        circumstances=opening_circumstances(tenure, rng.spawn(1)[0]),
    )


def add_on_prices(traits: Traits, seats: Ints) -> Floats:
    """Return what each add-on would cost each account a month, shape (accounts, 3)."""
    base = np.array(catalogue.ADD_ON_BASE) + np.array(catalogue.ADD_ON_SEAT) * seats[:, None]
    share = np.array(catalogue.SEGMENT_PRICE)[traits.segment] * (1 - traits.discount)
    return np.asarray(np.round(base * share[:, None], 2))


def core_price(state: State, traits: Traits) -> Floats:
    """Return the core product's MRR."""
    share = np.array(catalogue.SEGMENT_PRICE)[traits.segment] * (1 - traits.discount)
    seat = np.array(catalogue.SEAT_PRICE)[state.plan] * share * state.price_index
    return np.asarray(np.round(seat * state.seats * (1 + 0.12 * state.packs), 2))


def quota(state: State) -> Floats:
    """Return the API calls a month that the plan allows; 0 where it has no API."""
    allowance = np.array(catalogue.SEAT_ALLOWANCE)[state.plan]
    return np.asarray(allowance * state.seats * (1 + 0.5 * state.packs))


def occupancy(state: State) -> Floats:
    """Return users who would use the product per seat held (past 1 where seats are short)."""
    return np.asarray(np.exp(state.demand) / state.seats)


def quota_per_occupancy(state: State, api_per_user: Floats) -> Floats:
    """Return the factor from occupancy to the used share of the quota; 0 without an API."""
    allowed = np.array(catalogue.SEAT_ALLOWANCE)[state.plan] * (1 + 0.5 * state.packs)
    ratio = np.divide(api_per_user, allowed, out=np.zeros(len(allowed)), where=allowed > 0)
    return np.asarray(ratio)


def tenure_weeks(state: State, day: int) -> Floats:
    """Return weeks since the relationship (or its new beginning) started."""
    return np.asarray(np.maximum(day - state.start_day, 0) / 7.0)


def churn_pull(state: State, traits: Traits, day: int) -> Floats:
    """Return the risk of leaving relative to a settled account of average mood (> 0)."""
    offset = traits.risk_offset + state.circumstances.risk()
    return latent.churn_pull(state.mood, offset, tenure_weeks(state, day))


def can_try(state: State) -> Flags:
    """Return what each account could try, shape (accounts, 4): not held, and fitting."""
    open_add_ons = ~state.held & (state.fit[:, :3] > 0)
    return np.column_stack([open_add_ons, state.plan < catalogue.TOP_PLAN])


@dataclass(frozen=True)
class Exposure:
    """Weekly intensities at a pull of 1, from the contract alone; arrays of one shape.

    Attributes
    ----------
    end : float
        Ends within this week.
    notice : float
        Gives notice within this week.
    contraction : float
        Gives seats back within this week.
    renewing : bool
        The contract is renewed within this week.
    """

    end: Floats
    notice: Floats
    contraction: Floats
    renewing: Flags


def exposure(annual: Flags, days_to_renewal: Ints, notice_weeks: Ints) -> Exposure:
    """Return what the contract exposes an account to within the week.

    A week is the seven days after its Sunday: a renewal in 1 to 7 days falls in it.
    """
    weeks_left = (days_to_renewal - 1) // 7
    renewing = annual & (weeks_left == 0)
    at_notice = annual & (weeks_left == notice_weeks)
    silent = 1 - latent.ANNOUNCED
    monthly = np.where(annual, 0.0, latent.MONTHLY_RISK)
    renewal = latent.RENEWAL_RISK
    return Exposure(
        end=silent * monthly + latent.BETWEEN_RISK * annual + silent * renewal * renewing,
        notice=latent.ANNOUNCED * (monthly + renewal * at_notice),
        contraction=np.where(
            annual, latent.CONTRACTION_RENEWAL * renewing, latent.CONTRACTION_MONTHLY
        ),
        renewing=renewing,
    )
