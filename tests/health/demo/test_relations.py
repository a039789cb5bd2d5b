"""Contacts, invoices, interactions and goals of the demo company: they follow mood, with noise."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from features.reading.frames import tables_from_frames
from features.tables.schema import TABLES
from health.demo import DemoCompany, simulate_company

NEW = ("contacts", "invoices", "interactions", "goals")


@pytest.fixture(scope="module")
def company() -> DemoCompany:
    return simulate_company(150, weeks=80, seed=11)


def mood_of(company: DemoCompany, rows: pd.DataFrame, at: str) -> pd.Series:
    """Satisfaction of each row's account at the last Sunday before a time of the row."""
    truth = company.truth[["account_id", "as_of", "satisfaction"]].sort_values("as_of")
    dated = rows.dropna(subset=[at]).sort_values(at).reset_index()
    found = pd.merge_asof(dated, truth, left_on=at, right_on="as_of", by="account_id")
    return found.set_index("index")["satisfaction"].dropna()


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize("name", NEW)
def test_a_table_has_the_canonical_columns_and_nothing_of_the_future(
    company: DemoCompany, name: str
) -> None:
    rows, schema = company.tables[name], TABLES[name]
    assert set(rows.columns) <= {column.name for column in schema.columns}
    for column in schema.columns:
        if column.required:
            assert column.name in rows.columns
        if column.kind == "time" and column.name in rows and column.name not in _AHEAD:
            assert not (rows[column.name] >= company.observed_until).any()
    assert set(rows["account_id"]) <= set(company.tables["accounts"]["account_id"])
    assert tables_from_frames(company.tables, observed_until=company.observed_until).has(name)


#: Planned times may be in the future.
_AHEAD = ("due_at", "target_at")


def test_unhappy_customers_pay_later_and_habits_differ(company: DemoCompany) -> None:
    rows = company.tables["invoices"]
    late = (rows["paid_at"] - rows["due_at"]).dt.days
    mood = mood_of(company, rows[late.notna()], "due_at")
    found = np.corrcoef(late.loc[mood.index], mood)[0, 1]
    assert -0.5 < found < -0.03


def test_happy_customers_reach_their_goals_more_often(company: DemoCompany) -> None:
    rows = company.tables["goals"]
    old = rows[rows["target_at"] < company.observed_until]
    mood = mood_of(company, old, "set_at")
    reached = old["reached_at"].notna().loc[mood.index]
    assert 0.3 < reached.mean() < 0.9
    assert reached[mood > mood.median()].mean() > reached[mood <= mood.median()].mean()


def test_conversations_are_with_people_who_are_at_the_account(company: DemoCompany) -> None:
    rows = company.tables["interactions"].dropna(subset=["contact_id"])
    people = company.tables["contacts"].set_index("contact_id")
    known = rows.join(people[["account_id", "created_at"]], on="contact_id", rsuffix="_of")
    assert (known["account_id"] == known["account_id_of"]).all()
    assert (known["created_at"].dt.floor("D") <= known["occurred_at"]).all()
    emails = rows[rows["kind"] == "email"]["direction"].value_counts()
    assert 0.2 < emails["in"] / emails["out"] < 1.0


def test_bills_add_up_to_what_is_paid(company: DemoCompany) -> None:
    bills = company.tables["invoices"]
    assert bills["invoice_id"].is_unique and (bills["amount"] > 0).all()
    assert (bills["paid_at"].dropna() >= bills.loc[bills["paid_at"].notna(), "issued_at"]).all()
    assert 0.0 < bills["paid_at"].isna().mean() < 0.15
