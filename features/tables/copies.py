"""Rows that are in a table more than once: copies of rows without an id, versions of one row.

The rules are Narwhals expressions, so that any engine runs them.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import narwhals as nw

from features.tables.schema import Table

Frame = nw.LazyFrame[Any]

#: Copies with a time of day are removed where they are this share of the rows: a customer may well
#: buy the same thing twice on one day, but a fifth of all rows means that rows were loaded twice.
LOADED_TWICE = 0.2
#: Ids that no schema declares as a key, and that should be in one row each, or in equal rows.
_IDS = {"usage": "usage_id"}
_PERIOD_IDS = {"subscriptions": "subscription_id", "contacts": "contact_id", "goals": "goal"}
#: Tables without ids: rows that are equal in these columns, the account and the time that dates
#: them are versions of one row, of which the one with the latest known_at counts.
VERSION_KEYS = {"contacts": ("contact_id",), "goals": ("goal",)}
#: Before every time of a table.
_FIRST = datetime(1, 1, 1)


@dataclass(frozen=True)
class Copies:
    """Rows that are equal to another one in every column; the first of them is no copy.

    Attributes
    ----------
    rows, timed, total : int
        The copies, those of them with a time of day, and all rows.
    example : str, optional
        An account with copies.
    amount : float, optional
        What the copies add up to, where the table has a column of money.
    """

    rows: int = 0
    timed: int = 0
    total: int = 0
    example: str | None = None
    amount: float | None = None

    @property
    def are_loaded_twice(self) -> bool:
        """Whether this many copies carry a time of day that they were loaded twice."""
        return self.timed > 0 and self.timed >= LOADED_TWICE * self.total


@dataclass(frozen=True)
class Versions:
    """Rows of ids that are in several rows.

    Attributes
    ----------
    rows : int
        The earlier versions and the copies: all rows of these ids but one of each.
    ids : int
        How many ids are in several rows.
    example : str, optional
        One of them.
    undecided : int
        All rows of ids whose rows differ, and nothing shows which of them is the latest.
    undecided_example : str, optional
        One of these ids.
    """

    rows: int = 0
    ids: int = 0
    example: str | None = None
    undecided: int = 0
    undecided_example: str | None = None


def period_id(table: Table, columns: Collection[str]) -> str:
    """Return the id that several rows of a table may share, as those of one contract do.

    Equal rows are copies nevertheless, whatever their share.
    """
    name = _PERIOD_IDS.get(table.name, "")
    return name if name in columns else ""


def row_id(table: Table, columns: Collection[str]) -> str:
    """Return the column whose values should each be in one row; empty where there is none."""
    name = table.key[0] if table.key else _IDS.get(table.name, "")
    return name if name in columns else ""


def copies(rows: Frame, table: Table) -> Frame:
    """Return how many rows of a table are copies of others, in one row: the fields of `Copies`."""
    names = rows.collect_schema().names()
    again, at = nw.col("_n") - 1, nw.col(table.dated_by)
    groups = rows.group_by(*names).agg(nw.len().alias("_n"))
    is_timed = (at != at.dt.truncate("1d")).fill_null(value=False)
    money = [(nw.col(c.name) * again).sum().alias("amount") for c in table.amounts]
    money = [sum_ for c, sum_ in zip(table.amounts, money, strict=True) if c.name in names][:1]
    return groups.select(
        again.sum().cast(nw.Int64()).alias("rows"),
        nw.when(is_timed).then(again).sum().cast(nw.Int64()).alias("timed"),
        nw.col("_n").sum().cast(nw.Int64()).alias("total"),
        nw.when(again > 0).then(nw.col("account_id")).min().alias("example"),
        *money,
    )


def count_copies(rows: Frame, table: Table) -> Copies:
    """Return how many rows of a table are copies of others."""
    (found,) = copies(rows, table).collect("pyarrow").to_native().to_pylist()
    # Sums of whole numbers arrive as whatever type a database has for them.
    counts = {name: int(found[name] or 0) for name in ("rows", "timed", "total")}
    amount = found.get("amount")
    amount = None if amount is None else float(amount)
    return Copies(**counts, example=found["example"], amount=amount)


def has_repeats(rows: Frame, key: str) -> bool:
    """Return whether an id is in several rows."""
    return bool(len(_repeated(rows, key).head(1).collect("pyarrow")))


def count_versions(rows: Frame, table: Table, key: str) -> Versions:
    """Return how many rows of a table share their id with a later version.

    Parameters
    ----------
    rows : narwhals.LazyFrame
        Rows of a table, on any engine.
    table : Table
        The table.
    key : str
        Its `row_id`.
    """
    own = _dated(rows.join(_repeated(rows, key), on=key, how="inner"), table)
    # The latest rows of each id; where these differ, nothing decides between them.
    latest = own
    for order in ("_known", "_version"):
        latest = latest.with_columns(nw.col(order).max().over(key).alias("_last"))
        latest = latest.filter(nw.col(order) == nw.col("_last")).drop("_last")
    differing = latest.unique().group_by(key).agg((nw.len() > 1).alias("_differ"))
    moved = own.group_by(key).agg(
        nw.col("_n").max().alias("_n"),
        (nw.col("_known") == _FIRST).max().alias("_unknown"),
        nw.col("account_id").n_unique().alias("_accounts"),
        nw.col(table.dated_by).n_unique().alias("_times"),
    )
    found = moved.join(differing, on=key, how="left").collect("pyarrow").to_native().to_pylist()
    undecided = [
        row
        for row in found
        if row["_differ"] or (row["_unknown"] and max(row["_accounts"], row["_times"]) > 1)
    ]
    return Versions(
        rows=sum(row["_n"] - 1 for row in found),
        ids=len(found),
        example=min((row[key] for row in found), default=None),
        undecided=sum(row["_n"] for row in undecided),
        undecided_example=min((row[key] for row in undecided), default=None),
    )


def latest_versions(rows: Frame, table: Table, key: str) -> Frame:
    """Return the latest version of each row, which is known from when its first version was.

    The latest is the one that reached the warehouse last (known_at), or else the one with the
    latest of its other times. Rows without an id stay as they are.

    Parameters
    ----------
    rows, table, key : narwhals.LazyFrame, Table, str
        As in `count_versions`.
    """
    names = rows.collect_schema().names()
    repeated = _repeated(rows, key)
    own = _dated(rows.join(repeated.select(key), on=key, how="semi"), table)
    if "known_at" in names:
        own = own.with_columns(nw.col("known_at").min().over(key))
    others = sorted(set(names) - {"known_at", key})
    last = own.unique(subset=[key], keep="last", order_by=["_known", "_version", *others])
    rest = rows.join(repeated.select(key), on=key, how="anti")
    return nw.concat([rest, last.select(names)], how="vertical")


def _repeated(rows: Frame, key: str) -> Frame:
    counted = rows.filter(~nw.col(key).is_null()).group_by(key).agg(nw.len().alias("_n"))
    return counted.filter(nw.col("_n") > 1)


def _dated(rows: Frame, table: Table) -> Frame:
    """Add when a row became known, and the latest of its times; the first of all times if none."""
    names = rows.collect_schema().names()
    no_time = nw.lit(_FIRST).cast(nw.Datetime("us"))
    later = [
        nw.col(c.name)
        for c in table.columns
        if c.kind == "time" and c.name in names and c.name not in (table.dated_by, "known_at")
    ]
    version = nw.max_horizontal(*later, no_time) if later else no_time
    known = nw.col("known_at").fill_null(_FIRST) if "known_at" in names else no_time
    return rows.with_columns(known.alias("_known"), version.alias("_version"))
