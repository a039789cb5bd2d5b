"""What must hold of one input table by itself; every finding with its count and an example."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from features.checks.passed import PassedRules
from features.errors import Finding
from features.tables.casting import (
    TRIMMED,
    cast_sql,
    infinite_sql,
    is_clean,
    is_null_word_sql,
    is_number,
    is_time,
    literal,
    present_sql,
    quoted,
)
from features.tables.relations import PlainFiles
from features.tables.schema import Column, Table
from features.tables.warehouse import ROWS, RemoteRows

Connection = duckdb.DuckDBPyConnection
#: What runs the SQL of rules: a connection, or the rows of a warehouse.
Engine = duckdb.DuckDBPyConnection | RemoteRows

#: Errors that a configuration may turn into warnings: such rows harm none but themselves, or only
#: the user knows that they are right.
ALLOWABLE = frozenset(
    {"unknown_account", "negative_value", "ended_before_started", "date_outside_data",
     "score_outside_scale", "unknown_kind", "unknown_scale", "lost_digits"}
)  # fmt: skip
#: Tables that people fill by hand: nobody need have decided anything yet.
_MAY_BE_EMPTY = {"overrides", "interventions", "actions", "raised", "closures"}
#: Times that may be in the future: the end of a term is known before it comes, and people go on
#: acting after the tables were written.
_MAY_BE_LATER = {
    *("ended_at", "renews_at", "expires_at", "notice_at", "at", "until"),
    *("due_at", "target_at"),
}
#: A time followed by letters that are not UTC: only the user knows which zone is meant.
_NAMED_ZONE = r"\d\s*(?:[a-z][a-z_]*(?:/[a-z_/+-]+)?\d*)\s*$"
_NOT_A_ZONE = r"[\d\s](?:utc|gmt|z|[ap]m)\s*$"
_TWO_DIGIT_YEAR = r"^\s*\d{1,2}[-/. ]\d{1,2}[-/. ]\d{1,2}(?:\D|$)"
_NUMBER = r"\s*[+-]?\d+(?:[.,]\d+)?\s*"
#: Beyond it, a number is infinite.
LARGEST = 1.7976931348623157e308
_FEW_ENOUGH_TO_SORT = 10_000_000
_NULL_WORD = "null_word"
#: The code of times that no calendar has.
CALENDAR = "date_beyond_calendar"


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
    types : dict of str to str
        SQL type, as it came, of each canonical column that is present.
    plain : PlainFiles, optional
        Its files, if they are read in place and none of their values needs cleaning.
    days, spans, calendar : str
        SQL names of the rows counted by account and day, by account, and by day, where there are
        too many to look at each of them once a rule.
    fresh : str, optional
        SQL name of the rows that have not passed the rules on single rows in an earlier run;
        empty where all have, None where nothing is known of earlier runs.
    whole : str
        SQL name of all rows, where these are those among them that are fresh.
    unmatched : str
        ``count`` where rows that belong to no account are counted and excluded, else ``refuse``.
    remote : RemoteRows, optional
        The rows, where they stay in a warehouse: `view` names their counts by account and day.
    doubtful : pa.Table, optional
        What `accounts.doubtful_accounts` found, once rows without an account are excluded.
    passed : PassedRules, optional
        The rules that concern none of its rows, where its files are known from earlier runs.
    """

    schema: Table
    source: str
    raw: str
    view: str
    is_copy: bool
    types: Mapping[str, str] = field(default_factory=dict)
    plain: PlainFiles | None = None
    days: str = ""
    spans: str = ""
    calendar: str = ""
    fresh: str | None = None
    whole: str = ""
    unmatched: str = "refuse"
    remote: RemoteRows | None = None
    doubtful: pa.Table | None = field(default=None, compare=False, repr=False)
    passed: PassedRules | None = field(default=None, compare=False, repr=False)

    @property
    def in_warehouse(self) -> OpenTable:
        """The table as its warehouse sees it, for rules on single rows."""
        return replace(self, raw=ROWS, view=ROWS, fresh=None, whole="", days="", spans="")

    @property
    def dated(self) -> str:
        """SQL of the rows as key (account), moment (the day, where counted by it) and n."""
        rows = f"{quoted(self.schema.dated_by)} AS moment, 1 AS n FROM {self.view}"
        return f"(SELECT account_id AS key, {f'moment, n FROM {self.days}' if self.days else rows})"

    @property
    def by_account(self) -> str:
        """SQL of the rows as account_id, n, first and last: the rows by themselves, or counted."""
        at = quoted(self.schema.dated_by)
        rows = f"SELECT account_id, 1 AS n, {at} AS first, {at} AS last FROM {self.view}"
        return self.spans or f"({rows})"

    @property
    def columns(self) -> tuple[Column, ...]:
        """The canonical columns that are present."""
        return tuple(column for column in self.schema.columns if column.name in self.types)

    def has(self, *names: str) -> bool:
        """Return whether all these columns are present."""
        return all(name in self.types for name in names)


