"""Settings of labels and training."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import Field, field_validator

from health.settings.secrets import by_name
from health.settings.section import PositiveInt, Section


class LabelsConfig(Section):
    """What counts as churn and as an upsell, and the prediction horizon.

    Attributes
    ----------
    horizon_days : int
        Prediction horizon: days within which an event counts.
    grace_days : int
        Days that MRR must stay at zero to count as churn; a shorter gap between subscription rows
        is not churn.
    upsell_step : float
        Smallest relative increase in MRR or seats that counts as an upsell.
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
        Earliest training date.
    enough_churned : int
        Number of churned accounts that are enough to learn from. Where more have churned, `health
        train` learns from a random part of all accounts in which about as many have, and the
        manifest states it: so a large company takes the time and memory of a smaller one.
    seed : int
        Random seed.
    monotone : bool or "auto"
        Constrain the churn curves to the catalogue's directions: risk can only fall with a feature
        where more is healthier, and only rise with one where less is. With ``auto``, the default,
        unless this makes the log loss on later dates worse.
    small_model : str
        Churn model if only 10 to 49 accounts have churned: the health score alone (``scorecard``),
        a few features (``few-feature model``), or whichever small candidate predicts later churn of
        other accounts best (``auto``).
    leakage_auc : float
        A feature that reaches this AUC on its own stops promotion, because it probably leaks the
        outcome.
    cohort_days : int
        Versions are compared on the labelled dates of this many last days.
    auc_tolerance : float
        A challenger whose AUC is lower than the champion's by more than this is rejected, even if
        the difference could be due to chance.
    signing_key : str
        ``$NAME`` or ``file:PATH`` of a secret. New versions are signed with it (HMAC-SHA256), and
        only versions that are signed with it are used. Without one, checksums show accidental
        changes only.
    """

    every_days: PositiveInt = 28
    first: date | None = None
    enough_churned: Annotated[int, Field(ge=100)] = 5_000
    seed: int = 0
    monotone: bool | Literal["auto"] = "auto"
    small_model: Literal["auto", "scorecard", "few-feature model"] = "auto"
    leakage_auc: Annotated[float, Field(gt=0.5, le=1)] = 0.95
    cohort_days: PositiveInt = 364
    auc_tolerance: Annotated[float, Field(ge=0, lt=0.5)] = 0.02
    signing_key: str = ""

    @field_validator("signing_key")
    @classmethod
    def _named(cls, value: str) -> str:
        return by_name(value, example="$HEALTH_MODEL_KEY")
