"""The two kinds of business, contracts and orders, behind one interface."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

import pandas as pd

from features.definitions.settings import FeatureSettings
from features.errors import HealthError
from features.tables.opened import Tables
from features.windows.observations import paying_accounts
from health.business.mrr import contract_mrr, order_mrr
from health.presentation.wording import LISTS, ListKind
from health.settings.flags import FlagsConfig

#: Keys of the two kinds, as written in run.json and manifests.
CONTRACTS, ORDERS = "contracts", "orders"
#: Months over which a customer's orders are averaged.
_MONTHS = 12
#: The logarithm of the time since the latest order over the usual interval: twice as long.
_TWICE = math.log(2.0)


class Business(ABC):
    """What differs between a company with contracts and one whose customers order.

    Training, scoring and looking back differ as well; their steps are in
    `health.training.learning`, `health.scoring.method` and `health.weekly.outcomes`, each as two
    classes behind one interface, by `key`.

    Attributes
    ----------
    key : str
        ``"contracts"`` or ``"orders"``; published in run.json and in a version's manifest.
    table, first_time : str
        The table that the money comes from, and its column with the earliest time of a row.
    column : str
        The column of scores.parquet with what an account pays in a month.
    money, money_means, money_of_all : str
        Heading and meaning of that column, and what its sum is.
    a_year : str
        Twelve times that.
    risk : str
        What `churn_probability` is the chance of.
    has_terms : bool
        Whether there are contracts with terms that end, and products that are owned.
    customers, pay : str
        Heading of the accounts, and the verb for what they do each month.
    term_titles : tuple of str
        Headings of the columns that only contracts fill.
    lists : tuple of ListKind
        The lists of a week.
    """

    key: ClassVar[str]
    table: ClassVar[str]
    first_time: ClassVar[str]
    column: ClassVar[str]
    money: ClassVar[str]
    money_means: ClassVar[str]
    money_of_all: ClassVar[str]
    a_year: ClassVar[str]
    risk: ClassVar[str]
    has_terms: ClassVar[bool]
    customers: ClassVar[str]
    pay: ClassVar[str]
    term_titles: ClassVar[tuple[str, ...]]
    lists: ClassVar[tuple[ListKind, ...]]

    @property
    def money_in_sentence(self) -> str:
        """The money within a sentence."""
        return self.money if self.money.isupper() else self.money.lower()

    @abstractmethod
    def horizon(self, days: int) -> str:
        """Return the horizon of `churn_probability` as the end of a phrase; may be empty."""

    @abstractmethod
    def idle(self, active_order_days: int) -> str:
        """Return why an existing account is not scored."""

    @abstractmethod
    def with_money(self, scores: pd.DataFrame) -> pd.DataFrame:
        """Return scores whose `mrr` is what an account pays in a month."""

    @abstractmethod
    def mrr(
        self, tables: Tables, dates: Sequence[datetime], settings: FeatureSettings
    ) -> pd.DataFrame:
        """Return what the accounts that pay on a date pay in a month, by account_id and date.

        An account that does not pay on a date has NaN.
        """

    @abstractmethod
    def stopped(self, features: pd.DataFrame, limits: FlagsConfig) -> pd.Series[bool]:
        """Return which accounts no longer order: for `silent_days` and twice the usual interval."""


class ContractBusiness(Business):
    """A company whose accounts have contracts."""

    key = CONTRACTS
    table, first_time = "subscriptions", "started_at"
    column = "mrr"
    money = "MRR"
    money_means = "What the account pays each month."
    money_of_all = "paid each month by all accounts"
    a_year = "a year of MRR"
    risk = "chance of leaving"
    has_terms = True
    customers, pay = "Accounts", "pay"
    term_titles = ("Renewal",)
    lists = LISTS

    def horizon(self, days: int) -> str:
        """Return the days within which an account may leave."""
        return f" in {days} days"

    def idle(self, active_order_days: int) -> str:
        """Return why an existing account is not scored."""
        return "not paying on the date"

    def with_money(self, scores: pd.DataFrame) -> pd.DataFrame:
        """Return the scores as they are."""
        return scores

    def mrr(
        self, tables: Tables, dates: Sequence[datetime], settings: FeatureSettings
    ) -> pd.DataFrame:
        """Return the MRR of the running contracts."""
        return contract_mrr(tables, dates, settings)

    def stopped(self, features: pd.DataFrame, limits: FlagsConfig) -> pd.Series[bool]:
        """Return False for every account: contracts are paid without ordering."""
        return pd.Series(False, index=features.index)


class OrderBusiness(Business):
    """A company whose customers order: nobody gives notice, no term ends, no product is owned."""

    key = ORDERS
    table, first_time = "orders", "ordered_at"
    column = "monthly_orders"
    money = "Monthly orders"
    money_means = "A twelfth of what the account ordered in the last 365 days."
    money_of_all = "a twelfth of what all customers ordered in the last 365 days"
    a_year = "a year of orders"
    risk = "chance of having left"
    has_terms = False
    customers, pay = "Customers", "order"
    term_titles = ()
    lists = (
        ListKind(
            "at_risk",
            "At risk",
            "Customers that may have left unnoticed. Largest expected loss first: chance of having "
            "left × a year of their usual orders. Without a chance: a year of orders.",
            "Chance of having left",
            "Expected loss",
            "churn",
        ),
        ListKind(
            "disagreement",
            "Disagreements",
            "Healthy by score and at risk by chance, or the reverse. Largest expected loss first.",
            "Chance of having left",
            "Expected loss",
            "churn",
        ),
        ListKind("advocate", "Advocates", "Healthy customers that would recommend us."),
        ListKind(
            "silent", "Silent", "Customers that have not ordered for twice their usual interval."
        ),
    )

    def horizon(self, days: int) -> str:
        """Return nothing: the chance is that of having left by now."""
        return ""

    def idle(self, active_order_days: int) -> str:
        """Return why an existing customer is not scored."""
        return f"no order within {active_order_days} days before the date"

    def with_money(self, scores: pd.DataFrame) -> pd.DataFrame:
        """Return scores whose `mrr` is a month of orders."""
        return scores.assign(mrr=scores[self.column])

    def mrr(
        self, tables: Tables, dates: Sequence[datetime], settings: FeatureSettings
    ) -> pd.DataFrame:
        """Return a twelfth of what each active customer ordered in 365 days."""
        paying = paying_accounts(
            tables,
            dates,
            active_order_days=settings.active_order_days,
            grace_days=settings.grace_days,
        )
        return order_mrr(tables, paying)

    def stopped(self, features: pd.DataFrame, limits: FlagsConfig) -> pd.Series[bool]:
        """Return who has not ordered for `silent_days` and for twice the usual interval."""
        away = features["orders_recency_days"] >= limits.silent_days
        return away & (features["orders_interval_vs_habit"] >= _TWICE)


BUSINESSES: Mapping[str, Business] = {CONTRACTS: ContractBusiness(), ORDERS: OrderBusiness()}


def business_of_tables(tables: Tables) -> Business:
    """Return the business of a company with these tables: orders if it has no contracts."""
    return BUSINESSES[CONTRACTS if tables.has("subscriptions") else ORDERS]


def why_few_scores(tables: Tables) -> str:
    """Return why many accounts can have no health score, in words; empty where all can.

    Contracts show who pays, not how the customers are doing, and only some accounts have tickets
    or answers.
    """
    if business_of_tables(tables).key == ORDERS or tables.has("usage"):
        return ""
    found = [name for name in ("tickets", "surveys") if tables.has(name)]
    if found:
        return f"without usage, only accounts with {' or '.join(found)} can have one"
    return "a health score needs usage, tickets or surveys, and there is no such table"


def business_of(run: Mapping[str, Any]) -> Business:
    """Return the business of a run (run.json) or of a version (its manifest)."""
    return BUSINESSES[run.get("business", CONTRACTS)]


def business_of_scores(scores: pd.DataFrame) -> Business:
    """Return the business that the columns of scores.parquet belong to."""
    return BUSINESSES[ORDERS if OrderBusiness.column in scores.columns else CONTRACTS]


def with_money(scores: pd.DataFrame) -> pd.DataFrame:
    """Return scores whose `mrr` is what an account pays in a month, for either business."""
    return business_of_scores(scores).with_money(scores)


def require_contracts(tables: Tables, where: str) -> None:
    """Raise HealthError if a command needs contracts and there are none.

    Raises
    ------
    HealthError
        The company has orders and no contracts.
    """
    if not business_of_tables(tables).has_terms:
        raise HealthError(
            "there are orders but no subscriptions, and this command needs contracts",
            where=where,
            fix="add the table subscriptions. `health train` and `health score` work with orders "
            "alone; comparing the past with who left needs contracts",
        )


def require_same_business(tables: Tables, manifest: Mapping[str, Any], where: str) -> None:
    """Refuse to score with a version that was trained for the other kind of business.

    Raises
    ------
    HealthError
        It was trained on contracts and there are only orders, or the reverse.
    """
    trained, now = business_of(manifest), business_of_tables(tables)
    if trained.key != now.key:
        raise HealthError(
            f"the model version was trained on {trained.key}, and the tables contain {now.key}",
            where=where,
            fix="train again: `health train`",
        )


def monthly_orders(features: pd.DataFrame) -> pd.Series[float]:
    """Return a twelfth of what each account ordered in a year, in currency a month; 0 or more."""
    return features["orders_amount_365d"].fillna(0.0).clip(lower=0.0) / _MONTHS
