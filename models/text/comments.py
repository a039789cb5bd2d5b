"""Comments as numbers: TF-IDF weights of words and characters, and lengths."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise, starmap
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix, hstack
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import normalize
from sklearn.utils.validation import check_is_fitted

from models.base.inputs import IntArray

#: Weight of the length features, relative to the words of a comment, which have a norm of 1.
_LENGTH_WEIGHT = 0.5
_SHORT = 3
#: What ends a sentence or a clause.
_ENDS = re.compile(r"[.!?;:,…。！？；：，、؟،।]+")
#: Columns of lengths.
_LENGTHS = 3


class CommentCounts(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Cleaned comments as counts of words and of characters, and as lengths.

    Words and pairs of words carry the meaning; pieces of three to five characters within words
    cover misspelt and inflected forms, and languages that do not separate words. Counting takes
    most of the time, and does not depend on the other comments: it is done once for all folds.

    Attributes
    ----------
    places_ : tuple of slice
        The columns of each part: words, characters and lengths.
    """

    def fit(self, X: Sequence[str], y: None = None) -> Self:
        """Learn which words and pieces there are.

        Parameters
        ----------
        X : sequence of str, shape = (n_comments,)
        y : ignored
        """
        self.fit_transform(X)
        return self

    def fit_transform(self, X: Sequence[str], y: None = None) -> csr_matrix:
        """Return the counts and lengths, shape = (n_comments, n_columns)."""
        self.words_ = CountVectorizer(ngram_range=(1, 2), token_pattern=r"(?u)\b\w+\b")
        self.characters_ = CountVectorizer(analyzer="char_wb", ngram_range=(3, 5))
        counted = [part.fit_transform(X) for part in (self.words_, self.characters_)]
        ends = np.cumsum([0, *(part.shape[1] for part in counted), _LENGTHS])
        self.places_ = tuple(starmap(slice, pairwise(ends.tolist())))
        return hstack([*counted, _lengths(X)], format="csr")

    def transform(self, X: Sequence[str]) -> csr_matrix:
        """Return the counts and lengths, shape = (n_comments, n_columns)."""
        check_is_fitted(self, "places_")
        parts = [part.transform(X) for part in (self.words_, self.characters_)]
        return hstack([*parts, _lengths(X)], format="csr")


class CommentWeights(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """TF-IDF weights of words and of characters, and the lengths, of counted comments.

    TF-IDF removes the length, which is informative in itself: praise is short. Words that no
    training comment contains have no part in the weights of others.

    Parameters
    ----------
    places : tuple of slice
        The columns of words, characters and lengths, as of `CommentCounts`.
    """

    def __init__(self, places: tuple[slice, ...]) -> None:
        self.places = places

    def fit(self, X: csr_matrix, y: None = None) -> Self:
        """Learn how rare each column is."""
        self.seen_, self.weights_ = [], []
        for place in self.places[:-1]:
            counts = X[:, place]
            seen = np.flatnonzero(counts.getnnz(axis=0))
            self.seen_.append(place.start + seen)
            self.weights_.append(TfidfTransformer(sublinear_tf=True).fit(counts[:, seen]))
        return self

    def transform(self, X: csr_matrix) -> csr_matrix:
        """Return the weights, shape = (n_comments, n_seen_columns)."""
        check_is_fitted(self, "weights_")
        parts = [
            weights.transform(X[:, seen])
            for seen, weights in zip(self.seen_, self.weights_, strict=True)
        ]
        return hstack([*parts, _LENGTH_WEIGHT * X[:, self.places[-1]]], format="csr")


def _lengths(texts: Sequence[str]) -> csr_matrix:
    """Return the scaled logarithms of word and character counts, and the shortness."""
    words = np.array([len(text.split()) for text in texts], dtype="float64")
    characters = np.array([len(text) for text in texts], dtype="float64")
    columns = [np.log1p(words) / 4, np.log1p(characters) / 6, words <= _SHORT]
    return csr_matrix(np.column_stack(columns).astype("float64"))


def sentences(texts: Sequence[str]) -> tuple[list[str], IntArray]:
    """Return the sentences and clauses of comments that have several, and whose they are.

    They end with a punctuation mark, in whatever script.

    Returns
    -------
    list of str, shape = (n_sentences,)
    array of int, shape = (n_sentences,)
        The place of each sentence's comment.

    Examples
    --------
    >>> sentences(["Slow, and it crashes!", "Great"])
    (['Slow', 'and it crashes'], array([0, 0]))
    """
    found = [(part.strip(), place) for place, text in enumerate(texts) for part in _split(text)]
    return [part for part, _ in found], np.array([place for _, place in found], dtype=np.int64)


def _split(text: str) -> list[str]:
    parts = [part for part in _ENDS.split(text) if part.strip()]
    return parts if len(parts) > 1 else []


class LogCountRatios(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Weight columns by how much more often they occur in one class, as in naive Bayes [1]_.

    Parameters
    ----------
    smoothing : float
        Added to the total of every column in each class.

    Attributes
    ----------
    ratios_ : array, shape = (n_columns,)
        Logarithm of the share in the positive class over the share in the other.

    References
    ----------
    .. [1] Wang, S. and Manning, C. (2012). Baselines and bigrams: simple, good sentiment and
       topic classification. Proceedings of the ACL.
    """

    def __init__(self, *, smoothing: float = 0.1) -> None:
        self.smoothing = smoothing

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Count columns by class.

        Parameters
        ----------
        X : sparse matrix, shape = (n_comments, n_columns)
        y : array of 0 or 1, shape = (n_comments,)
        sample_weight : array, shape = (n_comments,), optional
            How much each row counts; by default, all count 1.
        """
        counted = np.ones(X.shape[0]) if sample_weight is None else np.asarray(sample_weight)
        of_class = np.asarray(y)
        positive, negative = (
            self.smoothing + np.asarray(X.T @ (counted * (of_class == value))).ravel()
            for value in (1, 0)
        )
        self.ratios_ = np.log(positive / positive.sum()) - np.log(negative / negative.sum())
        return self

    def transform(self, X: Any) -> Any:
        """Return the weighted rows with a norm of 1."""
        check_is_fitted(self, "ratios_")
        return normalize(X.multiply(self.ratios_).tocsr())


class TwoLogistic(BaseEstimator):  # type: ignore[misc]
    """The mean log-odds of two logistic regressions: on the columns, and on their log-count ratios.

    They make errors on different comments: the first has better weights for frequent words, the
    second for rare ones.

    Parameters
    ----------
    strength : float
        Inverse of the regularisation (``C``) of both.
    """

    def __init__(self, *, strength: float = 30.0) -> None:
        self.strength = strength

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Fit both to 0 and 1; rows count by `sample_weight`, shape = (n_comments,)."""
        self.ratios_ = LogCountRatios().fit(X, y, sample_weight)
        self.plain_, self.weighed_ = (
            self._logistic().fit(columns, y, sample_weight)
            for columns in (X, self.ratios_.transform(X))
        )
        return self

    def _logistic(self) -> LogisticRegression:
        # With fewer rows than columns, the dual problem takes half of the time. Its steps are in
        # random order, with a fixed seed.
        return LogisticRegression(
            C=self.strength, solver="liblinear", dual=True, max_iter=10_000, random_state=0
        )

    def decision_function(self, X: Any) -> npt.NDArray[np.float64]:
        """Return log-odds, shape = (n_comments,)."""
        check_is_fitted(self, "ratios_")
        plain = self.plain_.decision_function(X)
        weighed = self.weighed_.decision_function(self.ratios_.transform(X))
        return np.asarray((plain + weighed) / 2, dtype="float64")
