"""What holds of every feature of the catalogue on any tables: no look ahead, null, zero, young."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import cache
from random import Random

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features import CATALOGUE, build_features, build_labels
from features.feature import Feature
from features.schema import TABLES
from tests.features.company import DAY, Row, Rows, ago, open_tables
from tests.features.cut_by_hand import LATE, is_later, truncated
from tests.features.random_company import ACCOUNTS, random_company

SEEDS = (1, 2)


def _features(rows: Rows) -> pd.DataFrame:
    return build_features(open_tables(rows), [DAY]).set_index("account_id")


@cache
def _known_of(seed: int) -> pd.DataFrame:
    return _features(random_company(seed))


def _agree(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(found, expected, check_dtype=False, rtol=1e-9)


def test_the_random_companies_reach_every_feature() -> None:
    built = pd.concat([_known_of(seed) for seed in SEEDS])[list(CATALOGUE)]
    assert [name for name in CATALOGUE if built[name].notna().sum() < 2] == []
    assert [name for name in CATALOGUE if built[name].nunique() < 2] == []


@settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 10**6))
def test_truncating_every_table_at_the_date_changes_no_feature(seed: int) -> None:
    rows = random_company(seed)
    _agree(_features(truncated(rows, DAY)), _features(rows))


def _with_rows_that_reached_us_later(rows: Rows, seed: int) -> Rows:
    chance, more = Random(seed), random_company(seed + 1000)
    for name in more.keys() - {"accounts"}:
        for number, row in enumerate(more[name]):
            known = DAY + timedelta(days=chance.choice((0, 0.5, 30)))
            new = {"ticket_id": f"later{number}"} if name == "tickets" else {}
            rows[name].append({**row, **new, "known_at": known})
    return rows


def _with_events_at_the_date(rows: Rows, seed: int) -> Rows:
    for name, listed in random_company(seed + 2000).items():
        if name == "accounts":
            continue
        for number, row in enumerate(listed):
            new: Row = {TABLES[name].dated_by: DAY}
            if name == "tickets":
                new["ticket_id"] = f"at{number}"
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
_CONTRACT = {"product": "core", "mrr": 80.0, "seats": 4.0, **_QUOTA}


def _life(account: str, age: float, events: list[float]) -> Rows:
    """Return an account of an age in days, with every kind of event so many days ago."""
    own = {"account_id": account}
    times = [ago(day) for day in events]
    return {
        "accounts": [{**own, "created_at": ago(age)}],
        "subscriptions": [{**own, **_CONTRACT, "started_at": ago(age)}],
        "usage": [{**own, "event": "view", "occurred_at": t, "user_id": "u"} for t in times],
        "tickets": [
            {**own, "ticket_id": f"{account}{n}", "opened_at": t, "solved_at": t}
            for n, t in enumerate(times)
        ],
        "surveys": [{**own, "kind": "nps", "answered_at": t, "score": 9.0} for t in times],
        "orders": [{**own, "ordered_at": t, "amount": 5.0} for t in times],
    }


@pytest.fixture(scope="module")
def lives() -> pd.DataFrame:
    """Return features of accounts that never did anything, stopped, are young, and are busy."""
    stories = [
        _life("never", 900, []),
        _life("stopped", 900, [700.0 + day for day in range(40)]),
        _life("young", 30, [float(day) for day in range(1, 29)]),
        _life("busy", 900, [float(day) for day in range(1, 600, 3)]),
    ]
    names = stories[0].keys()
    return _features({name: [r for story in stories for r in story[name]] for name in names})


def _of(*families: str, unit: str = "") -> list[Feature]:
    return [f for f in CATALOGUE.values() if f.family in families and unit in {"", f.unit}]


#: Told of the contract as well as of use: an account that never used its quota is at 0 of it.
_QUOTAS = {"usage_quota_use_30d", "usage_quotas_near_limit"}


@pytest.mark.parametrize("feature", _of("usage", "orders"), ids=lambda f: f.name)
def test_never_used_is_null(feature: Feature, lives: pd.DataFrame) -> None:
    value = lives.loc["never", feature.name]
    assert value == 0 if feature.name in _QUOTAS else pd.isna(value)


@pytest.mark.parametrize(
    "feature", [*_of("usage", "orders", unit="count"), *_of("orders", unit="money")],
    ids=lambda f: f.name,
)  # fmt: skip
def test_stopped_is_zero(feature: Feature, lives: pd.DataFrame) -> None:
    value = lives.loc["stopped", feature.name]
    per = {"usage_errors_per_100_events_28d", "orders_mean_amount_365d"}
    per |= {"usage_days_per_user_28d", "usage_days_per_user_90d"}
    # A mean of nothing is null; so is a rate.
    assert pd.isna(value) if feature.name in per else value == 0


@pytest.mark.parametrize("feature", _of("tickets", unit="count"), ids=lambda f: f.name)
@pytest.mark.parametrize("account", ["never", "stopped"])
def test_no_ticket_is_zero_tickets(account: str, feature: Feature, lives: pd.DataFrame) -> None:
    value = lives.loc[account, feature.name]
    absent = not pd.isna(lives.loc["busy", feature.name])
    rates = feature.name.startswith("contacts_") and feature.name != "contacts_per_seat_90d"
    assert pd.isna(value) if rates or not absent else value == 0


@pytest.mark.parametrize(
    "feature", [*_of("usage", "tickets", "orders", unit="ratio"), *_of("orders", unit="change")],
    ids=lambda f: f.name,
)  # fmt: skip
def test_young_is_insufficient_history(feature: Feature, lives: pd.DataFrame) -> None:
    if feature.name.startswith("orders_interval"):
        pytest.skip("a habit of days is told by days")
    assert pd.isna(lives.loc["young", feature.name])
    assert feature.describe(lives.loc["young", feature.name]).startswith("Insufficient history")


@pytest.mark.parametrize("feature", _of("usage", unit="ratio"), ids=lambda f: f.name)
def test_old_enough_has_a_trend_also_where_it_stopped(
    feature: Feature, lives: pd.DataFrame
) -> None:
    assert lives.loc[["busy", "stopped"], feature.name].notna().all()


def test_an_account_that_fell_silent_still_gets_a_label() -> None:
    rows = random_company(3)
    rows["usage"] = rows["tickets"] = rows["surveys"] = rows["orders"] = []
    tables = open_tables(rows, until=ago(-200))
    spine = build_features(tables, [DAY])[["account_id", "as_of"]]
    labels = build_labels(tables, spine)
    assert set(labels["account_id"]) == set(ACCOUNTS)
    assert labels[["churned", "upsold"]].notna().all(axis=None)
