"""Upsell and cross-sell within the horizon: one model a target or product."""

from __future__ import annotations

from typing import ClassVar

from models.churn.propensity import PropensityModel


class ExpansionModel(PropensityModel):
    """`PropensityModel` of buying more: a higher step of what is held, or a product not held.

    Fit one a product on the rows where the product was not held and could have been bought.
    """

    outcome: ClassVar[str] = "bought"
