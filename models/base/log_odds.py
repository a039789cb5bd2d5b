"""Binary classifiers defined by their log-odds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import validate_data

from models.base.inputs import FloatArray, IntArray, binary_target, model_frame


class LogOddsClassifier(ClassifierMixin, BaseEstimator, ABC):  # type: ignore[misc]
    """A binary scikit-learn classifier that is defined by its ``decision_function``.

    Attributes
    ----------
    classes_ : array, shape = (2,)
        The second class is the event.
    """

    classes_: npt.NDArray[Any]

    @abstractmethod
    def decision_function(self, X: Any) -> FloatArray:
        """Return the log-odds of the event, shape = (n_samples,)."""

    def predict_proba(self, X: Any) -> FloatArray:
        """Return the probabilities of both classes, shape = (n_samples, 2).

        NaN if the log-odds are NaN.
        """
        log_odds = self.decision_function(X)
        return np.column_stack([expit(-log_odds), expit(log_odds)])

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """Return the likelier class, shape = (n_samples,); no event if the log-odds are NaN."""
        likely = (self.decision_function(X) > 0).astype(int)
        return np.asarray(self.classes_[likely])

    def _learned_from(
        self, X: Any, y: Any, *, one_class: bool = False
    ) -> tuple[pd.DataFrame, IntArray]:
        """Validate the input of ``fit``; set features and classes; return X and `y` as 0 and 1."""
        validate_data(self, X, y, skip_check_array=True)
        frame = model_frame(self, X, reset=True)
        self.classes_, target = binary_target(y, len(frame), one_class=one_class)
        return frame, target

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.classifier_tags.multi_class = False
        return tags
