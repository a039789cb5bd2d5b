"""Names in several spellings: a CSM, a segment or a plan that is counted as two."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import duckdb

from features.checks.findings import OpenTable, finding
from features.errors import Finding
from features.tables.casting import literal, quoted
from features.tables.product_names import alike

#: Columns whose values are typed in. Products are read as one, see `features.reading.products`.
_NAMES = ("csm", "segment", "industry", "region", "plan", "event")
_MOST_SHOWN = 3


def check_spellings(
    connection: duckdb.DuckDBPyConnection, tables: Mapping[str, OpenTable]
) -> list[Finding]:
    """Report names that differ only in case or blanks, and so are counted as different.

    Events of a large table are not looked at: that would read all of it.
    """
    found = []
    for table in tables.values():
        columns = [name for name in _NAMES if table.has(name)]
        if columns and table.remote is None and (table.is_copy or table.schema.name != "usage"):
            found += _of_table(connection, table, columns)
    return found


def _of_table(
    connection: duckdb.DuckDBPyConnection, table: OpenTable, columns: list[str]
) -> list[Finding]:
    counts = " UNION ALL ".join(
        f"SELECT {literal(name)}, coalesce({quoted(name)}, ''), count(*) FROM {table.view} "
        "GROUP BY ALL"
        for name in columns
    )
    rows: dict[str, dict[str, int]] = defaultdict(dict)
    for column, name, count in connection.execute(counts).fetchall():
        rows[column][name] = count
    return [note for column in columns if (note := _note(table, column, rows[column])) is not None]


def _note(table: OpenTable, column: str, rows: Mapping[str, int]) -> Finding | None:
    several = [names for names in alike(rows) if len(names) > 1]
    if not several:
        return None
    shown = "; ".join(" and ".join(map(repr, names)) for names in several[:_MOST_SHOWN])
    more = f" and {len(several) - _MOST_SHOWN:,} more" if len(several) > _MOST_SHOWN else ""
    what = f"names that differ only in case or blanks are counted as different: {shown}{more}"
    fix = f"spell each name one way, in the source or with sql, e.g. upper({column}) as {column}"
    counted = sum(rows[name] for _, *others in several for name in others)
    total = sum(rows.values())
    return finding(
        "name_spelling", table, column, what, (counted, total, None), fix, level="warning"
    )
