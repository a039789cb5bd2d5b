"""Sentences about many changes at once are those about one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from health.reasons.change_sentences import moved, moves

NAMES = ("usage_active_users_28d", "usage_events_trend", "notice_given", "own")
VALUES = st.one_of(st.just(float("nan")), st.integers(-3, 20).map(float), st.floats(-50, 100))


@pytest.mark.parametrize("name", NAMES)
@given(pairs=st.lists(st.tuples(VALUES, VALUES).filter(lambda p: p[0] == p[0] or p[1] == p[1])))
def test_many_changes_are_worded_as_one(name: str, pairs: list[tuple[float, float]]) -> None:
    before, now = [then for then, _ in pairs], [value for _, value in pairs]
    assert moves(name, before, now) == [moved(name, then, value) for then, value in pairs]
