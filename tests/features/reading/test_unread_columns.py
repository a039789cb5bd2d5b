"""Columns that are not read and say that rows do not count are reported."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.features.small_company import warned

_TABLES = {
    "orders": "account_id,ordered_at,amount",
    "invoices": "account_id,invoice_id,due_at,amount",
    "subscriptions": "account_id,product,started_at,ended_at,mrr",
}
_ROWS = {
    "orders": "00{},2025-05-0{},20",
    "invoices": "00{},I{},2025-05-01,20",
    "subscriptions": "00{},p{},2025-05-01,,20",
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
