"""Rows of a table by account, as they were known at one moment after another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import narwhals as nw
import numpy as np
import numpy.typing as npt
import pandas as pd

from features.tables.copies import VERSION_KEYS
from features.tables.opened import Tables
from features.tables.point_in_time import known_from
from features.tables.schema import TABLES, Kind
from features.windows.day_rows import Numbers
from features.windows.table_columns import DAY_US, NEVER, Mask, TableColumns, Times, load_columns


@dataclass(frozen=True)
class AccountRows:
    """The rows of a table, to be counted by account.

    Attributes
    ----------
    columns : TableColumns
        The rows of the accounts that are observed.
    known_from : array of int
        The moment after which each row is known.
    known_until : array of int
        The moment after which a later version of the row is known; never for most.
    """

    columns: TableColumns
    known_from: Times
    known_until: Times

    def __getitem__(self, name: str) -> npt.NDArray[np.int64]:
        """Return a column."""
        return self.columns[name]

    def known(self, at: int) -> Mask:
        """Return which rows, in their latest version, were known before a moment."""
        return (self.known_from < at) & (self.known_until >= at)

    def within(self, name: str, at: int, days: int) -> Mask:
        """Return which rows have a time in the days before a moment."""
        times = self.columns[name]
        return (times >= at - days * DAY_US) & (times < at)

    def count(self, rows: Mask) -> Numbers:
        """Count rows by account."""
        account = self.columns.account[rows]
        return np.bincount(account, minlength=self.columns.accounts).astype(float)

    def total(self, rows: Mask, values: Numbers) -> Numbers:
        """Add up values of rows by account."""
        account = self.columns.account[rows]
        return np.bincount(account, values[rows], minlength=self.columns.accounts).astype(float)

    def largest(self, rows: Mask, values: Numbers, otherwise: float) -> Numbers:
        """Return the largest value of rows by account."""
        found = np.full(self.columns.accounts, -np.inf)
        np.maximum.at(found, self.columns.account[rows], values[rows])
        return np.where(np.isinf(found), otherwise, found)


def load_rows(
    tables: Tables,
    table: str,
    accounts: pd.Index[str],
    *,
    dated_by: str,
    optional: Mapping[str, Kind],
) -> AccountRows:
    """Load a table's rows of some accounts.

    Parameters
    ----------
    tables : Tables
        Needs the table.
    table : str
        Its name.
    accounts : pd.Index
        Whose rows.
    dated_by : str
        The column that dates a row.
    optional : mapping of str to str
        The other columns that are read, and their kinds; empty where they were not given.
    """
    key = VERSION_KEYS.get(table, ()) if tables.has(table, "known_at") else ()
    if key:
        optional = {**dict.fromkeys(key, "text"), **optional, "known_at": "time"}
    present = [c for c in optional if c != dated_by and tables.has(table, c)]
    rows = tables[table]
    known = known_from(rows, dated_by, undated=TABLES[table].may_be_undated)
    rows = rows.select("account_id", dated_by, *present, known)
    lowered = [
        nw.col(name).str.to_lowercase().alias(name)
        for name in present
        if name in ("kind", "direction", "role")
    ]
    if lowered:
        rows = rows.with_columns(*lowered)
    columns = load_columns(rows, accounts, optional=optional)
    known_until = np.full(len(columns.account), NEVER)
    if key:
        known_until = _known_until(columns, [dated_by, *key])
    return AccountRows(columns, columns["known_from"], known_until)


def _known_until(columns: TableColumns, key: Sequence[str]) -> Times:
    """Return from when on the next version of each row is known."""
    frame = pd.DataFrame({name: columns[name] for name in key})
    frame["account"], frame["known_from"] = columns.account, columns["known_from"]
    at = columns["known_at"]
    # A row without known_at was there from the start.
    frame["version"] = np.where(at == NEVER, np.iinfo(np.int64).min, at)
    own = ["account", *key]
    versions = frame.groupby([*own, "version"], as_index=False)["known_from"].min()
    versions["until"] = versions.groupby(own)["known_from"].shift(-1, fill_value=NEVER)
    found = frame.merge(versions.drop(columns="known_from"), on=[*own, "version"], how="left")
    return found["until"].to_numpy(dtype=np.int64)


def where(known: Mask, values: Numbers) -> Numbers:
    """Return values where there was something to measure, NaN elsewhere."""
    return np.where(known, values, np.nan)