@dataclass(frozen=True)
class Rule:
    """A condition that no row should meet.

    Attributes
    ----------
    code, column, what, fix : str
        As in `Finding`.
    where : str
        SQL condition that holds for the rows it concerns.
    example : str
        SQL expression that shows one of them.
    level : str
        ``error`` or ``warning``.
    only_if : str
        A shorter SQL condition, true of every row of which `where` is true, and of few others.
        Several rules may have the same one.
    """

    code: str
    column: str
    where: str
    example: str
    what: str
    fix: str
    level: str = "error"
    only_if: str = ""


def evaluate(
    connection: Engine,
    table: OpenTable,
    rules: Sequence[Rule],
    *,
    raw: bool = False,
    count: str = "count(*)",
) -> list[Finding]:
    """Count the rows that each rule concerns.

    Parameters
    ----------
    connection, table : duckdb.DuckDBPyConnection, OpenTable
        A table, and where it is open.
    rules : sequence of Rule
        Conditions that no row should meet.
    raw : bool
        Look at the rows as they came rather than at the cast ones.
    count : str
        SQL of how many rows there are, where one row counts for several.
    """
    rows, passed = table.raw if raw else table.view, table.passed
    if passed is not None:
        rules = [rule for rule in rules if not passed.has(rows, rule.where)]
    if not rules:
        return []
    concerned: Sequence[int] = range(len(rules))
    if table.is_copy:
        # In memory, one pass looks for all rules, most of which concern no row. Planning the query
        # takes longer than evaluating it on a small table, so the conditions are few and short.
        likely = [rule.only_if or rule.where for rule in rules]
        conditions = list(dict.fromkeys(likely))
        looks = ", ".join(f"bool_or({condition})" for condition in conditions)
        found = dict(
            zip(conditions, one_row(connection, f"SELECT {looks} FROM {rows}"), strict=True)
        )
        concerned = [place for place, condition in enumerate(likely) if found[condition]]
        if not concerned:
            return []
    # Each rule is a query of its own, so that pieces of files whose smallest and largest values
    # exclude it are not scanned.
    queries = " UNION ALL ".join(
        f"(SELECT {place}, {count}, min(CAST({rules[place].example} AS VARCHAR)) FROM {rows} "
        f"WHERE {rules[place].where})"
        for place in concerned
    )
    counted = sorted(row for row in connection.execute(queries).fetchall() if row[1])
    if passed is not None:
        met = {place for place, *_ in counted}
        for place in {*concerned} - met:
            passed.note(rows, rules[place].where)
    of_all = table.whole or rows
    total = one_row(connection, f"SELECT count(*) FROM {of_all}")[0] if counted else 0
    return [
        finding(rule.code, table, rule.column, rule.what, (count, total, example), rule.fix,
                level=rule.level)
        for rule, count, example in ((rules[place], *rest) for place, *rest in counted)
    ]  # fmt: skip


def check_values(connection: Engine, table: OpenTable) -> list[Finding]:
    """Check that a table has rows, and that each value is there and of its kind."""
    empty = not one_row(connection, f"SELECT count(*) FROM {table.raw}")[0]
    if empty and table.schema.name not in _MAY_BE_EMPTY:
        fix = "give a file with rows, or remove the table from the configuration"
        return [finding("empty_table", table, "", "has no rows", (0, 0, ""), fix)]
    texts = {column.name for column in table.columns if column.kind == "text"}
    rules = [rule for column in table.columns for rule in _value_rules(table, column)]
    # Of a text nothing is left where nothing was there; of others something may have been lost.
    of_cast = [r for r in rules if r.column in texts and r.code != _NULL_WORD]
    found = evaluate(connection, table, [r for r in rules if r not in of_cast], raw=True)
    as_cast = list(of_cast)
    as_cast += [*_minimum_rules(table), *_order_rules(table), *_undated_rules(table)]
    found += evaluate(connection, table, as_cast)
    return found


