"""The contract: how long, how much, of what, until when, and whether notice was given."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from features.commercial_catalogue import FEATURES
from features.commercial_movements import MOVEMENTS, movements_before, on_date
from features.many_dates import (
    KEYS,
    Frame,
    column_or_null,
    count_where,
    days_between,
    known_on_dates,
    on_spine,
    seen,
)
from features.settings import DEFAULT_SETTINGS, FeatureSettings
from features.tables import Tables

__all__ = ["FEATURES", "build"]

#: So many accounts with the same product and plan make a price to compare with.
LEAST_PEERS = 5
_AS_OF = nw.col("as_of")

#: Decimals that figures of money are kept to.
_DIGITS = 9


def build(
    tables: Tables, spine: pd.DataFrame, *, settings: FeatureSettings = DEFAULT_SETTINGS
) -> pd.DataFrame:
    """Return the features of the contract of each account and date.

    Parameters
    ----------
    tables : Tables
        Without subscriptions every feature is NaN but the tenure, which orders tell, too.
    spine : pd.DataFrame
        account_id, as_of and created_at.
    settings : FeatureSettings
        The grace period.

    Returns
    -------
    pd.DataFrame, shape = (n_rows, n_features)
        The index of `spine`; a float column per feature.
    """
    names = [feature.name for feature in FEATURES]
    out = pd.DataFrame(np.nan, index=spine.index, columns=names)
    out["tenure_days"] = _tenure(tables, spine)
    if not tables.has("subscriptions"):
        return out
    rows = _contracts(tables, spine)
    now = on_spine(_levels(rows), spine)
    seats = now["seats"].where(now["seats"] > 0)
    out["mrr"], out["seats"] = now["mrr"], seats
    out["mrr_change_90d"] = now["mrr"] / _some(now["mrr_90d"]) - 1
    out["seats_change_180d"] = now["seats"] / _some(now["seats_180d"]) - 1
    out["price_per_seat"] = now["mrr"] / seats
    a_year_ago = now["mrr_365d"] / _some(now["seats_365d"])
    out["price_per_seat_change_365d"] = out["price_per_seat"] / _some(a_year_ago) - 1
    out["discount_share"] = 1 - now["listed_mrr"] / _some(now["list_mrr"])
    out["billing_months"] = now["billed_months"] / _some(now["billed_mrr"])
    out["days_to_renewal"] = _days(pd.to_datetime(now["renews_at"]) - spine["as_of"])
    noticed = now["noticed"] >= now["rows"]
    out["notice_given"] = noticed.astype(float)
    given = _days(spine["as_of"] - pd.to_datetime(now["notice_at"]))
    out["days_since_notice"] = given.where(noticed)
    out["products_held"] = on_spine(_products(rows), spine)["products"]
    out["contract_days"] = on_spine(_term(rows), spine)["term"]
    out["price_vs_peers"] = on_spine(_against_peers(rows), spine)["change"]
    moved = _moves(movements_before(tables, spine, grace_days=settings.grace_days), spine)
    whole = out.assign(**{name: moved[name] for name in moved.columns})[names].astype(float)
    # Engines add prices up in any order: what that leaves in the last digits is no money.
    return whole.round(_DIGITS)


def _contracts(tables: Tables, spine: pd.DataFrame) -> Frame:
    """Return the paid rows known on each date, as they stood then, optional columns null."""
    times = ("renews_at", "notice_at")
    numbers = ("list_mrr", "billing_months", "seats")
    rows = known_on_dates(tables, "subscriptions", spine).filter(nw.col("mrr") > 0)
    return rows.select(
        *KEYS,
        "product",
        "started_at",
        "mrr",
        seen("ended_at"),
        nw.coalesce(column_or_null(tables, "subscriptions", "plan", nw.String), nw.lit("")).alias(
            "plan"
        ),
        *(column_or_null(tables, "subscriptions", c, nw.Datetime("us")) for c in times),
        *(column_or_null(tables, "subscriptions", c, nw.Float64) for c in numbers),
    ).with_columns(
        seen("notice_at"),
        nw.col("seats").fill_null(0.0),
        renews_at=nw.when(nw.col("renews_at") >= _AS_OF).then(nw.col("renews_at")),
    )


def _ran(days: int = 0) -> nw.Expr:
    """Tell which rows ran so many days before the date, as known on the date."""
    then = _AS_OF - timedelta(days=days) if days else _AS_OF
    return (nw.col("started_at") < then) & ~(nw.col("ended_at") < then).fill_null(False)


def _sum(condition: nw.Expr, value: nw.Expr) -> nw.Expr:
    return nw.when(condition).then(value).otherwise(nw.lit(0.0)).sum()


def _levels(rows: Frame) -> Frame:
    """Sum up what runs on the date, and what ran some time before it, per account."""
    mrr, seats, runs = nw.col("mrr"), nw.col("seats"), _ran()
    listed = runs & (nw.col("list_mrr") > 0)
    billed = runs & (nw.col("billing_months") > 0)
    return rows.group_by(*KEYS).agg(
        _sum(runs, mrr).alias("mrr"),
        _sum(runs, seats).alias("seats"),
        _sum(_ran(90), mrr).alias("mrr_90d"),
        _sum(_ran(180), seats).alias("seats_180d"),
        _sum(_ran(365), mrr).alias("mrr_365d"),
        _sum(_ran(365), seats).alias("seats_365d"),
        _sum(listed, mrr).alias("listed_mrr"),
        _sum(listed, nw.col("list_mrr")).alias("list_mrr"),
        _sum(billed, mrr).alias("billed_mrr"),
        _sum(billed, mrr * nw.col("billing_months")).alias("billed_months"),
        nw.when(runs).then(nw.col("renews_at")).min().alias("renews_at"),
        nw.when(runs).then(nw.col("notice_at")).max().alias("notice_at"),
        count_where(runs & ~nw.col("notice_at").is_null()).alias("noticed"),
        count_where(runs).alias("rows"),
    )


def _products(rows: Frame) -> Frame:
    held = rows.filter(_ran()).select(*KEYS, "product").unique()
    return held.group_by(*KEYS).agg(nw.len().alias("products"))


def _term(rows: Frame) -> Frame:
    """Return the term of the running row that pays most; of several such rows the shortest."""
    ahead = rows.filter(_ran() & ~nw.col("renews_at").is_null())
    ahead = ahead.select(*KEYS, "mrr", term=days_between("started_at", "renews_at"))
    largest = ahead.group_by(*KEYS).agg(nw.col("mrr").max())
    return ahead.join(largest, on=[*KEYS, "mrr"]).group_by(*KEYS).agg(nw.col("term").min())


def _against_peers(rows: Frame) -> Frame:
    """Hold the price of a seat against the median of accounts with the same product and plan."""
    seated = rows.filter(_ran() & (nw.col("seats") > 0))
    own = seated.group_by(*KEYS, "product", "plan").agg(nw.col("mrr").sum(), nw.col("seats").sum())
    deal = ("as_of", "product", "plan")
    own = own.with_columns(price=nw.col("mrr") / nw.col("seats"))
    usual = own.group_by(*deal).agg(
        nw.col("price").median().alias("usual"), nw.len().alias("accounts")
    )
    usual = usual.filter(nw.col("accounts") >= LEAST_PEERS)
    both = own.join(usual, on=list(deal), how="inner")
    sums = both.group_by(*KEYS).agg(
        nw.col("mrr").sum(), (nw.col("seats") * nw.col("usual")).sum().alias("at_usual")
    )
    return sums.select(*KEYS, change=nw.col("mrr") / nw.col("at_usual") - 1)


def _tenure(tables: Tables, spine: pd.DataFrame) -> pd.Series[float]:
    """Return the whole days since the account began: its own start, or that of paying."""
    table, begins = (
        ("subscriptions", "started_at") if tables.has("subscriptions") else ("orders", "ordered_at")
    )
    rows = known_on_dates(tables, table, spine)
    if table == "subscriptions":
        rows = rows.filter(nw.col("mrr") > 0)
    first = on_spine(rows.group_by(*KEYS).agg(nw.col(begins).min().alias("first")), spine)
    begun = pd.concat([spine["created_at"], pd.to_datetime(first["first"])], axis=1).min(axis=1)
    return _days(spine["as_of"] - begun).map(np.floor)


def _moves(movements: pd.DataFrame, spine: pd.DataFrame) -> pd.DataFrame:
    """Sum up and count the movements before each date, per account."""
    parts = [
        _moves_of_date(movements, day, spine.loc[spine["as_of"] == day, "account_id"])
        for day in spine["as_of"].drop_duplicates()
    ]
    if not parts:
        return pd.DataFrame(index=spine.index)
    return pd.concat(parts).reindex(spine.index)


def _moves_of_date(
    movements: pd.DataFrame, day: pd.Timestamp, accounts: pd.Series[str]
) -> pd.DataFrame:
    half_year, year = on_date(movements, day, 180), on_date(movements, day, 365)
    out = {}
    by_kind = dict(list(half_year.groupby("kind")))
    for kind in MOVEMENTS:
        moved = by_kind.get(kind, half_year.iloc[:0]).groupby("account_id")["amount"]
        out[f"mrr_{kind}_180d"] = accounts.map(moved.sum()).fillna(0.0)
        if kind in {"expansion", "contraction"}:
            out[f"{kind}s_180d"] = accounts.map(moved.size()).fillna(0.0)
    changes = year[year["is_change"].astype(bool)].groupby("account_id").size()
    out["billing_changes_365d"] = accounts.map(changes).fillna(0.0)
    return pd.DataFrame(out)


def _some(amount: pd.Series[float]) -> pd.Series[float]:
    return amount.where(amount > 1e-9)


def _days(duration: pd.Series[Any]) -> pd.Series[float]:
    days: pd.Series[float] = duration.dt.total_seconds() / 86_400
    return days
