"""What an account's page shows of the tables: worded, of one year, as known before the date."""

from __future__ import annotations

from datetime import datetime

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features import tables_from_frames
from features.tables.opened import Tables
from health.presentation import wording
from health.report.account_tables import (
    CONTACT_COLUMNS,
    CONTRACT_COLUMNS,
    EVENT_COLUMNS,
    account_events,
    account_tables,
    solved_after,
)

DAY = datetime(2026, 6, 7)


def times(*values: str | None) -> pd.Series:
    return pd.Series(pd.to_datetime(list(values)))


def company() -> Tables:
    frames = {
        "accounts": pd.DataFrame(
            {"account_id": ["a", "b"], "created_at": times("2024-01-01", "2024-01-01")}
        ),
        "subscriptions": pd.DataFrame(
            {
                "account_id": ["a", "a", "a", "b"],
                "product": ["Platform", "Platform", "Insights", "Platform"],
                "plan": ["Team", "Team", None, None],
                "seats": [10.0, 12.0, None, None],
                "mrr": [500.0, 600.0, 80.0, 90.0],
                "started_at": times("2025-01-01", "2026-01-01", "2026-02-01", "2025-01-01"),
                "ended_at": times("2026-01-01", None, "2026-05-01", "2026-07-01"),
                "renews_at": times(None, "2027-01-01", None, None),
                "notice_at": times(None, None, None, "2026-06-20"),
            }
        ),
        "tickets": pd.DataFrame(
            {
                "account_id": ["a", "a", "a", "b"],
                "ticket_id": ["1", "2", "3", "4"],
                "opened_at": times("2026-05-01", "2024-05-01", "2024-06-01", "2026-06-08"),
                "solved_at": times("2026-05-04", None, "2024-06-02", None),
                "priority": ["High", None, None, None],
                "subject": ["<b>It broke</b>", "Old and open", "Old", "Later"],
            }
        ),
        "surveys": pd.DataFrame(
            {
                "account_id": ["a", "a"],
                "kind": ["nps", "csat"],
                "answered_at": times("2026-06-01", "2026-06-30"),
                "score": [3.0, 5.0],
                "comment": ["Too slow", "Great"],
            }
        ),
    }
    frames["contacts"] = pd.DataFrame(
        {
            "account_id": ["a", "a", "a", "a", "b"],
            "contact_id": ["p1", "p2", "p3", "p4", "p5"],
            "role": ["Sponsor", None, "Admin", "User", "User"],
            "is_champion": [True, None, False, None, None],
            "created_at": times(*["2024-01-01"] * 3, "2026-06-07", "2024-01-01"),
            "left_at": times(None, "2026-06-01", "2024-06-01", None, "2026-07-01"),
        }
    )
    frames["interactions"] = pd.DataFrame(
        {
            "account_id": ["a", "a"],
            "occurred_at": times("2026-06-02", "2026-06-07"),
            "kind": ["call", "email"],
            "direction": ["in", "out"],
            "contact_id": ["p1", "p1"],
        }
    )
    return tables_from_frames(frames, observed_until=datetime(2026, 8, 1))


def events_of(
    tables: Tables, day: datetime, accounts: list[str], currency: str, parts: int = 1
) -> pd.DataFrame:
    """Return the events of a run in one table."""
    found = account_events(tables, day, accounts, currency=currency, parts=parts)
    return pd.concat(found, ignore_index=True)


@pytest.mark.parametrize("parts", [2, 3, 5])
def test_events_in_parts_of_the_accounts_are_those_of_all(parts: int) -> None:
    accounts = ["b", "nobody", "a", "zero"]
    whole = events_of(company(), DAY, accounts, "USD")
    assert len(whole) > 5
    assert whole["account_id"].is_monotonic_increasing
    divided = events_of(company(), DAY, accounts, "USD", parts)
    pd.testing.assert_frame_equal(divided, whole)


def test_events_are_worded_newest_first() -> None:
    events = events_of(company(), DAY, ["a", "b"], "USD")
    assert list(events.columns) == list(EVENT_COLUMNS)
    own = events[events["account_id"] == "a"]
    assert list(zip(own["kind"], own["title"], own["text"], own["is_open"], strict=True)) == [
        ("interaction", "Call from the customer, contact p1", "", False),
        ("answer", "NPS 3 on 0-10", "Too slow", False),
        ("contract", "Insights ended", "", False),
        ("ticket", "Ticket 1 (high), solved after 3 days", "<b>It broke</b>", False),
        ("contract", "Insights: USD 80 a month", "", False),
        (
            "contract",
            "Platform, Team, 12 seats: USD 600 a month (before: USD 500)",
            "",
            False,
        ),
        ("ticket", "Ticket 2, still open", "Old and open", True),
    ]
    # A ticket of the next day, and a notice of the next weeks.
    assert "b" not in set(events["account_id"])


