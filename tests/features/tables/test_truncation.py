"""The tables as they were at a date: the same rows and values as when cut by hand."""

from __future__ import annotations

import pandas as pd
import pytest

from features.tables import truncation
from features.tables.point_in_time import collect
from features.tables.truncation import as_known
from tests.features.company import DAY, ago, company, open_tables
from tests.features.cut_by_hand import LATE, truncated


@pytest.mark.parametrize("days", [0, 3, 40, 200])
@pytest.mark.slow
def test_tables_are_those_cut_by_hand(days: int) -> None:
    day = ago(days)
    known = as_known(open_tables(company()), day)
    by_hand = open_tables(truncated(company(), day))
    accounts = collect(by_hand["accounts"])["account_id"]
    for table in by_hand.frames:
        # Rows of accounts that are not known yet are excluded where tables are opened.
        ours, theirs = (
            frame[frame["account_id"].isin(accounts)].sort_values(
                list(frame.columns), ignore_index=True
            )
            for frame in (collect(known[table]), collect(by_hand[table]))
        )
        pd.testing.assert_frame_equal(ours, theirs)
    assert known.observed_until == day


def test_what_is_filled_in_later_is_what_the_features_are_tried_with() -> None:
    assert truncation._FILLED_IN == LATE


def test_an_account_with_a_date_of_creation_to_come_exists_since_it_pays() -> None:
    rows = company()
    for account in rows["accounts"]:
        account["created_at"] = ago(-30)
    known = collect(as_known(open_tables(rows), DAY)["accounts"])
    paid = [r for r in rows["subscriptions"] if r["mrr"] > 0 and r["started_at"] < DAY]
    paid = [r for r in paid if r.get("known_at") is None or r["known_at"] < DAY]
    late = {r["account_id"] for r in rows["accounts"] if r.get("known_at") is not None}
    expected = {r["account_id"] for r in paid} - late
    assert set(known["account_id"]) == expected
    assert (known["created_at"] < DAY).all()


@pytest.mark.slow
def test_columns_that_were_not_given_stay_away() -> None:
    given = open_tables(company(), without={"surveys": {"sent_at"}, "subscriptions": {"notice_at"}})
    known = as_known(given, DAY)
    assert not known.has("surveys", "sent_at")
    assert not known.has("subscriptions", "notice_at")
