"""What moves a customer to leave or stay though its use of the product does not show it.

Four causes, each independent of satisfaction: the decision maker who bought the product leaves and
the successor reviews the purchase; the customer is short of cash; nobody at the vendor looks after
the account; the customer does or does not get what it wanted from the product. Contacts, invoices,
interactions and goals show them with their own lags and noise.

The sizes were chosen for plausibility before any model was fitted to them: practitioners report
that churn doubles or triples for some months after a sponsor left or while bills are paid late.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.random import Generator

from health.demo.latent import Flags, Floats, Ints

#: One in five decision makers changes jobs within a year. The risk is 2.5 times the usual right
#: after that and falls as the successor settles: by half in 13 weeks.
SPONSOR_RATE, SPONSOR_RISK, SPONSOR_KEPT = 0.004, float(np.log(2.5)), 0.95
#: One in five customers is short of cash once a year, for 20 weeks on average.
STRESS_RATE, STRESS_ENDS, STRESS_RISK = 0.004, 1 / 20, float(np.log(2.5))
#: One in four accounts loses its CSM within a year, and is looked after again 13 weeks later.
NEGLECT_RATE, NEGLECT_ENDS, NEGLECT_RISK = 0.006, 1 / 13, float(np.log(1.8))
#: Success of the customer with its goals: mean 0, standard deviation 1, half-life half a year.
#: Between the best and the worst quarter of customers, the risk differs about fourfold.
PROGRESS_KEPT, PROGRESS_RISK = 0.974, 0.6


@dataclass(frozen=True)
class Chances:
    """The week's chances: a normal for progress, and a uniform for each of the other causes."""

    sponsor: Floats
    stress: Floats
    neglect: Floats
    progress: Floats

    @classmethod
    def draw(cls, accounts: int, rng: Generator) -> Chances:
        """Draw the chances of one week."""
        sponsor, stress, neglect = rng.random((3, accounts))
        return cls(sponsor, stress, neglect, rng.standard_normal(accounts))


@dataclass(frozen=True)
class Circumstances:
    """The four causes at the start of a week; arrays of one shape.

    Attributes
    ----------
    review : float
        How much the purchase is under review: 1 in the week after the decision maker left, and
        less each week.
    stressed, neglected : float
        1 while the customer is short of cash; 1 while nobody looks after the account.
    progress : float
        How well the customer reaches its goals, mean 0 and standard deviation 1.
    """

    review: Floats
    stressed: Floats
    neglected: Floats
    progress: Floats

    def __getitem__(self, rows: Ints) -> Circumstances:
        """Return the circumstances of those accounts only."""
        return Circumstances(*(getattr(self, f.name)[rows] for f in fields(self)))

    def copy(self) -> Circumstances:
        """Return circumstances that share no array with these."""
        return Circumstances(*(getattr(self, f.name).copy() for f in fields(self)))

    def risk(self) -> Floats:
        """Return the log risk of leaving; its exponential has the mean 1 over all customers."""
        return np.asarray(
            SPONSOR_RISK * self.review
            + STRESS_RISK * self.stressed
            + NEGLECT_RISK * self.neglected
            - PROGRESS_RISK * self.progress
            - _MEAN_RISK
        )

    def step(self, by: Chances) -> Circumstances:
        """Return the circumstances a week later; `by` is broadcastable to them."""
        kind = self.review.dtype
        noise = float(np.sqrt(1 - PROGRESS_KEPT**2))
        return Circumstances(
            np.maximum(SPONSOR_KEPT * self.review, self.sponsor_leaves(by).astype(kind)),
            _switched(self.stressed, by.stress, STRESS_RATE, STRESS_ENDS),
            _switched(self.neglected, by.neglect, NEGLECT_RATE, NEGLECT_ENDS),
            PROGRESS_KEPT * self.progress + noise * by.progress,
        )

    @staticmethod
    def sponsor_leaves(by: Chances) -> Flags:
        """Return where the decision maker leaves within the week."""
        return np.asarray(by.sponsor < SPONSOR_RATE)

    def where(self, chosen: Flags, others: Circumstances) -> Circumstances:
        """Return these where `chosen`, and the others elsewhere."""
        pairs = ((getattr(self, f.name), getattr(others, f.name)) for f in fields(self))
        return Circumstances(*(np.where(chosen, ours, theirs) for ours, theirs in pairs))

    def of_new_customers(self) -> Circumstances:
        """Return the circumstances at a purchase: sponsor, money and CSM are there."""
        none = np.zeros_like(self.review)
        return Circumstances(none, none, none, self.progress)


def opening_circumstances(tenure_weeks: Floats, rng: Generator) -> Circumstances:
    """Draw the circumstances of customers of that tenure, as they are in the long run."""
    n = len(tenure_weeks)
    since = rng.geometric(SPONSOR_RATE, n)
    review = np.where(since <= tenure_weeks, SPONSOR_KEPT ** (since - 1.0), 0.0)
    stressed = rng.random(n) < _share(STRESS_RATE, STRESS_ENDS)
    neglected = rng.random(n) < _share(NEGLECT_RATE, NEGLECT_ENDS)
    return Circumstances(
        review, stressed.astype(float), neglected.astype(float), rng.standard_normal(n)
    )


def weeks_since_review(review: Floats) -> Ints:
    """Return the weeks since the decision maker left, from how much of the review is left."""
    return np.asarray(np.round(np.log(review) / np.log(SPONSOR_KEPT))).astype(np.int64) + 1


def _switched(on: Floats, chance: Floats, begins: float, ends: float) -> Floats:
    """Return 1 where a state lasts or begins, and 0 elsewhere."""
    return np.asarray(np.where(on > 0, chance >= ends, chance < begins).astype(on.dtype))


def _share(begins: float, ends: float) -> float:
    """Return the share of weeks in a state that begins and ends at these weekly chances."""
    return begins / (begins + ends)


def _mean_risk() -> float:
    """Return the log of the mean over customers of the exponential of the risk."""
    weeks = np.arange(500)
    chance = SPONSOR_RATE * (1 - SPONSOR_RATE) ** weeks
    review = 1 + float((chance * np.expm1(SPONSOR_RISK * SPONSOR_KEPT**weeks)).sum())
    stress = 1 + _share(STRESS_RATE, STRESS_ENDS) * float(np.expm1(STRESS_RISK))
    neglect = 1 + _share(NEGLECT_RATE, NEGLECT_ENDS) * float(np.expm1(NEGLECT_RISK))
    return float(np.log(review * stress * neglect)) + PROGRESS_RISK**2 / 2


#: Churn is as frequent as without these causes.
_MEAN_RISK = _mean_risk()
