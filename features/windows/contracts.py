"""Contracts: the rows of subscriptions, read by one set of rules.

Who pays, MRR, seats, products, movements, labels, offers, tenure and the revenue tables all rest on
`ContractRows`. The rules:

- **Versions.** Rows with the same account, subscription_id, product and start are versions of one
  row. The version that reached the warehouse last (`known_at`) counts. Where nothing states which
  one is later, versions that differ only in their end, notice or renewal date are one row, which
  ends at the end that is filled in.
- **Gaps.** Once the successor of a paid row is known (a row of the same account and product that
  starts at its end or less than the grace period after it), the two rows are one contract: the
  first row counts until the second starts.
- **Usual lag.** On a date D the successor may not be known yet. A paid row counts until its end
  plus the company's usual lag: the 90th percentile of the gaps between the end of a row and the
  time its successor was known, over the pairs known before D (0 where there are fewer than 20).
  It never counts past a notice, nor past the start of an unpaid row (MRR 0) of the product.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import narwhals as nw
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from features.tables.opened import Tables
from features.tables.point_in_time import known_from
from features.tables.schema import TABLES, Kind
from features.windows.day_rows import Codes, Numbers
from features.windows.table_columns import (
    DAY_US,
    NEVER,
    Mask,
    TableColumns,
    Times,
    load_columns,
    moment,
    placed,
)

#: Pairs of a row and its successor that an estimate of the usual lag needs, and its percentile.
LEAST_PAIRS, LAG_PERCENTILE = 20, 0.9
#: A pause in paying that is shorter is no churn, unless the configuration states otherwise.
GRACE_DAYS = 30
Rows = npt.NDArray[np.intp]
_NONE = -1
_REQUIRED = ("account_id", "product", "started_at", "ended_at", "mrr")
#: Columns that the rules read where the table has them.
_OPTIONAL = ("subscription_id", "plan", "seats", "notice_at", "known_at")


@dataclass(frozen=True)
class KnownContracts:
    """The contract rows that were known before a date.

    Attributes
    ----------
    as_of : int
        The date, in microseconds from 1970.
    rows : array of int
        Their places among the rows of `ContractRows`.
    started, ended : array of int
        From when to when each counts, in microseconds; `NEVER` while it runs. A row that is
        continued ends when its successor starts.
    """

    as_of: int
    rows: Rows
    started: Times
    ended: Times

    def running(self, at: int | None = None) -> Rows:
        """Return the rows that ran just before a moment (by default the date)."""
        then = self.as_of if at is None else at
        return self.rows[(self.started < then) & (self.ended >= then)]


class ContractRows:
    """The rows of subscriptions, to be read as of one date after another.

    Parameters
    ----------
    rows : TableColumns
        Needs product, started_at, ended_at, mrr and known_from; subscription_id, plan, seats,
        notice_at and known_at count where they are present.
    grace_days : int
        A gap that is shorter does not end a contract.
    lag_of : callable, optional
        Gives the usual lag as of a moment, in microseconds; by default that of these rows. Rows
        of a part of the company take the lag of the whole company.
    """

    def __init__(
        self,
        rows: TableColumns,
        *,
        grace_days: int = GRACE_DAYS,
        lag_of: Callable[[int], int] | None = None,
    ) -> None:
        self.total = len(rows)
        rows = _merged_versions(rows)
        self.grace_days, self._grace = grace_days, grace_days * DAY_US
        self.known_from = rows["known_from"]
        self._replaced_at = _replaced_at(rows)
        # A row without a start is never known, and replaced by none.
        self._undated = int((self.known_from == NEVER).sum())
        counts = self._replaced_at > self.known_from
        if not counts.all():
            rows = rows.taken(counts)
            self.known_from, self._replaced_at = self.known_from[counts], self._replaced_at[counts]
        self.rows = rows
        self.is_paid: Mask = rows["mrr"] > 0
        products = len(rows.texts["product"]) + 1
        self.group = rows.account.astype(np.int64) * products + rows["product"]
        is_late = np.zeros(rows.accounts, dtype=bool)
        is_late[rows.account[self.known_from > rows["started_at"]]] = True
        self._is_late = is_late[rows.account]
        self._lag_of = lag_of
        self._latest: dict[int, KnownContracts] = {}

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.rows)

    @property
    def is_latest(self) -> Mask:
        """Mark the rows that no later version replaces."""
        latest: Mask = self._replaced_at == NEVER
        return latest

    @property
    def merged(self) -> int:
        """How many of the rows that were loaded are copies or earlier versions of another one."""
        return self.total - self._undated - int(self.is_latest.sum())

    def of(self, accounts: pd.Index[str]) -> ContractRows:
        """Return the contracts of some accounts, numbered by their place among them."""
        names = pa.array(accounts, pa.string())
        place = placed(self.rows.account, self.rows.texts["account_id"], names)
        own = np.flatnonzero(place >= 0)
        taken = self.rows.taken(own)
        texts = {**taken.texts, "account_id": names}
        rows = TableColumns(place[own], len(names), taken.columns, texts)
        return ContractRows(rows, grace_days=self.grace_days, lag_of=self.usual_lag)

    def as_of(self, day: datetime | pd.Timestamp) -> KnownContracts:
        """Return the rows that were known before a date, and until when each counts on it."""
        at = moment(pd.Timestamp(day))
        known = self._latest.get(at)
        if known is None:
            known = self._known(at)
            # Several families ask for one date; of earlier dates nothing is kept.
            self._latest = {at: known}
        return known

    def usual_lag(self, as_of: int) -> int:
        """Return the usual lag as of a moment, in microseconds."""
        if self._lag_of is not None:
            return self._lag_of(as_of)
        return usual_lag(self.gaps(as_of))

    def gaps(self, as_of: int) -> Times:
        """Return the time from the end of each row until its successor was known, if it was."""
        ended, known = self._pairs
        gaps = (known - ended)[known < as_of]
        late = self._late_successors(as_of)
        rows = np.flatnonzero(late != _NONE)
        gaps = np.concatenate([gaps, self.known_from[late[rows]] - self.rows["ended_at"][rows]])
        # What reached the warehouse later than the grace period is a backfill, no late invoice.
        shorter: Times = gaps[gaps < self._grace]
        return shorter

    def _known(self, as_of: int) -> KnownContracts:
        rows = self.rows
        seen = np.flatnonzero((self.known_from < as_of) & (self._replaced_at >= as_of))
        started, ended = rows["started_at"][seen], rows["ended_at"][seen]
        until = np.where(ended < as_of, ended, NEVER)
        successor = self._successors_known(as_of)[seen]
        is_continued = successor != _NONE
        until[is_continued] = rows["started_at"][successor[is_continued]]
        over = (until != NEVER) & ~is_continued
        lag = self.usual_lag(as_of) if over.any() else 0
        if lag:
            waiting = np.flatnonzero(
                over & self.is_paid[seen] & (ended > started) & (ended >= as_of - lag)
            )
            until[waiting[self._may_continue(seen, seen[waiting], as_of)]] = NEVER
        return KnownContracts(as_of, seen, started, until)

    def _may_continue(self, seen: Rows, waiting: Rows, as_of: int) -> Mask:
        """Select ended rows without a notice that no unpaid row of their product follows."""
        rows, ended = self.rows, self.rows["ended_at"]
        unpaid = seen[~self.is_paid[seen]]
        groups, place = np.unique(self.group[unpaid], return_inverse=True)
        last = np.full(len(groups) + 1, np.iinfo(np.int64).min)
        np.maximum.at(last, place, rows["started_at"][unpaid])
        # An unpaid row that runs on beyond the end counts as one that follows it.
        np.maximum.at(last, place, np.where(ended[unpaid] < as_of, ended[unpaid] - 1, as_of))
        at = np.searchsorted(groups, self.group[waiting])
        found = np.append(groups, _NONE)[at] == self.group[waiting]
        follows = np.where(found, last[at], np.iinfo(np.int64).min) >= ended[waiting]
        noticed = rows["notice_at"][waiting] < as_of
        return ~follows & ~noticed

    def _successors_known(self, as_of: int) -> Rows:
        """Return the place of each row's successor that was known before a moment, else −1."""
        found = self._late_successors(as_of)
        other = self._successors
        known = other != _NONE
        known[known] = self.known_from[other[known]] < as_of
        return np.where(known, other, found)

    @cached_property
    def _successors(self) -> Rows:
        """The successors of accounts whose rows were all known on time, whatever the date."""
        return self._paired(np.flatnonzero(self.is_paid & ~self._is_late))

    def _late_successors(self, as_of: int) -> Rows:
        """Return the successors as of a moment, of accounts with rows that arrived late."""
        known = (self.known_from < as_of) & (self._replaced_at >= as_of)
        return self._paired(np.flatnonzero(self.is_paid & self._is_late & known))

    @cached_property
    def _pairs(self) -> tuple[Times, Times]:
        """Ends of rows and the times their successors were known, of accounts without late rows."""
        rows = np.flatnonzero(self._successors != _NONE)
        return self.rows["ended_at"][rows], self.known_from[self._successors[rows]]

    def _paired(self, own: Rows) -> Rows:
        rows, found = self.rows, np.full(len(self.rows), _NONE, dtype=np.intp)
        if not len(own):
            return found
        alike = ("subscription_id", "plan", "mrr", "seats")
        deal = np.stack([rows[name][own].astype(float) for name in alike])
        times = rows["started_at"][own], rows["ended_at"][own]
        place = _successors(self.group[own], times, deal, self._grace)
        continued = np.flatnonzero(place != _NONE)
        found[own[continued]] = own[place[continued]]
        return found


