"""Sentences about a measure that changed: its value before and now."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cache, lru_cache

from features.catalogue import CATALOGUE
from features.definitions.feature import Feature

_VALUE = ": {value}"


def measure_title(name: str) -> str:
    """Return the title of a measure.

    Examples
    --------
    >>> measure_title("usage_active_users_28d"), measure_title("notice_given")
    ('active users in the last 28 days', 'notice given')
    """
    feature = CATALOGUE.get(name)
    if feature is None or _VALUE not in feature.sentence:
        return name.replace("_", " ")
    return _uncapital(feature.sentence.partition(_VALUE)[0])


def moved(name: str, before: float, now: float) -> str:
    """Return a sentence about a measure that changed.

    Parameters
    ----------
    name : str
        A feature of the catalogue.
    before, now : float
        Its values; NaN if missing.

    Examples
    --------
    >>> moved("usage_active_users_28d", 14, 6)
    'Active users in the last 28 days fell from 14 to 6'
    >>> moved("usage_events_trend", 0.0, math.log(0.7))
    "Usage is down 30 % compared with the account's own baseline (before: unchanged)"
    >>> moved("surveys_nps_latest", math.nan, 9)
    'Not measured in the last run: latest NPS answer: 9 of 10'
    """
    return moves(name, [before], [now])[0]


def moves(name: str, before: Sequence[float], now: Sequence[float]) -> list[str]:
    """Return a sentence about each change of a measure, as `moved` writes it.

    Examples
    --------
    >>> moves("usage_active_users_28d", [14.0, 6.0], [6.0, 14.0])[1]
    'Active users in the last 28 days rose from 6 to 14'
    """
    feature = CATALOGUE.get(name) or _unknown(name)
    noun, colon, unit = feature.sentence.partition(_VALUE)
    # Many pairs of values share a few texts of values.
    texts = {value: _bare_of(name, value) for value in {*before, *now} if not math.isnan(value)}
    describe = cache(feature.describe)

    def sentence(then: float, value: float) -> str:
        if math.isnan(value):
            return f"{describe(value)} (before: {bare_value(feature, then)})"
        if math.isnan(then):
            return f"Not measured in the last run: {_uncapital(describe(value))}"
        if texts[then] == texts[value]:
            return f"{describe(value)} (almost unchanged)"
        if colon:
            verb = "fell" if value < then else "rose"
            return f"{noun} {verb} from {texts[then]} to {texts[value]}{unit}"
        if feature.unit == "flag":
            return describe(value)
        return f"{describe(value)} (before: {texts[then]})"

    return [sentence(then, value) for then, value in zip(before, now, strict=True)]


def bare_value(feature: Feature, value: float) -> str:
    """Return a value formatted as in its sentence, without the sentence."""
    return _bare(feature).describe(value)


@lru_cache(maxsize=100_000)
def _bare_of(name: str, value: float) -> str:
    """Return `bare_value` of a feature by its name: the values of many accounts are alike."""
    return bare_value(CATALOGUE.get(name) or _unknown(name), value)


@cache
def _bare(feature: Feature) -> Feature:
    zero = "0 %" if feature.unit == "share" else "0"
    return replace(feature, sentence="{value}", zero_means=zero, null_means="not known")


def _unknown(name: str) -> Feature:
    """Return a placeholder for a custom feature, or for one of an older run's catalogue."""
    title = name.replace("_", " ").capitalize()
    return Feature(
        name=name,
        family="own",
        table="",
        window_days=None,
        unit="points",
        direction=0,
        null_means=f"{title}: not known",
        zero_means=f"{title}: 0",
        sentence=title + _VALUE,
    )


def _uncapital(text: str) -> str:
    """Start a text with a lower-case letter, unless its first word is an abbreviation."""
    return text if text[1:2].isupper() else text[:1].lower() + text[1:]
