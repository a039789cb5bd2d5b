"""What people wrote in the web app, as tables that the batch reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from features.errors import HealthError
from features.reading.table_source import TableSource
from features.tables.casting import quoted
from features.tables.connection import internal_name
from features.tables.relations import file_relation, query_relation, table_relation
from health.settings.app import AppConfig, app_database_file

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

Prepare = Callable[[duckdb.DuckDBPyConnection], None]

#: Each table's rows, with the time at which they were undone. An override that was undone counts
#: until then.
_QUERIES = {
    "actions": """
        SELECT r.account_id, r.action, r.created_at AS at, r.flag, r.product, r.until, r.reason,
            r.author, u.created_at AS undone_at
        FROM actions r LEFT JOIN undos u ON u.kind = 'actions' AND u.undone_id = r.id
        ORDER BY r.created_at, r.id
        """,
    "overrides": """
        SELECT r.account_id, r.measure, r.value, r.author, r.reason, r.created_at,
            CASE WHEN u.created_at < r.expires_at THEN u.created_at ELSE r.expires_at END
                AS expires_at
        FROM overrides r LEFT JOIN undos u ON u.kind = 'overrides' AND u.undone_id = r.id
        ORDER BY r.created_at, r.id
        """,
    "forecasts": """
        SELECT r.account_id, r.call, r.amount, r.author, r.created_at, r.renews_at,
            u.created_at AS undone_at
        FROM forecasts r LEFT JOIN undos u ON u.kind = 'forecasts' AND u.undone_id = r.id
        ORDER BY r.created_at, r.id
        """,
    "raised": """
        SELECT r.account_id, r.kind, r.subject, r.raised_with, r.created_at AS raised_at, r.author,
            r.id AS record_id, u.created_at AS undone_at
        FROM raised r LEFT JOIN undos u ON u.kind = 'raised' AND u.undone_id = r.id
        ORDER BY r.created_at, r.id
        """,
    "closures": """
        SELECT r.account_id, r.kind, r.subject, r.closed_at, r.created_at, r.outcome, r.author,
            r.id AS record_id, u.created_at AS undone_at
        FROM closures r LEFT JOIN undos u ON u.kind = 'closures' AND u.undone_id = r.id
        ORDER BY r.created_at, r.id
        """,
}


class _AppTable(TableSource):
    """A table of the app, alone or after the rows of another source."""

    with_source: str = ""

    @property
    def label(self) -> str:
        """The source as messages name it."""
        return f"{self.with_source} and app" if self.with_source else "app"


def with_app_tables(
    tables: Mapping[str, TableSource], app: AppConfig, *, runs_dir: Path, base: Path
) -> tuple[dict[str, TableSource], Prepare | None]:
    """Add what was written in the app to the tables of a configuration.

    Parameters
    ----------
    tables : mapping of str to TableSource
        As configured. Rows of a table that is configured stay; those of the app come after them.
    app : AppConfig
        Where the app's database is; one that does not exist adds nothing.
    runs_dir, base : Path
        Folder of the runs, and of the configuration.

    Returns
    -------
    dict of str to TableSource
    callable or None
        To be called with the engine's connection before a table is opened.

    Raises
    ------
    HealthError
        The app's database cannot be read.
    """
    rows = {name: own for name, own in _read(app, runs_dir).items() if own.num_rows}
    if not rows:
        return dict(tables), None
    combined = dict(tables)
    for name in rows:
        query = f"SELECT * FROM {internal_name(_kept(name))}"
        source = tables.get(name)
        if source is None:
            combined[name] = _AppTable(sql=query)
        else:
            query = f"{_canonical(source, base)}\nUNION ALL BY NAME\n{query}"
            combined[name] = _AppTable(sql=query, with_source=source.label)

    def prepare(connection: duckdb.DuckDBPyConnection) -> None:
        for name, own in rows.items():
            connection.register("arrived", own)
            kept = internal_name(_kept(name))
            connection.execute(f"CREATE OR REPLACE TABLE {kept} AS SELECT * FROM arrived")
            connection.unregister("arrived")

    return combined, prepare


def _canonical(source: TableSource, base: Path) -> str:
    """Return a query of a source's rows as text, under canonical names."""
    if source.path is not None:
        rows = file_relation(source.path, base).sql
    elif source.sql is not None:
        rows = query_relation(source.sql, base).sql
    else:
        rows = table_relation(str(source.table)).sql
    # Text, as the rows of the app are: the values are cast and checked where tables are opened.
    names = ", ".join(f"{quoted(own)} AS {quoted(name)}" for name, own in source.columns.items())
    renamed = f"* RENAME ({names})" if names else "*"
    return f"SELECT COLUMNS(*)::VARCHAR FROM (SELECT {renamed} FROM {rows})"


def _read(app: AppConfig, runs_dir: Path) -> dict[str, pa.Table]:
    """Read the tables in one transaction; nothing where there is no database yet."""
    file = app_database_file(app, runs_dir)
    if file is not None and not file.is_file():
        return {}
    # The batch of a company without the app does not load the database's library.
    import sqlalchemy as sa  # noqa: PLC0415
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415

    from health.business.app_database import connect, database_url  # noqa: PLC0415

    engine: Engine = connect(database_url(app.database, runs_dir=runs_dir))
    try:
        with engine.connect() as connection:
            present = set(sa.inspect(connection).get_table_names())
            if "undos" not in present:
                return {}
            # A database of an older release lacks what the app has not been started to add.
            return {
                name: _as_text(connection.execute(sa.text(query)))
                for name, query in _QUERIES.items()
                if name in present
            }
    except SQLAlchemyError as error:
        cause = str(getattr(error, "orig", None) or error).splitlines()[0]
        raise HealthError(
            f"what was written in the app cannot be read: {cause}",
            where=engine.url.render_as_string(hide_password=True),
            fix="check app.database; start the app once so that it migrates its database",
        ) from None
    finally:
        engine.dispose()


def _as_text(result: object) -> pa.Table:
    """Return rows as in a CSV file: text, with missing values empty."""
    names = list(result.keys())  # type: ignore[attr-defined]
    rows = [[None if v is None else _text(v) for v in row] for row in result]  # type: ignore[attr-defined]
    columns = list(zip(*rows, strict=True)) if rows else [() for _ in names]
    arrays = [pa.array(list(column), pa.string()) for column in columns]
    return pa.table(dict(zip(names, arrays, strict=True)))


def _text(value: object) -> str:
    return repr(value) if isinstance(value, float) else str(value)


def _kept(table: str) -> str:
    return f"app {table}"
