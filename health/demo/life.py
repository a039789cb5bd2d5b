"""The life that was lived: every account's weeks, with their shocks and decisions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from health.demo import latent
from health.demo import state as standing
from health.demo.accounts import Traits
from health.demo.circumstances import Chances, Circumstances
from health.demo.decisions import begin, expand, leave, open_week
from health.demo.latent import Flags, Floats, Ints, Shocks
from health.demo.ledger import Ledger, open_history
from health.demo.state import State


@dataclass(frozen=True)
class Life:
    """What happened, week by week.

    Attributes
    ----------
    first_day, weeks : int
        The window's first Sunday (days since 1970) and its length.
    satisfaction, mood, hazard, occupancy, quota_ratio : float, shape (accounts, weeks + 1)
        The state at each week's start, and the true chance that the account ends that week.
    users, plan : int, shape (accounts, weeks + 1)
        People who have a login at work; position of the plan.
    paying, leaving : bool, shape (accounts, weeks + 1)
        Pays at the week's start; has given notice by then.
    opens, closes : int, shape (accounts, weeks)
        Paid days of the week run from offset `opens` up to, not including, `closes`.
    review, strain, progress, contact : float, shape (accounts, weeks + 1)
        The circumstances at each week's start (health.demo.circumstances).
    bad_support, champion_left, sponsor_left : bool, shape (accounts, weeks)
        Shocks of the week.
    held : bool, shape (accounts, weeks, 3)
        Add-ons held at the week's start.
    trying : bool, shape (accounts, weeks, 4)
        Add-ons (the last: the next plan) tried in the week.
    outage : bool, shape (weeks,)
        Weeks in which the product was down for the whole fleet.
    states : dict of int to State
        The whole state at the starts of the weeks that were asked for.
    ledger : Ledger
        The book of contracts.
    """

    first_day: int
    weeks: int
    satisfaction: Floats
    mood: Floats
    hazard: Floats
    occupancy: Floats
    quota_ratio: Floats
    review: Floats
    strain: Floats
    progress: Floats
    contact: Floats
    users: Ints
    plan: Ints
    paying: Flags
    leaving: Flags
    opens: Ints
    closes: Ints
    bad_support: Flags
    champion_left: Flags
    sponsor_left: Flags
    held: Flags
    trying: Flags
    outage: Flags
    states: dict[int, State]
    ledger: Ledger


def live(traits: Traits, first_day: int, weeks: int, keep: set[int], rng: Generator) -> Life:
    """Live through all weeks; `keep` names the weeks whose whole state is kept."""
    state = standing.opening_state(traits, first_day, rng)
    # A stream of its own leaves the draws of everything else as they are.
    fortune = rng.spawn(1)[0]
    life = _blank(len(traits), first_day, weeks, _outages(weeks, rng))
    open_history(life.ledger, state, traits, first_day)
    for week in range(weeks):
        _record(life, state, traits, week)
        if week in keep:
            life.states[week] = state.copy()
        _live_week(life, state, traits, week, rng)
        _turn(life, state, week, fortune)
    _record(life, state, traits, weeks)
    if weeks in keep:
        life.states[weeks] = state.copy()
    return life


def _blank(n: int, first_day: int, weeks: int, outage: Flags) -> Life:
    def number() -> Floats:
        return np.zeros((n, weeks + 1), dtype=np.float32)

    def flag(*shape: int) -> Flags:
        return np.zeros((n, *shape), dtype=bool)

    def small(width: int) -> Ints:
        return np.zeros((n, width), dtype=np.int32)

    return Life(
        first_day=first_day,
        weeks=weeks,
        satisfaction=number(),
        mood=number(),
        hazard=number(),
        occupancy=number(),
        quota_ratio=number(),
        review=number(),
        strain=number(),
        progress=number(),
        contact=number(),
        users=small(weeks + 1),
        plan=small(weeks + 1),
        paying=flag(weeks + 1),
        leaving=flag(weeks + 1),
        opens=small(weeks),
        closes=small(weeks),
        bad_support=flag(weeks),
        champion_left=flag(weeks),
        sponsor_left=flag(weeks),
        held=flag(weeks, 3),
        trying=flag(weeks, 4),
        outage=outage,
        states={},
        ledger=Ledger(),
    )


def _outages(weeks: int, rng: Generator) -> Flags:
    """Draw the weeks in which the product was down for everyone; a few last two weeks."""
    begins = rng.random(weeks) < latent.OUTAGE_RATE
    return np.asarray(begins)


def _record(life: Life, state: State, traits: Traits, week: int) -> None:
    """Write down the state at the week's start."""
    day = life.first_day + 7 * week
    ratio = standing.occupancy(state)
    tenure = standing.tenure_weeks(state, day)
    ramp = np.clip((tenure + 2.0) / traits.ramp, 0.3, 1.0)
    life.satisfaction[:, week] = state.satisfaction
    life.mood[:, week] = state.mood
    life.occupancy[:, week] = ratio
    life.quota_ratio[:, week] = ratio * standing.quota_per_occupancy(state, traits.api_per_user)
    for name in Circumstances.__dataclass_fields__:
        getattr(life, name)[:, week] = getattr(state.circumstances, name)
    life.users[:, week] = np.maximum(1, np.round(np.minimum(ratio, 1.0) * state.seats * ramp))
    life.plan[:, week] = state.plan
    life.paying[:, week] = state.paying
    life.leaving[:, week] = state.leaving
    exposed = standing.exposure(traits.annual, state.renew_day - day, traits.notice_weeks)
    pull = standing.churn_pull(state, traits, day)
    due = state.leaving & (state.end_day <= day + 7)
    hazard = np.where(state.leaving, due, latent.happens(exposed.end * pull))
    life.hazard[:, week] = np.where(state.paying, hazard, 0.0)


