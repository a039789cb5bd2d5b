"""What is reported of the files of a table: copies, files not read, columns that some lack."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from features.errors import Finding, quantity
from features.tables.folders import listed
from features.tables.relations import Relation
from features.tables.schema import Column, Table


def notes_on_files(
    table: Table, relation: Relation, mapped: Mapping[Column, str], *, counts_unmatched: bool
) -> list[Finding]:
    """Return what is to be reported of the files of a table.

    Parameters
    ----------
    table : Table
        The table.
    relation : Relation
        Its rows.
    mapped : mapping of Column to str
        The source's name of each column that is read.
    counts_unmatched : bool
        Whether rows without an account are excluded, so that account_id may be empty.

    Returns
    -------
    list of Finding
        Warnings; an error for a column that must have a value and that some files lack.
    """
    found = []
    if relation.found.repeats:
        names = [f"{name} (as {other})" for name, other in relation.found.repeats]
        what = f"{quantity(len(names), 'file')} with the content of others, not read: "
        fix = "remove the copies"
        found.append(_warning("duplicate_file", table, relation, "", what + listed(names), fix))
    if relation.found.empty:
        names = list(relation.found.empty)
        what = f"{quantity(len(names), 'empty file')}: {listed(names)}"
        fix = "export these files again, or remove them"
        found.append(_warning("empty_file", table, relation, "", what, fix))
    if relation.found.skipped:
        names = list(relation.found.skipped)
        what = f"{quantity(len(names), 'file')} in the folder not read: {listed(names)}"
        fix = (
            "convert data to CSV or Parquet, rename what starts with _ or ., move other files away"
        )
        found.append(_warning("skipped_files", table, relation, "", what, fix))
    if not relation.is_uniform and len(relation.found.files) > 1:
        for column, what in _lacking_columns(relation, mapped):
            may_be_empty = column.nullable or (column.name == "account_id" and counts_unmatched)
            level = "warning" if may_be_empty else "error"
            fix = (
                f"rename the column to {mapped[column]} in these files, or combine the names with "
                "sql"
            )
            noted = _warning("column_lacking", table, relation, column.name, what, fix)
            found.append(replace(noted, level=level))
    return found


def _lacking_columns(
    relation: Relation, mapped: Mapping[Column, str]
) -> Iterator[tuple[Column, str]]:
    """Yield each column that some files do not have, with what is wrong."""
    columns = {file: names for file, names in relation.columns_by_file().items() if names}
    everywhere = set.intersection(*map(set, columns.values())) if columns else set()
    for column, name in mapped.items():
        lacking = [file for file, names in columns.items() if name not in names]
        if not lacking:
            continue
        have = "has" if len(lacking) == 1 else "have"
        what = f"{len(lacking):,} of {len(columns):,} files {have} no column {name!r}: "
        what += listed([_place(file) for file in lacking])
        others = set.intersection(*(set(columns[file]) for file in lacking))
        new = sorted(others - everywhere - set(mapped.values()))
        what += f"; they have {listed(new)}, which is not read" if new else ""
        yield column, what


def repeated_columns(
    table: Table, relation: Relation, mapped: Mapping[Column, str], names: Sequence[str]
) -> list[Finding]:
    """Return an error for each column whose name the source has twice.

    Parameters
    ----------
    table, relation, mapped : Table, Relation, mapping of Column to str
        As in `notes_on_files`.
    names : sequence of str
        The names of the source as the engine describes them.
    """
    by_file = [names] if not relation.found.files else relation.columns_by_file().values()
    counts = [Counter(name.casefold() for name in own) for own in by_file]
    found = []
    for column, name in mapped.items():
        times = max((count[name.casefold()] for count in counts), default=0)
        if times > 1:
            what = f"the column {name!r} appears {times} times"
            fix = "remove or rename the columns that are not meant, or name each one with sql"
            place = (relation.label, table.name, column.name)
            found.append(Finding("error", "repeated_column", *place, what, fix=fix))
    return found


def _warning(
    code: str, table: Table, relation: Relation, column: str, what: str, fix: str
) -> Finding:
    return Finding("warning", code, relation.label, table.name, column, what, fix=fix)


def _place(file: Path) -> str:
    folder = file.parent.name
    return f"{folder}/{file.name}" if "=" in folder else file.name
