"""Which model where events are few: an overall score alone, or a few features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from models.base.calibration import row_log_loss
from models.base.inputs import FloatArray, ModelInputError, group_codes, model_frame
from models.base.log_odds import LogOddsClassifier
from models.churn.few_events import FewFeatureClassifier
from models.churn.later_dates import FEWEST_TESTED, LabelledRows, fit_rows, held_out_by_account
from models.churn.score_model import ScoreClassifier, score_columns

SCORE, FEW = "scorecard", "few-feature model"
#: What may be asked for: the better of the two, or one of them.
AUTO, CHOICES = "auto", ("auto", SCORE, FEW)


@dataclass(frozen=True)
class SmallChoice:
    """Which of two small models was taken, and why.

    Attributes
    ----------
    chosen : str
        `SCORE` or `FEW`.
    why : str
        In a sentence.
    log_loss : dict of str to float
        Of each on the same rows, later than those it was fitted on and of other accounts; empty
        where they were not compared.
    accounts, event_accounts : int
        The accounts behind it, and those of them that had the event.
    """

    chosen: str
    why: str
    log_loss: Mapping[str, float]
    accounts: int = 0
    event_accounts: int = 0


class SmallModelClassifier(LogOddsClassifier):
    """The score alone or a few features, whichever predicts other accounts' later rows better.

    Both are fitted on earlier rows of some accounts, and their log loss is compared on later rows
    of the others. The few features are taken only where they do better by more than a standard
    error of the difference over accounts (the one-standard-error rule of Breiman et al. 1984);
    with a tie, with doubt, or with too few events to compare on, the simpler one, the score, is.

    Parameters
    ----------
    measures : sequence of str
        As `ScoreClassifier` takes them.
    features : sequence of str, optional
        As `FewFeatureClassifier` takes them.
    use : str
        ``"auto"``, or ``"scorecard"`` or ``"few-feature model"`` to take one unasked.
    n_splits, embargo_days, account_folds, seed
        As in `held_out_by_account`.

    Attributes
    ----------
    choice_ : SmallChoice
    model_ : ScoreClassifier or FewFeatureClassifier
        The chosen one, fitted on all rows.
    """

    def __init__(
        self,
        measures: Sequence[str] = (),
        *,
        features: Sequence[str] | None = None,
        use: str = AUTO,
        n_splits: int = 2,
        embargo_days: float = 120.0,
        account_folds: int = 3,
        seed: int = 0,
    ) -> None:
        self.measures = measures
        self.features = features
        self.use = use
        self.n_splits = n_splits
        self.embargo_days = embargo_days
        self.account_folds = account_folds
        self.seed = seed

    def fit(self, X: Any, y: Any, groups: Any = None, times: Any = None) -> Self:
        """Choose, and fit the chosen one on all rows."""
        if self.use not in CHOICES:
            raise ModelInputError(
                f"no small model is called {self.use!r}",
                where="use",
                fix=f"known are {', '.join(CHOICES)}",
            )
        frame, target = self._learnt_from(X, y)
        codes = group_codes(groups, len(frame))
        rows = LabelledRows(frame, target, codes, None if times is None else np.asarray(times))
        self.choice_ = self._choose(rows)
        self.model_ = self._fitted(self.choice_.chosen, rows)
        return self

    def _candidate(self, name: str) -> LogOddsClassifier:
        if name == SCORE:
            return ScoreClassifier(self.measures)
        return FewFeatureClassifier(features=self.features)

    def _fitted(self, name: str, rows: LabelledRows) -> LogOddsClassifier:
        model: LogOddsClassifier = fit_rows(self._candidate(name), self._seen(name, rows))
        return model

    def _seen(self, name: str, rows: LabelledRows) -> LabelledRows:
        """Return the rows with the columns of one of the two: the score is no feature."""
        own = score_columns(self.measures)
        frame = rows.frame[own] if name == SCORE else rows.frame.drop(columns=own)
        return LabelledRows(frame, rows.target, rows.codes, rows.dates)

    def _choose(self, rows: LabelledRows) -> SmallChoice:
        if self.use != AUTO:
            return SmallChoice(self.use, "as the configuration asks", {})
        for name, other, lacking in (
            (SCORE, FEW, "no score that separates rows"),
            (FEW, SCORE, "none of the features looked for"),
        ):
            try:
                self._fitted(name, rows)
            except ModelInputError:
                return SmallChoice(other, f"there is {lacking}", {})
        try:
            return self._compared(rows)
        except ModelInputError as error:
            return SmallChoice(
                SCORE, f"the simpler one, for in a part of the past {error.what}", {}
            )

    def _compared(self, rows: LabelledRows) -> SmallChoice:
        result = {
            name: held_out_by_account(
                self._candidate(name),
                self._seen(name, rows),
                n_splits=self.n_splits,
                embargo_days=self.embargo_days,
                account_folds=self.account_folds,
                seed=self.seed,
            )
            for name in (SCORE, FEW)
        }
        tested = result[SCORE].places
        codes, target = rows.codes[tested], rows.target[tested]
        accounts, events = len(np.unique(codes)), len(np.unique(codes[target == 1]))
        if events < FEWEST_TESTED or not np.array_equal(tested, result[FEW].places):
            why = f"the simpler one, for {events} accounts with the event are too few to compare on"
            return SmallChoice(SCORE, why, {}, accounts, events)
        losses = {name: row_log_loss(target, found.logit) for name, found in result.items()}
        gain = losses[SCORE] - losses[FEW]
        error = _standard_error(gain, codes)
        better = float(gain.mean()) > error
        mean = {name: float(loss.mean()) for name, loss in losses.items()}
        metrics = (
            f"log loss {mean[SCORE]:.4f} of the score alone and {mean[FEW]:.4f} of few features on "
            f"later rows of other accounts, {events} of {accounts} with the event, a difference "
            f"of {gain.mean():+.4f} give or take {error:.4f}"
        )
        why = f"{metrics}: {'few features do better' if better else 'no sure gain in more'}"
        return SmallChoice(FEW if better else SCORE, why, mean, accounts, events)

    def decision_function(self, X: Any) -> FloatArray:
        """Return the log-odds of the event, shape = (n_samples,)."""
        return self.model_.decision_function(self._inputs(X))

    def contributions(self, X: Any) -> pd.DataFrame:
        """Return what the terms of the chosen model add to a row's log-odds."""
        found: pd.DataFrame = self.model_.contributions(self._inputs(X))
        return found

    def _inputs(self, X: Any) -> pd.DataFrame:
        check_is_fitted(self)
        return model_frame(self, X, reset=False)[list(self.model_.feature_names_in_)]


def _standard_error(values: FloatArray, codes: Any) -> float:
    """Return the standard error of a mean over rows, whose accounts are independent."""
    difference = np.bincount(
        np.unique(codes, return_inverse=True)[1], weights=values - values.mean()
    )
    n = len(difference)
    return float(np.sqrt(np.square(difference).sum() * n / max(n - 1, 1)) / len(values))
