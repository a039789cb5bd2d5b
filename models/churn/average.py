"""The average of several models' log-odds: a sum of sums, so its contributions stay exact."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from models.base.calibration import BASELINE, Calibration
from models.base.inputs import FloatArray, columns_of, model_frame
from models.base.log_odds import LogOddsClassifier
from models.churn.later_dates import LabelledRows, fit_rows


class AverageClassifier(LogOddsClassifier):
    """The mean log-odds of several classifiers of this package.

    Parameters
    ----------
    members : sequence of LogOddsClassifier
        Cloned before they are fitted.

    Attributes
    ----------
    members_ : list of LogOddsClassifier
        The fitted ones.
    classes_, n_features_in_, feature_names_in_
        As scikit-learn has them.
    calibration_ : Calibration
        Applied to the mean.
    """

    def __init__(self, members: Sequence[LogOddsClassifier] = ()) -> None:
        self.members = members

    def fit(self, X: Any, y: Any, groups: Any = None, times: Any = None) -> Self:
        """Fit every member on the same rows."""
        dates = None if times is None else np.asarray(times)
        return self.fit_labelled(LabelledRows(X, y, groups, dates))

    def fit_labelled(self, rows: LabelledRows) -> Self:
        """Fit every member on the same rows, a hazard also on those with a partly known outcome."""
        frame, target = self._learned_from(rows.frame, rows.target)
        own = replace(rows, frame=frame, target=target)
        return self._take([fit_rows(clone(member), own) for member in self.members])

    @classmethod
    def of(cls, members: Sequence[LogOddsClassifier]) -> AverageClassifier:
        """Return the average of models that were fitted on the same rows.

        Members may use fewer of the features than the first one does.
        """
        average = cls([clone(member) for member in members])
        for name in ("classes_", "n_features_in_", "feature_names_in_"):
            setattr(average, name, getattr(members[0], name))
        return average._take(list(members))

    def _take(self, members: list[LogOddsClassifier]) -> Self:
        self.members_ = members
        self.calibration_ = Calibration()
        return self

    def _frames(self, X: Any) -> list[pd.DataFrame]:
        """Return the features of each member."""
        check_is_fitted(self)
        frame = model_frame(self, X, reset=False)
        return [columns_of(frame, member.feature_names_in_) for member in self.members_]

    def decision_function(self, X: Any) -> FloatArray:
        """Return the calibrated log-odds of the event, shape = (n_samples,)."""
        members = zip(self.members_, self._frames(X), strict=True)
        mean = np.mean([member.decision_function(own) for member, own in members], axis=0)
        return self.calibration_.logit(np.asarray(mean))

    def contributions(self, X: Any) -> pd.DataFrame:
        """Return what each term of any member adds to a row's log-odds, and ``baseline``."""
        members = zip(self.members_, self._frames(X), strict=True)
        parts = [member.contributions(own) for member, own in members]
        total = reduce(lambda a, b: a.add(b, fill_value=0.0), parts) / len(parts)
        names = list(dict.fromkeys(name for part in parts for name in part.columns))
        result = total[[*(name for name in names if name != BASELINE), BASELINE]]
        return self.calibration_.contributions(result)
