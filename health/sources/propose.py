"""What `health init` proposes: sources, tables and settings, each with its evidence."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
import pyarrow.compute as pc

from features.errors import HealthError
from features.redaction import remember, shows_secret
from features.tables.casting import quoted
from features.tables.connection import connect, internal_name
from features.tables.schema import TABLES
from features.tables.spark import is_spark
from health.settings.sources import SourceConfig
from health.sources.databases import Database
from health.sources.inventory import FoundTable, database_url, files_in, tables_in_folder
from health.sources.layouts import Layout, layouts, plain_name
from health.sources.open import Sources, keep
from health.sources.recipes import Options, Recipes
from health.sources.recognise import Recognised, recognise

_MEMORY = "2500MB"
#: Of two presets that fill one table, the one that keeps more of its history comes first.
_PREFERRED = ("fivetran_stripe", "dbt_stripe", "fivetran_zendesk", "dbt_zendesk")
_ENV = "WAREHOUSE_URL"
#: Most columns that are named of one table.
_NAMED = 8
_REQUIRED = ("accounts", "subscriptions")
#: How evidence about rows that a recipe leaves out begins.
LEFT_OUT = "left out: "


@dataclass(frozen=True)
class ProposedSource:
    """A source of the proposed configuration, and what was recognised in it, in words."""

    name: str
    config: SourceConfig
    label: str
    tables: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class _VendorSource(ProposedSource):
    """A source whose tables have a vendor's layout."""

    layout: Layout


@dataclass(frozen=True)
class ProposedTable:
    """An input table of the proposed configuration.

    Attributes
    ----------
    name : str
        The input table.
    settings : dict
        Its keys in the configuration.
    rows, unmatched : int
        Rows, and those that belong to no account.
    evidence : tuple of str
        Why, and what is left out, in words.
    """

    name: str
    settings: dict[str, object]
    rows: int
    unmatched: int
    evidence: tuple[str, ...]


@dataclass(frozen=True)
class Currency:
    """A currency of what customers pay: its customers, and its share of the rows."""

    code: str
    customers: int
    rows: int


@dataclass(frozen=True)
class Proposal:
    """A configuration to be read by a person before it is used.

    Attributes
    ----------
    sources : tuple of ProposedSource
        Where the tables are.
    tables : tuple of ProposedTable
        The input tables.
    account_key : str
        The preset whose rows are the accounts; empty without presets.
    matches : tuple of str
        How the keys of the other systems were matched.
    currencies : tuple of Currency
        Of the subscriptions, the most common first.
    unused : tuple of str
        What was found and is not used, and why.
    missing : tuple of str
        What no source has, and what is lost by it.
    unread : tuple of str
        By table, the columns that its recipe does not read.
    """

    sources: tuple[ProposedSource, ...]
    tables: tuple[ProposedTable, ...]
    account_key: str
    matches: tuple[str, ...]
    currencies: tuple[Currency, ...]
    unused: tuple[str, ...]
    missing: tuple[str, ...]
    unread: tuple[str, ...]


def propose(places: Sequence[str], *, base: Path) -> Proposal:
    """Inspect folders and databases, and propose a configuration.

    Parameters
    ----------
    places : sequence of str
        Folders, workbooks, files or URLs of databases, or ``$NAME`` for a variable that contains a
        URL.
    base : Path
        The folder that the configuration is for; paths in it are relative to this.

    Raises
    ------
    HealthError
        A place cannot be read, or nothing in it is recognised.
    """
    urls = _named_urls(places)
    names = {url: name for name, url in urls.items()}
    connection = connect("duckdb://", base, _MEMORY)
    try:
        return _proposed(connection, [names.get(p, p) for p in places], base, urls)
    finally:
        connection.close()


