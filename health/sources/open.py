"""From a configuration's sources to tables that the engine reads: connect, fetch, stage."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pyarrow as pa

from features.errors import HealthError
from features.reading.table_source import TableSource, WarehouseSource
from features.redaction import remember_passwords
from features.tables.casting import quoted
from features.tables.connection import first_line, internal_name, position_in_query
from features.tables.folders import closest
from features.tables.one_select import require_one_select
from features.tables.regular_files import read_regular
from features.tables.relations import query_relation
from features.tables.warehouse import Warehouse
from health.settings.sources import SharedConfig, SourceConfig, TableConfig
from health.sources.databases import USUAL_LIMITS, Database, Limits, engine_types, open_database
from health.sources.in_place import EventsInPlace
from health.sources.inventory import FoundTable, tables_in_folder
from health.sources.layouts import Layout, layouts
from health.sources.recipes import Options, Recipes, VendorSource
from health.sources.recognise import by_place, match_tables

#: Size of a file with one query.
_MOST_SQL_BYTES = 2**20


class _Planned(TableSource):
    """A table that is read by SQL of ours, under the name that the configuration has for it."""

    named: str
    written: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """The source as messages name it."""
        return self.named

    @property
    def queries(self) -> tuple[str, ...]:
        """The queries of the configuration in which its files are named."""
        return self.written


@dataclass(frozen=True)
class Sources:
    """The sources of a configuration.

    Attributes
    ----------
    sources : mapping of str to SourceConfig
        By name.
    shared : mapping of str to SharedConfig
        Views that the SQL of tables can name.
    base : Path
        Folder of the configuration.
    urls : mapping of str to str
        What settings that name a URL mean, where they are not to be looked up.
    limits : Limits
        Of each query of a database.
    """

    sources: Mapping[str, SourceConfig]
    shared: Mapping[str, SharedConfig]
    base: Path
    urls: Mapping[str, str] = field(default_factory=dict, repr=False)
    limits: Limits = USUAL_LIMITS
    _databases: dict[str, Database] = field(default_factory=dict, init=False, repr=False)
    _usage_in_place: dict[str, tuple[str, pa.Schema]] = field(
        default_factory=dict, init=False, repr=False
    )

    def plan(
        self, tables: Mapping[str, TableSource], *, in_place: bool = True
    ) -> tuple[dict[str, TableSource], Callable[[duckdb.DuckDBPyConnection], None] | None]:
        """Return each table as SQL that the engine runs, and what must happen before.

        Parameters
        ----------
        tables : mapping of str to TableSource
            As the configuration has them.
        in_place : bool
            Leave usage in a warehouse that can sum it.

        Returns
        -------
        dict of str to TableSource
            Those of a source as SQL over what the function makes; the others as they are.
        callable or None
            To be called with the engine's connection before a table is opened.

        Raises
        ------
        HealthError
            A source or file is not known.
        """
        planned: dict[str, TableSource] = {}
        of_sources = {
            name: table
            for name, table in tables.items()
            if isinstance(table, TableConfig) and (table.source or table.sql_file)
        }
        presets = {name: table for name, table in of_sources.items() if table.preset}
        for name, table in tables.items():
            remote = self._in_warehouse(name, table) if in_place else None
            if remote is not None:
                planned[name] = remote
                of_sources.pop(name)
            elif name in of_sources:
                query = f"SELECT * FROM {internal_name(_kept(name))}"
                planned[name] = _Planned(
                    sql=query,
                    columns=table.columns,
                    unmatched=table.unmatched,
                    named=table.label,
                    written=self._written(name, of_sources[name]),
                )
            elif table.sql is not None and self._views(""):
                query = self._with_views(table.sql, "")
                planned[name] = _Planned(
                    sql=query,
                    columns=table.columns,
                    unmatched=table.unmatched,
                    named=table.label,
                    written=self._written(name, table),
                )
            else:
                planned[name] = table
        if not of_sources and not presets and not self.shared:
            return planned, None
        for name, table in of_sources.items():
            self._known(table.source, f"tables.{name}")
            _known_preset(table.preset, f"tables.{name}.preset")
        for name, view in self.shared.items():
            self._known(view.source or None, f"shared.{name}.source")
            _known_preset(view.account_key or None, f"shared.{name}.account_key")
            if view.preset and not presets:
                raise HealthError(
                    "matches the keys of presets, and no table has one",
                    where=f"shared.{name}",
                    fix="give a table a preset, or remove the view",
                )
        in_warehouse = {n: t for n, t in presets.items() if n not in of_sources}
        return planned, lambda connection: self._prepare(
            connection, of_sources, in_warehouse, in_place=in_place
        )

    def database(self, name: str) -> Database:
        """Return a source's database; HealthError if the source is not a database."""
        source = self.sources[name]
        if source.url is None:
            raise HealthError(
                "the source is a folder, which has no tables or queries",
                where=f"sources.{name}",
                fix="use a preset, or give the table a path",
            )
        if name not in self._databases:
            url = self.urls.get(source.url) or source.resolved_url(name, self.base)
            self._databases[name] = open_database(name, url, self.base, limits=self.limits)
        return self._databases[name]

    def tables(self, name: str, connection: duckdb.DuckDBPyConnection) -> list[FoundTable]:
        """Return the tables that a source has."""
        source = self.sources[name]
        if source.path is not None:
            return tables_in_folder(self.base / source.path, connection)[0]
        return self._tables_of_database(name)

    def _tables_of_database(self, name: str) -> list[FoundTable]:
        found = self.database(name).tables()
        schema = self.sources[name].schema_name
        here = [t for t in found if not schema or t.place == schema]
        if schema and not here:
            raise HealthError(
                f"has no table in a schema {schema!r} that its user may read",
                where=f"source {name}",
                fix=closest(schema, dict.fromkeys(t.place for t in found), noun="its schemas are"),
            )
        return here

    def recipes(
        self,
        connection: duckdb.DuckDBPyConnection,
        presets: Iterable[tuple[str, str]],
        *,
        in_place: bool = True,
    ) -> Recipes:
        """Return the recipes of presets and their sources, with every table ready to be read.

        Parameters
        ----------
        connection : DuckDBPyConnection
            The engine's.
        presets : iterable of (str, str)
            Each preset and its source.
        in_place : bool
            Leave events in a database that can sum them.

        Raises
        ------
        HealthError
            A source lacks a table that its preset needs.
        """
        source_of: dict[str, str] = {}
        for preset, name in presets:
            if source_of.setdefault(preset, name) != name:
                raise HealthError(
                    f"the preset {preset} is read from two sources: {source_of[preset]} and {name}",
                    where="tables",
                    fix="read one of them by sql, or put the tables of both into one source",
                )
        vendors = [
            self._vendor(connection, layouts()[preset], name, in_place=in_place)
            for preset, name in source_of.items()
        ]
        keys = [view.account_key for view in self.shared.values() if view.preset]
        return Recipes(connection, vendors, keys[0] if keys else "")

    def _prepare(
        self,
        connection: duckdb.DuckDBPyConnection,
        tables: Mapping[str, TableConfig],
        in_warehouse: Mapping[str, TableConfig],
        *,
        in_place: bool,
    ) -> None:
        presets = [*tables.values(), *in_warehouse.values()]
        named = [(t.preset, str(t.source)) for t in presets if t.preset is not None]
        recipes = None
        if named:
            recipes = self.recipes(connection, named, in_place=in_place)
            recipes.prepare()
            for table in in_warehouse.values():
                options = Options(table.exclude_events, table.amounts_in)
                usage = recipes.in_place(str(table.preset), options)
                self._usage_in_place[str(table.preset)] = usage
        for name, view in self.shared.items():
            if view.source:
                database, where = self.database(view.source), f"shared.{name}"
                query = _query(view, where, self.base, of_engine=database.is_engine)
                with _read_for(where):
                    rows = database.read(query)
                keep(connection, name, rows)
            elif view.preset is None:
                own = _query(view, f"shared.{name}", self.base)
                query = f"SELECT * FROM {query_relation(own, self.base).sql}"
                _view(connection, name, query, f"shared.{name}", own=own)
        for name, table in tables.items():
            if table.preset is not None and recipes is not None:
                options = Options(table.exclude_events, table.amounts_in)
                query = recipes.query(table.preset, name, options)
                _view(connection, _kept(name), query, f"tables.{name}")
            elif table.source is not None:
                with _read_for(f"tables.{name}"):
                    rows = self.database(table.source).read(self._query_of(name, table))
                keep(connection, _kept(name), rows)
            else:
                own = _query(table, f"tables.{name}", self.base)
                rows_of = query_relation(self._with_views(own, ""), self.base).sql
                query = f"SELECT * FROM {rows_of}"
                brackets = 2 if self._views("") else 1
                _view(connection, _kept(name), query, f"tables.{name}", own=own, brackets=brackets)

    def _in_warehouse(self, name: str, table: TableSource) -> WarehouseSource | None:
        """Return usage as a table that stays where it is; None where it is to be fetched."""
        if name != "usage" or not isinstance(table, TableConfig):
            return None
        self._known(table.source, f"tables.{name}")
        if not table.source or not self.sources[table.source].url:
            return None
        database = self.database(table.source)
        if database.dialect is None:
            return None

        def read(query: str) -> pa.Table:
            with _read_for(f"tables.{name}"):
                return database.aggregates(query)

        warehouse = Warehouse(database.dialect, read)
        if table.preset:
            _known_preset(table.preset, f"tables.{name}.preset")
            return self._preset_in_warehouse(table, warehouse)
        with _read_for(f"tables.{name}"):
            query, columns = database.in_plain_types(self._query_of(name, table))
        return WarehouseSource(
            sql=query,
            columns=table.columns,
            unmatched=table.unmatched,
            named=table.label,
            warehouse=warehouse,
            columns_of_query=columns,
        )

    def _preset_in_warehouse(
        self, table: TableConfig, warehouse: Warehouse
    ) -> WarehouseSource | None:
        """Return usage that a preset reads in place; None where it is to be fetched."""
        layout = layouts()[str(table.preset)]
        if layout.role != "events" or self._in_place(layout, str(table.source)) is None:
            return None
        return WarehouseSource(
            sql=f"the preset {table.preset}",
            unmatched=table.unmatched,
            named=table.label,
            warehouse=warehouse,
            later=lambda: self._usage_in_place[layout.preset],
        )

    def _in_place(self, layout: Layout, name: str) -> EventsInPlace | None:
        """Return the events of a source that stay in its database; None where they cannot."""
        database = self.database(name)
        if database.dialect is None:
            return None
        (table,) = layout.tables
        found = self._found(layout, name, self._tables_of_database(name))
        return EventsInPlace.of(database, layout, found[table.name])

    def _query_of(self, name: str, table: TableConfig) -> str:
        """Return the query of a table, in its database's SQL."""
        if table.table is not None:
            return f"SELECT * FROM {self.database(str(table.source)).quoted_table(table.table)}"
        engine = self.database(str(table.source)).is_engine
        text = _query(table, f"tables.{name}", self.base, of_engine=engine)
        views = {
            view: _query(shared, f"shared.{view}", self.base, of_engine=engine)
            for view, shared in self._views(str(table.source)).items()
        }
        return _with(views, text)

    def _vendor(
        self,
        connection: duckdb.DuckDBPyConnection,
        layout: Layout,
        name: str,
        *,
        in_place: bool,
    ) -> VendorSource:
        self._known(name, f"the preset {layout.preset}")
        if in_place and self.sources[name].url is not None and layout.role == "events":
            events = self._in_place(layout, name)
            if events is not None:
                return VendorSource(name, layout, {}, events)
        found = self._found(layout, name, self.tables(name, connection))
        if self.sources[name].url is not None:
            found = {
                key: self._staged(connection, name, layout, key, t) for key, t in found.items()
            }
        return VendorSource(name, layout, found)

    def _found(
        self, layout: Layout, name: str, available: Iterable[FoundTable]
    ) -> dict[str, FoundTable]:
        """Return the tables of a layout in a source; HealthError if it lacks one."""
        source = self.sources[name]
        available = list(available)
        found: dict[str, FoundTable] = {}
        for place in by_place(available):
            found = max(found, match_tables(layout, place.tables, source.tables), key=len)
        missing = [t for t in layout.tables if not t.optional and t.name not in found]
        if missing:
            needed = "; ".join(f"{t.name} ({', '.join(t.required)})" for t in missing)
            raise HealthError(
                f"has no table in the layout of {layout.label} for: {needed}",
                where=f"source {name}",
                fix=closest(missing[0].name, [t.name for t in available], noun="it has")
                + f"; a table of another name is given by sources.{name}.tables",
            )
        return found

    def _staged(
        self,
        connection: duckdb.DuckDBPyConnection,
        name: str,
        layout: Layout,
        key: str,
        found: FoundTable,
    ) -> FoundTable:
        """Fetch the columns of a database's table that the recipe reads."""
        database = self.database(name)
        table = next(t for t in layout.tables if t.name == key)
        read = [c.found_in(found.columns) for c in table.columns]
        columns = ", ".join(database.quoted_table(c) for c in dict.fromkeys(read) if c is not None)
        rows = database.read(f"SELECT {columns} FROM {database.quoted_table(found.label)}")
        place = f"{layout.preset} {key}"
        keep(connection, place, rows)
        return FoundTable(
            found.name, found.place, found.label, engine_types(rows), internal_name(place)
        )

    def _known(self, source: str | None, where: str) -> None:
        if source is not None and source not in self.sources:
            raise HealthError(
                f"no source is called {source!r}",
                where=where,
                fix=closest(source, self.sources, noun="[sources] has"),
            )

    def _written(self, name: str, table: TableSource) -> tuple[str, ...]:
        """Return the queries over files that a table without a source is made by."""
        if not isinstance(table, TableConfig) or table.source is not None:
            return table.queries
        texts = [_query(table, f"tables.{name}", self.base)]
        # A view can name those before it.
        for view, shared in reversed([*self.shared.items()]):
            over_files = not shared.source and shared.preset is None
            if over_files and any(re.search(rf"\b{re.escape(view)}\b", text) for text in texts):
                texts.append(_query(shared, f"shared.{view}", self.base))
        return tuple(texts)

    def _views(self, source: str) -> dict[str, SharedConfig]:
        """Return the shared views that the SQL of a source can name; all of them over files."""
        return {n: v for n, v in self.shared.items() if not source or v.source == source}

    def _with_views(self, query: str, source: str) -> str:
        views = {name: f"SELECT * FROM {internal_name(name)}" for name in self._views(source)}
        return _with(views, query)


