"""One spelling for each product in all tables, and a report of the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import duckdb
import narwhals as nw

from features.checks.findings import OpenTable, finding
from features.errors import Finding
from features.tables.connection import internal_name
from features.tables.product_names import other_spellings, with_usual_spelling


def with_one_spelling(
    connection: duckdb.DuckDBPyConnection, tables: Mapping[str, OpenTable]
) -> tuple[dict[str, OpenTable], list[Finding]]:
    """Return the tables with one spelling for each product, and a warning for each table changed.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        Where the tables are open; nobody else uses it.
    tables : mapping of str to OpenTable
        The tables that could be opened.
    """
    with_products = {name: table for name, table in tables.items() if table.has("product")}
    frames = {
        name: nw.from_native(connection.table(table.view)) for name, table in with_products.items()
    }
    spellings = other_spellings(frames.values())
    if not spellings:
        return dict(tables), []
    result, found = dict(tables), []
    for name, frame in frames.items():
        table = with_products[name]
        others = frame.filter(nw.col("product").is_in(list(spellings)))
        counts = others.group_by("product").agg(nw.len().alias("n")).sort("product")
        rows = {row["product"]: row["n"] for row in counts.collect("pyarrow").iter_rows(named=True)}
        if not rows:
            continue
        view = internal_name(f"products of {name}")
        query = with_usual_spelling(frame, spellings).to_native().sql_query()
        connection.execute(f"CREATE VIEW {view} AS {query}")
        result[name] = replace(table, view=view, plain=None)
        (total,) = frame.select(nw.len()).collect("pyarrow").to_native().to_pydict()["len"]
        found.append(_note(table, rows, spellings, int(total)))
    return result, found


def _note(
    table: OpenTable, rows: Mapping[str, int], spellings: Mapping[str, str], total: int
) -> Finding:
    shown = ", ".join(f"{other!r} as {spellings[other]!r}" for other in list(rows)[:3])
    more = f" and {len(rows) - 3:,} more" if len(rows) > 3 else ""
    what = f"names of products that differ only in case or blanks are read as one: {shown}{more}"
    fix = "spell each product one way, or give them different names with sql if they are two"
    counted = (sum(rows.values()), total, None)
    return finding("product_spelling", table, "product", what, counted, fix, level="warning")
