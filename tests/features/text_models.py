"""Small models of comments, whose values an oracle can work out by hand."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import numpy.typing as npt

from features.definitions.requests import RequestPhrases
from features.definitions.settings import FeatureSettings
from features.definitions.text_models import TextModels


def words(text: str) -> list[str]:
    return text.lower().replace(",", " ").replace("!", " ").split()


class WordScores:
    """A comment is as good as its words are on average; NaN where it has no known word."""

    def fit(self, X: Any, y: Any, groups: Any = None) -> Self:
        marks: dict[str, list[int]] = {}
        for text, good in zip(X, y, strict=True):
            for word in words(text):
                marks.setdefault(word, []).append(int(good))
        self.marks_ = {word: (sum(own) + 1) / (len(own) + 2) for word, own in marks.items()}
        return self

    def predict_proba(self, X: Any) -> npt.NDArray[np.float64]:
        found = [[self.marks_[w] for w in words(text) if w in self.marks_] for text in X]
        good = np.array([np.mean(own) if own else np.nan for own in found])
        return np.column_stack([1 - good, good])


class LongWords:
    """A theme is a word of at least seven letters that was written before."""

    def fit(self, X: Any) -> Self:
        self.words_ = sorted({w for text in X for w in words(text) if len(w) >= 7})
        return self

    def mentions(self, X: Any) -> npt.NDArray[np.bool_]:
        found = [[word in words(text) for word in self.words_] for text in X]
        return np.array(found, dtype=bool).reshape(len(X), len(self.words_))


SETTINGS = FeatureSettings(
    text_models=TextModels(sentiment=WordScores, themes=LongWords),
    request_labels=RequestPhrases(leaving=("wants_out",)),
)
