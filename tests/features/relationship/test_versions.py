"""Versions of contacts and goals, people of one meeting, and words that no feature knows."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features import build_features
from features.errors import Finding
from features.reading.table_source import TableSource
from tests.features.company import DAY, Row, ago, open_tables
from tests.features.small_company import opened, write

_ACCOUNT: Row = {"account_id": "a", "created_at": ago(400)}
_PAID: Row = {"account_id": "a", "product": "core", "started_at": ago(400), "mrr": 10.0}


def _values(**tables: list[Row]) -> dict[str, float]:
    rows = {"accounts": [_ACCOUNT], "subscriptions": [_PAID], **tables}
    return build_features(open_tables(rows), [DAY]).iloc[0].to_dict()


def _contact(person: str, known: float, **rest: object) -> Row:
    own = {"account_id": "a", "contact_id": person, "created_at": ago(300)}
    return {**own, "known_at": ago(known), **rest}


def _goal(name: str, known: float, **rest: object) -> Row:
    own = {"account_id": "a", "goal": name, "set_at": ago(300), "target_at": ago(10)}
    return {**own, "known_at": ago(known), **rest}


def test_of_versions_of_a_contact_the_latest_known_one_counts() -> None:
    rows = [
        _contact("p", 300, is_champion=True),
        _contact("p", 20, is_champion=True, left_at=ago(25)),
        _contact("q", 300),
        # Not known yet on the date.
        _contact("q", -5, left_at=ago(1)),
    ]
    values = _values(contacts=rows)
    assert values["contacts_present"] == 1
    assert values["contacts_single_threaded"] == 1
    assert values["contacts_key_left_180d"] == 1
    # Without the later versions, both are present.
    assert _values(contacts=[rows[0], rows[2]])["contacts_present"] == 2


def test_somebody_who_came_back_is_in_several_rows_that_all_count() -> None:
    rows = [_contact("p", 300, left_at=ago(200)), _contact("p", 100, created_at=ago(100))]
    assert _values(contacts=rows)["contacts_present"] == 1


def test_of_versions_of_a_goal_the_latest_known_one_counts() -> None:
    rows = [_goal("g", 300), _goal("g", 20, reached_at=ago(21)), _goal("h", 300)]
    values = _values(goals=rows)
    assert values["goals_set_365d"] == 2
    assert values["goals_reached_share"] == 0.5
    assert values["goals_overdue"] == 1


def _talk(kind: str = "meeting", days: float = 5, **rest: object) -> Row:
    own = {"account_id": "a", "occurred_at": ago(days), "kind": kind, "direction": "out"}
    return {**own, **rest}


@pytest.mark.slow
@given(people=st.integers(1, 5), known=st.permutations(range(5)))
def test_a_row_for_each_person_is_one_conversation(people: int, known: list[int]) -> None:
    once = [_talk(days=5.4), _talk("email", 2.3), _talk("email", 3.3, direction="in")]
    each = [
        {**row, "contact_id": f"p{n}", "known_at": ago((known[n] + 1) / 100)}
        for row in once
        for n in range(people)
    ]
    first = [{**row, "known_at": ago((max(known[:people]) + 1) / 100)} for row in once]
    found, expected = _values(interactions=each), _values(interactions=first)
    names = [name for name in expected if name.startswith("interactions_")]
    assert {name: found[name] for name in names} == {name: expected[name] for name in names}
    assert expected["interactions_meetings_90d"] == 1
    assert expected["interactions_unanswered_emails_28d"] == 1


def test_rows_that_carry_a_day_alone_are_several_conversations() -> None:
    rows = [_talk(contact_id="p"), _talk(contact_id="q"), _talk(days=6)]
    assert _values(interactions=rows)["interactions_meetings_90d"] == 3


@pytest.mark.parametrize(("inbound", "outbound"), [("In", "out"), ("inbound", "Outbound"),
                                                   ("INCOMING", "outgoing")])  # fmt: skip
@pytest.mark.quick_cases(1)
def test_directions_have_several_words(inbound: str, outbound: str) -> None:
    rows = [_talk("email", 5, direction=inbound), _talk("email", 3, direction=outbound)]
    values = _values(interactions=rows)
    assert values["interactions_inbound_share_90d"] == 0.5
    assert values["interactions_unanswered_emails_28d"] == 1


def _found(folder: Path, **files: str) -> dict[tuple[str, str], Finding]:
    sources: dict[str, TableSource] = write(folder, **files)
    findings = opened(folder, sources).findings
    return {(found.code, found.column): found for found in findings if found.table in files}


_HEAD = "account_id,occurred_at,kind,direction\n"


def test_words_that_no_feature_knows_are_reported(tmp_path: Path) -> None:
    rows = (
        "001,2025-05-01,zoom,internal\n001,2025-05-02,Meeting,\n002,2025-05-03,email,Inbound\n"
        "002,2025-05-03,phone call,out\n"
    )
    found = _found(tmp_path, interactions=_HEAD + rows)
    kinds, directions = found["other_kind", "kind"], found["other_direction", "direction"]
    assert (kinds.level, kinds.rows, kinds.total, kinds.example) == ("warning", 2, 4, "phone call")
    assert (directions.level, directions.rows, directions.example) == ("warning", 1, "internal")


def test_repeated_goals_and_targets_before_their_start_are_reported(tmp_path: Path) -> None:
    rows = (
        "account_id,goal,set_at,target_at,reached_at\n"
        "001,g,2025-01-01,2025-03-01,\n001,g,2025-01-01,2025-03-01,2025-02-01\n"
        "001,g,2025-06-01,2025-09-01,\n002,h,2025-05-01,2025-03-01,\n"
    )
    found = _found(tmp_path, goals=rows)
    assert found["duplicate_id", "goal"].rows == 2
    assert "for 1 goal:" in found["duplicate_id", "goal"].what
    early = found["before_start", "target_at"]
    assert (early.rows, early.example) == (1, "goal h")


@pytest.mark.parametrize(("table", "key", "dated"), [("contacts", "contact_id", "created_at"),
                                                     ("goals", "goal", "set_at")])  # fmt: skip
def test_versions_are_reported(tmp_path: Path, table: str, key: str, dated: str) -> None:
    rows = (
        f"account_id,{key},{dated},known_at\n001,x,2025-01-01,2025-01-01\n"
        "001,x,2025-01-01,2025-02-01\n001,y,2025-01-01,2025-01-01\n"
    )
    found = _found(tmp_path, **{table: rows})["duplicate_id", key]
    assert (found.rows, found.total, found.example) == (2, 3, "x")
    assert "latest known_at" in found.what


@pytest.mark.slow
def test_a_goal_in_several_rows_without_known_at_counts_once() -> None:
    """Each sync of a CRM may append the goal as it is now: one goal, reached or late once."""
    row: Row = {"account_id": "a", "goal": "g", "set_at": ago(300), "target_at": ago(40)}
    reached: Row = {**row, "reached_at": ago(30)}
    late: Row = {**row, "goal": "h"}
    put_off: Row = {**late, "target_at": ago(-20)}
    values = _values(goals=[row, reached, row, late, late])
    assert values["goals_set_365d"] == 2
    assert values["goals_reached_share"] == 0.5
    assert values["goals_reached_365d"] == 1
    assert values["goals_overdue"] == 1
    assert _values(goals=[row, reached, late, put_off])["goals_overdue"] == 0
    # Copies of one version count once, too.
    known = [{**late, "known_at": ago(300)}] * 2
    assert _values(goals=known)["goals_overdue"] == 1
