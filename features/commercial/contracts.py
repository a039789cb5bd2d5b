"""What an account's contracts are as of a date: prices, seats, terms, notice."""

from __future__ import annotations

import narwhals as nw
import numpy as np
import numpy.typing as npt
import pandas as pd

from features.tables.opened import Tables
from features.tables.schema import Kind
from features.windows.day_rows import Codes, Numbers, earliest, order_of, summed
from features.windows.observation_dates import ByAccount
from features.windows.table_columns import (
    NEVER,
    Quantiles,
    TableColumns,
    Times,
    days_before,
    days_from,
    load_columns,
    moment,
)

#: So many accounts with the same product and plan make a price to compare with.
LEAST_PEERS = 5
#: Less than this is no money.
_DUST = 1e-9
Rows = npt.NDArray[np.intp]
_NEEDED = ("account_id", "product", "started_at", "ended_at", "mrr")
#: Columns that may be empty.
_OPTIONAL: dict[str, Kind] = {
    "plan": "text",
    "renews_at": "time",
    "notice_at": "time",
    "list_mrr": "number",
    "billing_months": "number",
}


class Contracts:
    """The paid rows of subscriptions (`paid_rows`), looked at as of one date after another."""

    def __init__(self, rows: TableColumns) -> None:
        self._rows = rows
        self._count, self._seen_from = rows.accounts, rows.seen_from("started_at")
        self._product, self._product_account = _numbered(rows.account, rows["product"])
        # Prices are compared within a deal.
        deals, deal = np.unique(deal_of(rows), return_inverse=True)
        self._deals = len(deals)
        self._held, self._held_deal = _numbered(deal, rows.account)
        self._held_account = np.zeros(len(self._held_deal), dtype=np.int64)
        self._held_account[self._held] = rows.account

    def as_of(self, day: pd.Timestamp) -> ByAccount:
        """Return the features of every account as of a date, and when it first paid.

        Returns
        -------
        mapping of str to array
            By feature; ``paid_from`` in microseconds from 1970. NaN where an account has no row
            that was known.
        """
        as_of = moment(day)
        seen = np.flatnonzero(self._seen_from < as_of)
        first = earliest(self._rows.account[seen], self._count, self._rows["started_at"][seen])
        ever = first != NEVER
        runs = self._ran(seen, as_of)
        out = self._levels(seen, as_of) | self._terms(runs, as_of)
        held = summed(self._product[runs], len(self._product_account)) > 0
        products = summed(self._product_account[held], self._count)
        out["products_held"] = np.where(products > 0, products, np.nan)
        out["price_vs_peers"] = self._against_peers(runs)
        out = {name: np.where(ever, values, np.nan) for name, values in out.items()}
        return out | {"paid_from": np.where(ever, first.astype(float), np.nan)}

    def _ran(self, seen: Rows, as_of: int, days: int = 0) -> Rows:
        """Return the rows that ran so many days before a moment, as known at the moment."""
        then = days_before(as_of, days)
        started, ended = self._rows["started_at"][seen], self._rows["ended_at"][seen]
        return seen[(started < then) & (ended >= then)]

    def _sum(self, rows: Rows, *columns: str) -> Numbers:
        weights = np.prod([self._rows[name][rows] for name in columns], axis=0)
        return summed(self._rows.account[rows], self._count, weights)

    def _levels(self, seen: Rows, as_of: int) -> dict[str, Numbers]:
        """Sum up what runs at a moment, and what ran some time before it."""
        runs, year = self._ran(seen, as_of), self._ran(seen, as_of, 365)
        mrr, seats = self._sum(runs, "mrr"), self._sum(runs, "seats")
        listed = runs[self._rows["list_mrr"][runs] > 0]
        billed = runs[self._rows["billing_months"][runs] > 0]
        seated = np.where(seats > 0, seats, np.nan)
        a_year_ago = self._sum(year, "mrr") / _some(self._sum(year, "seats"))
        price = mrr / seated
        before = {days: self._ran(seen, as_of, days) for days in (90, 180)}
        return {
            "mrr": mrr,
            "seats": seated,
            "mrr_change_90d": mrr / _some(self._sum(before[90], "mrr")) - 1,
            "seats_change_180d": seats / _some(self._sum(before[180], "seats")) - 1,
            "price_per_seat": price,
            "price_per_seat_change_365d": price / _some(a_year_ago) - 1,
            "discount_share": 1 - self._sum(listed, "mrr") / _some(self._sum(listed, "list_mrr")),
            "billing_months": self._sum(billed, "mrr", "billing_months")
            / _some(self._sum(billed, "mrr")),
        }

    def _terms(self, runs: Rows, as_of: int) -> dict[str, Numbers]:
        """Tell when the term ends, how long it is, and whether notice was given."""
        account, count = self._rows.account, self._count
        ahead = runs[(self._rows["renews_at"][runs] >= as_of)]
        ahead = ahead[self._rows["renews_at"][ahead] != NEVER]
        renews = earliest(account[ahead], count, self._rows["renews_at"][ahead])
        result = runs[self._rows["notice_at"][runs] < as_of]
        noticed = summed(account[result], count) >= summed(account[runs], count)
        given = np.full(count, np.iinfo(np.int64).min)
        np.maximum.at(given, account[result], self._rows["notice_at"][result])
        present = noticed & (given > np.iinfo(np.int64).min)
        since = days_from(np.where(present, given, NEVER), as_of)
        return {
            "days_to_renewal": days_from(as_of, renews),
            "notice_given": noticed.astype(float),
            "days_since_notice": since,
            "contract_days": self._term(ahead),
        }

    def _term(self, ahead: Rows) -> Numbers:
        """Return the term of the row that pays most; of several such rows the shortest."""
        account, mrr = self._rows.account[ahead], self._rows["mrr"][ahead]
        most = np.zeros(self._count)
        np.maximum.at(most, account, mrr)
        largest = mrr == most[account]
        rows = ahead[largest]
        lasts: Times = self._rows["renews_at"][rows] - self._rows["started_at"][rows]
        return days_from(0, earliest(account[largest], self._count, lasts))

    def _against_peers(self, runs: Rows) -> Numbers:
        """Hold the price of a seat against the median of accounts with the same deal."""
        seated = runs[self._rows["seats"][runs] > 0]
        held = self._held[seated]
        mrr, seats = (
            summed(held, len(self._held_deal), self._rows[name][seated])
            for name in ("mrr", "seats")
        )
        own = np.flatnonzero(seats > 0)
        deal, price = self._held_deal[own], mrr[own] / seats[own]
        order = np.argsort(price)
        order = order[order_of(deal[order])]
        usual = Quantiles(deal[order], self._deals, price[order]).of(0.5)
        usual[np.bincount(deal, minlength=self._deals) < LEAST_PEERS] = np.nan
        at_usual = seats[own] * usual[deal]
        compared = ~np.isnan(at_usual)
        account = self._held_account[own][compared]
        paid = summed(account, self._count, mrr[own][compared])
        return paid / _some(summed(account, self._count, at_usual[compared])) - 1