def usual_lag(gaps: Times) -> int:
    """Return the usual lag, from the gaps of `ContractRows.gaps`."""
    if len(gaps) < LEAST_PAIRS:
        return 0
    return int(np.quantile(gaps, LAG_PERCENTILE, method="inverted_cdf"))


def load_contracts(
    tables: Tables, *, grace_days: int = GRACE_DAYS, columns: Sequence[str] = ()
) -> ContractRows:
    """Return the rows of subscriptions of every account; they are loaded once.

    Parameters
    ----------
    tables : Tables
        Needs subscriptions.
    grace_days : int
        A gap that is shorter does not end a contract.
    columns : sequence of str
        Further columns of the table to load; they are empty where the table lacks them.
    """
    found: ContractRows | None = tables.loaded.get(grace_days)
    present = () if found is None else found.rows.columns
    if found is None or not set(columns) <= {*present}:
        others = [name for name in present if name != "known_from"]
        found = _loaded(tables, grace_days, [*columns, *others])
        tables.loaded[grace_days] = found
    return found


def _loaded(tables: Tables, grace_days: int, columns: Sequence[str]) -> ContractRows:
    kinds = {c.name: c.kind for c in TABLES["subscriptions"].columns}
    wanted = dict.fromkeys([*_OPTIONAL, *columns])
    others = [name for name in wanted if name not in {*_REQUIRED, "seats"}]
    present = [name for name in others if tables.has("subscriptions", name)]
    optional: Mapping[str, Kind] = {name: kinds[name] for name in others if name != "known_at"}
    has_seats = tables.has("subscriptions", "seats")
    seats = nw.col("seats").fill_null(0.0) if has_seats else nw.lit(0.0).alias("seats")
    frame = tables["subscriptions"]
    frame = frame.select(*_REQUIRED, seats, *present, known_from(frame, "started_at"))
    lag_of = None if tables.whole is None else tables.whole.lags.__getitem__
    rows = load_columns(frame, optional=optional)
    return ContractRows(rows, grace_days=grace_days, lag_of=lag_of)


