"""What Zendesk's tickets, histories and ratings become."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from tests.health.sources.exports import Rows, left_out, recipes, table, write

PRESET = "fivetran_zendesk"


def ticket(name: str, **changes: Any) -> dict[str, Any]:
    return {
        "id": name,
        "requester_id": "7",
        "organization_id": None,
        "status": "closed",
        "priority": "normal",
        "via_channel": "email",
        "subject": "help",
        "created_at": "2026-03-01 09:00:00",
        "updated_at": "2026-03-09 09:00:00",
    } | changes


def zendesk(tickets: Rows, **others: Rows) -> dict[str, Rows]:
    users = [
        {"id": "7", "email": "ann@first.example", "role": "end-user", "organization_id": "1.0"},
        {"id": "8", "email": "bob@second.example", "role": "end-user", "organization_id": None},
        {"id": "9", "email": "eve@elsewhere.example", "role": "end-user", "organization_id": None},
        {"id": "1", "email": "agent@us.example", "role": "agent", "organization_id": None},
    ]
    organizations = [
        {"id": 1, "name": "First", "external_id": "100"},
        {"id": 2, "name": "Second Inc.", "external_id": None},
    ]
    companies = [
        {
            "id": number,
            "property_name": name,
            "property_createdate": "2025-01-01",
            "property_domain": f"{name.lower()}.example",
            "property_lifecyclestage": "customer",
        }
        for number, name in ((100, "First"), (200, "Second"))
    ]
    return {
        "zendesk/ticket": tickets,
        "zendesk/user": users,
        "zendesk/organization": organizations,
        "hubspot/company": companies,
        **{f"zendesk/{name}": rows for name, rows in others.items()},
    }


def tickets_of(folder: Path, tickets: Rows, **others: Rows) -> pd.DataFrame:
    with recipes(write(folder, zendesk(tickets, **others))) as opened:
        return table(opened, PRESET, "tickets").set_index("ticket_id")


def test_a_ticket_finds_its_account_over_organization_requester_and_address(tmp_path: Path) -> None:
    rows = tickets_of(
        tmp_path,
        [
            ticket("10", organization_id=2, requester_id="9"),
            ticket("11"),
            ticket("12", requester_id="8"),
            ticket("13", requester_id="9"),
        ],
    )
    accounts = rows["account_id"].where(rows["account_id"].notna(), None).to_dict()
    assert accounts == {"10": "200", "11": "100", "12": "200", "13": None}


def test_first_solution_reopening_and_last_solution_come_from_the_history(tmp_path: Path) -> None:
    course = [
        ("new", "03-01 09:00"), ("open", "03-01 10:00"), ("solved", "03-02 10:00"),
        ("open", "03-03 10:00"), ("pending", "03-03 12:00"), ("solved", "03-04 10:00"),
        ("closed", "03-08 10:00"),
    ]  # fmt: skip
    history = [
        {"ticket_id": "10", "field_name": "status", "value": value, "updated": f"2026-{at}:00"}
        for value, at in course
    ]
    history += [
        {"ticket_id": "10", "field_name": "priority", "value": value, "updated": f"2026-{at}:00"}
        for value, at in (("low", "03-01 09:00"), ("low", "03-01 11:00"), ("urgent", "03-02 08:00"))
    ]
    row = tickets_of(tmp_path, [ticket("10")], ticket_field_history=history).loc["10"]
    assert {name: str(row[name])[5:13] for name in (
        "first_solved_at", "reopened_at", "solved_at", "closed_at", "priority_at"
    )} == {
        "first_solved_at": "03-02 10",
        "reopened_at": "03-03 10",
        "solved_at": "03-04 10",
        "closed_at": "03-08 10",
        "priority_at": "03-02 08",
    }  # fmt: skip
    assert (row["first_priority"], row["priority"]) == ("low", "urgent")


def test_a_ticket_reopened_since_its_solution_is_open(tmp_path: Path) -> None:
    history = [
        {"ticket_id": "10", "field_name": "status", "value": value, "updated": f"2026-03-0{day}"}
        for day, value in ((1, "new"), (2, "solved"), (3, "open"))
    ]
    row = tickets_of(tmp_path, [ticket("10", status="open")], ticket_field_history=history).loc[
        "10"
    ]
    assert row["solved_at"] < row["reopened_at"]


def test_only_a_public_comment_of_staff_is_a_reply(tmp_path: Path) -> None:
    comments = [
        {
            "ticket_id": "10",
            "user_id": user,
            "public": public,
            "created": f"2026-03-01 {hour}:00",
        }
        for user, public, hour in (
            ("7", True, "09"),
            ("1", False, "10"),
            ("7", True, "11"),
            ("1", True, "12"),
        )
    ]
    row = tickets_of(tmp_path, [ticket("10")], ticket_comment=comments).loc["10"]
    assert str(row["first_replied_at"]) == "2026-03-01 12:00:00"


def test_ratings_count_once_they_are_given_and_deleted_tickets_are_counted(tmp_path: Path) -> None:
    ratings = [
        {"ticket_id": number, "score": score, "created_at": "2026-03-05", "updated_at": updated}
        for number, score, updated in (
            ("10", "offered", None),
            ("10", "bad", "2026-03-06"),
            ("10", "good", "2026-03-07"),
            ("11", "offered", None),
        )
    ]
    tables = zendesk(
        [ticket("10"), ticket("11"), ticket("12", status="deleted")], satisfaction_rating=ratings
    )
    with recipes(write(tmp_path, tables)) as opened:
        rows = table(opened, PRESET, "tickets").set_index("ticket_id")
        counted = left_out(opened, PRESET)
    assert rows["csat"].dropna().to_dict() == {"10": 1}
    assert set(rows["csat_scale"]) == {"good/bad"}
    assert str(rows.loc["10", "csat_at"]) == "2026-03-07 00:00:00"
    assert counted == {
        "deleted tickets": 1,
        "satisfaction ratings that were offered and not given": 2,
    }
