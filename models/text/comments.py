"""Comments as numbers: TF-IDF weights of words and characters, and lengths."""

from __future__ import annotations

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

#: Weight of the length features, relative to the words of a comment, which have a norm of 1.
_LENGTH_WEIGHT = 0.5
_SHORT = 3
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

    def fit(self, X: Any, y: Any) -> Self:
        """Count columns by class.

        Parameters
        ----------
        X : sparse matrix, shape = (n_comments, n_columns)
        y : array of 0 or 1, shape = (n_comments,)
        """
        positive, negative = (
            self.smoothing + np.asarray(X[np.asarray(y) == value].sum(axis=0)).ravel()
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

    def fit(self, X: Any, y: Any) -> Self:
        """Fit both to 0 and 1."""
        self.ratios_ = LogCountRatios().fit(X, y)
        self.plain_, self.weighed_ = (
            LogisticRegression(C=self.strength, solver="liblinear", max_iter=1_000).fit(columns, y)
            for columns in (X, self.ratios_.transform(X))
        )
        return self

    def decision_function(self, X: Any) -> npt.NDArray[np.float64]:
        """Return log-odds, shape = (n_comments,)."""
        check_is_fitted(self, "ratios_")
        plain = self.plain_.decision_function(X)
        weighed = self.weighed_.decision_function(self.ratios_.transform(X))
        return np.asarray((plain + weighed) / 2, dtype="float64")
