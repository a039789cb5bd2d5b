"""The test every model must pass: predict later dates from earlier ones, then calibrate there."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit
from sklearn.base import clone
from sklearn.model_selection import StratifiedGroupKFold

from models.base.calibration import Calibration, fit_calibration
from models.base.inputs import FloatArray, IntArray, ModelInputError
from models.base.splits import TimeSplit
from models.evaluation.classification import Evaluation, Interval, evaluate
from models.glass_box.classifier import account_folds as account_folds_of

#: Accounts with the event without which an interval means nothing.
FEWEST_TESTED = 5


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
    """

    frame: pd.DataFrame
    target: IntArray
    codes: IntArray
    dates: Any = None

    def where(self, places: IntArray) -> LabelledRows:
        """Return the chosen rows."""
        dates = None if self.dates is None else self.dates[places]
        return LabelledRows(self.frame.iloc[places], self.target[places], self.codes[places], dates)


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
    unseen_accounts_auc : Interval or None
        AUC on the later rows of accounts of which the model had seen no earlier one either;
        None where that was not asked for, or too few of them had the event.
    """

    evaluation: Evaluation | None
    calibration: Calibration
    has_signal: bool
    sentences: tuple[str, ...]
    held_out: pd.DataFrame = field(
        default_factory=lambda: pd.DataFrame({"target": [], "logit": [], "learnt_until": []})
    )
    unseen_accounts_auc: Interval | None = None


def fit_rows(model: Any, rows: LabelledRows) -> Any:
    """Fit a model on rows, and give it their dates where it takes them."""
    takes_times = "times" in inspect.signature(model.fit).parameters
    dates = {"times": rows.dates} if takes_times and rows.dates is not None else {}
    return model.fit(rows.frame, rows.target, groups=rows.codes, **dates)


def try_in_time(
    candidate: Any,
    rows: LabelledRows,
    *,
    n_splits: int,
    embargo_days: float,
    capacity: int = 20,
    account_folds: int = 0,
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
    account_folds : int
        Folds of accounts in which the last block is tested once more, grouped by account: each
        by a model that has not seen any row of its accounts. 0 for none.
    seed : int
        Seed of folds and resamples.
    """
    splits, how = _splits(rows, n_splits, embargo_days, seed)
    tested, logit, learnt_until = _held_out(candidate, rows, splits)
    target, groups = rows.target[tested], rows.codes[tested]
    event_accounts = len(np.unique(groups[target == 1]))
    if event_accounts < FEWEST_TESTED or target.all():
        sentence = f"{how}: {event_accounts} accounts with the event, too few to judge a model by"
        return TimeTest(None, Calibration(), False, (sentence,))
    fitted = fit_calibration(logit, target, groups=groups, seed=seed)
    evaluation = evaluate(
        target,
        expit(fitted.held_out_logit),
        # Calibration turns no ranking round; its folds' small differences would.
        rank_by=logit,
        groups=groups,
        times=None if rows.dates is None else rows.dates[tested],
        capacity=capacity,
        seed=seed,
    )
    has_signal = bool(evaluation.auc.low > 0.5)
    unseen = None
    if account_folds and rows.dates is not None and splits:
        unseen = _on_unseen_accounts(candidate, rows, splits[-1], account_folds, seed)
    sentences = (how, *_unseen_sentence(unseen), _signal_sentence(evaluation.auc, has_signal))
    held_out = pd.DataFrame(
        {"target": target, "logit": logit, "learnt_until": learnt_until}, index=tested
    )
    return TimeTest(evaluation, fitted.calibration, has_signal, sentences, held_out, unseen)


@dataclass(frozen=True)
class HeldOut:
    """Predictions for rows that the models had not been fitted on.

    Attributes
    ----------
    places : array, shape = (n_tested,)
        The positions of the rows.
    logit : array, shape = (n_tested,)
    """

    places: IntArray
    logit: FloatArray


