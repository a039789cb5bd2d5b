"""Discrete-time survival with the glass box: one row per period, hazards with exact reasons."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, clone
from sklearn.utils.validation import check_is_fitted

from models.base.inputs import FloatArray, ModelInputError, as_floats, feature_frame
from models.glass_box.classifier import GlassBoxClassifier

#: Name of the feature with the number of periods before the current one.
PERIOD = "periods_before"


class DiscreteTimeSurvival(BaseEstimator):  # type: ignore[misc]
    """Hazard of each period given the features and the age in periods (Singer & Willett 1993).

    Unlike in a Cox model, the hazard is not a multiple of one baseline but a sum of curves on the
    log-odds scale.

    Parameters
    ----------
    period_days : float
        Length of a period in the unit of the durations; 1 if the durations are in periods.
    most_periods : int
        Maximum age; older accounts are treated as being of this age.
    estimator : GlassBoxClassifier, optional
        Used instead of the default one.

    Attributes
    ----------
    model_ : GlassBoxClassifier
        The fitted hazard.
    """

    def __init__(
        self,
        *,
        period_days: float = 30.0,
        most_periods: int = 60,
        estimator: GlassBoxClassifier | None = None,
    ) -> None:
        self.period_days = period_days
        self.most_periods = most_periods
        self.estimator = estimator

    def fit(self, X: Any, durations: Any, events: Any, *, entry_days: Any = None) -> Self:
        """Fit on one row per account and period under observation.

        Parameters
        ----------
        X : pandas.DataFrame, shape = (n_samples, n_features)
            Features of the account.
        durations, events, entry_days
            As in `PeerSurvival.fit`.
        """
        frame = feature_frame(X)
        time = as_floats(durations, "durations", len(frame))
        churned = as_floats(events, "events", len(frame))
        entry = np.zeros(len(time)) if entry_days is None else as_floats(entry_days, "entry_days")
        last = np.ceil(np.maximum(time, 1e-9) / self.period_days).astype(np.int64)
        first = np.floor(entry / self.period_days).astype(np.int64)
        lived = np.maximum(last - first, 0)
        if not lived.sum():
            raise ModelInputError(
                "no account has any time under observation",
                where="durations",
                fix="durations must exceed entry_days",
            )
        row = np.repeat(np.arange(len(frame)), lived)
        period = first[row] + np.arange(len(row)) - np.repeat(np.cumsum(lived) - lived, lived)
        happened = (churned[row] == 1) & (period == last[row] - 1)
        self.model_ = self._estimator().fit(
            self._with_period(frame.iloc[row], period), happened.astype(np.int64), groups=row
        )
        return self

    def _estimator(self) -> GlassBoxClassifier:
        default = GlassBoxClassifier()
        return default if self.estimator is None else clone(self.estimator)

    def _with_period(self, frame: pd.DataFrame, period: Any) -> pd.DataFrame:
        age = np.minimum(np.asarray(period, dtype="float64"), self.most_periods - 1)
        return frame.reset_index(drop=True).assign(**{PERIOD: age})

    def survival(self, X: Any, periods: Any, *, lived: Any = None) -> FloatArray:
        """Return the survival probability after each of `periods`.

        Parameters
        ----------
        X : pandas.DataFrame, shape = (n_samples, n_features)
            Features.
        periods : array-like of int, shape = (n_times,)
            Whole periods from now, 1 or more.
        lived : array-like of int, shape = (n_samples,), optional
            Age in periods, which the curve is conditional on; by default 0.

        Returns
        -------
        array, shape = (n_samples, n_times)
        """
        check_is_fitted(self)
        frame = feature_frame(X)
        future = np.asarray(periods, dtype=np.int64)
        start = np.zeros(len(frame), dtype=np.int64) if lived is None else np.asarray(lived)
        steps = [
            self.model_.predict_proba(self._with_period(frame, start + step))[:, 1]
            for step in range(int(future.max()))
        ]
        present = np.cumprod(1.0 - np.column_stack(steps), axis=1)
        return np.asarray(present[:, future - 1])
