"""Events that stay in Postgres, where a preset's recipe runs; their accounts are decided here."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pyarrow as pa

from features.tables.casting import literal
from health.sources.databases import Database
from health.sources.inventory import FoundTable
from health.sources.layouts import Layout, LayoutColumn, LayoutTable
from health.sources.staging import present

if TYPE_CHECKING:
    from sqlglot.expressions import Expression

#: Columns of a vendor's events that differ from row to row; all others say whose an event is.
_OF_EVENTS = ("event_id", "event", "occurred_at")
_TYPES = {"time": "TIMESTAMP", "id": "VARCHAR", "text": "VARCHAR"}


@dataclass(frozen=True, eq=False)
class EventsInPlace:
    """The events of a vendor in a table of Postgres.

    Whose an event is depends on its user, company and address alone. These are few, and fetched
    once each; the accounts they belong to are sent along with every query.

    Attributes
    ----------
    database : Database
        Where the events are.
    layout : Layout
        The vendor's layout.
    found : FoundTable
        The table of events.
    types : pa.Schema
        The columns that the recipe reads, with their types there.
    """

    database: Database
    layout: Layout
    found: FoundTable
    types: pa.Schema

    @staticmethod
    def of(database: Database, layout: Layout, found: FoundTable) -> EventsInPlace | None:
        """Return the events, if Postgres can compute what the recipe needs; else None."""
        (table,) = layout.tables
        if database.dialect != "postgres" or not find_spec("ibis"):
            return None
        read = [c.found_in(found.columns) for c in table.columns]
        columns = ", ".join(database.quoted_table(c) for c in dict.fromkeys(read) if c is not None)
        query = f"SELECT {columns} FROM {database.quoted_table(found.label)}"
        types = database.in_plain_types(query)[1]
        events = EventsInPlace(database, layout, found, types)
        return events if all(events._is_plain(column) for column in table.columns) else None

    def identities(self, excluded: Sequence[str]) -> pa.Table:
        """Return each user, company and address of the events that count, under one key.

        An event is ``counts`` where it counts, else null: some vendors also name a user's company
        in calls that are no events.
        """
        counts = f"CASE WHEN {_counts(excluded)} THEN 'counts' END"
        columns = ", ".join(self._identity_columns())
        return self.database.read(
            f"WITH {self._ctes()}\n"
            f"SELECT DISTINCT {self._key()} AS event_id, {counts} AS event, {columns} FROM events"
        )

    def usage(self, excluded: Sequence[str], owners: Mapping[str, str]) -> tuple[str, pa.Schema]:
        """Return the query of usage and its columns.

        Parameters
        ----------
        excluded : sequence of str
            Events that are no use of the product.
        owners : mapping of str to str
            The account of each key of `identities` that has one.
        """
        named = literal(json.dumps(owners, ensure_ascii=False))
        query = (
            f"WITH {self._ctes()},\n"
            "owners AS (SELECT * FROM "
            f"json_each_text(CAST({named} AS json)) AS o(identity, account_id))\n"
            "SELECT o.account_id, e.event, e.occurred_at, e.user_id, e.event_id AS usage_id\n"
            f"FROM (SELECT *, {self._key()} AS identity FROM events\n"
            f"WHERE {_counts(excluded)}) AS e\n"
            "LEFT JOIN owners AS o ON o.identity = e.identity"
        )
        return self.database.in_plain_types(query)

    def by_account(self, query: str) -> pa.Table:
        """Return the number of events of each account in a query of usage, as ``n``."""
        return self.database.read(
            f"SELECT account_id, count(*) AS n FROM ({query}) AS q GROUP BY account_id"
        )

    def by_event(self) -> pa.Table:
        """Return the number of rows of each event, as ``event`` and ``n``."""
        query = f"WITH {self._ctes()}\nSELECT event, count(*) AS n FROM events GROUP BY event"
        return self.database.read(query)

    def _is_plain(self, column: LayoutColumn) -> bool:
        """Whether a column has its type there: what must be parsed is parsed here."""
        own = column.found_in(self.found.columns)
        if own is None:
            return column.kind in _TYPES
        kind = self.types.field(own).type
        if column.kind == "time":
            return bool(pa.types.is_timestamp(kind) or pa.types.is_date(kind))
        # Whole numbers in a column of floats or decimals are identifiers with a ".0" to be removed.
        has_point = pa.types.is_floating(kind) or pa.types.is_decimal(kind)
        return column.kind == "text" or (column.kind == "id" and not has_point)

    def _ctes(self) -> str:
        import sqlglot  # noqa: PLC0415

        (table,) = self.layout.tables
        recipe = sqlglot.parse_one(str(self.layout.recipe("events")), read="duckdb")
        events = recipe.transform(_of_json).sql(dialect="postgres")
        return f"{table.name} AS (\n{self._staged(table)}\n),\nevents AS (\n{events}\n)"

    def _staged(self, table: LayoutTable) -> str:
        columns = []
        for column in table.columns:
            own = column.found_in(self.found.columns)
            name = self.database.quoted_table(column.name)
            value = "NULL" if own is None else self.database.quoted_table(own)
            if column.kind != "time":
                value = present(f"CAST({value} AS TEXT)")
            columns.append(f"CAST({value} AS {_TYPES[column.kind]}) AS {name}")
        return f"SELECT {', '.join(columns)} FROM {self.database.quoted_table(self.found.label)}"

    def _identity_columns(self) -> list[str]:
        import sqlglot  # noqa: PLC0415

        recipe = sqlglot.parse_one(str(self.layout.recipe("events")), read="duckdb")
        return [c.alias_or_name for c in recipe.expressions if c.alias_or_name not in _OF_EVENTS]

    def _key(self) -> str:
        parts = ", ".join(
            f"coalesce(length({name}) || ':' || {name}, '-')" for name in self._identity_columns()
        )
        return f"md5(concat({parts}))"


def _counts(excluded: Sequence[str]) -> str:
    if not excluded:
        return "event IS NOT NULL"
    return f"event NOT IN ({', '.join(map(literal, excluded))})"


def _of_json(node: Expression) -> Expression:
    """Postgres extracts from JSON alone, and the recipes from text."""
    from sqlglot import exp  # noqa: PLC0415

    if isinstance(node, exp.JSONExtract | exp.JSONExtractScalar):
        node.set("this", exp.cast(node.this, "JSON"))
    return node
