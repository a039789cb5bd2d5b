"""Recipes over a company's sources: from vendors' layouts to the input tables, as SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb
import pyarrow as pa

from features.errors import HealthError
from features.tables.casting import literal, quoted
from features.tables.connection import first_line, internal_name
from health.sources.in_place import EventsInPlace
from health.sources.inventory import FoundTable
from health.sources.layouts import Layout, common_recipe
from health.sources.staging import options_sql, refuse_bad_values, staged

#: Mail providers: an address of theirs does not show whom its owner works for.
FREE_DOMAINS = (
    "aol.com", "fastmail.com", "free.fr", "gmail.com", "gmx.com", "gmx.de", "gmx.net",
    "googlemail.com", "hey.com", "hotmail.com", "hotmail.co.uk", "icloud.com", "laposte.net",
    "libero.it", "live.com", "mail.com", "mail.ru", "me.com", "msn.com", "naver.com", "orange.fr",
    "outlook.com", "proton.me", "protonmail.com", "qq.com", "t-online.de", "163.com", "web.de",
    "yahoo.co.jp", "yahoo.co.uk", "yahoo.com", "yahoo.fr", "yandex.ru", "ymail.com", "zoho.com",
)  # fmt: skip
#: The columns of a party, in which vendors differ, and their types.
_PARTY = {
    "key": "VARCHAR", "name": "VARCHAR", "domain": "VARCHAR", "email": "VARCHAR",
    "created_at": "TIMESTAMP", "links": "VARCHAR[]", "csm": "VARCHAR", "industry": "VARCHAR",
    "region": "VARCHAR", "employees": "DOUBLE", "parent_key": "VARCHAR",
    "customer_since": "TIMESTAMP", "is_customer": "BOOLEAN",
}  # fmt: skip
#: The order in which systems are asked who the accounts are.
_ACCOUNT_ROLES = ("crm", "billing", "support")


@dataclass(frozen=True)
class VendorSource:
    """A source whose tables have a vendor's layout.

    Attributes
    ----------
    name : str
        Its name in the configuration.
    layout : Layout
        The vendor's layout.
    tables : mapping of str to FoundTable
        Its tables by the recipe's name; each can be read by the engine.
    in_place : EventsInPlace, optional
        Its events, where they stay in their database.
    """

    name: str
    layout: Layout
    tables: Mapping[str, FoundTable]
    in_place: EventsInPlace | None = None

    @property
    def preset(self) -> str:
        """The preset's name."""
        return self.layout.preset

    def staged(self) -> dict[str, str]:
        """Return the query of every table that its recipes read."""
        return {t.name: staged(t, self.tables.get(t.name)) for t in self.layout.tables}


@dataclass(frozen=True)
class Options:
    """What a configuration sets of a recipe.

    Attributes
    ----------
    exclude_events : tuple of str, optional
        Events that are no use of the product; those of the layout where None.
    amounts_in : str
        ``cents`` or ``units``: what Fivetran's dbt package for Stripe wrote.
    """

    exclude_events: tuple[str, ...] | None = None
    amounts_in: str = "cents"


@dataclass(frozen=True)
class Match:
    """How the keys of one system were matched to accounts: rows by method."""

    source: str
    methods: Mapping[str, int]


@dataclass(frozen=True)
class Counted:
    """Rows that a recipe leaves out, and why."""

    preset: str
    reason: str
    rows: int