def _value_rules(table: OpenTable, column: Column) -> Iterator[Rule]:
    source_type = table.types[column.name]
    present = present_sql(column, source_type)
    if source_type == "VARCHAR":
        what, fix = "is a word for null and is read as empty", "leave the field empty"
        word = is_null_word_sql(column)
        yield Rule(_NULL_WORD, column.name, word, quoted(column.name), what, fix, "warning")
    if column.kind != "text" and not is_clean(source_type):
        lost = f"{present} AND ({cast_sql(column, source_type)}) IS NULL"
        if column.kind == "number":
            infinite = infinite_sql(column, source_type)
            fix = "correct the division by zero it comes from, or leave the field empty"
            name = quoted(column.name)
            yield Rule(
                "infinite_value", column.name, infinite, name, "is infinite", fix, only_if=lost
            )
            no_number = f"{lost} AND {infinite} IS NOT TRUE"
            yield replace(_kind_rule(column, source_type, no_number), only_if=lost)
        elif column.kind == "time" and source_type in ("VARCHAR", TRIMMED):
            yield from _time_rules(column, lost)
        else:
            yield _kind_rule(column, source_type, lost)
    excluded = column.name == "account_id" and table.unmatched == "count"
    if not column.nullable and not excluded:
        shown = _label_sql(table, column)
        fix = "fill the column, or leave these rows out with sql"
        empty = f"{quoted(column.name)} IS NULL" if column.kind == "text" else f"NOT {present}"
        yield Rule("null_key", column.name, empty, shown, "is empty", fix)


#: Columns of ratings, which exports often write as words, and the column that names their scale.
_RATINGS = {"csat": "csat_scale", "score": "scale", "expected": "scale"}


def _kind_rule(column: Column, source_type: str, lost: str) -> Rule:
    name = quoted(column.name)
    if column.kind == "time" and is_time(source_type):
        return Rule(CALENDAR, column.name, lost, name, *beyond_calendar(column))
    if column.kind == "time":
        contents = "numbers" if is_number(source_type) else source_type.lower()
        return _number_for_time(column, lost, contents)
    if column.name in _RATINGS:
        fix = (
            f"ratings are numbers: map words with sql, such as case when {column.name} = 'good' "
            f"then 1 when {column.name} = 'bad' then 0 end, and their scale as in 'good/bad' as "
            f"{_RATINGS[column.name]}"
        )
        return Rule("wrong_type", column.name, lost, name, "is not a number", fix)
    if column.kind == "number":
        fix = f"write 1234.5, or use sql with replace({column.name}, ',', '.') and the like"
        return Rule("wrong_type", column.name, lost, name, "is not a number", fix)
    fix = "write true or false, or convert with sql"
    return Rule("wrong_type", column.name, lost, name, "is neither true nor false", fix)


def beyond_calendar(column: Column) -> tuple[str, str]:
    """Return what is wrong with a time that no calendar has, and the remedy."""
    return (
        "is infinite, or not between the years 1 and 9999",
        f"leave an open or unknown date empty, e.g. with nullif({column.name}, 'infinity') in sql",
    )


def _number_for_time(column: Column, where: str, contents: str) -> Rule:
    name = quoted(column.name)
    what = f"contains {contents} instead of dates"
    fix = (
        f"use sql: date '1899-12-30' + cast({column.name} as integer) for serial dates of Excel, "
        f"to_timestamp({column.name}) for seconds since 1970, epoch_ms({column.name}) for "
        "milliseconds, or make_date(…)"
    )
    return Rule("wrong_type", column.name, where, name, what, fix)


