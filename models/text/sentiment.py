"""Sentiment of comments, learned from the scores that the same people gave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.sparse import csr_matrix, hstack, vstack
from scipy.special import expit, logit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.utils.validation import check_is_fitted

from features.voice.plain_text import clean_comments
from models.base.calibration import Calibration, fit_calibration
from models.base.inputs import FloatArray, IntArray, ModelInputError, binary_target, group_codes
from models.evaluation.classification import Interval, evaluate
from models.text.comments import CommentCounts, CommentWeights, TwoLogistic, sentences

#: Minimum number of scored comments, in total and per class, to learn sentiment.
FEWEST_COMMENTS, FEWEST_OF_A_CLASS = 200, 20
_FOLDS = 5


@dataclass(frozen=True)
class Examples:
    """Comments, and their sentences as short examples, as counts.

    Attributes
    ----------
    counts : csr_matrix, shape = (n_comments, n_columns)
    weight : array of float, shape = (n_comments,)
        One half, or 1 for a comment that isn't divided.
    sentences : csr_matrix, shape = (n_sentences, n_columns)
    sentence_weight : array of float, shape = (n_sentences,)
        Those of a comment share the other half, so that every comment counts once.
    comment : array of int, shape = (n_sentences,)
        The comment of each sentence.
    """

    counts: csr_matrix
    weight: FloatArray
    sentences: csr_matrix
    sentence_weight: FloatArray
    comment: IntArray

    @classmethod
    def of(cls, texts: Sequence[str], counted: CommentCounts) -> Examples:
        """Count comments and their sentences; the words are those of the comments."""
        counts = counted.fit_transform(texts)
        parts, comment = sentences(texts)
        number = np.bincount(comment, minlength=len(texts))
        words = slice(counted.places_[-1].start)
        own = counted.transform(parts)[:, words] if parts else counts[:0, words]
        # How long a comment is is no property of its sentences.
        lengths = counts[comment][:, counted.places_[-1]]
        return cls(
            counts,
            np.where(number > 0, 0.5, 1.0),
            hstack([own, lengths], format="csr"),
            0.5 / number[comment],
            comment,
        )


class CommentSentiment(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Probability that a comment comes from a satisfied person, in any language.

    TF-IDF of words and of characters and the length, with two logistic regressions
    (`TwoLogistic`), trained on comments whose author also gave a score (promoters against
    detractors, good ratings against bad ones). The sentences of a comment are short examples of the
    same score and have half of its weight. The classes have equal weight, so 0.5 separates positive
    from negative whatever a company's share of promoters is. With too few scored comments, or if
    held-out comments are not ranked better than chance, the estimator is off and returns NaN.

    Parameters
    ----------
    strength : float
        Inverse of the regularisation (``C``); chosen by inner folds on real comments.
    fewest_comments : int
        Minimum number of scored comments; with fewer, the estimator is off.
    seed : int
        Seed of folds and resamples.

    Attributes
    ----------
    is_on_ : bool
        Whether there were enough comments and the 95 % interval of the AUC lies above 0.5.
    why_ : str
        One sentence: what it learned from and how well it performs, or why it is off.
    auc_ : Interval or None
        AUC on held-out comments, none of whose authors were trained on.
    calibration_ : Calibration
        Fitted on the held-out comments.
    prior_ : float
        Log-odds of a satisfied author among the training comments.
    comments_, positive_ : int
        Number of training comments, and of the positive ones among them.
    classes_ : array, shape = (2,)
    """

    def __init__(
        self, *, strength: float = 30.0, fewest_comments: int = FEWEST_COMMENTS, seed: int = 0
    ) -> None:
        self.strength = strength
        self.fewest_comments = fewest_comments
        self.seed = seed

    def fit(self, X: Any, y: Any, groups: Any = None) -> Self:
        """Learn from scored comments.

        Parameters
        ----------
        X : sequence of str, shape = (n_comments,)
            Empty and missing comments are left out.
        y : array-like, shape = (n_comments,)
            1 for a satisfied author, 0 for a dissatisfied one.
        groups : array-like, shape = (n_comments,), optional
            The author or account of each comment; none is on both sides of a fold.

        Raises
        ------
        ModelInputError
            Lengths differ or `y` has more than two classes.
        """
        texts = clean_comments(_one_column(X))
        self.classes_, target = binary_target(y, len(texts), one_class=True)
        codes = group_codes(groups, len(texts))
        written = texts != ""
        texts, target, codes = texts[written], target[written], codes[written]
        self.comments_, self.positive_ = len(texts), int(target.sum())
        self.auc_: Interval | None = None
        self.calibration_ = Calibration()
        self.is_on_ = False
        fewest = min(self.positive_, self.comments_ - self.positive_)
        if self.comments_ < self.fewest_comments or fewest < FEWEST_OF_A_CLASS:
            self.why_ = (
                f"{self.comments_:,} comments have a score ({self.positive_:,} of them from "
                f"satisfied people); sentiment needs {self.fewest_comments:,}, and "
                f"{FEWEST_OF_A_CLASS} of each kind"
            )
            return self
        self.counts_ = CommentCounts()
        examples = Examples.of(texts, self.counts_)
        held_out = self._held_out(examples, target, codes)
        if held_out is not None:
            self._judge(held_out, target, codes)
        else:
            self.why_ = "too few authors wrote the scored comments to test sentiment on others"
        if self.is_on_:
            self.model_ = self._fitted(examples, target, np.arange(len(target)))
        return self

    def _fitted(self, examples: Examples, target: IntArray, train: IntArray) -> Pipeline:
        own = np.flatnonzero(np.isin(examples.comment, train))
        # A word is as rare as it is among whole comments.
        tf_idf = CommentWeights(self.counts_.places_).fit(examples.counts[train])
        rows = vstack([examples.counts[train], examples.sentences[own]], format="csr")
        positive = target[np.concatenate([train, examples.comment[own]])]
        weight = np.concatenate([examples.weight[train], examples.sentence_weight[own]])
        logistic = TwoLogistic(strength=self.strength)
        return make_pipeline(
            tf_idf, logistic.fit(tf_idf.transform(rows), positive, sample_weight=weight)
        )

    def _held_out(self, examples: Examples, target: IntArray, codes: IntArray) -> FloatArray | None:
        authors = min(len(np.unique(codes[target == value])) for value in (0, 1))
        if authors < _FOLDS:
            return None
        folds = StratifiedGroupKFold(_FOLDS, shuffle=True, random_state=self.seed)
        log_odds = np.zeros(len(target))
        for train, test in folds.split(target, target, codes):
            fitted = self._fitted(examples, target, train)
            log_odds[test] = fitted.decision_function(examples.counts[test])
        return log_odds

    def _judge(self, held_out: FloatArray, target: IntArray, codes: IntArray) -> None:
        fitted = fit_calibration(held_out, target, groups=codes, seed=self.seed)
        self.calibration_ = fitted.calibration
        found = evaluate(
            target,
            expit(fitted.held_out_logit),
            rank_by=held_out,
            groups=codes,
            seed=self.seed,
        )
        self.auc_ = found.auc
        self.is_on_ = bool(found.auc.low > 0.5)
        self.why_ = (
            f"learned from {self.comments_:,} scored comments; AUC {found.auc.value:.3f} on "
            f"held-out comments (95 % {found.auc.low:.3f} to {found.auc.high:.3f})"
        )
        if not self.is_on_:
            self.why_ += ": no better than chance, so sentiment is off"
        self.prior_ = float(logit(target.mean()))

    def decision_function(self, X: Any) -> FloatArray:
        """Return the log-odds of a satisfied author, shape = (n_comments,).

        The log-odds assume equal numbers of satisfied and dissatisfied people. They are NaN for an
        empty comment, and everywhere if ``is_on_`` is False.
        """
        check_is_fitted(self, "is_on_")
        texts = clean_comments(_one_column(X))
        result = np.full(len(texts), np.nan)
        written = texts != ""
        if self.is_on_ and written.any():
            counts = self.counts_.transform(texts[written])
            raw = np.asarray(self.model_.decision_function(counts), dtype="float64")
            result[written] = self.calibration_.logit(raw) - self.prior_
        return result

    def predict_proba(self, X: Any) -> FloatArray:
        """Return the probabilities of both classes, shape = (n_comments, 2); NaN as above."""
        log_odds = self.decision_function(X)
        return np.column_stack([expit(-log_odds), expit(log_odds)])

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """Return the likelier class, shape = (n_comments,); the negative one if unknown."""
        likely = (self.decision_function(X) > 0).astype(int)
        return np.asarray(self.classes_[likely])


def _one_column(X: Any) -> list[Any]:
    if isinstance(X, str):
        raise ModelInputError("one text instead of a list of texts", where="X", fix="give a list")
    values = X.iloc[:, 0] if isinstance(X, pd.DataFrame) else X
    found = np.asarray(values, dtype=object)
    return list(found[:, 0] if found.ndim == 2 else found)
