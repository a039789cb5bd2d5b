"""A feature as of a date is a function of what was known before it, and of nothing else."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features import CATALOGUE, build_features
from features.schema import TABLES
from tests.features.company import DAY, UNTIL, Row, Rows, ago, company, open_tables

#: Values that are filled in after their row, and what comes with them.
LATE = {
    "subscriptions": {"ended_at": (), "notice_at": ()},
    "tickets": {
        "first_replied_at": (),
        "solved_at": (),
        "reopened_at": (),
        "closed_at": (),
        "csat_at": ("csat",),
    },
    "surveys": {"answered_at": ("score", "comment")},
}


def truncated(rows: Rows, day: datetime) -> Rows:
    """Return the tables as they stood at a date: later rows gone, later values blank."""
    return {
        table: [_as_it_stood(table, row, day) for row in listed if _was_there(table, row, day)]
        for table, listed in rows.items()
    }


def _was_there(table: str, row: Row, day: datetime) -> bool:
    # A survey is there once it was sent, and where that is not recorded, once it was answered.
    dated = row.get("sent_at") or row["answered_at"] if table == "surveys" else None
    time = dated or row.get(TABLES[table].dated_by)
    if table == "surveys" and row["answered_at"] is not None:
        time = min(time, row["answered_at"])
    return time is not None and time < day and not _later(row.get("known_at"), day)


def _as_it_stood(table: str, row: Row, day: datetime) -> Row:
    for column, others in LATE.get(table, {}).items():
        if _later(row.get(column), day):
            row = {**row, column: None, **dict.fromkeys(others)}
    return row


def _later(time: datetime | None, day: datetime) -> bool:
    return time is not None and time >= day


def features(rows: Rows, day: datetime = DAY, **options: Any) -> pd.DataFrame:
    return build_features(open_tables(rows, **options), [day]).set_index("account_id")


# ------------------------------------------------------------------------------ property

_hours = st.integers(-40 * 24, 200 * 24)
#: Often at a date exactly, and often at the date itself.
_times = st.one_of(
    st.just(DAY), st.integers(-30, 200).map(ago), _hours.map(lambda hours: ago(0, hours))
)
_known = st.one_of(st.none(), st.none(), _times)
_accounts = st.sampled_from("abcdef")


def _after(start: datetime) -> st.SearchStrategy[datetime | None]:
    later = st.integers(0, 130).map(lambda days: start + timedelta(days=days))
    return st.one_of(st.none(), later)


@st.composite
def _subscription(draw: st.DrawFn) -> Row:
    start = draw(_times)
    return {
        "account_id": draw(_accounts),
        "product": draw(st.sampled_from(["core", "addon"])),
        "started_at": start,
        "ended_at": draw(_after(start)),
        "mrr": float(draw(st.sampled_from([0, 50, 100]))),
        "seats": draw(st.sampled_from([None, 5.0, 10.0])),
        "quota": 20.0,
        "quota_event": "view",
        "renews_at": draw(_after(start)),
        "notice_at": draw(_after(start)),
        "known_at": draw(_known),
    }


@st.composite
def _use(draw: st.DrawFn) -> Row:
    return {
        "account_id": draw(_accounts),
        "event": draw(st.sampled_from(["view", "export"])),
        "occurred_at": draw(_times),
        "user_id": draw(st.sampled_from([None, "u", "v", "w"])),
        "quantity": draw(st.sampled_from([None, 1.0, 20.0])),
        "errors": draw(st.sampled_from([None, 0.0, 1.0])),
        "known_at": draw(_known),
    }


@st.composite
def _ticket(draw: st.DrawFn) -> Row:
    opened = draw(_times)
    csat_at = draw(_after(opened))
    return {
        "account_id": draw(_accounts),
        "ticket_id": "t",
        "opened_at": opened,
        **{
            column: draw(_after(opened))
            for column in ("first_replied_at", "solved_at", "reopened_at", "closed_at")
        },
        "priority": draw(st.sampled_from([None, "urgent"])),
        "escalated": draw(st.booleans()),
        "csat": draw(st.sampled_from([1.0, 5.0])) if csat_at else None,
        "csat_at": csat_at,
        "known_at": draw(_known),
    }


@st.composite
def _survey(draw: st.DrawFn) -> Row:
    sent = draw(_times)
    answered = draw(_after(sent))
    return {
        "account_id": draw(_accounts),
        "kind": draw(st.sampled_from(["nps", "csat", "ces"])),
        "sent_at": sent,
        "answered_at": answered,
        "score": draw(st.sampled_from([1.0, 5.0, 10.0])) if answered else None,
        "known_at": draw(_known),
    }


@st.composite
def _companies(draw: st.DrawFn) -> Rows:
    """Return a company all of whose accounts pay, so that there is much to compare."""
    ages = dict(zip("abcdef", (400, 300, 200, 126, 100, 9), strict=True))
    pays = [
        {"account_id": a, "product": "core", "started_at": ago(days), "ended_at": None, "mrr": 80.0}
        for a, days in ages.items()
    ]
    return {
        "accounts": [{"account_id": a, "created_at": ago(days)} for a, days in ages.items()],
        "subscriptions": [*pays, *draw(st.lists(_subscription(), max_size=12))],
        "usage": draw(st.lists(_use(), max_size=30)),
        "tickets": draw(st.lists(_ticket(), max_size=12)),
        "surveys": draw(st.lists(_survey(), max_size=12)),
    }


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(_companies())
def test_truncating_every_table_at_the_date_changes_no_feature(rows: Rows) -> None:
    full, known = features(rows), features(truncated(rows, DAY))
    pd.testing.assert_frame_equal(full, known, check_dtype=False)


@pytest.mark.parametrize("days", [-14, 0, 7, 35, 100])
def test_truncating_the_company_changes_no_feature(days: int) -> None:
    day = ago(days)
    full, known = features(company(), day), features(truncated(company(), day), day)
    assert len(full)
    pd.testing.assert_frame_equal(full, known, check_dtype=False)


def test_truncating_takes_something_away() -> None:
    rows, cut = company(), truncated(company(), DAY)
    assert all(len(cut[table]) < len(rows[table]) for table in rows)
    assert any(cut[table] != [r for r in rows[table] if r in cut[table]] for table in LATE)


# ----------------------------------------------------------------------------- by hand


def _small(**tables: list[Row]) -> Rows:
    """Return a company of one old account that pays, with further rows."""
    account = {"account_id": "a", "created_at": ago(400)}
    pays = {"product": "core", "started_at": ago(300), "ended_at": None, "mrr": 80.0, "seats": 8.0}
    rows: Rows = {"accounts": [account], "subscriptions": [pays]}
    for name in ("usage", "tickets", "surveys"):
        rows[name] = tables.get(name, [])
    rows["subscriptions"] += tables.get("subscriptions", [])
    return {name: [{"account_id": "a", **row} for row in listed] for name, listed in rows.items()}


def _one(**tables: list[Row]) -> pd.Series[Any]:
    return features(_small(**tables)).loc["a"]


def _use_at(time: datetime, **rest: Any) -> Row:
    return {"event": "view", "occurred_at": time, "user_id": "u", **rest}


def _ticket_at(time: datetime, **rest: Any) -> Row:
    return {"ticket_id": "t", "opened_at": time, **rest}


def _nps(sent: float, answered: float | None, score: float | None = None) -> Row:
    when = None if answered is None else ago(answered)
    return {"kind": "nps", "sent_at": ago(sent), "answered_at": when, "score": score}


def test_what_happens_at_the_date_is_out() -> None:
    before = _one()
    at = _one(
        usage=[_use_at(DAY)],
        tickets=[_ticket_at(DAY, escalated=True)],
        surveys=[_nps(0, 0, 10.0)],
        subscriptions=[{"product": "addon", "started_at": DAY, "mrr": 9.0}],
    )
    pd.testing.assert_series_equal(at[list(CATALOGUE)], before[list(CATALOGUE)])
    just_before = _one(usage=[_use_at(DAY - timedelta(microseconds=1))])
    assert just_before["usage_events_7d"] == 1


def test_a_row_counts_from_when_it_reached_us() -> None:
    late = {"known_at": DAY}
    assert pd.isna(_one(usage=[_use_at(ago(5), **late)])["usage_events_28d"])
    assert _one(usage=[_use_at(ago(5), known_at=ago(1))])["usage_events_28d"] == 1
    assert _one(tickets=[_ticket_at(ago(5), **late)])["tickets_backlog"] == 0
    assert pd.isna(_one(surveys=[{**_nps(9, 8, 10.0), **late}])["surveys_nps_latest"])
    addon = {"product": "addon", "started_at": ago(5), "mrr": 9.0, **late}
    assert _one(subscriptions=[addon])["products_held"] == 1


def test_never_used_is_null_and_stopped_is_zero() -> None:
    levels = [
        "usage_events_28d",
        "usage_active_users_28d",
        "usage_active_days_28d",
        "usage_distinct_events_28d",
        "usage_seat_utilisation_28d",
    ]
    assert _one(usage=[_use_at(DAY)])[levels].isna().all()
    assert (_one(usage=[_use_at(ago(150))])[levels] == 0).all()


def test_stopped_is_zero_where_users_come_summed_up() -> None:
    rows = _small(usage=[_use_at(ago(150), active_users=7.0)])
    without = {"usage": {"user_id"}}
    stopped = features(rows, without=without).loc["a"]
    assert stopped["usage_active_users_28d"] == stopped["usage_active_users_90d"] == 0
    rows["usage"].append({"account_id": "a", **_use_at(ago(20), active_users=5.0)})
    rows["usage"].append({"account_id": "a", **_use_at(ago(10), active_users=6.0)})
    peak = features(rows, without=without).loc["a"]
    assert peak["usage_active_users_28d"] == 6
    assert pd.isna(peak["usage_champions_silent"])
    nobody = {"usage": {"user_id", "active_users"}}
    assert pd.isna(features(rows, without=nobody).loc["a", "usage_active_users_28d"])


def test_too_young_for_a_baseline_has_no_trend() -> None:
    trends = [name for name in CATALOGUE if name.startswith("usage_") and name.endswith("_trend")]
    assert len(trends) == 4
    rows = _small(usage=[_use_at(ago(day)) for day in range(1, 120, 3)])
    assert features(rows)[trends].notna().all(axis=None)
    rows["accounts"][0]["created_at"] = ago(125)
    assert features(rows)[trends].isna().all(axis=None)


def test_an_end_that_lies_ahead_is_unseen() -> None:
    for end in (DAY, ago(-1), ago(-60)):
        addon = {"product": "addon", "started_at": ago(90), "mrr": 20.0, "ended_at": end}
        assert _one(subscriptions=[addon])["mrr"] == 100.0
        assert _one(subscriptions=[addon])["contractions_180d"] == 0
    assert _one(subscriptions=[{**addon, "ended_at": ago(1)}])["contractions_180d"] == 1


def test_a_notice_is_seen_once_given() -> None:
    rows = _small()
    for notice, expected in ((ago(1), 1.0), (DAY, 0.0), (ago(-4), 0.0)):
        rows["subscriptions"][0]["notice_at"] = notice
        assert features(rows).loc["a", "notice_given"] == expected


def test_a_rating_is_seen_once_given() -> None:
    for rated, share in ((ago(1), 1.0), (DAY, None), (ago(-3), None)):
        row = _ticket_at(ago(20), solved_at=ago(19), csat=5.0, csat_at=rated)
        value = _one(tickets=[row])["tickets_csat_180d"]
        assert value == share if share else pd.isna(value)


def test_a_solution_is_seen_once_found() -> None:
    for solved, backlog in ((ago(1), 0), (DAY, 1), (ago(-3), 1)):
        value = _one(tickets=[_ticket_at(ago(20), solved_at=solved)])
        assert value["tickets_backlog"] == backlog
        assert pd.isna(value["tickets_resolution_hours_median_90d"]) == bool(backlog)


def test_reopened_is_open_again() -> None:
    row = _ticket_at(ago(20), solved_at=ago(15), reopened_at=ago(9))
    value = _one(tickets=[row])
    assert (value["tickets_backlog"], value["tickets_reopen_rate_90d"]) == (1, 1.0)
    assert _one(tickets=[{**row, "closed_at": ago(3)}])["tickets_backlog"] == 0
    assert _one(tickets=[{**row, "reopened_at": DAY}])["tickets_backlog"] == 0


def test_an_answer_is_seen_once_given() -> None:
    for answered, rate in ((1, 1.0), (0, 0.0), (-5, 0.0), (None, 0.0)):
        value = _one(surveys=[_nps(10, answered, 9.0)])
        assert value["surveys_response_rate_180d"] == rate
        assert pd.isna(value["surveys_nps_latest"]) == (not rate)


def test_use_on_the_day_before_is_recent_with_and_without_a_time_of_day() -> None:
    for time, days in ((ago(1), 0), (ago(0, 3), 0), (ago(1, 1), 1), (ago(8), 7)):
        assert _one(usage=[_use_at(time)])["usage_recency_days"] == days


def test_a_table_that_is_not_there_leaves_its_features_null() -> None:
    rows = company()
    for table in ("usage", "tickets", "surveys"):
        left = {name: listed for name, listed in rows.items() if name != table}
        built = features(left, until=UNTIL)
        own = [f.name for f in CATALOGUE.values() if f.family == table]
        if table == "surveys":
            # Ratings of tickets are bad experiences too.
            own.remove("surveys_negative_90d")
            assert built["surveys_negative_90d"].notna().all()
        assert built[own].isna().all(axis=None)
