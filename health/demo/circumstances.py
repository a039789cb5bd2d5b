"""What moves a customer to leave or stay though its use of the product does not show it.

Four causes, each independent of satisfaction: the decision maker who bought the product leaves and
the successor reviews the purchase; the customer pays with difficulty; the customer does or does not
get the results it wanted; its people keep in touch with the vendor, or do not. Contacts, invoices,
goals and interactions record them within days or weeks, with noise. Three of the four are degrees
that every customer has, not rare states.

The sizes follow published reports, and were fixed before any model was fitted to them. How long
strain lasts and how closely the tables record the causes was revised once: in the first version,
regressions on the tables explained 19 to 44 % of the variance of each cause, so most of what it
does was noise to a model.

- *Sponsor*. Accounts with a single sponsor have 3.2 times the risk in the 90 days after that person
  leaves [1]_; renewal falls from 85 % to 50 %, which is 4.3 times the intensity [2]_. 17 % of
  business contacts change their role each year [3]_; 40 to 60 % of accounts lose their sponsor
  before the first renewal [1]_. Here: 3.2 times right after, and 27 % a year.
- *Payment strain*. Of 3.5 % monthly churn in B2B software, 0.8 points are involuntary [4]_; 20 to
  25 % of churn is linked to payment [5]_. Here: were every customer like the median one, 25 % less
  would leave.
- *Progress with goals*. Customers with measurable results stay six times as long [6]_; those that
  complete their onboarding are 2.5 times as likely to renew [7]_. Here: the half with less progress
  leaves four times as often as the other half.
- *Contact*. Accounts with few touchpoints leave 2.4 times as often as those with many [8]_; others
  find that touchpoints do not matter [9]_. Here: 1.5 times, between the two.

References
----------
.. [1] User Intuition, "Champions and churn: when your internal sponsor leaves",
   userintuition.ai/reference-guides.
.. [2] Pulse RevOps, "Champion-departure save process" (citing Gartner), pulserevops.com.
.. [3] Salesforce Research with LinkedIn, 2017, marketingcharts.com/business-of-marketing-78409.
.. [4] Recurly 2025, in "The state of involuntary churn", retentionlens.com.
.. [5] "B2B unpaid invoices and SaaS churn", cleavr.fr.
.. [6] G. Daines (ChurnRX), "The 3 laws of retention", KAMCon 2023, kapta.com.
.. [7] Totango, in "Customer onboarding", scian.io.
.. [8] "The first 90 days decide everything", takerev.com.
.. [9] G. Daines, churn.fm, "Customer satisfaction has no correlation with customer retention".
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.random import Generator

from health.demo.latent import Flags, Floats, Ints

#: Weekly chance that the decision maker leaves; the log risk after that, which falls by half in
#: 17 weeks as the successor settles.
SPONSOR_RATE, SPONSOR_RISK, SPONSOR_KEPT = 0.006, float(np.log(3.2)), 0.96
#: Log risk for each standard deviation, and the share that is kept from week to week: half-lives
#: of a year, a year and half a year.
STRAIN_RISK, STRAIN_KEPT = 0.75, 0.987
PROGRESS_RISK, PROGRESS_KEPT = -0.84, 0.987
CONTACT_RISK, CONTACT_KEPT = -0.27, 0.974


@dataclass(frozen=True)
class Chances:
    """The week's chances: a uniform for the decision maker, and a normal for each other cause."""

    sponsor: Floats
    strain: Floats
    progress: Floats
    contact: Floats

    @classmethod
    def draw(cls, accounts: int, rng: Generator) -> Chances:
        """Draw the chances of one week."""
        return cls(rng.random(accounts), *rng.standard_normal((3, accounts)))


@dataclass(frozen=True)
class Circumstances:
    """The four causes at the start of a week; arrays of one shape.

    Attributes
    ----------
    review : float
        How much the purchase is under review: 1 in the week after the decision maker left, and
        less each week.
    strain, progress, contact : float
        How hard it is for the customer to pay, how well it reaches its goals, and how close its
        people keep in touch; mean 0 and standard deviation 1.
    """

    review: Floats
    strain: Floats
    progress: Floats
    contact: Floats

    def __getitem__(self, rows: Ints) -> Circumstances:
        """Return the circumstances of those accounts only."""
        return Circumstances(*(getattr(self, f.name)[rows] for f in fields(self)))

    def copy(self) -> Circumstances:
        """Return circumstances that share no array with these."""
        return Circumstances(*(getattr(self, f.name).copy() for f in fields(self)))

    def risk(self) -> Floats:
        """Return the log risk of leaving, which leaves the churn of the company as it was."""
        return np.asarray(
            SPONSOR_RISK * self.review
            + STRAIN_RISK * self.strain
            + PROGRESS_RISK * self.progress
            + CONTACT_RISK * self.contact
            - _MEAN_RISK
        )

    def step(self, by: Chances) -> Circumstances:
        """Return the circumstances a week later; `by` is broadcastable to them."""
        leaves = self.sponsor_leaves(by).astype(self.review.dtype)
        return Circumstances(
            np.maximum(SPONSOR_KEPT * self.review, leaves),
            _moved(self.strain, by.strain, STRAIN_KEPT),
            _moved(self.progress, by.progress, PROGRESS_KEPT),
            _moved(self.contact, by.contact, CONTACT_KEPT),
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
        """Return the circumstances at a purchase: the decision maker has just bought."""
        return Circumstances(np.zeros_like(self.review), self.strain, self.progress, self.contact)


def opening_circumstances(tenure_weeks: Floats, rng: Generator) -> Circumstances:
    """Draw the circumstances of customers of that tenure, as they are in the long run."""
    n = len(tenure_weeks)
    since = rng.geometric(SPONSOR_RATE, n)
    review = np.where(since <= tenure_weeks, SPONSOR_KEPT ** (since - 1.0), 0.0)
    return Circumstances(review, *rng.standard_normal((3, n)))


def weeks_since_review(review: Floats) -> Ints:
    """Return the weeks since the decision maker left, from how much of the review is left."""
    return np.asarray(np.round(np.log(review) / np.log(SPONSOR_KEPT))).astype(np.int64) + 1


def _moved(degree: Floats, normal: Floats, kept: float) -> Floats:
    """Return a degree a week later, drawn back to its mean 0."""
    return np.asarray(kept * degree + float(np.sqrt(1 - kept**2)) * normal)


def _mean_risk() -> float:
    """Return the log of the mean over customers of the exponential of the risk."""
    weeks = np.arange(500)
    chance = SPONSOR_RATE * (1 - SPONSOR_RATE) ** weeks
    review = 1 + float((chance * np.expm1(SPONSOR_RISK * SPONSOR_KEPT**weeks)).sum())
    degrees = STRAIN_RISK**2 + PROGRESS_RISK**2 + CONTACT_RISK**2
    return float(np.log(review)) + degrees / 2


#: How much lower the log risk of those who stayed is than that of those who once bought.
_STAYED = -0.40
#: Churn is as frequent as without these causes.
_MEAN_RISK = _mean_risk() + _STAYED
