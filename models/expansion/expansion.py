"""Upsell and cross-sell within the horizon: one model a target or product."""

from __future__ import annotations

from typing import ClassVar

from models.churn.propensity import PropensityModel


class ExpansionModel(PropensityModel):
    """`PropensityModel` of buying more: a higher step of an owned product, or a product not owned.

    Fit one per product on the rows where it was not owned and could have been bought.
    """

    outcome: ClassVar[str] = "bought"
