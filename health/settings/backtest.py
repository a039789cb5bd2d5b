"""Settings of the backtest."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from health.settings.section import PositiveInt, Section


class BacktestConfig(Section):
    """How past dates are scored; the dates are those of `[training]`.

    Attributes
    ----------
    refit_days : int
        Days between two dates on which the churn model and the learned weights are refitted on what
        was known by then, a quarter by default, as models are usually trained; with 1, on every
        date.
    lead_days : int
        A warning counts if it was raised at most this many days before the account left.
    least_churned : int
        Minimum number of churned accounts; with fewer, scores are not evaluated.
    resamples : int
        Number of bootstrap resamples of the accounts for each interval.
    """

    refit_days: PositiveInt = 84
    lead_days: PositiveInt = 180
    least_churned: PositiveInt = 10
    resamples: Annotated[int, Field(ge=50, le=10_000)] = 400


class TuneConfig(Section):
    """How much data the weights are learned from, and how much they are tested on.

    Attributes
    ----------
    least_churned : int
        Minimum number of churned accounts in the training period; with fewer, nothing is learned.
    least_held_out : int
        The same for the later period on which old and new weights are compared.
    held_out_share : float
        Share of the dates, the latest ones, used for that comparison, 0-1.
    """

    least_churned: PositiveInt = 30
    least_held_out: PositiveInt = 10
    held_out_share: Annotated[float, Field(gt=0, lt=1)] = 0.35
