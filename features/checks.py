"""What must hold of the input tables, and what is merely odd; every finding with its count."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import duckdb

from features.casting import cast_sql, is_number, literal, present_sql, quoted
from features.errors import Finding
from features.schema import Column, Table

#: Errors that a configuration may turn into warnings: the rows do harm only to themselves.
ALLOWABLE = frozenset(
    {"unknown_account", "negative_value", "ended_before_started", "date_outside_data",
     "score_outside_scale", "unknown_kind"}
)  # fmt: skip
_SCALES = {("nps", ""): (0, 10), ("csat", ""): (0, 5), ("ces", ""): (1, 7)}
#: Times that may lie ahead: the end of a term is known before it comes.
_AHEAD = {"ended_at", "renews_at", "expires_at", "notice_at"}


@dataclass(frozen=True)
class OpenTable:
    """A table opened on the engine.

    Attributes
    ----------
    schema : Table
        What it should be.
    source : str
        Where it came from, as messages name it.
    raw, view : str
        SQL names of the rows as they came, under canonical names, and of the cast ones.
    is_copy : bool
        Whether the rows were copied into the engine, or are read where they lie.
    columns : tuple of Column
        The canonical columns that are there.
    types : dict of str to str
        SQL type of each as it came.
    """

    schema: Table
    source: str
    raw: str
    view: str
    is_copy: bool
    columns: tuple[Column, ...]
    types: Mapping[str, str] = field(default_factory=dict)

    def has(self, *names: str) -> bool:
        """Tell whether all these columns are there."""
        return all(name in self.types for name in names)


Connection = duckdb.DuckDBPyConnection


def check_values(connection: Connection, table: OpenTable) -> list[Finding]:
    """Check a table by itself: emptiness, types, dates, nulls, ranges, keys."""
    total = _one(connection, f"SELECT count(*) FROM {table.view}")[0]
    if not total:
        fix = "give a file with rows, or remove the table from the configuration"
        return [_finding("empty_table", table, "", "has no rows", (0, 0, ""), fix)]
    found = [
        finding
        for column in table.columns
        for finding in _check_column(connection, table, column, total)
    ]
    if table.schema.key:
        found += _duplicates(connection, table, table.schema.key[0], "duplicate_key", total)
    return found


def _check_column(
    connection: Connection, table: OpenTable, column: Column, total: int
) -> Iterator[Finding]:
    name, source_type = quoted(column.name), table.types[column.name]
    present = present_sql(column, source_type)
    if column.kind != "text":
        lost = f"{present} AND ({cast_sql(column, source_type)}) IS NULL"
        counted = _count(connection, table.raw, lost, name, total)
        if counted[0]:
            yield _uncastable(table, column, source_type, counted)
    if not column.nullable:
        counted = _count(connection, table.raw, f"NOT {present}", "rowid_text", total)
        if counted[0]:
            fix = "fill the column, or leave these rows out with sql"
            yield _finding("null_key", table, column.name, "is null", counted, fix)
    if column.minimum is not None:
        below = f"{name} < {column.minimum}"
        counted = _count(connection, table.view, below, name, total)
        if counted[0]:
            what = f"is below {column.minimum:g}"
            fix = "correct the values; refunds and credits are no MRR"
            yield _finding("negative_value", table, column.name, what, counted, fix)


def _uncastable(
    table: OpenTable, column: Column, source_type: str, counted: tuple[int, int, str]
) -> Finding:
    if column.kind == "time" and is_number(source_type):
        what, fix = "numbers where a date is due", "use sql with to_timestamp(…)"
        return _finding("wrong_type", table, column.name, what, counted, fix)
    if column.kind == "time":
        fix = "write dates as 2026-01-31, or use sql with strptime(column, '%d/%m/%Y')"
        what = "cannot be read as a date"
        return _finding("unparsable_date", table, column.name, what, counted, fix)
    due = "a number" if column.kind == "number" else "true or false"
    fix = "correct the values, or convert them with sql"
    return _finding("wrong_type", table, column.name, f"is not {due}", counted, fix)


def check_content(
    connection: Connection, tables: Mapping[str, OpenTable], observed_until: datetime
) -> list[Finding]:
    """Check the tables against each other and against the end of the data.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        Where the tables are open.
    tables : mapping of str to OpenTable
        The tables, each right by itself.
    observed_until : datetime
        The end of the data.
    """
    rules = (
        _unknown_accounts,
        _dates,
        _subscriptions,
        _surveys,
        _duplicate_ids,
        _before_signup,
        _usage_outside,
        _solved_before_opened,
    )
    return [f for rule in rules for f in rule(connection, tables, observed_until)]


def _unknown_accounts(
    connection: Connection, tables: Mapping[str, OpenTable], observed_until: datetime
) -> Iterator[Finding]:
    for name, table in tables.items():
        if name == "accounts":
            continue
        row = _one(
            connection,
            f"SELECT count(*), count(DISTINCT account_id), min(account_id), "
            f"(SELECT count(*) FROM {table.view}), (SELECT min(account_id) FROM "
            f"{tables['accounts'].view}) FROM {table.view} WHERE account_id NOT IN "
            f"(SELECT account_id FROM {tables['accounts'].view})",
        )
        if row[0]:
            what = f"{row[1]:,} ids that accounts does not know"
            fix = (
                f"add them to accounts, leave them out with sql, or mend the format of the key "
                f"(accounts has ids like {row[4]!r})"
            )
            yield _finding(
                "unknown_account", table, "account_id", what, (row[0], row[3], row[2]), fix
            )


def _dates(
    connection: Connection, tables: Mapping[str, OpenTable], observed_until: datetime
) -> Iterator[Finding]:
    """Tell of absurd dates, and of rows past the end of the data."""
    for table in tables.values():
        total = _one(connection, f"SELECT count(*) FROM {table.view}")[0]
        for column in table.columns:
            if column.kind != "time":
                continue
            name, end = quoted(column.name), literal(str(observed_until))
            absurd = f"({name} < '1970-01-01' OR {name} > TIMESTAMP {end} + INTERVAL 10 YEAR)"
            counted = _count(connection, table.view, absurd, name, total)
            if counted[0]:
                what = (
                    f"lies before 1970 or ten years past the data's end ({observed_until:%Y-%m-%d})"
                )
                fix = "correct the dates; leave an unknown date empty"
                yield _finding("date_outside_data", table, column.name, what, counted, fix)
            if column.name in _AHEAD:
                continue
            late = f"{name} >= TIMESTAMP {end} AND NOT {absurd}"
            counted = _count(connection, table.view, late, name, total)
            if counted[0]:
                what = f"lies past the end of the data ({observed_until:%Y-%m-%d}) and is not seen"
                fix = "set observed_until later if the data reaches further"
                yield _warning("after_observed_until", table, column.name, what, counted, fix)


def _subscriptions(
    connection: Connection, tables: Mapping[str, OpenTable], observed_until: datetime
) -> Iterator[Finding]:
    table = tables["subscriptions"]
    total = _one(connection, f"SELECT count(*) FROM {table.view}")[0]
    counted = _count(connection, table.view, "ended_at < started_at", "account_id", total)
    if counted[0]:
        fix = "correct the dates; an open end is empty"
        yield _finding(
            "ended_before_started", table, "ended_at", "ends before it starts", counted, fix
        )
    if table.has("currency"):
        row = _one(
            connection,
            "SELECT count(DISTINCT currency), string_agg(DISTINCT currency, ', ') "
            f"FROM {table.view}",
        )
        if row[0] > 1:
            fix = "convert mrr to one currency with sql"
            counted = (total, total, str(row[1]))
            yield _finding(
                "mixed_currency", table, "currency", "more than one currency", counted, fix
            )


def _surveys(
    connection: Connection, tables: Mapping[str, OpenTable], observed_until: datetime
) -> Iterator[Finding]:
    if "surveys" not in tables:
        return
    table = tables["surveys"]
    total = _one(connection, f"SELECT count(*) FROM {table.view}")[0]
    unknown = "lower(kind) NOT IN ('nps', 'csat', 'ces')"
    counted = _count(connection, table.view, unknown, "kind", total)
    if counted[0]:
        fix = "map the kinds to nps, csat and ces with sql"
        yield _finding("unknown_kind", table, "kind", "is no kind of survey", counted, fix)
    if not table.has("score"):
        return
    outside = " OR ".join(
        f"(lower(kind) = '{kind}' AND score NOT BETWEEN {low} AND {high})"
        for (kind, _), (low, high) in _SCALES.items()
    )
    counted = _count(connection, table.view, outside, "kind || ' ' || score", total)
    if counted[0]:
        what = "lies outside its scale (nps 0-10, csat up to 5, ces 1-7)"
        fix = "bring the answers to these scales with sql"
        yield _finding("score_outside_scale", table, "score", what, counted, fix)


def _duplicate_ids(
    connection: Connection, tables: Mapping[str, OpenTable], observed_until: datetime
) -> Iterator[Finding]:
    if "usage" in tables and tables["usage"].has("usage_id"):
        table = tables["usage"]
        total = _one(connection, f"SELECT count(*) FROM {table.view}")[0]
        yield from _duplicates(connection, table, "usage_id", "duplicate_id", total)


def _before_signup(
    connection: Connection, tables: Mapping[str, OpenTable], observed_until: datetime
) -> Iterator[Finding]:
    dated = {"usage": "occurred_at", "tickets": "opened_at", "subscriptions": "started_at"}
    for name, column in dated.items():
        if name not in tables:
            continue
        table = tables[name]
        row = _one(
            connection,
            f"SELECT count(*) FILTER (t.{column} < date_trunc('day', a.created_at)), count(*), "
            f"min(t.account_id) FILTER (t.{column} < date_trunc('day', a.created_at)) "
            f"FROM {table.view} t JOIN {tables['accounts'].view} a USING (account_id)",
        )
        if row[0]:
            fix = "check accounts.created_at; the rows count as they are dated"
            what = "lies before the account was created"
            yield _warning(f"{name}_before_signup", table, column, what, row, fix)


def _usage_outside(
    connection: Connection, tables: Mapping[str, OpenTable], observed_until: datetime
) -> Iterator[Finding]:
    """Tell of use outside its subscription's dates, or outside any paid date of the account."""
    if "usage" not in tables:
        return
    usage, paid = tables["usage"], tables["subscriptions"]
    key, what = "account_id", "lies outside every subscription of the account"
    if usage.has("subscription_id") and paid.has("subscription_id"):
        key, what = "subscription_id", "lies outside the dates of its subscription"
    # Per key and day, so that many events of a day are compared once.
    row = _one(
        connection,
        f"WITH days AS (SELECT {key} AS key, date_trunc('day', occurred_at) AS day, count(*) AS n "
        f"FROM {usage.view} GROUP BY ALL), inside AS (SELECT DISTINCT d.key, d.day FROM days d "
        f"JOIN {paid.view} s ON s.{key} = d.key AND d.day >= date_trunc('day', s.started_at) "
        f"AND (s.ended_at IS NULL OR d.day <= s.ended_at)) "
        f"SELECT coalesce(sum(n) FILTER (i.key IS NULL), 0), sum(n), min(d.key) FILTER (i.key IS "
        f"NULL) FROM days d LEFT JOIN inside i ON i.key = d.key AND i.day = d.day",
    )
    if row[0]:
        counted = (int(row[0]), int(row[1]), f"{key} {row[2]}")
        fix = "check the dates; the rows count as use of the account"
        yield _warning("usage_outside_subscription", usage, "occurred_at", what, counted, fix)