@pytest.mark.slow
def test_contracts_are_those_that_run() -> None:
    contracts = account_tables(company(), DAY, ["a", "b"], grace_days=30)["contracts"]
    assert list(contracts.columns) == list(CONTRACT_COLUMNS)
    assert list(contracts["account_id"]) == ["a", "b"]
    assert list(contracts["mrr"]) == [600.0, 90.0]
    assert contracts["notice_at"].isna().all()
    later = account_tables(company(), datetime(2026, 6, 21), ["b"], grace_days=30)
    assert list(later["contracts"]["notice_at"]) == [pd.Timestamp("2026-06-20")]
    titles = events_of(company(), datetime(2026, 6, 21), ["b"], "USD")["title"]
    assert "Notice given: Platform" in set(titles)


@pytest.mark.parametrize("missing", ["tickets", "surveys"])
@pytest.mark.quick_cases(1)
def test_a_table_that_is_missing_leaves_the_others(missing: str) -> None:
    tables = company()
    frames = {name: frame for name, frame in tables.frames.items() if name != missing}
    fewer = tables_from_frames(frames, observed_until=tables.observed_until)
    events = events_of(fewer, DAY, ["a"], "USD")
    kind = {"tickets": "ticket", "surveys": "answer"}[missing]
    assert kind not in set(events["kind"])
    assert "contract" in set(events["kind"])


def test_customers_who_order_have_events_and_no_contracts() -> None:
    frames = {
        "accounts": pd.DataFrame({"account_id": ["a"], "created_at": times("2024-01-01")}),
        "orders": pd.DataFrame(
            {
                "account_id": ["a", "a"],
                "ordered_at": times("2026-05-01", "2026-06-20"),
                "amount": [120.4, 10.0],
                "product": ["Beans", None],
            }
        ),
    }
    tables = tables_from_frames(frames, observed_until=datetime(2026, 8, 1))
    found = account_tables(tables, DAY, ["a"], grace_days=30)
    assert found["contracts"].empty
    assert list(found["contracts"].columns) == list(CONTRACT_COLUMNS)
    events = events_of(tables, DAY, ["a"], "EUR")
    assert list(events["title"]) == ["Order of EUR 120, Beans"]


def test_nothing_known_is_an_empty_table() -> None:
    events = events_of(company(), DAY, ["nobody"], "USD")
    assert events.empty
    assert list(events.columns) == list(EVENT_COLUMNS)


def test_contracts_that_never_changed_and_have_no_seats_are_worded() -> None:
    frames = {
        "accounts": pd.DataFrame({"account_id": ["a"], "created_at": times("2024-01-01")}),
        "subscriptions": pd.DataFrame(
            {
                "account_id": ["a"],
                "product": ["Platform"],
                "started_at": times("2026-02-01"),
                "ended_at": times(None),
                "mrr": [100.0],
            }
        ),
    }
    tables = tables_from_frames(frames, observed_until=datetime(2026, 8, 1))
    events = events_of(tables, DAY, ["a"], "EUR")
    assert list(events["title"]) == ["Platform: EUR 100 a month"]


def test_contacts_are_those_known_before_the_date() -> None:
    contacts = account_tables(company(), DAY, ["a", "b"], grace_days=30)["contacts"]
    assert list(contacts.columns) == list(CONTACT_COLUMNS)
    # One left long ago, one is not known yet; that somebody will leave is not known either.
    assert list(contacts["contact_id"]) == ["p1", "p2", "p5"]
    assert list(contacts["left_at"].notna()) == [False, True, False]
    assert bool(contacts["is_champion"][0])
    nobody = tables_from_frames(
        {
            "accounts": pd.DataFrame({"account_id": ["a"], "created_at": times("2024-01-01")}),
            "orders": pd.DataFrame(
                {"account_id": ["a"], "ordered_at": times("2026-01-01"), "amount": [9.0]}
            ),
        },
        observed_until=datetime(2026, 8, 1),
    )
    empty = account_tables(nobody, DAY, ["a"], grace_days=30)["contacts"]
    assert list(empty.columns) == list(CONTACT_COLUMNS)
    assert dict(empty.dtypes) == dict(contacts.dtypes)


#: Days around those at which a span is rounded or written in another unit.
near = st.sampled_from([0.5, 1.0, 2.5, 19.5, 20.0, 20.5, 21.0, 90.0]).flatmap(
    lambda days: st.sampled_from([days - 1e-9, days, days + 1e-9])
)


@given(st.lists(near | st.floats(-2, 800), max_size=20))
def test_each_ticket_is_worded_as_if_it_were_alone(days: list[float]) -> None:
    worded = [f"after {wording.span(own)}" if own >= 1 else "within a day" for own in days]
    shown = solved_after(pd.Series([*days, float("nan")]))
    assert shown.tolist() == [*(f", solved {text}" for text in worded), ", still open"]
