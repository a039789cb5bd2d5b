"""Which account the keys of each system belong to, and who the accounts are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from features.errors import HealthError
from health.sources.recipes import Options, Recipes
from tests.health.sources.exports import (
    Rows,
    customer,
    line,
    recipes,
    stripe,
    subscription,
    table,
    write,
)


def company(number: int, name: str, **changes: Any) -> dict[str, Any]:
    return {
        "id": number,
        "is_deleted": False,
        "property_name": name,
        "property_createdate": "2024-06-01",
        "property_domain": f"{name.lower()}.example",
        "property_industry": "Retail",
        "property_country": "France",
        "property_numberofemployees": 120,
        "property_hubspot_owner_id": "5.0",
        "property_hs_parent_company_id": None,
        "property_lifecyclestage": "customer",
    } | changes


def hubspot(companies: Rows, **others: Rows) -> dict[str, Rows]:
    owner = {"owner_id": 5, "email": "o@us.example", "first_name": "Ola", "last_name": "Berg"}
    return {
        "hubspot/company": companies,
        "hubspot/owner": [owner],
        **{f"hubspot/{name}": rows for name, rows in others.items()},
    }


def billed(customers: Rows) -> dict[str, Rows]:
    subscriptions = [subscription(f"sub_{c['id']}", str(c["id"])) for c in customers]
    lines = [
        line(str(c["id"]), 10_000, "2026-06-01", "2026-07-01", subscription_id=f"sub_{c['id']}")
        for c in customers
    ]
    return stripe(lines, subscriptions=subscriptions, customers=customers)


def keys(opened: Recipes, source: str) -> dict[str, tuple[str | None, str]]:
    query = 'SELECT key, account_id, method FROM "customer health".customers WHERE source = ?'
    rows = opened.connection.execute(query, [source]).fetchall()
    return {key: (account, method) for key, account, method in rows}


@pytest.mark.slow
def test_customers_are_matched_by_key_then_domain_then_name(tmp_path: Path) -> None:
    customers = [
        customer("cus_key", metadata=json.dumps({"crm_account": "1", "colour": "2"})),
        customer("cus_domain", email="billing@second.example"),
        customer("cus_name", name="Third, Inc.", email="third@gmail.com"),
        customer("cus_alone", name="Nobody", email="pay@nobody.example"),
    ]
    companies = [
        company(1, "First"),
        company(2, "Second"),
        company(3, "Third"),
        company(4, "Lead", property_lifecyclestage="lead"),
    ]
    with recipes(write(tmp_path, hubspot(companies) | billed(customers))) as opened:
        found = keys(opened, "fivetran_stripe")
        accounts = table(opened, "fivetran_hubspot", "accounts").set_index("account_id")
        subscriptions = table(opened, "fivetran_stripe", "subscriptions")
    assert found == {
        "cus_key": ("1", "key"),
        "cus_domain": ("2", "domain"),
        "cus_name": ("3", "name"),
        "cus_alone": ("cus_alone", "own account"),
    }
    # A lead is no account; a customer whom the CRM does not know is one.
    assert set(accounts.index) == {"1", "2", "3", "cus_alone"}
    assert accounts.loc["1", ["csm", "segment"]].tolist() == ["Ola Berg", "50 to 249 employees"]
    assert str(accounts.loc["1", "created_at"]) == "2025-01-01 00:00:00"
    assert set(subscriptions["account_id"]) == set(accounts.index)


def test_a_domain_or_name_of_two_accounts_matches_neither(tmp_path: Path) -> None:
    twins = [
        company(1, "Twin", property_domain="twin.example"),
        company(2, "Twin", property_domain="twin.example"),
        company(3, "Free", property_domain="gmail.com"),
    ]
    customers = [
        customer("cus_twin", name="Twin", email="pay@twin.example"),
        customer("cus_mail", name="Somebody", email="somebody@gmail.com"),
    ]
    with recipes(write(tmp_path, hubspot(twins) | billed(customers))) as opened:
        assert {method for _, method in keys(opened, "fivetran_stripe").values()} == {"own account"}


def test_a_deleted_company_takes_nothing_from_the_one_it_was_merged_into(tmp_path: Path) -> None:
    companies = [
        company(1, "First"),
        company(9, "First", is_deleted=True),
        company(2, "Second", property_hs_parent_company_id=1.0),
        company(3, "Third", property_hs_parent_company_id=9.0),
    ]
    customers = [
        customer(f"cus_{n}", email=f"pay@{n}.example") for n in ("first", "second", "third")
    ]
    with recipes(write(tmp_path, hubspot(companies) | billed(customers))) as opened:
        accounts = table(opened, "fivetran_hubspot", "accounts").set_index("account_id")
    assert set(accounts.index) == {"1", "2", "3"}
    assert accounts["parent_id"].dropna().to_dict() == {"2": "1"}


def test_without_a_billing_system_the_crm_names_its_customers(tmp_path: Path) -> None:
    companies = [
        company(1, "Won", property_lifecyclestage="opportunity"),
        company(2, "Customer"),
        company(3, "Lead", property_lifecyclestage="lead"),
    ]
    deals = [
        {"deal_id": 7, "deal_pipeline_stage_id": "closedwon", "property_closedate": "2025-03-01"}
    ]
    tables = hubspot(companies, deal=deals, deal_company=[{"deal_id": 7, "company_id": 1}])
    with recipes(write(tmp_path, tables)) as opened:
        accounts = table(opened, "fivetran_hubspot", "accounts").set_index("account_id")
    assert {k: str(v)[:10] for k, v in accounts["created_at"].items()} == {
        "1": "2025-03-01",
        "2": "2024-06-01",
    }


def test_without_a_crm_the_payers_are_the_accounts(tmp_path: Path) -> None:
    with recipes(write(tmp_path, billed([customer("cus_a"), customer("cus_b")]))) as opened:
        assert opened.account_key == "fivetran_stripe"
        accounts = table(opened, "fivetran_stripe", "accounts")
        subscriptions = table(opened, "fivetran_stripe", "subscriptions")
    assert set(accounts["account_id"]) == set(subscriptions["account_id"]) == {"cus_a", "cus_b"}


def test_salesforce_names_accounts_owners_and_parents(tmp_path: Path) -> None:
    tables = {
        "salesforce/sf_account": [
            {
                "id": f"001{n}",
                "name": n,
                "owner_id": "005",
                "parent_id": parent,
                "industry": "Banking",
                "website": f"https://www.{n}.example/about",
                "type": "Customer - Direct",
                "created_date": "2024-01-01",
                "is_deleted": False,
            }
            for n, parent in (("up", None), ("down", "001up"))
        ],
        "salesforce/sf_user": [
            {"id": "005", "name": "Ola Berg", "username": "o", "email": "o@us.example"}
        ],
    }
    with recipes(write(tmp_path, tables)) as opened:
        rows = table(opened, "fivetran_salesforce", "accounts").set_index("account_id")
        domains = keys(opened, "domain")
    assert rows.loc["001down", ["csm", "parent_id", "industry"]].tolist() == [
        "Ola Berg",
        "001up",
        "Banking",
    ]
    assert {domain: account for domain, (account, _) in domains.items()} == {
        "up.example": "001up",
        "down.example": "001down",
    }


def test_a_value_that_cannot_be_read_is_refused_with_its_place(tmp_path: Path) -> None:
    broken = company(1, "First", property_createdate="long ago")
    with (
        pytest.raises(HealthError) as error,
        recipes(write(tmp_path, hubspot([broken, company(2, "B")]))),
    ):
        pass
    text = str(error.value)
    for part in ("source hubspot", "company.csv", "property_createdate", "1 of 2", "long ago"):
        assert part in text


def test_contacts_are_the_people_at_accounts_and_the_others_are_counted(tmp_path: Path) -> None:
    companies = [company(1, "First"), company(2, "Lead", property_lifecyclestage="lead")]
    people = [
        {
            "id": n,
            "_fivetran_deleted": n == 3,
            "property_email": f"p{n}@first.example",
            "property_createdate": "2025-01-01",
            "property_jobtitle": "Owner",
        }
        for n in range(1, 5)
    ]
    links = [{"contact_id": n, "company_id": 2 if n == 2 else 1} for n in (1, 2, 3)]
    with recipes(
        write(tmp_path, hubspot(companies, contact=people, contact_company=links))
    ) as opened:
        rows = table(opened, "fivetran_hubspot", "contacts")
        counted = {
            c.reason: c.rows for c in opened.left_out("fivetran_hubspot", Options(), "contacts")
        }
        of_companies = {c.reason: c.rows for c in opened.left_out("fivetran_hubspot", Options())}
    assert rows[["account_id", "contact_id", "role"]].to_numpy().tolist() == [["1", "1", "Owner"]]
    assert counted == {
        "deleted contacts": 1,
        "contacts without a company": 1,
        "contacts of companies that are no accounts": 1,
    }
    assert of_companies == {"companies that are no customers": 1}