def _solved_before_opened(
    connection: Connection, tables: Mapping[str, OpenTable], observed_until: datetime
) -> Iterator[Finding]:
    if "tickets" in tables and tables["tickets"].has("solved_at"):
        table = tables["tickets"]
        total = _one(connection, f"SELECT count(*) FROM {table.view}")[0]
        counted = _count(connection, table.view, "solved_at < opened_at", "ticket_id", total)
        if counted[0]:
            fix = "check the dates; the time to solve counts as zero"
            what = "lies before the ticket was opened"
            yield _warning("solved_before_opened", table, "solved_at", what, counted, fix)


def _duplicates(
    connection: Connection, table: OpenTable, column: str, code: str, total: int
) -> list[Finding]:
    row = _one(
        connection,
        f"SELECT coalesce(sum(n - 1), 0), min(key) FROM (SELECT {quoted(column)} AS key, count(*) "
        f"AS n FROM {table.view} WHERE {quoted(column)} IS NOT NULL GROUP BY 1 HAVING n > 1)",
    )
    if not row[0]:
        return []
    make = _finding if code == "duplicate_key" else _warning
    fix = "keep one row for each, e.g. select distinct on (…) in sql"
    return [
        make(code, table, column, "stands in more than one row", (int(row[0]), total, row[1]), fix)
    ]


def _count(
    connection: Connection, relation: str, condition: str, example: str, total: int
) -> tuple[int, int, str]:
    """Return how many rows meet a condition, out of how many, and one of them."""
    shown = "''" if example == "rowid_text" else f"min(CAST({example} AS VARCHAR))"
    row = _one(connection, f"SELECT count(*), {shown} FROM {relation} WHERE {condition}")
    return int(row[0]), total, str(row[1] or "")


def _one(connection: Connection, query: str) -> tuple[Any, ...]:
    # All rows are fetched, so that the connection is free for the next query.
    row: tuple[Any, ...] = connection.execute(query).fetchall()[0]
    return row


def _finding(
    code: str, table: OpenTable, column: str, what: str, counted: tuple[int, int, str], fix: str
) -> Finding:
    rows, total, example = counted
    return Finding(
        "error", code, table.source, table.schema.name, column, what, rows, total, str(example), fix
    )


def _warning(
    code: str, table: OpenTable, column: str, what: str, counted: tuple[int, int, str], fix: str
) -> Finding:
    rows, total, example = counted
    return Finding(
        "warning",
        code,
        table.source,
        table.schema.name,
        column,
        what,
        rows,
        total,
        str(example),
        fix,
    )
