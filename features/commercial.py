"""The contract: how long, how much, of what, until when, and whether notice was given."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from features.feature import Feature, Unit
from features.point_in_time import collect, known_rows, running
from features.tables import Tables

_SEATLESS = "no seats in the contract"
_ENDLESS = "no renewal date is known"


def _deal(
    name: str,
    unit: Unit,
    direction: int,
    sentence: str,
    zero: str,
    *,
    window: int | None = None,
    null: str = "no contract is recorded",
    table: str = "subscriptions",
    size: bool = False,
) -> Feature:
    return Feature(name, "commercial", table, window, unit, direction, null, zero, sentence, size)


FEATURES = (
    _deal(
        "tenure_days",
        "days",
        1,
        "Days as a customer: {value}",
        "became a customer on the day before",
        table="accounts",
        null="no start is recorded",
        size=True,
    ),
    _deal("mrr", "money", 0, "Pays {value} a month", "pays nothing", size=True),
    _deal(
        "mrr_change_90d",
        "change",
        1,
        "What it pays a month is {value} against 90 days ago",
        "what it pays a month is unchanged against 90 days ago",
        window=90,
        null="did not pay 90 days ago",
    ),
    _deal(
        "seats", "count", 0, "Seats in the contract: {value}", _SEATLESS, null=_SEATLESS, size=True
    ),
    _deal(
        "seats_change_180d",
        "change",
        1,
        "The number of seats is {value} against 180 days ago",
        "the number of seats is unchanged against 180 days ago",
        window=180,
        null="had no seats 180 days ago",
    ),
    _deal("products_held", "count", 1, "Products held: {value}", "holds no product", size=True),
    _deal(
        "days_to_renewal",
        "days",
        0,
        "Days until the contract renews: {value}",
        "the contract renews today",
        null=_ENDLESS,
    ),
    _deal(
        "contract_days",
        "days",
        1,
        "Length of the contract in days: {value}",
        "the contract has no length",
        null=_ENDLESS,
        size=True,
    ),
    _deal(
        "price_per_seat",
        "money",
        0,
        "Pays {value} for each seat and month",
        "pays nothing",
        null=_SEATLESS,
        size=True,
    ),
    _deal(
        "expansions_180d",
        "count",
        1,
        "Times it began to pay more in 180 days: {value}",
        "did not begin to pay more in 180 days",
        window=180,
    ),
    _deal(
        "contractions_180d",
        "count",
        -1,
        "Times it began to pay less in 180 days: {value}",
        "did not begin to pay less in 180 days",
        window=180,
    ),
    _deal("notice_given", "flag", -1, "Has given notice of cancellation", "no notice was given"),
    _deal(
        "days_since_notice",
        "days",
        0,
        "Days since notice was given: {value}",
        "gave notice today",
        null="no notice was given",
    ),
)


def build(tables: Tables, as_of: datetime, accounts: pd.DataFrame) -> pd.DataFrame:
    """Return the commercial features as of a date.

    Parameters
    ----------
    tables : Tables
        Needs accounts and subscriptions.
    as_of : datetime
        Only what was known before it counts.
    accounts : pd.DataFrame
        Indexed by account_id, with created_at.
    """
    now = collect(_holdings(tables, as_of)).set_index("account_id").reindex(accounts.index)
    steps = _steps(tables, as_of)
    out = pd.DataFrame(index=accounts.index)
    day = pd.Timestamp(as_of)
    first = steps.groupby("account_id")["at"].min().reindex(out.index)
    begun = pd.concat([accounts["created_at"], first], axis=1).min(axis=1)
    out["tenure_days"] = np.floor((day - begun).dt.total_seconds() / 86_400)
    out["mrr"] = now["mrr"]
    out["seats"] = now["seats"].where(now["seats"] > 0)
    out["mrr_change_90d"] = _relative_change(steps, day, 90, "mrr").reindex(out.index)
    out["seats_change_180d"] = _relative_change(steps, day, 180, "seats").reindex(out.index)
    out["products_held"] = now["products"]
    out["days_to_renewal"] = _days(pd.to_datetime(now["renews_at"]) - day)
    term = _longest_term(tables, as_of).reindex(out.index)
    out["contract_days"] = term
    out["price_per_seat"] = out["mrr"] / out["seats"]
    moves = _moves(steps, day - timedelta(days=180))
    out["expansions_180d"] = moves["up"].reindex(out.index).fillna(0.0)
    out["contractions_180d"] = moves["down"].reindex(out.index).fillna(0.0)
    noticed = now["noticed"] >= now["rows"]
    out["notice_given"] = noticed.astype(float)
    out["days_since_notice"] = _days(day - pd.to_datetime(now["notice_at"])).where(noticed)
    return out[[feature.name for feature in FEATURES]].astype(float)


def _holdings(tables: Tables, as_of: datetime) -> nw.LazyFrame[Any]:
    """Sum up what runs at the date, per account."""
    rows = running(tables, as_of).filter(nw.col("mrr") > 0)
    none = nw.lit(None, dtype=nw.Datetime("us"))
    renews = nw.col("renews_at") if tables.has("subscriptions", "renews_at") else none
    notice = nw.col("notice_at") if tables.has("subscriptions", "notice_at") else none
    seats = nw.col("seats") if tables.has("subscriptions", "seats") else nw.lit(0.0)
    rows = rows.select(
        "account_id",
        "product",
        "mrr",
        seats.alias("seats"),
        nw.when(renews >= as_of).then(renews).alias("renews_at"),
        nw.when(notice < as_of).then(notice).alias("notice_at"),
    )
    products = (
        rows.select("account_id", "product")
        .unique()
        .group_by("account_id")
        .agg(nw.len().alias("products"))
    )
    summed = rows.group_by("account_id").agg(
        nw.col("mrr").sum(),
        nw.col("seats").sum(),
        nw.col("renews_at").min(),
        nw.col("notice_at").max(),
        nw.col("notice_at").count().alias("noticed"),
        nw.len().alias("rows"),
    )
    return summed.join(products, on="account_id", how="left")


def _steps(tables: Tables, as_of: datetime) -> pd.DataFrame:
    """Return every movement of what is paid for: MRR and seats netted per account and moment."""
    rows = known_rows(tables, "subscriptions", as_of).filter(nw.col("mrr") > 0)
    seats = nw.col("seats").fill_null(0.0) if tables.has("subscriptions", "seats") else nw.lit(0.0)
    rows = rows.with_columns(seats=seats)
    starts = rows.select("account_id", nw.col("started_at").alias("at"), "mrr", "seats")
    ends = rows.filter(nw.col("ended_at") < as_of).select(
        "account_id", nw.col("ended_at").alias("at"), -nw.col("mrr"), -nw.col("seats")
    )
    both = nw.concat([starts, ends], how="vertical")
    netted = both.group_by("account_id", "at").agg(nw.col("mrr").sum(), nw.col("seats").sum())
    return collect(netted).sort_values(["account_id", "at"]).reset_index(drop=True)


def _relative_change(
    steps: pd.DataFrame, day: pd.Timestamp, days: int, column: str
) -> pd.Series[float]:
    """Return the level now over the level so many days ago, less one; NaN where it was zero."""
    now = steps.groupby("account_id")[column].sum()
    earlier = steps[steps["at"] < day - timedelta(days=days)]
    then = earlier.groupby("account_id")[column].sum().reindex(now.index)
    return now / then.where(then > 1e-9) - 1.0


def _moves(steps: pd.DataFrame, since: pd.Timestamp) -> pd.DataFrame:
    """Count rises and falls of MRR since a time; the first start and a full end are neither."""
    level = steps.groupby("account_id")["mrr"].cumsum()
    before = level - steps["mrr"]
    held = (before > 1e-9) & (level > 1e-9) & (steps["at"] >= since)
    up, down = held & (steps["mrr"] > 1e-9), held & (steps["mrr"] < -1e-9)
    return pd.DataFrame({"up": up, "down": down}).astype(float).groupby(steps["account_id"]).sum()


def _longest_term(tables: Tables, as_of: datetime) -> pd.Series[float]:
    """Return the term in days of the running row that pays most."""
    if not tables.has("subscriptions", "renews_at"):
        return pd.Series(dtype=float)
    rows = running(tables, as_of).filter((nw.col("mrr") > 0) & (nw.col("renews_at") >= as_of))
    terms = collect(rows.select("account_id", "product", "mrr", "started_at", "renews_at"))
    ordered = terms.sort_values(
        ["account_id", "mrr", "renews_at", "product"], ascending=[True, False, True, True]
    )
    first = ordered.drop_duplicates("account_id").set_index("account_id")
    return _days(first["renews_at"] - first["started_at"])


def _days(duration: pd.Series[Any]) -> pd.Series[float]:
    days: pd.Series[float] = duration.dt.total_seconds() / 86_400
    return days