def _proposed(
    connection: duckdb.DuckDBPyConnection,
    places: Sequence[str],
    base: Path,
    urls: Mapping[str, str],
) -> Proposal:
    sources: list[_VendorSource] = []
    plain: list[tuple[str, FoundTable, SourceConfig]] = []
    unused: list[str] = []
    unread: list[str] = []
    for place in places:
        for config, found, others in _inspect(connection, place, base, urls):
            recognition = recognise(found)
            for one in recognition.recognised:
                sources.append(_source(one, config, sources))
                unread += _unread_columns(one)
            own = [(name, t) for t in recognition.unused if (name := _canonical(t))]
            plain += [(name, t, config) for name, t in own]
            owned = {id(t) for _, t in own}
            for one, missing in recognition.partial:
                if owned.issuperset(map(id, one.tables.values())):
                    continue
                has = ", ".join(table.label for table in one.tables.values())
                unused.append(
                    f"{has}: looks like {one.layout.label}, which also needs {', '.join(missing)}"
                )
            partly = {id(t) for one, _ in recognition.partial for t in one.tables.values()}
            unused += [t.label for t in recognition.unused if id(t) not in partly | owned]
            unused += [f"{name}: not a supported file type" for name in others]
    if not sources and not plain:
        raise HealthError(
            "nothing was recognised: " + ("; ".join(unused) or "there is no table"),
            where=", ".join(places),
            fix="write a health.toml by hand; health/SETTINGS.md shows the tables",
        )
    opened = Sources({s.name: s.config for s in sources}, {}, base, urls)
    tables, recipes = _tables(connection, sources, opened, unused)
    tables += _plain_tables(plain, {t.name for t in tables}, unused)
    stored = _stored_tables(plain, tables, sources, unused, opened=opened)
    matches = _match_notes(recipes) if recipes else []
    used = {str(t.settings.get("source")) for t in tables}
    kept = tuple(s for s in (*sources, *stored) if s.name in used)
    return Proposal(
        kept,
        tuple(tables),
        recipes.account_key if recipes else "",
        tuple(matches),
        _currencies(connection, tables),
        tuple(unused),
        tuple(_missing({t.name for t in tables})),
        tuple(unread),
    )


def _unread_columns(one: Recognised) -> list[str]:
    """Return a note for each table with columns that its recipe does not read."""
    notes = []
    for table in one.layout.tables:
        found = one.tables.get(table.name)
        if found is None:
            continue
        # A required column shows which table it is, even where the recipe has no use for it.
        read = {plain_name(n) for column in table.columns for n in column.names}
        read |= {plain_name(name) for name in table.required}
        others = [
            name
            for name in found.columns
            if plain_name(name) not in read and not plain_name(name).startswith("fivetran")
        ]
        if others:
            more = f" and {len(others) - _NAMED:,} more" if len(others) > _NAMED else ""
            listed = ", ".join(others[:_NAMED])
            notes.append(f"{found.label}: {listed}{more}")
    return notes


def _named_urls(places: Iterable[str]) -> dict[str, str]:
    """Return each URL by what the configuration calls it: a variable, where it has a secret."""
    named: dict[str, str] = {}
    for place in places:
        if ("://" in place or is_spark(place)) and not place.startswith("$"):
            if not shows_secret(place):
                named[place] = place
                continue
            remember(place)
            number = sum(name.startswith("$") for name in named) + 1
            named[f"${_ENV}" if number == 1 else f"${_ENV}_{number}"] = place
    return named


def _inspect(
    connection: duckdb.DuckDBPyConnection, place: str, base: Path, urls: Mapping[str, str]
) -> Iterator[tuple[SourceConfig, list[FoundTable], list[str]]]:
    """Yield the sources of a place with their tables, and the files that are none.

    A folder is a source, and so is each database in it.
    """
    if place.startswith("$") or place in urls:
        config = SourceConfig(url=place)
        name = "warehouse" if place.startswith("$") else place.rpartition("/")[2]
        yield config, Sources({name: config}, {}, base, urls).database(name).tables(), []
        return
    folder = Path(place)
    is_database = folder.is_file() and bool(database_url(folder))
    if not is_database:
        found, others = tables_in_folder(folder, connection)
        yield SourceConfig(path=_relative(folder, base)), found, others
    files = [folder] if folder.is_file() else files_in(folder)
    for file in files:
        if scheme := database_url(file):
            url = f"{scheme}:///{_relative(file, base)}"
            yield from _inspect(connection, url, base, {url: url})


def _relative(path: Path, base: Path) -> str:
    return Path(os.path.relpath(path, base)).as_posix()


def _source(one: Recognised, config: SourceConfig, known: Iterable[_VendorSource]) -> _VendorSource:
    name = _free_name(re.sub(r"^fivetran_", "", one.layout.preset), known)
    if config.path is not None:
        path = Path(config.path) / one.place
        config = SourceConfig(path=path.as_posix())
    else:
        config = SourceConfig(url=config.url, schema_name=one.place)
    tables = tuple((key, table.label) for key, table in one.tables.items())
    return _VendorSource(name, config, one.layout.label, tables, one.layout)


