"""`health check --connect`: whether each source can be reached, and what it has."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from features.errors import HealthError
from features.redaction import redact
from features.tables.connection import connect
from health.cli import console as show
from health.settings.config import Config
from health.sources.open import Sources

#: Tables of a source that are listed by name.
_LISTED = 20


def run_connect(config: Config, *, console: Console) -> None:
    """Try every source of a configuration and report each result.

    Raises
    ------
    HealthError
        A source cannot be read; the others are tried first.
    """
    sources = Sources(config.sources, config.shared, config.base)
    if not config.sources:
        show.say(console, "The configuration has no [sources].")
        return
    failed = []
    connection = connect("duckdb://", Path(config.base), config.data.memory_limit)
    try:
        for name in config.sources:
            try:
                tables = sources.tables(name, connection)
            except HealthError as error:
                failed.append(name)
                show.say(console, redact(f"{name}: failed; {error.what}; remedy: {error.fix}"))
                continue
            shown = ", ".join(table.label for table in tables[:_LISTED])
            more = f" and {len(tables) - _LISTED} more" if len(tables) > _LISTED else ""
            show.say(console, f"{name}: connected; {len(tables):,} tables: {shown}{more}")
    finally:
        connection.close()
    if failed:
        raise HealthError(
            f"{len(failed)} of {len(config.sources)} sources cannot be read",
            where=", ".join(failed),
            fix="see the lines above",
        )
