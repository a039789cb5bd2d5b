"""Boosted trees that may not mix features, read out as tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any

import joblib
import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import ThreadpoolController

from models.base.inputs import BoolArray, FloatArray, IntArray
from models.glass_box.additive import AdditiveTables
from models.glass_box.binning import Codes, FeatureBins

Pair = tuple[int, int]

#: Rounds that are fitted first, and the factor by which they grow while the loss still falls.
_FIRST_ROUNDS, _MORE_ROUNDS = 80, 1.6
#: No more rounds are fitted once the lowest loss lies within this share of those fitted.
_EARLY = 0.7


@dataclass(frozen=True)
class BoostingOptions:
    """How a bag is boosted; the names are those of scikit-learn's HistGradientBoosting."""

    learning_rate: float
    max_rounds: int
    max_leaf_nodes: int
    min_samples_leaf: int
    l2: float
    feature_share: float
    seed: int
    n_jobs: int


@dataclass(frozen=True)
class BoostedBags:
    """Boosted models, each with a fold of accounts that it has not seen.

    Attributes
    ----------
    models : tuple of HistGradientBoostingClassifier
        One a bag.
    bins : tuple of FeatureBins
        The bins that the numbers refer to.
    columns : array, shape = (n_used,)
        The features that vary, in the order the models know them.
    pairs : tuple of (int, int)
        Features that may meet in a tree.
    rounds : int
        Where the log loss of the held-out rows is lowest, the mean over bags.
    held_out : array, shape = (n_samples,)
        Log-odds of every row, from the bag that has not seen it, after `rounds`.
    """

    models: tuple[Any, ...]
    bins: tuple[FeatureBins, ...]
    columns: IntArray
    pairs: tuple[Pair, ...]
    rounds: int
    held_out: FloatArray

    def tables(self) -> AdditiveTables:
        """Read out the mean of the models as tables, one cell after the other."""
        return self._probes.tables(np.mean(self._answers, axis=0))

    def tables_of_bags(self) -> list[AdditiveTables]:
        """Read out each model as separate tables."""
        return [self._probes.tables(answer) for answer in self._answers]

    @cached_property
    def _probes(self) -> _Probes:
        sizes = [feature.size for feature in self.bins]
        return _Probes(np.zeros(len(sizes)), sizes, self.columns, self.pairs)

    @cached_property
    def _answers(self) -> list[FloatArray]:
        grid = _with_gaps(self._probes.rows, self._probes.sizes)[:, self.columns]
        with ThreadpoolController().limit(limits=1, user_api="openmp"):
            return [_after(model, grid, self.rounds) for model in self.models]


def boost_bags(
    codes: Codes,
    target: IntArray,
    folds: IntArray,
    bins: Sequence[FeatureBins],
    *,
    pairs: Sequence[Pair] = (),
    directions: Sequence[int] | None = None,
    options: BoostingOptions,
) -> BoostedBags:
    """Boost one model a fold on the rows outside of it.

    Parameters
    ----------
    codes : array, shape = (n_samples, n_features)
        Bin numbers.
    target : array, shape = (n_samples,)
        0 or 1.
    folds : array, shape = (n_samples,)
        The fold of every row, 0 … n_bags − 1. A bag whose other rows lack a class learns from
        all.
    bins : sequence of FeatureBins
        The bins that the numbers refer to.
    pairs : sequence of (int, int)
        Features that may meet in a tree; by default none, so that the model is a sum of curves.
    directions : sequence of int, optional
        1, −1 or 0 a feature.
    options : BoostingOptions
        How.
    """
    # scikit-learn 1.9 puts categories first, and forgets to move interaction_cst with them.
    order = sorted(range(len(bins)), key=lambda j: bins[j].edges is not None)
    columns = np.array([j for j in order if bins[j].varies], dtype=np.int64)
    numbers = _with_gaps(codes, [feature.size for feature in bins])[:, columns]
    make = _maker(columns, bins, pairs, directions, options)
    n_bags = int(folds.max()) + 1

    def rows_of(bag: int) -> BoolArray:
        seen: BoolArray = folds != bag
        return seen if 0 < target[seen].sum() < seen.sum() else np.ones_like(seen)

    models = [make(options.seed + bag) for bag in range(n_bags)]
    inputs = [_known_somewhere(numbers[rows_of(bag)]) for bag in range(n_bags)]
    # To look for the libraries that have threads takes longer than a small fit.
    threads = ThreadpoolController()

    def grow(bag: int, most: int) -> FloatArray:
        # Small fits gain nothing from threads of their own and lose much on a busy machine.
        with threads.limit(limits=1, user_api="openmp"):
            model = models[bag].set_params(max_iter=most).fit(inputs[bag], target[rows_of(bag)])
            held = numbers[folds == bag]
            return np.stack([s.ravel() for s in model.staged_decision_function(held)])

    parallel = joblib.Parallel(n_jobs=options.n_jobs, prefer="threads")
    for most in _rounds_tried(options.max_rounds):
        staged = parallel(joblib.delayed(grow)(bag, most) for bag in range(n_bags))
        losses = [
            np.mean(np.logaddexp(0.0, stages) - target[folds == bag] * stages, axis=1)
            for bag, stages in enumerate(staged)
        ]
        rounds = int(np.argmin(np.mean(losses, axis=0))) + 1
        if rounds <= _EARLY * most:
            break
    held_out = np.zeros(len(target))
    for bag, stages in enumerate(staged):
        held_out[folds == bag] = stages[rounds - 1]
    return BoostedBags(tuple(models), tuple(bins), columns, tuple(pairs), rounds, held_out)


