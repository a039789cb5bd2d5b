"""Orders that were returned in full: they are no purchase, whichever way they were returned."""

from __future__ import annotations

from typing import NamedTuple

import narwhals as nw
import numpy as np
import numpy.typing as npt
import pandas as pd

from features.tables.opened import Tables
from features.tables.point_in_time import Frame, known_from

#: Less than this is rounding, not money.
_DUST = 0.005
#: Rows by number.
_Places = npt.NDArray[np.intp]


def returning_rows(tables: Tables, rows: Frame) -> tuple[Frame, Frame]:
    """Divide orders into those of accounts that never returned anything, and all others.

    Parameters
    ----------
    tables : Tables
        Needs orders.
    rows : narwhals.LazyFrame
        Rows of orders.

    Returns
    -------
    narwhals.LazyFrame
        The rows of accounts without a return.
    narwhals.LazyFrame
        The rows of accounts with one: account_id, ordered_at, amount, product and known_from.
    """
    returning = rows.filter(nw.col("amount") < 0).select("account_id").unique()
    has_product = tables.has("orders", "product")
    product = nw.col("product") if has_product else nw.lit(None, nw.String).alias("product")
    own = rows.join(returning, on="account_id", how="semi")
    known = known_from(own, "ordered_at")
    own = own.select("account_id", "ordered_at", "amount", product, known)
    return rows.join(returning, on="account_id", how="anti"), own


def kept_orders(rows: pd.DataFrame, as_of: pd.Timestamp | None = None) -> pd.DataFrame:
    """Return the rows known before a date (by default all), net of orders returned in full."""
    if as_of is not None:
        rows = rows[rows["known_from"] < as_of]
    return rows.assign(amount=net_returns(rows)).dropna(subset=["amount"])


def net_returns(rows: pd.DataFrame) -> npt.NDArray[np.float64]:
    """Return what is left of each row after returns were set off against the orders before them.

    A return is a row with an amount below zero. It is set off against the orders that came
    before it or on the same day (returns are often recorded by day, orders by the minute): the
    latest order of the same amount, or else the latest one of which as much is left, or else the
    latest ones with something left; where it names a product that was ordered, orders of this
    product only. So an order may be returned at once, in parts, or together with others.

    Parameters
    ----------
    rows : pd.DataFrame
        account_id, ordered_at, amount and product (None where it is not recorded) of some accounts,
        as known on one date.

    Returns
    -------
    array of float, shape = (n_rows,)
        The amount of each row; NaN for an order that was returned in full and for the returns of
        it. A return that no order explains stays as it is.

    Examples
    --------
    >>> days = ["2026-04-01", "2026-04-03", "2026-04-05", "2026-04-06"]
    >>> rows = pd.DataFrame({"account_id": "a", "ordered_at": days, "product": None})
    >>> net_returns(rows.assign(amount=[100.0, 30.0, -60.0, -40.0]))
    array([nan, 30., nan, nan])
    """
    amounts = rows["amount"].to_numpy(dtype=float)
    accounts = pd.factorize(rows["account_id"])[0]
    times = pd.DatetimeIndex(rows["ordered_at"])
    # On one day, orders come before returns.
    days = times.to_numpy().astype("datetime64[D]").astype(np.int64)
    span = int(days.max(initial=0)) - int(days.min(initial=0)) + 1
    day_of_account = accounts * span + days - int(days.min(initial=0))
    order = np.lexsort((times, day_of_account * 2 + (amounts < 0)))
    accounts, net = accounts[order], amounts[order]
    left, products = net.copy(), pd.factorize(rows["product"])[0][order]
    returns = np.flatnonzero(net < 0)
    starts = np.searchsorted(accounts, accounts[returns])
    # The first return of every account, then the second of those that have one, and so on.
    _, first, count = np.unique(starts, return_index=True, return_counts=True)
    turn = np.arange(len(returns)) - np.repeat(first, count)
    by_turn = np.split(np.argsort(turn, kind="stable"), np.cumsum(np.bincount(turn))[:-1])
    shares = [_set_off(returns[at], starts[at], left, products) for at in by_turn]
    for share in shares:
        whole = left[share.order] <= _DUST
        net[share.order[whole]] = np.nan
        np.add.at(net, share.place[whole], share.amount[whole])
    net[returns[net[returns] > -_DUST]] = np.nan
    result = np.empty_like(net)
    result[order] = net
    return result


class _Shares(NamedTuple):
    """What of returns was set off against orders; both by their place in order of time."""

    place: _Places
    order: _Places
    amount: npt.NDArray[np.float64]


def _set_off(
    place: _Places, start: _Places, left: npt.NDArray[np.float64], product: npt.NDArray[np.intp]
) -> _Shares:
    """Set one return of each of some accounts off against earlier orders; note what is left.

    Parameters
    ----------
    place, start : array of int
        Each return, and the first row of its account.
    left : array of float
        What is left of each row; it is changed.
    product : array of int
        The code of each row's product, −1 without one.
    """
    # A row per return and earlier row of its account, the latest first.
    count = place - start
    which = np.repeat(np.arange(len(place)), count)
    order = np.repeat(place + np.cumsum(count) - count, count) - np.arange(len(which)) - 1
    amount, has = -left[place], left[order]
    same_product = (product[order] == product[place][which]) & (product[order] >= 0)
    # A return of the product "Refund", which nobody orders, is one of any product.
    ordered = _any(which[same_product & (has >= 0)], len(place))
    is_open = (has > _DUST) & (same_product | ~ordered[which])
    which, order, has = which[is_open], order[is_open], has[is_open]
    equal, enough = np.abs(has - amount[which]) <= _DUST, has >= amount[which]
    rows = np.arange(len(which))
    is_single = np.zeros(len(place), dtype=bool)
    chosen = np.zeros(len(which), dtype=bool)
    for fits in (equal, enough):
        found = rows[fits & ~is_single[which]]
        single, first = np.unique(which[found], return_index=True)
        chosen[found[first]] = True
        is_single[single] = True
    chosen |= ~is_single[which]
    which, order, has = which[chosen], order[chosen], has[chosen]
    before = np.cumsum(has) - has
    first = np.searchsorted(which, which)
    rest = amount[which] - (before - before[first])
    part = np.where(rest > _DUST, np.minimum(has, rest), 0.0)
    set_off = part > 0
    left[order] -= part
    return _Shares(place[which[set_off]], order[set_off], part[set_off])


def _any(codes: npt.NDArray[np.intp], count: int) -> npt.NDArray[np.bool_]:
    """Return which codes from 0 to count − 1 occur."""
    occurs = np.zeros(count, dtype=bool)
    occurs[codes] = True
    return occurs