def running_contracts(
    tables: Tables,
    as_of: datetime,
    *,
    grace_days: int = GRACE_DAYS,
    columns: Sequence[str] = (),
) -> pd.DataFrame:
    """Return the rows of subscriptions that count on a date, as known before it.

    Returns
    -------
    pd.DataFrame
        account_id, product, mrr and `columns`; text columns are None and numbers NaN where empty.
    """
    contracts = load_contracts(tables, grace_days=grace_days, columns=columns)
    known = contracts.as_of(as_of)
    return frame_of(contracts.rows, known.running(), ["account_id", "product", "mrr", *columns])


def known_spans(
    tables: Tables,
    until: datetime,
    *,
    grace_days: int = GRACE_DAYS,
    columns: Sequence[str] = (),
) -> pd.DataFrame:
    """Return the paid rows of subscriptions that were known before a moment.

    Gaps that are shorter than the grace period are closed, so that a row that is continued ends
    when its successor starts.

    Returns
    -------
    pd.DataFrame
        account_id, product, started_at, ended_at (NaT while running), mrr and `columns`.
    """
    contracts = load_contracts(tables, grace_days=grace_days, columns=columns)
    known = contracts.as_of(until)
    counts = np.flatnonzero(contracts.is_paid[known.rows] & (known.ended > known.started))
    frame = frame_of(contracts.rows, known.rows[counts], ["account_id", "product", "mrr", *columns])
    frame["started_at"] = as_times(known.started[counts])
    frame["ended_at"] = as_times(known.ended[counts])
    return frame