def _live_week(life: Life, state: State, traits: Traits, week: int, rng: Generator) -> None:
    """Let one week pass: decisions first, then what the customers feel about it."""
    day = life.first_day + 7 * week
    life.held[:, week] = state.held
    life.trying[:, week] = (state.trial_left > 0) & state.paying[:, None]
    life.opens[:, week] = np.where(state.paying, 0, 7)
    life.closes[:, week] = 7
    now = open_week(state, traits, life.ledger, day, rng)
    ended = leave(now)
    life.closes[ended, week] = (now.change_day - day)[ended]
    expand(now)
    began = begin(now)
    life.opens[began, week] = (state.start_day - day)[began]
    _try_out(state, traits, rng)
    _feel(life, state, traits, week, rng)


def _try_out(state: State, traits: Traits, rng: Generator) -> None:
    """Let trials run on and new ones begin."""
    starts = rng.random((len(traits), 4)) < traits.trial_rate
    starts &= standing.can_try(state) & state.paying[:, None]
    state.trial_left = np.maximum(state.trial_left - 1, latent.TRIAL_WEEKS * starts)


def _feel(life: Life, state: State, traits: Traits, week: int, rng: Generator) -> None:
    """Move satisfaction, mood and the customer's own business on by a week."""
    n = len(traits)
    shocks = Shocks(
        rng.standard_normal(n),
        rng.random(n),
        rng.random(n),
        np.full(n, float(life.outage[week])),
    )
    felt = latent.step(state.satisfaction, state.mood, traits.mean, traits.trouble, shocks)
    life.bad_support[:, week] = felt.bad_support & state.paying
    life.champion_left[:, week] = felt.champion_left & state.paying
    # Who starts this week has seen nothing yet.
    here = life.opens[:, week] == 0
    state.satisfaction = np.where(here, felt.satisfaction, state.satisfaction)
    state.mood = np.where(here, felt.mood, state.mood)
    noise = latent.DEMAND_NOISE * rng.standard_normal(n)
    state.demand = np.where(here, state.demand + traits.drift / 52.0 + noise, state.demand)


def _turn(life: Life, state: State, week: int, rng: Generator) -> None:
    """Move the circumstances of every customer on by a week."""
    chances = Chances.draw(len(state.paying), rng)
    here = life.opens[:, week] == 0
    life.sponsor_left[:, week] = state.circumstances.sponsor_leaves(chances) & state.paying & here
    state.circumstances = state.circumstances.step(chances).where(here, state.circumstances)
