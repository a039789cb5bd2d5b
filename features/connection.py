"""The engine that reads and checks the input tables: an in-process DuckDB."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import duckdb

from features.casting import literal
from features.errors import HealthError

#: What the engine may hold in memory by default.
MEMORY_LIMIT = "2500MB"


def connect(url: str, base: Path, memory_limit: str) -> duckdb.DuckDBPyConnection:
    """Open an in-process DuckDB, or one of its files for reading.

    Parameters
    ----------
    url : str
        ``duckdb://`` (in memory) or ``duckdb:///file.duckdb``, absolute or under `base`.
    base : Path
        Folder of the configuration.
    memory_limit : str
        What the engine may hold in memory; what is larger goes to the system's temporary folder.

    Raises
    ------
    HealthError
        The URL is not understood, or its file is not there or no database.
    """
    scheme, separator, rest = url.partition("://")
    if scheme != "duckdb" or not separator:
        raise HealthError(
            f"cannot connect to {url!r}",
            where="data.url",
            fix="use duckdb:// (in memory), duckdb:///file.duckdb, spark+local or spark://host:port",
        )
    # No extension is fetched from the network behind the user's back.
    settings: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": "false",
        "memory_limit": memory_limit,
        "preserve_insertion_order": "false",
        "temp_directory": str(Path(tempfile.gettempdir()) / f"customer-health-{os.getpid()}"),
    }
    connection = duckdb.connect(config=settings)
    connection.execute("SET TimeZone = 'UTC'")
    if not rest.strip("/"):
        return connection
    file = _database_file(url, rest, base)
    try:
        connection.execute(f"ATTACH {literal(str(file))} AS company (READ_ONLY)")
        connection.execute("USE company")
    except duckdb.Error as error:
        connection.close()
        raise HealthError(
            f"not a readable DuckDB file: {first_line(error)}",
            where=str(file),
            fix="check the file, and that no other process writes to it",
        ) from None
    return connection


def _database_file(url: str, rest: str, base: Path) -> Path:
    beside, absolute = base / rest.removeprefix("/"), Path(rest)
    file = beside if beside.exists() else absolute
    if not file.is_file():
        raise HealthError(
            "there is no such database file",
            where=f"data.url {url}",
            fix=f"give a path that starts at {base}, or an absolute one after duckdb://",
        )
    return file


def first_line(error: duckdb.Error) -> str:
    """Return the start of what the engine said, without its advice on its own options."""
    lines = [line.strip() for line in str(error).splitlines()[:3]]
    told = [line for line in lines if line and not line.startswith(("Possible", "LINE", "*"))]
    return " ".join(told)[:300]
