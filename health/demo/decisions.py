"""What the customers decide in a week: to leave, to stay, to buy more, to come back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from health.demo import catalogue, latent
from health.demo import state as standing
from health.demo.accounts import TERM_DAYS, Traits
from health.demo.latent import Flags, Floats, Ints
from health.demo.ledger import Ledger
from health.demo.state import NEVER, Exposure, State

#: Weekly chance that a customer who left comes back, and when that may be.
RETURN_RATE = 0.0025
RETURN_WEEKS = (9, 45)


@dataclass(frozen=True)
class Week:
    """One week of decisions: they change `state` and are written into `ledger`.

    `day` is the week's Sunday; `change_day` is the day on which an account's changes of this
    week take effect, shape (accounts,).
    """

    state: State
    traits: Traits
    ledger: Ledger
    exposed: Exposure
    day: int
    change_day: Ints
    rng: Generator


def open_week(state: State, traits: Traits, ledger: Ledger, day: int, rng: Generator) -> Week:
    """Return the week that starts on `day`; a contract that is renewed changes on that day."""
    exposed = standing.exposure(traits.annual, state.renew_day - day, traits.notice_weeks)
    change_day = np.where(exposed.renewing, state.renew_day, day + rng.integers(1, 6, len(traits)))
    return Week(state, traits, ledger, exposed, day, change_day, rng)


def leave(now: Week) -> Ints:
    """End what ends this week, take notices; return the accounts that ended."""
    state, traits, exposed, rng = now.state, now.traits, now.exposed, now.rng
    n = len(traits)
    pull = standing.churn_pull(state, traits, now.day)
    free = state.paying & ~state.leaving
    ends_now, describes_now = rng.random(n), rng.random(n)
    due = state.paying & state.leaving & (state.end_day <= now.day + 7)
    now.change_day[due] = state.end_day[due]
    ends = due | (free & (ends_now < latent.happens(exposed.end * pull)))
    describes = free & ~ends & (describes_now < latent.happens(exposed.notice * pull))
    monthly_end = now.day + 7 * latent.MONTHLY_NOTICE_WEEKS + rng.integers(1, 6, n)
    state.leaving[describes] = True
    state.end_day[describes] = np.where(traits.annual, state.renew_day, monthly_end)[describes]
    now.ledger.notice(np.flatnonzero(describes), now.change_day[describes])
    for which in range(3):
        who = np.flatnonzero(ends & state.held[:, which])
        now.ledger.close(which + 1, who, now.change_day[who])
    gone = np.flatnonzero(ends)
    now.ledger.close(0, gone, now.change_day[gone])
    state.end_day[gone] = now.change_day[gone]
    state.paying[gone] = False
    state.leaving[gone] = False
    state.held[gone] = False
    state.trial_left[gone] = 0
    return gone


def expand(now: Week) -> None:
    """Renew, give seats back, and buy more; one row for each product that changed."""
    state, exposed, rng = now.state, now.exposed, now.rng
    n = len(now.traits)
    active = state.paying & ~state.leaving
    ready = active & (standing.tenure_weeks(state, now.day) >= latent.ONBOARDING_WEEKS)
    renewed = exposed.renewing & active
    state.price_index[renewed] *= 1 + 0.04 * rng.random(int(renewed.sum()))
    state.add_on_price[renewed] = np.round(state.add_on_price[renewed] * 1.02, 2)
    state.renew_day[renewed] += TERM_DAYS
    ratio = standing.occupancy(state)
    shrink = exposed.contraction * latent.contraction_pull(state.mood, ratio)
    shrinks = ready & (rng.random(n) < latent.happens(shrink))
    grows = _grow(now, ready & ~shrinks & (state.cooldown == 0), ratio)
    fewer = np.maximum(2, np.ceil(1.08 * np.exp(state.demand))).astype(np.int64)
    changed = renewed | grows | (shrinks & (fewer < state.seats))
    state.seats[shrinks] = np.minimum(fewer, state.seats)[shrinks]
    state.cooldown = np.maximum(state.cooldown - 1, 0)
    state.cooldown[shrinks] = 13
    who = np.flatnonzero(changed)
    now.ledger.core(state, now.traits, who, now.change_day[who])
    _add_ons(now, ready, renewed)


def _grow(now: Week, able: Flags, ratio: Floats) -> Flags:
    """Add seats, or move to a higher plan or a larger quota; return who did."""
    state, traits, rng = now.state, now.traits, now.rng
    n = len(traits)
    quota_ratio = ratio * standing.quota_per_occupancy(state, traits.api_per_user)
    seat = latent.seat_pull(ratio)
    total = seat + latent.plan_pull(quota_ratio, (state.trial_left[:, 3] > 0).astype(float))
    grows = able & (rng.random(n) < latent.happens(total * latent.buying_pull(state.mood)))
    wants_seats = rng.random(n) < seat / total
    more = np.ceil(np.maximum(1.08 * state.seats, rng.uniform(1.05, 1.3, n) * np.exp(state.demand)))
    seats, higher = grows & wants_seats, grows & ~wants_seats & (state.plan < catalogue.TOP_PLAN)
    packs = grows & ~wants_seats & ~higher
    state.seats[seats] = more[seats].astype(np.int64)
    state.plan[higher] += 1
    state.packs[packs] += 1
    state.trial_left[higher, 3] = 0
    return np.asarray(grows)


def _add_ons(now: Week, ready: Flags, renewed: Flags) -> None:
    """Buy, renew and give back add-ons."""
    state, traits, rng = now.state, now.traits, now.rng
    n = len(traits)
    trying = (state.trial_left[:, :3] > 0).astype(float)
    wish = latent.add_on_pull(state.fit[:, :3], trying) * latent.buying_pull(state.mood)[:, None]
    buys = ready[:, None] & ~state.held & (rng.random((n, 3)) < latent.happens(wish))
    annual_drop = np.where(renewed, 0.10, 0.0)
    drop = np.where(traits.annual, annual_drop, 0.002) * np.exp(-0.6 * state.mood)
    drops = state.held & ready[:, None] & (rng.random((n, 3)) < latent.happens(drop)[:, None])
    prices = standing.add_on_prices(traits, state.seats)
    for which in range(3):
        new, gone = buys[:, which], drops[:, which]
        state.add_on_price[new, which] = prices[new, which]
        who = np.flatnonzero(new | (renewed & state.held[:, which] & ~gone))
        now.ledger.add_on(state, which, who, now.change_day[who])
        ended = np.flatnonzero(gone)
        now.ledger.close(which + 1, ended, now.change_day[ended])
        state.fit[ended, which] = 0.0
    state.held |= buys
    state.held &= ~drops
    state.trial_left[:, :3][buys] = 0


def begin(now: Week) -> Ints:
    """Let new customers start and a few who left return; return who did."""
    state, traits, day, rng = now.state, now.traits, now.day, now.rng
    n = len(traits)
    new = (traits.start_day > day) & (traits.start_day <= day + 7)
    gone = (day - state.end_day) / 7.0
    away = (gone >= RETURN_WEEKS[0]) & (gone <= RETURN_WEEKS[1])
    returns = ~state.paying & away & (rng.random(n) < RETURN_RATE)
    first_day = day + rng.integers(1, 6, n)
    state.start_day[returns] = first_day[returns]
    state.seats[returns] = np.maximum(2, np.ceil(0.7 * state.seats[returns])).astype(np.int64)
    state.demand[returns] = np.log(0.8 * state.seats[returns])
    begins = new | returns
    state.satisfaction[begins] = 0.4
    state.mood[begins] = 0.4
    state.end_day[begins] = NEVER
    fresh = state.circumstances.of_new_customers()
    state.circumstances = fresh.where(begins, state.circumstances)
    annual = begins & traits.annual
    state.renew_day[annual] = state.start_day[annual] + TERM_DAYS
    state.paying[begins] = True
    who = np.flatnonzero(begins)
    now.ledger.core(state, traits, who, state.start_day[who])
    return who
