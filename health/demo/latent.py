"""The process nobody sees: satisfaction, mood, and the intensities they give.

One function a law, for the life that was lived (arrays of accounts) and for the oracle's
futures (accounts × paths) alike, so that the two can never differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Flags = NDArray[np.bool_]
Ints = NDArray[np.integer[Any]]

#: Share of last week's distance to its mean that satisfaction keeps (half-life 15 weeks).
PERSISTENCE = 0.955
NOISE = 0.14
#: Mood is satisfaction averaged over about six weeks; decisions follow mood.
MOOD_WEIGHT = 0.18
BAD_SUPPORT_DROP = 0.35
CHAMPION_DROP = 0.60
CHAMPION_RATE = 0.005
OUTAGE_DROP = 0.12
OUTAGE_RATE = 1 / 30
#: An unhappy customer opens more tickets, and so meets more bad ones.
TICKETS_BY_SATISFACTION = -0.35

MOOD_RISK = -1.5
YOUNG_RISK = 0.5
YOUNG_WEEKS = 30.0
#: Weekly intensity of leaving a contract that can be left any week.
MONTHLY_RISK = 0.0050
#: The same between the renewals of a yearly contract, and at the renewal itself.
BETWEEN_RISK = 0.0008
RENEWAL_RISK = 0.155
#: Share of decisions to leave that are announced.
ANNOUNCED = 0.37
#: Weeks between the notice and the end of a monthly contract.
MONTHLY_NOTICE_WEEKS = 4
#: Nobody buys more in the first weeks.
ONBOARDING_WEEKS = 8
TRIAL_WEEKS = 6
DEMAND_NOISE = 0.025


@dataclass(frozen=True)
class Step:
    """One week of satisfaction: the new state, and the shocks that made it."""

    satisfaction: Floats
    mood: Floats
    bad_support: Flags
    champion_left: Flags


@dataclass(frozen=True)
class Shocks:
    """The week's chances: one normal and two uniforms for each account, and the outage."""

    normal: Floats
    support: Floats
    champion: Floats
    outage: Floats


def step(satisfaction: Floats, mood: Floats, mean: Floats, trouble: Floats, by: Shocks) -> Step:
    """Move satisfaction and mood on by a week.

    Parameters
    ----------
    satisfaction, mood : array
        The state at the week's start, about -3 to 3.
    mean : array
        Where the account's satisfaction returns to.
    trouble : array
        Bad support experiences a week at satisfaction 0.
    by : Shocks
        The week's chances, broadcastable to the state.
    """
    bad = by.support < trouble * np.exp(TICKETS_BY_SATISFACTION * satisfaction)
    left = by.champion < CHAMPION_RATE
    following = mean + PERSISTENCE * (satisfaction - mean) + NOISE * by.normal
    # Flags keep the state's precision: the oracle's futures are float32.
    kind = satisfaction.dtype
    following = following - BAD_SUPPORT_DROP * bad.astype(kind) - CHAMPION_DROP * left.astype(kind)
    following = following - OUTAGE_DROP * by.outage
    return Step(following, mood + MOOD_WEIGHT * (following - mood), bad, np.asarray(left))


def churn_pull(mood: Floats, offset: Floats, tenure: Floats) -> Floats:
    """Risk of leaving relative to a settled account of average mood (> 0).

    `offset` holds what is independent of mood (segment, discount, circumstances); `tenure` is in
    weeks since the start of the relationship, and its risk declines.
    """
    young = YOUNG_RISK * np.exp(-tenure / YOUNG_WEEKS)
    return np.asarray(np.exp(offset + MOOD_RISK * mood + young))


def pressure(ratio: Floats) -> Floats:
    """How hard a limit presses: 0 below 80 % of it, 1 at the limit, 2 far above it."""
    return np.asarray(np.clip((ratio - 0.8) / 0.2, 0.0, 2.0))


def buying_pull(mood: Floats) -> Floats:
    """Readiness to buy relative to an account of average mood (> 0)."""
    return np.asarray(np.exp(0.45 * np.clip(mood, -2.5, 2.0)))


def seat_pull(occupancy: Floats) -> Floats:
    """Weekly intensity of adding seats at average mood; `occupancy` is users per seat."""
    return 0.0007 + 0.016 * pressure(occupancy)


def plan_pull(quota_ratio: Floats, trying: Floats) -> Floats:
    """Weekly intensity of a higher plan (or a larger quota) at average mood."""
    return 0.0004 + 0.010 * pressure(quota_ratio) + 0.030 * trying


def add_on_pull(fit: Floats, trying: Floats) -> Floats:
    """Weekly intensity of buying an add-on at average mood; 0 where it does not fit."""
    return fit * (0.0009 + 0.030 * trying)


def contraction_pull(mood: Floats, occupancy: Floats) -> Floats:
    """Pull to give seats back: grows from 70 % occupancy down, and with a bad mood."""
    room = np.clip((0.7 - occupancy) / 0.25, 0.0, 1.0)
    return np.asarray(room * np.exp(-0.4 * np.clip(mood, -2.0, 2.0)))


#: Weekly intensity at a contraction pull of 1, by the week or at the renewal.
CONTRACTION_MONTHLY = 0.010
CONTRACTION_RENEWAL = 0.45


def happens(intensity: Floats) -> Floats:
    """Probability that an event of this intensity happens within the week."""
    return np.asarray(1 - np.exp(-intensity))
