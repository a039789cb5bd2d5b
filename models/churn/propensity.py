"""From labelled rows to honest probabilities: choose, test in time, calibrate, refit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from sklearn.utils.validation import (
    check_consistent_length,
    check_is_fitted,
    column_or_1d,
    validate_data,
)
from threadpoolctl import threadpool_limits

from models.base.calibration import Calibration
from models.base.explanations import Explained, Terms, by_feature
from models.base.inputs import (
    FloatArray,
    IntArray,
    ModelInputError,
    SharedRows,
    as_floats,
    binary_target,
    check_names,
    columns_of,
    group_codes,
    model_frame,
)
from models.base.log_odds import LogOddsClassifier
from models.churn.any_classifier import AnyClassifier
from models.churn.candidates import (
    BASE,
    CUSTOM,
    FEW,
    GLASS_BOXES,
    HAZARD,
    LOGISTIC,
    ORDER,
    OUTLOOK,
    SCORE,
    TIMING,
    TIMING_FEATURES,
    Candidates,
)
from models.churn.choice import Choice, choose
from models.churn.drift import drifting, replaced_or_stable
from models.churn.few_events import (
    FEWEST_EVENTS,
    GLASS_BOX_EVENTS,
    BaseRateClassifier,
    model_kind,
)
from models.churn.hazard import HazardClassifier
from models.churn.later_dates import (
    FollowedRows,
    LabelledRows,
    TimeTest,
    fit_rows,
    how_tested,
    judged,
    try_in_time,
    unseen_accounts_auc,
)
from models.churn.leakage import notable, strengths
from models.churn.score_model import measures_given, score_columns
from models.evaluation.classification import Evaluation
from models.evaluation.ranking import Interval
from models.glass_box.classifier import GlassBoxClassifier
from models.glass_box.pooled import PooledGlassBox

#: What may be asked for with few events: the best candidate, or one small model.
AUTO, CHOICES = "auto", ("auto", SCORE, FEW)
#: Features whose strength alone is kept.
_STRONGEST = 5
#: What a candidate is called where it is the basis; all large ones are "model".
_BASES = {name: name for name in (TIMING, SCORE, FEW)}


class PropensityModel(LogOddsClassifier):
    """Probability that an account does something within the horizon, with exact reasons.

    ``fit`` counts the accounts with the event: no probability is published below 10 of them,
    small candidates compete from 10 and all from 50 (see `models.churn.candidates`). The choice
    is the candidate with the lowest held-out log loss among those that are better than chance
    (`models.churn.choice`). It is then evaluated on later dates, calibrated there, and fitted
    again on everything. Where no candidate is better than chance, the base rate is published.

    Parameters
    ----------
    horizon_days : int
        The event counts if it happens within this many days of as_of.
    grace_days : int
        Further days until a label is known: the embargo is horizon + grace.
    n_splits : int
        Later blocks of dates to test on.
    capacity : int
        Accounts that a list has room for.
    account_folds : int
        Folds of accounts in which candidates are compared, by models that have not seen any row
        of the fold's accounts; 0 compares them on later dates of all accounts.
    peer_column : str, optional
        The feature that names the peer group, whose base rate replaces a model.
    few_features : sequence of str, optional
        Candidates for the small model, best first.
    small_model : str
        ``"auto"``, or the small model to use with 10 to 49 events: ``"scorecard"``,
        ``"few-feature model"``.
    leakage_auc : float
        A feature that alone reaches this AUC is reported in ``leakage_``.
    estimator : GlassBoxClassifier or AnyClassifier, optional
        Used in place of the default glass box; any other classifier replaces the glass boxes as
        a candidate.
    seed : int
        Seed of every draw.
    n_jobs : int
        Threads; the result does not depend on them.

    Attributes
    ----------
    basis_ : str
        ``"model"``, ``"renewal timing"``, ``"few-feature model"``, ``"scorecard"``,
        ``"base rate"`` or ``"none"``; `choice_` names the model.
    score_measures_ : list of str
        The measures of an overall score that `X` contains.
    choice_ : Choice or None
        The chosen candidate, why, and the held-out values of all; None below 10 events.
    has_signal_ : bool
        Whether a candidate is better than chance on later dates, by the bounds of `choice_`; of a
        small model that was asked for by name, whether the interval of its AUC is above 0.5.
    model_ : estimator
        What predicts.
    evaluation_ : Evaluation or None
        On later dates; of the best candidate even where the base rate replaced it.
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
    drifting_ : tuple of LeakageSuspect
        Features that separate late from early dates; where `avoids_drift`, no default candidate
        but the renewal timing uses them.
    reasons_ : tuple of str
        Why this basis, in sentences.
    rows_, events_, accounts_, event_accounts_ : int
        Rows with a known label and those with the event; the accounts observed for any time and
        those of them that had the event.
    classes_, n_features_in_, feature_names_in_
        As scikit-learn has them.
    """

    #: What the accounts did, for the sentences of ``reasons_``.
    outcome: ClassVar[str] = "had the event"
    #: Whether features that drift with the calendar are left out.
    avoids_drift: ClassVar[bool] = False

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

    def fit(
        self,
        X: Any,
        y: Any,
        *,
        groups: Any = None,
        times: Any = None,
        durations: Any = None,
        events: Any = None,
    ) -> Self:
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
        durations, events : array-like, shape = (n_samples,), optional
            Days from the row's date to the event, or to the last day on which it would be known,
            and 1 where the event came then, else 0; also of rows whose label is not known yet
            (NaN, or 0 days, of those that were not observed at all). With them, a hazard over
            weeks is a candidate, which learns from rows whose outcome is known only in part.

        Raises
        ------
        ModelInputError
            Where lengths differ, or features or labels cannot be used.
        """
        validate_data(self, X, y, skip_check_array=True)
        frame = model_frame(self, X, reset=True)
        self.score_measures_ = measures_given(frame.columns)
        rows = self._labelled(frame, y, groups, times)
        if durations is not None:
            followed = self._followed(frame, durations, events, groups, times)
            rows = replace(rows, followed=followed)
        plain = rows.frame.drop(columns=score_columns(self.score_measures_))
        self.rows_, self.events_ = len(rows.target), int(rows.target.sum())
        seen, left = rows.codes, rows.codes[rows.target == 1]
        if rows.followed is not None:
            # Who left since is known before the horizon has passed.
            seen = np.append(seen, rows.followed.codes)
            left = np.append(left, rows.followed.codes[rows.followed.left])
        self.accounts_, self.event_accounts_ = len(np.unique(seen)), len(np.unique(left))
        both = 0 < self.events_ < self.rows_
        found = strengths(plain, rows.target) if both else ()
        self.leakage_ = tuple(suspect for suspect in found if suspect.auc >= self.leakage_auc)
        self.strongest_ = found[:_STRONGEST]
        self.notable_ = tuple(s for s in notable(found) if s not in self.leakage_)
        self.drifting_ = drifting(plain, rows.dates) if both else ()
        kind = model_kind(self.event_accounts_) if both else "none"
        candidates = self._candidates(kind, frame, followed=rows.followed is not None)
        # The many small products gain nothing from threads and lose much on a busy machine.
        with threadpool_limits(limits=1, user_api="blas"):
            self.choice_ = self._choose(kind, candidates, rows)
            test = self._tested(candidates, rows)
            self.evaluation_: Evaluation | None = test.evaluation
            self.held_out_ = test.held_out.set_axis(
                np.flatnonzero(~pd.isna(np.asarray(y)))[test.held_out.index.astype(int)]
            )
            chosen = BASE if self.choice_ is None else self.choice_.chosen
            # The choice was the test. Only a model that was asked for by name has passed none yet.
            tested = self.choice_ is not None and self.choice_.has_signal
            self.has_signal_ = chosen != BASE and (tested or test.has_signal)
            self._settle(
                kind,
                candidates,
                chosen if self.has_signal_ else BASE,
                rows if self.rows_ else _unlabelled(frame),
                test.calibration,
            )
        self.reasons_ = (self._counts(kind), *self._why(), *test.sentences, *self._measured())
        if self.choice_ is not None:
            # A stored model needs none of the predictions.
            self.choice_ = replace(self.choice_, held_out={})
        return self

    def _labelled(self, frame: pd.DataFrame, y: Any, groups: Any, times: Any) -> LabelledRows:
        """Return the rows with a known label."""
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
        return LabelledRows(frame[known], target, codes, dates)

    def _followed(
        self, frame: pd.DataFrame, durations: Any, events: Any, groups: Any, times: Any
    ) -> FollowedRows:
        """Return the rows that were observed for any time, up to the horizon."""
        days = as_floats(durations, "durations", len(frame))
        if events is None:
            raise ModelInputError(
                "durations need events", where="events", fix="give 1 where the event came, else 0"
            )
        came = as_floats(events, "events", len(frame)) == 1
        left = came & (days < self.horizon_days)
        dates = None if times is None else np.asarray(times)
        whole = FollowedRows(
            frame,
            group_codes(groups, len(frame)),
            np.clip(days, 0.0, self.horizon_days),
            left,
            dates,
            float(self.grace_days),
        )
        return whole.where(np.flatnonzero((days > 0) | left))

    def _candidates(self, kind: str, frame: pd.DataFrame, *, followed: bool) -> Candidates:
        moving = tuple(suspect.feature for suspect in self.drifting_)
        own = self.estimator
        custom = own if isinstance(own, AnyClassifier) else None
        glass_box = own if custom is None and own is not None else None
        if glass_box is None:
            glass_box = GlassBoxClassifier(seed=self.seed, n_jobs=self.n_jobs)
        left_out = {CUSTOM} if custom is None else set(GLASS_BOXES)
        if not isinstance(glass_box, GlassBoxClassifier):
            left_out.add(OUTLOOK)
        if kind != "model":
            left_out |= {CUSTOM, LOGISTIC, *GLASS_BOXES}
        if not followed:
            left_out.add(HAZARD)
        if not any(name in frame.columns for name in TIMING_FEATURES):
            left_out.add(TIMING)
        if not self.score_measures_:
            left_out.add(SCORE)
        return Candidates(
            tuple(name for name in ORDER if name not in left_out),
            glass_box,
            HazardClassifier(
                self.horizon_days,
                features=None if kind == "model" else self.few_features,
                seed=self.seed,
            ),
            self.peer_column,
            self.few_features,
            self.score_measures_,
            custom,
            # Most features must be left to learn from.
            replaced_or_stable(
                frame.columns,
                moving if self.avoids_drift and len(moving) < frame.shape[1] // 2 else (),
            ),
        )

    def _choose(self, kind: str, candidates: Candidates, rows: LabelledRows) -> Choice | None:
        if self.small_model not in CHOICES:
            raise ModelInputError(
                f"no small model is called {self.small_model!r}",
                where="small_model",
                fix=f"known are {', '.join(CHOICES)}",
            )
        if kind == "none":
            return None
        asked = self.small_model
        if kind == FEW and (asked == FEW or (asked == SCORE and self.score_measures_)):
            return Choice(asked, "as the configuration asks")
        return choose(
            candidates,
            rows,
            n_splits=self.n_splits,
            embargo_days=self.horizon_days + self.grace_days,
            account_folds=self.account_folds,
            seed=self.seed,
        )

    def _tested(self, candidates: Candidates, rows: LabelledRows) -> TimeTest:
        """Test the choice on later dates, of all accounts."""
        self.unseen_accounts_auc_: Interval | None = None
        choice = self.choice_
        if choice is None:
            return TimeTest(None, Calibration(), has_signal=False, sentences=())
        parts = {"n_splits": self.n_splits, "embargo_days": self.horizon_days + self.grace_days}
        held_out = choice.held_out.get(choice.tested)
        if held_out is not None and (self.account_folds < 2 or choice.tested == BASE):
            how = how_tested(rows, **parts)
            return judged(held_out, rows, how, capacity=self.capacity, seed=self.seed)
        if held_out is not None and rows.dates is not None:
            self.unseen_accounts_auc_ = unseen_accounts_auc(held_out, rows, seed=self.seed)
        return try_in_time(
            candidates.unfitted(choice.tested),
            candidates.seen(choice.tested, rows),
            **parts,
            capacity=self.capacity,
            seed=self.seed,
        )

    def _settle(
        self,
        kind: str,
        candidates: Candidates,
        chosen: str,
        rows: LabelledRows,
        calibration: Calibration,
    ) -> None:
        self.calibration_ = Calibration()
        if kind == "none":
            self.basis_ = "none"
            nothing = BaseRateClassifier(peer_column=self.peer_column, publish=False)
            self.model_ = fit_rows(nothing, candidates.seen(BASE, rows))
            return
        self.basis_ = BASE if chosen == BASE else _BASES.get(chosen, "model")
        self.model_ = candidates.fitted(chosen, rows)
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
            return f"{counted}: under {GLASS_BOX_EVENTS}, so a small model"
        lacking = f"at least {FEWEST_EVENTS} are needed"
        if self.event_accounts_ >= FEWEST_EVENTS:
            # Enough left, but not in rows from which the chance within the horizon can be learned.
            days = self.horizon_days + self.grace_days
            lacking = "none of them left within the horizon of such a row"
            if not self.rows_:
                lacking = f"no date is {days:g} days old, when its outcomes are known"
            elif self.events_:
                lacking = "no such row is of an account that stayed"
        return f"{counted}: {lacking}, so no probability is published"

    def _why(self) -> tuple[str, ...]:
        choice = self.choice_
        return () if choice is None else (f"{choice.chosen}: {choice.why}",)

    def _measured(self) -> tuple[str, ...]:
        """Return what the tests found, in sentences."""
        if self.choice_ is None or self.evaluation_ is None:
            return ()
        unseen, auc = self.unseen_accounts_auc_, self.evaluation_.auc
        found = [] if unseen is None else [f"on accounts it had never seen: {_metric(unseen)}"]
        if self.has_signal_:
            return (*found, _metric(auc))
        doubt = " does not rule out chance" if auc.low <= 0.5 else ""
        instead = f"{doubt}: the base rate is published instead"
        return (*found, f"{self.choice_.tested}: {_metric(auc)}{instead}")

    def _frame(self, X: Any) -> pd.DataFrame | SharedRows:
        check_is_fitted(self)
        if isinstance(X, SharedRows):
            check_names(self, X)
            return X.named(self.model_.feature_names_in_)
        return columns_of(model_frame(self, X, reset=False), self.model_.feature_names_in_)

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

    def explained(self, X: Any) -> Explained:
        """Return `decision_function`, and `contributions` as far as they are asked for.

        Parameters
        ----------
        X : pandas.DataFrame or SharedRows, shape = (n_samples, n_features)
            As for `contributions`.
        """
        frame = self._frame(X)
        if isinstance(self.model_, GlassBoxClassifier | PooledGlassBox):
            return self.model_.explained(frame)
        log_odds = np.asarray(self.model_.decision_function(frame), dtype="float64")

        def terms(rows: IntArray) -> Terms:
            asked = frame.where(rows) if isinstance(frame, SharedRows) else frame.iloc[rows]
            return Terms.of(by_feature(self.model_.contributions(asked)))

        return Explained(log_odds, terms)


def _metric(auc: Interval) -> str:
    return f"AUC {auc.value:.2f} ({auc.low:.2f} to {auc.high:.2f})"


def _unlabelled(frame: pd.DataFrame) -> LabelledRows:
    """Learn only the features' names: a placeholder while no outcome is known."""
    nothing = np.zeros(len(frame), dtype=np.int64)
    return LabelledRows(frame, nothing, nothing)
