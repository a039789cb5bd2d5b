"""What must hold of overrides: a measure there is, points on the scale, an end after the start."""

from __future__ import annotations

from collections.abc import Mapping

from features.casting import literal
from features.catalogue import CATALOGUE
from features.checks import Connection, OpenTable, Rule, evaluate
from features.errors import Finding

#: What stands for the whole score.
WHOLE_SCORE = "health"


def check_overrides(connection: Connection, tables: Mapping[str, OpenTable]) -> list[Finding]:
    """Tell overrides that no scorecard could follow; nothing without the table."""
    table = tables.get("overrides")
    if table is None or not table.has("measure", "value", "created_at", "expires_at"):
        return []
    return evaluate(connection, table, list(_rules()))


def _rules() -> tuple[Rule, ...]:
    known = ", ".join(map(literal, (WHOLE_SCORE, *CATALOGUE)))
    return (
        Rule(
            "unknown_measure",
            "measure",
            f"measure NOT IN ({known})",
            "measure",
            "is no feature of the catalogue, and not health either",
            "name the feature that the measure reads (`health features --list` has all), or "
            "health for the whole score",
        ),
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
