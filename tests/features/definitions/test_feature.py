"""The catalogue and its words."""

from __future__ import annotations

import math
import string

import pytest

from features import CATALOGUE, describe
from features.commercial import family as commercial
from features.commercial.movements import MOVEMENTS
from features.definitions.feature import Feature
from features.journey import family as journey
from features.orders import family as orders
from features.relationship import contacts, goals, interactions, invoices
from features.surveys import family as surveys
from features.tables.schema import TABLES
from features.tickets import family as tickets
from features.usage import family as usage
from features.voice import family as voice

FAMILIES = (
    *(usage, tickets, surveys, commercial, journey, orders),
    *(contacts, invoices, interactions, goals, voice),
)
ALL = [f for family in FAMILIES for f in family.FEATURES]


def test_names_are_unique() -> None:
    assert len({feature.name for feature in ALL}) == len(ALL) == len(CATALOGUE)


@pytest.mark.parametrize("feature", ALL, ids=lambda feature: feature.name)
def test_every_feature_declares_itself(feature: Feature) -> None:
    assert feature.table in TABLES
    assert feature.direction in {-1, 0, 1}
    fields = [field for _, field, _, _ in string.Formatter().parse(feature.sentence) if field]
    assert fields == ([] if feature.unit == "flag" else ["value"])
    for value in (None, math.nan, 0.0, 0.004, 1.0, 2.5, 12.5, -0.5):
        text = feature.describe(value)
        assert text[0].isupper() or text[0].isdigit() or text[0] == "−"
        assert not set("{}_") & set(text)
        assert not text.endswith(".")
    assert feature.null_means != "not recorded"


def test_null_and_zero_are_sentences_of_their_own() -> None:
    assert describe("tickets_backlog", 0.0) == "No ticket is open"
    assert (
        describe("tickets_backlog", None)
        == "No tickets are recorded, or solution times are missing"
    )
    assert describe("usage_events_28d", 0.0) == "Not used in the last 28 days"
    assert describe("usage_events_28d", math.nan) == "No use was ever recorded"


def test_one_and_many_read_alike() -> None:
    assert describe("tickets_backlog", 1.0) == "Open tickets: 1"
    assert describe("tickets_backlog", 12.0) == "Open tickets: 12"
    assert describe("mrr", 12345.6) == "Pays 12,346 a month"
    assert describe("surveys_nps_latest", 6.5).endswith("6.5 of 10")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (math.log(0.7), "down 30 %"),
        (math.log(1.25), "up 25 %"),
        (math.log(4.1), "up 4.1-fold"),
        (0.0, "unchanged"),
        (0.001, "unchanged"),
    ],
)
def test_a_ratio_is_said_as_a_change(value: float, words: str) -> None:
    assert (
        describe("usage_events_trend", value)
        == f"Usage is {words} compared with the account's own baseline"
    )


@pytest.mark.parametrize(
    ("value", "words"),
    [(-0.2, "down 20 %"), (0.5, "up 50 %"), (0.0, "unchanged"), (-1, "down 100 %")],
)
def test_a_change_is_said_with_its_way(value: float, words: str) -> None:
    expected = f"The number of seats is {words} compared with 180 days ago"
    assert describe("seats_change_180d", value) == expected


def test_a_share_is_said_in_per_cent() -> None:
    text = describe("usage_seat_utilisation_28d", 0.456)
    assert text == "46 % of seats were used in the last 28 days"


@pytest.mark.parametrize("kind", ["csat", "easy"])
def test_an_interval_of_own_answers_is_told_from_the_share_drawn_to_peers(kind: str) -> None:
    # Of few answers the one may exclude the other.
    for value in (0.0, 0.207):
        assert describe(f"surveys_{kind}_low_180d", value).startswith("From its own answers alone")
    assert "adjusted for few answers" in describe(f"surveys_{kind}_shrunk_180d", 0.194)


def test_a_flag_is_said_as_it_is() -> None:
    assert describe("notice_given", 1.0) == "Has given notice of cancellation"
    assert describe("notice_given", 0.0) == "No notice was given"


_SIZES = ("events", "records", "active_users")


def test_size_is_marked() -> None:
    levels = {f"usage_{what}_{w}d" for what in _SIZES for w in (7, 28, 90)}
    deal = {"mrr", "seats", "price_per_seat", "products_held", "tenure_days", "contract_months"}
    movements = {f"mrr_{kind}_180d" for kind in MOVEMENTS}
    orders = {f"orders_{what}_{w}d" for what in ("count", "amount") for w in (90, 365)}
    habit = {"billing_months", "orders_mean_amount_365d", "orders_interval_days_median"}
    sizes = {name for name, feature in CATALOGUE.items() if feature.size}
    assert sizes == levels | deal | movements | orders | habit


def test_an_unknown_feature_is_refused() -> None:
    with pytest.raises(KeyError):
        describe("no_such_feature", 1.0)
