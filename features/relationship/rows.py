"""Rows of a table by account, as they were known at one moment after another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import narwhals as nw
import numpy as np
import numpy.typing as npt
import pandas as pd

from features.tables.opened import Tables
from features.tables.point_in_time import known_from
from features.tables.schema import TABLES, Kind
from features.windows.day_rows import Numbers
from features.windows.table_columns import DAY_US, Mask, TableColumns, Times, load_columns


@dataclass(frozen=True)
class AccountRows:
    """The rows of a table, to be counted by account.

    Attributes
    ----------
    columns : TableColumns
        The rows of the accounts that are observed.
    known_from : array of int
        The moment after which each row is known.
    """

    columns: TableColumns
    known_from: Times

    def __getitem__(self, name: str) -> npt.NDArray[np.int64]:
        """Return a column."""
        return self.columns[name]

    def known(self, at: int) -> Mask:
        """Return which rows were known before a moment."""
        return self.known_from < at

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
    present = [column for column in optional if tables.has(table, column)]
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
    return AccountRows(columns, columns["known_from"])


def where(known: Mask, values: Numbers) -> Numbers:
    """Return values where there was something to measure, NaN elsewhere."""
    return np.where(known, values, np.nan)
