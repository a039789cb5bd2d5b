"""The features of contracts and revenue: their names, windows and sentences."""

from __future__ import annotations

from features.definitions.feature import FeatureFamily

_NO_SEATS = "no seats in the contract"
_NO_TERM = "no renewal date is recorded"
_CONTRACT = FeatureFamily(
    name="commercial",
    table="subscriptions",
    null_means="no contract is recorded",
    direction=0,
)

_LEVELS = (
    _CONTRACT.feature(
        name="tenure_days",
        unit="days",
        sentence="Customer for {value} days",
        zero_means="became a customer yesterday",
        direction=1,
        table="accounts",
        null_means="no start is recorded",
        size=True,
    ),
    _CONTRACT.feature(
        name="tenure_first_year_days",
        unit="days",
        sentence="Customer for {value} days, counted up to a year",
        zero_means="became a customer yesterday",
        direction=1,
        table="accounts",
        null_means="no start is recorded",
    ),
    _CONTRACT.feature(
        name="mrr",
        unit="money",
        sentence="Pays {value} a month",
        zero_means="pays nothing",
        size=True,
    ),
    _CONTRACT.feature(
        name="mrr_change_90d",
        unit="change",
        sentence="MRR is {value} compared with 90 days ago",
        zero_means="MRR is unchanged compared with 90 days ago",
        window_days=90,
        direction=1,
        null_means="did not pay 90 days ago",
    ),
    _CONTRACT.feature(
        name="seats",
        unit="count",
        sentence="Seats in the contract: {value}",
        zero_means=_NO_SEATS,
        null_means=_NO_SEATS,
        size=True,
    ),
    _CONTRACT.feature(
        name="seats_change_180d",
        unit="change",
        sentence="The number of seats is {value} compared with 180 days ago",
        zero_means="the number of seats is unchanged compared with 180 days ago",
        window_days=180,
        direction=1,
        null_means="had no seats 180 days ago",
    ),
    _CONTRACT.feature(
        name="products_held",
        unit="count",
        sentence="Products under contract: {value}",
        zero_means="has no product under contract",
        direction=1,
        size=True,
    ),
)
_TERMS = (
    _CONTRACT.feature(
        name="days_to_renewal",
        unit="days",
        sentence="The contract is up for renewal in {value} days",
        zero_means="the contract is up for renewal today",
        null_means="no renewal date is recorded, or the contract is month to month",
    ),
    _CONTRACT.feature(
        name="days_to_term_end",
        unit="days",
        sentence="The current term ends in {value} days",
        zero_means="the current term ends today",
        null_means=_NO_TERM,
        is_reason=False,
    ),
    _CONTRACT.feature(
        name="contract_months",
        unit="count",
        sentence="Contract term in months: {value}",
        zero_means="the contract term is shorter than two days",
        direction=1,
        null_means=_NO_TERM,
        size=True,
    ),
    _CONTRACT.feature(
        name="billing_months",
        unit="count",
        sentence="Months covered by an invoice: {value}",
        zero_means="invoices cover no month",
        null_means="how often the account is billed is not recorded",
        size=True,
    ),
    _CONTRACT.feature(
        name="billing_changes_365d",
        unit="count",
        sentence="Contract changes in the last year (price, seats, plan or product): {value}",
        zero_means="the contract did not change in the last year",
        window_days=365,
    ),
    _CONTRACT.feature(
        name="notice_given",
        unit="flag",
        sentence="Has given notice of cancellation",
        zero_means="no notice was given",
        direction=-1,
    ),
    _CONTRACT.feature(
        name="days_since_notice",
        unit="days",
        sentence="Gave notice {value} days ago",
        zero_means="gave notice today",
        null_means="no notice was given",
    ),
)
_PRICE = (
    _CONTRACT.feature(
        name="price_per_seat",
        unit="money",
        sentence="Pays {value} per seat and month",
        zero_means="pays nothing",
        null_means=_NO_SEATS,
        size=True,
    ),
    _CONTRACT.feature(
        name="price_per_seat_change_365d",
        unit="change",
        sentence="The price per seat is {value} compared with a year ago",
        zero_means="the price per seat is unchanged compared with a year ago",
        window_days=365,
        direction=-1,
        null_means="had no seats a year ago or has none now",
    ),
    _CONTRACT.feature(
        name="price_vs_peers",
        unit="change",
        sentence="The price per seat is {value} compared with others on the same product and plan",
        zero_means="the price per seat is that of others on the same product and plan",
        null_means="no seats in the contract, or fewer than five accounts on the same product "
        "and plan",
    ),
    _CONTRACT.feature(
        name="discount_share",
        unit="share",
        sentence="Pays {value} less than the list price",
        zero_means="pays the list price",
        null_means="no list price is recorded",
    ),
)
_COUNTS = tuple(
    _CONTRACT.feature(
        name=f"{kind}s_180d",
        unit="count",
        sentence=f"Times MRR {verb} in the last 180 days: {{value}}",
        zero_means=f"MRR did not {base} in the last 180 days",
        window_days=180,
        direction=direction,
    )
    for kind, verb, base, direction in (
        ("expansion", "rose", "rise", 1),
        ("contraction", "fell", "fall", -1),
    )
)
_MOVEMENTS = tuple(
    _CONTRACT.feature(
        name=f"mrr_{kind}_180d",
        unit="money",
        sentence=f"{words} in the last 180 days: {{value}}",
        zero_means=f"no {words.replace('New', 'new')} in the last 180 days",
        window_days=180,
        direction=direction,
        size=True,
    )
    for kind, direction, words in (
        ("new", 0, "New MRR"),
        ("expansion", 1, "MRR gained by expansion"),
        ("contraction", -1, "MRR lost by contraction"),
        ("churn", -1, "MRR lost by churn"),
        ("reactivation", 0, "MRR gained by reactivation"),
    )
)

FEATURES = (*_LEVELS, *_TERMS, *_PRICE, *_COUNTS, *_MOVEMENTS)
