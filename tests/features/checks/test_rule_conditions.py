"""The shorter condition of a rule holds for every row that the rule concerns."""

from __future__ import annotations

import pytest

from features.checks.findings import OpenTable, _value_rules
from features.checks.lost_digits import _text_rule
from features.tables.casting import TRIMMED, quoted
from features.tables.connection import in_memory
from features.tables.schema import TABLES

TEXTS = (
    *(None, "", " ", "A1", "Acme", "n/a", "null", "soon", "true"),
    *("2026-01-31", "2026-01-31 10:00", "2026-01-31T10:00:00Z", "2026-01-31 10:00 BST"),
    *("2026-01-31 10:00 Europe/London", "2026-01-31 10:00 pm", "2026-02-30", "0000-01-01"),
    *("31.01.26", "1/2/26", " 1-2-26", "31/01/2026", "46000", "46000.5", "46000,5", "+46000"),
    *("inf", "-Infinity", "nan", "1e400", "1234.5", "1,234.5", "1.2345678E7", "12 EUR"),
    *("1.2345678901234567e+19", "1,23457E+11", "9007199254740993.0", "1.2345678901234567E19"),
)


@pytest.mark.parametrize("kind", ["VARCHAR", TRIMMED])
@pytest.mark.parametrize("name", ["subscriptions", "tickets"])
def test_no_row_is_overlooked(name: str, kind: str) -> None:
    schema = TABLES[name]
    types = {column.name: kind for column in schema.columns}
    table = OpenTable(schema, "", "texts", "texts", True, types)
    rules = [rule for column in schema.columns for rule in _value_rules(table, column)]
    rules += [_text_rule(column) for column in schema.columns if column.is_identifier]
    same = ", ".join(f"text AS {quoted(column.name)}" for column in schema.columns)
    with in_memory() as connection:
        connection.execute("CREATE TABLE given (text VARCHAR)")
        connection.executemany("INSERT INTO given VALUES (?)", [[text] for text in TEXTS])
        connection.execute(f"CREATE TABLE texts AS SELECT {same} FROM given")
        shorter = [rule for rule in rules if rule.only_if]
        found = {
            (rule.code, rule.column): connection.execute(
                f"SELECT count(*), count(*) FILTER (WHERE ({rule.only_if}) IS NOT TRUE) "
                f"FROM texts WHERE {rule.where}"
            ).fetchall()[0]
            for rule in shorter
        }
    assert all(rows for rows, _ in found.values()), "each rule concerns one of these texts"
    assert {rule for rule, (_, overlooked) in found.items() if overlooked} == set()
