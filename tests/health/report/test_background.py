"""What the report tells beside the run: only what was known then, worded as text."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import numpy as np
import pandas as pd
import pytest

from features.reading.frames import tables_from_frames
from features.tables.opened import Tables
from health.report.account_tables import account_events, account_tables
from health.report.background import Background, build_background
from health.report.overview import observed_curves, retention_plot

#: Answers of one day that nobody signed look alike.
pytestmark = pytest.mark.filterwarnings("ignore::features.TableWarning")

DAY = datetime(2026, 6, 7)


def company() -> Tables:
    accounts = pd.DataFrame({"account_id": ["a", "b"], "created_at": "2025-01-01"})
    subscriptions = pd.DataFrame(
        {
            "account_id": ["a", "a", "b"],
            "product": ["core", "extra", "core"],
            "started_at": ["2025-01-01", "2025-02-01", "2025-01-01"],
            "ended_at": [None, "2026-05-01", None],
            "mrr": [100.0, 20.0, 50.0],
        }
    )
    tickets = pd.DataFrame(
        {
            "account_id": ["a", "a", "b"],
            "ticket_id": ["t1", "t2", "t3"],
            "opened_at": ["2026-06-01", "2026-06-02", "2026-06-07"],
            "solved_at": ["2026-06-04", "2026-06-08", None],
            "priority": ["Urgent", None, "low"],
        }
    )
    answers = [10, 9, 9, 10, 9, 7, 8, 8, 2, 6]
    surveys = pd.DataFrame(
        {
            "account_id": ["b"] * 10 + ["a", "a"],
            "kind": ["nps"] * 11 + ["csat"],
            "sent_at": ["2026-05-01"] * 12,
            "answered_at": ["2026-05-02"] * 10 + [None, "2026-06-07"],
            "score": [*answers, None, 1.0],
            "comment": ["<b>fine</b>"] + [None] * 11,
        }
    )
    tables = {
        "accounts": accounts,
        "subscriptions": subscriptions,
        "tickets": tickets,
        "surveys": surveys,
    }
    return tables_from_frames(tables, observed_until=datetime(2026, 7, 1))


def background_of(tables: Tables, day: datetime, accounts: list[str]) -> Background:
    """Return the background that a run would gather for some accounts."""
    of_accounts = account_tables(tables, day, accounts, grace_days=30)
    (events,) = account_events(tables, day, accounts, currency="USD")
    return build_background(tables, day, accounts, {**of_accounts, "events": events})


@pytest.fixture(scope="module")
def background() -> Background:
    return background_of(company(), DAY, ["a", "b"])


def test_products_are_those_held_on_the_date(background: Background) -> None:
    assert background.owned == {"a": ["core"], "b": ["core"]}


def test_revenue_counts_the_product_that_ended_as_contraction(background: Background) -> None:
    moved = background.revenue["the last 90 days"]
    assert (moved.start, moved.contraction, moved.churn) == (170.0, 20.0, 0.0)


def test_the_golden_nps_and_its_interval(background: Background) -> None:
    (nps,) = background.voice
    assert (nps.kind, nps.value, nps.answers) == ("nps", 30.0, 10)
    reach = 100 * 1.959963984540054 * np.sqrt((0.5 + 0.2 - 0.3**2) / 10)
    assert nps.high - nps.value == pytest.approx(reach)
    assert nps.response_rate == pytest.approx(10 / 11)


def test_what_happens_on_the_date_or_later_is_not_told(background: Background) -> None:
    own = background.events[background.events["account_id"] == "a"]
    assert own["text"].tolist() == [
        "Ticket t2, still open",
        "Ticket t1 (urgent), solved after 3 days",
    ]
    others = background.events.loc[background.events["account_id"] == "b", "text"]
    assert not others.str.contains("t3").any()
    assert "NPS 10 on 0-10 “<b>fine</b>”" in set(others)


def test_retention_knows_only_what_had_happened(background: Background) -> None:
    assert background.retention.empty  # two accounts are no cohort
    count = 30
    accounts = pd.DataFrame({"account_id": [f"c{i}" for i in range(count)]})
    subscriptions = accounts.assign(
        product="core",
        started_at="2025-03-01",
        mrr=1.0,
        ended_at=["2025-09-01"] * 10 + ["2026-06-20"] * 10 + [None] * 10,
    )
    tables = {
        "accounts": accounts.assign(created_at="2025-03-01"),
        "subscriptions": subscriptions,
    }
    own = tables_from_frames(tables, observed_until=datetime(2026, 12, 1))
    curve = background_of(own, DAY, []).retention
    assert set(curve["group"]) == {"2025"}
    assert curve["survival"].iloc[-1] == pytest.approx(20 / 30)
    assert curve["days"].max() <= (DAY - datetime(2025, 3, 1)).days


def test_retention_is_told_by_segment_where_enough_are_in_one() -> None:
    count = 60
    segment = ["$small$ & _x^"] * 25 + ["large"] * 30 + ["rare"] * 5
    accounts = pd.DataFrame({"account_id": [f"c{i}" for i in range(count)], "segment": segment})
    subscriptions = accounts[["account_id"]].assign(
        product="core",
        started_at="2025-03-01",
        mrr=1.0,
        ended_at=["2025-09-01"] * 10 + [None] * 50,
    )
    tables = {
        "accounts": accounts.assign(created_at="2025-03-01"),
        "subscriptions": subscriptions,
    }
    own = tables_from_frames(tables, observed_until=datetime(2026, 12, 1))
    table = background_of(own, DAY, []).retention_by_segment
    last = table.groupby("group").last()
    assert last["survival"].to_dict() == pytest.approx({"$small$ & _x^": 15 / 25, "large": 1.0})
    assert (last["low"] <= last["survival"]).all() and (last["survival"] <= last["high"]).all()
    # What customers call themselves is no formula, and no mark-up either.
    assert "$small$ &amp; _x^: 60 % after" in retention_plot(table)


def test_a_company_without_tickets_and_surveys_has_a_background_too() -> None:
    tables = company()
    kept = {name: tables[name] for name in ("accounts", "subscriptions")}
    background = background_of(replace(tables, frames=kept), DAY, ["a"])
    assert background.voice == ()
    assert background.events.empty


def test_nobody_is_observed_before_the_first_account_is_seen_to_leave() -> None:
    count = 60
    ids = [f"c{i}" for i in range(count)]
    accounts = pd.DataFrame({"account_id": ids, "created_at": "2024-01-01"})
    # The records keep only who was a customer in 2026: in two years nobody left.
    subscriptions = accounts[["account_id"]].assign(
        product="core",
        started_at="2024-01-01",
        mrr=1.0,
        ended_at=["2026-02-01"] * 6 + ["2026-04-01"] * 6 + [None] * 48,
    )
    own = tables_from_frames(
        {"accounts": accounts, "subscriptions": subscriptions},
        observed_until=datetime(2026, 12, 1),
    )
    table = background_of(own, DAY, []).retention
    (name,) = observed_curves(table, "started in ")
    assert name == "started in 2024, observed from 2.1 years on"
    curve = observed_curves(table)[name.removeprefix("started in ")]
    assert curve["days"].min() > 750
    assert curve["survival"].iloc[-1] == pytest.approx(48 / 60)


def test_plans_and_the_latest_nps_answer_are_known_by_account(background: Background) -> None:
    assert background.plans == {}
    assert set(background.nps) <= {"a", "b"}
    assert all("of 10 on" in text for text in background.nps.values())


def test_the_latest_answer_of_a_person_counts_once() -> None:
    accounts = pd.DataFrame({"account_id": ["a"], "created_at": ["2025-01-01"]})
    subscriptions = pd.DataFrame(
        {
            "account_id": ["a"],
            "product": ["core"],
            "started_at": ["2025-01-01"],
            "ended_at": [None],
            "mrr": [100.0],
        }
    )
    days = ["2026-05-01", "2026-05-02", "2026-05-03", "2026-05-04", "2026-05-04"]
    surveys = pd.DataFrame(
        {
            "account_id": "a",
            "kind": "nps",
            "answered_at": days,
            "score": [0.0, 0.0, 10.0, 9.0, 9.0],
            "respondent_id": ["p", "p", "p", None, None],
        }
    )
    tables = {"accounts": accounts, "subscriptions": subscriptions, "surveys": surveys}
    opened = tables_from_frames(tables, observed_until=datetime(2026, 7, 1))
    (nps,) = background_of(opened, DAY, ["a"]).voice
    assert nps.answers == 3
    assert nps.value == pytest.approx(100)
