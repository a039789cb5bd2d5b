"""Accounts that respond to a treatment: two regularised models and the Qini coefficient."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils.validation import check_is_fitted

from models.base.inputs import BoolArray, FloatArray, IntArray, binary_target, feature_frame
from models.evaluation.ranking import Interval, resampled_weights
from models.uplift.effects import accounts_per_arm, require_two_arms

#: Relative change of the outcome that an experiment must be able to detect before effects on
#: individual accounts are estimated: a quarter less churn.
DETECTABLE = 0.25
_RESAMPLES = 1_000
#: Inverse of the ridge penalty on standardised features: a feature needs tens of events to count.
_STRENGTH = 0.1


class SavableModel(BaseEstimator):  # type: ignore[misc]
    """Effect of a randomised treatment on each account.

    Two logistic regressions with a ridge penalty, one per arm. The effect of the treatment is the
    difference of their probabilities. It is published only while it ranks later assignments:
    fitted on the earlier part, its Qini coefficient on the later part has a 95 % interval above 0.
    An experiment too small to detect a quarter less of the outcome is refused.

    Parameters
    ----------
    lowers : bool
        True if the treatment is meant to lower the outcome (churn), False if to raise it.
    test_share : float
        Share of the assignments, the latest ones, that the ranking is tested on.
    seed : int
        Seed of resamples.

    Attributes
    ----------
    is_on_ : bool
        Whether effects may be published.
    why_ : str
        One sentence.
    qini_ : Interval or None
        On later assignments, per account; None if refused.
    needed_per_arm_ : float
        Accounts needed in each of two equal arms.

    References
    ----------
    .. [1] Radcliffe, N. (2007). Using control groups to target on predicted lift: building and
       assessing uplift models. Direct Marketing Analytics Journal.
    """

    def __init__(self, *, lowers: bool = True, test_share: float = 0.5, seed: int = 0) -> None:
        self.lowers = lowers
        self.test_share = test_share
        self.seed = seed

    def fit(self, X: Any, y: Any, treated: Any, times: Any = None) -> Self:
        """Learn from randomised assignments.

        Parameters
        ----------
        X : pandas.DataFrame, shape = (n_accounts, n_features)
            What was known at the assignment; numbers with NaN and text.
        y : array-like, shape = (n_accounts,)
            1 where the outcome happened.
        treated : array-like of bool, shape = (n_accounts,)
        times : array-like, shape = (n_accounts,), optional
            When each account was assigned; without it, the order of the rows.

        Raises
        ------
        ModelInputError
            If an arm is empty or `y` does not have two classes.
        """
        frame = _frame(X)
        _, target = binary_target(y, len(frame), one_class=True)
        arm = np.asarray(treated, dtype=bool)
        require_two_arms(arm)
        self.columns_ = list(frame.columns)
        self.qini_: Interval | None = None
        self.is_on_ = False
        if not self._is_large_enough(target, arm):
            return self
        order = np.arange(len(frame))
        if times is not None:
            # Accounts that were assigned on the same day are in random order: rows may come by arm.
            drawn = np.random.default_rng(self.seed).permutation(len(frame))
            order = np.lexsort((drawn, np.asarray(times)))
        cut = round(len(order) * (1 - self.test_share))
        early, late = order[:cut], order[cut:]
        if any(len(np.unique(target[part[arm[part] == of]])) < 2
               for part in (early, late) for of in (False, True)):  # fmt: skip
            self.why_ = (
                "the earlier or the later assignments have an arm in which all accounts had the "
                "same outcome, so a ranking cannot be tested"
            )
            return self
        effect = self._difference(self._fitted(frame, target, arm, early), frame.iloc[late])
        sign = -1.0 if self.lowers else 1.0
        self.qini_ = qini_interval(
            target[late], arm[late], sign * effect, lowers=self.lowers, seed=self.seed
        )
        self.is_on_ = bool(self.qini_.low > 0)
        found = f"Qini {1000 * self.qini_.value:.1f} per 1,000 accounts on later assignments"
        span = f"95 % {1000 * self.qini_.low:.1f} to {1000 * self.qini_.high:.1f}"
        self.why_ = f"{found} ({span})"
        if not self.is_on_:
            self.why_ += ": it does not rank better than chance, so no account is called savable"
            return self
        self.models_ = self._fitted(frame, target, arm, order)
        return self

    def _is_large_enough(self, target: IntArray, arm: BoolArray) -> bool:
        share = float(target[~arm].mean())
        changed = share * (1 - DETECTABLE) if self.lowers else min(1.0, share * (1 + DETECTABLE))
        ratio = float(arm.sum() / (~arm).sum())
        needed = accounts_per_arm(share, changed, treated_per_control=ratio)
        self.needed_per_arm_ = accounts_per_arm(share, changed)
        if float((~arm).sum()) >= needed and len(np.unique(target[arm])) == 2:
            return True
        if not np.isfinite(self.needed_per_arm_):
            self.why_ = (
                f"all of {int((~arm).sum()):,} control accounts had the same outcome, so an effect "
                "cannot be detected"
            )
            return False
        self.why_ = (
            f"{int(arm.sum()):,} treated and {int((~arm).sum()):,} control accounts are too few: "
            f"detecting a change by a quarter of the outcome's share ({100 * share:.1f} % of the "
            f"control arm) needs {self.needed_per_arm_:,.0f} in each arm"
        )
        return False

    def _fitted(
        self, frame: pd.DataFrame, target: IntArray, arm: BoolArray, rows: IntArray
    ) -> tuple[Pipeline, Pipeline]:
        control, treated = rows[~arm[rows]], rows[arm[rows]]
        return (
            _logistic().fit(frame.iloc[control], target[control]),
            _logistic().fit(frame.iloc[treated], target[treated]),
        )

    def _difference(self, models: tuple[Pipeline, Pipeline], frame: pd.DataFrame) -> FloatArray:
        control, treated = (model.predict_proba(frame)[:, 1] for model in models)
        return np.asarray(treated - control, dtype="float64")

    def predict_effect(self, X: Any) -> FloatArray:
        """Return the change of the outcome's probability by the treatment, shape = (n_accounts,).

        Negative where the treatment lowers it; NaN everywhere if ``is_on_`` is False.
        """
        check_is_fitted(self, "is_on_")
        frame = _frame(X)[self.columns_]
        if not self.is_on_:
            return np.full(len(frame), np.nan)
        return self._difference(self.models_, frame)


def _frame(X: Any) -> pd.DataFrame:
    frame = X if isinstance(X, pd.DataFrame) else pd.DataFrame(np.asarray(X))
    return feature_frame(frame.rename(columns=str))


def _logistic() -> Pipeline:
    numbers = make_pipeline(
        SimpleImputer(add_indicator=True, keep_empty_features=True), StandardScaler()
    )
    words = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=20)
    return make_pipeline(
        make_column_transformer(
            (numbers, make_column_selector(dtype_include="number")),
            (words, make_column_selector(dtype_exclude="number")),
        ),
        LogisticRegression(C=_STRENGTH, max_iter=1_000),
    )


def qini(outcome: Any, treated: Any, score: Any) -> float:
    """Return the Qini coefficient of a ranking, per account.

    The area between the incremental outcomes when accounts are treated in the order of the score
    and those when they are treated in random order.

    Parameters
    ----------
    outcome : array-like, shape = (n_accounts,)
        0 or 1.
    treated : array-like of bool, shape = (n_accounts,)
    score : array-like, shape = (n_accounts,)
        Highest first; accounts with the same score are one step.

    Returns
    -------
    float
        Positive if the ranking is better than a random one for raising the outcome.
    """
    weights = np.ones((1, len(np.asarray(outcome))))
    return float(_qini(outcome, treated, score, weights)[0])


def qini_interval(
    outcome: Any, treated: Any, score: Any, *, lowers: bool = False, seed: int = 0
) -> Interval:
    """Return the Qini coefficient with its 95 % interval from a bootstrap over accounts.

    Parameters
    ----------
    outcome, treated, score
        As in `qini`.
    lowers : bool
        True if the treatment is meant to lower the outcome: the coefficient is then positive
        where a high score comes with a large reduction.
    seed : int
        Seed of the resamples.
    """
    sign = -1.0 if lowers else 1.0
    n = len(np.asarray(outcome))
    value = sign * qini(outcome, treated, score)
    drawn = [
        sign * _qini(outcome, treated, score, weights)
        for weights in resampled_weights(np.arange(n), _RESAMPLES, seed)
    ]
    return Interval.of(value, np.concatenate(drawn))


def _qini(outcome: Any, treated: Any, score: Any, weights: FloatArray) -> FloatArray:
    happened, arm = np.asarray(outcome, dtype="float64"), np.asarray(treated, dtype=bool)
    values = np.asarray(score, dtype="float64")
    order = np.argsort(-values, kind="stable")
    ends = np.flatnonzero(np.r_[np.diff(values[order]) != 0, True])

    def summed(amount: FloatArray) -> FloatArray:
        steps = np.cumsum(weights[:, order] * amount[order], axis=1)[:, ends]
        return np.hstack([np.zeros((len(weights), 1)), steps])

    n_treated, n_control = summed(arm.astype("float64")), summed((~arm).astype("float64"))
    of_treated, of_control = summed(arm * happened), summed(~arm * happened)
    per_control = np.divide(n_treated, n_control, out=np.zeros_like(n_treated), where=n_control > 0)
    total = n_treated[:, -1:]
    with np.errstate(invalid="ignore", divide="ignore"):
        gained = (of_treated - of_control * per_control) / total
        depth = (n_treated + n_control) / (n_treated + n_control)[:, -1:]
    area = np.trapezoid(gained, depth, axis=1) - gained[:, -1] / 2
    return np.asarray(area, dtype="float64")
