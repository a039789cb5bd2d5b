"""The book's hindsight: drivers, past lists, and why scores moved."""

from __future__ import annotations

import pandas as pd
import pytest

from health.report.hindsight import cause_rows, driver_note, driver_rows, past_list_rows
from health.report.history import History
from health.scorecard.change import sum_causes


def test_behaviour_and_configuration_stand_apart_and_sum_to_the_change() -> None:
    changes = pd.DataFrame(
        {
            "account_id": ["a", "a", "b", "b", "c"],
            "term": "t",
            "kind": ["measure", "returned", "profile", "configuration", "measure"],
            "change": [-6.0, 2.0, 1.0, 3.0, -4.0],
            "text": "",
        }
    )
    rows = {row[0]: row[1:] for row in cause_rows(History(changes=changes), accounts=4)}
    assert rows["Customer behaviour changed"] == ["2", "−2.5"]
    assert rows["The scorecard changed"] == ["1", "+1.0"]
    assert rows["Data went missing or came back"] == ["1", "+0.5"]
    metrics = [float(row[-1].replace("−", "-")) for row in rows.values()]
    assert sum(metrics) == pytest.approx(changes["change"].sum() / 4)
    assert cause_rows(History(), accounts=4) == []


def test_summed_changes_say_of_each_csm_what_the_rows_do() -> None:
    rows = [("A", "use", "measure", -2.0), ("A", "nps", "missing", -1.0), ("A", "x", "returned", 4)]
    rows += [("B", "use", "measure", 5.0), ("C", "use", "rule", 1.5), ("C", "y", "measure", 0.5)]
    changes = pd.DataFrame(rows, columns=["account_id", "term", "kind", "change"])
    csms = {"A": "Ann", "B": "Ann", "C": None}
    summed = sum_causes(changes, pd.Series(csms, dtype=object))
    every = History(changes=changes)
    fast = History(changes=changes.head(0), summed=summed)
    assert cause_rows(fast, accounts=3) == cause_rows(every, accounts=3)
    for csm, own in (("Ann", ["A", "B"]), ("", ["C"])):
        of_csm = [history.of_csm(csm, pd.Series(own)) for history in (fast, every)]
        rows_of = [cause_rows(history, accounts=len(own)) for history in of_csm]
        assert rows_of[0] == rows_of[1]
    # Two kinds of one cause moved the account once.
    assert cause_rows(fast, accounts=3)[1][1:] == ["1", "+1.0"]


def test_drivers_use_the_words_of_the_catalogue_and_state_their_interval() -> None:
    driver = {
        "feature": "usage_active_users_28d",
        "auc": 0.714,
        "direction": -1.0,
        "with_event": 3.0,
        "without": 12.0,
        "missing_share": 0.0,
    }
    judged = {"churn": {"accounts": 300, "event_accounts": 60}}
    drivers = [driver, {**driver, "feature": "gone"}, {**driver, "auc": None}]
    run = {"drivers": drivers, "evaluation": judged}
    rows = driver_rows(run)
    assert rows == [
        [
            "Active users in the last 28 days: 3",
            "Active users in the last 28 days: 12",
            "0.71 (0.64 to 0.79)",
        ]
    ]
    assert driver_note(run).startswith("60 accounts that left and 240 that stayed")
    assert driver_rows({}) == []
    # What nine accounts have in common is chance.
    assert (
        driver_rows({**run, "evaluation": {"churn": {"accounts": 300, "event_accounts": 9}}}) == []
    )


def test_a_signal_is_one_driver() -> None:
    names = ("days_to_renewal", "days_to_term_end", "usage_events_28d", "usage_events_90d")
    numbers = {"auc": 0.8, "with_event": 3.0, "without": 12.0, "missing_share": 0.0}
    judged = {"churn": {"accounts": 300, "event_accounts": 60}}
    drivers = [{"feature": name, **numbers} for name in names]
    assert len(driver_rows({"drivers": drivers, "evaluation": judged})) == 2


def test_past_lists_come_newest_first() -> None:
    monitor = pd.DataFrame(
        {
            "as_of": pd.to_datetime(["2026-01-04", "2026-01-11"]),
            "listed": [40, 50],
            "precision_at_capacity": [0.2, 0.3],
            "precision_low": [0.1, 0.2],
            "precision_high": [0.3, 0.4],
            "precision_by_chance": [0.05, 0.06],
            "saved": [3, 4],
            "false_alarms": [1, 2],
        }
    )
    rows = past_list_rows(monitor)
    assert rows[0] == ["11 Jan 2026", "50", "30 %", "20 % to 40 %", "6 %", "4", "2"]
    assert past_list_rows(pd.DataFrame()) == []
