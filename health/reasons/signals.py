"""What a model term measures: its signal, its cause, and whether it can be a reason.

Several features can measure the same signal (a count in 7, 28 and 90 days); it is shown once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

from features.catalogue import DESCRIBED
from features.definitions.feature import Feature
from features.windows.observations import ATTRIBUTES

BASELINE = "baseline"
#: The sum of the terms that hardly moved a probability.
OTHERS = "others"
#: Causes that have a play, as in `[plays]`.
ADOPTION, CONTACT, SUPPORT, VALUE, COMMERCIAL = (
    "adoption",
    "contact",
    "support",
    "value",
    "commercial",
)
#: People contact support about errors, although they are measured in usage.
_ERRORS = "errors"
#: Each signal with the prefixes of the features that measure it; the first match applies.
_SIGNALS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("trend of use", ("usage_events_trend", "usage_events_vs_fleet", "usage_active_days_trend")),
    ("active users", ("usage_active_users", "usage_users_trend", "usage_new_users")),
    ("days per user", ("usage_days_per_user", "usage_regular_share")),
    ("amount of use", ("usage_active_days", "usage_events", "usage_records")),
    ("seats in use", ("usage_seat", "growth_seats")),
    (_ERRORS, ("usage_errors",)),
    ("features used", ("usage_distinct_events", "usage_breadth", "usage_sticky")),
    ("key people", ("usage_champions", "usage_top_user")),
    ("quota", ("usage_quota",)),
    ("higher plan", ("growth_higher_plan", "growth_days_since_higher_plan", "growth_plans")),
    ("ticket ratings", ("tickets_csat", "tickets_badly_rated")),
    ("open tickets", ("tickets_backlog", "tickets_urgent")),
    ("first reply", ("tickets_first_reply",)),
    ("resolution", ("tickets_first_resolution", "tickets_resolution", "tickets_reopen")),
    ("contact rate", ("contacts_per", "tickets_opened", "tickets_requesters")),
    ("NPS", ("surveys_nps", "surveys_detractors", "surveys_deciding")),
    ("CSAT", ("surveys_csat",)),
    ("CES", ("surveys_ces", "surveys_net_easy", "surveys_easy")),
    ("survey response", ("surveys_days_since_answer", "surveys_response")),
    ("end of the term", ("days_to_renewal", "days_to_term_end")),
    ("MRR movements", ("mrr_", "expansions_", "contractions_", "seats_change")),
    ("price", ("price_", "discount_")),
    ("payment delay", ("invoices_days_late",)),
    ("overdue invoices", ("invoices_overdue",)),
    ("onboarding", ("first_value", "days_to_first_value", "milestones", "days_since_milestone")),
    ("order interval", ("orders_recency", "orders_interval", "orders_silence")),
    ("amount of orders", ("orders_count", "orders_amount")),
    ("trial", ("offer_tried", "offer_days_since_tried", "offer_trial")),
    ("peers", ("offer_peer", "offer_co_ownership", "offer_bought")),
)
_WINDOW = re.compile(r"_\d+d$")
#: Signals about people rather than about how the product is used.
_PEOPLE = {"active users", "key people", "survey response"}
#: The cause of a reason, by family of features.
_CAUSES = {
    "usage": ADOPTION,
    "journey": ADOPTION,
    "tickets": SUPPORT,
    "surveys": VALUE,
    "commercial": COMMERCIAL,
    "contacts": CONTACT,
    "interactions": CONTACT,
    "goals": VALUE,
    "voice": VALUE,
    "invoices": COMMERCIAL,
}
#: Context, not reasons: for example, the end of the term is shown in its own column.
_CONTEXT = frozenset(
    {
        "days_to_renewal",
        "days_to_term_end",
        "contract_days",
        "contract_months",
        "billing_months",
        "days_since_notice",
        "product",
        *ATTRIBUTES,
    }
)
#: Direction in which a feature supports an offer: 1 if higher values do, −1 if lower values do.
_FOR_AN_OFFER = {
    "usage_quota_use_30d": 1,
    "usage_quota_days_to_limit": -1,
    "usage_quotas_near_limit": 1,
    "growth_seats_in_use_90d": 1,
    "growth_seats_days_to_limit": -1,
    "growth_higher_plan_tried_28d": 1,
    "growth_days_since_higher_plan": -1,
    "offer_tried_28d": 1,
    "offer_tried_users_28d": 1,
    "offer_days_since_tried": -1,
    "offer_trial_days": 1,
    "offer_peer_use_28d": 1,
    "offer_peer_share": 1,
    "offer_co_ownership": 1,
    "offer_bought_180d": 1,
}


@cache
def signal_of(term: str) -> str:
    """Return the signal that a term measures.

    Examples
    --------
    >>> signal_of("usage_days_per_user_28d"), signal_of("usage_days_per_user_90d")
    ('days per user', 'days per user')
    >>> signal_of("tickets_silent_90d")
    'tickets silent'
    """
    for signal, prefixes in _SIGNALS:
        if term.startswith(prefixes):
            return signal
    return _WINDOW.sub("", term).replace("_", " ")


def cause_of(term: str, features: Mapping[str, Feature] = DESCRIBED) -> str:
    """Return the cause of a term, which determines the play; empty if it has none.

    Examples
    --------
    >>> cause_of("usage_champions_silent"), cause_of("tickets_backlog"), cause_of("segment")
    ('contact', 'support', '')
    """
    signal = signal_of(term)
    if signal in _PEOPLE:
        return CONTACT
    if signal == _ERRORS:
        return SUPPORT
    feature = features.get(term)
    return _CAUSES.get(feature.family, "") if feature is not None else ""


def never_a_reason(term: str, features: Mapping[str, Feature] = DESCRIBED) -> bool:
    """Return whether a term is context: it moves a probability, but is never shown as a reason.

    Nobody can act on the end of the contract's term, an account's size or kind, or how it pays.
    """
    if term in _CONTEXT or term in (BASELINE, OTHERS):
        return True
    feature = features.get(term)
    return feature is not None and (feature.size or not feature.is_reason)


def direction_of(term: str, output: str, features: Mapping[str, Feature] = DESCRIBED) -> int | None:
    """Return the direction in which a term supports an output.

    Parameters
    ----------
    term : str
        Name of the term.
    output : str
        ``churn``, ``upsell`` or ``cross_sell``.
    features : mapping of str to Feature
        The catalogue, with custom features.

    Returns
    -------
    int or None
        1 if high values do, −1 if low values do, 0 if common sense gives no direction; None for a
        term that is not a feature.
    """
    feature = features.get(term)
    if feature is None:
        return None
    if output == "churn":
        return -feature.direction
    return _FOR_AN_OFFER.get(term, feature.direction)