def _free_name(short: str, known: Iterable[ProposedSource]) -> str:
    """Return a name for a source that no other source has."""
    names = {source.name for source in known}
    return next(n for n in (short, *(f"{short}_{i}" for i in range(2, 100))) if n not in names)


def _tables(
    connection: duckdb.DuckDBPyConnection,
    sources: Sequence[_VendorSource],
    opened: Sources,
    unused: list[str],
) -> tuple[list[ProposedTable], Recipes | None]:
    """Return the tables that presets fill, and the recipes."""
    if not sources:
        return [], None
    first: dict[str, _VendorSource] = {}
    for source in sources:
        if source.layout.preset in first:
            other = first[source.layout.preset].name
            unused.append(
                f"{source.name}: a second {source.layout.label}; only {other} is used, "
                "unless you change its path"
            )
        first.setdefault(source.layout.preset, source)
    usable = list(first.values())
    recipes = opened.recipes(connection, [(s.layout.preset, s.name) for s in usable])
    chosen = _chosen(connection, recipes, usable, unused)
    presets = {source.layout.preset for source in chosen.values()}
    recipes = Recipes(connection, [v for v in recipes.sources if v.preset in presets])
    recipes.prepare()
    if recipes.account_key:
        chosen["accounts"] = first[recipes.account_key]
        # People, and conversations with them, belong to the system whose rows are the accounts.
        for table in ("contacts", "interactions"):
            if first[recipes.account_key].layout.fills(table):
                chosen[table] = first[recipes.account_key]
    order = (
        *("accounts", "subscriptions", "usage", "tickets", "surveys"),
        *("contacts", "interactions", "invoices"),
    )
    tables = [
        _preset_table(connection, recipes, name, chosen[name]) for name in order if name in chosen
    ]
    # A table without rows is an error of a run; one that is not given is none.
    tables = [table for table in tables if table.rows or table.name in _REQUIRED]
    return tables, recipes


def _chosen(
    connection: duckdb.DuckDBPyConnection,
    recipes: Recipes,
    sources: Sequence[_VendorSource],
    unused: list[str],
) -> dict[str, _VendorSource]:
    """Return which source fills each table; a note for each that does not."""
    chosen: dict[str, _VendorSource] = {}
    crm = [s for s in sources if s.layout.role == "crm"]
    if len(crm) > 1:
        counts = {s.name: _rows(connection, recipes, s) for s in crm}
        crm.sort(key=lambda s: counts[s.name], reverse=True)
        for other in crm[1:]:
            unused.append(
                f"{other.name}: a second CRM ({other.layout.label}, {counts[other.name]:,} rows); "
                f"accounts are those of {crm[0].name} ({counts[crm[0].name]:,} rows)"
            )
    if crm:
        chosen["accounts"] = crm[0]
    for table in ("subscriptions", "usage", "tickets", "surveys", "invoices"):
        filling = [s for s in sources if s.layout.fills(table)]
        if not filling:
            continue
        if table == "usage" and len(filling) > 1:
            filling = _by_events(connection, recipes, filling, unused)
        else:
            filling.sort(key=lambda s: _rank(s.layout.preset))
            unused += [
                f"{s.name}: {filling[0].name} fills {table} too, and keeps more of its history"
                for s in filling[1:]
            ]
        chosen[table] = filling[0]
    return chosen


def _rank(preset: str) -> int:
    return _PREFERRED.index(preset) if preset in _PREFERRED else len(_PREFERRED)


def _rows(connection: duckdb.DuckDBPyConnection, recipes: Recipes, source: _VendorSource) -> int:
    vendor = next(v for v in recipes.sources if v.preset == source.layout.preset)
    if vendor.in_place is not None:
        return int(pc.sum(vendor.in_place.by_event()["n"]).as_py() or 0)
    main = vendor.tables[source.layout.tables[0].name]
    return int(connection.execute(f"SELECT count(*) FROM {main.sql}").fetchall()[0][0])


