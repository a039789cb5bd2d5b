"""Sections of the configuration: where the tables are, in files, databases and vendors' exports."""

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


def without_password(url: str) -> str:
    """Return a URL, or what names one; ValueError where a password is written out in it."""
    if not url.startswith(("$", "file:")) and shows_secret(url):
        raise ValueError(
            "contains a password; put the URL into an environment variable and name it: "
            'url = "$WAREHOUSE_URL"'
        )
    return url


class SourceConfig(Section):
    """A place that tables are read from: a folder of exports, or a database.

    Attributes
    ----------
    path : str, optional
        A folder, relative to the configuration.
    url : str, optional
        ``$NAME`` for the environment variable that contains the URL, ``file:PATH`` for a file
        that does; a URL without a password may be written out.
    schema_name : str
        The database's schema, where its tables have a vendor's layout.
    tables : dict of str to str
        By a recipe's name, what the source calls a table, where it is another name.
    """

    path: str | None = None
    url: str | None = None
    schema_name: str = ""
    tables: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _exactly_one(self) -> SourceConfig:
        if bool(self.path) == bool(self.url):
            raise ValueError("give exactly one of path (a folder) and url (a database)")
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
    """A view that the SQL of every table can name.

    Attributes
    ----------
    sql, sql_file : str, optional
        Its query, or a file that contains it.
    source : str
        The database in which it runs, and whose tables' SQL can name it; without one, the SQL
        over files and presets can.
    preset : str, optional
        ``customers``: which account each key of each vendor's export belongs to.
    account_key : str
        With the preset: the vendor's export whose rows are the accounts. By default the CRM's,
        else the billing system's.
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
    """Where a table is: a file, a query, a table of a database, or a vendor's export.

    Attributes
    ----------
    source : str, optional
        The source of `table`, `sql`, `sql_file` or `preset`.
    sql_file : str, optional
        A file that contains the query.
    preset : str, optional
        The vendor's layout of the source's tables.
    exclude_events : tuple of str, optional
        With a preset for usage: events that are no use of the product.
    amounts_in : str
        With ``dbt_stripe``: ``cents``, or ``units`` where the package converts amounts.
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
    """Where a run is written to after it is published, in a database of the company's own.

    Attributes
    ----------
    url : str
        ``$NAME`` for the environment variable that contains the URL, ``file:PATH`` for a file
        that does: ``postgresql://…``, ``sqlite:///FILE`` or ``duckdb:///FILE``.
    schema_name : str
        The schema of the tables; the database's default if empty.
    prefix : str
        How the names of tables and views begin.
    delta_dir : Path
        Folder of the files that list the accounts that changed, for reverse ETL.
    external_ids : str
        A CSV file with ``account_id`` and ``external_id``: the CRM's own id of each account.
        Without it, the account's id is taken.
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
