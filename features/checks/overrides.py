"""What must hold of overrides: points on the scale, an end after the start."""

from __future__ import annotations

from collections.abc import Mapping

from features.checks.findings import Connection, OpenTable, Rule, evaluate
from features.errors import Finding


def check_overrides(connection: Connection, tables: Mapping[str, OpenTable]) -> list[Finding]:
    """Tell overrides that no scorecard could follow; nothing without the table."""
    table = tables.get("overrides")
    if table is None or not table.has("account_id", "value", "created_at", "expires_at"):
        return []
    return evaluate(connection, table, list(_rules()))


def _rules() -> tuple[Rule, ...]:
    return (
        Rule(
            "score_outside_scale",
            "value",
            "value NOT BETWEEN 0 AND 100",
            "account_id || ' ' || value",
            "lies outside 0-100 points",
            "give points from 0 to 100, higher better",
        ),
        Rule(
            "ended_before_started",
            "expires_at",
            "expires_at <= created_at",
            "account_id || ' ' || expires_at",
            "lies before the override was made, so it never holds",
            "correct the dates, or leave the end empty where it holds for good",
        ),
    )
