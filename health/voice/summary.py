"""Themes with their share, trend, impact and quotes, and the sentiment of every comment."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.tables.opened import Tables
from features.tables.point_in_time import collect
from features.voice.comments import collect_comments
from features.voice.languages import LANGUAGES
from features.voice.plain_text import blank_contacts, clean_comments
from features.voice.readings import MOST_COMMENTS
from health.settings.voice import VoiceConfig
from models.evaluation.ranking import Interval
from models.text.sentiment import CommentSentiment
from models.text.themes import Impact, Themes, same_themes, theme_impact

#: Two periods that a trend compares.
PERIOD_DAYS = 90
#: Minimum number of comments for the share of a period or a segment.
LEAST = 20
_LONGEST_QUOTE = 240
#: Log-odds of sentiment: positive or negative beyond 2 to 1, mixed between.
_CLEAR = float(np.log(2.0))


@dataclass(frozen=True)
class Theme:
    """One theme.

    Attributes
    ----------
    name : str
        Its own name from the configuration, or its most distinctive phrases.
    phrases : str
        The phrases that it was found with.
    terms : dict of str to float
        The weights of its phrases, by which a later run recognises it.
    mentions : int
        Comments that mention it.
    share : float
        Share of all comments.
    recent, earlier : float
        Shares of the last 90 days and of the 90 days before; NaN with fewer than 20 comments.
    impact : Impact
        In points of the score in `Voice.impact_of`.
    by_segment, by_stage : pd.Series of float
        Share by segment and by lifecycle stage; those with fewer than 20 comments are left out.
    quotes : tuple of str
        Comments that are about the theme, with contact details blanked.
    """

    name: str
    phrases: str
    terms: dict[str, float]
    mentions: int
    share: float
    recent: float
    earlier: float
    impact: Impact
    by_segment: pd.Series[float]
    by_stage: pd.Series[float]
    quotes: tuple[str, ...]


@dataclass(frozen=True)
class Voice:
    """What customers wrote until a date.

    Attributes
    ----------
    until : datetime
        Exclusive.
    comments : pd.DataFrame
        As `collect_comments`, with sentiment (probability of a satisfied author, NaN if off),
        tone (positive, mixed, negative or missing) and themes (a tuple of names).
    themes : tuple of Theme
        The one that costs most first.
    impact_of : str
        The kind of score that impacts are in: the one with most scored comments.
    sentiment : str
        One sentence on how well sentiment does, or why it is off.
    sentiment_auc : Interval or None
    stability : str
        One sentence on how the number of themes was chosen.
    raised : pd.DataFrame or None
        What was raised with other teams, as `followup.with_outcomes` gives it; None if nothing.
    """

    until: datetime
    comments: pd.DataFrame
    themes: tuple[Theme, ...]
    impact_of: str
    sentiment: str
    sentiment_auc: Interval | None
    stability: str
    raised: pd.DataFrame | None = None


def listen(
    tables: Tables,
    until: datetime,
    settings: VoiceConfig,
    *,
    stages: pd.Series[str] | None = None,
    earlier: pd.DataFrame | None = None,
    seed: int = 0,
) -> Voice:
    """Find sentiment and themes in everything that was written before a date.

    Parameters
    ----------
    tables : Tables
        Surveys and tickets with texts; accounts with ``segment`` for shares by segment.
    until : datetime
        Exclusive.
    settings : VoiceConfig
    stages : pd.Series of str, optional
        Lifecycle stage of accounts, indexed by account_id.
    earlier : pd.DataFrame, optional
        The table `voice_themes` of the run before: a theme that it has keeps its name.
    seed : int
        Seed of folds and resamples.
    """
    comments = collect_comments(tables, until)
    comments["comment"] = clean_comments(comments["comment"])
    comments = comments[comments["comment"] != ""].reset_index(drop=True)
    sentiment = _sentiment(comments, settings, seed)
    comments["sentiment"] = _in_pieces(sentiment, comments["comment"])
    comments["tone"] = _tone(comments["sentiment"].to_numpy())
    found = Themes(most_themes=settings.most_themes, seed=seed).fit(comments["comment"])
    share = found.transform(comments["comment"])
    mentioned = found.mentions(comments["comment"])
    kinds = comments.loc[comments["score"].notna(), "source"].replace("ticket", "csat")
    impact_of = str(kinds.value_counts().idxmax()) if len(kinds) else ""
    names = _names(found, settings, earlier)
    segments = _segments(tables, comments["account_id"])
    of_stages = comments["account_id"].map({} if stages is None else stages.dropna().to_dict())
    terms = found.terms()
    # Themes that were given the same name, in two languages for example, are one.
    places = {name: [p for p, own in enumerate(names) if own == name] for name in names}
    each = [mentioned[:, own].any(axis=1) for own in places.values()]
    mentions = np.column_stack(each) if each else mentioned
    themes = [
        _theme(
            comments, (share * mentioned)[:, own].sum(axis=1), mentions[:, place],
            name=name, phrases="; ".join(found.names_[p] for p in own),
            terms={term: w for p in own for term, w in terms[p].items()}, impact_of=impact_of,
            segments=segments, stages=of_stages, until=until, quotes=settings.quotes,
        )
        for place, (name, own) in enumerate(places.items())
    ]  # fmt: skip
    comments["themes"] = [tuple(np.array([*places], dtype=object)[row]) for row in mentions]
    themes.sort(key=lambda theme: -np.nan_to_num(theme.impact.value * theme.share, nan=-np.inf))
    return Voice(
        until, comments, tuple(themes), impact_of, _sentence(sentiment.why_), sentiment.auc_,
        _stability(found, len(comments)),
    )  # fmt: skip


def _sentiment(comments: pd.DataFrame, settings: VoiceConfig, seed: int) -> CommentSentiment:
    # As features learn it, so that a weekly run of many years of comments takes no longer.
    scored = comments[comments["is_good"] | comments["is_bad"]].tail(MOST_COMMENTS)
    model = CommentSentiment(fewest_comments=settings.fewest_comments, seed=seed)
    if scored.empty:
        # An estimator cannot be fitted on nothing; one neutral row says that there is nothing.
        return model.fit([""], [0])
    return model.fit(
        scored["comment"].tolist(), scored["is_good"].astype(int), groups=scored["author"]
    )


def _in_pieces(model: CommentSentiment, texts: pd.Series[str]) -> npt.NDArray[np.float64]:
    """Score comments ten thousand at a time, so that memory does not grow with their number."""
    step = 10_000
    parts = [
        model.predict_proba(texts.iloc[start : start + step].tolist())[:, 1]
        for start in range(0, len(texts), step)
    ]
    return np.concatenate(parts) if parts else np.empty(0)


def _tone(sentiment: npt.NDArray[np.float64]) -> npt.NDArray[np.object_]:
    with np.errstate(divide="ignore"):
        log_odds = np.log(sentiment) - np.log1p(-sentiment)
    tone = np.full(len(sentiment), None, dtype=object)
    tone[np.abs(log_odds) <= _CLEAR] = "mixed"
    tone[log_odds > _CLEAR] = "positive"
    tone[log_odds < -_CLEAR] = "negative"
    return tone


def _names(found: Themes, settings: VoiceConfig, earlier: pd.DataFrame | None) -> list[str]:
    """Name themes: by the configuration, as in the run before, or by their phrases."""
    known = [] if earlier is None or "terms" not in earlier else list(earlier.itertuples())
    same = same_themes(found.terms(), [json.loads(str(row.terms or "{}")) for row in known])
    names: list[str] = []
    for place, phrases in zip(same, found.names_, strict=True):
        own = _own_name(phrases, settings)
        if own == phrases and place is not None:
            own = str(known[place].theme)
        names.append(own)
    # A new theme does not take the name of one that is kept.
    taken = {str(known[p].theme) for p in same if p is not None}
    for position, (place, name) in enumerate(zip(same, names, strict=True)):
        if place is None and name == found.names_[position]:
            count = 2
            while names[position] in taken:
                names[position], count = f"{name} ({count})", count + 1
            taken.add(names[position])
    return names


def _own_name(phrases: str, settings: VoiceConfig) -> str:
    own = {key.strip().casefold(): name for key, name in settings.names.items()}
    found = [own[phrase] for phrase in phrases.split(" · ") if phrase in own]
    return found[0] if found else phrases


def _segments(tables: Tables, accounts: pd.Series[str]) -> pd.Series[str]:
    if not tables.has("accounts", "segment"):
        return pd.Series(None, index=accounts.index, dtype=object)
    known = collect(tables["accounts"].select("account_id", "segment"))
    return accounts.map(known.set_index("account_id")["segment"])


def _theme(
    comments: pd.DataFrame,
    weight: npt.NDArray[np.float64],
    mentioned: npt.NDArray[np.bool_],
    *,
    name: str,
    phrases: str,
    terms: dict[str, float],
    impact_of: str,
    segments: pd.Series[str],
    stages: pd.Series[str],
    until: datetime,
    quotes: int,
) -> Theme:
    mentions = pd.Series(mentioned, index=comments.index)
    own = comments["source"].replace("ticket", "csat") == impact_of
    impact = theme_impact(
        comments.loc[own, "score"], mentions[own], authors=comments.loc[own, "author"]
    )
    written = comments["written_at"]
    recent = written >= until - timedelta(days=PERIOD_DAYS)
    earlier = ~recent & (written >= until - timedelta(days=2 * PERIOD_DAYS))
    return Theme(
        name,
        phrases,
        terms,
        int(mentions.sum()),
        float(mentions.mean()),
        _share(mentions[recent]),
        _share(mentions[earlier]),
        impact,
        _shares(mentions, segments),
        _shares(mentions, stages),
        _quotes(comments["comment"], weight, quotes),
    )


def _shares(mentions: pd.Series[bool], groups: pd.Series[str]) -> pd.Series[float]:
    """Return the share of comments that mention a theme, by groups with enough of them."""
    known = groups.notna()
    found = mentions[known].groupby(groups[known].astype(str)).agg(["mean", "size"])
    return found.loc[found["size"] >= LEAST, "mean"]


def _share(mentions: pd.Series[bool]) -> float:
    return float(mentions.mean()) if len(mentions) >= LEAST else float("nan")


def _quotes(texts: pd.Series[str], weight: npt.NDArray[np.float64], most: int) -> tuple[str, ...]:
    """Return comments that are about the theme alone: of the clearest, the fullest first."""
    # A comment of one word has the clearest sentiment, but says the least.
    length = texts.str.len().clip(upper=_LONGEST_QUOTE).to_numpy()
    best = np.argsort(-weight * np.sqrt(length), kind="stable")
    found: list[str] = []
    for place in best[weight[best] > 0]:
        text = blank_contacts(str(texts.iloc[place]))
        text = shortened(text)
        if text.casefold() not in {quote.casefold() for quote in found}:
            found.append(text)
        if len(found) == most:
            break
    return tuple(found[:most])


def shortened(text: str) -> str:
    """Return a quote that is not longer than a quote may be."""
    return text if len(text) <= _LONGEST_QUOTE else f"{text[: _LONGEST_QUOTE - 1].rstrip()}…"


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}." if text else ""


def _stability(found: Themes, comments: int) -> str:
    if found.n_themes_:
        counts = Counter(found.languages_)
        least = min(found.agreement_[code, n] for code, n in counts.items())
        return (
            f"{found.n_themes_} themes{_of_languages(counts)}: the largest number up to "
            f"{found.most_themes} at which themes found in random halves of the comments agree "
            f"with those found in all of them (agreement {least:.2f}; at least "
            f"{found.least_agreement:.1f} is required)."
        )
    if not found.agreement_:
        return f"No themes: {comments:,} comments are too few, or have too few phrases in common."
    best = max(found.agreement_.values())
    return (
        f"No themes: random halves of the comments lead to different themes (agreement at most "
        f"{best:.2f}; at least {found.least_agreement:.1f} is required)."
    )


def _of_languages(counts: Counter[str]) -> str:
    """Write how many themes each language has, where there is more than one."""
    if len(counts) < 2:
        return ""
    each = ", ".join(f"{n} in {LANGUAGES.get(c, 'another language')}" for c, n in counts.items())
    return f" ({each}; two with the same name in `[voice] names` count as one)"
