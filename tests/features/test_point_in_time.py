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
        "first_solved_at": (),
        "solved_at": (),
        "reopened_at": (),
        "closed_at": (),
        "csat_at": ("csat",),
        "escalated_at": ("escalated",),
        "priority_at": ("priority",),
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


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(_companies())
def test_truncating_every_table_at_the_date_changes_no_feature(rows: Rows) -> None:
    full, known = features(rows), features(truncated(rows, DAY))
    pd.testing.assert_frame_equal(full, known, check_dtype=False)


@pytest.mark.parametrize("days", [-14, 0, 35])
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


Story = dict[str, list[Row]]


def _company(*stories: Story) -> Rows:
    """Return a company of old accounts that pay, one a story: its further rows by table."""
    pays = {"product": "core", "started_at": ago(300), "ended_at": None, "mrr": 80.0, "seats": 8.0}
    rows: Rows = {name: [] for name in ("accounts", "subscriptions", "usage", "tickets", "surveys")}
    for number, story in enumerate(stories):
        own = {"accounts": [{"created_at": ago(400)}], "subscriptions": [pays]}
        for table, listed in rows.items():
            account = {"account_id": f"{number:02d}"}
            listed += [{**account, **row} for row in own.get(table, []) + story.get(table, [])]
    return rows


def _told(*stories: Story, **options: Any) -> pd.DataFrame:
    """Return the features of each story, in order."""
    return features(_company(*stories), **options).reset_index(drop=True)


def _use_at(time: datetime, **rest: Any) -> Row:
    return {"event": "view", "occurred_at": time, "user_id": "u", **rest}


def _ticket_at(time: datetime, **rest: Any) -> Row:
    return {"ticket_id": "t", "opened_at": time, **rest}


def _nps(sent: float, answered: float | None, score: float | None = None) -> Row:
    when = None if answered is None else ago(answered)
    return {"kind": "nps", "sent_at": ago(sent), "answered_at": when, "score": score}


def _addon(start: datetime, **rest: Any) -> Row:
    return {"product": "addon", "started_at": start, "mrr": 20.0, **rest}


def test_what_happens_at_the_date_is_out() -> None:
    at = {
        "usage": [_use_at(DAY)],
        "tickets": [_ticket_at(DAY, escalated=True)],
        "surveys": [_nps(0, 0, 10.0)],
        "subscriptions": [_addon(DAY)],
    }
    told = _told({}, at)[list(CATALOGUE)]
    pd.testing.assert_series_equal(told.loc[1], told.loc[0], check_names=False)
    just_before = {"usage": [_use_at(DAY - timedelta(microseconds=1))]}
    assert _told(just_before).loc[0, "usage_events_7d"] == 1


def test_a_row_counts_from_when_it_reached_us() -> None:
    def story(known_at: datetime) -> Story:
        late = {"known_at": known_at}
        return {
            "usage": [_use_at(ago(5), **late)],
            "tickets": [_ticket_at(ago(5), **late)],
            "surveys": [{**_nps(9, 8, 10.0), **late}],
            "subscriptions": [_addon(ago(5), **late)],
        }

    told = _told({}, story(ago(1)), story(DAY), story(ago(-9)))[list(CATALOGUE)]
    names = ["usage_events_28d", "tickets_backlog", "surveys_nps_latest", "products_held"]
    assert list(told.loc[1, names]) == [1, 1, 10, 2]
    for hidden in (2, 3):
        pd.testing.assert_series_equal(told.loc[hidden], told.loc[0], check_names=False)


def test_never_used_is_null_and_stopped_is_zero() -> None:
    levels = [
        "usage_events_28d",
        "usage_active_users_28d",
        "usage_active_days_28d",
        "usage_distinct_events_28d",
        "usage_seat_utilisation_28d",
    ]
    told = _told({"usage": [_use_at(DAY)]}, {"usage": [_use_at(ago(150))]})
    assert told.loc[0, levels].isna().all()
    assert (told.loc[1, levels] == 0).all()


def test_stopped_is_zero_where_users_come_summed_up() -> None:
    stopped = [_use_at(ago(150), active_users=7.0)]
    peak = [*stopped, _use_at(ago(20), active_users=5.0), _use_at(ago(10), active_users=6.0)]
    stories: list[Story] = [{"usage": stopped}, {"usage": peak}, {}]
    told = _told(*stories, without={"usage": {"user_id"}})
    for name in ("usage_active_users_28d", "usage_active_users_90d"):
        assert list(told[name].iloc[:2]) == [0, 6]
        assert pd.isna(told.loc[2, name])
    assert told["usage_champions_silent"].isna().all()
    nobody = _told(*stories, without={"usage": {"user_id", "active_users"}})
    assert nobody["usage_active_users_28d"].isna().all()


