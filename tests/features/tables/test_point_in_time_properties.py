"""What holds of every feature of the catalogue on any tables: no look ahead, null, zero, young."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cache
from random import Random

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features import CATALOGUE, build_features, build_labels
from features.definitions.feature import Feature
from features.tables.schema import TABLES
from tests.features.company import DAY, Row, Rows, ago, open_tables
from tests.features.cut_by_hand import LATE, is_later, truncated
from tests.features.random_company import ACCOUNTS, random_company
from tests.features.text_models import SETTINGS

SEEDS = (1, 2)


def _features(rows: Rows) -> pd.DataFrame:
    return build_features(open_tables(rows), [DAY], SETTINGS).set_index("account_id")


@cache
def _known_of(seed: int) -> pd.DataFrame:
    return _features(random_company(seed))


def _agree(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(found, expected, check_dtype=False, rtol=1e-9)


@pytest.mark.slow
def test_the_random_companies_reach_every_feature() -> None:
    built = pd.concat([_known_of(seed) for seed in SEEDS])[list(CATALOGUE)]
    assert [name for name in CATALOGUE if built[name].notna().sum() < 2] == []
    assert [name for name in CATALOGUE if built[name].nunique() < 2] == []


def _together(seeds: list[int]) -> Rows:
    """Return several companies as one: building the features of many accounts takes little more."""
    rows: Rows = {}
    for seed in seeds:
        for table, listed in random_company(seed).items():
            ids = {"account_id", *TABLES[table].key}
            own = ({**row, **{name: f"{row[name]}-{seed}" for name in ids}} for row in listed)
            rows.setdefault(table, []).extend(own)
    return rows


@pytest.mark.slow
@settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.integers(0, 10**6), min_size=5, max_size=5, unique=True))
def test_truncating_every_table_at_the_date_changes_no_feature(seeds: list[int]) -> None:
    rows = _together(seeds)
    _agree(_features(truncated(rows, DAY)), _features(rows))


def _with_rows_that_reached_us_later(rows: Rows, seed: int) -> Rows:
    chance, more = Random(seed), random_company(seed + 1000)
    for name in more.keys() - {"accounts"}:
        for number, row in enumerate(more[name]):
            known = DAY + timedelta(days=chance.choice((0, 0.5, 30)))
            key = {"tickets": "ticket_id", "invoices": "invoice_id"}.get(name)
            new = {key: f"later{number}"} if key else {}
            rows[name].append({**row, **new, "known_at": known})
    return rows


def _with_events_at_the_date(rows: Rows, seed: int) -> Rows:
    for name, listed in random_company(seed + 2000).items():
        if name == "accounts":
            continue
        for number, row in enumerate(listed):
            new: Row = {TABLES[name].dated_by: DAY}
            if name in ("tickets", "invoices"):
                new[f"{name.removesuffix('s')}_id"] = f"at{number}"
            if name == "surveys":
                new["sent_at"] = DAY
            rows[name].append({**row, **new})
    return rows


def _with_other_late_values(rows: Rows, seed: int) -> Rows:
    """Change what was filled in at the date or later, to any later time and any value."""
    chance = Random(seed)
    other = {"csat": 2.0, "score": 3.0, "escalated": True, "priority": "urgent", "comment": "so"}
    for table, columns in LATE.items():
        for row in rows[table]:
            for column, others in columns.items():
                if is_later(row.get(column), DAY):
                    row[column] = DAY + timedelta(days=chance.choice((0, 1, 77)))
                    row.update({name: other[name] for name in others})
    return rows


@pytest.mark.quick_cases(3)
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    "change",
    [_with_rows_that_reached_us_later, _with_events_at_the_date, _with_other_late_values],
)
def test_what_was_not_known_before_the_date_changes_no_feature(
    change: Callable[[Rows, int], Rows], seed: int
) -> None:
    before, after = random_company(seed), change(random_company(seed), seed)
    assert before != after
    _agree(_features(after), _known_of(seed))


# ------------------------------------------------------------------- never, stopped, young

_QUOTA = {"quota": 20.0, "quota_event": "view"}
_PRICES = {"list_mrr": 100.0, "billing_months": 1.0, "plan": "basic"}
_CONTRACT = {"product": "core", "mrr": 80.0, "seats": 4.0, **_QUOTA, **_PRICES}
_SCORES = {"nps": 9.0, "csat": 4.0, "ces": 6.0}


def _life(account: str, age: float, events: list[float]) -> Rows:
    """Return an account of an age in days, with every kind of event this many days ago."""
    own = {"account_id": account}
    times = [ago(day) for day in events]
    asked = {"respondent_id": "u", "role": "owner"}
    rows = {
        "accounts": [{"created_at": ago(age)}],
        "subscriptions": [{**_CONTRACT, "started_at": ago(age), "renews_at": ago(-50)}],
        "usage": [
            {"event": "view", "occurred_at": t, "user_id": "u", "errors": 0.0} for t in times
        ],
        "tickets": [{"ticket_id": f"{account}{t}", **_ticket_of(t)} for t in times],
        "surveys": [
            {"kind": kind, "sent_at": t, "answered_at": t, "score": score, "expected": 7.0}
            | {"comment": "We need reports", **asked}
            for kind, score in _SCORES.items()
            for t in times
        ],
        "orders": [{"ordered_at": t, "amount": 5.0} for t in times],
        **_relationship(account, ago(age), times),
    }
    return {name: [{**own, **row} for row in listed] for name, listed in rows.items()}


def _relationship(account: str, since: datetime, times: list[datetime]) -> Rows:
    hour = timedelta(hours=1)
    people = [
        {"contact_id": f"{account}{n}", "created_at": since, "is_champion": n == 0, "role": "user"}
        for n in range(2 if times else 0)
    ]
    bill = {"amount": 9.0, "failed_attempts": 0.0}
    talk = {"kind": "call", "direction": "in", "contact_id": f"{account}0"}
    return {
        "contacts": people,
        "invoices": [
            {**bill, "invoice_id": f"{account}{t}", "due_at": t, "paid_at": t + hour} for t in times
        ],
        "interactions": [{**talk, "occurred_at": t} for t in times],
        "goals": [
            {"goal": "g", "set_at": t, "target_at": t + hour, "reached_at": t + hour} for t in times
        ],
    }


def _ticket_of(time: datetime) -> Row:
    later = dict.fromkeys(("first_replied_at", "solved_at", "csat_at"), time + timedelta(hours=3))
    result = {"priority": "low", "escalated": False, "channel": "email", "requester_id": "u"}
    return {"opened_at": time, "csat": 4.0, **later, **result}


@pytest.fixture(scope="module")
def lives() -> pd.DataFrame:
    """Return features of accounts that never did anything, stopped, are young, and are busy."""
    stories = [
        _life("never", 900, []),
        _life("stopped", 900, [700.0 + day for day in range(40)]),
        _life("young", 30, [float(day) for day in range(1, 29)]),
        _life("twice", 900, [3.0, 20.0]),
        *_busy(),
    ]
    return _features(_all(stories))


def _busy() -> list[Rows]:
    """Return accounts that have everything, of which one gave notice."""
    stories = [_life(f"busy{n}", 900, [float(day) for day in range(1, 600, 3)]) for n in range(5)]
    stories[0]["subscriptions"][0]["notice_at"] = ago(5)
    # Some find it hard, and write so: sentiment is learned from both.
    for story in stories[1:]:
        for row in story["surveys"]:
            if row["kind"] == "ces":
                row |= {"score": 1.0, "comment": "Far too difficult, please simplify"}
    return stories


def _all(stories: list[Rows]) -> Rows:
    return {name: [r for story in stories for r in story[name]] for name in stories[0]}


def _of(*families: str, unit: str = "") -> list[Feature]:
    return [f for f in CATALOGUE.values() if f.family in families and unit in {"", f.unit}]


def _each(*features: Feature) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("feature", features, ids=lambda feature: feature.name)


@_each(*CATALOGUE.values())
def test_a_busy_account_has_every_feature(feature: Feature, lives: pd.DataFrame) -> None:
    assert pd.notna(lives.loc["busy0", feature.name])


@pytest.mark.slow
@pytest.mark.parametrize(
    "table",
    [
        *("subscriptions", "usage", "tickets", "surveys", "orders"),
        *("contacts", "invoices", "interactions", "goals"),
    ],
)
def test_without_a_table_what_is_made_from_it_is_null_and_nothing_else(table: str) -> None:
    rows = {name: listed for name, listed in _all(_busy()).items() if name != table}
    built = _features(rows)[list(CATALOGUE)]
    made_from_it = {name for name, feature in CATALOGUE.items() if table in feature.tables}
    # Ratings of tickets are bad experiences, too.
    assert set(built.columns[built.isna().all()]) == made_from_it - {"surveys_negative_90d"}


#: Counted from the first day, as there is somebody who could have come: 0 where nobody ever did.
_FROM_THE_FIRST_DAY = {
    *("usage_quota_use_30d", "usage_quotas_near_limit", "first_value_reached"),
    *("milestones_reached", "milestones_90d", "surveys_negative_90d", "contacts_per_seat_90d"),
    *("tickets_opened_28d", "tickets_opened_90d", "tickets_requesters_90d"),
    *("tickets_channels_90d", "tickets_escalated_90d", "tickets_badly_rated_90d"),
    *("tickets_backlog", "tickets_backlog_oldest_days", "tickets_backlog_mean_days"),
    *("tickets_urgent_open", "tickets_urgent_oldest_days"),
}


@_each(
    *_of("usage", "tickets", "surveys", "journey", "orders"),
    *_of("contacts", "invoices", "interactions", "goals", "voice"),
)
def test_never_is_null(feature: Feature, lives: pd.DataFrame) -> None:
    value = lives.loc["never", feature.name]
    assert value == 0 if feature.name in _FROM_THE_FIRST_DAY else pd.isna(value)


#: A mean of nothing is null, and so is a rate.
_RATES = {
    *("usage_errors_per_100_events_28d", "usage_top_user_share_28d", "usage_champions_silent"),
    *("usage_regular_share_28d", "usage_weekend_share_change", "orders_mean_amount_365d"),
    *("usage_days_per_user_28d", "usage_days_per_user_90d"),
}


@_each(*(f for f in _of("usage", "orders") if f.unit in {"count", "share", "money"}))
def test_stopped_is_zero(feature: Feature, lives: pd.DataFrame) -> None:
    value = lives.loc["stopped", feature.name]
    assert pd.isna(value) if feature.name in _RATES else value == 0


@_each(*(f for f in _of("tickets", "surveys", "voice") if f.name != "surveys_days_since_answer"))
def test_nothing_for_a_year_is_like_nothing_ever(feature: Feature, lives: pd.DataFrame) -> None:
    stopped, never = lives.loc["stopped", feature.name], lives.loc["never", feature.name]
    assert stopped == never or pd.isna([stopped, never]).all()


@_each(*(f for f in CATALOGUE.values() if f.null_means.startswith("insufficient history")))
def test_young_is_insufficient_history(feature: Feature, lives: pd.DataFrame) -> None:
    # The interval between orders needs three days with orders, however close.
    account = "twice" if feature.name.startswith("orders_interval") else "young"
    assert pd.isna(lives.loc[account, feature.name])
    assert feature.describe(lives.loc[account, feature.name]).startswith("Insufficient history")


@_each(*(f for f in _of("commercial", unit="change") if f.window_days))
def test_what_was_not_paid_for_then_did_not_change(feature: Feature, lives: pd.DataFrame) -> None:
    assert pd.isna(lives.loc["young", feature.name])
    assert lives.loc["busy1", feature.name] == 0


@_each(*(f for f in _of("usage", "tickets", "orders") if f.unit in {"count", "money"}))
def test_what_happened_is_told_of_a_young_account_too(
    feature: Feature, lives: pd.DataFrame
) -> None:
    assert pd.notna(lives.loc["young", feature.name])


@_each(*_of("usage", unit="ratio"))
def test_old_enough_has_a_trend_also_where_it_stopped(
    feature: Feature, lives: pd.DataFrame
) -> None:
    assert lives.loc[["busy1", "stopped"], feature.name].notna().all()


@pytest.mark.slow
def test_an_account_that_fell_silent_still_gets_a_label() -> None:
    rows = random_company(3)
    rows["usage"] = rows["tickets"] = rows["surveys"] = rows["orders"] = []
    tables = open_tables(rows, until=ago(-200))
    observations = build_features(tables, [DAY])[["account_id", "as_of"]]
    labels = build_labels(tables, observations)
    assert set(labels["account_id"]) == set(ACCOUNTS)
    assert labels[["churned", "upsold"]].notna().all(axis=None)
