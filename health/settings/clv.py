"""Settings of the lifetime value and of reasons."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from health.settings.section import PositiveInt, Section, Share


class ClvConfig(Section):
    """The assumptions of the lifetime value; stated on every output that shows one.

    Attributes
    ----------
    horizon_months : int
        Number of future months that count.
    margin : float
        Gross margin, as a share of revenue.
    discount_rate : float
        Annual discount rate.
    """

    horizon_months: Annotated[int, Field(gt=0, le=240)] = 36
    margin: Share = 0.8
    discount_rate: Annotated[float, Field(ge=0, lt=1)] = 0.10


class ReasonsConfig(Section):
    """How many of the reasons for a probability are published.

    Attributes
    ----------
    most : int
        Maximum number of terms per account and output, strongest first; all others are added up in
        one term.
    """

    most: PositiveInt = 12
