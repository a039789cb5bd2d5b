"""Who asked for more: whose words count, from when, and what is quoted of them."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from health.expansion.evidence import asks
from health.settings.config import Config
from health.settings.expansion import AskConfig, ExpansionConfig, ProductRule
from tests.features.company import DAY, Row, ago, open_tables

RULES = {"Insights": ProductRule(asked_words=("forecast",))}


def _found(
    tickets: list[Row] | None = None, surveys: list[Row] | None = None, **ask: Any
) -> pd.DataFrame:
    tables = open_tables(
        {
            "accounts": [{"account_id": "a", "created_at": ago(300)}],
            "subscriptions": [],
            **({"tickets": tickets} if tickets else {}),
            **({"surveys": surveys} if surveys else {}),
        }
    )
    settings = ExpansionConfig(asks=AskConfig(**ask), products=RULES)
    return asks(tables, DAY, Config(tables={}, expansion=settings))


def _ticket(subject: str | None, day: float = 5, **rest: Any) -> Row:
    given = {"account_id": "a", "ticket_id": f"t{day}", "opened_at": ago(day)}
    return {**given, "subject": subject, **rest}


def _answer(comment: str | None, day: float = 5, **rest: Any) -> Row:
    given = {"account_id": "a", "kind": "nps", "answered_at": ago(day), "score": 9.0}
    return {**given, "comment": comment, **rest}


def test_words_in_a_subject_are_quoted_with_their_date() -> None:
    found = _found([_ticket("We need MORE SEATS for the new team")])
    assert found["account_id"].tolist() == ["a"]
    assert found["product"].tolist() == [""]
    assert "“We need MORE SEATS for the new team”" in found["text"][0]
    assert "24 Jun 2025" in found["text"][0]


@pytest.mark.quick_cases(2)
@pytest.mark.parametrize("subject", ["All good", "upgraded browsers fail", None, ""])
def test_other_words_ask_for_nothing(subject: str | None) -> None:
    assert _found([_ticket(subject)]).empty


def test_a_products_own_words_ask_for_that_product_alone() -> None:
    found = _found(surveys=[_answer("Upgrade us to the forecast")])
    assert found["product"].tolist() == ["Insights"]


def test_a_reason_code_is_enough() -> None:
    found = _found([_ticket(None, reason="Upgrade")])
    assert found["text"].str.contains("reason: Upgrade").all()
    assert _found([_ticket(None, reason="bug")]).empty


@pytest.mark.parametrize(("role", "count"), [("Admin", 1), ("user", 0), (None, 0)])
def test_only_the_roles_that_count_are_heard(role: str | None, count: int) -> None:
    found = _found(surveys=[_answer("more seats please", role=role)], roles=("admin",))
    assert len(found) == count


@pytest.mark.quick_cases(2)
@pytest.mark.parametrize(("day", "count"), [(0, 0), (-1, 0), (0.1, 1), (90, 1), (91, 0)])
def test_an_ask_counts_from_its_own_time_and_for_a_while(day: float, count: int) -> None:
    assert len(_found([_ticket("more seats", day)])) == count
    assert len(_found(surveys=[_answer("more seats", day)])) == count


def test_what_the_warehouse_did_not_know_yet_is_not_quoted() -> None:
    assert _found([_ticket("more seats", known_at=ago(0))]).empty


def test_a_hostile_text_stays_a_short_line_in_quotes() -> None:
    found = _found([_ticket('=HYPERLINK("x")\n<script>more seats</script>; "fake reason' * 9)])
    text = found["text"][0]
    assert text.startswith("Asked for more in a ticket")
    assert "\n" not in text
    assert ";" not in text
    assert len(text) < 200


def test_the_newest_two_are_enough() -> None:
    found = _found([_ticket(f"more seats {day}", day) for day in (1, 2, 3)])
    assert len(found) == 2
    assert found["at"].min() == pd.Timestamp(ago(2))


def test_without_texts_nobody_asked() -> None:
    assert _found().empty


def test_the_words_are_quoted_without_contact_details() -> None:
    found = _found([_ticket("We need more seats, call +49 30 1234567 or mail jo@example.org")])
    assert found["text"][0].endswith("“We need more seats, call […] or mail […]”")


def test_seats_are_asked_for_in_another_language_too() -> None:
    found = _found([_ticket("Wir brauchen zusätzliche Lizenzen, danke")])
    assert len(found) == 1 and "zusätzliche Lizenzen" in found["text"][0]


def test_the_same_words_on_two_dates_are_quoted_once() -> None:
    found = _found([_ticket("More seats"), _ticket("more  SEATS", 9), _ticket("extra seats", 12)])
    assert [text.partition("“")[2] for text in found["text"]] == ["More seats”", "extra seats”"]
