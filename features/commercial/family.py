"""The contract: how long, how much, of what, until when, and whether notice was given."""

from __future__ import annotations

import narwhals as nw
import numpy as np
import pandas as pd

from features.commercial.catalogue import FEATURES
from features.commercial.contracts import COLUMNS, Contracts
from features.commercial.movements import Movements
from features.definitions.settings import DEFAULT_SETTINGS, FeatureSettings
from features.tables.opened import Tables
from features.windows.contracts import load_contracts
from features.windows.day_rows import Numbers, latest
from features.windows.observation_dates import ByAccount, DateFeatures, ObservationDates, OneDate
from features.windows.table_columns import load_columns, moment

__all__ = ["FEATURES", "prepare"]

#: Decimals to which money is rounded.
_DIGITS = 9
_DAY_US = 86_400_000_000


def prepare(
    tables: Tables, dates: ObservationDates, *, settings: FeatureSettings = DEFAULT_SETTINGS
) -> DateFeatures:
    """Return a function that gives the contract features of each account on a date.

    Parameters
    ----------
    tables : Tables
        Without subscriptions every feature is NaN except the tenure, which then counts from the
        first order.
    dates : ObservationDates
        The observations need created_at.
    settings : FeatureSettings
        The grace period.
    """
    if not tables.has("subscriptions"):
        first = _FirstOrders(tables, dates.observations, dates.accounts)
        return lambda date: {
            "tenure_days": _tenure(date, **date.broadcast(first.as_of(date.as_of)))
        }
    company = load_contracts(tables, grace_days=settings.grace_days, columns=COLUMNS)
    rows = company.of(dates.accounts)
    contracts, movements = Contracts(rows), Movements(rows)

    def result(date: OneDate) -> dict[str, Numbers]:
        known = rows.as_of(date.as_of)
        out = date.broadcast(contracts.as_of(known) | movements.as_of(known))
        out["tenure_days"] = _tenure(date, out.pop("paid_from"))
        # Engines add prices in any order: what that leaves in the last digits is no money.
        return {name: np.round(values, _DIGITS) for name, values in out.items()}

    return result


class _FirstOrders:
    """When each account ordered for the first time, as known on one date after another."""

    def __init__(self, tables: Tables, observations: pd.DataFrame, accounts: pd.Index[str]) -> None:
        keys = ["account_id", *(["known_at"] if tables.has("orders", "known_at") else [])]
        rows = tables["orders"].filter(
            nw.col("ordered_at") < observations["as_of"].max().to_pydatetime()
        )
        if "known_at" in keys:
            # What was known before every date is seen on all of them.
            late = nw.when(nw.col("known_at") >= observations["as_of"].min().to_pydatetime())
            rows = rows.with_columns(known_at=late.then(nw.col("known_at")))
        self._first = load_columns(rows.group_by(*keys).agg(nw.col("ordered_at").min()), accounts)
        self._seen_from = self._first.seen_from("ordered_at")

    def as_of(self, day: pd.Timestamp) -> ByAccount:
        """Return ``paid_from``, in microseconds from 1970; NaN where no order was known."""
        seen = np.flatnonzero(self._seen_from < moment(day))
        account, at = self._first.account[seen], self._first["ordered_at"][seen]
        return {"paid_from": -latest(account, self._first.accounts, -at.astype(float))}


def _tenure(date: OneDate, paid_from: Numbers) -> Numbers:
    """Return the whole days since the account began: its own start, or that of paying."""
    started = np.fmin(_microseconds(date.observations["created_at"]), paid_from)
    days: Numbers = np.floor((moment(date.as_of) - started) / _DAY_US)
    return days


def _microseconds(times: pd.Series[pd.Timestamp]) -> Numbers:
    """Return times in microseconds from 1970; NaN for none."""
    result = times.to_numpy().astype("datetime64[us]")
    return np.where(np.isnat(result), np.nan, result.astype(np.int64))
