"""`[voice]`: how comments are read."""

from __future__ import annotations

from pydantic import Field, PositiveInt

from health.settings.section import Section


class VoiceConfig(Section):
    """How survey comments and ticket texts are turned into sentiment and themes.

    Attributes
    ----------
    fewest_comments : int
        Comments with a score without which sentiment is off.
    most_themes : int
        The largest number of themes that is tried.
    names : dict of str to str
        Your own name of a theme, by any of the phrases that it was found with:
        ``names = { "still waiting" = "Late delivery" }``.
    quotes : int
        Quotes that are shown per theme.
    """

    fewest_comments: PositiveInt = 200
    most_themes: int = Field(default=12, ge=2, le=40)
    names: dict[str, str] = Field(default_factory=dict)
    quotes: int = Field(default=2, ge=0, le=10)
