"""Usage on random days: many dates at once equal each date alone, and later rows do not count."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features.usage import family as usage
from features.windows.day_rows import DayRows, Windowed, day_number, day_of, numbered
from features.windows.observations import build_observations
from tests.features.company import DAY, Row, Rows, ago, open_tables
from tests.features.one_family import one_family

DATES = [DAY - timedelta(days=days) for days in (100, 35, 10, 0)]
_times = st.one_of(
    st.integers(0, 260).map(ago), st.integers(0, 260 * 24).map(lambda hours: ago(0, hours))
)


@st.composite
def _uses(draw: st.DrawFn) -> Row:
    at = draw(_times)
    late = draw(st.sampled_from([None, 0.2, 1, 30, 120]))
    return {
        "account_id": draw(st.sampled_from("abc")),
        "event": draw(st.sampled_from(["view", "export"])),
        "occurred_at": at,
        "user_id": draw(st.sampled_from([None, "u", "v", "w"])),
        "quantity": draw(st.sampled_from([None, 0.0, 1.0, 20.0])),
        "errors": draw(st.sampled_from([None, 0.0, 1.0])),
        "known_at": None if late is None else at + timedelta(days=late),
    }


def _company(uses: list[Row]) -> Rows:
    plan = {"product": "core", "started_at": ago(390), "ended_at": None, "mrr": 9.0}
    quota = {"quota": 20.0, "quota_event": "view"}
    return {
        "accounts": [{"account_id": name, "created_at": ago(400)} for name in "abc"],
        "subscriptions": [{"account_id": name, **plan, **quota} for name in "abc"],
        "usage": uses,
    }


def _built(rows: Rows, dates: list[datetime]) -> pd.DataFrame:
    tables = open_tables(rows)
    observations = build_observations(tables, dates)
    return observations[["account_id", "as_of"]].join(one_family(usage, tables, observations))


@pytest.mark.slow
@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(_uses(), max_size=40))
def test_many_dates_are_each_date_alone_and_later_rows_are_unseen(uses: list[Row]) -> None:
    together = _built(_company(uses), DATES)
    for day in DATES:
        known = [
            row
            for row in uses
            if row["occurred_at"] < day and (row["known_at"] is None or row["known_at"] < day)
        ]
        alone = _built(_company(known), [day])
        then = together[together["as_of"] == day].reset_index(drop=True)
        pd.testing.assert_frame_equal(then, alone, rtol=1e-9, atol=1e-9)


@given(codes=st.lists(st.integers(0, 20)), count=st.sampled_from([21, 10_000]))
def test_codes_are_numbered_alike_however_many_there_may_be(codes: list[int], count: int) -> None:
    values = np.array(codes, dtype=np.int64)
    number, found = numbered(values, count)
    expected, inverse = np.unique(values, return_inverse=True)
    assert found.tolist() == expected.tolist()
    assert number.tolist() == inverse.tolist()


def test_a_day_and_its_number() -> None:
    assert day_number(datetime(1970, 1, 2, 23, 59)) == 1
    assert day_of(day_number(DAY)) == DAY


def test_a_window_holds_what_was_known() -> None:
    day = np.array([5, 3, 9, 3])
    known = np.array([5, 8, 9, 3])
    rows = DayRows.ordered(np.arange(4), np.arange(4), day, known, {"quantity": np.ones(4)})
    assert list(rows.member) == [1, 3, 0, 2]
    assert list(rows.member[rows.within(8, 8)]) == [3, 0]
    assert list(rows.member[rows.within(9, 8)]) == [1, 3, 0]
    assert list(rows.member[rows.within(9, 5, 2)]) == [0]
    weeks = rows.per_week(14, 2, 4, "quantity")
    assert weeks.tolist() == [[0, 0, 1, 0], [1, 1, 0, 1]]


def test_declared_windows_are_sums_and_counts_of_their_days() -> None:
    day = np.array([1, 3, 3, 8, 9])
    account, quantity = np.array([0, 0, 1, 1, 0]), np.array([1.0, 2.0, 4.0, 8.0, 16.0])
    rows = DayRows.ordered(account, account, day, None, {"quantity": quantity})
    sums = rows.totals_in_windows(9, 2, Windowed("sum_{days}d", "quantity", (7, 1, 90)))
    counts = rows.totals_in_windows(9, 2, Windowed("rows_{days}d", days=(1, 7)))
    assert {name: values.tolist() for name, values in (sums | counts).items()} == {
        "sum_1d": [0, 8],
        "sum_7d": [2, 12],
        "sum_90d": [3, 12],
        "rows_1d": [0, 1],
        "rows_7d": [1, 2],
    }


def test_the_day_on_which_the_data_ends_is_seen_as_far_as_it_goes() -> None:
    uses = [
        {"account_id": "a", "event": "view", "occurred_at": ago(0, hours), "user_id": "u"}
        for hours in (30, 5, 3)
    ]
    tables = open_tables(_company(uses), until=ago(0, 4))
    observations = build_observations(tables, [DAY])
    assert one_family(usage, tables, observations)["usage_records_7d"].iloc[0] == 2
