"""From labelled rows to honest probabilities: choose, test in time, calibrate, refit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.utils.validation import (
    check_consistent_length,
    check_is_fitted,
    column_or_1d,
    validate_data,
)

from models.base.calibration import Calibration
from models.base.explanations import by_feature
from models.base.inputs import (
    FloatArray,
    ModelInputError,
    binary_target,
    group_codes,
    model_frame,
)
from models.base.log_odds import LogOddsClassifier
from models.churn.any_classifier import AnyClassifier
from models.churn.few_events import (
    FEWEST_EVENTS,
    GLASS_BOX_EVENTS,
    BaseRateClassifier,
    FewFeatureClassifier,
    model_kind,
)
from models.churn.few_events_choice import AUTO, FEW, SCORE, SmallChoice, SmallModelClassifier
from models.churn.later_dates import LabelledRows, TimeTest, fit_rows, try_in_time
from models.churn.leakage import notable, strengths
from models.churn.score_model import measures_given, score_columns
from models.evaluation.classification import Evaluation
from models.glass_box.classifier import GlassBoxClassifier

#: The small models in words.
_SMALL = {SCORE: "the score alone", FEW: "few features"}

#: Features whose strength alone is kept.
_STRONGEST = 5


class PropensityModel(LogOddsClassifier):
    """Probability that an account does something within the horizon, with exact reasons.

    ``fit`` counts the accounts with the event and chooses: a glass box from 50, a small
    regularised model from 10 (on few features or, where `X` contains an overall score, on that
    alone, whichever does better), no probability below. It then tests that choice on later
    dates, calibrates it there, and fits it again on everything. Where the test does not separate
    the model from chance, the base rate is published instead.

    Parameters
    ----------
    horizon_days : int
        The event counts if it happens within so many days of as_of.
    grace_days : int
        Further days until a label is known: the embargo is horizon + grace.
    n_splits : int
        Later blocks of dates to test on.
    capacity : int
        Accounts that a list has room for.
    account_folds : int
        Folds of accounts in which the last block of dates is tested once more, by models that
        have not seen any row of the fold's accounts; 0 for none.
    peer_column : str, optional
        The feature that names the peer group, whose base rate replaces a model.
    few_features : sequence of str, optional
        Candidates for the small model, best first.
    small_model : str
        ``"auto"``, or which small model to use where `X` contains a score: ``"scorecard"``,
        ``"few-feature model"``.
    leakage_auc : float
        A feature that alone reaches this AUC is reported in ``leakage_``.
    estimator : GlassBoxClassifier or AnyClassifier, optional
        Used in place of the default one.
    seed : int
        Seed of every draw.
    n_jobs : int
        Threads; the result does not depend on them.

    Attributes
    ----------
    basis_ : str
        ``"model"``, ``"few-feature model"``, ``"scorecard"``, ``"base rate"`` or ``"none"``.
    score_measures_ : list of str
        The measures of an overall score that `X` contains.
    small_choice_ : SmallChoice or None
        Where `basis_` is one of two small models, which and why.
    has_signal_ : bool
        Whether the 95 % interval of the AUC on later dates lies above 0.5.
    model_ : estimator
        What predicts.
    evaluation_ : Evaluation or None
        On later dates; of the model that was tried even where the base rate replaced it.
    unseen_accounts_auc_ : Interval or None
        AUC on later dates of accounts that the tested models had never seen.
    held_out_ : pandas.DataFrame, shape = (n_tested, 3)
        target and uncalibrated logit of the rows tested on later dates, indexed by their
        position in `X`, and learnt_until: the last date their model was fitted on.
    calibration_ : Calibration
        As applied.
    leakage_ : tuple of LeakageSuspect
        Features too good to be true.
    strongest_ : tuple of LeakageSuspect
        The features with the highest AUC alone.
    notable_ : tuple of LeakageSuspect
        Features that stand out, below `leakage_auc`: worth a look.
    reasons_ : tuple of str
        Why this basis, in sentences.
    rows_, events_, accounts_, event_accounts_ : int
        Rows with a known label, those with the event, and the accounts behind them.
    classes_, n_features_in_, feature_names_in_
        As scikit-learn has them.
    """

    #: What the accounts did, for the sentences of ``reasons_``.
    outcome: ClassVar[str] = "had the event"

    def __init__(
        self,
        horizon_days: int = 90,
        *,
        grace_days: int = 30,
        n_splits: int = 2,
        capacity: int = 20,
        account_folds: int = 3,
        peer_column: str | None = None,
        few_features: Sequence[str] | None = None,
        small_model: str = AUTO,
        leakage_auc: float = 0.95,
        estimator: GlassBoxClassifier | AnyClassifier | None = None,
        seed: int = 0,
        n_jobs: int = 2,
    ) -> None:
        self.horizon_days = horizon_days
        self.grace_days = grace_days
        self.n_splits = n_splits
        self.capacity = capacity
        self.account_folds = account_folds
        self.peer_column = peer_column
        self.few_features = few_features
        self.small_model = small_model
        self.leakage_auc = leakage_auc
        self.estimator = estimator
        self.seed = seed
        self.n_jobs = n_jobs

    def fit(self, X: Any, y: Any, *, groups: Any = None, times: Any = None) -> Self:
        """Choose, test, calibrate and fit.

        Parameters
        ----------
        X : pandas.DataFrame or array-like, shape = (n_samples, n_features)
            Features as of a date; floats with NaN, text as nominal. A small model may be of an
            overall score alone where its measures' points and weights are columns too
            (`score_columns`); no other model sees these.
        y : array-like, shape = (n_samples,)
            1 or True where the event came within the horizon. Rows whose label is not known
            yet (missing) are left out; where none is known the basis is ``"none"``.
        groups : array-like, shape = (n_samples,), optional
            The account of every row; every row its own if missing.
        times : array-like, shape = (n_samples,), optional
            The as_of of every row. Without it, or with too short a history, the test leaves
            out accounts instead of later dates, and ``reasons_`` reports it.

        Raises
        ------
        ModelInputError
            Where lengths differ, or features or labels cannot be used.
        """
        validate_data(self, X, y, skip_check_array=True)
        frame = model_frame(self, X, reset=True)
        self.score_measures_ = measures_given(frame.columns)
        scored, rows = self._labelled(frame, y, groups, times)
        self.rows_, self.events_ = len(rows.target), int(rows.target.sum())
        self.accounts_ = len(np.unique(rows.codes))
        self.event_accounts_ = len(np.unique(rows.codes[rows.target == 1]))
        both = 0 < self.events_ < self.rows_
        found = strengths(rows.frame, rows.target) if both else ()
        self.leakage_ = tuple(suspect for suspect in found if suspect.auc >= self.leakage_auc)
        self.strongest_ = found[:_STRONGEST]
        self.notable_ = tuple(s for s in notable(found) if s not in self.leakage_)
        kind = model_kind(self.event_accounts_) if both else "none"
        rows = scored if kind == FEW else rows
        test = self._try(kind, rows)
        self.evaluation_: Evaluation | None = test.evaluation
        self.unseen_accounts_auc_ = test.unseen_accounts_auc
        self.has_signal_ = test.has_signal
        self.held_out_ = test.held_out.set_axis(
            np.flatnonzero(~pd.isna(np.asarray(y)))[test.held_out.index.astype(int)]
        )
        self.basis_ = kind if test.has_signal or kind == "none" else "base rate"
        self._settle(rows if self.rows_ else _unlabelled(frame), test.calibration)
        self.reasons_ = (self._counts(kind), *self._chosen(), *test.sentences)
        return self

    def _labelled(
        self, frame: pd.DataFrame, y: Any, groups: Any, times: Any
    ) -> tuple[LabelledRows, LabelledRows]:
        """Return the rows with a known label, with the columns of the score and without them."""
        labels = column_or_1d(y, warn=True)
        check_consistent_length(*(v for v in (frame, labels, groups, times) if v is not None))
        if labels.dtype.kind == "f" and np.isinf(labels).any():
            raise ModelInputError(
                "Input y contains infinity or a value too large for dtype('float64').",
                fix="use 0 and 1",
            )
        known = ~np.asarray(pd.isna(labels), dtype=bool)
        self.classes_ = np.array([0, 1])
        target = np.empty(0, dtype=np.int64)
        if known.any():
            # Labels with gaps arrive as objects; what is left of them are numbers or texts.
            values = pd.Series(labels[known]).infer_objects().to_numpy()
            self.classes_, target = binary_target(values, int(known.sum()), one_class=True)
        codes = group_codes(groups, len(frame))[known]
        dates = None if times is None else np.asarray(times)[known]
        scored = LabelledRows(frame[known], target, codes, dates)
        if not self.score_measures_:
            return scored, scored
        plain = scored.frame.drop(columns=score_columns(self.score_measures_))
        return scored, LabelledRows(plain, target, codes, dates)

    def _try(self, kind: str, rows: LabelledRows) -> TimeTest:
        if kind == "none":
            return TimeTest(None, Calibration(), has_signal=False, sentences=())
        return try_in_time(
            self._estimator(kind),
            rows,
            n_splits=self.n_splits,
            embargo_days=self.horizon_days + self.grace_days,
            capacity=self.capacity,
            account_folds=self.account_folds,
            seed=self.seed,
        )

    def _estimator(self, basis: str) -> Any:
        if basis == "model":
            own = GlassBoxClassifier(seed=self.seed, n_jobs=self.n_jobs)
            return own if self.estimator is None else clone(self.estimator)
        if basis == FEW and self.score_measures_:
            return SmallModelClassifier(
                self.score_measures_,
                features=self.few_features,
                use=self.small_model,
                n_splits=self.n_splits,
                embargo_days=self.horizon_days + self.grace_days,
                seed=self.seed,
            )
        if basis == FEW:
            return FewFeatureClassifier(features=self.few_features)
        return BaseRateClassifier(peer_column=self.peer_column, publish=basis == "base rate")

    def _settle(self, rows: LabelledRows, calibration: Calibration) -> None:
        self.calibration_ = Calibration()
        self.model_ = fit_rows(self._estimator(self.basis_), rows)
        self.small_choice_: SmallChoice | None = None
        if isinstance(self.model_, SmallModelClassifier):
            self.small_choice_, self.model_ = self.model_.choice_, self.model_.model_
            self.basis_ = self.small_choice_.chosen
        if self.has_signal_:
            self.calibration_ = self.model_.calibration_ = calibration

    def _counts(self, kind: str) -> str:
        counted = (
            f"{self.event_accounts_:,} of {self.accounts_:,} accounts {self.outcome} "
            f"({self.rows_:,} rows with a known outcome)"
        )
        if kind == "model":
            return f"{counted}: enough for a full model"
        if kind == FEW:
            on = "the score alone or on few features" if self.score_measures_ else "few features"
            return f"{counted}: under {GLASS_BOX_EVENTS}, so a small model on {on}"
        return f"{counted}: at least {FEWEST_EVENTS} are needed, so no probability is published"

    def _chosen(self) -> tuple[str, ...]:
        choice = self.small_choice_
        return () if choice is None else (f"{_SMALL[choice.chosen]}: {choice.why}",)

    def _frame(self, X: Any) -> pd.DataFrame:
        check_is_fitted(self)
        frame = model_frame(self, X, reset=False)
        return frame[list(self.model_.feature_names_in_)] if self.score_measures_ else frame

    def decision_function(self, X: Any) -> FloatArray:
        """Return the calibrated log-odds of the event, shape = (n_samples,)."""
        frame = self._frame(X)
        return np.asarray(self.model_.decision_function(frame), dtype="float64")

    def predict_proba(self, X: Any) -> FloatArray:
        """Return the probabilities of both classes, shape = (n_samples, 2).

        NaN where ``basis_`` is ``"none"``.
        """
        frame = self._frame(X)
        return np.asarray(self.model_.predict_proba(frame), dtype="float64")

    def contributions(self, X: Any) -> pd.DataFrame:
        """Return what each feature adds to the log-odds, shape = (n_samples, n_features + 1).

        Row sums are `decision_function`; the last column is ``baseline``. A pair of features
        gives half of what it adds to each.
        """
        frame = self._frame(X)
        return by_feature(self.model_.contributions(frame))


def _unlabelled(frame: pd.DataFrame) -> LabelledRows:
    """Learn only the features' names: a placeholder while no outcome is known."""
    nothing = np.zeros(len(frame), dtype=np.int64)
    return LabelledRows(frame, nothing, nothing)
