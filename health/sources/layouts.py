"""Vendors' layouts: the tables and columns that a recipe reads, as files next to the SQL."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

Kind = Literal["id", "text", "time", "number", "flag"]
Role = Literal["crm", "billing", "support", "events", "surveys"]

RECIPES = Path(__file__).parent / "recipes"
#: Recipes that every vendor's tables go through.
COMMON = RECIPES / "common"
_KINDS = ("id", "text", "time", "number", "flag")


@dataclass(frozen=True)
class LayoutColumn:
    """A column that a recipe reads.

    Attributes
    ----------
    name : str
        What the recipe calls it.
    kind : str
        ``id`` (text, without the ``.0`` that a float column left behind), ``text``, ``time``
        (UTC), ``number`` or ``flag``.
    names : tuple of str
        What sources call it, in the order of preference.
    """

    name: str
    kind: Kind
    names: tuple[str, ...]

    def found_in(self, columns: Iterable[str]) -> str | None:
        """Return the source's own name of the column, None where it has none."""
        known = list(columns)
        plain = {plain_name(column): column for column in known}
        # Of two names that differ by underscores alone, the layout's own.
        plain |= {plain_name(column): column for column in known if column.lower() in self.names}
        return next((plain[plain_name(n)] for n in self.names if plain_name(n) in plain), None)


@dataclass(frozen=True)
class LayoutTable:
    """A table that a recipe reads.

    Attributes
    ----------
    name : str
        What the recipe calls it.
    names : tuple of str
        What sources call it.
    required : tuple of str
        Columns without which a table is another one.
    columns : tuple of LayoutColumn
        Those that the recipe reads; empty in a source that lacks them.
    optional : bool
        Whether the recipe also works without the table.
    distinctive : tuple of str or None
        Columns that, together with the required ones, suffice to recognise it, whatever its name;
        None where its name is needed.
    """

    name: str
    names: tuple[str, ...]
    required: tuple[str, ...]
    columns: tuple[LayoutColumn, ...]
    optional: bool
    distinctive: tuple[str, ...] | None

    def missing(self, columns: Iterable[str], also: Iterable[str] = ()) -> list[str]:
        """Return the required columns, and others, that a source's table does not have."""
        known = list(columns)
        plain = {plain_name(column) for column in known}
        read = {column.name: column for column in self.columns}
        return [
            name
            for name in (*self.required, *also)
            if (
                read[name].found_in(known) is None
                if name in read
                else plain_name(name) not in plain
            )
        ]


@dataclass(frozen=True)
class Layout:
    """The tables of one vendor's export.

    Attributes
    ----------
    preset : str
        Its name in a configuration.
    label : str
        Its name in messages.
    role : str
        What it knows: ``crm``, ``billing``, ``support``, ``events`` or ``surveys``.
    tables : tuple of LayoutTable
        Those that its recipes read.
    exclude_events : tuple of str
        Events left out by default.
    """

    preset: str
    label: str
    role: Role
    tables: tuple[LayoutTable, ...]
    exclude_events: tuple[str, ...] = ()

    def recipe(self, name: str) -> str | None:
        """Return one of its recipes, None where it has none of that name."""
        file = RECIPES / self.preset / f"{name}.sql"
        return file.read_text(encoding="utf-8") if file.is_file() else None

    def fills(self, table: str) -> bool:
        """Whether its recipes fill an input table."""
        if table == "usage":
            return self.role == "events"
        return (RECIPES / self.preset / f"{table}.sql").is_file()


def plain_name(name: str) -> str:
    """Return a name as layouts compare it: owner_id is OwnerId, "OWNER_ID" and Owner ID."""
    return "".join(c for c in name.lower() if c.isalnum())


@cache
def layouts() -> Mapping[str, Layout]:
    """Return every layout by the name of its preset."""
    files = sorted(RECIPES.glob("*/layout.toml"))
    return {file.parent.name: _layout(file) for file in files}


def common_recipe(name: str) -> str:
    """Return a recipe that every vendor's tables go through."""
    return (COMMON / f"{name}.sql").read_text(encoding="utf-8")


def _layout(file: Path) -> Layout:
    content = tomllib.loads(file.read_text(encoding="utf-8"))
    prefixes = tuple(content.get("prefixes", ()))
    tables = tuple(_table(name, table, prefixes) for name, table in content["tables"].items())
    excluded = tuple(content.get("exclude_events", ()))
    return Layout(file.parent.name, content["label"], content["role"], tables, excluded)


def _table(name: str, content: Mapping[str, Any], prefixes: tuple[str, ...]) -> LayoutTable:
    columns = tuple(_column(key, value, prefixes) for key, value in content["columns"].items())
    return LayoutTable(
        name=name,
        names=tuple(content.get("names", (name, f"{name}s", re.sub("y$", "ies", name)))),
        required=tuple(content["required"]),
        columns=columns,
        optional=content.get("optional", False),
        distinctive=tuple(content["distinctive"]) if "distinctive" in content else None,
    )


def _column(name: str, content: str | Mapping[str, Any], prefixes: tuple[str, ...]) -> LayoutColumn:
    kind = content if isinstance(content, str) else content["kind"]
    names = (name,) if isinstance(content, str) else tuple(content.get("from", (name,)))
    return LayoutColumn(name, _kind(kind), tuple(_with_prefixes(names, prefixes)))


def _with_prefixes(names: Iterable[str], prefixes: tuple[str, ...]) -> Iterator[str]:
    """Yield each name, and with the other prefixes of a vendor's fields where it has the first."""
    for name in names:
        yield name
        if prefixes and name.startswith(prefixes[0]):
            yield from (prefix + name.removeprefix(prefixes[0]) for prefix in prefixes[1:])


def _kind(name: str) -> Kind:
    for kind in _KINDS:
        if kind == name:
            return kind  # type: ignore[return-value]
    raise ValueError(f"a layout has the kind of column {name!r}; known are {', '.join(_KINDS)}")
