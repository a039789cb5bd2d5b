"""Calls, emails and meetings of HubSpot and Salesforce."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.health.sources.exports import left_out, recipes, table, write
from tests.health.sources.test_customers import company, hubspot


def engagement(number: int, **columns: object) -> dict[str, object]:
    return {
        "engagement_id": number,
        "property_hs_timestamp": "2026-03-01 10:00:00",
        "property_hs_createdate": "2026-03-02 09:00:00",
        "property_hubspot_owner_id": 5,
        "_fivetran_deleted": False,
        **columns,
    }


@pytest.mark.slow
def test_conversations_of_hubspot_belong_to_a_company_or_to_their_person(tmp_path: Path) -> None:
    tables = hubspot(
        [company(1, "First"), company(2, "Second")],
        contact=[{"id": 4, "property_email": "cee@b.example", "property_createdate": "2025-01-01"}],
        contact_company=[{"contact_id": 4, "company_id": 2}],
        engagement_call=[
            engagement(10, property_hs_call_direction="INBOUND"),
            engagement(11, property_hs_call_direction="OUTBOUND", _fivetran_deleted=True),
        ],
        engagement_email=[engagement(20, property_hs_email_direction="EMAIL")],
        engagement_meeting=[
            engagement(30, property_hs_meeting_outcome="COMPLETED"),
            engagement(31, property_hs_meeting_outcome="NO_SHOW"),
            engagement(32, property_hs_meeting_outcome=None),
        ],
        engagement_company=[
            {"engagement_id": 10, "company_id": 1},
            {"engagement_id": 30, "company_id": 1},
            {"engagement_id": 31, "company_id": 1},
        ],
        engagement_contact=[
            {"engagement_id": 20, "contact_id": 4},
            {"engagement_id": 10, "contact_id": 4},
        ],
    )
    with recipes(write(tmp_path, tables)) as opened:
        rows = table(opened, "fivetran_hubspot", "interactions").sort_values("kind")
        counted = left_out(opened, "fivetran_hubspot", "interactions")
    found = rows[["account_id", "kind", "direction", "csm"]].astype(object)
    assert found.where(found.notna(), None).to_numpy().tolist() == [
        ["1", "call", "in", "Ola Berg"],
        ["2", "email", "out", "Ola Berg"],
        ["1", "meeting", None, "Ola Berg"],
    ]
    assert set(rows["known_at"].astype(str)) == {"2026-03-02 09:00:00"}
    assert counted == {
        "deleted conversations": 1,
        "meetings that did not take place": 1,
        "conversations without a company": 1,
    }


def task(number: int, **columns: object) -> dict[str, object]:
    return {
        "id": f"t{number}",
        "account_id": "a1",
        "who_id": "p1",
        "owner_id": "u1",
        "status": "Completed",
        "task_subtype": "Task",
        "type": None,
        "subject": "Hello",
        "call_type": None,
        "activity_date": "2026-03-01",
        "created_date": "2026-03-01 08:00:00",
        "is_deleted": False,
        **columns,
    }


def test_conversations_of_salesforce_are_events_and_logged_calls_and_emails(tmp_path: Path) -> None:
    account = {
        "id": "a1", "name": "First", "owner_id": "u1", "parent_id": None, "industry": "x",
        "type": "Customer", "created_date": "2025-01-01", "is_deleted": False,
    }  # fmt: skip
    event = {
        "id": "e1", "account_id": "a1", "who_id": "p1", "owner_id": "u1", "type": None,
        "start_date_time": "2026-03-03 10:00:00", "created_date": "2026-03-01", "is_deleted": False,
    }  # fmt: skip
    tables = {
        "crm/account": [account],
        "crm/user": [{"id": "u1", "name": "Ann Lee", "username": "ann", "email": "a@us.example"}],
        "crm/contact": [
            {"id": "p1", "account_id": "a1", "last_name": "Cee", "email": "cee@b.example"}
        ],
        "crm/event": [event, {**event, "id": "e2", "account_id": "other"}],
        "crm/task": [
            task(1, task_subtype="Call", call_type="Inbound"),
            task(2, task_subtype="Email"),
            task(3, task_subtype="Email", subject="[In] Re: Hello"),
            task(4),
            task(5, task_subtype="Call", status="Open"),
        ],
    }
    with recipes(write(tmp_path, tables)) as opened:
        rows = table(opened, "fivetran_salesforce", "interactions")
        counted = left_out(opened, "fivetran_salesforce", "interactions")
    found = rows[["kind", "direction"]].astype(object)
    pairs = sorted(map(str, found.where(found.notna(), None).to_numpy().tolist()))
    assert pairs == [
        "['call', 'in']", "['email', 'in']", "['email', 'out']", "['meeting', None]"
    ]  # fmt: skip
    assert set(rows["account_id"]) == {"a1"} and set(rows["contact_id"]) == {"p1"}
    assert counted == {
        "events with companies that are no accounts": 1,
        "tasks that are neither a call nor an email": 1,
        "tasks that are not completed": 1,
    }