def _by_events(
    connection: duckdb.DuckDBPyConnection,
    recipes: Recipes,
    sources: list[_VendorSource],
    unused: list[str],
) -> list[_VendorSource]:
    """Return sources of events, the longest first; a note whether the others repeat it."""
    rows = {s.name: _rows(connection, recipes, s) for s in sources}
    ordered = sorted(sources, key=lambda s: rows[s.name], reverse=True)
    best = ordered[0]
    remote = {v.name for v in recipes.sources if v.in_place is not None}
    ids = {s.name: _event_ids(recipes, s) for s in ordered if s.name not in remote}
    for other in ordered[1:]:
        if not {best.name, other.name} <= ids.keys():
            unused.append(
                f"{other.name} ({other.layout.label}, {rows[other.name]:,} events): "
                f"{best.name} has more; to use it instead, change tables.usage"
            )
            continue
        query = (
            f"SELECT count(*), count(*) FILTER (id IN (SELECT id FROM ({ids[best.name]}))) "
            f"FROM ({ids[other.name]})"
        )
        total, same = connection.execute(query).fetchall()[0]
        share = f"{same / total:.0%} of its events are" if total else "its events are"
        unused.append(
            f"{other.name} ({other.layout.label}, {rows[other.name]:,} events): {share} in "
            f"{best.name} under the same id; to use it instead, change tables.usage"
        )
    return ordered


def _event_ids(recipes: Recipes, source: _VendorSource) -> str:
    vendor = next(v for v in recipes.sources if v.preset == source.layout.preset)
    table = source.layout.tables[0]
    own = table.columns[0].found_in(vendor.tables[table.name].columns)
    value = f"CAST({quoted(own)} AS VARCHAR)" if own else "NULL"
    return f"SELECT {value} AS id FROM {vendor.tables[table.name].sql}"


def _preset_table(
    connection: duckdb.DuckDBPyConnection, recipes: Recipes, name: str, source: _VendorSource
) -> ProposedTable:
    preset = source.layout.preset
    options = Options()
    place = internal_name(f"proposed {name}")
    vendor = next(v for v in recipes.sources if v.preset == preset)
    if name == "usage" and vendor.in_place is not None:
        number = "n"
        keep(
            connection,
            f"proposed {name}",
            vendor.in_place.by_account(recipes.in_place(preset, options)[0]),
        )
    else:
        number = "1"
        connection.execute(
            f"CREATE OR REPLACE TABLE {place} AS {recipes.query(preset, name, options)}"
        )
    rows, unmatched = connection.execute(
        f"SELECT coalesce(sum({number}), 0), coalesce(sum({number}) FILTER (account_id IS NULL OR "
        f"account_id NOT IN (SELECT account_id FROM {internal_name('accounts')})), 0) FROM {place}"
    ).fetchall()[0]
    settings: dict[str, object] = {"preset": preset, "source": source.name}
    if name == "usage":
        settings["exclude_events"] = list(source.layout.exclude_events)
    evidence = [f"{rows:,} rows from {source.layout.label}"]
    if unmatched:
        evidence.append(f"{unmatched:,} rows belong to no account: `health check` counts them")
    # A billing system that also names the accounts counts its rows where they are revenue.
    counts_here = name != "accounts" or source.layout.role == "crm"
    left = recipes.left_out(preset, options, name) if counts_here else []
    evidence += [f"{LEFT_OUT}{counted.rows:,} {counted.reason}" for counted in left]
    return ProposedTable(name, settings, int(rows), int(unmatched), tuple(evidence))


def _plain_tables(
    plain: Iterable[tuple[str, FoundTable, SourceConfig]], taken: set[str], unused: list[str]
) -> list[ProposedTable]:
    tables: dict[str, ProposedTable] = {}
    for name, found, config in plain:
        if config.path is None:
            continue
        if name in taken or name in tables:
            unused.append(_taken(found, name))
            continue
        settings: dict[str, object] = {"path": (Path(str(config.path)) / found.path).as_posix()}
        settings |= _renamed(name, found)
        evidence = (f"{found.label} has the columns of {name}",)
        tables[name] = ProposedTable(name, settings, 0, 0, evidence)
    return list(tables.values())


