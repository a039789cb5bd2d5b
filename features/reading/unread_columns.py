"""Columns that are not read although they matter: they undo rows, or are spelt differently."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import duckdb

from features.checks.findings import one_row
from features.errors import Finding
from features.tables.casting import literal, quoted
from features.tables.relations import Relation
from features.tables.schema import Column, Table

#: Names of columns in which tools that copy databases write what happened to a row, and the words
#: for rows that are no longer there.
_OPERATIONS = re.compile(r"^_*(op|operation|cdc_operation|change_type|dml_type)$", re.IGNORECASE)
_GONE = ("d", "delete", "deleted", "remove", "removed", "update_preimage")
#: Names of columns whose words may undo a row, and words that are no such thing as yes.
_STATES = re.compile(r"(^|_)(status|state|type|kind|financial_status)$", re.IGNORECASE)
_NO = ("", "0", "0.0", "0.00", "false", "f", "no", "n", "none", "null", "n/a", "nan", "-")

#: Other names of the currency of a row, without signs: amounts in another one would count as they
#: are.
_CURRENCIES = ("currencycode", "currencyisocode", "isocurrency", "ccy")


@dataclass(frozen=True)
class _Undone:
    """What undoes the rows of a table: words of a state, names of columns, and the consequence."""

    words: str
    names: re.Pattern[str]
    effect: str
    fix: str
    #: The column that shows the same where it is filled.
    unless: str = ""


_UNDONE = {
    "orders": _Undone(
        "refund|returned|cancel|void|chargeback|reversed|deleted",
        re.compile(r"refund(?!able)|returned|cancel(?!l?able)|void", re.IGNORECASE),
        "was cancelled or returned, but the column is not read and each row counts as a purchase",
        "leave these orders out with sql, or add a row with a negative amount for each return",
    ),
    "invoices": _Undone(
        "void|cancel|refund|draft|uncollectible|written.off|credit.?(note|memo)|deleted",
        re.compile(r"void|cancel|written_off", re.IGNORECASE),
        "is no bill to be paid, but the column is not read and each row counts as a bill",
        "leave these invoices out with sql",
    ),
    "subscriptions": _Undone(
        "cancell?ed|expired|ended|churned|inactive|terminated|closed|deleted",
        re.compile(r"^(cancell?ed|terminated|churned)", re.IGNORECASE),
        "has ended, but the column is not read, ended_at is empty and each row counts as running",
        "set ended_at to when each of them ended, with sql if necessary",
        unless="ended_at",
    ),
}
#: In any table.
_DELETED = _Undone(
    r"^(soft[-_ ]?)?deleted$",
    re.compile(
        r"(^|_|is|soft)_?delet(ed?|ion)(_?(at|on|date|time|timestamp|ts|flag))?$", re.IGNORECASE
    ),
    "was deleted or replaced at its source, but the column is not read and the row counts",
    "leave such rows out with sql, and earlier versions of deleted rows with them",
)


def undone_rows(
    connection: duckdb.DuckDBPyConnection,
    table: Table,
    relation: Relation,
    mapped: Mapping[Column, str],
    present: Mapping[str, str],
) -> Iterator[Finding]:
    """Yield a warning for each column that is not read and says that rows do not count.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        Reads the table.
    table, relation : Table, Relation
        The table, and its rows.
    mapped : mapping of Column to str
        The source's name of each column that is read.
    present : mapping of str to str
        SQL type of every column of the source.
    """
    names = {column.name: name for column, name in mapped.items()}
    found: dict[str, tuple[_Undone, str]] = {}
    for undone in (_UNDONE[table.name], _DELETED) if table.name in _UNDONE else (_DELETED,):
        for name, kind in present.items():
            condition = _condition(undone, name, kind)
            if condition and name not in names.values() and name not in found:
                if undone.unless in names:
                    condition += f" AND {_is_empty(quoted(names[undone.unless]))}"
                found[name] = (undone, condition)
    if not found:
        return
    counts = ", ".join(
        f"count(*) FILTER ({condition}), min(CAST({quoted(name)} AS VARCHAR)) FILTER ({condition})"
        for name, (_, condition) in found.items()
    )
    total, *counted = one_row(connection, f"SELECT count(*), {counts} FROM {relation.sql}")
    for name, rows, example in zip(found, counted[::2], counted[1::2], strict=True):
        if rows:
            undone, _ = found[name]
            what = f"according to this column, the row {undone.effect}"
            yield Finding(
                "warning", "undone_rows", relation.label, table.name, name, what, int(rows),
                int(total), str(example)[:80], undone.fix,
            )  # fmt: skip


def misspelt_columns(
    connection: duckdb.DuckDBPyConnection,
    table: Table,
    relation: Relation,
    mapped: Mapping[Column, str],
    present: Mapping[str, str],
    own_currency: str,
) -> Iterator[Finding]:
    """Yield a warning for each optional column that has values, but another name.

    A column is recognised where its name differs only in case, blanks and signs (Solved At,
    userId), and a currency by its usual names, too. Amounts in the company's own are right.

    Parameters
    ----------
    connection, table, relation, mapped, present
        As in `undone_rows`.
    own_currency : str
        The company's; empty where it is not known.
    """
    read = set(mapped.values())
    unread = {_bare(name): name for name in present if name not in read}
    meant: dict[str, str] = {}
    for column in (column for column in table.columns if column not in mapped):
        names = [unread[spelling] for spelling in _spellings(table, column) if spelling in unread]
        if names:
            meant[column.name] = names[0]
    if not meant:
        return
    counts = ", ".join(_counted(column, name, own_currency) for column, name in meant.items())
    total, *counted = one_row(connection, f"SELECT count(*), {counts} FROM {relation.sql}")
    for (known, name), rows, example in zip(
        meant.items(), counted[::2], counted[1::2], strict=True
    ):
        if rows:
            what = f"is not read: the source has {name!r} instead"
            if known == "currency":
                what += ", and every amount counts as one of the company's currency"
            fix = (
                f"rename it to {known}, or map it: columns = {{ {known} = {literal(name)} }} in "
                f"tables.{table.name}"
            )
            yield Finding(
                "warning", "misspelt_column", relation.label, table.name, known, what, int(rows),
                int(total), str(example)[:80], fix,
            )  # fmt: skip


def _counted(column: str, name: str, own_currency: str) -> str:
    """Return the SQL of how many values of a column matter, and of one of them."""
    value = f"trim(CAST({quoted(name)} AS VARCHAR))"
    own = own_currency.upper() if column == "currency" else ""
    matters = f"upper({value}) NOT IN ('', {literal(own)})"
    return f"count(*) FILTER ({matters}), min({value}) FILTER ({matters})"


def _spellings(table: Table, column: Column) -> list[str]:
    is_currency = column.name == "currency" and table.amounts
    return [_bare(column.name), *(_CURRENCIES if is_currency else ())]


def _bare(name: str) -> str:
    return re.sub(r"[\W_]", "", name).casefold()


def _condition(undone: _Undone, name: str, kind: str) -> str:
    """Return the SQL that is true of rows that a column undoes; empty for any other column."""
    value = f"lower(trim(CAST({quoted(name)} AS VARCHAR)))"
    if undone.names.search(name):
        return f"NOT ({_is_empty(quoted(name))})"
    if undone is _DELETED and kind == "VARCHAR" and _OPERATIONS.search(name):
        return f"{value} IN ({', '.join(map(literal, _GONE))})"
    if kind == "VARCHAR" and undone.words and _STATES.search(name):
        no = r"\b(un|non|not|never|partially)[-_ ]?"
        is_so = f"regexp_matches({value}, {literal(undone.words)})"
        return f"({is_so} AND NOT regexp_matches({value}, {literal(no)}))"
    return ""


def _is_empty(name: str) -> str:
    words = ", ".join(map(literal, _NO))
    return f"coalesce(lower(trim(CAST({name} AS VARCHAR))) IN ({words}), true)"