def held_out_by_account(
    candidate: Any,
    rows: LabelledRows,
    *,
    n_splits: int,
    embargo_days: float,
    account_folds: int,
    seed: int,
) -> HeldOut:
    """Ask models of later rows of accounts of which they have seen none.

    Parameters
    ----------
    candidate, rows, n_splits, embargo_days, seed
        As in `try_in_time`; without dates, or with too few, accounts alone part the rows.
    account_folds : int
        Folds of accounts.
    """
    splits, _ = _splits(rows, n_splits, embargo_days, seed)
    in_time = rows.dates is not None and all(
        pd.notna(_last_before(rows.dates, train, test)) for train, test in splits
    )
    if in_time:
        folds = account_folds_of(rows.target, rows.codes, n_folds=account_folds, seed=seed)
        splits = [
            part for split in splits for part in _parts_by_account(split, folds, account_folds)
        ]
    places, logit, _ = _held_out(candidate, rows, splits)
    return HeldOut(places, logit)


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
                f"tested on {n} later block(s) of dates, {embargo_days:.0f} days of embargo",
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
) -> tuple[IntArray, FloatArray, pd.DatetimeIndex]:
    tested = [np.empty(0, dtype=np.int64)]
    logits = [np.empty(0)]
    learnt_until: list[Any] = []
    for train, test in _usable(rows, splits):
        model = clone(candidate)
        fit_rows(model, rows.where(train))
        tested.append(test)
        logits.append(model.decision_function(rows.frame.iloc[test]))
        learnt_until += [_last_before(rows.dates, train, test)] * len(test)
    until = pd.DatetimeIndex(learnt_until).as_unit("us")
    return np.concatenate(tested), np.concatenate(logits), until


def _on_unseen_accounts(
    candidate: Any,
    rows: LabelledRows,
    split: tuple[IntArray, IntArray],
    n_folds: int,
    seed: int,
) -> Interval | None:
    """Return the AUC on later rows, each scored by a model of other accounts' earlier rows."""
    if min(len(np.unique(codes)) for codes in (rows.codes, rows.codes[split[1]])) < n_folds:
        return None
    folds = account_folds_of(rows.target, rows.codes, n_folds=n_folds, seed=seed)
    tested, logit, _ = _held_out(candidate, rows, _parts_by_account(split, folds, n_folds))
    target, groups = rows.target[tested], rows.codes[tested]
    if len(np.unique(groups[target == 1])) < FEWEST_TESTED or target.all():
        return None
    return evaluate(target, expit(logit), groups=groups, seed=seed).auc


def _parts_by_account(
    split: tuple[IntArray, IntArray], folds: IntArray, n_folds: int
) -> list[tuple[IntArray, IntArray]]:
    """Part a split once more, each fold's accounts tested after training on all others'."""
    train, test = split
    return [(train[folds[train] != f], test[folds[test] == f]) for f in range(n_folds)]


def _unseen_sentence(auc: Interval | None) -> tuple[str, ...]:
    if auc is None:
        return ()
    metric = f"AUC {auc.value:.2f} ({auc.low:.2f} to {auc.high:.2f})"
    return (f"on accounts it had never seen, in the last block: {metric}",)


def _last_before(dates: Any, train: IntArray, test: IntArray) -> Any:
    """Return the last training date where it lies before every test date, else NaT."""
    if dates is None:
        return pd.NaT
    last = pd.Timestamp(dates[train].max())
    return last if last < pd.Timestamp(dates[test].min()) else pd.NaT


def _usable(
    rows: LabelledRows, splits: list[tuple[IntArray, IntArray]]
) -> Iterator[tuple[IntArray, IntArray]]:
    for train, test in splits:
        if len(test) and 0 < rows.target[train].sum() < len(train):
            yield train, test


def _signal_sentence(auc: Interval, has_signal: bool) -> str:
    metric = f"AUC {auc.value:.2f} ({auc.low:.2f} to {auc.high:.2f})"
    if has_signal:
        return f"{metric}: better than chance"
    return f"{metric} does not rule out chance: the base rate is published instead"
