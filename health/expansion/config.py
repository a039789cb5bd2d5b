"""Settings of the expansion offers."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from health.section import PositiveInt, Section


class ExpansionConfig(Section):
    """What a further product costs, and who may be offered it.

    Attributes
    ----------
    prices : dict of str to float
        List price per month by product; the median first price peers paid where absent.
    not_offered : tuple of str
        Products that are no longer sold.
    minimum_purchases : int
        Fewer past purchases than this and the offers rest on rules, not on a model.
    """

    prices: dict[str, Annotated[float, Field(ge=0)]] = Field(default_factory=dict)
    not_offered: tuple[str, ...] = ()
    minimum_purchases: PositiveInt = 50
