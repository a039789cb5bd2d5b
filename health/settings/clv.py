"""Settings of the lifetime value and of reasons."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from health.settings.section import PositiveInt, Section, Share


class ClvConfig(Section):
    """The terms of the lifetime value, shown with every output that has one.

    Attributes
    ----------
    horizon_months : int
        Months ahead that are counted.
    margin : float
        Share of the revenue that is earned.
    discount_rate : float
        Yearly discount of what comes later.
    """

    horizon_months: Annotated[int, Field(gt=0, le=240)] = 36
    margin: Share = 0.8
    discount_rate: Annotated[float, Field(ge=0, lt=1)] = 0.10


class ReasonsConfig(Section):
    """How much of a probability is listed term by term.

    Attributes
    ----------
    most : int
        The strongest terms of an account and output; all others are one sum.
    """

    most: PositiveInt = 12