def _stored_tables(
    plain: Iterable[tuple[str, FoundTable, SourceConfig]],
    tables: list[ProposedTable],
    sources: Iterable[ProposedSource],
    unused: list[str],
    *,
    opened: Sources,
) -> list[ProposedSource]:
    """Add the input tables that databases already have; return these databases.

    Of several schemas of a database, the one with the most input tables comes first.
    """
    stored = [one for one in plain if one[2].path is None]
    per_schema = Counter((config.url, found.place) for _, found, config in stored)
    stored.sort(key=lambda one: per_schema[one[2].url, one[1].place], reverse=True)
    known, added = list(sources), list[ProposedSource]()
    for url in dict.fromkeys(config.url for _, _, config in stored):
        source = ProposedSource(
            _free_name("warehouse", (*known, *added)), SourceConfig(url=url), "Input tables", ()
        )
        reader = Sources({source.name: source.config}, {}, opened.base, opened.urls)
        used = []
        for name, found in ((n, t) for n, t, config in stored if config.url == url):
            if any(name == table.name for table in tables):
                unused.append(_taken(found, name))
            elif nothing := _nothing_to_read(reader.database(source.name), found):
                unused.append(f"{found.label}: has the columns of {name}, but {nothing}")
            else:
                settings: dict[str, object] = {"source": source.name, "table": found.label}
                settings |= _renamed(name, found)
                evidence = (f"{found.label} has the columns of {name}",)
                tables.append(ProposedTable(name, settings, 0, 0, evidence))
                used.append((name, found.label))
        added.append(replace(source, tables=tuple(used)))
    return added


def _renamed(name: str, found: FoundTable) -> dict[str, object]:
    """Return the setting for columns that are spelled in another way, such as ACCOUNT_ID."""
    spelled = {column.strip().lower(): column for column in found.columns}
    known = (column.name for column in TABLES[name].columns)
    columns = {own: spelled[own] for own in known if spelled.get(own, own) != own}
    return {"columns": columns} if columns else {}


def _nothing_to_read(database: Database, found: FoundTable) -> str:
    """Return why a table gives no rows; empty where it gives some."""
    try:
        query = f"SELECT 1 AS found FROM {database.quoted_table(found.label)} LIMIT 1"
        return "" if database.read(query).num_rows else "no rows"
    except HealthError as error:
        return error.what


def _taken(found: FoundTable, name: str) -> str:
    return f"{found.label}: {name} comes from another source"


def _canonical(found: FoundTable) -> str:
    """Return the input table that a found table already is, by name and required columns."""
    columns = {column.strip().lower() for column in found.columns}
    for name, table in TABLES.items():
        required = {c.name for c in table.columns if c.required}
        # A file may be a part in the table's folder; a schema says nothing of its tables.
        names = (found.name, Path(found.place).stem) if found.path else (found.name,)
        called = name in map(plain_name, names)
        if called and required <= columns:
            return name
    return ""


def _match_notes(recipes: Recipes) -> list[str]:
    words = {
        "key": "by a key", "domain": "by the domain of an e-mail address", "name": "by name",
        "own account": "match nothing: each is a separate account",
        "no match": "match no account: their rows are counted as rows without an account",
    }  # fmt: skip
    notes = []
    for match in recipes.matches():
        label = layouts()[match.source].label
        if "account" in match.methods:
            notes.append(
                f"accounts are rows of {label}: of {match.methods['account']:,}, those that are "
                "customers"
            )
            continue
        counts = ", ".join(f"{n:,} {words.get(m, m)}" for m, n in match.methods.items())
        notes.append(f"{sum(match.methods.values()):,} keys of {label}: {counts}")
    return notes


def _currencies(
    connection: duckdb.DuckDBPyConnection, tables: Iterable[ProposedTable]
) -> tuple[Currency, ...]:
    if not any(t.name == "subscriptions" and "preset" in t.settings for t in tables):
        return ()
    query = (
        "SELECT upper(currency), count(DISTINCT account_id), count(*) "
        f"FROM {internal_name('proposed subscriptions')} WHERE currency IS NOT NULL "
        "GROUP BY 1 ORDER BY 2 DESC, 1"
    )
    found = connection.execute(query).fetchall()
    return tuple(Currency(str(code), int(n), int(rows)) for code, n, rows in found)


def _missing(names: set[str]) -> list[str]:
    notes = []
    if "accounts" not in names:
        notes.append("accounts: required; give [tables.accounts] a path or sql")
    if not names & {"subscriptions", "orders"}:
        notes.append("subscriptions or orders: one is required; give it a path or sql")
    for name, lost in (
        ("usage", "adoption, silent accounts and most of the churn risk"),
        ("tickets", "support measures"),
        ("surveys", "NPS, CSAT and CES"),
    ):
        if name not in names:
            notes.append(f"{name}: nothing found; {lost} stay empty")
    return notes