def _known_preset(preset: str | None, where: str) -> None:
    if preset is not None and preset not in layouts():
        raise HealthError(
            f"no preset is called {preset!r}",
            where=where,
            fix=closest(preset, layouts(), noun="known are"),
        )


@contextmanager
def _read_for(setting: str) -> Iterator[None]:
    """Name the setting whose query a source refuses."""
    try:
        yield
    except HealthError as error:
        where = error.where if setting in error.where else f"{setting}, {error.where}"
        raise HealthError(error.what, where=where, fix=error.fix) from None


def keep(connection: duckdb.DuckDBPyConnection, name: str, rows: pa.Table) -> None:
    """Keep rows under a name of our own, which every further connection sees."""
    connection.register("arrived", rows)
    connection.execute(f"CREATE OR REPLACE TABLE {internal_name(name)} AS SELECT * FROM arrived")
    connection.unregister("arrived")


def _view(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    query: str,
    where: str,
    *,
    own: str = "",
    brackets: int = 1,
) -> None:
    """Create a view; a fault in the user's own query is shown with its line there.

    After it come `brackets` lines, each of which closes a bracket.
    """
    try:
        connection.execute(f"CREATE OR REPLACE VIEW {internal_name(name)} AS {query}")
    except duckdb.Error as error:
        before = query.count("\n") - own.rstrip().count("\n") - brackets
        place = position_in_query(error, lines_before=before) if own else ""
        what = f"the query fails: {first_line(error)}{place}"
        raise HealthError(what, where=where, fix="correct the sql") from None


