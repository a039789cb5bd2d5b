"""A model of an overall score alone, for so few events that nothing more can be learned."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Self

import numpy as np
import pandas as pd
from scipy.special import logit
from sklearn.linear_model import LogisticRegression
from sklearn.utils.validation import check_is_fitted

from models.base.calibration import BASELINE, Calibration
from models.base.inputs import FloatArray, ModelInputError, model_frame
from models.base.log_odds import LogOddsClassifier

#: Before the name of a measure: the columns of what it gives to the score, and by what weight.
POINTS, WEIGHT = "score points of ", "score weight of "

#: Points; a score that varies less is always the same.
_LEAST_SPREAD = 1e-9


def score_columns(measures: Sequence[str]) -> list[str]:
    """Return the columns that contain a score."""
    return [f"{kind}{name}" for kind in (POINTS, WEIGHT) for name in measures]


def measures_given(columns: Iterable[Any]) -> list[str]:
    """Return the measures of a score whose points and weights are among some columns."""
    names = [str(name) for name in columns]
    result = [name.removeprefix(POINTS) for name in names if name.startswith(POINTS)]
    return [name for name in result if f"{WEIGHT}{name}" in names]


class ScoreClassifier(LogOddsClassifier):
    """Logistic regression on an overall score, higher better: the sum of its measures' points.

    The risk may only fall as the score rises. A row without a score takes the mean. The reasons
    are those of the score itself: a measure gives slope × (its points − its weight × the mean
    score), so one at the usual level adds nothing, and one without data,
    which has no weight, gives nothing either.

    Parameters
    ----------
    measures : sequence of str
        `X` has the columns `score_columns` of them; in a row with a score the weights sum to 1,
        in one without all are NaN.
    strength : float
        Inverse of the ridge penalty, as scikit-learn's ``C``.

    Attributes
    ----------
    slope_ : float
        Log-odds a point of the score, 0 or less.
    mean_ : float
        The mean score.
    classes_, n_features_in_, feature_names_in_
        As scikit-learn has them.
    calibration_ : Calibration
        Applied to the log-odds.
    """

    def __init__(self, measures: Sequence[str] = (), *, strength: float = 0.3) -> None:
        self.measures = measures
        self.strength = strength

    def fit(self, X: Any, y: Any, groups: Any = None) -> Self:
        """Fit on two classes `y`; `groups` is taken for the sake of the common signature."""
        frame, target = self._learned_from(X, y)
        score = self._points(frame).sum(axis=1)
        known = ~np.isnan(score)
        spread = float(score[known].std()) if known.any() else 0.0
        if not spread > _LEAST_SPREAD:
            raise ModelInputError(
                "the score is the same of every row, or of none",
                where="measures",
                fix="give rows with a score, or leave the measures out",
            )
        self.mean_ = float(score[known].mean())
        scaled = np.where(known, (score - self.mean_) / spread, 0.0)
        ridge = LogisticRegression(C=self.strength).fit(scaled[:, None], target)
        self.slope_, self.intercept_ = float(ridge.coef_[0, 0]) / spread, float(ridge.intercept_[0])
        if self.slope_ > 0:
            # A score that points the wrong way is ignored.
            self.slope_, self.intercept_ = 0.0, float(logit(target.mean()))
        self.calibration_ = Calibration()
        return self

    def _points(self, frame: pd.DataFrame) -> FloatArray:
        missing = [name for name in score_columns(self.measures) if name not in frame.columns]
        if missing or not self.measures:
            raise ModelInputError(
                "columns of the score are missing: " + (", ".join(missing) or "no measure named"),
                where="X",
                fix="give points and weight of every measure",
            )
        return frame[[POINTS + name for name in self.measures]].to_numpy(dtype="float64")

    def _terms(self, frame: pd.DataFrame) -> FloatArray:
        weights = frame[[WEIGHT + name for name in self.measures]].to_numpy(dtype="float64")
        difference = self._points(frame) - self.mean_ * weights
        return np.asarray(self.slope_ * np.nan_to_num(difference, nan=0.0))

    def decision_function(self, X: Any) -> FloatArray:
        """Return the calibrated log-odds of the event, shape = (n_samples,)."""
        check_is_fitted(self)
        frame = model_frame(self, X, reset=False)
        return self.calibration_.logit(self._terms(frame).sum(axis=1) + self.intercept_)

    def contributions(self, X: Any) -> pd.DataFrame:
        """Return what each measure of the score adds to a row's log-odds, and ``baseline``."""
        check_is_fitted(self)
        frame = model_frame(self, X, reset=False)
        result = pd.DataFrame(self._terms(frame), index=frame.index, columns=list(self.measures))
        result[BASELINE] = self.intercept_
        return self.calibration_.contributions(result)
