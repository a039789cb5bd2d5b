"""Settings of the flags: when one is raised, how long a list is, what to do."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median
from typing import Annotated

from pydantic import Field, field_validator

from health.settings.section import PositiveInt, Section

#: Of a median account's year: an offer is expected to gain this share of it, or more. At a
#: twentieth, the demo company would list no product at all that an account does not hold.
_LEAST_SHARE = 0.02
_MONTHS = 12
NaturalInt = Annotated[int, Field(ge=0)]


class FlagsConfig(Section):
    """When an account is flagged, and how many accounts fit a CSM's week.

    Attributes
    ----------
    capacity_per_csm : int
        Most accounts in one CSM's week, whatever they are flagged for.
    at_risk_lift : float
        An account is at risk where its odds of leaving are at least this many times those of
        its peer group's base rate, or where its health is red. Odds, because a multiple of a
        high rate would lie beyond certainty.
    expansion_lift : float
        The same for the odds of an upsell or a cross-sell.
    least_lift : float
        Odds below this many times the usual are too close to it to mention: neither a red
        account nor an offer with a sign in use is listed below it. An offer that the customer
        asked for is.
    least_value : float, optional
        Expected gain in a year below which no offer is listed, unless the customer asked for it;
        in currency. By default a fiftieth of what the median account pays in a year.
    silent_days : int
        Days without any use, after there was some, that make an account silent; where customers
        order and have no contract, also days without an order, if twice as many as usual.
    renewal_days : int
        A term that ends within so many days puts the account on the list of renewals.
    advocate_nps : float
        Lowest latest NPS answer (0-10) of an advocate.
    capacity : dict of str to int
        By CSM, where it is another than `capacity_per_csm`.
    unassigned_csms : int, optional
        People who share the accounts that have no CSM; their list is as long as all of theirs.
    accounts_per_csm : int
        Where `unassigned_csms` is not given, one person is counted for so many accounts.
    hold_days : dict of str to int
        By flag, days its condition must have held before it is shown; 0 otherwise.
    stays : float
        Hysteresis: a flag raised before stays while its condition reaches this share of the
        limit for a new one.
    snooze_days : int
        Days that a snoozed flag rests where no date was given.
    outcome_rests_days : int
        Days that a flag rests after its case was closed (saved, lost, bought, false alarm), as
        long as the condition has not ended before.
    hold_out : float
        Share of accounts that are left off the lists by lot, so that what lists do can be
        measured; the lot hangs on the account's identifier and falls the same every week.
    hold_out_flags : tuple of str
        The lists it concerns.
    """

    capacity_per_csm: PositiveInt = 15
    at_risk_lift: Annotated[float, Field(gt=0)] = 2.0
    expansion_lift: Annotated[float, Field(gt=0)] = 1.5
    least_lift: Annotated[float, Field(gt=0)] = 1.25
    least_value: Annotated[float, Field(ge=0)] | None = None
    silent_days: PositiveInt = 28
    renewal_days: PositiveInt = 90
    advocate_nps: Annotated[float, Field(ge=0, le=10)] = 9.0
    capacity: dict[str, PositiveInt] = Field(default_factory=dict)
    unassigned_csms: PositiveInt | None = None
    accounts_per_csm: PositiveInt = 100
    hold_days: dict[str, NaturalInt] = Field(default_factory=dict)
    stays: Annotated[float, Field(gt=0, le=1)] = 0.85
    snooze_days: PositiveInt = 28
    outcome_rests_days: PositiveInt = 90
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
        """Return the days a flag's condition must have held before it is shown."""
        return self.hold_days.get(flag, 0)

    def relaxed(self) -> FlagsConfig:
        """Return the limits for a flag that was raised before."""
        lifts = ("at_risk_lift", "expansion_lift", "least_lift")
        return self.model_copy(update={name: getattr(self, name) * self.stays for name in lifts})

    def least_gain(self, mrr: Iterable[float]) -> float:
        """Return the expected gain in a year below which no offer is listed.

        Parameters
        ----------
        mrr : iterable of float
            What each account pays a month; NaN is left out.
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
    "advocate": "Ask for a reference, a review or a case story",
    "leaving": "Exit interview; agree what would have to change for them to stay",
    "silent": "Find out who left or what broke; a login check and a call to the main contact",
}

#: The suggested play for an account at risk by the cause of its strongest reason; `[plays]`
#: replaces any of them.
CAUSE_PLAYS = {
    "adoption": "Adoption session: show the team the two features that would save them most time",
    "contact": "Call the executive contact: who uses it now, and what has changed in the team",
    "support": "Escalate the open tickets, then call with a date for each",
    "value": "Value review: ask what disappoints, agree one goal for the next 30 days",
    "commercial": "Talk about price and size before the renewal, with use as the argument",
}

#: The same where customers order and have no contract.
ORDER_PLAYS = {
    "at_risk": "Call this week: ask what they ordered elsewhere, and what would bring them back",
    "silent": "Ask whether the need or the contact has changed; make reordering one click",
}
