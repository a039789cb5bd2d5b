"""Settings of the expansion offers: what is sold, at what price, and to whom."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from pydantic import Field, model_validator

from features.catalogue import CATALOGUE
from features.definitions.condition import Condition
from features.tables.product_names import product_key
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
    """A monthly list price in a given currency.

    Attributes
    ----------
    amount : float
        Price of one unit for one month.
    currency : str
        Currency code, as at the top level.
    """

    amount: Price
    currency: str


class ProductRule(Section):
    """Which events show that a product is used, and who may be offered it; empty means no limit.

    Attributes
    ----------
    events : tuple of str
        Usage events that occur only in this product; in an account without it, they are a trial.
    asked_words : tuple of str
        Words in a ticket or an answer that count as a request for this product.
    segments, regions, industries, plans, stages : tuple of str
        The account must have one of these values (for plans: be on one of them).
    requires : tuple of str
        Products that the account must already have, all of them.
    when : tuple of Condition
        Conditions on features, which must all hold.
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
    """Which tickets and survey answers count as asking for more.

    Attributes
    ----------
    days : int
        Number of days that a request counts.
    words : tuple of str
        Whole words or phrases, ignoring case.
    reasons : tuple of str
        Reason codes of tickets and answers.
    roles : tuple of str
        Only requests by people in these roles count; if empty, everyone's.
    """

    days: PositiveInt = 90
    words: Words = ASK_WORDS
    reasons: tuple[str, ...] = ("upgrade", "expansion", "pricing", "sales")
    roles: tuple[str, ...] = ()


class ExpansionConfig(Section):
    """What additional products cost, and who may be offered them.

    Attributes
    ----------
    prices : dict of str to float or ListPrice
        List price per month by product; by default the median first price that peers paid. A price
        in a currency other than the company's is reported and not used.
    not_offered : tuple of str
        Products that are no longer sold.
    minimum_purchases : int
        A product that fewer accounts have bought shares its estimate with the other products.
    products : dict of str to ProductRule
        The catalogue: events and rules by product.
    plans : tuple of str
        The plans, lowest first.
    plan_events : dict of str to tuple of str
        Usage events by the lowest plan that includes them; higher plans include them too.
    near_limit_days : int
        Seats are near their limit if all are in use within this many days at the current pace.
    near_quota_days : int
        The same for a monthly quota that will be used up well before the month ends.
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
                f"plan_events names {', '.join(map(repr, unknown))}, missing in plans; "
                "list every plan there, lowest first"
            )
        return self

    def with_spelling(self, products: Iterable[str]) -> ExpansionConfig:
        """Return the same settings with products spelled as in the tables.

        Parameters
        ----------
        products : iterable of str
            The products of the tables.

        Raises
        ------
        ValueError
            A product has two entries that differ only in case or blanks.
        """
        known = {product_key(product): product for product in products}

        def spelled(name: str) -> str:
            return known.get(product_key(name), name)

        rules = {
            spelled(name): rule.model_copy(update={"requires": tuple(map(spelled, rule.requires))})
            for name, rule in self.products.items()
        }
        prices = {spelled(name): price for name, price in self.prices.items()}
        if len(rules) < len(self.products) or len(prices) < len(self.prices):
            raise ValueError("names one product twice: the names differ only in case or blanks")
        not_offered = tuple(map(spelled, self.not_offered))
        return self.model_copy(
            update={"products": rules, "prices": prices, "not_offered": not_offered}
        )

    def events(self) -> dict[str, tuple[str, ...]]:
        """Return the events of each product with events."""
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
