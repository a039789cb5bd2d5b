"""What the features of the contract say of themselves."""

from __future__ import annotations

from features.definitions.feature import Feature, Unit

_SEATLESS = "no seats in the contract"
_ENDLESS = "no renewal date is known"


def _deal(
    name: str,
    unit: Unit,
    direction: int,
    sentence: str,
    zero: str,
    *,
    window: int | None = None,
    null: str = "no contract is recorded",
    table: str = "subscriptions",
    size: bool = False,
) -> Feature:
    return Feature(name, "commercial", table, window, unit, direction, null, zero, sentence, size)


_LEVELS = (
    _deal(
        "tenure_days",
        "days",
        1,
        "Days as a customer: {value}",
        "became a customer on the day before",
        table="accounts",
        null="no start is recorded",
        size=True,
    ),
    _deal("mrr", "money", 0, "Pays {value} a month", "pays nothing", size=True),
    _deal(
        "mrr_change_90d",
        "change",
        1,
        "What it pays a month is {value} against 90 days ago",
        "what it pays a month is unchanged against 90 days ago",
        window=90,
        null="did not pay 90 days ago",
    ),
    _deal(
        "seats", "count", 0, "Seats in the contract: {value}", _SEATLESS, null=_SEATLESS, size=True
    ),
    _deal(
        "seats_change_180d",
        "change",
        1,
        "The number of seats is {value} against 180 days ago",
        "the number of seats is unchanged against 180 days ago",
        window=180,
        null="had no seats 180 days ago",
    ),
    _deal("products_held", "count", 1, "Products held: {value}", "holds no product", size=True),
)
_TERMS = (
    _deal(
        "days_to_renewal",
        "days",
        0,
        "Days until the contract renews: {value}",
        "the contract renews today",
        null=_ENDLESS,
    ),
    _deal(
        "contract_days",
        "days",
        1,
        "Length of the contract in days: {value}",
        "the contract has no length",
        null=_ENDLESS,
        size=True,
    ),
    _deal(
        "billing_months",
        "count",
        0,
        "Months that an invoice covers: {value}",
        "an invoice covers no month",
        null="how often it is billed is not recorded",
        size=True,
    ),
    _deal(
        "billing_changes_365d",
        "count",
        0,
        "Times the contract changed (price, seats, plan or product) in a year: {value}",
        "the contract did not change in a year",
        window=365,
    ),
    _deal("notice_given", "flag", -1, "Has given notice of cancellation", "no notice was given"),
    _deal(
        "days_since_notice",
        "days",
        0,
        "Days since notice was given: {value}",
        "gave notice today",
        null="no notice was given",
    ),
)
_PRICE = (
    _deal(
        "price_per_seat",
        "money",
        0,
        "Pays {value} for each seat and month",
        "pays nothing",
        null=_SEATLESS,
        size=True,
    ),
    _deal(
        "price_per_seat_change_365d",
        "change",
        -1,
        "The price of a seat is {value} against a year ago",
        "the price of a seat is unchanged against a year ago",
        window=365,
        null="had no seats a year ago or has none now",
    ),
    _deal(
        "price_vs_peers",
        "change",
        0,
        "The price of a seat is {value} against accounts with the same product and plan",
        "the price of a seat is that of accounts with the same product and plan",
        null="no seats in the contract, or fewer than five accounts with the same product and plan",
    ),
    _deal(
        "discount_share",
        "share",
        0,
        "Pays {value} less than the list price",
        "pays the list price",
        null="no list price is recorded",
    ),
)
_COUNTS = (
    _deal(
        "expansions_180d",
        "count",
        1,
        "Times it began to pay more in 180 days: {value}",
        "did not begin to pay more in 180 days",
        window=180,
    ),
    _deal(
        "contractions_180d",
        "count",
        -1,
        "Times it began to pay less in 180 days: {value}",
        "did not begin to pay less in 180 days",
        window=180,
    ),
)
_MOVEMENTS = tuple(
    _deal(
        f"mrr_{kind}_180d",
        "money",
        direction,
        f"MRR {words} in 180 days: {{value}}",
        f"no MRR {words} in 180 days",
        window=180,
        size=True,
    )
    for kind, direction, words in (
        ("new", 0, "of a first start"),
        ("expansion", 1, "gained by paying more"),
        ("contraction", -1, "lost by paying less"),
        ("churn", -1, "lost by not paying at all for a while"),
        ("reactivation", 0, "of coming back"),
    )
)

FEATURES = (*_LEVELS, *_TERMS, *_PRICE, *_COUNTS, *_MOVEMENTS)
