"""The features of comments: their names, windows and sentences."""

from __future__ import annotations

from features.definitions.feature import FeatureFamily

_VOICE = FeatureFamily(name="voice", table="surveys", prefix="voice_", direction=-1)
_UNREAD = "no comment in a year, or none in a language that the phrases cover"
_OFF = "no comment in half a year, or too few scored comments to learn sentiment"

#: By request: its direction, the sentence, and what zero means.
_ASKED = {
    "seats": (1, "for more seats, users or licences", "nobody asked for more seats"),
    "function": (-1, "for a function that is missing", "nobody asked for a missing function"),
    "price": (-1, "about the price", "nobody wrote about the price"),
    "leaving": (-1, "about leaving", "nobody wrote about leaving"),
    "competitor": (-1, "that mention another supplier", "nobody mentioned another supplier"),
}

FEATURES = (
    *(
        _VOICE.feature(
            name=f"asks_{kind}_90d",
            unit="count",
            sentence=f"Comments and tickets {about} in 90 days: {{value}}",
            zero_means=f"{nobody} in 90 days",
            window_days=90,
            direction=direction,
            null_means=_UNREAD,
        )
        for kind, (direction, about, nobody) in _ASKED.items()
    ),
    _VOICE.feature(
        name="sentiment_latest",
        unit="share",
        sentence="The latest comments and tickets read {value} positive",
        zero_means="the latest comments and tickets read negative throughout",
        window_days=180,
        direction=1,
        null_means=_OFF,
    ),
    _VOICE.feature(
        name="sentiment_trend_90d",
        unit="share",
        sentence="Change in how positive comments read, from the half-year before: {value}",
        zero_means="comments read as positive as in the half-year before",
        window_days=270,
        direction=1,
        null_means="insufficient history: no comment in 90 days or in the half-year before, "
        "or too few scored comments to learn sentiment",
    ),
    _VOICE.feature(
        name="complaint_themes_90d",
        unit="count",
        sentence="Themes of complaints in 90 days: {value}",
        zero_means="no complaint about a known theme in 90 days",
        window_days=90,
        null_means="no comment in a year, or no stable themes among all comments",
    ),
)
