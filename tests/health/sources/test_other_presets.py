"""Delighted's answers, and the outputs of Fivetran's dbt packages."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.health.sources.exports import left_out, mrr, recipes, table, write
from tests.health.sources.test_customers import company, hubspot


def test_answers_of_delighted_find_the_account_of_their_person(tmp_path: Path) -> None:
    tables = hubspot(
        [company(1, "First"), company(2, "Second")],
        contact=[{"id": 4, "property_email": "Cee@gmail.com", "property_createdate": "2025-01-01"}],
        contact_company=[{"contact_id": 4, "company_id": 2}],
    )
    tables["delighted/people"] = [
        {"id": "p1", "email": "ann@first.example", "last_sent_at": 1757606400},
        {"id": "p2", "email": "cee@gmail.com", "last_sent_at": 1757606400},
        {"id": "p3", "email": "who@gmail.com", "last_sent_at": 1757606400},
    ]
    tables["delighted/survey_responses"] = [
        {
            "id": f"r{n}",
            "person": f"p{n}",
            "survey_type": "nps",
            "score": 8 + n % 3,
            "comment": None,
            "created_at": 1783353600,
        }
        for n in (1, 2, 3)
    ]
    with recipes(write(tmp_path, tables)) as opened:
        rows = table(opened, "delighted", "surveys").set_index("respondent_id")
    accounts = rows["account_id"].where(rows["account_id"].notna(), None).to_dict()
    assert accounts == {"p1": "1", "p2": "2", "p3": None}
    assert set(rows["answered_at"].astype(str)) == {"2026-07-06 16:00:00"}
    assert set(rows["kind"]) == {"nps"}


@pytest.mark.quick_cases(2)
@pytest.mark.parametrize(
    ("amounts_in", "currency", "expected"),
    # The package divides yen by 100, too, which are their own smallest unit.
    [("cents", "eur", 50.0), ("units", "eur", 5000.0), ("cents", "jpy", 5000.0),
     ("units", "jpy", 500_000.0)],
)  # fmt: skip
def test_the_mrr_report_of_the_dbt_package_is_a_row_per_month(
    tmp_path: Path, amounts_in: str, currency: str, expected: float
) -> None:
    months = [
        {
            "subscription_item_id": "si",
            "subscription_id": "sub",
            "customer_id": "cus",
            "product_id": "core",
            "currency": currency,
            "subscription_month": f"2026-0{month}-01",
            "month_contract_mrr": amount,
            "month_billed_mrr": amount * 0.5,
        }
        for month, amount in ((1, 10_000), (2, 10_000), (3, 0))
    ]
    tables = {"marts/stripe__subscription_item_mrr_report": months}
    with recipes(write(tmp_path, tables)) as opened:
        rows = table(opened, "dbt_stripe", "subscriptions", amounts_in=amounts_in)
        accounts = table(opened, "dbt_stripe", "accounts")
        counted = left_out(opened, "dbt_stripe")
    assert [mrr(rows, day) for day in ("2026-01-15", "2026-02-15", "2026-03-15")] == [
        expected,
        expected,
        0.0,
    ]
    assert set(rows["currency"]) == {currency.upper()}
    assert accounts["account_id"].tolist() == ["cus"]
    assert counted == {"months of an item at 0": 1}


def test_the_ticket_metrics_of_the_dbt_package(tmp_path: Path) -> None:
    tickets = [
        {
            "ticket_id": 5,
            "created_at": "2026-03-01 09:00:00",
            "status": status,
            "priority": "high",
            "created_channel": "web",
            "requester_id": 7,
            "requester_organization_id": 3,
            "requester_organization_name": "First Ltd",
            "first_reply_time_calendar_minutes": 90,
            "first_solved_at": "2026-03-02",
            "last_solved_at": "2026-03-04",
            "ticket_satisfaction_rating": "good",
        }
        for status in ("closed", "deleted")
    ]
    tables = hubspot([company(1, "First")]) | {"marts/zendesk__ticket_metrics": tickets}
    with recipes(write(tmp_path, tables)) as opened:
        row = table(opened, "dbt_zendesk", "tickets").iloc[0]
        counted = left_out(opened, "dbt_zendesk")
    assert (row["account_id"], row["csat"]) == ("1", 1)
    assert str(row["first_replied_at"]) == "2026-03-01 10:30:00"
    assert counted == {"deleted tickets": 1}
