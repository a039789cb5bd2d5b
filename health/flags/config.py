"""Settings of the flags: when one is raised, how long a list is, what to do."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from health.section import PositiveInt, Section


class FlagsConfig(Section):
    """When an account is flagged, and how many fit a CSM's week.

    Attributes
    ----------
    capacity_per_csm : int
        Most accounts of one kind of flag on one CSM's list.
    at_risk_lift : float
        An account is at risk where its churn probability is at least this many times the
        base rate of its peer group, or where its health is red.
    expansion_lift : float
        The same for upsell and cross-sell.
    silent_days : int
        Days without any use, after there was some, that make an account silent.
    renewal_days : int
        A term that ends within so many days puts the account on the list of renewals.
    advocate_nps : float
        Lowest latest NPS answer (0-10) of an advocate.
    """

    capacity_per_csm: PositiveInt = 15
    at_risk_lift: Annotated[float, Field(gt=0)] = 2.0
    expansion_lift: Annotated[float, Field(gt=0)] = 1.5
    silent_days: PositiveInt = 28
    renewal_days: PositiveInt = 90
    advocate_nps: Annotated[float, Field(ge=0, le=10)] = 9.0


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
