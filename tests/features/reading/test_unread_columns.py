"""Columns that are not read and say that rows do not count are reported."""

from __future__ import annotations

from pathlib import Path

import pytest

from features.tables.currencies import Currencies
from tests.features.small_company import opened, warned, write

_TABLES = {
    "orders": "account_id,ordered_at,amount",
    "invoices": "account_id,invoice_id,due_at,amount",
    "subscriptions": "account_id,product,started_at,ended_at,mrr",
    "tickets": "account_id,ticket_id,opened_at",
    "usage": "account_id,event,occurred_at",
    "accounts": "account_id,created_at",
}
_ROWS = {
    "orders": "00{},2025-05-0{},20",
    "invoices": "00{},I{},2025-05-01,20",
    "subscriptions": "00{},p{},2025-05-01,,20",
    "tickets": "00{},T{},2025-05-01",
    "usage": "00{},login,2025-05-0{}",
    "accounts": "00{},2025-01-0{}",
}


def _found(folder: Path, table: str, column: str, *values: str) -> tuple[str, int, str] | None:
    rows = [f"{_ROWS[table].format(n, n)},{v}" for n, v in enumerate(values, start=1)]
    text = "\n".join([f"{_TABLES[table]},{column}", *rows, ""])
    finding = warned(folder, **{table: text}).get("undone_rows")
    return None if finding is None else (finding.column, finding.rows, finding.example)


@pytest.mark.parametrize(
    ("table", "column", "values"),
    [
        ("orders", "status", ("paid", "Refunded", "CANCELLED")),
        ("orders", "type", ("sale", "refund", "returned")),
        ("orders", "refunded_at", ("", "2025-05-09", "2025-05-10")),
        ("orders", "amount_refunded", ("0.00", "20", "20")),
        ("orders", "is_cancelled", ("false", "true", "true")),
        ("invoices", "status", ("open", "void", "draft")),
        ("subscriptions", "status", ("active", "canceled", "expired")),
        ("subscriptions", "canceled_at", ("", "2025-09-01", "2025-09-02")),
        ("subscriptions", "is_deleted", ("false", "true", "true")),
        ("subscriptions", "Op", ("I", "D", "D")),
        ("tickets", "_fivetran_deleted", ("false", "true", "true")),
        ("tickets", "deletedAt", ("", "2025-09-01", "2025-09-02")),
        ("usage", "__deleted", ("false", "true", "true")),
        ("accounts", "status", ("active", "Deleted", "deleted")),
        ("accounts", "_change_type", ("insert", "delete", "update_preimage")),
    ],
)
@pytest.mark.quick_cases(1)
def test_rows_that_an_unread_column_undoes(
    tmp_path: Path, table: str, column: str, values: tuple[str, ...]
) -> None:
    found = _found(tmp_path, table, column, *values)
    assert found is not None
    assert found == (column, 2, min(values[1:]))


@pytest.mark.quick_cases(2)
@pytest.mark.parametrize(
    ("table", "column", "values"),
    [
        ("orders", "status", ("paid", "shipped", "not refunded")),
        ("orders", "comment", ("please cancel", "", "")),
        ("orders", "refunded", ("no", "0", "NULL")),
        ("orders", "is_refundable", ("yes", "yes", "no")),
        ("invoices", "type", ("credit card", "transfer", "cash")),
        ("subscriptions", "status", ("active", "trialing", "past_due")),
        ("tickets", "is_deleted", ("false", "false", "0")),
        ("tickets", "deleted_comments", ("1", "2", "3")),
        ("usage", "type", ("file deleted", "file created", "undeleted")),
        ("accounts", "operation", ("EMEA", "US", "APAC")),
    ],
)
def test_other_columns_say_nothing(
    tmp_path: Path, table: str, column: str, values: tuple[str, ...]
) -> None:
    assert _found(tmp_path, table, column, *values) is None


def test_a_subscription_that_has_its_end_is_not_reported(tmp_path: Path) -> None:
    head = f"{_TABLES['subscriptions']},status"
    text = f"{head}\n001,crm,2025-01-01,2025-05-01,20,canceled\n002,crm,2025-01-01,,20,active\n"
    assert "undone_rows" not in warned(tmp_path, subscriptions=text)


@pytest.mark.quick_cases(2)
@pytest.mark.parametrize(
    ("table", "spelling", "column"),
    [
        ("orders", "Currency", "currency"),
        ("invoices", "currency_code", "currency"),
        ("subscriptions", "Renews At", "renews_at"),
        ("tickets", "solvedAt", "solved_at"),
        ("usage", "USER_ID", "user_id"),
        ("accounts", "known-at", "known_at"),
    ],
)
def test_columns_whose_names_are_spelt_differently(
    tmp_path: Path, table: str, spelling: str, column: str
) -> None:
    values = ("", "2025-06-01", "")
    rows = [f"{_ROWS[table].format(n, n)},{v}" for n, v in enumerate(values, start=1)]
    text = "\n".join([f"{_TABLES[table]},{spelling}", *rows, ""])
    found = warned(tmp_path, **{table: text})["misspelt_column"]
    assert (found.table, found.column, found.rows) == (table, column, 1)
    assert found.example == "2025-06-01"
    assert f"columns = {{ {column} = '{spelling}' }}" in found.fix


def test_a_currency_that_is_the_companys_need_not_be_read(tmp_path: Path) -> None:
    text = "account_id,ordered_at,amount,Currency\n001,2025-05-01,20,eur\n002,2025-05-02,20,{}\n"
    for other, rows in (("EUR", 0), ("USD", 1)):
        sources = write(tmp_path, orders=text.format(other))
        found = opened(tmp_path, sources, currencies=Currencies("EUR")).findings
        assert sum(f.rows for f in found if f.code == "misspelt_column") == rows
