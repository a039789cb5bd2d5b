"""Models that replace the glass box where events are few, or where nothing predicts them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import pandas as pd
from scipy.special import logit
from scipy.stats import rankdata
from sklearn.linear_model import LogisticRegression
from sklearn.utils.validation import check_is_fitted

from models.base.calibration import BASELINE, Calibration
from models.base.inputs import (
    FloatArray,
    IntArray,
    ModelInputError,
    group_codes,
    model_frame,
    numeric_columns,
)
from models.base.log_odds import LogOddsClassifier

#: Accounts with the event from which on the glass box is fitted.
GLASS_BOX_EVENTS = 50
#: Accounts with the event below which no probability is published.
FEWEST_EVENTS = 10


def model_kind(event_accounts: int) -> str:
    """Choose the model by the number of accounts that had the event.

    Returns
    -------
    str
        ``"model"`` (50 and more), ``"few-feature model"`` (10 to 49) or ``"none"``.
    """
    if event_accounts >= GLASS_BOX_EVENTS:
        return "model"
    return "few-feature model" if event_accounts >= FEWEST_EVENTS else "none"


class FewFeatureClassifier(LogOddsClassifier):
    """Ridge logistic regression on a few numeric features, for 10 to 49 events.

    Features are clipped to their 1st-99th percentile and standardised; one that was not
    measured takes its mean, so that its contribution is 0.

    Parameters
    ----------
    features : sequence of str, optional
        Candidates, best first; those that `X` lacks are passed over. By default all numeric
        features, by their own AUC on the training rows.
    events_per_feature : int
        Accounts with the event that pay for one feature (Peduzzi et al. 1996 advise ten).
    most_features : int
        Upper bound of their number.
    strength : float
        Inverse of the ridge penalty, as scikit-learn's ``C``.

    Attributes
    ----------
    features_ : list of str
        The features used.
    classes_, n_features_in_, feature_names_in_
        As scikit-learn has them.
    calibration_ : Calibration
        Applied to the log-odds.
    """

    def __init__(
        self,
        *,
        features: Sequence[str] | None = None,
        events_per_feature: int = 10,
        most_features: int = 5,
        strength: float = 0.3,
    ) -> None:
        self.features = features
        self.events_per_feature = events_per_feature
        self.most_features = most_features
        self.strength = strength

    def fit(self, X: Any, y: Any, groups: Any = None) -> Self:
        """Fit on `X` (n_samples, n_features), two classes `y` and the account of every row."""
        frame, target = self._learned_from(X, y)
        codes = group_codes(groups, len(frame))
        n_events = len(np.unique(codes[target == 1]))
        affordable = min(max(n_events // self.events_per_feature, 1), self.most_features)
        self.features_ = self._candidates(frame, target)[:affordable]
        self._scale(frame)
        ridge = LogisticRegression(C=self.strength).fit(self._scaled(frame), target)
        self.coefficients_ = ridge.coef_[0]
        self.intercept_ = float(ridge.intercept_[0])
        self.calibration_ = Calibration()
        return self

    def _candidates(self, frame: pd.DataFrame, target: IntArray) -> list[str]:
        usable = [name for name in numeric_columns(frame) if frame[name].nunique() > 1]
        if self.features is not None:
            usable = [name for name in self.features if name in usable]
        else:
            usable.sort(key=lambda name: -abs(single_auc(frame[name].to_numpy(), target) - 0.5))
        if not usable:
            raise ModelInputError(
                "no numeric feature that varies",
                where="features",
                fix="name features that were measured, or publish the base rate only",
            )
        return usable

    def _scale(self, frame: pd.DataFrame) -> None:
        chosen = frame[self.features_]
        self.low_ = chosen.quantile(0.01).to_numpy()
        self.high_ = chosen.quantile(0.99).to_numpy()
        clipped = chosen.clip(self.low_, self.high_, axis=1)
        self.mean_ = clipped.mean().to_numpy()
        spread = clipped.std(ddof=0).to_numpy()
        self.scale_ = np.where(spread > 0, spread, 1.0)

    def _scaled(self, frame: pd.DataFrame) -> FloatArray:
        values = np.clip(frame[self.features_].to_numpy(), self.low_, self.high_)
        return np.asarray(np.nan_to_num((values - self.mean_) / self.scale_, nan=0.0))

    def decision_function(self, X: Any) -> FloatArray:
        """Return the calibrated log-odds of the event, shape = (n_samples,)."""
        check_is_fitted(self)
        frame = model_frame(self, X, reset=False, columns=self.features_)
        raw = self._scaled(frame) @ self.coefficients_ + self.intercept_
        return self.calibration_.logit(raw)

    def contributions(self, X: Any) -> pd.DataFrame:
        """Return what each feature used adds to a row's log-odds, and ``baseline``."""
        check_is_fitted(self)
        frame = model_frame(self, X, reset=False, columns=self.features_)
        terms = self._scaled(frame) * self.coefficients_
        result = pd.DataFrame(terms, index=frame.index, columns=self.features_)
        result[BASELINE] = self.intercept_
        return self.calibration_.contributions(result)


