"""How numbers are written in text columns: thousands separators and decimal commas.

The format belongs to a column, not to a value: "1.234" is 1234 next to "1.234,50", and 1.234 next
to "0.5". Where the values of a column do not decide, the user is asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import duckdb

from features.errors import Finding
from features.tables.casting import literal, quoted
from features.tables.identifiers import BLANKS
from features.tables.schema import Column, Table

#: A column whose values are all plain numbers is asked about only if it has this many.
_LEAST_ROWS = 3
#: Columns whose values are seldom in thousandths: 1.200 seats may be 1,200.
_COUNTS = frozenset(
    {"seats", "quota", "billing_months", "errors", "active_users", "failed_attempts"}
)
_CODE = "number_format"


@dataclass(frozen=True)
class NumberFormat:
    """One way to write numbers.

    Attributes
    ----------
    thousands : str
        The characters that may separate groups of three digits.
    decimal : str
        The character before the decimals.
    """

    thousands: str
    decimal: str

    @property
    def pattern(self) -> str:
        """Regular expression of the numbers in this format, grouped or not."""
        grouped = rf"[1-9]\d{{0,2}}(?:[{self.thousands}]\d{{3}})+"
        decimals = rf"[{self.decimal}]\d+"
        whole = rf"(?:\d+|{grouped})(?:{decimals})?"
        return rf"[+-]?(?:{whole}|{decimals})(?:[eE][+-]?\d+)?"

    def plain_sql(self, text: str) -> str:
        """Return the SQL of a text in this format as a plain number, such as 1234.5."""
        pattern = literal(f"[{self.thousands}]")
        digits = f"regexp_replace({text}, {pattern}, '', 'g')"
        return f"replace({digits}, {literal(self.decimal)}, '.')"


_SPACES, _APOSTROPHES = " \u00a0\u2009\u202f", "'\u2019"
_FORMATS = tuple(
    NumberFormat(thousands, decimal)
    for thousands, decimal in (
        (",", "."),
        (".", ","),
        *((sign, decimal) for sign in (_SPACES, _APOSTROPHES) for decimal in ".,"),
    )
)


@dataclass(frozen=True)
class NumberFormats:
    """The formats of a table's text columns of numbers.

    Attributes
    ----------
    formats : dict of str to NumberFormat
        By canonical column; columns of plain numbers are left out.
    findings : tuple of Finding
        A warning for each of these columns, and an error for each that was not decided.
    """

    formats: Mapping[str, NumberFormat] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()

    @property
    def undecided(self) -> frozenset[str]:
        """The columns whose format is ambiguous or contradictory."""
        return frozenset(f.column for f in self.findings if f.level == "error")


@dataclass(frozen=True)
class _Form:
    """Values of a column that the same formats accept.

    `has_sign` means a comma or a point, `is_plain` a number without a format, and `is_long` five
    digits or more in a row, which a format with a thousands separator would have grouped.
    """

    accepted_by: frozenset[NumberFormat]
    has_sign: bool
    is_plain: bool
    is_long: bool
    rows: int
    example: str


def number_formats(
    connection: duckdb.DuckDBPyConnection,
    table: Table,
    source: str,
    raw: str,
    types: Mapping[str, str],
) -> NumberFormats:
    """Find the format of each text column of numbers from all its values.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        Where the rows are.
    table : Table
        The table.
    source : str
        Its source, as messages name it.
    raw : str
        SQL name of the rows as they came, under canonical names.
    types : mapping of str to str
        SQL type, as it came, of each canonical column.
    """
    formats: dict[str, NumberFormat] = {}
    findings: list[Finding] = []
    numbers = [c for c in table.columns if c.kind == "number" and types.get(c.name) == "VARCHAR"]
    for column in _doubtful(connection, raw, numbers):
        forms = list(_forms(connection, raw, column))
        found = _refused(column, forms)
        if found is None and not all(form.is_plain for form in forms):
            formats[column.name] = _common(forms)[0]
            found = _read_as(connection, raw, column, formats[column.name])
        if found is not None:
            (total,) = connection.execute(f"SELECT count(*) FROM {raw}").fetchall()[0]
            place = {"source": source, "table": table.name, "total": total}
            findings.append(replace(found, **place))
    return NumberFormats(formats, tuple(findings))


def _common(forms: Sequence[_Form]) -> list[NumberFormat]:
    """Return the formats that accept every value; those with one decimal sign read them alike."""
    return [f for f in _FORMATS if all(f in form.accepted_by for form in forms)]


def _refused(column: Column, forms: Sequence[_Form]) -> Finding | None:
    """Return the finding on a column whose format is contradictory or ambiguous."""
    is_plain = all(form.is_plain for form in forms)
    common = _common(forms)
    if not (common or is_plain):
        return _contradictory(column, forms)
    doubtful = [form for form in forms if form.has_sign]
    if not doubtful or len({f.decimal for f in common}) < 2:
        return None
    if is_plain:
        # Three decimals are usual in quantities and durations, and rare in amounts and counts.
        is_long = any(form.is_long for form in forms)
        rows = sum(form.rows for form in forms)
        if not _is_seldom_exact(column) or is_long or rows < _LEAST_ROWS:
            return None
    return _ambiguous(column, doubtful)


def _ambiguous(column: Column, forms: Sequence[_Form]) -> Finding:
    example, name = forms[0].example, column.name
    whole, decimal = (re.sub("[.,]", sign, example) for sign in ("", "."))
    what = (
        f"has a thousands separator or three decimals ({example} is {whole} or {decimal}), and no "
        "value of the column decides"
    )
    fix = (
        f"use sql: cast(replace(replace({name}, '.', ''), ',', '.') as double) where the comma is "
        f"the decimal sign, cast(replace({name}, ',', '') as double) where the point is; read CSV "
        "files with read_csv(…, all_varchar = true)"
    )
    rows = sum(form.rows for form in forms)
    return _finding("error", column, what, rows, example, fix)


def _contradictory(column: Column, forms: Sequence[_Form]) -> Finding:
    remaining, shown = set(_FORMATS), list[str]()
    # The strictest first, so that few examples show the contradiction.
    for form in sorted(forms, key=lambda form: len(form.accepted_by)):
        if remaining and not remaining <= form.accepted_by:
            remaining &= form.accepted_by
            shown.append(form.example)
    what = f"is written in formats that contradict each other: {' and '.join(shown)}"
    fix = f"write 1234.5 in every row, or convert {column.name} with sql row by row"
    rows = sum(form.rows for form in forms if len(form.accepted_by) < len(_FORMATS))
    return _finding("error", column, what, rows, shown[0], fix)


def _read_as(
    connection: duckdb.DuckDBPyConnection, raw: str, column: Column, form: NumberFormat
) -> Finding:
    """Return the warning on a column that is read in a format."""
    text, plain = _trimmed(column.name), _as_plain_sql(column.name, form)
    # The longest example shows most of the format.
    longest = "max_by({}, (strlen(v), v))"
    query = (
        f"SELECT count(*), {longest.format('v')}, {longest.format('plain')} "
        f"FROM (SELECT {text} AS v, {plain} AS plain FROM {raw}) WHERE trim(plain) <> v"
    )
    rows, example, number = connection.execute(query).fetchall()[0]
    what = f"has thousands separators or decimal commas: {example} is read as {number}"
    fix = f"write {number}, or convert {column.name} with sql"
    return _finding("warning", column, what, rows, example, fix)


def _finding(level: str, column: Column, what: str, rows: int, example: str, fix: str) -> Finding:
    return Finding(level, _CODE, "", "", column.name, what, rows, 0, example, fix)


def with_plain_numbers(
    rows: str, formats: Mapping[str, NumberFormat], names: Mapping[str, str]
) -> str:
    """Return the SQL of the same rows with these columns written as plain numbers.

    Parameters
    ----------
    rows : str
        SQL of the rows, after FROM.
    formats : mapping of str to NumberFormat
        By canonical column.
    names : mapping of str to str
        The source's name of each canonical column.
    """
    # Two columns may be read from one of the source.
    plain = {names[column]: _as_plain_sql(names[column], form) for column, form in formats.items()}
    replaced = ", ".join(f"{sql} AS {quoted(name)}" for name, sql in plain.items())
    return f"(SELECT * REPLACE ({replaced}) FROM {rows})"


def _as_plain_sql(name: str, form: NumberFormat) -> str:
    text = _trimmed(name)
    is_number = f"regexp_full_match({text}, {literal(form.pattern)})"
    return f"CASE WHEN {is_number} THEN {form.plain_sql(text)} ELSE {quoted(name)} END"


def _trimmed(name: str) -> str:
    return f"trim({quoted(name)}, {literal(BLANKS)})"


def _is_seldom_exact(column: Column) -> bool:
    """Return whether three decimals are rare in a column: an amount of money, or a count."""
    return column.is_amount or column.name == "amount" or column.name in _COUNTS


def _doubtful(
    connection: duckdb.DuckDBPyConnection, raw: str, columns: Sequence[Column]
) -> list[Column]:
    """Return the columns that may be in another format: plain numbers are the cheap case."""
    if not columns:
        return []
    conditions = ", ".join(f"bool_or({_doubt_sql(column)})" for column in columns)
    found = connection.execute(f"SELECT {conditions} FROM {raw}").fetchall()[0]
    return [column for column, is_doubtful in zip(columns, found, strict=True) if is_doubtful]


def _doubt_sql(column: Column) -> str:
    text = _trimmed(column.name)
    lost = f"{quoted(column.name)} IS NOT NULL AND TRY_CAST({text} AS DOUBLE) IS NULL"
    # Of plain numbers, only those with three digits after a point may be read in two ways.
    thousandths = f"regexp_matches({text}, '[.][0-9]{{3}}')"
    return f"({lost} OR {thousandths})" if _is_seldom_exact(column) else lost


def _forms(connection: duckdb.DuckDBPyConnection, raw: str, column: Column) -> Iterator[_Form]:
    """Yield the forms of the values that are numbers in any format."""
    accepted = ", ".join(f"regexp_full_match(v, {literal(form.pattern)})" for form in _FORMATS)
    values = f"SELECT {_trimmed(column.name)} AS v, count(*) AS n FROM {raw} GROUP BY ALL"
    rows = connection.execute(
        f"SELECT [{accepted}] AS accepted, regexp_matches(v, '[.,]') AS has_sign, "
        "TRY_CAST(v AS DOUBLE) IS NOT NULL AS is_plain, "
        "regexp_matches(v, '[0-9]{5}') AS is_long, sum(n), min(v) "
        f"FROM ({values}) WHERE v IS NOT NULL GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    for accepted_by, has_sign, is_plain, is_long, count, example in rows:
        formats = frozenset(f for f, flag in zip(_FORMATS, accepted_by, strict=True) if flag)
        if formats:
            yield _Form(formats, has_sign, is_plain, is_long, int(count), example)
