"""Contacts, invoices, interactions and goals of the demo company: they follow circumstances."""

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


def state_of(
    company: DemoCompany, rows: pd.DataFrame, at: str, *, column: str = "satisfaction"
) -> pd.Series:
    """State of each row's account at the last Sunday before a time of the row."""
    truth = company.truth[["account_id", "as_of", column]].sort_values("as_of")
    dated = rows.dropna(subset=[at]).sort_values(at).reset_index()
    found = pd.merge_asof(dated, truth, left_on=at, right_on="as_of", by="account_id")
    return found.set_index("index")[column].dropna()


@pytest.mark.parametrize("name", NEW)
@pytest.mark.slow
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
    mood = state_of(company, rows[late.notna()], "due_at")
    found = np.corrcoef(late.loc[mood.index], mood)[0, 1]
    assert -0.5 < found < -0.03


def test_customers_that_pay_with_difficulty_pay_later_and_more_cards_are_declined(
    company: DemoCompany,
) -> None:
    rows = company.tables["invoices"]
    strain = state_of(company, rows, "due_at", column="strain")
    rows = rows.loc[strain.index]
    late = (rows["paid_at"] - rows["due_at"]).dt.days
    high, low = strain > 0.5, strain < -0.5
    assert 0.3 < (late > 0).mean() < 0.6
    assert late[high].mean() > late[low].mean() + 5
    failed = rows["failed_attempts"]
    assert failed[high].mean() > 2 * failed[low].mean()


def test_an_unpaid_bill_is_overdue_from_the_day_it_is_due(company: DemoCompany) -> None:
    """A card is charged when the bill is issued; who pays by transfer has some weeks."""
    rows = company.tables["invoices"]
    days = (rows["due_at"] - rows["issued_at"]).dt.days
    assert set(days) == {0, 14, 30}
    assert (days[rows["failed_attempts"] > 0] == 0).all()


def test_customers_that_make_progress_reach_their_goals_in_time(company: DemoCompany) -> None:
    rows = company.tables["goals"]
    old = rows[rows["target_at"] < company.observed_until]
    progress = state_of(company, old, "set_at", column="progress")
    in_time = (old["reached_at"] <= old["target_at"]).loc[progress.index]
    assert 0.4 < in_time.mean() < 0.8
    assert in_time[progress > 0.5].mean() > in_time[progress < -0.5].mean() + 0.25


def test_people_who_keep_in_touch_are_heard_more(company: DemoCompany) -> None:
    rows = company.tables["interactions"]
    rows = rows[rows["direction"].eq("in")]
    close = state_of(company, rows, "occurred_at", column="contact") > 0
    paying = company.truth[company.truth["paying"]]
    weeks = paying["contact"].gt(0).sum(), paying["contact"].le(0).sum()
    assert close.sum() / weeks[0] > 1.2 * (~close).sum() / weeks[1]


def test_the_sponsor_who_left_is_in_the_contacts_within_weeks_if_at_all(
    company: DemoCompany,
) -> None:
    truth = company.truth[company.truth["paying"]].sort_values(["account_id", "as_of"])
    fresh = truth[truth["review"].eq(1) & truth["as_of"].lt(truth["as_of"].max())]
    people = company.tables["contacts"]
    gone = people[people["role"].eq("executive") & people["left_at"].notna()]
    pairs = fresh[["account_id", "as_of"]].merge(gone[["account_id", "left_at"]], on="account_id")
    weeks = (pairs["left_at"] - pairs["as_of"]).dt.days / 7
    recorded = weeks.between(-1, 20).sum() / len(fresh)
    assert len(fresh) > 10 and 0.6 < recorded <= 1
    assert 0 < weeks[weeks.between(-1, 20)].median() < 5


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
