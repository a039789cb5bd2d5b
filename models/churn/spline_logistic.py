"""Logistic regression on linear splines, with a ridge chosen on held-out accounts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import expit, logit
from sklearn.utils.validation import check_is_fitted

from models.base.calibration import BASELINE, Calibration, log_loss
from models.base.inputs import (
    BoolArray,
    FloatArray,
    IntArray,
    ModelInputError,
    group_codes,
    model_frame,
)
from models.base.log_odds import LogOddsClassifier
from models.glass_box.classifier import account_folds

#: Values of a text, most frequent first, that get a column.
_MOST_VALUES = 30
#: Where a fit may stop: far below the noise of the labels.
_SURE_ENOUGH = {"ftol": 1e-7, "gtol": 1e-5, "maxiter": 300}
#: Rows on which the strength of the ridge is chosen: it does not become clearer with more.
_ROWS_TRIED = 8_000


@dataclass(frozen=True)
class Basis:
    """The columns of one feature.

    Attributes
    ----------
    name : str
    low, high, mean, scale : float
        A number is clipped to low … high and standardised.
    knots : tuple of float
        Where the line may bend, in standard deviations.
    values : tuple of str
        The values of a text; empty for a number.
    marks_missing : bool
        Whether a missing value has a column.
    """

    name: str
    low: float = 0.0
    high: float = 0.0
    mean: float = 0.0
    scale: float = 1.0
    knots: tuple[float, ...] = ()
    values: tuple[str, ...] = ()
    marks_missing: bool = False

    def columns(self, values: pd.Series[Any]) -> FloatArray:
        """Return the columns of some rows, shape = (n_samples, n_columns)."""
        missing = values.isna().to_numpy()
        flag = [missing.astype("float64")] if self.marks_missing else []
        if values.dtype.kind != "f":
            own = values.to_numpy(dtype=object)
            return np.column_stack([*((own == v).astype("float64") for v in self.values), *flag])
        numbers = np.clip(values.to_numpy(dtype="float64"), self.low, self.high)
        # Where nothing was measured, every column but the flag is that of the mean.
        line = np.where(missing, 0.0, (numbers - self.mean) / self.scale)
        bends = [np.maximum(line - knot, 0.0) for knot in self.knots]
        return np.column_stack([line, *bends, *flag])


class SplineLogisticClassifier(LogOddsClassifier):
    """Ridge logistic regression on linear splines: a sum of one bent line a feature.

    Numbers are clipped to their 1st-99th percentile; their line may bend at quantiles. A missing
    value has an indicator, and a text one column a value. The strength of the ridge is the one
    with the lowest log loss on folds of held-out accounts.

    Parameters
    ----------
    features : sequence of str, optional
        The features used; those that `X` lacks are passed over. By default all.
    n_knots : int
        Bends of each line.
    strengths : sequence of float
        Inverse ridge penalties to choose from, as scikit-learn's ``C``, rising.
    n_folds : int
        Folds of accounts on which the strength is chosen.
    seed : int
        Seed of the folds.

    Attributes
    ----------
    strength_ : float
        The chosen one.
    classes_, n_features_in_, feature_names_in_
        As scikit-learn has them.
    calibration_ : Calibration
        Applied to the log-odds.
    """

    def __init__(
        self,
        *,
        features: Sequence[str] | None = None,
        n_knots: int = 1,
        strengths: Sequence[float] = (3e-4, 3e-3, 3e-2, 0.3),
        n_folds: int = 3,
        seed: int = 0,
    ) -> None:
        self.features = features
        self.n_knots = n_knots
        self.strengths = strengths
        self.n_folds = n_folds
        self.seed = seed

    def fit(self, X: Any, y: Any, groups: Any = None) -> Self:
        """Fit on `X` (n_samples, n_features), two classes `y` and the account of every row.

        Raises
        ------
        ModelInputError
            None of the features varies.
        """
        frame, target = self._learned_from(X, y)
        codes = group_codes(groups, len(frame))
        wanted = list(frame.columns) if self.features is None else self.features
        self.bases_ = spline_bases(frame[[n for n in wanted if n in frame.columns]], self.n_knots)
        if not self.bases_:
            raise ModelInputError(
                "no feature that varies", where="features", fix="name features that were measured"
            )
        design = spline_columns(self.bases_, frame)
        self.center_, spread = design.mean(axis=0), design.std(axis=0)
        self.scale_ = np.where(spread > 1e-9, spread, np.inf)
        scaled = ((design - self.center_) / self.scale_).astype("float32")
        self.strength_ = self._strength(scaled, target, codes)
        weights = _path(scaled, target, [s for s in self.strengths if s <= self.strength_])[-1]
        self.coefficients_, self.intercept_ = weights[:-1], float(weights[-1])
        self.calibration_ = Calibration()
        return self

    def _strength(self, scaled: FloatArray, target: IntArray, codes: IntArray) -> float:
        """Return the strength with the lowest log loss on held-out accounts."""
        if len(self.strengths) == 1:
            return float(self.strengths[0])
        folds = account_folds(target, codes, n_folds=self.n_folds, seed=self.seed)
        tried = some_accounts(codes, self.seed)
        scaled, target, folds = scaled[tried], target[tried], folds[tried]
        losses = np.zeros(len(self.strengths))
        for fold in range(self.n_folds):
            inside: BoolArray = folds == fold
            known = target[~inside]
            if not inside.any() or not 0 < known.sum() < len(known):
                continue
            for at, weights in enumerate(_path(scaled[~inside], known, self.strengths)):
                found = scaled[inside] @ weights[:-1] + weights[-1]
                losses[at] += log_loss(target[inside].astype("float64"), found) * inside.sum()
        return float(self.strengths[int(np.argmin(losses))])

    def _terms(self, X: Any) -> Iterator[FloatArray]:
        """Yield what each feature adds, in their order."""
        check_is_fitted(self)
        read = [basis.name for basis in self.bases_]
        frame = model_frame(self, X, reset=False, columns=read)
        # With the columns of one feature at a time: those of all need much memory.
        return spline_terms(
            self.bases_, frame, center=self.center_, weights=self.coefficients_ / self.scale_
        )

    def decision_function(self, X: Any) -> FloatArray:
        """Return the calibrated log-odds of the event, shape = (n_samples,)."""
        total = np.asarray(sum(self._terms(X))) + self.intercept_
        return self.calibration_.logit(total)

    def contributions(self, X: Any) -> pd.DataFrame:
        """Return what each feature adds to a row's log-odds, and ``baseline``."""
        check_is_fitted(self)
        names = (basis.name for basis in self.bases_)
        columns = dict(zip(names, self._terms(X), strict=True))
        columns[BASELINE] = np.full(len(X), self.intercept_)
        index = X.index if isinstance(X, pd.DataFrame) else None
        return self.calibration_.contributions(pd.DataFrame(columns, index=index, copy=False))


