"""Opening the input tables: files, folders, database tables and queries."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import duckdb
import narwhals as nw

from features.checks import findings as checks
from features.checks import rules as check_rules
from features.checks.data_end import observed_end
from features.checks.row_counts import drop_counts
from features.checks.unmatched import exclude_unmatched
from features.errors import Finding, HealthError, InputError
from features.reading.products import with_one_spelling
from features.reading.table_reader import Kept, TableRead, read_table
from features.reading.table_source import TableSource, WarehouseSource
from features.reading.warehouse_table import read_in_warehouse
from features.rollups.fetched import FetchedRollups
from features.rollups.kept_files import KeptRollups
from features.tables import spark
from features.tables.casting import quoted
from features.tables.connection import MEMORY_LIMIT, TIME_LIMIT, connect, with_own_connection
from features.tables.currencies import Currencies
from features.tables.folders import closest, linked_files
from features.tables.opened import Tables
from features.tables.relations import PlainFiles
from features.tables.schema import TABLES
from features.windows.parallel import run_parallel

#: Tables whose absence is not reported.
_BY_CHOICE = (
    *("interventions", "overrides", "actions", "forecasts", "raised", "closures"),
    *("contacts", "invoices", "interactions", "goals"),
)
#: What an account pays by: one of them is required, and the absence of the other not reported.
_PAID_BY = ("subscriptions", "orders")

#: Tables that take longest to read, and are started first.
_LONGEST = ("usage", "tickets")
_ANY_CURRENCY = Currencies()


@dataclass(frozen=True)
class TableSummary:
    """What was read of a table: rows, first and last time, columns that it has and lacks.

    `unmatched` rows belong to no account; they are excluded, and not among `rows`.
    """

    table: str
    source: str
    rows: int
    first: datetime | None
    last: datetime | None
    columns: tuple[str, ...]
    missing_optional: tuple[str, ...]
    unmatched: int = 0

    @property
    def unmatched_share(self) -> float:
        """Share of the table's rows that belong to no account, 0-1."""
        return self.unmatched / max(self.rows + self.unmatched, 1)


@dataclass(frozen=True)
class OpenedTables:
    """Tables that passed every check, the warnings, and a summary of each table.

    `plain` names the files of tables whose values need no cleaning, so that another engine may
    read them by itself.
    """

    tables: Tables
    findings: tuple[Finding, ...]
    summaries: tuple[TableSummary, ...]
    plain: Mapping[str, PlainFiles] = field(default_factory=dict, repr=False)


def open_tables(
    sources: Mapping[str, TableSource],
    *,
    base: Path,
    url: str = "duckdb://",
    observed_until: datetime | None = None,
    allow: Collection[str] = (),
    memory_limit: str = MEMORY_LIMIT,
    rollups: Path | None = None,
    currencies: Currencies = _ANY_CURRENCY,
    prepare: Callable[[duckdb.DuckDBPyConnection], None] | None = None,
    now: datetime | None = None,
    readable: Collection[Path] = (),
    time_limit: float = TIME_LIMIT,
) -> OpenedTables:
    """Open, cast and check the input tables.

    Parameters
    ----------
    sources : mapping of str to TableSource
        By canonical table name.
    base : Path
        Relative paths start here, in SQL too.
    url : str
        ``duckdb://`` (in memory), ``duckdb:///file.duckdb`` (opened for reading only),
        or Spark (`spark.session`): the tables are checked here, and then features run on Spark.
    observed_until : datetime, optional
        The data ends here (exclusive); otherwise as in `data_end.observed_end`.
    allow : collection of str
        Codes of errors to report as warnings (`checks.ALLOWABLE`).
    memory_limit : str
        What the engine may hold in memory; what is larger goes to the system's temporary folder.
    rollups : Path, optional
        Folder in which roll-ups of large usage files are kept from run to run.
    currencies : Currencies
        The company's currency, and the rates at which amounts in others are converted; amounts
        in any other currency are an error.
    prepare : callable, optional
        Called with the connection before any table is read: it makes what their SQL names.
    now : datetime, optional
        The clock of the run, UTC: later rows do not count. Without it no row is in the future.
    readable : collection of Path
        Files and folders that SQL may read, besides `base`, the paths of the tables and `rollups`.
    time_limit : float
        What the SQL of a table may take, in seconds.

    Raises
    ------
    InputError
        Every violation of every table.
    HealthError
        The URL or a code in `allow` is not known.
    """
    _refuse_unknown_codes(allow)
    base = base.resolve()
    spark_session = spark.session(url) if spark.is_spark(url) else None
    paths = [base / source.path for source in sources.values() if source.path is not None]
    paths += [base / path for path in readable]
    paths += [target for path in paths for target in linked_files(path)]
    kept_in = [] if rollups is None else [base / rollups]
    connection = connect(
        "duckdb://" if spark_session else url,
        base,
        memory_limit,
        readable=[base, *paths, *kept_in],
    )
    try:
        if prepare is not None:
            prepare(connection)
        kept = Kept(base / rollups, observed_until) if rollups and not spark_session else None
        read = partial(_read, connection, base=base, kept=kept, currencies=currencies)
        read = partial(read, time_limit=time_limit)
        opened = _opened(connection, sources, read, observed_until, allow, currencies, now)
        if spark_session is None:
            return opened
        return replace(opened, tables=spark.on_spark(opened.tables, spark_session, opened.plain))
    except Exception:
        connection.close()
        raise


