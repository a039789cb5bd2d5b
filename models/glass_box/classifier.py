"""A glass-box classifier: a sum of curves, boosted, whose contributions are exact."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Self, cast

import numpy as np
import pandas as pd
from scipy.special import logit
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from models.base.calibration import BASELINE, Calibration, fit_calibration, row_log_loss
from models.base.explanations import PAIR, Explained, Terms
from models.base.inputs import (
    FloatArray,
    IntArray,
    ModelInputError,
    SharedRows,
    check_names,
    feature_frame,
    group_codes,
    model_frame,
)
from models.base.log_odds import LogOddsClassifier
from models.glass_box.additive import AdditiveTables, purified
from models.glass_box.binning import Codes, FeatureBins, binned, fit_bins
from models.glass_box.boosting import BoostedBags, BoostingOptions, boost_bags, silence_unseen
from models.glass_box.outlook import HeldOutTerms, behaviours, with_outlook
from models.glass_box.pairs import strongest_pairs

#: When the outlook is kept.
OUTLOOKS = ("auto", "always", "never")
#: Features that are tried in pairs.
_PAIRED = 24


class GlassBoxClassifier(LogOddsClassifier):
    """Two-class additive model: log-odds = baseline + one curve a feature + a few chosen pairs.

    Scikit-learn's histogram boosting, in which a tree may not mix features (but for the pairs),
    is fitted once per fold of accounts and averaged. Because it is a sum, it is read out as
    tables, so a row's contributions are looked up, not estimated. Held-out accounts determine
    the number of rounds and whether the pairs stay.

    Parameters
    ----------
    interactions : int
        Most pairs of features that get a table of their own; 0 for none.
    max_bins : int
        Bins of a numeric feature's curve, 2-254.
    learning_rate : float
        Step of one boosting round.
    max_rounds : int
        Most rounds; boosting stops once held-out accounts have not gained for long.
    max_leaf_nodes : int
        Steps of one tree; trees with pairs have twice as many.
    min_samples_leaf : int
        Fewest rows of a step.
    l2 : float
        Penalty on the height of a step.
    feature_share : float
        Share of the features, drawn at random, among which a split is chosen: features with the
        same information share the credit.
    outer_bags : int
        Models averaged; each leaves out a fold of accounts.
    monotone : mapping of str to int, optional
        Direction of a feature's curve: 1 where the event may only grow more likely with the
        feature, −1 where only less.
    outlook_of : sequence of str, optional
        Features whose level in the coming months is predicted from all features, as one more
        line (see `models.glass_box.outlook`). Needs `times` in ``fit``. Default: the features that
        the catalogue makes from usage, tickets and surveys.
    outlook : str
        ``"auto"`` keeps that line where held-out accounts gain by more than a standard error of
        their log loss, ``"always"`` wherever it can be fitted, ``"never"`` leaves it out.
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
    rounds_ : int
        Boosting rounds kept.
    has_outlook_ : bool
        Whether the curves contain an outlook.
    calibration_ : Calibration
        Applied to the log-odds; none until `calibrate` finds one that helps.
    """

    def __init__(
        self,
        *,
        interactions: int = 20,
        max_bins: int = 64,
        learning_rate: float = 0.1,
        max_rounds: int = 1000,
        max_leaf_nodes: int = 4,
        min_samples_leaf: int = 20,
        l2: float = 2.0,
        feature_share: float = 0.3,
        outer_bags: int = 5,
        monotone: Mapping[str, int] | None = None,
        outlook_of: Sequence[str] | None = None,
        outlook: str = "auto",
        seed: int = 0,
        n_jobs: int = 2,
    ) -> None:
        self.interactions = interactions
        self.max_bins = max_bins
        self.learning_rate = learning_rate
        self.max_rounds = max_rounds
        self.max_leaf_nodes = max_leaf_nodes
        self.min_samples_leaf = min_samples_leaf
        self.l2 = l2
        self.feature_share = feature_share
        self.outer_bags = outer_bags
        self.monotone = monotone
        self.outlook_of = outlook_of
        self.outlook = outlook
        self.seed = seed
        self.n_jobs = n_jobs

    def fit(self, X: Any, y: Any, groups: Any = None, times: Any = None) -> Self:
        """Fit the curves.

        Parameters
        ----------
        X : pandas.DataFrame or array-like, shape = (n_samples, n_features)
            Floats with NaN for not measured; text and categories count as nominal.
        y : array-like, shape = (n_samples,)
            Two classes.
        groups : array-like, shape = (n_samples,), optional
            The account of every row.
        times : array-like of datetime, shape = (n_samples,), optional
            The as_of of every row, for the outlook.
        """
        frame, target = self._learned_from(X, y)
        if self.outlook not in OUTLOOKS:
            raise ModelInputError(
                f"there is no {self.outlook!r}", where="outlook", fix="use " + ", ".join(OUTLOOKS)
            )
        self._refuse_unknown_directions(list(frame.columns))
        groups_of_rows = group_codes(groups, len(frame))
        self.bins_ = fit_bins(frame, self.max_bins)
        codes = binned(frame, self.bins_)
        folds = account_folds(target, groups_of_rows, n_folds=self.outer_bags, seed=self.seed)
        boosted = self._boost(codes, target, groups_of_rows, folds)
        self.rounds_ = 0 if boosted is None else boosted.rounds
        self.tables_ = (
            constant_tables(target, self.bins_)
            if boosted is None
            else purified(silence_unseen(boosted.tables(), self.bins_), codes)
        )
        self.has_outlook_ = False
        self.boosted_tables_ = self.tables_
        if (
            self.outlook != "never"
            and boosted is not None
            and groups is not None
            and times is not None
        ):
            self._learn_outlook(boosted, codes, target, groups_of_rows, times, folds)
        names = [feature.name for feature in self.bins_]
        self.term_names_ = [*names, *(names[a] + PAIR + names[b] for a, b in self.tables_.pairs)]
        self.calibration_ = Calibration()
        return self

    def _learn_outlook(
        self,
        boosted: BoostedBags,
        codes: Codes,
        target: IntArray,
        groups: IntArray,
        times: Any,
        folds: IntArray,
    ) -> None:
        """Add the outlook to the tables, where it helps or is wanted in any case."""
        names = [feature.name for feature in self.bins_]
        wanted = behaviours(names) if self.outlook_of is None else self.outlook_of
        if not wanted:
            return
        check_consistent_length(codes, times)
        result = _predict_unseen(boosted, codes, folds, self.bins_)
        found = with_outlook(
            self.tables_,
            result,
            codes,
            target,
            groups,
            times,
            self.bins_,
            outlook_of=wanted,
            directions=self._directions(),
            if_it_helps=self.outlook == "auto",
        )
        if found is not None:
            self.tables_, self.has_outlook_ = found, True

    def without_outlook(self) -> Self:
        """Return this fitted model as if ``outlook`` had been ``"never"``."""
        result = copy.copy(self).set_params(outlook="never")
        result.tables_, result.has_outlook_ = self.boosted_tables_, False
        return cast("Self", result)

    def _directions(self) -> list[int] | None:
        if not self.monotone:
            return None
        return [self.monotone.get(feature.name, 0) for feature in self.bins_]

    def _boost(
        self, codes: Codes, target: IntArray, groups: IntArray, folds: IntArray
    ) -> BoostedBags | None:
        """Boost single features, then with pairs, and keep what held-out accounts prefer."""
        if not any(feature.varies for feature in self.bins_):
            return None
        directions = self._directions()
        alone = boost_bags(
            codes,
            target,
            folds,
            self.bins_,
            directions=directions,
            options=self._options(self.max_leaf_nodes),
        )
        pairs = strongest_pairs(
            codes,
            target,
            alone.held_out,
            self.interactions,
            among=strongest_features(alone.tables(), codes),
        )
        if not pairs:
            return alone
        together = boost_bags(
            codes,
            target,
            folds,
            self.bins_,
            pairs=pairs,
            directions=directions,
            options=self._options(2 * self.max_leaf_nodes),
        )
        return together if helps(alone.held_out, together.held_out, target, groups) else alone

    def _options(self, max_leaf_nodes: int) -> BoostingOptions:
        return BoostingOptions(
            learning_rate=self.learning_rate,
            max_rounds=self.max_rounds,
            max_leaf_nodes=max_leaf_nodes,
            min_samples_leaf=self.min_samples_leaf,
            l2=self.l2,
            feature_share=self.feature_share,
            seed=self.seed,
            n_jobs=self.n_jobs,
        )

    def _refuse_unknown_directions(self, names: list[str]) -> None:
        unknown = sorted(set(self.monotone or {}) - set(names))
        if unknown:
            raise ModelInputError(
                "a direction is given for unknown features: " + ", ".join(unknown),
                where="monotone",
                fix="the features are " + ", ".join(names),
            )

    def calibrate(self, X: Any, y: Any, groups: Any = None) -> Self:
        """Calibrate on rows of a later period, where that lowers their log loss.

        Contributions stay exact: the terms are scaled, the baseline takes the rest.

        Parameters
        ----------
        X, y, groups
            As in `fit`; `y` may contain one class only.
        """
        check_is_fitted(self)
        event = np.asarray(y) == self.classes_[1]
        fitted = fit_calibration(self._raw_logit(X), event, groups=groups, seed=self.seed)
        self.calibration_ = fitted.calibration
        return self

    def _codes(self, X: Any) -> Codes:
        if isinstance(X, SharedRows):
            check_names(self, X)
            X = replace(X, own=feature_frame(X.own), accounts=feature_frame(X.accounts))
            return binned(X, self.bins_, self.tables_.used_features)
        frame = model_frame(self, X, reset=False)
        return binned(frame, self.bins_, self.tables_.used_features)

    def _raw_logit(self, X: Any) -> FloatArray:
        return self.tables_.decision(self._codes(X))

    def decision_function(self, X: Any) -> FloatArray:
        """Return the calibrated log-odds of the event, shape = (n_samples,)."""
        check_is_fitted(self)
        return self.calibration_.logit(self._raw_logit(X))

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
        terms = self.tables_.terms(binned(frame, self.bins_, self.tables_.used_features))
        result = pd.DataFrame(terms, index=frame.index, columns=self.term_names_)
        result[BASELINE] = self.tables_.intercept
        return self.calibration_.contributions(result)

    def explained(self, X: Any) -> Explained:
        """Return the log-odds, and `contributions` by feature as far as they are asked for.

        Every value is looked up in its bins once.
        """
        check_is_fitted(self)
        codes, tables = self._codes(X), self.tables_.calibrated(self.calibration_)
        return Explained(tables.decision(codes), partial(self._terms, tables, codes))

    def _terms(self, tables: AdditiveTables, codes: Codes, rows: IntArray) -> Terms:
        places = sorted(tables.used_features)
        return Terms(
            [self.bins_[place].name for place in places],
            np.full(len(rows), tables.intercept),
            lambda block: tables.by_feature(codes, places, rows[block]),
        )


def constant_tables(target: IntArray, bins: tuple[FeatureBins, ...]) -> AdditiveTables:
    """Return tables of zeros over the log-odds of the event's share: nothing varies."""
    share = (target.sum() + 0.5) / (len(target) + 1.0)
    return AdditiveTables(float(logit(share)), tuple(np.zeros(b.size + 1) for b in bins), {})


