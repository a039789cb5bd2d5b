"""The test every model must pass: predict later dates from earlier ones, then calibrate there."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit, logit
from sklearn.base import clone
from sklearn.model_selection import StratifiedGroupKFold

from features.errors import quantity
from models.base.calibration import Calibration, fit_calibration
from models.base.inputs import BoolArray, FloatArray, IntArray, ModelInputError
from models.base.splits import TimeSplit
from models.evaluation.classification import Evaluation, Interval, evaluate, evaluate_auc
from models.glass_box.classifier import account_folds as account_folds_of

#: Accounts with the event without which an interval means nothing.
FEWEST_TESTED = 5


@dataclass(frozen=True)
class FollowedRows:
    """Features and how long each row was observed, whether or not its outcome is known.

    Attributes
    ----------
    frame : pandas.DataFrame, shape = (n_samples, n_features)
    codes : array, shape = (n_samples,)
        The account of every row, numbered as in `LabelledRows`.
    days : array, shape = (n_samples,)
        Days from the row's date to the event or to the last day observed.
    left : array of bool, shape = (n_samples,)
        Whether the event came on that day.
    dates : array, shape = (n_samples,), or None
        The as_of of every row.
    grace_days : float
        Days after an event until it is known.
    """

    frame: pd.DataFrame
    codes: IntArray
    days: FloatArray
    left: BoolArray
    dates: Any = None
    grace_days: float = 0.0

    def known_before(self, moment: Any) -> FollowedRows:
        """Return the rows as they were observed at a moment, without a look ahead.

        An event is known when its grace period has passed, so that is how far everybody is
        observed.
        """
        since = pd.Series(pd.Timestamp(moment) - pd.to_datetime(pd.Series(self.dates)))
        seen = since.dt.total_seconds().to_numpy() / 86_400 - self.grace_days
        left, days = self.left & (self.days < seen), np.minimum(self.days, seen)
        return replace(self, days=days, left=left).where(np.flatnonzero(seen > 0))

    def where(self, places: IntArray) -> FollowedRows:
        """Return the chosen rows."""
        dates = None if self.dates is None else self.dates[places]
        return FollowedRows(
            self.frame.iloc[places],
            self.codes[places],
            self.days[places],
            self.left[places],
            dates,
            self.grace_days,
        )


@dataclass(frozen=True)
class LabelledRows:
    """Features with a known outcome.

    Attributes
    ----------
    frame : pandas.DataFrame, shape = (n_samples, n_features)
    target : array, shape = (n_samples,)
        0 or 1.
    codes : array, shape = (n_samples,)
        The account of every row, as a number.
    dates : array, shape = (n_samples,), or None
        The as_of of every row.
    followed : FollowedRows, optional
        These rows and those whose outcome is known only in part.
    """

    frame: pd.DataFrame
    target: IntArray
    codes: IntArray
    dates: Any = None
    followed: FollowedRows | None = None

    @property
    def level(self) -> float:
        """Log-odds of the share of rows with the event, finite even without any."""
        return float(logit((self.target.sum() + 0.5) / (len(self.target) + 1.0)))

    def where(self, places: IntArray) -> LabelledRows:
        """Return the chosen rows."""
        dates = None if self.dates is None else self.dates[places]
        return LabelledRows(
            self.frame.iloc[places],
            self.target[places],
            self.codes[places],
            dates,
            self.followed,
        )

    def known_for(self, train: IntArray, test: IntArray) -> LabelledRows:
        """Return the training rows, followed as far as was known when the first row is tested.

        Of the rows whose outcome is known in part, those of the accounts of the training rows.
        """
        known = self.where(train)
        if self.followed is None:
            return known
        followed = self.followed
        if pd.notna(last_before(self.dates, train, test)):
            followed = followed.known_before(self.dates[test].min())
        own = np.isin(followed.codes, known.codes)
        return replace(known, followed=followed.where(np.flatnonzero(own)))


@dataclass(frozen=True)
class TimeTest:
    """What a model did on rows later than those it had seen.

    Attributes
    ----------
    evaluation : Evaluation or None
        None where no later row could be tested on.
    calibration : Calibration
        To be applied to the model fitted on everything.
    has_signal : bool
        The 95 % interval of the AUC lies above 0.5.
    sentences : tuple of str
        How it was tested and what came out.
    held_out : pandas.DataFrame, shape = (n_tested, 3)
        target and uncalibrated logit of the tested rows, indexed by their position, and
        learnt_until: the last date their model was fitted on (NaT where dates do not part them).
    """

    evaluation: Evaluation | None
    calibration: Calibration
    has_signal: bool
    sentences: tuple[str, ...]
    held_out: pd.DataFrame = field(
        default_factory=lambda: pd.DataFrame({"target": [], "logit": [], "learnt_until": []})
    )


@dataclass(frozen=True)
class HeldOut:
    """Predictions for rows that the models had not been fitted on.

    Attributes
    ----------
    places : array, shape = (n_tested,)
        The positions of the rows.
    logit : array, shape = (n_tested,)
    learnt_until : DatetimeIndex, shape = (n_tested,)
        The last date that the row's model was fitted on (NaT where dates do not part them).
    level : array, shape = (n_tested,)
        Log-odds of the share of events among the rows that the row's model was fitted on.
    """

    places: IntArray
    logit: FloatArray
    learnt_until: pd.DatetimeIndex
    level: FloatArray


def fit_rows(model: Any, rows: LabelledRows) -> Any:
    """Fit a model on rows, and give it their dates, or how long they were followed, if it asks."""
    if hasattr(model, "fit_labelled"):
        return model.fit_labelled(rows)
    asks = inspect.signature(model.fit).parameters
    if "durations" in asks and rows.followed is not None:
        own = rows.followed
        left = own.left.astype(np.int64)
        return model.fit(own.frame, left, groups=own.codes, durations=own.days)
    takes_times = "times" in asks
    dates = {"times": rows.dates} if takes_times and rows.dates is not None else {}
    return model.fit(rows.frame, rows.target, groups=rows.codes, **dates)


def try_in_time(
    candidate: Any,
    rows: LabelledRows,
    *,
    n_splits: int,
    embargo_days: float,
    capacity: int = 20,
    seed: int = 0,
) -> TimeTest:
    """Fit clones of `candidate` on earlier rows, and measure and calibrate on the later ones.

    Parameters
    ----------
    candidate : estimator
        Has ``fit(X, y, groups)`` and ``decision_function``.
    rows : LabelledRows
        Without dates, or where the history is shorter than the embargo, accounts are left out
        instead of later dates.
    n_splits : int
        Later blocks of dates; fewer where the history is short.
    embargo_days : float
        Horizon + grace.
    capacity : int
        Accounts that a list has room for.
    seed : int
        Seed of folds and resamples.
    """
    splits, how = _splits(rows, n_splits, embargo_days, seed)
    held_out = _held_out(candidate, rows, splits)
    return judged(held_out, rows, how, capacity=capacity, seed=seed)


def judged(
    held_out: HeldOut, rows: LabelledRows, how: str, *, capacity: int, seed: int
) -> TimeTest:
    """Measure and calibrate predictions of later rows, and say `how` they were made."""
    tested, found = held_out.places, held_out.logit
    target, groups = rows.target[tested], rows.codes[tested]
    event_accounts = len(np.unique(groups[target == 1]))
    if event_accounts < FEWEST_TESTED or target.all():
        sentence = f"{how}: {event_accounts} accounts with the event, too few to judge a model by"
        return TimeTest(None, Calibration(), False, (sentence,))
    fitted = fit_calibration(found, target, groups=groups, seed=seed)
    evaluation = evaluate(
        target,
        expit(fitted.held_out_logit),
        # Calibration turns no ranking round; its folds' small differences would.
        rank_by=found,
        groups=groups,
        times=None if rows.dates is None else rows.dates[tested],
        capacity=capacity,
        seed=seed,
    )
    has_signal = bool(evaluation.auc.low > 0.5)
    frame = pd.DataFrame(
        {"target": target, "logit": found, "learnt_until": held_out.learnt_until}, index=tested
    )
    return TimeTest(evaluation, fitted.calibration, has_signal, (how,), frame)


def how_tested(rows: LabelledRows, *, n_splits: int, embargo_days: float) -> str:
    """Return how `try_in_time` would part the rows, in words."""
    return _splits(rows, n_splits, embargo_days, 0)[1]


def time_parts(
    rows: LabelledRows, n_splits: int, embargo_days: float, account_folds: int, seed: int
) -> list[tuple[IntArray, IntArray]]:
    """Return training and test rows: later dates, of other accounts where `account_folds` > 1.

    Without dates, or with too few, accounts alone part the rows.
    """
    splits, _ = _splits(rows, n_splits, embargo_days, seed)
    in_time = rows.dates is not None and all(
        pd.notna(last_before(rows.dates, train, test)) for train, test in splits
    )
    if not in_time or account_folds < 2:
        return splits
    folds = account_folds_of(rows.target, rows.codes, n_folds=account_folds, seed=seed)
    return [
        (train[folds[train] != f], test[folds[test] == f])
        for train, test in splits
        for f in range(account_folds)
    ]


def _splits(
    rows: LabelledRows, n_splits: int, embargo_days: float, seed: int
) -> tuple[list[tuple[IntArray, IntArray]], str]:
    if rows.dates is not None:
        for n in range(n_splits, 0, -1):
            splitter = TimeSplit(n, embargo_days=embargo_days, times=rows.dates)
            try:
                splits = list(splitter.split(rows.frame))
            except ModelInputError:
                continue
            return (
                splits,
                f"tested on {quantity(n, 'later block')} of dates, "
                f"{embargo_days:.0f} days of embargo",
            )
    why = "no dates were given" if rows.dates is None else "the history is too short"
    how = f"tested on accounts left out, not on later dates, for {why}"
    n_folds = min(3, *np.bincount(rows.target, minlength=2), len(np.unique(rows.codes)))
    if n_folds < 2:
        return [], how
    folds = StratifiedGroupKFold(n_splits=n_folds, shuffle=True, random_state=seed)
    return list(folds.split(rows.frame, rows.target, rows.codes)), how


def _held_out(
    candidate: Any, rows: LabelledRows, splits: list[tuple[IntArray, IntArray]]
) -> HeldOut:
    tested = [np.empty(0, dtype=np.int64)]
    logits, levels = [np.empty(0)], [np.empty(0)]
    learnt_until: list[Any] = []
    for train, test in usable_parts(rows, splits):
        known = rows.known_for(train, test)
        model = fit_rows(clone(candidate), known)
        tested.append(test)
        logits.append(model.decision_function(rows.frame.iloc[test]))
        levels.append(np.full(len(test), known.level))
        learnt_until += [last_before(rows.dates, train, test)] * len(test)
    until = pd.DatetimeIndex(learnt_until).as_unit("us")
    return HeldOut(np.concatenate(tested), np.concatenate(logits), until, np.concatenate(levels))


def unseen_accounts_auc(held_out: HeldOut, rows: LabelledRows, *, seed: int) -> Interval | None:
    """Return the AUC of predictions for other accounts; None with too few events."""
    target, groups = rows.target[held_out.places], rows.codes[held_out.places]
    if len(np.unique(groups[target == 1])) < FEWEST_TESTED or target.all():
        return None
    ranked = held_out.logit - held_out.level
    return evaluate_auc(target, expit(ranked), groups=groups, seed=seed)


def last_before(dates: Any, train: IntArray, test: IntArray) -> Any:
    """Return the last training date where it lies before every test date, else NaT."""
    if dates is None:
        return pd.NaT
    last = pd.Timestamp(dates[train].max())
    return last if last < pd.Timestamp(dates[test].min()) else pd.NaT


def usable_parts(
    rows: LabelledRows, splits: list[tuple[IntArray, IntArray]]
) -> Iterator[tuple[IntArray, IntArray]]:
    """Yield the parts that have rows to test, and both classes to learn from."""
    for train, test in splits:
        if len(test) and 0 < rows.target[train].sum() < len(train):
            yield train, test