def _opened(
    connection: duckdb.DuckDBPyConnection,
    sources: Mapping[str, TableSource],
    read_one: Callable[[str, TableSource], TableRead],
    observed_until: datetime | None,
    allow: Collection[str],
    currencies: Currencies,
    now: datetime | None,
) -> OpenedTables:
    findings = _missing_tables(sources)
    opened: dict[str, checks.OpenTable] = {}
    rollups: KeptRollups | None = None
    known = [name for name in sources if name in TABLES]
    known.sort(key=lambda name: _LONGEST.index(name) if name in _LONGEST else len(_LONGEST))
    tasks = [partial(read_one, name, sources[name]) for name in known]
    read = dict(zip(known, run_parallel(tasks), strict=True))
    for name, source in sources.items():
        if name not in read:
            findings.append(_unknown_table(name, source))
            continue
        rollups = read[name].rollups or rollups
        findings += read[name].findings
        table = read[name].table
        if table is not None:
            opened[name] = table
    matched = exclude_unmatched(connection, opened)
    opened, excluded = matched.tables, matched.rows
    findings += matched.findings
    opened, spelt = with_one_spelling(connection, opened)
    findings += spelt
    filled = {name: table for name, table in opened.items() if _has_rows(connection, table)}
    end = observed_until
    if end is None:
        end, doubt = observed_end(connection, filled, now=now)
        findings += doubt
    elif now is not None and end > now + timedelta(days=1):
        findings.append(_ends_in_future(end, now))
    findings += check_rules.check_content(connection, filled, end, currencies)
    for table in filled.values():
        if table.passed is not None:
            table.passed.write()
    findings = [_allowed(finding, allow) for finding in findings]
    errors = [finding for finding in findings if finding.level == "error"]
    if errors or end is None:
        raise InputError(errors)
    frames = {
        name: nw.from_native(connection.table(table.view))
        if table.remote is None
        else table.remote.frame
        for name, table in opened.items()
    }
    summaries = tuple(
        _summary(connection, table, excluded.get(name, 0)) for name, table in opened.items()
    )
    drop_counts(connection)
    usage = opened.get("usage")
    if usage is not None and usage.remote is not None:
        accounts = opened["accounts"].view if "accounts" in opened else None
        fetched = FetchedRollups(usage.remote.frame, connection, accounts, end)
        tables = Tables(frames, end, connection, fetched)
        return OpenedTables(tables, tuple(findings), summaries, {})
    if rollups is not None:
        _mark_checked(rollups, opened["usage"], findings)
        if "usage" in matched.unknown:
            # Kept roll-ups have the rows of unknown accounts, too.
            rollups = replace(rollups, accounts=opened["accounts"].view)
    # Another engine would read the excluded rows, too.
    whole = {name: table for name, table in opened.items() if not excluded.get(name)}
    plain = {name: table.plain for name, table in whole.items() if table.plain is not None}
    tables = Tables(frames, end, connection, rollups)
    return OpenedTables(tables, tuple(findings), summaries, plain)


