"""Contacts, respondents and requesters are people, however many rows or spellings they have."""

from __future__ import annotations

from pathlib import Path

import pytest

from features import build_features
from tests.features.company import DAY, Row, ago, open_tables
from tests.features.small_company import warned

_ACCOUNT: Row = {"account_id": "a", "created_at": ago(400)}
_PAID: Row = {"account_id": "a", "product": "core", "started_at": ago(400), "mrr": 10.0}


def _values(**tables: list[Row]) -> dict[str, float]:
    rows = {"accounts": [_ACCOUNT], "subscriptions": [_PAID], **tables}
    return build_features(open_tables(rows), [DAY]).iloc[0].to_dict()


def _contact(person: str, **rest: object) -> Row:
    return {"account_id": "a", "contact_id": person, "created_at": ago(300), **rest}


@pytest.mark.slow
def test_several_rows_of_a_contact_are_one_person() -> None:
    rows = [
        _contact("p", role="user", left_at=ago(50)),
        _contact("p", role="user", created_at=ago(40), is_champion=True),
        _contact("P@x.com"),
        _contact("p@X.com"),
        _contact("q", is_champion=True, left_at=ago(20)),
    ]
    called = [
        {"account_id": "a", "occurred_at": ago(5), "kind": "call", "direction": "in",
         "contact_id": "P@X.COM"},
    ]  # fmt: skip
    values = _values(contacts=rows, interactions=called)
    assert values["contacts_present"] == 2
    assert values["contacts_key"] == 1
    assert values["contacts_key_left_180d"] == 1
    assert values["contacts_key_silent_share_90d"] == 1
    rows[2]["is_champion"] = True
    assert _values(contacts=rows, interactions=called)["contacts_key_silent_share_90d"] == 0.5


@pytest.mark.slow
def test_an_email_address_in_another_case_is_the_same_person() -> None:
    people = ["bob@x.com", "Bob@X.com", "BOB@x.com"]
    answers: list[Row] = [
        {"account_id": "a", "kind": "nps", "answered_at": ago(20 - n), "score": score,
         "respondent_id": person}
        for n, (person, score) in enumerate([*((p, 0.0) for p in people), ("eve", 10.0)])
    ]  # fmt: skip
    tickets: list[Row] = [
        {"account_id": "a", "ticket_id": f"t{n}", "opened_at": ago(20 - n), "requester_id": person}
        for n, person in enumerate(people)
    ]
    values = _values(surveys=answers, tickets=tickets)
    assert values["surveys_nps_180d"] == 0
    assert values["tickets_requesters_90d"] == 1
    # Other ids that differ by case are two people.
    for row in answers:
        row["respondent_id"] = row["respondent_id"].replace("@", "")
    assert _values(surveys=answers)["surveys_nps_180d"] == -50


def test_people_with_several_rows_are_reported(tmp_path: Path) -> None:
    contacts = "account_id,contact_id,created_at,role\n001,p,2025-02-01,user\n"
    contacts += "001,p,2025-02-01,buyer\n002,p,2025-02-01,user\n"
    found = warned(tmp_path, contacts=contacts)["duplicate_id"]
    assert (found.table, found.rows, found.total, found.example) == ("contacts", 2, 3, "p")


def test_contacts_loaded_twice_are_removed_whatever_their_share(tmp_path: Path) -> None:
    contacts = "account_id,contact_id,created_at\n001,p,2025-02-01\n001,p,2025-02-01\n"
    contacts += "".join(f"001,q{n},2025-02-01\n" for n in range(9))
    found = warned(tmp_path, contacts=contacts)
    assert "one of each counts" in found["copied_rows"].what
    assert "duplicate_id" not in found
