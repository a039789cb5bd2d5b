"""Comments as numbers: TF-IDF weights of words and characters, and lengths."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion
from sklearn.preprocessing import FunctionTransformer, normalize
from sklearn.utils.validation import check_is_fitted

#: Weight of the length features, relative to the words of a comment, which have a norm of 1.
_LENGTH_WEIGHT = 0.5
_SHORT = 3


def comment_matrix() -> FeatureUnion:
    """Return a transformer of cleaned comments into TF-IDF weights and lengths.

    Words and pairs of words carry the meaning; pieces of three to five characters within words
    cover misspelt and inflected forms, and languages that do not separate words. TF-IDF removes
    the length, which is informative in itself: praise is short.
    """
    words = TfidfVectorizer(
        analyzer="word", ngram_range=(1, 2), token_pattern=r"(?u)\b\w+\b", sublinear_tf=True
    )
    characters = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True)
    return FeatureUnion(
        [("words", words), ("characters", characters), ("length", FunctionTransformer(_lengths))],
        transformer_weights={"length": _LENGTH_WEIGHT},
    )


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
