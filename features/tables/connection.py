"""The engine that reads and checks the input tables: an in-process DuckDB."""

from __future__ import annotations

import atexit
import os
import re
import shutil
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from glob import escape
from pathlib import Path

import duckdb

from features.errors import HealthError
from features.tables.casting import literal, quoted
from features.tables.folders import refuse_special
from features.tables.process_memory import memory_limited

#: Memory that the engine may use by default.
MEMORY_LIMIT = "2500MB"
#: Seconds that the SQL of a configuration may take.
TIME_LIMIT = 30 * 60
#: The name under which the company's database file is attached.
_COMPANY = "company"
#: The schema of our own views and tables. Every cursor sees them, but a query that names the
#: company's tables without a schema does not find them.
_OWN = 'memory."customer health"'


def connect(
    url: str, base: Path, memory_limit: str, *, readable: Iterable[Path] | None = None
) -> duckdb.DuckDBPyConnection:
    """Open an in-process DuckDB, or one of its files for reading.

    Parameters
    ----------
    url : str
        ``duckdb://`` (in memory) or ``duckdb:///file.duckdb``, absolute or under `base`.
    base : Path
        Folder of the configuration.
    memory_limit : str
        What the engine may keep in memory; the rest goes to the system's temporary folder.
    readable : iterable of Path, optional
        Files and folders that SQL may read; by default any.

    Raises
    ------
    HealthError
        The URL is unknown, or its file is missing or not a database.
    """
    scheme, separator, rest = url.partition("://")
    if scheme != "duckdb" or not separator:
        raise HealthError(
            f"cannot connect to {url!r}",
            where="data.url",
            fix="use duckdb:// (in memory), duckdb:///file.duckdb, or Spark: spark+local, "
            "spark://host:port or sc://host:port",
        )
    # No extension is fetched from the network behind the user's back.
    settings: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": "false",
        "memory_limit": memory_limit,
        "preserve_insertion_order": "false",
        "temp_directory": str(scratch_folder() / "engine"),
    }
    connection = in_memory(settings)
    if not rest.strip("/"):
        _restrict(connection, readable)
        return connection
    try:
        file = _database_file(url, rest, base)
        connection.execute(f"ATTACH {literal(str(file))} AS {_COMPANY} (READ_ONLY)")
        _set_up(connection)
        _restrict(connection, readable)
    except HealthError:
        connection.close()
        raise
    except duckdb.Error as error:
        connection.close()
        raise HealthError(
            f"not a readable DuckDB file: {first_line(error)}",
            where=str(file),
            fix="check the file, and that no other process writes to it",
        ) from None
    return connection


@cache
def scratch_folder() -> Path:
    """Return a folder for the temporary files of this process, which its end removes."""
    folder = Path(tempfile.mkdtemp(prefix="customer-health-")).resolve()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _restrict(connection: duckdb.DuckDBPyConnection, readable: Iterable[Path] | None) -> None:
    """Let SQL read some files and folders only, for good; nothing is fetched from a network."""
    if readable is None:
        return
    # Unlike Path.resolve, this also returns a path for a link that leads to itself.
    known = list(readable)
    reached = {
        scratch_folder(),
        *(path.absolute() for path in known),
        *(Path(os.path.realpath(path)) for path in known),
    }
    # Unlike Path.is_file, this is also false of a name that no file can have.
    files = {str(path) for path in reached if os.path.isfile(path)}  # noqa: PTH113
    folders = {str(path) for path in reached} - files
    # What a pattern reads must be allowed as it is written, with the brackets of folders escaped.
    folders |= {escape(folder) for folder in folders}
    connection.execute(f"SET allowed_paths = [{', '.join(map(literal, sorted(files)))}]")
    connection.execute(f"SET allowed_directories = [{', '.join(map(literal, sorted(folders)))}]")
    connection.execute("SET enable_external_access = false")


