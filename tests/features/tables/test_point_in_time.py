"""A feature as of a date is a function of what was known before it, and of nothing else."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pandas as pd
import pytest

from features import CATALOGUE, build_features
from features.commercial import family as commercial
from features.orders import family as orders
from features.surveys import family as surveys
from features.tables.schema import TABLES
from features.tickets import family as tickets
from features.usage import family as usage
from features.windows.observations import build_observations
from tests.features.company import DAY, Row, Rows, ago, company, open_tables
from tests.features.cut_by_hand import LATE, truncated
from tests.features.one_family import one_family

FAMILIES = {
    family.__name__.split(".")[-2]: family
    for family in (commercial, orders, surveys, tickets, usage)
}


def features(
    rows: Rows, day: datetime = DAY, *, family: str | None = None, **options: Any
) -> pd.DataFrame:
    """Build every feature, or those of one family, which takes a fraction of the time."""
    tables = open_tables(rows, **options)
    if family is None:
        return build_features(tables, [day]).set_index("account_id")
    observations = build_observations(tables, [day])
    return observations.join(one_family(FAMILIES[family], tables, observations)).set_index(
        "account_id"
    )


@pytest.mark.quick_cases(1)
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
    for place, ticket in enumerate(rows["tickets"]):
        ticket["ticket_id"] = f"{ticket['ticket_id']}{place}"
    return rows


def _values(*stories: Story, **options: Any) -> pd.DataFrame:
    """Return the features of each story, in order."""
    return features(_company(*stories), **options).reset_index(drop=True)


def _start(rows: Rows, number: int, age: float) -> None:
    """Let an account exist, and pay, from this many days ago."""
    rows["accounts"][number]["created_at"] = ago(age)
    rows["subscriptions"][number] = {**rows["subscriptions"][number], "started_at": ago(age)}


def _use_at(time: datetime, **rest: Any) -> Row:
    return {"event": "view", "occurred_at": time, "user_id": "u", **rest}


def _ticket_at(time: datetime, **rest: Any) -> Row:
    return {"ticket_id": "t", "opened_at": time, **rest}


def _nps(sent: float, answered: float | None, score: float | None = None) -> Row:
    when = None if answered is None else ago(answered)
    return {"kind": "nps", "sent_at": ago(sent), "answered_at": when, "score": score}


def _addon(start: datetime, **rest: Any) -> Row:
    return {"product": "addon", "started_at": start, "mrr": 20.0, **rest}


@pytest.mark.slow
def test_what_happens_at_the_date_is_out() -> None:
    at = {
        "usage": [_use_at(DAY)],
        "tickets": [_ticket_at(DAY, escalated=True)],
        "surveys": [_nps(0, 0, 10.0)],
        "subscriptions": [_addon(DAY)],
    }
    result = _values({}, at)[list(CATALOGUE)]
    pd.testing.assert_series_equal(result.loc[1], result.loc[0], check_names=False)
    just_before = {"usage": [_use_at(DAY - timedelta(microseconds=1))]}
    assert _values(just_before).loc[0, "usage_events_7d"] == 1


@pytest.mark.slow
def test_a_row_counts_from_when_it_reached_us() -> None:
    def story(known_at: datetime) -> Story:
        late = {"known_at": known_at}
        return {
            "usage": [_use_at(ago(5), **late)],
            "tickets": [_ticket_at(ago(5), **late)],
            "surveys": [{**_nps(9, 8, 10.0), **late}],
            "subscriptions": [_addon(ago(5), **late)],
        }

    result = _values({}, story(ago(1)), story(DAY), story(ago(-9)))[list(CATALOGUE)]
    names = ["usage_events_28d", "tickets_backlog", "surveys_nps_latest", "products_held"]
    assert list(result.loc[1, names]) == [1, 1, 10, 2]
    for hidden in (2, 3):
        pd.testing.assert_series_equal(result.loc[hidden], result.loc[0], check_names=False)


@pytest.mark.slow
def test_never_used_is_null_and_stopped_is_zero() -> None:
    levels = [
        "usage_events_28d",
        "usage_active_users_28d",
        "usage_active_days_28d",
        "usage_distinct_events_28d",
        "usage_seat_utilisation_28d",
        "usage_seats_in_use_daily_28d",
    ]
    result = _values({"usage": [_use_at(DAY)]}, {"usage": [_use_at(ago(150))]})
    assert result.loc[0, levels].isna().all()
    assert (result.loc[1, levels] == 0).all()


@pytest.mark.slow
def test_stopped_is_zero_where_users_come_summed_up() -> None:
    stopped = [_use_at(ago(150), active_users=7.0)]
    peak = [*stopped, _use_at(ago(20), active_users=5.0), _use_at(ago(10), active_users=6.0)]
    stories: list[Story] = [{"usage": stopped}, {"usage": peak}, {}]
    result = _values(*stories, without={"usage": {"user_id"}}, family="usage")
    for name in ("usage_active_users_28d", "usage_active_users_90d"):
        assert list(result[name].iloc[:2]) == [0, 6]
        assert pd.isna(result.loc[2, name])
    # 5 and 6 users on two days, of whom there were 6 at least.
    assert result.loc[1, "usage_days_per_user_28d"] == pytest.approx(11 / 6)
    assert pd.isna(result.loc[0, "usage_days_per_user_28d"])
    assert result["usage_champions_silent"].isna().all()
    nobody = _values(*stories, without={"usage": {"user_id", "active_users"}}, family="usage")
    assert nobody["usage_active_users_28d"].isna().all()


@pytest.mark.slow
def test_too_young_for_a_baseline_has_no_trend() -> None:
    trends = [name for name in CATALOGUE if name.startswith("usage_") and name.endswith("_trend")]
    assert len(trends) == 4
    story: Story = {"usage": [_use_at(ago(day)) for day in range(0, 127, 3)]}
    rows = _company(story, story, story)
    _start(rows, 1, 126)
    _start(rows, 2, 125)
    built = features(rows, family="usage")[trends]
    assert list(built.notna().all(axis=1)) == [True, True, False]
    assert built.iloc[2].isna().all()


_HABITS = [f.name for f in CATALOGUE.values() if f.family == "usage" and f.window_days == 126]


def _steady_since(day: float, **first: Any) -> Story:
    """Return use on every day from this many days ago."""
    return {"usage": [_use_at(ago(day), **first), *(_use_at(ago(n)) for n in range(1, 125))]}


@pytest.mark.slow
def test_weeks_before_the_records_begin_are_not_silent() -> None:
    since = {day: _values(_steady_since(day), family="usage")[_HABITS] for day in (125, 126)}
    assert len(_HABITS) == 5
    assert since[125].isna().all(axis=None)
    assert since[126].loc[0, "usage_events_trend"] == 0
    assert since[126].notna().all(axis=None)


@pytest.mark.slow
def test_records_that_were_filled_in_reach_back_from_when_they_were_known() -> None:
    known = (_steady_since(200, known_at=at) for at in (ago(1), DAY))
    result = [_values(story, family="usage")["usage_events_trend"].item() for story in known]
    assert result[0] == 0
    assert pd.isna(result[1])


def test_of_several_dates_each_has_its_own_reach() -> None:
    tables = open_tables(_company(_steady_since(130)))
    observations = build_observations(tables, [ago(5), ago(4), DAY])
    trend = one_family(usage, tables, observations)["usage_events_trend"]
    assert list(trend.isna()) == [True, False, False]


def test_without_an_old_account_there_is_no_fleet() -> None:
    rows = _company(_steady_since(126))
    _start(rows, 0, 50)
    assert features(rows, family="usage")["usage_events_vs_fleet_trend"].isna().all()


def test_an_end_that_lies_ahead_is_unseen() -> None:
    ends = (DAY, ago(-1), ago(-60), ago(1))
    result = _values(
        *({"subscriptions": [_addon(ago(90), ended_at=end)]} for end in ends), family="commercial"
    )
    assert list(result["mrr"]) == [100, 100, 100, 80]
    assert list(result["contractions_180d"]) == [0, 0, 0, 1]


def test_a_notice_is_seen_once_given() -> None:
    rows = _company({}, {}, {}, {})
    for row, notice in zip(rows["subscriptions"], (ago(1), DAY, ago(-4), None), strict=True):
        row["notice_at"] = notice
    assert list(features(rows, family="commercial")["notice_given"]) == [1, 0, 0, 0]


def test_a_notice_of_one_of_two_is_not_leaving() -> None:
    one = {"subscriptions": [_addon(ago(90), notice_at=ago(5))]}
    assert _values(one, family="commercial").loc[0, "notice_given"] == 0


def test_a_rating_is_seen_once_given() -> None:
    row = _ticket_at(ago(20), solved_at=ago(19), csat=5.0)
    times = (ago(1), DAY, ago(-3))
    result = _values(*({"tickets": [{**row, "csat_at": time}]} for time in times), family="tickets")
    assert result.loc[0, "tickets_csat_180d"] == 1
    assert result.loc[1:, "tickets_csat_180d"].isna().all()


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize(
    ("missing", "seen"),
    [
        # A rating without a time of its own is never seen where others have one.
        ({"known_at"}, [False, False, False, False]),
        # Else it counts from the solution, or the closing, before the date.
        ({"csat_at"}, [True, False, True, False]),
        # Without these, from 30 days after the opening.
        ({"csat_at", "solved_at", "closed_at"}, [True, True, True, False]),
    ],
)
def test_a_rating_without_a_time(missing: set[str], seen: list[bool]) -> None:
    rows = (
        _ticket_at(ago(40), solved_at=ago(1), csat=5.0),
        _ticket_at(ago(40), solved_at=DAY, csat=5.0),
        _ticket_at(ago(31), closed_at=ago(1), csat=5.0),
        _ticket_at(ago(30), csat=5.0),
    )
    result = _values(
        *({"tickets": [row]} for row in rows), family="tickets", without={"tickets": missing}
    )
    assert list(result["tickets_csat_180d"].notna()) == seen


def test_a_solution_is_seen_once_found() -> None:
    times = (ago(1), DAY, ago(-3))
    result = _values(
        *({"tickets": [_ticket_at(ago(20), solved_at=time)]} for time in times), family="tickets"
    )
    assert list(result["tickets_backlog"]) == [0, 1, 1]
    assert list(result["tickets_resolution_hours_median_90d"].isna()) == [False, True, True]


def test_silent_is_told_of_accounts_that_were_there_for_the_whole_window() -> None:
    opened = {"tickets": [_ticket_at(ago(5))]}
    rows = _company({}, {}, opened, opened)
    for number, age in enumerate((90, 89, 90, 89)):
        _start(rows, number, age)
    tables = open_tables(rows)
    observations = build_observations(tables, [DAY]).assign(usage_active_days_28d=3.0)
    silent = one_family(tickets, tables, observations)["tickets_silent_90d"]
    assert list(silent.iloc[[0, 2]]) == [1, 0]
    assert silent.iloc[[1, 3]].isna().all()


def test_reopened_is_open_again() -> None:
    row = _ticket_at(ago(20), solved_at=ago(15), reopened_at=ago(9))
    result = _values(
        {"tickets": [row]},
        {"tickets": [{**row, "closed_at": ago(3)}]},
        {"tickets": [{**row, "reopened_at": DAY}]},
        family="tickets",
    )
    assert list(result["tickets_backlog"]) == [1, 0, 0]
    assert list(result["tickets_reopen_rate_90d"]) == [1, 1, 0]


def test_an_answer_is_seen_once_given() -> None:
    result = _values(
        *({"surveys": [_nps(10, answered, 9.0)]} for answered in (1, 0, -5, None)), family="surveys"
    )
    assert list(result["surveys_response_rate_180d"]) == [1, 0, 0, 0]
    assert list(result["surveys_nps_latest"].isna()) == [False, True, True, True]


def test_use_on_the_day_before_is_recent_with_and_without_a_time_of_day() -> None:
    times = (ago(1), ago(0, 3), ago(1, 1), ago(8))
    result = _values(*({"usage": [_use_at(time)]} for time in times), family="usage")
    assert list(result["usage_recency_days"]) == [0, 0, 1, 7]


@pytest.mark.slow
def test_required_columns_are_enough() -> None:
    without = {
        name: {c.name for c in table.columns if not c.required} for name, table in TABLES.items()
    }
    built = features(company(), without=without)
    result = built.notna().any()
    assert result["usage_events_28d"]
    assert result["tickets_opened_90d"]
    assert result["mrr"]
    assert not result["usage_active_users_28d"]
    assert not result["seats"]
