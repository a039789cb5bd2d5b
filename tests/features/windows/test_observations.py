"""Which accounts pay on a date, and which past dates are used for training."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from features import Tables
from features.windows.observations import build_observations, training_dates
from tests.features.company import DAY, Row, ago, open_tables

_SECOND = timedelta(seconds=1)


def _paying(start: datetime, end: datetime | None, **rest: object) -> bool:
    account = {"account_id": "a", "created_at": ago(500)}
    row = {"account_id": "a", "product": "core", "started_at": start, "ended_at": end, "mrr": 10.0}
    tables = open_tables({"accounts": [account], "subscriptions": [{**row, **rest}]})
    return list(build_observations(tables, [DAY])["account_id"]) == ["a"]


@pytest.mark.quick_cases(3)
@pytest.mark.parametrize(
    ("start", "end", "pays"),
    [
        (ago(1), None, True),
        (DAY - _SECOND, None, True),
        (DAY, None, False),
        (ago(90), DAY, True),
        (ago(90), DAY - _SECOND, False),
        (ago(90), ago(-5), True),
    ],
)
def test_an_account_pays_once_begun_and_until_its_end_was_seen(
    start: datetime, end: datetime | None, pays: bool
) -> None:
    assert _paying(start, end) is pays


def test_a_free_product_is_not_paid_for() -> None:
    assert not _paying(ago(90), None, mrr=0.0)


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize(("known", "pays"), [(ago(1), True), (DAY, False), (ago(-9), False)])
def test_what_reached_us_later_was_not_known(known: datetime, pays: bool) -> None:
    assert _paying(ago(90), None, known_at=known) is pays


def test_an_account_that_is_not_known_yet_is_left_out() -> None:
    rows = {
        "accounts": [
            {"account_id": "b", "created_at": ago(9), "known_at": DAY},
            {"account_id": "c", "created_at": ago(9), "name": "C"},
        ],
        "subscriptions": [
            {"account_id": a, "product": "core", "started_at": ago(9), "mrr": 1.0} for a in "bc"
        ],
    }
    accounts = build_observations(open_tables(rows), [DAY]).set_index("account_id")
    assert list(accounts.index) == ["c"]
    assert accounts.loc["c", "name"] == "C"


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize("migrated", [3, 0, -30])
def test_an_account_exists_from_its_first_paid_contract_at_the_latest(migrated: int) -> None:
    own = {"account_id": "a", "product": "core"}
    rows: dict[str, list[Row]] = {
        "accounts": [{"account_id": "a", "created_at": ago(migrated)}],
        "subscriptions": [
            {**own, "started_at": ago(400), "ended_at": ago(200), "mrr": 0.0},
            {**own, "started_at": ago(100), "mrr": 5.0},
            # Known after the first of the dates alone.
            {**own, "product": "x", "started_at": ago(300), "mrr": 5.0, "known_at": ago(2)},
        ],
    }
    found = build_observations(open_tables(rows), [ago(101), ago(50), DAY])
    assert list(found["as_of"]) == [ago(50), DAY]
    assert list(found["created_at"]) == [ago(100), ago(300)]


def test_without_subscriptions_an_account_exists_from_its_first_order() -> None:
    rows: dict[str, list[Row]] = {
        "accounts": [{"account_id": "a", "created_at": ago(-30)}],
        "orders": [
            {"account_id": "a", "ordered_at": ago(100), "amount": 5.0},
            {"account_id": "a", "ordered_at": ago(300), "amount": 5.0, "known_at": ago(2)},
            # Of an account that accounts does not have.
            {"account_id": "b", "ordered_at": ago(500), "amount": 5.0},
        ],
    }
    tables = open_tables({name: rows.get(name, []) for name in rows})
    found = build_observations(tables, [ago(101), ago(50), DAY])
    assert list(found["as_of"]) == [ago(50), DAY]
    assert list(found["created_at"]) == [ago(100), ago(300)]


def _records(start: datetime, until: datetime, *, used: bool = True) -> Tables:
    rows: dict[str, list[Row]] = {
        "accounts": [{"account_id": "a", "created_at": start}],
        "subscriptions": [{"account_id": "a", "product": "core", "started_at": start, "mrr": 1.0}],
    }
    if used:
        first = start + timedelta(days=100)
        rows["usage"] = [{"account_id": "a", "event": "view", "occurred_at": first}]
    return open_tables(rows, until=until)


def test_training_dates_are_spaced_on_a_weekday_with_history_and_outcome() -> None:
    tables = _records(datetime(2024, 1, 1), datetime(2025, 1, 1, 15))
    options = {"every_days": 28, "weekday": 6, "warm_up_days": 60, "horizon_days": 120}
    dates = training_dates(tables, **options)
    assert dates
    assert {day.weekday() for day in dates} == {6}
    assert {b - a for a, b in pairwise(dates)} == {timedelta(days=28)}
    last, first = datetime(2025, 1, 1) - timedelta(days=120), datetime(2024, 4, 10)
    assert last - timedelta(days=28) < dates[-1] <= last
    assert dates[0] >= first + timedelta(days=60) > dates[0] - timedelta(days=28)
    assert all(day.hour == 0 for day in dates)


def test_later_data_adds_dates_and_moves_none() -> None:
    options = {"every_days": 28, "weekday": 6, "warm_up_days": 60, "horizon_days": 120}
    earlier = training_dates(_records(datetime(2024, 1, 1), datetime(2025, 1, 1)), **options)
    later = training_dates(_records(datetime(2024, 1, 1), datetime(2025, 2, 5)), **options)
    assert later[: len(earlier)] == earlier
    assert len(later) == len(earlier) + 1


def test_training_dates_begin_no_earlier_than_told() -> None:
    tables = _records(datetime(2024, 1, 1), datetime(2025, 1, 1))
    options = {"every_days": 7, "weekday": 0, "warm_up_days": 0, "horizon_days": 30}
    first = datetime(2024, 11, 6)
    dates = training_dates(tables, **options, first=first)
    assert first <= dates[0] < first + timedelta(days=7)


def test_without_use_the_first_subscription_begins_the_records() -> None:
    tables = _records(datetime(2024, 1, 1), datetime(2024, 6, 1), used=False)
    dates = training_dates(tables, every_days=7, weekday=0, warm_up_days=14, horizon_days=90)
    assert dates[0] == datetime(2024, 1, 15)


def test_too_short_a_history_gives_no_date() -> None:
    tables = _records(datetime(2024, 1, 1), datetime(2024, 6, 1))
    dates = training_dates(tables, every_days=7, weekday=0, warm_up_days=60, horizon_days=90)
    assert dates == []
