"""The truth: what is known of each account's future to someone who sees its latent state.

The chances are means over simulated futures of the latent process from the state at the
date, never read off what then happened. Along each future the events themselves are not
drawn: their chance given that future is exact, so a few hundred futures are enough.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.random import Generator

from health.demo import latent
from health.demo import state as standing
from health.demo.accounts import Traits
from health.demo.circumstances import Chances, Circumstances
from health.demo.latent import Flags, Floats, Ints, Shocks
from health.demo.ledger import days_to_times
from health.demo.life import Life
from health.demo.state import State

HORIZON_DAYS = 90
#: Every change falls on the first to fifth day of its week (a renewal on the first to
#: seventh), so these weeks hold all of the horizon's days but the renewals past its end.
HORIZON_WEEKS = 13
#: Weeks between the dates whose probabilities are worked out.
EVERY_WEEKS = 4
PATHS = 200
_BLOCK = 256
_CAUSES = tuple(Circumstances.__dataclass_fields__)
_COLUMNS = ("churn_probability_90d", "upsell_probability_90d", "cross_sell_probability_90d")


@dataclass(frozen=True)
class _Chances:
    """The shocks of all futures, shared by the accounts of one date."""

    normal: Floats
    support: Floats
    champion: Floats
    outage: Floats
    demand: Floats
    trial: Floats
    sponsor: Floats
    strain: Floats
    progress: Floats
    contact: Floats


def known_weeks(weeks: int) -> set[int]:
    """Return the week starts whose probabilities are worked out.

    Every fourth, counted both ways from the last one whose horizon lies inside the data: the
    dates that a model of the same spacing is tested on. And the last of all, which is scored.
    """
    last = weeks - HORIZON_WEEKS
    return {week for week in range(weeks) if (week - last) % EVERY_WEEKS == 0} | {weeks}


def truth_table(life: Life, traits: Traits, ids: Ints, rng: Generator) -> pd.DataFrame:
    """Return one row an account and week start, from the account's first paid week on.

    Columns: account_id, as_of, satisfaction, churn_hazard (the chance that the account ends
    in the week), the circumstances review, strain, progress and contact, paying, leaving, and the
    three `*_probability_90d`, which are there for paying accounts at the week starts of
    `known_weeks` and missing elsewhere.
    """
    days = life.first_day + 7 * np.arange(life.weeks + 1)
    known = traits.start_day[:, None] <= days[None, :]
    account, week = np.nonzero(known)
    probabilities = np.full((3, *known.shape), np.nan)
    for at, state in life.states.items():
        rows = np.flatnonzero(state.paying)
        known_then = state.take(rows)
        probabilities[:, rows, at] = forecast(known_then, traits, rows, int(days[at]), rng=rng)
    frame = pd.DataFrame(
        {
            "account_id": ids[account],
            "as_of": days_to_times(days[week]),
            "satisfaction": life.satisfaction[account, week].astype(np.float64),
            "churn_hazard": life.hazard[account, week].astype(np.float64),
            **{name: getattr(life, name)[account, week].astype(np.float64) for name in _CAUSES},
            "paying": life.paying[account, week],
            "leaving": life.leaving[account, week],
        }
    )
    for place, column in enumerate(_COLUMNS):
        frame[column] = probabilities[place, account, week]
    return frame


def forecast(
    state: State, traits: Traits, rows: Ints, day: int, *, rng: Generator, paths: int = PATHS
) -> Floats:
    """Return the chances of churn, upsell and cross-sell within 90 days, shape (3, accounts).

    Parameters
    ----------
    state : State
        The state at `day` of the accounts `rows`, all paying.
    traits : Traits
        Of all accounts.
    day : int
        The date, in days since 1970.
    paths : int
        Futures; half of them mirror the other half.
    """
    chances = _draw(paths, rng)
    known = _Known.of(state, traits, rows, day)
    blocks = [
        _futures(known.take(slice(first, first + _BLOCK)), chances)
        for first in range(0, len(rows), _BLOCK)
    ]
    chance = np.concatenate(blocks, axis=1) if blocks else np.zeros((3, 0))
    # A notice is the end itself: its day is known, and nothing is bought until then.
    due = state.leaving & (state.end_day - day <= HORIZON_DAYS)
    chance[0] = np.where(state.leaving, due, chance[0])
    chance[1:, state.leaving] = 0.0
    return np.asarray(chance)


def _draw(paths: int, rng: Generator) -> _Chances:
    half = (HORIZON_WEEKS, 1, paths // 2)

    def mirrored() -> Floats:
        normal = rng.standard_normal(half, dtype=np.float32)
        return np.concatenate([normal, -normal], axis=2)

    def uniform(rows: int) -> Floats:
        return rng.random((HORIZON_WEEKS, rows, 2 * (paths // 2)), dtype=np.float32)

    outage = (uniform(1) < latent.OUTAGE_RATE).astype(np.float32)
    return _Chances(
        mirrored(), uniform(1), uniform(1), outage, mirrored(), uniform(4),
        uniform(1), mirrored(), mirrored(), mirrored(),
    )  # fmt: skip


@dataclass(frozen=True)
class _Known:
    """What is fixed at the date; float32 columns of shape (accounts, 1) or (accounts, k)."""

    satisfaction: Floats
    mood: Floats
    mean: Floats
    trouble: Floats
    demand: Floats
    drift: Floats
    seats: Floats
    quota_factor: Floats
    trial_left: Floats
    trial_rate: Floats
    fit: Floats
    cooled: Floats
    ready: Floats
    ending: Floats
    deciding: Floats
    contraction: Floats
    review: Floats
    strain: Floats
    progress: Floats
    contact: Floats

    @classmethod
    def of(cls, state: State, traits: Traits, rows: Ints, day: int) -> _Known:
        """Collect what is fixed, week by week of the horizon where it changes."""
        weeks = np.arange(HORIZON_WEEKS)
        tenure = standing.tenure_weeks(state, day)[:, None] + weeks
        ending, deciding, contraction = _exposures(
            state.renew_day - day, traits.annual[rows], traits.notice_weeks[rows]
        )
        risk = latent.churn_pull(np.zeros(1), traits.risk_offset[rows][:, None], tenure)
        fit = np.where(state.held, 0.0, state.fit[:, :3])
        quota = standing.quota_per_occupancy(state, traits.api_per_user[rows])
        columns = {
            "satisfaction": state.satisfaction,
            "mood": state.mood,
            "mean": traits.mean[rows],
            "trouble": traits.trouble[rows],
            "demand": state.demand,
            "drift": traits.drift[rows] / 52.0,
            "seats": state.seats,
            "quota_factor": quota,
            "trial_left": state.trial_left,
            "trial_rate": traits.trial_rate[rows] * standing.can_try(state),
            "fit": fit,
            "cooled": state.cooldown[:, None] <= weeks,
            "ready": tenure >= latent.ONBOARDING_WEEKS,
            "ending": ending * risk,
            "deciding": deciding * risk,
            "contraction": contraction,
            **vars(state.circumstances),
        }
        return cls(**{k: v.reshape(len(rows), -1).astype(np.float32) for k, v in columns.items()})

    def take(self, rows: slice) -> _Known:
        """Return those accounts only."""
        return _Known(**{name: value[rows] for name, value in vars(self).items()})


def _exposures(
    days_to_renewal: Ints, annual: Flags, notice_weeks: Ints
) -> tuple[Floats, Floats, Floats]:
    """Return the exposures to an end in the horizon, to any decision, to contraction.

    Each has shape (accounts, weeks). A notice counts as an end where the contract then ends
    within the horizon.
    """
    ending, deciding, contraction = [], [], []
    inside = annual & (days_to_renewal <= HORIZON_DAYS)
    for week in range(HORIZON_WEEKS):
        days_left = days_to_renewal - 7 * week
        exposed = standing.exposure(annual, days_left, notice_weeks)
        monthly_in = ~annual & (week + latent.MONTHLY_NOTICE_WEEKS < HORIZON_WEEKS)
        late = exposed.renewing & ~inside
        between = latent.BETWEEN_RISK * annual
        ends = np.where(late, between, exposed.end)
        ending.append(ends + exposed.notice * np.where(annual, inside, monthly_in))
        deciding.append(exposed.end + exposed.notice)
        contraction.append(exposed.contraction)
    return np.stack(ending, 1), np.stack(deciding, 1), np.stack(contraction, 1)


def _futures(known: _Known, chances: _Chances) -> Floats:
    """Average the chances over all futures of a block of accounts, shape (3, accounts)."""
    shape = (len(known.mood), chances.normal.shape[2])
    s = np.broadcast_to(known.satisfaction, shape)
    mood = np.broadcast_to(known.mood, shape)
    demand = np.broadcast_to(known.demand, shape)
    facing = Circumstances(*(np.broadcast_to(getattr(known, name), shape) for name in _CAUSES))
    trials = [np.broadcast_to(known.trial_left[:, [k]], shape) for k in range(4)]
    churned = np.zeros(shape, dtype=np.float32)
    no_upsell: Floats = np.ones(shape, dtype=np.float32)
    no_cross: Floats = np.ones(shape, dtype=np.float32)
    upsell = np.zeros(shape, dtype=np.float32)
    cross = np.zeros(shape, dtype=np.float32)
    for week in range(HORIZON_WEEKS):
        pull: Floats = np.exp(latent.MOOD_RISK * mood + facing.risk())
        churned += known.ending[:, [week]] * pull
        stays = np.exp(-known.deciding[:, [week]] * pull)
        buying = latent.buying_pull(mood) * known.ready[:, [week]]
        ratio = np.exp(demand) / known.seats
        shrink = known.contraction[:, [week]] * latent.contraction_pull(mood, ratio)
        wish = latent.seat_pull(ratio) + latent.plan_pull(
            ratio * known.quota_factor, _on(trials[3])
        )
        no_upsell = no_upsell * stays * np.exp(-shrink * known.ready[:, [week]])
        buys = latent.happens(wish * buying * known.cooled[:, [week]])
        upsell += no_upsell * buys
        no_upsell = no_upsell * (1 - buys)
        add_ons = sum(latent.add_on_pull(known.fit[:, [k]], _on(trials[k])) for k in range(3))
        buys = latent.happens(add_ons * buying)
        no_cross = no_cross * stays
        cross += no_cross * buys
        no_cross = no_cross * (1 - buys)
        for k in range(4):
            starts = chances.trial[week, k] < known.trial_rate[:, [k]]
            trials[k] = np.maximum(trials[k] - 1, starts.astype(np.float32) * latent.TRIAL_WEEKS)
        felt = latent.step(s, mood, known.mean, known.trouble, _shocks(chances, week))
        s, mood = felt.satisfaction, felt.mood
        facing = facing.step(_fortune(chances, week))
        demand = demand + known.drift + np.float32(latent.DEMAND_NOISE) * chances.demand[week]
    return np.stack([latent.happens(churned).mean(1), upsell.mean(1), cross.mean(1)])


def _on(weeks_left: Floats) -> Floats:
    return np.asarray((weeks_left > 0).astype(np.float32))


def _shocks(chances: _Chances, week: int) -> Shocks:
    return Shocks(
        chances.normal[week], chances.support[week], chances.champion[week], chances.outage[week]
    )


def _fortune(chances: _Chances, week: int) -> Chances:
    return Chances(
        chances.sponsor[week], chances.strain[week], chances.progress[week], chances.contact[week]
    )