@contextmanager
def limited(connection: duckdb.DuckDBPyConnection, seconds: float) -> Iterator[None]:
    """Interrupt what a connection still computes after some seconds, and limit its memory.

    Raises
    ------
    HealthError
        It was interrupted, or needed more memory than `memory_limited` allows.
    """
    expired = threading.Event()

    def interrupt() -> None:
        expired.set()
        connection.interrupt()

    timer = threading.Timer(seconds, interrupt)
    timer.daemon = True
    timer.start()
    try:
        ((limit,),) = connection.execute("SELECT current_setting('memory_limit')").fetchall()
        with memory_limited(str(limit)):
            yield
    except (duckdb.Error, RuntimeError, MemoryError) as error:
        if expired.is_set():
            raise HealthError(
                f"the sql took longer than {seconds / 60:,.4g} minutes",
                fix="make it read fewer rows, or raise data.time_limit_minutes",
            ) from None
        if isinstance(error, duckdb.OutOfMemoryException | MemoryError):
            what = first_line(error) if isinstance(error, duckdb.Error) else "not enough for a row"
            raise HealthError(
                f"the sql needs more memory than it may have: {what}",
                fix="make it read fewer rows or shorter values, or raise data.memory_limit",
            ) from None
        raise
    finally:
        timer.cancel()


def in_memory(
    settings: Mapping[str, str | bool | int | float | list[str]] | None = None,
) -> duckdb.DuckDBPyConnection:
    """Open an in-process DuckDB without a file; `settings` are its own, by name."""
    connection = duckdb.connect(config=dict(settings or {}))
    connection.execute(f"CREATE SCHEMA {_OWN}")
    # Cursors inherit the global setting.
    connection.execute("SET GLOBAL TimeZone = 'UTC'")
    # Several queries read the same files. The engine notices when one of them changes.
    connection.execute("SET GLOBAL parquet_metadata_cache = true")
    return connection


def with_own_connection(connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """Return a further connection to what a connection of `connect` or `in_memory` has open.

    Each may be used by one thread at a time, and both at the same time. This may be called while
    the connection is busy on another thread.
    """
    another = connection.cursor()
    _set_up(another)
    return another


def internal_name(name: str) -> str:
    """Return the SQL name of one of our views or tables, which all connections see."""
    return f"{_OWN}.{quoted(name)}"


def database_of(connection: duckdb.DuckDBPyConnection) -> str:
    """Return by which name a connection knows the company's database; empty without one."""
    attached = f"SELECT 1 FROM duckdb_databases() WHERE database_name = {literal(_COMPANY)}"
    return _COMPANY if connection.execute(attached).fetchall() else ""


def _set_up(connection: duckdb.DuckDBPyConnection) -> None:
    """Set what a new cursor does not inherit from its connection."""
    # To ask which databases are attached takes several times as long.
    with suppress(duckdb.CatalogException):
        connection.execute(f"USE {_COMPANY}")


def _database_file(url: str, rest: str, base: Path) -> Path:
    relative, absolute = base / rest.removeprefix("/"), Path(rest)
    file = relative if relative.exists() else absolute
    refuse_special(file, where="data.url")
    if not file.is_file():
        raise HealthError(
            "there is no such database file",
            where=f"data.url {url}",
            fix=f"give a path that starts at {base}, or an absolute one after duckdb://",
        )
    return file


def reading_fault(error: Exception) -> HealthError | None:
    """Return what a user can do about an error of the engine; None where it is a fault of ours.

    Parameters
    ----------
    error : Exception
        Raised while tables that had passed their checks were read.
    """
    if isinstance(error, duckdb.OutOfMemoryException):
        fix = "raise data.memory_limit, or free space in the folder for temporary files (TMPDIR)"
        return HealthError(f"out of memory: {first_line(error)}", where="tables", fix=fix)
    if isinstance(error, duckdb.IOException | duckdb.InvalidInputException | duckdb.HTTPException):
        fix = "wait until nothing writes to the files, or export them again, and repeat the run"
        what = f"a file changed after it was checked: {first_line(error)}"
        return HealthError(what, where="tables", fix=fix)
    return None


def position_in_query(error: duckdb.Error, *, lines_before: int = 0) -> str:
    """Return the line of a query that the engine marks and the caret under it; empty without one.

    Parameters
    ----------
    error : duckdb.Error
        What the engine raised.
    lines_before : int
        Lines that were put before the user's own.
    """
    found = re.search(r"^LINE (\d+): ([^\n]*)\n( *)(\^)", str(error), re.MULTILINE)
    if found is None or int(found[1]) <= lines_before:
        return ""
    head = f"line {int(found[1]) - lines_before}: "
    place = len(found[3]) - len(f"LINE {found[1]}: ")
    return f"\n    {head}{found[2]}\n    {' ' * (len(head) + place)}^"


def first_line(error: duckdb.Error) -> str:
    """Return the start of the engine's message, without its advice on its own options."""
    lines = [line.strip() for line in str(error).splitlines()[:3]]
    result = [line for line in lines if line and not line.startswith(("Possible", "LINE", "*"))]
    return " ".join(result)[:300]