def paid_rows(tables: Tables, accounts: pd.Index[str]) -> TableColumns:
    """Return the paid rows of subscriptions of these accounts; optional columns may be empty."""
    present = [c for c in ("known_at", *_OPTIONAL) if tables.has("subscriptions", c)]
    has_seats = tables.has("subscriptions", "seats")
    seats = nw.col("seats").fill_null(0.0) if has_seats else nw.lit(0.0).alias("seats")
    rows = tables["subscriptions"].filter(nw.col("mrr") > 0).select(*_NEEDED, seats, *present)
    return load_columns(rows, accounts, optional=_OPTIONAL)


def deal_of(rows: TableColumns) -> Codes:
    """Return a number for each row's product and plan."""
    plans = len(rows.texts["plan"]) + 1
    deal: Codes = rows["product"].astype(np.int64) * plans + rows["plan"] + 1
    return deal


def _numbered(first: Codes, second: Codes) -> tuple[Codes, Codes]:
    """Return each row's pair of codes, by number, and the first code of each pair."""
    width = int(second.max(initial=0)) + 1
    pairs, number = np.unique(first * width + second, return_inverse=True)
    return number.astype(np.int64), pairs // width


def _some(amount: Numbers) -> Numbers:
    return np.where(amount > _DUST, amount, np.nan)