def _read(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    source: TableSource,
    *,
    base: Path,
    kept: Kept | None,
    currencies: Currencies,
    time_limit: float,
) -> TableRead:
    """Read one table on its own connection."""
    with with_own_connection(connection) as own:
        if isinstance(source, WarehouseSource):
            table, found = read_in_warehouse(own, TABLES[name], source.resolved())
            return TableRead(table, tuple(found))
        read = read_table(own, TABLES[name], source, base, kept, currencies, time_limit=time_limit)
    rollups = read.rollups and replace(read.rollups, connection=connection)
    return replace(read, rollups=rollups)


def _mark_checked(
    rollups: KeptRollups, usage: checks.OpenTable, findings: Collection[Finding]
) -> None:
    """Skip the rules on single rows in later runs for files that passed them."""
    found = {finding.code for finding in findings if finding.table == "usage"}
    # A row after the end of the data is reported in every run: its file is checked again.
    always_kept = check_rules.OF_SEVERAL_TABLES | {"after_observed_until"}
    if usage.plain is not None and found <= always_kept:
        rollups.files.mark_checked()


def _has_rows(connection: duckdb.DuckDBPyConnection, table: checks.OpenTable) -> bool:
    rows = connection.execute(f"SELECT 1 FROM {table.view} LIMIT 1").fetchall()
    return bool(rows)


def _summary(
    connection: duckdb.DuckDBPyConnection, table: checks.OpenTable, unmatched: int
) -> TableSummary:
    dated_by = quoted(table.schema.dated_by)
    query = f"SELECT count(*), min({dated_by}), max({dated_by}) FROM {table.view}"
    if table.spans:
        query = f"SELECT coalesce(sum(n), 0), min(first), max(last) FROM {table.spans}"
    count, first, last = checks.one_row(connection, query)
    present = tuple(column.name for column in table.columns)
    absent = tuple(c.name for c in table.schema.columns if c.name not in present)
    return TableSummary(
        table.schema.name, table.source, int(count), first, last, present, absent, unmatched
    )


def _ends_in_future(end: datetime, now: datetime) -> Finding:
    return Finding(
        "warning", "end_unsure", "configuration", "observed_until", "",
        f"{end} is in the future (the clock of this run says {now:%Y-%m-%d %H:%M} UTC), so "
        "outcomes count as known that nobody can know",
        fix="set it to the end of the data, or remove it",
    )  # fmt: skip


def _missing_tables(sources: Mapping[str, TableSource]) -> list[Finding]:
    known = {*sources, *_BY_CHOICE, *_PAID_BY}
    findings = [_missing_table(name) for name in TABLES if name not in known]
    if not any(name in sources for name in _PAID_BY):
        findings.append(_nothing_paid())
    return findings


def _nothing_paid() -> Finding:
    return Finding(
        "error", "table_missing", "configuration", "subscriptions", "",
        "neither subscriptions nor orders is given, and one of them is required",
        fix="add [tables.subscriptions] or [tables.orders] with path, sql or table",
    )  # fmt: skip


def _missing_table(name: str) -> Finding:
    if TABLES[name].required:
        return Finding(
            "error", "table_missing", "configuration", name, "", "the table is required",
            fix=f"add [tables.{name}] with path, sql or table",
        )  # fmt: skip
    return Finding(
        "warning", "missing_table", "configuration", name, "",
        "not given; what is made from it stays empty",
    )  # fmt: skip


def _unknown_table(name: str, source: TableSource) -> Finding:
    fix = closest(name, TABLES, noun="known are")
    return Finding(
        "error", "unknown_table", source.label, name, "", "there is no such input table", fix=fix
    )


def _refuse_unknown_codes(allow: Collection[str]) -> None:
    unknown = sorted(set(allow) - checks.ALLOWABLE)
    if unknown:
        raise HealthError(
            f"cannot allow {', '.join(unknown)}",
            where="checks.allow",
            fix=f"allowable are {', '.join(sorted(checks.ALLOWABLE))}",
        )


def _allowed(finding: Finding, allow: Collection[str]) -> Finding:
    demoted = finding.level == "error" and finding.code in allow
    return replace(finding, level="warning") if demoted else finding
