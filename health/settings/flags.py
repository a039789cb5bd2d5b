"""Settings of the flags: when one is raised, how long a list is, what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median
from typing import Annotated, Literal

from pydantic import Field, field_validator

from health.settings.section import PositiveInt, Section

#: Minimum expected gain of an offer, as a share of the median account's yearly revenue: what a
#: place in a week costs. Customer success costs about a tenth of revenue, and a CSM with 100
#: accounts and 15 places a week has about 7 places a year for each: 1 to 2 % of its revenue each.
_LEAST_SHARE = 0.02
_MONTHS = 12
NaturalInt = Annotated[int, Field(ge=0)]


class FlagsConfig(Section):
    """When an account is flagged, and how many accounts fit a CSM's week.

    Attributes
    ----------
    capacity_per_csm : int
        Maximum number of accounts in one CSM's week, over all flags.
    at_risk_lift : float
        An account is at risk if its odds of leaving are at least this many times the odds of its
        peer group, or if its health is red. Odds are used because a multiple of a high rate could
        exceed 100 %.
    expansion_lift : float
        The same for the odds of an upsell or a cross-sell.
    least_lift : float
        Accounts with odds below this many times the usual are not listed, even if their health is
        red or their usage suggests an offer. An offer that the customer asked for is always
        listed.
    least_value : float, optional
        Minimum expected gain in a year, in currency, for an offer to be listed, unless the
        customer asked for it. By default a fiftieth of what the median account pays in a year:
        about what a place in a CSM's week costs, if customer success costs a tenth of revenue.
    silent_days : int
        An account that used the product before is silent after this many days without use; without
        contracts, also after this many days without an order, if that is twice the usual interval.
    renewal_days : int
        An account is on the list of renewals if its term ends within this many days.
    call_difference : float
        Model and CSM disagree on a renewal within the horizon if the share of the revenue that the
        CSM's call means and the chance of staying differ by at least this much.
    advocate_nps : float
        Minimum latest NPS answer (0-10) of an advocate.
    capacity : dict of str to int
        Capacity by CSM, where it differs from `capacity_per_csm`.
    unassigned_csms : int, optional
        Number of people who share the accounts without a CSM; their list has their total capacity.
    accounts_per_csm : int
        If `unassigned_csms` is not set, one person is assumed for this many accounts.
    hold_days : dict of str to int
        By flag, the number of days that its condition must be met before it is shown; 0 by
        default.
    stays : float
        Hysteresis: a flag that was raised before stays as long as its value reaches this share of
        the limit for a new flag.
    snooze_days : int
        Days that a flag is snoozed if no date is given.
    outcome_rests_days : int
        Days that a flag is not raised again after its case was closed (saved, lost, bought, false
        alarm), unless its condition has ended in between.
    rank : str
        ``value`` orders accounts by the money expected to be lost or gained. ``savable`` orders
        those to keep by a year of their revenue times how much contact lowered the chance of
        leaving in your own experiments; the run is refused while no experiment ranks accounts
        better than chance, and the rule is on the lists.
    hold_out : float
        Share of accounts that are randomly left off the lists, to measure the effect of the lists.
        The selection depends only on the account's identifier, so it is the same every week.
    hold_out_flags : tuple of str
        The lists that `hold_out` applies to.
    """

    capacity_per_csm: PositiveInt = 15
    at_risk_lift: Annotated[float, Field(gt=0)] = 2.0
    expansion_lift: Annotated[float, Field(gt=0)] = 1.5
    least_lift: Annotated[float, Field(gt=0)] = 1.25
    least_value: Annotated[float, Field(ge=0)] | None = None
    silent_days: PositiveInt = 28
    renewal_days: PositiveInt = 90
    call_difference: Annotated[float, Field(gt=0, le=1)] = 0.3
    advocate_nps: Annotated[float, Field(ge=0, le=10)] = 9.0
    capacity: dict[str, PositiveInt] = Field(default_factory=dict)
    unassigned_csms: PositiveInt | None = None
    accounts_per_csm: PositiveInt = 100
    hold_days: dict[str, NaturalInt] = Field(default_factory=dict)
    stays: Annotated[float, Field(gt=0, le=1)] = 0.85
    snooze_days: PositiveInt = 28
    outcome_rests_days: PositiveInt = 90
    rank: Literal["value", "savable"] = "value"
    hold_out: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    hold_out_flags: tuple[str, ...] = ("at_risk", "upsell", "cross_sell", "silent")

    @field_validator("hold_days", "hold_out_flags")
    @classmethod
    def _known_flags(cls, named: Iterable[str]) -> Iterable[str]:
        unknown = sorted(set(named) - set(DEFAULT_PLAYS))
        if unknown:
            known = ", ".join(DEFAULT_PLAYS)
            raise ValueError(f"no flag is called {', '.join(unknown)}; known are {known}")
        return named

    def hold(self, flag: str) -> int:
        """Return the days that a flag's condition must be met before it is shown."""
        return self.hold_days.get(flag, 0)

    def relaxed(self) -> FlagsConfig:
        """Return the limits for a flag that was raised before."""
        lifts = ("at_risk_lift", "expansion_lift", "least_lift", "call_difference")
        return self.model_copy(update={name: getattr(self, name) * self.stays for name in lifts})

    def least_gain(self, mrr: Iterable[float]) -> float:
        """Return the minimum expected gain in a year for an offer to be listed.

        Parameters
        ----------
        mrr : iterable of float
            What each account pays per month; NaN is ignored.
        """
        if self.least_value is not None:
            return self.least_value
        paid = [amount for amount in mrr if amount > 0]
        return median(paid) * _MONTHS * _LEAST_SHARE if paid else 0.0


#: The suggested play by kind of flag; `[plays]` in the configuration replaces any of them.
DEFAULT_PLAYS = {
    "at_risk": "Call the sponsor this week, agree one goal for the next 30 days",
    "upsell": "Offer the next plan or more seats, with their own usage as the argument",
    "cross_sell": "Show the product in a 30-minute session with the team that would use it",
    "renewal": "Agree the terms before the notice date; bring what they gained this year",
    "disagreement": "Find out which is wrong, the score, the chance or the call, and correct it",
    "advocate": "Ask for a reference, a review or a case story",
    "leaving": "Exit interview; agree what would have to change for them to stay",
    "silent": "Find out who left or what broke; a login check and a call to the main contact",
}

#: The suggested play for an account at risk by its cause: the cause that exceeds the usual level
#: among accounts at risk by most; `[plays]` replaces any of them.
CAUSE_PLAYS = {
    "adoption": "Adoption session: show the team the two features that would save them most time",
    "contact": "Call the executive contact: who uses it now, and what has changed in the team",
    "support": "Settle in support what went wrong or is open, then call with what is done by when",
    "value": "Value review: ask what disappoints, agree one goal for the next 30 days",
    "commercial": "Talk about price, size and payment, with their own usage as the argument",
}

#: The same for companies whose customers order without a contract.
ORDER_PLAYS = {
    "at_risk": "Call this week: ask what they ordered elsewhere, and what would bring them back",
    "silent": "Ask whether the need or the contact has changed; make reordering one click",
}
