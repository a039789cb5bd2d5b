"""Settings of labels and training."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import Field

from health.settings.section import PositiveInt, Section


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
    """Which past dates a model learns from, and what a version must pass to be promoted.

    Attributes
    ----------
    every_days : int
        Days between two training dates.
    first : date, optional
        No earlier date is learnt from.
    seed : int
        Seed of everything random.
    monotone : bool or "auto"
        Constrain the churn curves to the catalogue's directions: risk may only fall with a feature
        of which more is healthier, and only rise with one of which less is. With ``auto``, the
        default, unless that makes the log loss on later dates worse.
    small_model : str
        The churn model where 10 to 49 accounts left: the health score alone (``scorecard``), a
        few features (``few-feature model``), or whichever tells other accounts' later leaving
        better, the score where that is in doubt (``auto``).
    leakage_auc : float
        A feature that alone reaches this AUC stops promotion, for it knows the answer.
    cohort_days : int
        Two versions are compared on the labelled dates of the last so many days.
    auc_tolerance : float
        A challenger whose AUC on the cohort lies further below the champion's is refused, even
        where chance could explain it.
    """

    every_days: PositiveInt = 28
    first: date | None = None
    seed: int = 0
    monotone: bool | Literal["auto"] = "auto"
    small_model: Literal["auto", "scorecard", "few-feature model"] = "auto"
    leakage_auc: Annotated[float, Field(gt=0.5, le=1)] = 0.95
    cohort_days: PositiveInt = 364
    auc_tolerance: Annotated[float, Field(ge=0, lt=0.5)] = 0.02
