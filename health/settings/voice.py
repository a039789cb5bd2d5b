"""`[voice]`: how comments are read."""

from __future__ import annotations

from functools import cache, partial
from typing import Annotated

from pydantic import Field, PositiveInt

import models
from features.definitions.requests import DEFAULT_REQUESTS, RequestPhrases
from features.definitions.text_models import SentimentModel, TextModels, ThemeModel
from health.settings.section import Section


class VoiceConfig(Section):
    """How survey comments and ticket texts are turned into sentiment and themes.

    Attributes
    ----------
    fewest_comments : int
        Minimum number of comments with a score; with fewer, sentiment is off.
    most_themes : int
        The largest number of themes that is tried, in each language.
    names : dict of str to str
        Your own name for a theme, by any of the phrases that it was found with:
        ``names = { "still waiting" = "Late delivery" }``. Themes with the same name, in two
        languages for example, count as one.
    quotes : int
        Quotes that are shown per theme.
    features : bool
        Whether sentiment and themes are features; requests always are.
    requests : dict of str to RequestPhrases
        Phrases of requests by language, as its two-letter code. A language replaces the built-in
        list (English and German have one), and an empty one switches the language off:
        ``[voice.requests.fr]`` with ``price = ["trop cher"]``.
    labels : RequestPhrases
        Your own reason codes of tickets and answers that are requests.
    """

    fewest_comments: PositiveInt = 200
    most_themes: int = Field(default=12, ge=2, le=40)
    names: dict[str, str] = Field(default_factory=dict)
    quotes: int = Field(default=2, ge=0, le=10)
    features: bool = True
    requests: dict[Annotated[str, Field(pattern="^[a-z]{2}$")], RequestPhrases] = Field(
        default_factory=dict
    )
    labels: RequestPhrases = RequestPhrases()

    @property
    def request_phrases(self) -> dict[str, RequestPhrases]:
        """The phrases of each language, built in or from the configuration."""
        return DEFAULT_REQUESTS | self.requests

    @property
    def text_models(self) -> TextModels | None:
        """What reads comments for features; None if they are switched off."""
        if not self.features:
            return None
        return _text_models(self.fewest_comments, self.most_themes)


@cache
def _text_models(fewest_comments: int, most_themes: int) -> TextModels:
    """Return the same models for the same settings, so that what they decide can be compared."""
    return TextModels(
        sentiment=partial(_sentiment, fewest_comments), themes=partial(_themes, most_themes)
    )


# A class of models is loaded when the first comments are read, not with the settings.
def _sentiment(fewest_comments: int) -> SentimentModel:
    return models.CommentSentiment(fewest_comments=fewest_comments)


def _themes(most_themes: int) -> ThemeModel:
    return models.Themes(most_themes=most_themes)
