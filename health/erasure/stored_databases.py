"""Tables in databases that the product wrote, freed of a customer or a person."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from features.tables.casting import literal, quoted
from health.erasure.subject import Subject

#: Runs a statement and returns its rows.
Run = Callable[[str], list[tuple[Any, ...]]]


def erase_from_table(run: Run, table: str, columns: Iterable[str], subject: Subject) -> int:
    """Delete the rows of a customer or person from a table, and replace mentions in the others.

    Parameters
    ----------
    run : callable
        Runs a statement in an open transaction.
    table : str
        The table, as SQL.
    columns : iterable of str
        Its columns of text.
    subject : Subject
        Who is erased.

    Returns
    -------
    int
        Rows that were deleted, and values that were replaced.
    """
    texts, changed = list(columns), 0
    for column in subject.columns:
        if column in texts:
            where = f"WHERE {quoted(column)} = {literal(subject.identifier)}"
            changed += int(run(f"SELECT count(*) FROM {table} {where}")[0][0])
            run(f"DELETE FROM {table} {where}")
    for column in texts:
        changed += _replace_mentions(run, table, quoted(column), subject)
    return changed


def erase_from_schemas(engine: Engine, subject: Subject, *, prefix: str) -> int:
    """Do the same in every table of every schema whose name begins with a prefix."""
    changed = 0
    with engine.begin() as connection:
        plain = connection.execution_options(no_parameters=True)

        def run(statement: str) -> list[tuple[Any, ...]]:
            result = plain.exec_driver_sql(statement)
            return [tuple(row) for row in result] if result.returns_rows else []

        found = sa.inspect(connection)
        for schema in found.get_schema_names():
            if not schema.startswith(prefix):
                continue
            for table in found.get_table_names(schema=schema):
                texts = [
                    str(column["name"])
                    for column in found.get_columns(table, schema=schema)
                    if isinstance(column["type"], sa.String)
                ]
                named = f"{quoted(schema)}.{quoted(table)}"
                changed += erase_from_table(run, named, texts, subject)
    return changed


def _replace_mentions(run: Run, table: str, column: str, subject: Subject) -> int:
    changed = 0
    for old in _mentioning(run, table, column, subject):
        new = subject.freed(old)
        if new != old:
            where = f"WHERE {column} = {literal(old)}"
            changed += int(run(f"SELECT count(*) FROM {table} {where}")[0][0])
            run(f"UPDATE {table} SET {column} = {literal(new)} {where}")
    return changed


def _mentioning(run: Run, table: str, column: str, subject: Subject) -> set[str]:
    """Return the values of a column that have one of the words somewhere in them."""
    found: set[str] = set()
    for word in subject.words:
        # Databases differ in how they compare letters: the longest plain part finds candidates.
        part = max(re.findall(r"[a-z0-9]+", word.lower()), key=len, default="")
        like = f"lower({column}) LIKE {literal(f'%{part}%')}"
        rows = run(f"SELECT DISTINCT {column} FROM {table} WHERE {like}")
        found |= {str(old) for (old,) in rows if subject.is_in(str(old))}
    return found