@dataclass(frozen=True)
class Recipes:
    """The recipes of a company's vendors over one connection.

    Parameters
    ----------
    connection : DuckDBPyConnection
        Where the sources' tables can be read.
    sources : sequence of VendorSource
        One per preset.
    account_key : str
        The preset whose rows are the accounts; by default the CRM's, else the billing system's.
    """

    connection: duckdb.DuckDBPyConnection
    sources: Sequence[VendorSource]
    account_key: str = ""
    _by_preset: dict[str, VendorSource] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        self._by_preset.update({source.preset: source for source in self.sources})
        if not self.account_key:
            object.__setattr__(self, "account_key", default_account_key(self.sources))

    def prepare(self) -> None:
        """Check every value that is cast, and match the keys of all systems to accounts.

        Raises
        ------
        HealthError
            A value is not what its column is, or a recipe fails.
        """
        for source in self.sources:
            for table in source.layout.tables:
                found = source.tables.get(table.name)
                if found is not None:
                    refuse_bad_values(self.connection, table, found, source.name)
        self._keep("parties", self._union("parties", _PARTY))
        self._keep("people", self._union("people", {"email": "VARCHAR", "key": "VARCHAR"}))
        self._keep("customers", self._with({}, common_recipe("customers"), Options()))
        self._keep("accounts", self._with({}, common_recipe("accounts"), Options()))

    def query(self, preset: str, table: str, options: Options) -> str:
        """Return the query of an input table.

        Raises
        ------
        HealthError
            The preset does not fill that table.
        """
        source = self._by_preset[preset]
        if table == "accounts":
            return self._with({}, common_recipe("accounts"), options)
        if not source.layout.fills(table):
            raise HealthError(
                f"the preset {preset} does not fill the table {table}",
                where=f"tables.{table}",
                fix=f"it fills {', '.join(filled_by(source.layout)) or 'no table'}",
            )
        if table == "usage":
            return self._with(self._events(source), common_recipe("usage"), options, source)
        return self._with(source.staged(), str(source.layout.recipe(table)), options, source)

    def matches(self) -> list[Match]:
        """Return how the keys of each system were matched, after `prepare`."""
        query = (
            f"SELECT source, method, count(*) FROM {internal_name('customers')} "
            "WHERE source NOT IN ('email', 'domain', 'any') GROUP BY ALL ORDER BY 1, 3 DESC"
        )
        found: dict[str, dict[str, int]] = {}
        for source, method, rows in self._run(query, "customers"):
            found.setdefault(str(source), {})[str(method)] = int(rows)
        return [Match(source, methods) for source, methods in found.items()]

    def left_out(self, preset: str, options: Options, table: str = "") -> list[Counted]:
        """Count the rows that a preset's recipes leave out, by reason, after `prepare`.

        Parameters
        ----------
        preset : str
            The preset.
        options : Options
            As for `query`.
        table : str
            The input table, where a preset that fills several counts them one by one.
        """
        source = self._by_preset[preset]
        if source.layout.role == "events":
            numbers = {"numbers": self._numbers(source)}
            query = self._with(numbers, common_recipe("usage_counts"), options, source)
        else:
            recipe = source.layout.recipe(
                f"{table}_counts" if table in ("contacts", "interactions", "invoices") else "counts"
            )
            if recipe is None:
                return []
            query = self._with(source.staged(), recipe, options, source)
        return [Counted(preset, str(r), int(n)) for r, n in self._run(query, f"{preset}/counts")]

    def in_place(self, preset: str, options: Options) -> tuple[str, pa.Schema]:
        """Return the query of usage whose events stay in their database, and its columns.

        Each event's account is decided here, as `query` does, from what identifies it.
        """
        source = self._by_preset[preset]
        events = source.in_place
        if events is None:
            raise ValueError(f"the events of {preset} are not in place")
        excluded = _excluded(options, source)
        self.connection.register("arrived", events.identities(excluded))
        try:
            self._keep("identities", "SELECT * FROM arrived")
        finally:
            self.connection.unregister("arrived")
        recipe = f"SELECT usage_id, account_id FROM ({common_recipe('usage')})"
        events_of = f"SELECT *, NULL AS occurred_at FROM {internal_name('identities')}"
        identified = {"events": events_of, "identified": str(source.layout.recipe("identified"))}
        query = self._with(identified, recipe, Options(exclude_events=()), source)
        owners = {str(k): str(a) for k, a in self._run(query, f"{preset}/usage") if a is not None}
        return events.usage(excluded, owners)

    def _numbers(self, source: VendorSource) -> str:
        """Return the query of the number of rows of each event."""
        if source.in_place is None:
            events = _nested(source.staged(), str(source.layout.recipe("events")))
            return f"SELECT event, count(*) AS n FROM ({events}) GROUP BY event"
        self.connection.register("arrived", source.in_place.by_event())
        self._keep("numbers of events", "SELECT * FROM arrived")
        self.connection.unregister("arrived")
        return f"SELECT * FROM {internal_name('numbers of events')}"

    def _events(self, source: VendorSource) -> dict[str, str]:
        recipes = {name: str(source.layout.recipe(name)) for name in ("events", "identified")}
        return source.staged() | recipes

    def _union(self, recipe: str, columns: Mapping[str, str]) -> str:
        """Return the rows of one recipe from every vendor that has it, in the same columns."""
        casts = ", ".join(
            f"CAST({quoted(c)} AS {kind}) AS {quoted(c)}" for c, kind in columns.items()
        )
        empty = ", ".join(f"CAST(NULL AS {kind}) AS {quoted(c)}" for c, kind in columns.items())
        parts = [f"SELECT {empty}, '' AS source, '' AS role WHERE false"]
        for source in self.sources:
            text = source.layout.recipe(recipe)
            if text is None:
                continue
            rows = _nested(source.staged(), text)
            padded = f"SELECT {empty} WHERE false UNION ALL BY NAME ({rows})"
            parts.append(
                f"SELECT {casts}, {literal(source.preset)} AS source, "
                f"{literal(source.layout.role)} AS role FROM ({padded}) WHERE key IS NOT NULL"
            )
        return " UNION ALL ".join(parts)

    def _with(
        self,
        tables: Mapping[str, str],
        recipe: str,
        options: Options,
        source: VendorSource | None = None,
    ) -> str:
        settings = options_sql(
            {
                "account_key": self.account_key,
                "free_domains": FREE_DOMAINS,
                "exclude_events": _excluded(options, source),
                "amounts_in": options.amounts_in,
            }
        )
        kept = {name: f"SELECT * FROM {internal_name(name)}" for name in ("parties", "people")}
        kept["minor_units"] = common_recipe("minor_units")
        if recipe != common_recipe("customers"):
            kept["customers"] = f"SELECT * FROM {internal_name('customers')}"
            if recipe != common_recipe("accounts"):
                kept["accounts"] = f"SELECT account_id FROM {internal_name('accounts')}"
        return _nested({"options": settings} | kept | dict(tables), recipe)

    def _keep(self, name: str, query: str) -> None:
        self._run(f"CREATE OR REPLACE TABLE {internal_name(name)} AS {query}", name)

    def _run(self, query: str, recipe: str) -> list[tuple[Any, ...]]:
        try:
            return self.connection.execute(query).fetchall()
        except duckdb.Error as error:
            raise HealthError(
                f"the recipe {recipe} fails: {first_line(error)}",
                where=", ".join(source.name for source in self.sources),
                fix="report it with the columns of the source, or write your own sql",
            ) from None


def _excluded(options: Options, source: VendorSource | None) -> tuple[str, ...]:
    """Return the events that are no use of the product."""
    if options.exclude_events is not None:
        return tuple(options.exclude_events)
    return tuple(source.layout.exclude_events) if source else ()


def filled_by(layout: Layout) -> list[str]:
    """Return the input tables that a layout's recipes fill."""
    known = (
        *("accounts", "subscriptions", "usage", "tickets", "surveys"),
        *("contacts", "interactions", "invoices"),
    )
    parties = layout.recipe("parties") is not None
    return [t for t in known if layout.fills(t) or (t == "accounts" and parties)]


def default_account_key(sources: Sequence[VendorSource]) -> str:
    """Return the preset whose rows are accounts: the CRM's, else the billing system's."""
    for role in _ACCOUNT_ROLES:
        for source in sources:
            if source.layout.role == role:
                return source.preset
    return ""


def _nested(tables: Mapping[str, str], recipe: str) -> str:
    """Return a query whose tables are queries; the recipe may begin with its own WITH."""
    named = ",\n".join(f"{quoted(name)} AS (\n{query}\n)" for name, query in tables.items())
    return f"WITH {named}\nSELECT * FROM (\n{recipe}\n)" if named else recipe
