"""Sentiment and themes of comments, as models that were fitted before a date read them."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.definitions.text_models import Mask, SentimentModel, TextModels, ThemeModel
from features.voice.comments import as_of

#: Groups of accounts: each is read by a model of the comments of the others.
GROUPS = 3
#: The newest comments that a model learns from.
MOST_COMMENTS = 3_000
#: A comment is a complaint if it is positive with less than this chance.
_COMPLAINT = 1 / 3
#: Fitted models that are kept: those of a few years.
_KEPT = 64
#: Days before a date whose comments its features use.
_NEEDED_DAYS = 365


@dataclass(frozen=True)
class Readings:
    """The comments as they were read on a date.

    Attributes
    ----------
    positive : array of float, shape = (n_comments,)
        Chance of a satisfied author; NaN where sentiment is off, or the comment is not needed.
    complaints : array of bool, shape = (n_comments, n_themes)
        Which themes each complaint mentions.
    """

    positive: npt.NDArray[np.float64]
    complaints: Mask


def fitted_before(day: pd.Timestamp) -> pd.Timestamp:
    """Return the date before which the models that read comments as of a date are fitted.

    It is the start of the quarter of a year, so that the values of neighbouring dates are
    comparable and every command reads a comment in the same way.

    Examples
    --------
    >>> fitted_before(pd.Timestamp("2026-06-07"))
    Timestamp('2026-04-01 00:00:00')
    """
    return day.to_period("Q").start_time


def read_comments(
    comments: pd.DataFrame,
    needed: Mask,
    days: Sequence[pd.Timestamp],
    models: TextModels | None,
) -> Mapping[pd.Timestamp, Readings]:
    """Read the comments that each date needs with models that knew nothing later.

    The models learn from comments and scores that were known before `fitted_before` the date, and
    the sentiment of an account's comments comes from a model of other accounts: a comment's own
    score, and its author's style, are no part of its sentiment.

    Parameters
    ----------
    comments : pd.DataFrame
        As `load_comments` returns it, with cleaned comments.
    needed : array of bool, shape = (n_comments,)
        Comments of the accounts whose features are computed.
    days : sequence of pd.Timestamp
        The dates.
    models : TextModels or None
        If None, everything is unread.
    """
    nothing = Readings(np.full(len(comments), np.nan), np.zeros((len(comments), 0), dtype=bool))
    found = dict.fromkeys(map(pd.Timestamp, days), nothing)
    if models is None or comments.empty:
        return found
    group = np.array([zlib.crc32(str(i).encode()) % GROUPS for i in comments["account_id"]])
    written = comments["written_at"]
    for start in sorted({fitted_before(day) for day in found}):
        own = [day for day in found if fitted_before(day) == start]
        since = min(own) - pd.Timedelta(days=_NEEDED_DAYS)
        rows = np.flatnonzero(needed & (written >= since) & (written < max(own)))
        known = as_of(comments, start.to_pydatetime())
        positive = _sentiment(comments, rows, known, group, models)
        mentioned = _themes(comments, rows, known, models)
        for day in own:
            bad = comments["is_bad"] & (comments["scored_from"] < day)
            complaint = bad.to_numpy() | (positive < _COMPLAINT)
            found[day] = Readings(positive, mentioned & complaint[:, None])
    return found


def learned_from(comments: pd.DataFrame, days: Sequence[pd.Timestamp]) -> pd.DataFrame:
    """Return the comments that the models of some dates are fitted on; the others do not matter."""
    kept = pd.Index([], dtype=np.int64)
    for start in {fitted_before(day) for day in days}:
        known = as_of(comments, start.to_pydatetime())
        kept = kept.union(known.tail(MOST_COMMENTS).index).union(_scored(known).index)
    return comments.loc[kept].reset_index(drop=True)


def _scored(known: pd.DataFrame) -> pd.DataFrame:
    """Return the newest comments with a good or a bad score."""
    return known[known["is_good"] | known["is_bad"]].tail(MOST_COMMENTS)


def _sentiment(
    comments: pd.DataFrame,
    rows: npt.NDArray[np.intp],
    known: pd.DataFrame,
    group: npt.NDArray[np.int64],
    models: TextModels,
) -> npt.NDArray[np.float64]:
    positive = np.full(len(comments), np.nan)
    scored = _scored(known)
    for place in range(GROUPS):
        own, others = rows[group[rows] == place], scored[group[scored.index] != place]
        if not len(own) or others["is_good"].nunique() < 2:
            continue
        model = _sentiment_of(
            models.sentiment,
            tuple(others["comment"]),
            tuple(others["is_good"].astype(int)),
            tuple(others["author"]),
        )
        texts, where = np.unique(comments["comment"].to_numpy()[own], return_inverse=True)
        positive[own] = model.predict_proba(texts.tolist())[:, 1][where]
    return positive


def _themes(
    comments: pd.DataFrame, rows: npt.NDArray[np.intp], known: pd.DataFrame, models: TextModels
) -> Mask:
    texts = known["comment"].tail(MOST_COMMENTS)
    if texts.empty:
        return np.zeros((len(comments), 0), dtype=bool)
    model = _themes_of(models.themes, tuple(texts))
    distinct, where = np.unique(
        comments["comment"].to_numpy()[rows].astype(str), return_inverse=True
    )
    of_rows = model.mentions(distinct.tolist())[where]
    mentioned = np.zeros((len(comments), of_rows.shape[1]), dtype=bool)
    mentioned[rows] = of_rows
    return mentioned


# A command builds features several times (training, its checks, scores), each time with the same
# models: they are fitted once. Fitted models are not changed.
@lru_cache(maxsize=_KEPT)
def _sentiment_of(
    make: Callable[[], SentimentModel],
    texts: tuple[str, ...],
    good: tuple[int, ...],
    authors: tuple[str, ...],
) -> SentimentModel:
    model = make()
    model.fit(list(texts), np.array(good), groups=np.array(authors, dtype=object))
    return model


@lru_cache(maxsize=_KEPT)
def _themes_of(make: Callable[[], ThemeModel], texts: tuple[str, ...]) -> ThemeModel:
    model = make()
    model.fit(list(texts))
    return model