def some_accounts(codes: IntArray, seed: int, *, most: int = _ROWS_TRIED) -> BoolArray:
    """Return which rows a search uses: all, or those of random accounts, about `most`."""
    accounts = int(codes.max()) + 1
    place = np.random.default_rng(seed).permutation(accounts)[codes]
    return np.asarray(place < accounts * most / len(codes))


def spline_columns(bases: Sequence[Basis], frame: pd.DataFrame) -> FloatArray:
    """Return the columns of all features, shape = (n_samples, n_columns)."""
    return np.hstack([basis.columns(frame[basis.name]) for basis in bases])


def spline_terms(
    bases: Sequence[Basis], frame: pd.DataFrame, *, center: FloatArray, weights: FloatArray
) -> Iterator[FloatArray]:
    """Yield, for each feature, the sum of (column − center) × weight over its columns.

    A row's sum depends on that row alone, to the last digit, whatever other rows there are.
    """
    place = 0
    for basis in bases:
        total = np.zeros(len(frame))
        for column in basis.columns(frame[basis.name]).T:
            total += (column - center[place]) * weights[place]
            place += 1
        yield total


def spline_bases(frame: pd.DataFrame, n_knots: int) -> list[Basis]:
    """Return how each feature that varies becomes columns."""
    found, patterns = [], set()
    for name in frame.columns:
        missing = frame[name].isna().to_numpy()
        pattern = missing.tobytes()
        # Features that are missing together share one indicator.
        marks_missing = 0 < missing.sum() < len(missing) and pattern not in patterns
        patterns.add(pattern)
        basis = _basis(frame[name], n_knots, marks_missing=marks_missing)
        if basis is not None:
            found.append(basis)
    return found


def _basis(values: pd.Series[Any], n_knots: int, *, marks_missing: bool) -> Basis | None:
    """Return how a feature becomes columns; None where it does not vary."""
    name = str(values.name)
    known = values.dropna()
    if values.dtype.kind != "f":
        common = tuple(map(str, known.value_counts().index[:_MOST_VALUES]))
        if len(common) < 2 and not (common and marks_missing):
            return None
        return Basis(name, values=common, marks_missing=marks_missing)
    if not len(known):
        return None
    numbers = known.to_numpy(dtype="float64")
    low, high = np.quantile(numbers, [0.01, 0.99])
    if not low < high:
        # Rare values are all there is.
        low, high = float(numbers.min()), float(numbers.max())
    clipped = np.clip(numbers, low, high)
    scale = float(clipped.std())
    if not (low < high and scale > 0):
        return Basis(name, mean=low, marks_missing=True) if marks_missing else None
    line = (clipped - clipped.mean()) / scale
    cuts = np.quantile(line, np.linspace(0, 1, n_knots + 2)[1:-1])
    knots = tuple(float(k) for k in np.unique(cuts) if line.min() < k < line.max())
    return Basis(
        name, float(low), float(high), float(clipped.mean()), scale, knots, (), marks_missing
    )


def _path(design: FloatArray, target: IntArray, strengths: Sequence[float]) -> list[FloatArray]:
    """Return the weights, the intercept last, by rising strength, each from the one before."""
    n, p = design.shape
    start = np.zeros(p + 1)
    start[-1] = logit(target.mean())
    found = []
    for strength in strengths:

        def loss(w: FloatArray, ridge: float = 1.0 / strength) -> tuple[float, FloatArray]:
            log_odds = (design @ w[:-1].astype(design.dtype)).astype("float64") + w[-1]
            value = np.sum(np.logaddexp(0.0, log_odds) - target * log_odds)
            error = expit(log_odds) - target
            slope = np.append(error.astype(design.dtype) @ design + ridge * w[:-1], error.sum())
            return float(value + 0.5 * ridge * w[:-1] @ w[:-1]) / n, slope / n

        start = minimize(loss, start, jac=True, method="L-BFGS-B", options=_SURE_ENOUGH).x
        found.append(np.asarray(start))
    return found