def _time_rules(column: Column, lost: str) -> list[Rule]:
    """Return the rules on times written as text: what is ambiguous is asked about, not guessed."""
    name = quoted(column.name)
    # A look at single characters is cheap, and spares most values the regular expressions.
    utc = f"{name}[-1] = 'Z' AND {name}[-2] <= '9'"
    letter = f"({name}[-1] > '9' AND NOT ({utc}) OR {name}[-1] = ' ')"
    zone = (
        f"({letter} AND regexp_matches({name}, {literal(_NAMED_ZONE)}, 'i') "
        f"AND NOT regexp_matches({name}, {literal(_NOT_A_ZONE)}, 'i'))"
    )
    signs = "('-', '/', '.', ' ')"
    short = f"({name}[1] = ' ' OR {name}[2] IN {signs} OR {name}[3] IN {signs})"
    two_digits = f"({short} AND regexp_matches({name}, {literal(_TWO_DIGIT_YEAR)}))"
    number = f"regexp_full_match({name}, {literal(_NUMBER)})"
    what = "names a time zone, and such names are ambiguous (BST is London's summer or Bangladesh)"
    fix = (
        "write times in UTC or with an offset such as +01:00, or use sql with "
        f"strptime({column.name}[:19], '%Y-%m-%d %H:%M:%S') at time zone 'Europe/London'"
    )
    zone_name = Rule("zone_name", column.name, zone, name, what, fix)
    what = "has a year of two digits, so that day, month, year and century are ambiguous"
    fix = f"write dates as 2026-01-31, or use sql with strptime({column.name}, '%d/%m/%y')"
    two_digit_year = Rule("two_digit_year", column.name, two_digits, name, what, fix)
    is_number = _number_for_time(column, f"{lost} AND {number}", "numbers")
    fix = f"write dates as 2026-01-31, or use sql with strptime({column.name}, '%d/%m/%Y')"
    others = f"{lost} AND NOT coalesce({zone} OR {two_digits} OR {number}, false)"
    unparsable = Rule("unparsable_date", column.name, others, name, "cannot be read as a date", fix)
    any_of_them = f"({letter} OR {short} OR {lost})"
    rules = (zone_name, two_digit_year, is_number, unparsable)
    return [replace(rule, only_if=any_of_them) for rule in rules]


def _label_sql(table: OpenTable, column: Column) -> str:
    """Return SQL that identifies a row by another of its columns."""
    others = [c.name for c in table.columns if c is not column]
    ids = [name for name in others if name.endswith("_id")]
    other = next(iter([*ids, *others]), column.name)
    return f"{literal(other + ' ')} || CAST({quoted(other)} AS VARCHAR)"


def _minimum_rules(table: OpenTable) -> Iterator[Rule]:
    for column in table.columns:
        if column.minimum is not None:
            name = quoted(column.name)
            yield Rule(
                "negative_value", column.name, f"{name} < {column.minimum}", name,
                f"is below {column.minimum:g}",
                "correct the values; refunds and credits do not belong in this column",
            )  # fmt: skip


#: By table: the time at which something started, and the times that cannot be earlier, each with
#: what follows from one that is.
_NOT_BEFORE = {
    "tickets": (
        "opened_at",
        "ticket_id",
        {
            "first_replied_at": "counts as no reply",
            "first_solved_at": "counts as no solution time",
            "solved_at": "counts as no solution time",
            "closed_at": "counts as no solution time",
            "reopened_at": "counts as it is",
            "escalated_at": "counts as it is",
            "csat_at": "counts as it is",
        },
    ),
    "surveys": ("sent_at", "account_id", {"answered_at": "counts as it is"}),
    "invoices": ("issued_at", "invoice_id", {"paid_at": "counts as it is"}),
    "goals": (
        "set_at",
        "goal",
        {"reached_at": "counts as it is", "target_at": "counts as overdue from the start"},
    ),
    "contacts": ("created_at", "contact_id", {"left_at": "counts as it is"}),
    "subscriptions": (
        "started_at",
        "account_id",
        {
            "renews_at": "counts as it is",
            "notice_at": "counts: the account leaves from the row's start on",
        },
    ),
}


def _order_rules(table: OpenTable) -> Iterator[Rule]:
    """Yield the rules on times that lie before the start of what they end."""
    if table.schema.name == "subscriptions" and table.has("ended_at", "started_at"):
        yield Rule(
            "ended_before_started", "ended_at", "ended_at < started_at",
            "account_id || ' ' || started_at || ' to ' || ended_at", "ends before it starts",
            "correct the dates; an open end is empty",
        )  # fmt: skip
    start, key, later = _NOT_BEFORE.get(table.schema.name, ("", "", {}))
    for column, effect in later.items():
        if table.has(start, column):
            code = "solved_before_opened" if column == "solved_at" else "before_start"
            shown = f"{literal(key + ' ')} || {key}" if table.has(key) else column
            what = f"is before {start}, and {effect}"
            fix = "correct the times; both must be in the same time zone"
            yield Rule(code, column, f"{column} < {start}", shown, what, fix, "warning")


