"""Settings of the expansion offers: what is sold, at what price, and to whom."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from features.catalogue import CATALOGUE
from features.definitions.condition import Condition
from health.settings.section import PositiveInt, Section

#: What customers write when they want more; `[expansion.asks] words` replaces them.
ASK_WORDS = (
    "upgrade",
    "more seats",
    "more licences",
    "more licenses",
    "more users",
    "additional seats",
    "additional users",
    "higher plan",
    "higher limit",
    "increase our limit",
    "increase our quota",
    "expand",
    "add-on",
)

Words = tuple[Annotated[str, Field(min_length=2)], ...]
Price = Annotated[float, Field(ge=0)]


class ListPrice(Section):
    """A list price a month in a currency of its own.

    Attributes
    ----------
    amount : float
        A month of one unit.
    currency : str
        As in the top level's.
    """

    amount: Price
    currency: str


class ProductRule(Section):
    """How use of a product is recognised, and who may be offered it; empty means no bound.

    Attributes
    ----------
    events : tuple of str
        Usage events that only this product has; use without owning it is a trial.
    asked_words : tuple of str
        Words in a ticket or an answer that ask for this product.
    segments, regions, industries, plans, stages : tuple of str
        The account must have one of them.
    requires : tuple of str
        Products that must all be owned first.
    when : tuple of Condition
        Bounds on features that must all be kept.
    """

    events: tuple[str, ...] = ()
    asked_words: Words = ()
    segments: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    industries: tuple[str, ...] = ()
    plans: tuple[str, ...] = ()
    stages: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    when: tuple[Condition, ...] = ()

    @model_validator(mode="after")
    def _in_catalogue(self) -> ProductRule:
        unknown = sorted({c.feature for c in self.when} - CATALOGUE.keys())
        if unknown:
            raise ValueError(
                f"no feature is called {', '.join(map(repr, unknown))}; "
                "`health features --list` has all"
            )
        return self


class AskConfig(Section):
    """What in a ticket or a survey answer counts as asking for more.

    Attributes
    ----------
    days : int
        How long it counts.
    words : tuple of str
        Whole words or phrases, in any case.
    reasons : tuple of str
        Reason codes of tickets and answers.
    roles : tuple of str
        Only answers of these roles count; of anybody where empty.
    """

    days: PositiveInt = 90
    words: Words = ASK_WORDS
    reasons: tuple[str, ...] = ("upgrade", "expansion", "pricing", "sales")
    roles: tuple[str, ...] = ()


class ExpansionConfig(Section):
    """What a further product costs, and who may be offered it.

    Attributes
    ----------
    prices : dict of str to float or ListPrice
        List price per month by product; the median first price peers paid where absent. A
        price in another currency is reported and not used.
    not_offered : tuple of str
        Products that are no longer sold.
    minimum_purchases : int
        A product that fewer accounts bought in the past borrows from the others.
    products : dict of str to ProductRule
        The catalogue: events and rules by product.
    plans : tuple of str
        The plans, lowest first.
    plan_events : dict of str to tuple of str
        Usage events that only a plan and those above it include.
    near_limit_days : int
        Seats that will all be in use within so many days at the current pace are near their limit.
    near_quota_days : int
        The same of a monthly quota: used up long before the month is over.
    asks : AskConfig
        What counts as asking for more.
    """

    prices: dict[str, Price | ListPrice] = Field(default_factory=dict)
    not_offered: tuple[str, ...] = ()
    minimum_purchases: PositiveInt = 50
    products: dict[str, ProductRule] = Field(default_factory=dict)
    plans: tuple[str, ...] = ()
    plan_events: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    near_limit_days: PositiveInt = 60
    near_quota_days: PositiveInt = 7
    asks: AskConfig = AskConfig()

    @model_validator(mode="after")
    def _plans_are_ordered(self) -> ExpansionConfig:
        unknown = sorted(self.plan_events.keys() - set(self.plans))
        if unknown:
            raise ValueError(
                f"plan_events names {', '.join(map(repr, unknown))}, which plans does not list; "
                "list every plan there, lowest first"
            )
        return self

    def events(self) -> dict[str, tuple[str, ...]]:
        """Return the events of each product that has any."""
        return {name: rule.events for name, rule in self.products.items() if rule.events}

    def list_prices(self, currency: str) -> dict[str, float]:
        """Return the list prices that are in this currency."""
        found = {}
        for product, price in self.prices.items():
            if isinstance(price, ListPrice):
                if price.currency.upper() == currency.upper():
                    found[product] = price.amount
            else:
                found[product] = price
        return found