def frame_of(rows: TableColumns, chosen: Rows, columns: Sequence[str]) -> pd.DataFrame:
    """Return some rows and columns as a pandas frame, with their texts and times."""
    found: dict[str, Any] = {}
    for name in columns:
        values = (rows.account if name == "account_id" else rows[name])[chosen]
        kind = TABLES["subscriptions"].column(name).kind
        if kind == "text":
            texts = np.array([*rows.texts[name].to_pylist(), None], dtype=object)
            found[name] = texts[values]
        else:
            found[name] = as_times(values) if kind == "time" else values
    return pd.DataFrame(found)


def as_times(microseconds: Times) -> npt.NDArray[np.datetime64]:
    """Return times of numpy; NaT for `NEVER`."""
    times = microseconds.astype("datetime64[us]")
    return np.where(microseconds == NEVER, np.datetime64("NaT", "us"), times)


def _merged_versions(rows: TableColumns) -> TableColumns:
    """Merge rows with a subscription_id that differ only in their end, notice or renewal date."""
    named = np.flatnonzero(rows["subscription_id"] >= 0)
    later = [name for name in ("ended_at", "notice_at") if name in rows.columns]
    same = [n for n in (*_REQUIRED[1:], *_OPTIONAL) if n in rows.columns and n not in later]
    keys = pd.DataFrame({name: rows[name][named] for name in same})
    keys.insert(0, "account_id", rows.account[named])
    if not (repeated := keys.duplicated(keep=False).to_numpy()).any():
        return rows
    # In an order that does not depend on what is filled in later.
    first = pd.Series(named[repeated])
    version = keys[repeated].groupby([*keys], sort=False, dropna=False).ngroup().to_numpy()
    order = np.arange(len(first))
    if "renews_at" in rows.columns:
        renews = rows["renews_at"][first]
        order = np.argsort(np.where(renews == NEVER, 0, -renews), kind="stable")
    kept = pd.Series(version[order]).drop_duplicates().index.to_numpy()
    keep = first.to_numpy()[order][kept]
    columns = dict(rows.columns)
    for name in later:
        earliest = pd.Series(rows[name][first]).groupby(version).min()
        columns[name] = rows[name].copy()
        columns[name][keep] = earliest.loc[version[order][kept]].to_numpy()
    left = np.ones(len(rows), dtype=bool)
    left[first] = False
    left[keep] = True
    return TableColumns(rows.account, rows.accounts, columns, rows.texts).taken(left)