def test_too_young_for_a_baseline_has_no_trend() -> None:
    trends = [name for name in CATALOGUE if name.startswith("usage_") and name.endswith("_trend")]
    assert len(trends) == 4
    story: Story = {"usage": [_use_at(ago(day)) for day in range(1, 120, 3)]}
    rows = _company(story, story, story)
    rows["accounts"][1]["created_at"] = ago(126)
    rows["accounts"][2]["created_at"] = ago(125)
    built = features(rows)[trends]
    assert list(built.notna().all(axis=1)) == [True, True, False]
    assert built.iloc[2].isna().all()


def test_without_an_old_account_there_is_no_fleet() -> None:
    rows = _company({"usage": [_use_at(ago(2))]})
    rows["accounts"][0]["created_at"] = ago(50)
    assert features(rows)["usage_events_vs_fleet_trend"].isna().all()


def test_an_end_that_lies_ahead_is_unseen() -> None:
    ends = (DAY, ago(-1), ago(-60), ago(1))
    told = _told(*({"subscriptions": [_addon(ago(90), ended_at=end)]} for end in ends))
    assert list(told["mrr"]) == [100, 100, 100, 80]
    assert list(told["contractions_180d"]) == [0, 0, 0, 1]


def test_a_notice_is_seen_once_given() -> None:
    rows = _company({}, {}, {}, {})
    for row, notice in zip(rows["subscriptions"], (ago(1), DAY, ago(-4), None), strict=True):
        row["notice_at"] = notice
    assert list(features(rows)["notice_given"]) == [1, 0, 0, 0]


def test_a_notice_of_one_of_two_is_not_leaving() -> None:
    one = {"subscriptions": [_addon(ago(90), notice_at=ago(5))]}
    assert _told(one).loc[0, "notice_given"] == 0


def test_a_rating_is_seen_once_given() -> None:
    row = _ticket_at(ago(20), solved_at=ago(19), csat=5.0)
    times = (ago(1), DAY, ago(-3))
    told = _told(*({"tickets": [{**row, "csat_at": time}]} for time in times))
    assert told.loc[0, "tickets_csat_180d"] == 1
    assert told.loc[1:, "tickets_csat_180d"].isna().all()


def test_a_solution_is_seen_once_found() -> None:
    times = (ago(1), DAY, ago(-3))
    told = _told(*({"tickets": [_ticket_at(ago(20), solved_at=time)]} for time in times))
    assert list(told["tickets_backlog"]) == [0, 1, 1]
    assert list(told["tickets_resolution_hours_median_90d"].isna()) == [False, True, True]


def test_reopened_is_open_again() -> None:
    row = _ticket_at(ago(20), solved_at=ago(15), reopened_at=ago(9))
    told = _told(
        {"tickets": [row]},
        {"tickets": [{**row, "closed_at": ago(3)}]},
        {"tickets": [{**row, "reopened_at": DAY}]},
    )
    assert list(told["tickets_backlog"]) == [1, 0, 0]
    assert list(told["tickets_reopen_rate_90d"]) == [1, 1, 0]


def test_an_answer_is_seen_once_given() -> None:
    told = _told(*({"surveys": [_nps(10, answered, 9.0)]} for answered in (1, 0, -5, None)))
    assert list(told["surveys_response_rate_180d"]) == [1, 0, 0, 0]
    assert list(told["surveys_nps_latest"].isna()) == [False, True, True, True]


def test_use_on_the_day_before_is_recent_with_and_without_a_time_of_day() -> None:
    times = (ago(1), ago(0, 3), ago(1, 1), ago(8))
    told = _told(*({"usage": [_use_at(time)]} for time in times))
    assert list(told["usage_recency_days"]) == [0, 0, 1, 7]


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


def test_required_columns_are_enough() -> None:
    without = {
        name: {c.name for c in table.columns if not c.required} for name, table in TABLES.items()
    }
    built = features(company(), without=without)
    told = built.notna().any()
    assert told["usage_events_28d"]
    assert told["tickets_opened_90d"]
    assert told["mrr"]
    assert not told["usage_active_users_28d"]
    assert not told["seats"]