def _undated_rules(table: OpenTable) -> Iterator[Rule]:
    name = table.schema.dated_by
    if table.schema.may_be_undated and table.has(name):
        shown = _label_sql(table, table.schema.column(name))
        what = "is empty: the row counts on every date, which may be too early"
        fix = (
            f"map {name} to the time from which the row existed, or known_at to when it was written"
        )
        yield Rule("undated", name, f"{quoted(name)} IS NULL", shown, what, fix, "warning")


#: A time on the first day of 1970 is an empty time that a program wrote as 0.
_FIRST_REAL = "TIMESTAMP '1970-01-02'"


def check_dates(connection: Engine, table: OpenTable, end: datetime) -> list[Finding]:
    """Report implausible dates, and rows after the end of the data.

    Parameters
    ----------
    connection, table : duckdb.DuckDBPyConnection, OpenTable
        A table, and where it is open.
    end : datetime
        `observed_until`: the end of the data, exclusive.
    """
    if table.remote is not None and isinstance(connection, Connection):
        return check_dates(table.remote, table.in_warehouse, end)
    if table.fresh == "":
        return []
    limit = f"TIMESTAMP {literal(str(end))}"
    rules = []
    for column in (c for c in table.columns if c.kind == "time"):
        name = quoted(column.name)
        absurd = f"({name} < {_FIRST_REAL} OR {name} > {limit} + INTERVAL 10 YEAR)"
        what = (
            "is before 1970 (or on its first day, as an empty time written as 0 is) or over ten "
            f"years after the end of the data ({end:%Y-%m-%d})"
        )
        fix = "correct the dates; leave an unknown or open date empty, e.g. with nullif in sql"
        outside = Rule("date_outside_data", column.name, absurd, name, what, fix)
        if column.name in _MAY_BE_LATER:
            rules.append(outside)
        else:
            either = f"({name} < {_FIRST_REAL} OR {name} >= {limit})"
            rules.append(replace(outside, only_if=either))
            late = f"({name} >= {limit} AND NOT {absurd})"
            what = f"is after the end of the data ({end:%Y-%m-%d %H:%M}) and is excluded"
            fix = "correct the dates, or set observed_until where the data is complete until then"
            rules.append(
                Rule("after_observed_until", column.name, late, name, what, fix, "warning", either)
            )
    fresh = replace(table, view=table.fresh or table.view, whole=table.view)
    return evaluate(connection, fresh, rules)


def may_repeat(
    connection: Connection, rows: str, columns: str, passed: PassedRules | None = None
) -> bool:
    """Return whether values of some columns may be in more than one row; a null is in none.

    The engine takes three times as long to group values that differ in every row as their hashes
    take to be sorted; of more rows than these the hashes would need too much memory.
    """
    rule = f"({columns}) is in more than one row"
    if passed is not None and passed.has(rows, rule):
        return False
    if one_row(connection, f"SELECT count(*) FROM {rows}")[0] > _FEW_ENOUGH_TO_SORT:
        return True
    present = "" if "," in columns else f" WHERE {columns} IS NOT NULL"
    hashed = connection.sql(f"SELECT hash({columns}) AS hash FROM {rows}{present}")
    hashes = np.sort(hashed.to_arrow_table()["hash"].to_numpy())
    repeats = bool((hashes[1:] == hashes[:-1]).any())
    if passed is not None and not repeats:
        passed.note(rows, rule)
    return repeats


def one_row(connection: Engine, query: str) -> tuple[Any, ...]:
    """Return the only row of a query."""
    # All rows are fetched, so that the connection is free for the next query.
    row: tuple[Any, ...] = connection.execute(query).fetchall()[0]
    return row


def finding(
    code: str,
    table: OpenTable,
    column: str,
    what: str,
    counted: tuple[int, int, Any],
    fix: str,
    *,
    level: str = "error",
) -> Finding:
    """Make a finding on a table; `counted` is rows, total and example."""
    rows, total, example = counted
    shown = "" if example is None else str(example)
    shown = shown if len(shown) <= 80 else shown[:77] + "…"
    return Finding(
        level, code, table.source, table.schema.name, column, what, rows, total, shown, fix
    )