def _with(views: Mapping[str, str], query: str) -> str:
    if not views:
        return query
    named = ",\n".join(f"{quoted(name)} AS (\n{text}\n)" for name, text in views.items())
    return f"WITH {named}\nSELECT * FROM (\n{query.strip().rstrip(';')}\n) AS q"


def _kept(table: str) -> str:
    return f"source of {table}"


def _checked(sql: str, where: str, of_engine: bool) -> str:
    require_one_select(sql, where=where, of_engine=of_engine)
    return sql.strip().rstrip(";")


def _query(
    of: TableConfig | SharedConfig, where: str, base: Path, *, of_engine: bool = True
) -> str:
    if of.sql is not None:
        return _checked(of.sql, where, of_engine)
    file = base / str(of.sql_file)
    try:
        text = read_regular(file, most_bytes=_MOST_SQL_BYTES).decode("utf-8-sig")
        remember_passwords(text)
        return _checked(text, f"{where}, {file}", of_engine)
    except UnicodeDecodeError:
        raise HealthError(
            "the file is not a text in UTF-8", where=f"{where}, {file}", fix="save it as UTF-8"
        ) from None
    except OSError as error:
        raise HealthError(
            f"the file cannot be read: {error.strerror or error}",
            where=f"{where}, {file}",
            fix="give the path of a file with one query, relative to the configuration",
        ) from None
