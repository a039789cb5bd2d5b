"""A glass-box classifier: an additive boosted model whose contributions are exact."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, Self

import joblib
import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from models.calibration import BASELINE, Calibration, fit_calibration
from models.inputs import (
    FloatArray,
    IntArray,
    ModelInputError,
    binary_target,
    group_codes,
    model_frame,
)


class GlassBoxClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Two-class explainable boosting machine (Nori et al. 2019, interpret-core).

    The log-odds are a sum of one curve a feature (and of chosen pairs), so that a row's
    contributions are read off, not estimated. Rows of one account are not independent: with
    `groups`, the rows that stop the boosting never share an account with those that feed it.

    Parameters
    ----------
    interactions : int
        How many pairs of features get a term of their own.
    max_bins : int
        Bins of a numeric feature's curve.
    learning_rate : float
        Step of one boosting round.
    max_rounds : int
        Most rounds over all features.
    early_stopping_rounds : int
        Rounds without gain on the validation rows after which boosting stops.
    outer_bags : int
        Models averaged, each with validation rows of its own.
    validation_share : float
        Share of the groups that a bag keeps for validation, 0-0.5.
    monotone : mapping of str to int, optional
        Direction of a feature's curve: 1 where the event may only grow more likely with the
        feature, −1 where only less.
    seed : int
        The same data and seed give the same model, whatever `n_jobs`.
    n_jobs : int
        Threads to fit the bags in.

    Attributes
    ----------
    classes_ : array, shape = (2,)
        The event is the last.
    n_features_in_, feature_names_in_
        As scikit-learn has them; the names only where a frame was given.
    term_names_ : list of str
        The columns of `contributions` except the baseline.
    calibration_ : Calibration
        Applied to the log-odds; none until `calibrate` finds one that helps.
    """

    def __init__(
        self,
        *,
        interactions: int = 0,
        max_bins: int = 64,
        learning_rate: float = 0.05,
        max_rounds: int = 500,
        early_stopping_rounds: int = 30,
        outer_bags: int = 4,
        validation_share: float = 0.15,
        monotone: Mapping[str, int] | None = None,
        seed: int = 0,
        n_jobs: int = 2,
    ) -> None:
        self.interactions = interactions
        self.max_bins = max_bins
        self.learning_rate = learning_rate
        self.max_rounds = max_rounds
        self.early_stopping_rounds = early_stopping_rounds
        self.outer_bags = outer_bags
        self.validation_share = validation_share
        self.monotone = monotone
        self.seed = seed
        self.n_jobs = n_jobs

    def fit(self, X: Any, y: Any, groups: Any = None) -> Self:
        """Fit the curves.

        Parameters
        ----------
        X : pandas.DataFrame or array-like, shape = (n_samples, n_features)
            Floats with NaN for not measured; text and categories count as nominal.
        y : array-like, shape = (n_samples,)
            Two classes.
        groups : array-like, shape = (n_samples,), optional
            The account of every row.
        """
        validate_data(self, X, y, skip_check_array=True)
        frame = model_frame(self, X, reset=True)
        self.classes_, target = binary_target(y, len(frame))
        bags = validation_bags(
            target,
            group_codes(groups, len(frame)),
            n_bags=self.outer_bags,
            share=self.validation_share,
            seed=self.seed,
        )
        booster = self._booster(frame)
        # The boosting is native code that frees the interpreter: threads need no copies of the
        # data and no start-up, which processes do.
        with warnings.catch_warnings(), joblib.parallel_config(backend="threading"):
            # interpret 0.7: its plots leave the bin of missing values out; contributions do not.
            warnings.filterwarnings("ignore", "Missing values detected", UserWarning)
            # A feature that no account could be measured on gets a flat curve.
            warnings.filterwarnings("ignore", "All-NaN slice encountered", RuntimeWarning)
            booster.fit(frame, target, bags=bags)
        self.booster_ = booster
        self.term_names_ = [str(name) for name in booster.term_names_]
        self.calibration_ = Calibration()
        return self

    def _booster(self, frame: pd.DataFrame) -> Any:
        # Slow to import, and needed by nothing but a fit.
        from interpret.glassbox import ExplainableBoostingClassifier  # noqa: PLC0415

        kinds = ["continuous" if t.kind == "f" else "nominal" for t in frame.dtypes]
        return ExplainableBoostingClassifier(
            feature_names=list(frame.columns),
            feature_types=kinds,
            interactions=self.interactions,
            max_bins=self.max_bins,
            learning_rate=self.learning_rate,
            max_rounds=self.max_rounds,
            early_stopping_rounds=self.early_stopping_rounds,
            outer_bags=self.outer_bags,
            monotone_constraints=self._directions(list(frame.columns)),
            random_state=self.seed,
            n_jobs=self.n_jobs,
        )

    def _directions(self, names: list[str]) -> list[int] | None:
        if not self.monotone:
            return None
        unknown = sorted(set(self.monotone) - set(names))
        if unknown:
            raise ModelInputError(
                "a direction is given for unknown features: " + ", ".join(unknown),
                where="monotone",
                fix="the features are " + ", ".join(names),
            )
        return [self.monotone.get(name, 0) for name in names]

    def calibrate(self, X: Any, y: Any, groups: Any = None) -> Self:
        """Calibrate on rows of a later period, where that lowers their log loss.

        Contributions stay exact: the terms are scaled, the baseline takes the rest.

        Parameters
        ----------
        X, y, groups
            As in `fit`; `y` may hold the event or its absence alone.
        """
        check_is_fitted(self)
        event = np.asarray(y) == self.classes_[1]
        fitted = fit_calibration(self._raw_logit(X), event, groups=groups, seed=self.seed)
        self.calibration_ = fitted.calibration
        return self

    def _raw_logit(self, X: Any) -> FloatArray:
        frame = model_frame(self, X, reset=False)
        return np.asarray(self.booster_.decision_function(frame), dtype="float64")

    def decision_function(self, X: Any) -> FloatArray:
        """Return the calibrated log-odds of the event, shape = (n_samples,)."""
        check_is_fitted(self)
        return self.calibration_.logit(self._raw_logit(X))

    def predict_proba(self, X: Any) -> FloatArray:
        """Return the probabilities of both classes, shape = (n_samples, 2)."""
        logit = self.decision_function(X)
        return np.column_stack([expit(-logit), expit(logit)])

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """Return the likelier class, shape = (n_samples,)."""
        likely = (self.decision_function(X) > 0).astype(int)
        return np.asarray(self.classes_[likely])

    def contributions(self, X: Any) -> pd.DataFrame:
        """Return what each term adds to a row's log-odds.

        Returns
        -------
        pandas.DataFrame, shape = (n_samples, n_terms + 1)
            The index of `X`; a column a term and ``baseline``. Row sums are
            `decision_function`.
        """
        check_is_fitted(self)
        frame = model_frame(self, X, reset=False)
        terms = np.asarray(self.booster_.eval_terms(frame), dtype="float64")
        result = pd.DataFrame(terms, index=frame.index, columns=self.term_names_)
        result[BASELINE] = float(np.ravel(self.booster_.intercept_)[0])
        return self.calibration_.contributions(result)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.classifier_tags.multi_class = False
        return tags


def validation_bags(
    target: IntArray, codes: IntArray, *, n_bags: int, share: float, seed: int
) -> npt.NDArray[np.int8]:
    """Choose each bag's validation rows by whole groups, with and without an event alike.

    Parameters
    ----------
    target : array, shape = (n_samples,)
        0 or 1.
    codes : array, shape = (n_samples,)
        Group of every row, 0 … n_groups − 1.
    n_bags : int
        Number of bags.
    share : float
        Share of the groups to validate on.
    seed : int
        Seed of the draw.

    Returns
    -------
    array of int8, shape = (n_samples, n_bags)
        1 for a training row, −1 for a validation row.
    """
    rng = np.random.default_rng(seed)
    has_event = np.bincount(codes, weights=target) > 0
    bags = np.ones((len(codes), n_bags), dtype=np.int8)
    for bag in range(n_bags):
        chosen = np.zeros(len(has_event), dtype=bool)
        for stratum in (np.flatnonzero(has_event), np.flatnonzero(~has_event)):
            size = round(share * len(stratum))
            chosen[rng.permutation(stratum)[:size]] = True
        bags[chosen[codes], bag] = -1
    return bags