class BaseRateClassifier(LogOddsClassifier):
    """The share of rows with the event, of the peer group where one is given.

    Parameters
    ----------
    peer_column : str, optional
        The feature that names the peer group. A group's rate is shrunk to that of all rows.
    prior_rows : float
        How many rows the rate of all weighs against those of the group.
    publish : bool
        False makes every probability missing: too few events even for a rate.

    Attributes
    ----------
    rate_ : float
        Share of rows with the event, never 0 or 1.
    peer_rates_ : dict of str to float
        The same by peer group.
    """

    def __init__(
        self, *, peer_column: str | None = None, prior_rows: float = 200.0, publish: bool = True
    ) -> None:
        self.peer_column = peer_column
        self.prior_rows = prior_rows
        self.publish = publish

    def fit(self, X: Any, y: Any, groups: Any = None) -> Self:
        """Count; `groups` is taken for the sake of the common signature."""
        frame, target = self._learned_from(X, y, one_class=True)
        self.rate_ = float((target.sum() + 0.5) / (len(target) + 1.0))
        self.peer_rates_ = self._peer_rates(frame, target)
        return self

    def _peer_rates(self, frame: pd.DataFrame, target: IntArray) -> dict[str, float]:
        if self.peer_column is None:
            return {}
        if self.peer_column not in frame.columns:
            raise ModelInputError(
                f"no feature {self.peer_column!r}",
                where="peer_column",
                fix="the features are " + ", ".join(frame.columns),
            )
        counts = (
            pd.Series(target, index=frame.index)
            .groupby(frame[self.peer_column])
            .agg(["sum", "count"])
        )
        rates = (counts["sum"] + self.prior_rows * self.rate_) / (counts["count"] + self.prior_rows)
        return {str(name): float(rate) for name, rate in rates.items()}

    def decision_function(self, X: Any) -> FloatArray:
        """Return the log-odds of the rate, shape = (n_samples,); NaN where not published."""
        check_is_fitted(self)
        read = [str(self.peer_column)] if self.publish and self.peer_rates_ else []
        frame = model_frame(self, X, reset=False, columns=read)
        rates = np.full(len(frame), self.rate_ if self.publish else np.nan)
        if self.publish and self.peer_rates_:
            known = frame[self.peer_column].astype(str).map(self.peer_rates_)
            rates = known.astype("float64").fillna(self.rate_).to_numpy()
        return np.asarray(logit(rates), dtype="float64")

    def contributions(self, X: Any) -> pd.DataFrame:
        """Return 0 for every feature and the whole of the log-odds as ``baseline``."""
        log_odds = self.decision_function(X)
        # A frame was checked above; an array has no names.
        named = X if isinstance(X, pd.DataFrame) else model_frame(self, X, reset=False)
        result = pd.DataFrame(0.0, index=named.index, columns=[str(name) for name in named.columns])
        result[BASELINE] = log_odds
        return result

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.poor_score = True
        return tags


def single_auc(values: FloatArray, target: IntArray) -> float:
    """Return the AUC of one feature alone; rows where it is missing are left out.

    Returns
    -------
    float
        0-1; 0.5 where only one class is left.
    """
    known = ~np.isnan(values)
    y = target[known]
    n_events, n_others = int(y.sum()), int(len(y) - y.sum())
    if not n_events or not n_others:
        return 0.5
    ranks = rankdata(values[known])
    wins = float(ranks[y == 1].sum()) - n_events * (n_events + 1) / 2
    return wins / (n_events * n_others)
