"""Themes of comments, found without a word list, and their impact in points."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.linalg import solve_triangular
from scipy.optimize import linear_sum_assignment, nnls
from scipy.stats import t as student
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.decomposition import NMF
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import normalize
from sklearn.utils.validation import check_is_fitted

from features.voice.languages import Languages, is_function_word
from features.voice.plain_text import clean_comments
from models.base.inputs import BoolArray, FloatArray, IntArray, group_codes

#: Minimum number of comments to search for themes.
FEWEST_COMMENTS = 100
#: Minimum number of comments with a phrase, and maximum share of the comments.
_FEWEST_USES, _COMMONEST = 4, 0.25
#: Maximum share of the comments of a language: what more of them contain is the language itself.
_OF_A_LANGUAGE = 0.5
#: A comment mentions a theme that has at least this share of its weight, and this cosine with it: a
#: comment that has one common word with a theme is not about it.
_MENTIONED, _ABOUT = 0.3, 0.15
#: Updates of the factors.
_UPDATES = 60
_PHRASES = 3
#: Between the phrases of a name.
SEPARATOR = " · "
#: Phrases by which a theme is recognised later, and the least cosine between theirs.
_TERMS, SAME_THEME = 40, 0.5
#: Power of the share of a phrase that one theme has, in the weight of its name.
_DISTINCTIVE = 3
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")


class Themes(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Themes of comments by non-negative matrix factorisation of their TF-IDF weights.

    Each language has themes of its own: comments in two languages have few words in common, so
    that themes of all comments together would be languages rather than subjects. The number of
    themes of a language is the largest at which themes found in random halves of its comments
    agree with those found in all of them (the mean cosine of matched themes is at least
    `least_agreement`) and no two have the same name. If even two themes do not agree, there are
    none, and none are searched in a language with fewer than `FEWEST_COMMENTS`.

    Parameters
    ----------
    most_themes : int
        Maximum number of themes to try in a language.
    least_agreement : float
        Required agreement, 0 to 1.
    n_resamples : int
        Random halves, drawn by comment.
    seed : int
        Seed of the draws.

    Attributes
    ----------
    n_themes_ : int
        Number of themes; 0 if no number is stable, or if there are too few comments.
    languages_ : list of str
        The two-letter code of each theme's language; "" where it is not known.
    agreement_ : dict of (str, int) to float
        Agreement for each number that was tried in a language.
    names_ : list of str
        The most distinctive phrases of each theme, e.g. ``"delivery · not arrived"``.
    components_ : array, shape = (n_themes_, n_phrases)

    References
    ----------
    .. [1] Greene, D., O'Callaghan, D. and Cunningham, P. (2014). How many topics? Stability
       analysis for topic models. ECML PKDD.
    """

    def __init__(
        self,
        *,
        most_themes: int = 12,
        least_agreement: float = 0.6,
        n_resamples: int = 6,
        seed: int = 0,
    ) -> None:
        self.most_themes = most_themes
        self.least_agreement = least_agreement
        self.n_resamples = n_resamples
        self.seed = seed

    def fit(self, X: Any, y: None = None) -> Self:
        """Find themes in comments.

        Parameters
        ----------
        X : sequence of str, shape = (n_comments,)
        y : ignored
        """
        texts = clean_comments(X)
        texts = texts[texts != ""]
        self.agreement_: dict[tuple[str, int], float] = {}
        self.n_themes_, self.components_ = 0, np.empty((0, 0))
        self.names_: list[str] = []
        self.languages_: list[str] = []
        if len(texts) < FEWEST_COMMENTS:
            return self
        self.phrases_ = TfidfVectorizer(
            analyzer=phrases_of,
            min_df=_FEWEST_USES,
            max_df=_COMMONEST,
            sublinear_tf=True,
        )
        try:
            weights = self.phrases_.fit_transform(texts)
        except ValueError:
            # No phrase occurs often enough: the comments have nothing in common.
            return self
        self.known_languages_ = Languages(texts)
        language = _with_enough(self.known_languages_.of(texts))
        counts = Counter(language.tolist())
        found = []
        for code, count in counts.most_common():
            if count >= FEWEST_COMMENTS:
                components = self._of_language(weights[language == code], code)
                found.append(components)
                self.languages_ += [code] * len(components)
        self.components_ = np.concatenate([np.empty((0, weights.shape[1])), *found])
        self.n_themes_ = len(self.components_)
        self.names_ = self._named(self.components_)
        return self

    def _of_language(self, weights: Any, code: str) -> FloatArray:
        """Return the themes of the comments in one language, shape = (n_themes, n_phrases)."""
        uses = weights.getnnz(axis=0)
        own = np.flatnonzero((uses >= _FEWEST_USES) & (uses <= weights.shape[0] * _OF_A_LANGUAGE))
        own_weights = weights[:, own]
        most = min(self.most_themes, weights.shape[0] // 20, len(own) - 1)
        for number in range(most, 1, -1):
            found = self._components(own_weights, number)
            agreement = self._agreement(own_weights, found)
            self.agreement_[code, number] = agreement
            components = np.zeros((number, weights.shape[1]))
            components[:, own] = found
            # Two themes with the same phrases are one.
            distinct = len(set(self._named(components))) == number
            if agreement >= self.least_agreement and distinct:
                return components
        return np.empty((0, weights.shape[1]))

    def _components(self, weights: Any, number: int) -> FloatArray:
        # Initialised by a singular value decomposition, so the result has no random part. A fixed
        # number of updates cannot fail to converge; how stable the result is, the halves show.
        model = NMF(number, init="nndsvd", max_iter=_UPDATES, tol=0.0, random_state=self.seed)
        # scikit-learn takes the root of the error, which rounding makes negative where repeated
        # comments leave none.
        with np.errstate(invalid="ignore"):
            return np.asarray(normalize(model.fit(weights).components_))

    def _agreement(self, weights: Any, components: FloatArray) -> float:
        rng = np.random.default_rng(self.seed)
        found = []
        for _ in range(self.n_resamples):
            half = rng.permutation(weights.shape[0])[: weights.shape[0] // 2]
            cosines = components @ self._components(weights[half], len(components)).T
            found.append(cosines[linear_sum_assignment(-cosines)].mean())
        return float(np.mean(found))

    def _named(self, components: FloatArray) -> list[str]:
        phrases = self.phrases_.get_feature_names_out()
        # Words of every theme ("because", "have") say nothing about one of them.
        share = components / np.maximum(components.sum(axis=0), 1e-12)
        weights = components * share**_DISTINCTIVE
        return [SEPARATOR.join(_distinctive(phrases, row)) for row in weights]

    def transform(self, X: Any) -> FloatArray:
        """Return the share of each theme in a comment, shape = (n_comments, n_themes_).

        Rows sum to 1, or are 0 for a comment without any theme.
        """
        check_is_fitted(self, "n_themes_")
        texts = clean_comments(X)
        if not self.n_themes_:
            return np.zeros((len(texts), 0))
        weights = self.phrases_.transform(texts)
        found = _shares(np.asarray(weights @ self.components_.T), self.components_)
        found = found * self._of_own_language(texts)
        total = found.sum(axis=1, keepdims=True)
        return np.asarray(np.divide(found, total, out=np.zeros_like(found), where=total > 0))

    def _of_own_language(self, texts: npt.NDArray[np.object_]) -> BoolArray:
        """Return which themes are in the language of a comment, as far as it is known."""
        own, themes = self.known_languages_.of(texts)[:, None], np.array(self.languages_)[None]
        others = ~np.isin(own, self.languages_)
        return np.asarray((own == themes) | (own == "") | (others & (themes == "")))

    def terms(self) -> list[dict[str, float]]:
        """Return the strongest phrases of each theme with their weights, which have a norm of 1."""
        if not self.n_themes_:
            return []
        phrases = self.phrases_.get_feature_names_out()
        found = []
        for row in self.components_:
            top = np.argsort(-row, kind="stable")[:_TERMS]
            top = top[row[top] > 0]
            norm = float(np.linalg.norm(row[top])) or 1.0
            found.append({str(phrases[p]): float(row[p]) / norm for p in top})
        return found

    def mentions(self, X: Any) -> BoolArray:
        """Return which themes each comment mentions, shape = (n_comments, n_themes_)."""
        texts = clean_comments(X)
        shares = self.transform(texts)
        if not self.n_themes_:
            return np.zeros(shares.shape, dtype=bool)
        # Comments and themes have a norm of 1.
        cosine = np.asarray(self.phrases_.transform(texts) @ self.components_.T)
        return np.asarray((shares >= _MENTIONED) & (cosine >= _ABOUT))


def _with_enough(language: npt.NDArray[np.str_]) -> npt.NDArray[np.str_]:
    """Return languages where comments in no known one are among the others as far as possible.

    Those in no known language join the largest one: many are only short. If they are the most
    themselves, languages with few comments join them, as these are hardly known then.
    """
    counts = Counter(language.tolist())
    main = counts.most_common(1)[0][0]
    few = [code for code, n in counts.items() if n < FEWEST_COMMENTS] if main == "" else [""]
    return np.where(np.isin(language, few), main, language)


def same_themes(
    new: Sequence[Mapping[str, float]], earlier: Sequence[Mapping[str, float]]
) -> list[int | None]:
    """Return which earlier theme each new theme is, by the cosine of their terms.

    Parameters
    ----------
    new, earlier : sequence of mapping of str to float
        As from `Themes.terms`.

    Returns
    -------
    list of int or None
        The place of the earlier theme, each at most once; None where none reaches `SAME_THEME`.
    """
    if not new or not earlier:
        return [None] * len(new)
    cosines = np.array(
        [
            [sum(w * past.get(term, 0.0) for term, w in own.items()) for past in earlier]
            for own in new
        ]
    )
    found: list[int | None] = [None] * len(new)
    for place, other in zip(*linear_sum_assignment(-cosines), strict=True):
        if cosines[place, other] >= SAME_THEME:
            found[int(place)] = int(other)
    return found


def _shares(inner: FloatArray, components: FloatArray) -> FloatArray:
    """Solve each row's non-negative least squares separately, so rows do not affect each other.

    Parameters
    ----------
    inner : array, shape = (n_comments, n_themes)
        Inner products of comments and themes.
    components : array, shape = (n_themes, n_phrases)
    """
    own = components @ components.T
    root = np.linalg.cholesky(own + 1e-10 * np.eye(len(own)))
    sides = solve_triangular(root, inner.T, lower=True)
    return np.array([nnls(root.T, side)[0] for side in sides.T]).reshape(inner.shape)


def phrases_of(comment: str) -> list[str]:
    """Return the words of a comment and its pairs of adjacent words.

    Words with fewer than four letters are mostly function words, whatever the language ("the",
    "und", "de"): neither one nor a pair of them is a phrase, nor are known longer ones ("because").
    """
    words = _WORD.findall(comment.lower())
    pairs = [f"{one} {two}" for one, two in pairwise(words) if _is_long(one) or _is_long(two)]
    return [word for word in words if _is_long(word)] + pairs


def _distinctive(phrases: npt.NDArray[Any], weight: FloatArray) -> list[str]:
    """Return the strongest phrases without words in common.

    A phrase that starts or ends with a short word is a fragment ("the whole", "report with"); it is
    part of a name only where there is nothing else.
    """
    order = [str(phrases[place]) for place in np.argsort(-weight, kind="stable")]
    order = order[: int((weight > 0).sum())]
    whole = [phrase for phrase in order if all(map(_is_long, phrase.split()))]
    found: list[str] = []
    for phrase in whole or order:
        words = set(phrase.split())
        if all(words.isdisjoint(other.split()) for other in found):
            found.append(phrase)
        if len(found) == _PHRASES:
            break
    return found


def _is_long(word: str) -> bool:
    return (len(word) > 3 or not word.isascii()) and not is_function_word(word)


@dataclass(frozen=True)
class Impact:
    """Impact of a theme on a score, in points.

    Attributes
    ----------
    value : float
        Mean score of all comments minus the mean score of those that mention the theme:
        positive if people who mention it are less satisfied.
    low, high : float
        Its 95 % interval over authors; NaN with fewer than two authors on either side.
    mentions : int
        Scored comments that mention the theme.
    share : float
        Their share of all scored comments.
    """

    value: float
    low: float
    high: float
    mentions: int
    share: float


def theme_impact(score: Any, mentioned: Any, *, authors: Any = None) -> Impact:
    """Compare the scores of those who mention a theme with the scores of all.

    Parameters
    ----------
    score : array-like, shape = (n_comments,)
        The score that came with each comment.
    mentioned : array-like of bool, shape = (n_comments,)
    authors : array-like, shape = (n_comments,), optional
        The author of each comment; by default, each comment has a different author.

    Notes
    -----
    The interval is a t interval with a variance clustered by author [1]_. Those who mention the
    theme are a part of all, which the weights of the difference account for.

    References
    ----------
    .. [1] Liang, K.-Y. and Zeger, S. (1986). Longitudinal data analysis using generalized linear
       models. Biometrika 73.
    """
    points = np.asarray(score, dtype="float64")
    inside = np.asarray(mentioned, dtype=bool)
    known = ~np.isnan(points)
    codes = group_codes(authors, len(points))[known]
    points, inside = points[known], inside[known]
    count = int(inside.sum())
    share = count / len(points) if len(points) else float("nan")
    if not count:
        return Impact(float("nan"), float("nan"), float("nan"), 0, share)
    value = float(points.mean() - points[inside].mean())
    sides = (len(np.unique(codes[inside])), len(np.unique(codes[~inside])))
    if min(sides) < 2:
        return Impact(value, float("nan"), float("nan"), count, share)
    error = _standard_error(points, inside, codes)
    reach = float(student.ppf(0.975, min(sides) - 1)) * error
    return Impact(value, value - reach, value + reach, count, share)


def _standard_error(points: FloatArray, inside: BoolArray, codes: IntArray) -> float:
    means = np.where(inside, points[inside].mean(), points[~inside].mean())
    weight = 1.0 / len(points) - inside / inside.sum()
    by_author = pd.Series(weight * (points - means)).groupby(codes).sum().to_numpy()
    n = len(by_author)
    return float(np.sqrt((by_author**2).sum() * n / (n - 1)))
