"""What a company lives by, contracts or orders, and the words that change with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from features.errors import HealthError
from features.tables.opened import Tables
from health.presentation.wording import LISTS, ListKind

CONTRACTS, ORDERS = "contracts", "orders"
#: Months of the orders that stand for a customer's size.
_MONTHS = 12


@dataclass(frozen=True)
class Business:
    """How the money and the risk of an account are spoken of.

    Attributes
    ----------
    key : str
        ``"contracts"`` or ``"orders"``; a run keeps it.
    money, money_means, money_of_all : str
        Heading and meaning of what an account pays in a month, and what their sum is.
    column : str
        The column of scores.parquet that holds it.
    a_year : str
        Twelve times that.
    risk : str
        The chance that `churn_probability` is.
    has_terms : bool
        Contracts have terms that end, and grow.
    lists : tuple of ListKind
        The lists there are.
    """

    key: str
    money: str
    money_means: str
    money_of_all: str
    column: str
    a_year: str
    risk: str
    has_terms: bool
    lists: tuple[ListKind, ...]

    @property
    def money_in_sentence(self) -> str:
        """The money within a sentence."""
        return self.money if self.money.isupper() else self.money.lower()


_BY_CONTRACT = Business(
    CONTRACTS,
    "MRR",
    "What the account pays each month.",
    "paid each month by all accounts",
    "mrr",
    "a year of MRR",
    "chance of leaving",
    True,
    LISTS,
)
# A customer without a contract gives no notice and has no term, and an order holds no product.
_BY_ORDER = Business(
    ORDERS,
    "Monthly orders",
    "What the account ordered in 365 days, a twelfth of it.",
    "ordered by all customers, a twelfth of 365 days",
    "monthly_orders",
    "a year of orders",
    "chance of having left",
    False,
    (
        ListKind(
            "at_risk",
            "At risk",
            "Customers that may have left without a word, the largest expected loss first: chance "
            "of having left × a year of orders, had they not. Without a chance: a year of orders.",
            "Chance of having left",
            "Expected loss",
            "churn",
        ),
        ListKind("advocate", "Advocates", "Healthy customers that would recommend us."),
        ListKind(
            "silent", "Silent", "Customers that have not ordered for twice their usual interval."
        ),
    ),
)


def lives_by(tables: Tables) -> Business:
    """Return how a company with these tables lives: by orders where there are no contracts."""
    return _BY_CONTRACT if tables.has("subscriptions") else _BY_ORDER


def require_contracts(tables: Tables, where: str) -> None:
    """Refuse what is asked of contracts alone, where there are none.

    Raises
    ------
    HealthError
        The company lives by orders.
    """
    if lives_by(tables).key == ORDERS:
        raise HealthError(
            "there are orders but no subscriptions, so that no contract can end or grow",
            where=where,
            fix="give subscriptions; `health train` and `health score` do without, by the orders, "
            "but who left, and what followed, can be looked back on by contracts alone",
        )


def require_same_business(tables: Tables, manifest: Mapping[str, Any], where: str) -> None:
    """Refuse to score by a version of a company that lives otherwise than the tables do.

    Raises
    ------
    HealthError
        It was trained on contracts and there are orders alone, or the other way round.
    """
    trained, now = business_of(manifest), lives_by(tables)
    if trained.key != now.key:
        raise HealthError(
            f"the model version was trained on {trained.key}, and the tables hold {now.key}",
            where=where,
            fix="train again: `health train`",
        )


def business_of(run: Mapping[str, Any]) -> Business:
    """Return how the company of a run (run.json or a manifest) lives."""
    return _BY_ORDER if run.get("business") == ORDERS else _BY_CONTRACT


def by_orders(scores: pd.DataFrame) -> bool:
    """Tell whether scores are of a company that lives by orders."""
    return _BY_ORDER.column in scores.columns


def with_money(scores: pd.DataFrame) -> pd.DataFrame:
    """Return scores whose `mrr` holds what stands for it: of customers who order, a month of it."""
    return scores.assign(mrr=scores[_BY_ORDER.column]) if by_orders(scores) else scores


def monthly_orders(features: pd.DataFrame) -> pd.Series[float]:
    """Return a twelfth of what each account ordered in a year, in currency a month; 0 or more."""
    return features["orders_amount_365d"].fillna(0.0).clip(lower=0.0) / _MONTHS
