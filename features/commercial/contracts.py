"""What an account's contracts are as of a date: prices, seats, terms, notice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from features.windows.contracts import ContractRows, KnownContracts, Rows
from features.windows.day_rows import Codes, Numbers, earliest, summed
from features.windows.fleet import FleetColumns
from features.windows.observation_dates import ByAccount
from features.windows.table_columns import (
    NEVER,
    Mask,
    Quantiles,
    TableColumns,
    Times,
    days_before,
    days_from,
)

#: Accounts with the same product and plan that a comparison of prices needs.
LEAST_PEERS = 5
#: A term of at most this many days is month to month: it ends, but it is never up for renewal.
MONTH_TO_MONTH_DAYS = 35
DAYS_PER_MONTH = 365.25 / 12
#: Decimals to which money is rounded.
_DIGITS = 9
#: A product and its plan, if it has one.
Deal = tuple[str | None, str | None]
#: Less than this is no money.
_DUST = 1e-9
#: Columns of subscriptions that the features read, in addition to those of every contract.
COLUMNS = ("renews_at", "list_mrr", "billing_months")


class Contracts:
    """Features of the paid contracts, as of one date after another."""

    def __init__(self, contracts: ContractRows) -> None:
        rows = contracts.rows
        self._contracts, self._rows, self._count = contracts, rows, rows.accounts
        self._product, self._product_account = _numbered(rows.account, rows["product"])
        # Prices are compared within a deal.
        deals, deal = np.unique(deal_of(rows), return_inverse=True)
        products, plans = ([*rows.texts[n].to_pylist(), None] for n in ("product", "plan"))
        pairs = (divmod(number, len(plans)) for number in deals.tolist())
        self._deals: list[Deal] = [(products[p], plans[plan - 1]) for p, plan in pairs]
        self._owned, self._owned_deal = _numbered(deal, rows.account)
        self._owned_account = np.zeros(len(self._owned_deal), dtype=np.int64)
        self._owned_account[self._owned] = rows.account

    def as_of(self, known: KnownContracts) -> ByAccount:
        """Return the features of every account as of a date.

        Returns
        -------
        mapping of str to array
            By feature; NaN where an account has no paid row that was known.
        """
        paid = known.rows[self._contracts.is_paid[known.rows]]
        ever = summed(self._rows.account[paid], self._count) > 0
        runs = self._running(known)
        out = self._levels(known) | self._terms(runs, known.as_of)
        owned = summed(self._product[runs], len(self._product_account)) > 0
        products = summed(self._product_account[owned], self._count)
        out["products_held"] = np.where(products > 0, products, np.nan)
        return {name: np.where(ever, values, np.nan) for name, values in out.items()}

    def terms(self, known: KnownContracts) -> ByAccount:
        """Return only what every account pays, when its term ends and whether it gave notice.

        Returns
        -------
        mapping of str to array
            mrr (0 where nothing runs), days_to_renewal (NaN without a term) and notice_given.
        """
        runs = self._running(known)
        found = self._terms(runs, known.as_of)
        kept = {name: found[name] for name in ("days_to_renewal", "notice_given")}
        return {"mrr": self._sum(runs, "mrr"), **kept}

    def _running(self, known: KnownContracts, days: int = 0) -> Rows:
        """Return the paid rows that ran this many days before a date, as known on the date."""
        rows = known.running(days_before(known.as_of, days))
        return rows[self._contracts.is_paid[rows]]

    def _sum(self, rows: Rows, *columns: str) -> Numbers:
        weights = np.prod([self._rows[name][rows] for name in columns], axis=0)
        return summed(self._rows.account[rows], self._count, weights)

    def _levels(self, known: KnownContracts) -> dict[str, Numbers]:
        """Sum what runs on a date, and what ran some time before it."""
        runs, year = self._running(known), self._running(known, 365)
        mrr, seats = self._sum(runs, "mrr"), self._sum(runs, "seats")
        listed = runs[self._rows["list_mrr"][runs] > 0]
        billed = runs[self._rows["billing_months"][runs] > 0]
        seated = np.where(seats > 0, seats, np.nan)
        a_year_ago = self._sum(year, "mrr") / _some(self._sum(year, "seats"))
        price = mrr / seated
        before = {days: self._running(known, days) for days in (90, 180)}
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
        """Return when the term ends, how long it is, and whether notice was given."""
        account, count = self._rows.account, self._count
        renews = self._rows["renews_at"]
        upcoming = runs[(renews[runs] >= as_of) & (renews[runs] != NEVER)]
        term: Times = renews[upcoming] - self._rows["started_at"][upcoming]
        renewing = upcoming[days_from(0, term) > MONTH_TO_MONTH_DAYS]
        noticing = runs[self._rows["notice_at"][runs] < as_of]
        noticed = summed(account[noticing], count) >= summed(account[runs], count)
        given = np.full(count, np.iinfo(np.int64).min)
        np.maximum.at(given, account[noticing], self._rows["notice_at"][noticing])
        present = noticed & (given > np.iinfo(np.int64).min)
        since = days_from(np.where(present, given, NEVER), as_of)
        return {
            "days_to_renewal": days_from(
                as_of, earliest(account[renewing], count, renews[renewing])
            ),
            "days_to_term_end": days_from(
                as_of, earliest(account[upcoming], count, renews[upcoming])
            ),
            "notice_given": noticed.astype(float),
            "days_since_notice": since,
            "contract_months": _whole_months(self._term(upcoming)),
        }

    def _term(self, upcoming: Rows) -> Numbers:
        """Return the term in days of the row that pays most; of several such rows the shortest."""
        account, mrr = self._rows.account[upcoming], self._rows["mrr"][upcoming]
        most = np.zeros(self._count)
        np.maximum.at(most, account, mrr)
        largest = mrr == most[account]
        rows = upcoming[largest]
        lasts: Times = self._rows["renews_at"][rows] - self._rows["started_at"][rows]
        return days_from(0, earliest(account[largest], self._count, lasts))

    def prices(self, known: KnownContracts, account: Codes, peers: Mask) -> Prices:
        """Return what some accounts pay for a seat of each deal.

        Parameters
        ----------
        known : KnownContracts
            The contracts as of a date.
        account : array of int
            The accounts, each once, by their place among all; −1 for one without a contract.
        peers : array of bool
            Which of all accounts they are compared with.
        """
        runs = self._running(known)
        seated = runs[self._rows["seats"][runs] > 0]
        owned = self._owned[seated]
        mrr, seats = (
            summed(owned, len(self._owned_deal), self._rows[name][seated])
            for name in ("mrr", "seats")
        )
        own = np.flatnonzero((seats > 0) & peers[self._owned_account])
        row, present = np.full(self._count, -1), np.flatnonzero(account >= 0)
        row[account[present]] = present
        rows, deals = row[self._owned_account[own]], self._owned_deal[own]
        return Prices(len(account), self._deals, rows, deals, mrr[own], seats[own])


@dataclass(frozen=True)
class Prices(FleetColumns[tuple[list[Deal], Codes, Numbers], dict[Deal, float]]):
    """The prices of a seat that accounts pay, against those of accounts with the same deal.

    Attributes
    ----------
    accounts : int
        How many there are.
    deals : list of Deal
        The deals of all contracts.
    account, deal : array of int
        A row per account and deal with seats. An account of another date has −1: its prices count
        as those of a peer.
    mrr, seats : array of float
        What is paid in total, and for how many seats.
    """

    accounts: int
    deals: list[Deal]
    account: Codes
    deal: Codes
    mrr: Numbers
    seats: Numbers

    def share(self) -> tuple[list[Deal], Codes, Numbers]:
        """Return the deals, and the deal and the price of each row."""
        return self.deals, self.deal, self.mrr / self.seats

    @staticmethod
    def pooled(shares: Sequence[tuple[list[Deal], Codes, Numbers]]) -> dict[Deal, float]:
        """Return the median price of each deal; NaN where too few accounts have it."""
        names = list(dict.fromkeys(name for deals, _, _ in shares for name in deals))
        place = {name: number for number, name in enumerate(names)}
        numbered = [np.array([place[n] for n in deals], dtype=np.int64) for deals, _, _ in shares]
        deal = np.concatenate([of[own] for of, (_, own, _) in zip(numbered, shares, strict=True)])
        price = np.concatenate([prices for _, _, prices in shares])
        order = np.lexsort((price, deal))
        usual = Quantiles(deal[order], len(names), price[order]).of(0.5)
        usual[np.bincount(deal, minlength=len(names)) < LEAST_PEERS] = np.nan
        return dict(zip(names, usual.tolist(), strict=True))

    def columns(self, statistic: dict[Deal, float]) -> dict[str, Numbers]:
        """Return what each account pays over what it would pay at the usual prices, less 1."""
        usual = np.array([statistic[name] for name in self.deals], dtype=float)
        at_usual = self.seats * usual[self.deal]
        compared = ~np.isnan(at_usual) & (self.account >= 0)
        account = self.account[compared]
        paid = summed(account, self.accounts, self.mrr[compared])
        price = paid / _some(summed(account, self.accounts, at_usual[compared])) - 1
        return {"price_vs_peers": rounded(price)}


def _whole_months(days: Numbers) -> Numbers:
    """Return a term in months: a month has 28 to 31 days, and a quarter 90 to 92.

    A term of less than three weeks keeps a decimal.
    """
    months = days / DAYS_PER_MONTH
    return np.where(days < 21, np.round(months, 1), np.round(months))


def rounded(values: Numbers) -> Numbers:
    """Return money without what adding it up in another order changes in the last digits."""
    return np.round(values, _DIGITS)


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
