"""Settings of the backtest."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from health.settings.section import PositiveInt, Section


class BacktestConfig(Section):
    """How the past is scored; its dates are those of `[training]`.

    Attributes
    ----------
    refit_days : int
        Days between two dates for which the churn model and the learnt weights are fitted anew,
        on what was known by then; 1 is at every date.
    lead_days : int
        How long before an account left a warning counts.
    least_churned : int
        Accounts that must have left before a score is judged at all.
    resamples : int
        Resamples of the accounts behind each interval.
    """

    refit_days: PositiveInt = 28
    lead_days: PositiveInt = 180
    least_churned: PositiveInt = 10
    resamples: Annotated[int, Field(ge=50, le=10_000)] = 400
