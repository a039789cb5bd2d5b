"""Quotas of contracts: how full each one is, and how long it lasts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from features.definitions.settings import DEFAULT_SETTINGS, FeatureSettings
from features.rollups.usage_rollup import known_days, named_codes, rolled_up
from features.tables.opened import Tables
from features.usage.levels import median_of_each
from features.windows.contracts import ContractRows, frame_of, load_contracts
from features.windows.day_rows import (
    Codes,
    DayRows,
    Numbers,
    day_number,
    latest,
    summed,
)
from features.windows.observation_dates import DateFeatures, ObservationDates, OneDate

#: A quota is near its limit from this share on.
NEAR_LIMIT = 0.8
#: The days that a quota is for.
_REACH_DAYS = 30
#: Columns of subscriptions that quotas are read from.
COLUMNS = ("quota", "quota_event")


def prepare(
    tables: Tables,
    dates: ObservationDates,
    *,
    settings: FeatureSettings = DEFAULT_SETTINGS,
    contracts: ContractRows | None = None,
) -> DateFeatures:
    """Return a function that computes how full the quotas of each account are on a date.

    Contracts with `COLUMNS` are not loaded again.
    """
    if not (tables.has("usage") and has_quotas(tables)):
        return lambda _: {}
    if contracts is None:
        contracts = load_contracts(tables, grace_days=settings.grace_days, columns=COLUMNS)
    quotas = Quotas(tables, dates.observations["as_of"], contracts)
    # An account that never had a quota has the place −1, the last.
    place = quotas.accounts.get_indexer(dates.accounts)

    def features(date: OneDate) -> dict[str, Numbers]:
        full = quotas.fullest(date.as_of)
        return {n: np.append(values, np.nan)[place[date.account]] for n, values in full.items()}

    return features


class Quotas:
    """The quotas of all contracts and their usage.

    Parameters
    ----------
    tables : Tables
        Needs usage.
    dates : pd.Series of datetime
        The dates.
    contracts : ContractRows
        With `COLUMNS`; where these are empty, no account has a quota.
    """

    def __init__(self, tables: Tables, dates: pd.Series[Any], contracts: ContractRows) -> None:
        self._contracts = contracts
        with_quota = _with_quota(self._contracts)
        keys = with_quota[["account_id", "quota_event"]].drop_duplicates(ignore_index=True)
        limits = keys.reset_index(names="limit")
        self._limits = with_quota.merge(limits, on=["account_id", "quota_event"])
        #: The accounts that ever had a quota, in the order of what `fullest` returns.
        self.accounts = pd.Index(keys["account_id"].unique(), dtype=object)
        products = self._limits[["account_id", "product", "quota_event", "limit"]]
        groups = products.groupby(list(products), sort=False).ngroup()
        self._product = groups.to_numpy().astype(np.int64)
        self._products = products.drop_duplicates(ignore_index=True)
        self._account = self.accounts.get_indexer(pd.Index(self._products["account_id"]))
        self._count = len(keys)
        self._rows = _usage_of(tables, keys, dates)

    def as_of(self, day: Any) -> pd.DataFrame:
        """Return how full each product's quota is as of a date.

        Returns
        -------
        pd.DataFrame
            A row per account and product with a quota that runs on the date: account_id, product,
            quota_event, quota (of 30 days, summed over the products that share the event),
            used_30d, share (used_30d over quota) and days_to_limit: what is left of the quota
            over the usage of a typical day, where typical is the median of the last four weeks, so
            that one burst does not count; 0 where nothing is left, NaN where the typical week is
            silent.
        """
        products, metrics = self._as_of(day)
        present = self._products.iloc[products].drop(columns="limit").reset_index(drop=True)
        return present.assign(**metrics)

    def fullest(self, day: Any) -> dict[str, Numbers]:
        """Return the quota features as of a date, by account; NaN where no quota runs."""
        products, metrics = self._as_of(day)
        account, count = self._account[products], len(self.accounts)
        runs = summed(account, count) > 0
        near = (metrics["share"] >= NEAR_LIMIT).astype(float)
        soonest = latest(account, count, -np.nan_to_num(metrics["days_to_limit"], nan=np.inf))
        return {
            "usage_quota_use_30d": latest(account, count, metrics["share"]),
            "usage_quota_days_to_limit": np.where(np.isfinite(soonest), -soonest, np.nan),
            "usage_quotas_near_limit": np.where(runs, summed(account, count, near), np.nan),
        }

    def _as_of(self, day: Any) -> tuple[Codes, dict[str, Numbers]]:
        """Return the products with a quota that runs, by number, and their values."""
        date = pd.Timestamp(day)
        rows = np.isin(self._limits["row"], self._contracts.as_of(date).running())
        limits, quotas = (self._limits[name].to_numpy()[rows] for name in ("limit", "quota"))
        quota = summed(limits, self._count, quotas)
        used, pace = self._usage(day_number(date))
        left = np.maximum(quota - used, 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            lasts = np.where(pace > 0, left / pace, np.nan)
            share = used / quota
        lasts = np.where(left > 0, lasts, 0.0)
        products = np.unique(self._product[rows])
        limit = self._products["limit"].to_numpy()[products]
        metrics = {"quota": quota, "used_30d": used, "share": share, "days_to_limit": lasts}
        return products, {name: value[limit] for name, value in metrics.items()}

    def _usage(self, as_of: int) -> tuple[Numbers, Numbers]:
        """Return the usage in 30 days and on a typical day, of each limit."""
        count = self._count
        used = self._rows.totals(self._rows.within(as_of, _REACH_DAYS), count, "quantity")
        weeks = self._rows.per_week(as_of, 4, count, "quantity")
        return used, median_of_each(weeks) / 7


def has_quotas(tables: Tables) -> bool:
    """Whether subscriptions record quotas and the events that count against them."""
    return tables.has("subscriptions", "quota") and tables.has("subscriptions", "quota_event")


def _with_quota(contracts: ContractRows) -> pd.DataFrame:
    """Return the contract rows with a quota, each with its place; empty where there is none."""
    columns = contracts.rows
    rows = np.flatnonzero((columns["quota"] > 0) & (columns["quota_event"] >= 0))
    names = ["account_id", "product", "quota", "quota_event"]
    return frame_of(columns, rows, names).assign(row=rows)


def _usage_of(tables: Tables, keys: pd.DataFrame, dates: pd.Series[Any]) -> DayRows:
    """Return the usage that counts against a limit by day, numbered by limit."""
    nothing = np.empty(0, dtype=np.int64)
    if not len(keys):
        return DayRows(nothing, nothing, nothing, None, {"quantity": np.empty(0)})
    events, accounts = (pd.Index(keys[name].unique()) for name in ("quota_event", "account_id"))
    start, end = day_number(dates.min()) - _REACH_DAYS, day_number(dates.max())
    parts = rolled_up(tables, "events", start, end, events=events.to_list())
    table = pa.concat_tables(parts, promote_options="default")
    # The limit of each account and event; −1, also at the last account and event, for none.
    limits = np.full((len(accounts) + 1, len(events) + 1), -1)
    limits[
        accounts.get_indexer(pd.Index(keys["account_id"])),
        events.get_indexer(pd.Index(keys["quota_event"])),
    ] = np.arange(len(keys))
    account, event = (
        np.append(names.get_indexer(pd.Index(found.to_pylist())), -1)[code]
        for names, (found, code) in (
            (accounts, named_codes(table["account_id"])),
            (events, named_codes(table["event"])),
        )
    )
    limit = limits[account, event]
    rows = np.flatnonzero(limit >= 0)
    known = known_days(table)
    return DayRows.ordered(
        limit[rows],
        limit[rows],
        table["day"].to_numpy()[rows].astype(np.int64),
        None if known is None else known[rows],
        {"quantity": table["quantity"].to_numpy()[rows]},
    )