def _replaced_at(rows: TableColumns) -> Times:
    """Return when a later version of each row was known; `NEVER` where there is none."""
    found = np.full(len(rows), NEVER)
    known_at = rows.columns.get("known_at")
    named = np.flatnonzero(rows["subscription_id"] >= 0)
    if known_at is None or not len(named):
        return found
    keys = pd.DataFrame(
        {
            "account": rows.account[named],
            "id": rows["subscription_id"][named],
            "product": rows["product"][named],
            "start": rows["started_at"][named],
        }
    )
    several = keys.duplicated(keep=False).to_numpy()
    own, keys = named[several], keys[several]
    if not len(own):
        return found
    version = keys.groupby([*keys], sort=False).ngroup().to_numpy()
    arrived = np.where(known_at[own] == NEVER, rows["started_at"][own], known_at[own])
    order = np.lexsort((arrived, version))
    version, arrived, own = version[order], arrived[order], own[order]
    # Versions that arrived at the same time replace those that arrived before them.
    is_new = np.append(True, (version[1:] != version[:-1]) | (arrived[1:] != arrived[:-1]))
    load = np.cumsum(is_new) - 1
    first = np.flatnonzero(is_new)
    following = np.append(first[1:], len(own))[load]
    has = following < len(own)
    has[has] = version[following[has]] == version[has]
    found[own[has]] = rows["known_from"][own[following[has]]]
    return found


def _successors(group: Codes, times: tuple[Times, Times], deal: Numbers, grace: int) -> Rows:
    """Return the place of each row's successor in its group; −1 where it has none.

    Parameters
    ----------
    group : array of int, shape = (n_rows,)
        Number of the account and product.
    times : tuple of two arrays of int
        When the rows start and end.
    deal : array of float, shape = (4, n_rows)
        subscription_id, plan, MRR and seats. Of several rows that have ended, a row continues
        the one that is most like it.
    grace : int
        A gap must be shorter.
    """
    started, ended = times[0], np.minimum(times[1], NEVER // 2)
    found = np.full(len(group), _NONE, dtype=np.intp)
    order = np.lexsort((deal[2], started, group))
    same = group[order[1:]] == group[order[:-1]]
    gap = started[order[1:]] - ended[order[:-1]]
    overlapping = np.unique(group[order[1:]][same & (gap < 0)])
    is_plain = ~np.isin(group[order[1:]], overlapping)
    follows = np.flatnonzero(same & (gap >= 0) & (gap < grace) & is_plain)
    found[order[follows]] = order[follows + 1]
    mixed = order[np.isin(group[order], overlapping)]
    starts = np.flatnonzero(np.append(True, group[mixed[1:]] != group[mixed[:-1]])[: len(mixed)])
    for own in np.split(mixed, starts[1:]) if len(mixed) else []:
        _pair_parallel(own, (started, ended), deal, grace, found)
    return found


def _pair_parallel(
    own: Rows, times: tuple[Times, Times], deal: Numbers, grace: int, found: Rows
) -> None:
    """Pair the rows of a group that run in parallel, in order of their starts, into `found`."""
    started, ended = times
    ending = own[np.argsort(ended[own], kind="stable")].tolist()
    waiting: list[int] = []
    for row in own.tolist():
        while ending and ended[ending[0]] <= started[row]:
            waiting.append(ending.pop(0))
        waiting = [other for other in waiting if started[row] - ended[other] < grace]
        candidates = [other for other in waiting if other != row]
        if candidates:
            best = max(candidates, key=lambda o: (*(deal[:, o] == deal[:, row]), ended[o]))
            found[best] = row
            waiting.remove(best)
