"""Settings of labels and training."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import Field

from health.section import PositiveInt, Section


class LabelsConfig(Section):
    """What counts as churn and as an upsell, and how far ahead we look.

    Attributes
    ----------
    horizon_days : int
        Days within which an event counts.
    grace_days : int
        Days that MRR must stay at zero before it is churn; a shorter gap between renewal
        rows is none.
    upsell_step : float
        Smallest relative rise of MRR or seats that is an upsell.
    """

    horizon_days: PositiveInt = 90
    grace_days: PositiveInt = 30
    upsell_step: Annotated[float, Field(gt=0)] = 0.05


class TrainingConfig(Section):
    """Which past dates a model learns from, and the seed of everything random."""

    every_days: PositiveInt = 28
    first: date | None = None
    seed: int = 0
