"""Upsell and cross-sell within the horizon: one model per target or product."""

from __future__ import annotations

from typing import ClassVar

from models.churn.propensity import PropensityModel


class ExpansionModel(PropensityModel):
    """`PropensityModel` for expansion: more of an owned product, or a product not owned.

    For a product, fit it on the rows in which the product was not owned and could have been bought.
    """

    outcome: ClassVar[str] = "bought"