def _predict_unseen(
    boosted: BoostedBags, codes: Codes, folds: IntArray, bins: tuple[FeatureBins, ...]
) -> HeldOutTerms:
    """Return each row's terms by the bag that has not seen its account."""
    terms = np.zeros((len(codes), len(bins) + len(boosted.pairs)))
    intercept = np.zeros(len(codes))
    for bag, tables in enumerate(boosted.tables_of_bags()):
        held = folds == bag
        pure = purified(silence_unseen(tables, bins), codes[~held])
        terms[held], intercept[held] = pure.terms(codes[held]), pure.intercept
    return HeldOutTerms(terms, intercept, folds)


def strongest_features(tables: AdditiveTables, codes: Codes) -> IntArray:
    """Return the features whose curves differ most among the rows, at most `_PAIRED`."""
    spread = [table[codes[:, place]].std() for place, table in enumerate(tables.mains)]
    return np.argsort(np.negative(spread), kind="stable")[:_PAIRED].astype(np.int64)


def helps(before: FloatArray, after: FloatArray, target: IntArray, groups: IntArray) -> bool:
    """Return whether log-odds lower the log loss by more than two standard errors over accounts.

    The pairs were chosen on the same rows, so a slightly lower loss proves nothing.
    """
    gain = row_log_loss(target, before) - row_log_loss(target, after)
    by_account = np.bincount(groups, weights=gain)
    return bool(by_account.sum() > 2.0 * np.sqrt((by_account**2).sum()))


def account_folds(target: IntArray, codes: IntArray, *, n_folds: int, seed: int) -> IntArray:
    """Put whole accounts into folds, those with and without an event evenly.

    Parameters
    ----------
    target : array, shape = (n_samples,)
        0 or 1.
    codes : array, shape = (n_samples,)
        Account of every row, 0 … n_accounts − 1.
    n_folds : int
        Number of folds.
    seed : int
        Seed of the draw.

    Returns
    -------
    array, shape = (n_samples,)
        0 … n_folds − 1.
    """
    rng = np.random.default_rng(seed)
    has_event = np.bincount(codes, weights=target) > 0
    fold = np.empty(len(has_event), dtype=np.int64)
    for stratum in (np.flatnonzero(has_event), np.flatnonzero(~has_event)):
        fold[rng.permutation(stratum)] = np.arange(len(stratum)) % n_folds
    return np.asarray(fold[codes])
