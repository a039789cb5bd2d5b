"""What reads comments: models from elsewhere, by what the features need of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]


class SentimentModel(Protocol):
    """Reads how positive comments are; NaN where it is off."""

    def fit(self, X: Any, y: Any, groups: Any = None) -> Any:
        """Learn from comments and whether their author was satisfied."""

    def predict_proba(self, X: Any) -> npt.NDArray[np.float64]:
        """Return the chances of a dissatisfied and a satisfied author."""


class ThemeModel(Protocol):
    """Finds what comments are about."""

    def fit(self, X: Any) -> Any:
        """Learn themes from comments."""

    def mentions(self, X: Any) -> Mask:
        """Return which theme each comment mentions, shape = (n_comments, n_themes)."""


@dataclass(frozen=True)
class TextModels:
    """How comments are read.

    Attributes
    ----------
    sentiment : callable
        Returns a new model of sentiment.
    themes : callable
        Returns a new model of themes.
    """

    sentiment: Callable[[], SentimentModel]
    themes: Callable[[], ThemeModel]
