"""Sections of the configuration: tables in files, databases and vendor exports."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from features.reading.table_source import TableSource
from features.redaction import shows_secret
from health.settings.secrets import secret
from health.settings.section import Section

#: Settings of a table that only a preset reads.
_OF_PRESETS = ("exclude_events", "amounts_in")


def without_password(url: str, *, example: str = 'url = "$WAREHOUSE_URL"') -> str:
    """Return a URL, or a reference to one; ValueError if it shows a password or token."""
    if not url.startswith(("$", "file:")) and shows_secret(url):
        raise ValueError(
            "contains a password or token; put the URL into an environment variable and name it: "
            f"{example}"
        )
    return url


class SourceConfig(Section):
    """A place that tables are read from: a folder of exports, or a database.

    Attributes
    ----------
    path : str, optional
        A folder or an Excel workbook, relative to the configuration.
    url : str, optional
        ``$NAME`` for an environment variable that contains the URL, ``file:PATH`` for a file that
        contains it; a URL without a password can be given directly.
    schema_name : str
        Schema of the database, if its tables have a vendor's layout.
    tables : dict of str to str
        Names of tables in the source that differ from the preset's names, by the preset's name.
    """

    path: str | None = None
    url: str | None = None
    schema_name: str = ""
    tables: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _exactly_one(self) -> SourceConfig:
        if bool(self.path) == bool(self.url):
            raise ValueError("give exactly one of path (a folder or workbook) and url (a database)")
        return self

    @field_validator("url")
    @classmethod
    def _no_password(cls, url: str | None) -> str | None:
        return None if url is None else without_password(url)

    def resolved_url(self, name: str, base: Path) -> str:
        """Return the URL, from the environment or the file that it names.

        Raises
        ------
        HealthError
            The variable is not set, or the file cannot be read.
        """
        return secret(self.url or "", where=f"sources.{name}.url", base=base)


class SharedConfig(Section):
    """A view that the SQL of every table can use.

    Attributes
    ----------
    sql, sql_file : str, optional
        The query, or a file that contains it.
    source : str
        Database in which the view is created, for the SQL of its tables. Without one, the view is
        for SQL on files and presets.
    preset : str, optional
        ``customers``: a view with the account of each key in each vendor's export.
    account_key : str
        With the preset: the vendor's export whose rows are the accounts; by default the CRM's,
        otherwise the billing system's.
    """

    sql: str | None = None
    sql_file: str | None = None
    source: str = ""
    preset: Literal["customers"] | None = None
    account_key: str = ""

    @model_validator(mode="after")
    def _exactly_one(self) -> SharedConfig:
        if sum(value is not None for value in (self.sql, self.sql_file, self.preset)) != 1:
            raise ValueError("give exactly one of sql, sql_file and preset")
        return self


class TableConfig(TableSource):
    """The source of a table: a file, a query, a database table or a vendor's export.

    Attributes
    ----------
    source : str, optional
        Name of the source, under `[sources]`, of `table`, `sql`, `sql_file` or `preset`.
    sql_file : str, optional
        A file that contains the query.
    preset : str, optional
        Name of the vendor's layout of the source.
    exclude_events : tuple of str, optional
        With a preset for usage: events that do not count as use of the product.
    amounts_in : str
        With ``dbt_stripe``: ``cents``, or ``units`` if the package converts amounts.
    """

    source: str | None = None
    sql_file: str | None = None
    preset: str | None = None
    exclude_events: tuple[str, ...] | None = None
    amounts_in: Literal["cents", "units"] = "cents"

    @model_validator(mode="after")
    def _exactly_one(self) -> TableConfig:
        given = (self.path, self.sql, self.table, self.sql_file, self.preset)
        if sum(bool(value) for value in given) != 1:
            raise ValueError("give exactly one of path, sql, sql_file, table and preset")
        if self.path and self.source:
            raise ValueError("a path has no source; a source has table, sql, sql_file or preset")
        if self.preset is None:
            extra = [name for name in _OF_PRESETS if name in self.model_fields_set]
            if extra:
                raise ValueError(f"only a preset reads {', '.join(extra)}")
            return self
        if not self.source:
            raise ValueError("a preset needs a source: source = its name under [sources]")
        if self.columns:
            raise ValueError("a preset names its columns itself; for others, use sql")
        return self

    @property
    def label(self) -> str:
        """The source as messages name it."""
        where = self.path or self.table or self.sql_file or self.preset or "sql"
        return f"{where} of {self.source}" if self.source else where


class PublishConfig(Section):
    """The company's database that a run is written to after it is published.

    Attributes
    ----------
    url : str
        ``$NAME`` for an environment variable that contains the URL, ``file:PATH`` for a file that
        contains it: ``postgresql://…``, ``sqlite:///FILE`` or ``duckdb:///FILE``.
    schema_name : str
        The schema of the tables; the database's default if empty.
    prefix : str
        Prefix of the names of tables and views.
    delta_dir : Path
        Folder of the files with the changed accounts, for reverse ETL.
    external_ids : str
        A CSV file with ``account_id`` and ``external_id``, the CRM's id of each account. Without
        it, the account's id is used.
    """

    url: str
    schema_name: str = ""
    prefix: str = Field(default="health_", pattern=r"^[a-z_][a-z0-9_]*$")
    delta_dir: Path = Path("delta")
    external_ids: str = ""

    @field_validator("url")
    @classmethod
    def _no_password(cls, url: str) -> str:
        return without_password(url)
