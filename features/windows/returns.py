"""Orders that were returned in full: they are no purchase, whichever way they were returned."""

from __future__ import annotations

from typing import NamedTuple

import narwhals as nw
import numpy as np
import numpy.typing as npt
import pandas as pd

from features.tables.opened import Tables
from features.tables.point_in_time import Frame, collect, known_from

#: Less than this is rounding, not money.
_DUST = 0.005


def returning_rows(tables: Tables, rows: Frame) -> tuple[Frame, pd.DataFrame]:
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
    pd.DataFrame
        The rows of accounts with one: account_id, ordered_at, amount, product and known_from.
    """
    returning = rows.filter(nw.col("amount") < 0).select("account_id").unique()
    has_product = tables.has("orders", "product")
    product = nw.col("product") if has_product else nw.lit(None, nw.String).alias("product")
    own = rows.join(returning, on="account_id", how="semi")
    known = known_from(own, "ordered_at")
    frame = collect(own.select("account_id", "ordered_at", "amount", product, known))
    return rows.join(returning, on="account_id", how="anti"), frame


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
    net = amounts.copy()
    accounts = pd.factorize(rows["account_id"])[0]
    times = pd.DatetimeIndex(rows["ordered_at"])
    # On one day, orders come before returns.
    order = np.lexsort((times, amounts < 0, times.normalize(), accounts))
    accounts, returns = accounts[order], np.flatnonzero(amounts[order] < 0)
    starts = np.searchsorted(accounts, accounts[returns])
    left = amounts[order].tolist()
    products = rows["product"].to_numpy(dtype=object)[order].tolist()
    shares: list[_Share] = []
    for place, start in zip(returns.tolist(), starts.tolist(), strict=True):
        shares += _set_off(place, range(place - 1, start - 1, -1), left, products)
    for share in shares:
        if left[share.order] <= _DUST:
            net[order[share.order]] = np.nan
            net[order[share.place]] += share.amount
    is_return = amounts < 0
    net[is_return & (net > -_DUST)] = np.nan
    return net


class _Share(NamedTuple):
    """What of a return was set off against an order; both by their place in order of time."""

    place: int
    order: int
    amount: float


def _set_off(place: int, earlier: range, left: list[float], products: list[object]) -> list[_Share]:
    """Set a return off against earlier rows, the latest first; note what is left of these."""
    amount, product = -left[place], products[place]
    # A return of the product "Refund", which nobody orders, is one of any product.
    any_product = not isinstance(product, str) or not any(
        left[order] >= 0 and products[order] == product for order in earlier
    )
    open_orders = []
    for order in earlier:
        if left[order] > _DUST and (any_product or products[order] == product):
            if abs(left[order] - amount) <= _DUST:
                open_orders = [order]
                break
            open_orders.append(order)
    else:
        open_orders = [o for o in open_orders if left[o] >= amount][:1] or open_orders
    found = []
    for order in open_orders:
        if amount <= _DUST:
            break
        part = min(left[order], amount)
        left[order] -= part
        amount -= part
        found.append(_Share(place, order, part))
    return found