def _rounds_tried(most: int) -> Iterator[int]:
    """Yield rising numbers of rounds up to `most`."""
    rounds = min(_FIRST_ROUNDS, most)
    while rounds < most:
        yield rounds
        rounds = min(round(rounds * _MORE_ROUNDS), most)
    yield most


def _known_somewhere(numbers: FloatArray) -> FloatArray:
    """Fill columns that no row of a bag knows: scikit-learn cannot bin them, nor split on one."""
    unknown = np.isnan(numbers).all(axis=0)
    return np.where(unknown, 0.0, numbers) if unknown.any() else numbers


def _maker(
    columns: IntArray,
    bins: Sequence[FeatureBins],
    pairs: Sequence[Pair],
    directions: Sequence[int] | None,
    options: BoostingOptions,
) -> Any:
    """Return what makes a booster whose trees keep to single features and the pairs."""
    place = {int(column): at for at, column in enumerate(columns)}
    groups = [{at} for at in place.values()] + [{place[a], place[b]} for a, b in pairs]
    categories = [at for column, at in place.items() if bins[column].edges is None]

    def make(seed: int) -> HistGradientBoostingClassifier:
        return HistGradientBoostingClassifier(
            learning_rate=options.learning_rate,
            max_iter=options.max_rounds,
            max_leaf_nodes=options.max_leaf_nodes,
            min_samples_leaf=options.min_samples_leaf,
            l2_regularization=options.l2,
            max_features=options.feature_share,
            interaction_cst=groups,
            categorical_features=categories or None,
            monotonic_cst=None if directions is None else [directions[c] for c in columns],
            # Held-out accounts stop the boosting: scikit-learn would hold out rows.
            early_stopping=False,
            warm_start=True,
            random_state=seed,
        )

    return make


def _after(model: Any, grid: FloatArray, rounds: int) -> FloatArray:
    stage = next(islice(model.staged_decision_function(grid), rounds - 1, None))
    return np.asarray(stage, dtype="float64").ravel()


def _with_gaps(codes: Any, sizes: Sequence[int]) -> FloatArray:
    """Return bin numbers as floats, NaN for the bin of the missing."""
    numbers = np.array(codes, dtype="float64", order="F")
    for place, size in enumerate(sizes):
        column = numbers[:, place]
        column[column >= size] = np.nan
    return numbers


class _Probes:
    """The rows to ask a model for, and how its tables follow from the answers.

    The model is a sum of functions of one or two features. With all others fixed at the
    reference, f(a) − f is the curve of a, and f(a, b) − f(a) − f(b) + f the rest of a pair.
    """

    def __init__(
        self, reference: FloatArray, sizes: Sequence[int], columns: IntArray, pairs: Sequence[Pair]
    ) -> None:
        self.sizes, self.columns, self.pairs = sizes, columns, pairs
        self.rows = np.concatenate(list(self._blocks(reference)))

    def _blocks(self, reference: FloatArray) -> Iterator[FloatArray]:
        yield reference[None, :]
        for column in self.columns:
            block = np.tile(reference, (self.sizes[column] + 1, 1))
            block[:, column] = np.arange(len(block))
            yield block
        for a, b in self.pairs:
            of_a, of_b = self.sizes[a] + 1, self.sizes[b] + 1
            block = np.tile(reference, (of_a * of_b, 1))
            block[:, a] = np.repeat(np.arange(of_a), of_b)
            block[:, b] = np.tile(np.arange(of_b), of_a)
            yield block

    def tables(self, answers: FloatArray) -> AdditiveTables:
        intercept, at = float(answers[0]), 1
        mains = [np.zeros(size + 1) for size in self.sizes]
        for column in self.columns:
            width = self.sizes[column] + 1
            mains[column] = answers[at : at + width] - intercept
            at += width
        pairs = {}
        for a, b in self.pairs:
            shape = (self.sizes[a] + 1, self.sizes[b] + 1)
            together = answers[at : at + shape[0] * shape[1]].reshape(shape)
            pairs[a, b] = together - intercept - mains[a][:, None] - mains[b][None, :]
            at += together.size
        return AdditiveTables(intercept, tuple(mains), pairs)


def silence_unseen(tables: AdditiveTables, bins: Sequence[FeatureBins]) -> AdditiveTables:
    """Let a missing value add nothing where none was missing in training."""
    mains = [table.copy() for table in tables.mains]
    pairs = {pair: table.copy() for pair, table in tables.pairs.items()}
    for place, feature in enumerate(bins):
        if feature.seen_missing:
            continue
        mains[place][-1] = 0.0
        for (a, b), table in pairs.items():
            if a == place:
                table[-1, :] = 0.0
            if b == place:
                table[:, -1] = 0.0
    return AdditiveTables(tables.intercept, tuple(mains), pairs)
