"""Churn within the horizon."""

from __future__ import annotations

from typing import ClassVar

from models.churn.propensity import PropensityModel


class ChurnModel(PropensityModel):
    """`PropensityModel` of churn: MRR falls to zero within the horizon and stays there."""

    outcome: ClassVar[str] = "churned"
    avoids_drift: ClassVar[bool] = True
