"""The tables as they stood: the same rows and values as cutting them by hand."""

from __future__ import annotations

import pandas as pd
import pytest

from features.tables import truncation
from features.tables.point_in_time import collect
from features.tables.truncation import as_known
from tests.features.company import DAY, ago, company, open_tables
from tests.features.cut_by_hand import LATE, truncated


@pytest.mark.parametrize("days", [0, 3, 40, 200])
def test_tables_are_those_cut_by_hand(days: int) -> None:
    day = ago(days)
    known = as_known(open_tables(company()), day)
    by_hand = open_tables(truncated(company(), day))
    for table in by_hand.frames:
        ours, theirs = (
            frame.sort_values(list(frame.columns), ignore_index=True)
            for frame in (collect(known[table]), collect(by_hand[table]))
        )
        pd.testing.assert_frame_equal(ours, theirs)
    assert known.observed_until == day


def test_what_is_filled_in_later_is_what_the_features_are_tried_with() -> None:
    assert truncation._FILLED_IN == LATE


def test_columns_that_were_not_given_stay_away() -> None:
    given = open_tables(company(), without={"surveys": {"sent_at"}, "subscriptions": {"notice_at"}})
    known = as_known(given, DAY)
    assert not known.has("surveys", "sent_at")
    assert not known.has("subscriptions", "notice_at")
