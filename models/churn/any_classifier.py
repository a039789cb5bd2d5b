"""Any scikit-learn classifier, with reasons that sum to its prediction."""

from __future__ import annotations

import inspect
from typing import Any, Self

import numpy as np
import pandas as pd
from scipy.special import logit
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from models.base.calibration import BASELINE, Calibration
from models.base.inputs import FloatArray, ModelInputError, model_frame, numeric_columns
from models.base.log_odds import LogOddsClassifier

#: Probabilities are kept this far from 0 and 1, so that log-odds stay finite.
_LEAST = 1e-6
_SUMS_TO = 1e-6


class AnyClassifier(LogOddsClassifier):
    """A classifier with ``predict_proba``, with the interface of the glass box.

    Texts become one column a value; numbers go as they are, except that an estimator which
    refuses NaN gets the median and a column that marks missing values.

    Its reasons: where the estimator has ``contributions(X)`` of its own (a column a term and
    ``baseline``, summing to ``decision_function``), these. Else Shapley values sampled over a
    few orders of the features (Štrumbelj and Kononenko 2014; each order and its reverse): from
    the typical account on, one feature after the other takes the account's own value, and what
    that changes is the feature's. An order's changes add up to the log-odds exactly, so their
    mean does; the split between features that act together is an estimate, and its cost is
    ``n_orders`` × features predictions.

    Parameters
    ----------
    estimator : classifier
        Cloned before it is fitted.
    n_orders : int
        Orders of the features, an even number; more make the split between features steadier.
    seed : int
        Seed of the orders.

    Attributes
    ----------
    classes_, n_features_in_, feature_names_in_
        As scikit-learn has them.
    estimator_ : classifier
        The fitted one.
    reasons_by_ : str
        Where `contributions` come from, in words.
    calibration_ : Calibration
        Applied to the log-odds.
    """

    def __init__(self, estimator: Any, *, n_orders: int = 4, seed: int = 0) -> None:
        self.estimator = estimator
        self.n_orders = n_orders
        self.seed = seed

    def fit(self, X: Any, y: Any, groups: Any = None) -> Self:
        """Fit a clone of the estimator.

        Parameters
        ----------
        X : pandas.DataFrame or array-like, shape = (n_samples, n_features)
            Floats with NaN, text as nominal.
        y : array-like, shape = (n_samples,)
            Two classes.
        groups : array-like, shape = (n_samples,), optional
            The account of every row; handed on where the estimator's ``fit`` takes it.
        """
        if self.n_orders < 2 or self.n_orders % 2:
            raise ModelInputError(
                f"{self.n_orders} orders", where="n_orders", fix="give an even number of 2 or more"
            )
        frame, target = self._learned_from(X, y)
        self._learn_columns(frame)
        own = clone(self.estimator)
        takes_groups = "groups" in inspect.signature(own.fit).parameters
        own.fit(self._encoded(frame), target, **({"groups": groups} if takes_groups else {}))
        self.estimator_ = own
        self.calibration_ = Calibration()
        self.reasons_by_ = (
            "its own contributions"
            if hasattr(own, "contributions")
            else f"Shapley values sampled over {self.n_orders} orders of the features, "
            "against the typical account"
        )
        return self

    def _learn_columns(self, frame: pd.DataFrame) -> None:
        """Note the values of texts, the medians, and the typical account."""
        numbers = numeric_columns(frame)
        texts = [str(name) for name in frame.columns if name not in numbers]
        self.values_ = {name: sorted(frame[name].dropna().unique()) for name in texts}
        self.medians_ = {name: _median(frame[name]) for name in numbers}
        tags = getattr(self.estimator, "__sklearn_tags__", None)
        self.keeps_missing_ = bool(tags is not None and tags().input_tags.allow_nan)
        common = {name: frame[name].mode(dropna=False).iloc[0] for name in texts}
        self.typical_ = {**self.medians_, **common}

    def _encoded(self, frame: pd.DataFrame) -> pd.DataFrame:
        columns: dict[str, Any] = {}
        for name, median in self.medians_.items():
            values = frame[name].to_numpy(dtype="float64")
            if self.keeps_missing_ and not np.isnan(median):
                columns[name] = values
            else:
                known = ~np.isnan(values)
                # Never measured at all: there is no median either.
                columns[name] = np.where(known, values, np.nan_to_num(median))
                columns[f"{name} missing"] = (~known).astype("float64")
        for name, known_values in self.values_.items():
            own = frame[name].to_numpy(dtype=object)
            columns |= {f"{name} = {v}": (own == v).astype("float64") for v in known_values}
        return pd.DataFrame(columns, index=frame.index)

    def _raw_logit(self, frame: pd.DataFrame) -> FloatArray:
        encoded = self._encoded(frame)
        if hasattr(self.estimator_, "contributions"):
            return np.asarray(self.estimator_.decision_function(encoded), dtype="float64")
        probability = np.asarray(self.estimator_.predict_proba(encoded), dtype="float64")[:, 1]
        return np.asarray(logit(np.clip(probability, _LEAST, 1 - _LEAST)), dtype="float64")

    def decision_function(self, X: Any) -> FloatArray:
        """Return the calibrated log-odds of the event, shape = (n_samples,)."""
        check_is_fitted(self)
        return self.calibration_.logit(self._raw_logit(model_frame(self, X, reset=False)))

    def contributions(self, X: Any) -> pd.DataFrame:
        """Return what each feature adds to a row's log-odds, and ``baseline``.

        Returns
        -------
        pandas.DataFrame, shape = (n_samples, n_features + 1)
            Row sums are `decision_function`.

        Raises
        ------
        ModelInputError
            The estimator's own contributions do not sum to its ``decision_function``.
        """
        check_is_fitted(self)
        frame = model_frame(self, X, reset=False)
        own = hasattr(self.estimator_, "contributions")
        raw = self._own_contributions(frame) if own else self._sampled(frame)
        return self.calibration_.contributions(raw)

    def _own_contributions(self, frame: pd.DataFrame) -> pd.DataFrame:
        result = self.estimator_.contributions(self._encoded(frame)).set_axis(frame.index)
        difference = np.abs(result.sum(axis=1).to_numpy() - self._raw_logit(frame))
        if BASELINE not in result.columns or (difference > _SUMS_TO).any():
            raise ModelInputError(
                f"contributions must have a column {BASELINE!r} and sum to decision_function; "
                f"they differ by up to {float(difference.max()):.2g}",
                where=type(self.estimator_).__name__,
                fix="fix the estimator, or remove its contributions to have them sampled",
            )
        return pd.DataFrame(result)

    def _sampled(self, frame: pd.DataFrame) -> pd.DataFrame:
        names = list(frame.columns)
        typical = self._typical_rows(frame)
        start = self._raw_logit(typical)
        added = {name: np.zeros(len(frame)) for name in names}
        for order in self._orders(names):
            walked, before = typical.copy(), start
            for name in order:
                walked[name] = frame[name]
                now = self._raw_logit(walked)
                added[name] += (now - before) / self.n_orders
                before = now
        result = pd.DataFrame(added, index=frame.index)
        result[BASELINE] = start
        return result

    def _typical_rows(self, frame: pd.DataFrame) -> pd.DataFrame:
        columns = {
            name: pd.Series([value] * len(frame), index=frame.index, dtype=frame[name].dtype)
            for name, value in self.typical_.items()
        }
        return pd.DataFrame(columns)[list(frame.columns)]

    def _orders(self, names: list[str]) -> list[list[str]]:
        """Draw orders, each with its reverse: what is late in one is early in the other."""
        rng = np.random.default_rng(self.seed)
        drawn = [list(rng.permutation(names)) for _ in range(self.n_orders // 2)]
        return [order for one in drawn for order in (one, one[::-1])]


def _median(values: pd.Series[float]) -> float:
    """Return the median of what was measured; NaN where nothing was."""
    known = values.dropna()
    return float(known.median()) if len(known) else float("nan")
