"""Requests for more: quotes from tickets and survey answers. Their text is untrusted."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime, timedelta

import narwhals as nw
import pandas as pd

from features.definitions.requests import REQUESTS
from features.tables.opened import Tables
from features.tables.point_in_time import collect, known_rows
from features.voice.plain_text import blank_contacts, clean_comments
from features.voice.requests import find_requests
from health.presentation.wording import day as in_words
from health.settings.config import Config

COLUMNS = ("account_id", "product", "at", "text")
#: Maximum length of a quote, and maximum number of quotes per account and product.
_QUOTED, _MOST = 100, 2
_SOURCES = {"surveys": ("comment", "answer"), "tickets": ("subject", "ticket")}


def asks(tables: Tables, as_of: datetime, config: Config) -> pd.DataFrame:
    """Return the tickets and survey answers that ask for more, as known before a date.

    Parameters
    ----------
    tables : Tables
        The comment and reason of surveys and the subject and reason of tickets are searched, if
        present; an answer counts from when it was given.
    as_of : datetime
        The date.
    config : Config
        Words, reason codes, roles and days.

    Returns
    -------
    pd.DataFrame
        account_id, product (if its own words were used, otherwise empty), at, and text: a sentence
        with the quote. The newest two per account and product.
    """
    parts = [_of_table(tables, name, as_of, config) for name in _SOURCES]
    found = pd.concat([part for part in parts if len(part)] or [_nothing()], ignore_index=True)
    order = ["account_id", "product", "at", "text"]
    found = found.sort_values(order, ascending=[True, True, False, True])
    # The same words on two dates are one request: the newest is quoted.
    found = found[~found.duplicated(["account_id", "product", "words"])]
    return (
        found.groupby(["account_id", "product"]).head(_MOST)[list(COLUMNS)].reset_index(drop=True)
    )


def _of_table(tables: Tables, name: str, as_of: datetime, config: Config) -> pd.DataFrame:
    text, noun = _SOURCES[name]
    present = [c for c in (text, "reason", "role") if tables.has(name, c)]
    if not set(present) & {text, "reason"}:
        return _nothing()
    at = "answered_at" if name == "surveys" else "opened_at"
    rows = known_rows(tables, name, as_of, dated_by=at).filter(
        nw.col(at) >= as_of - timedelta(days=config.expansion.asks.days)
    )
    frame = collect(rows.select("account_id", at, *present)).rename(columns={at: "at"})
    for column in (text, "reason", "role"):
        frame[column] = frame[column].fillna("").astype(str) if column in frame else ""
    roles = [role.casefold() for role in config.expansion.asks.roles]
    if roles and "role" in present:
        frame = frame[frame["role"].str.casefold().isin(roles)]
    found = pd.concat([part for _, part in _matches(frame, text, config)], ignore_index=True)
    words = found[text].str.casefold().str.split().str.join(" ")
    words = words.where(words != "", found["reason"].str.casefold())
    return found.assign(text=_sentences(found, text, noun), words=words)[[*COLUMNS, "words"]]


def _matches(frame: pd.DataFrame, text: str, config: Config) -> Iterable[tuple[str, pd.DataFrame]]:
    """Yield the rows that ask for each product by its own words, then those for more in general."""
    general = _any_word(frame[text], config.expansion.asks.words)
    codes = [code.casefold() for code in config.expansion.asks.reasons]
    general |= frame["reason"].str.casefold().isin(codes)
    # A request for seats is a request for more, in every language with known phrases.
    asked = find_requests(
        list(clean_comments(frame[text])),
        frame["reason"].str.strip().str.casefold().tolist(),
        config.voice.request_phrases,
        config.voice.labels,
    )
    general |= asked[:, REQUESTS.index("seats")] == 1
    named = pd.Series(False, index=frame.index)
    for product, rule in config.expansion.products.items():
        own = _any_word(frame[text], rule.asked_words)
        named |= own
        yield product, frame[own].assign(product=product)
    yield "", frame[general & ~named].assign(product="")


def _any_word(texts: pd.Series[str], words: Iterable[str]) -> pd.Series[bool]:
    """Return which texts contain one of these whole words or phrases, ignoring case."""
    alternatives = "|".join(re.escape(word) for word in words)
    if not alternatives:
        return pd.Series(False, index=texts.index)
    return texts.str.contains(rf"(?<!\w)(?:{alternatives})(?!\w)", case=False, regex=True)


def _sentences(found: pd.DataFrame, text: str, noun: str) -> list[str]:
    rows = zip(found["at"], found[text], found["reason"], found["role"], strict=True)
    return [_sentence(noun, at, text, reason, role) for at, text, reason, role in rows]


def _sentence(noun: str, at: pd.Timestamp, text: str, reason: str, role: str) -> str:
    who = f" ({quoted(role, 40)})" if role else ""
    article = "an" if noun == "answer" else "a"
    head = f"Asked for more in {article} {noun}{who} on {in_words(at)}"
    if text.strip():
        return f"{head}: “{quoted(text)}”"
    return f"{head} (reason: {quoted(reason, 40)})"


def quoted(text: str, most: int = _QUOTED) -> str:
    """Return an untrusted text on one line, without contact details, truncated to `most`.

    Examples
    --------
    >>> quoted("two" + chr(10) + "lines" + chr(7)), quoted("x" * 200, 5)
    ('two lines', 'xxxx…')
    """
    printable = "".join(c if c.isprintable() else " " for c in blank_contacts(text))
    line = " ".join(printable.split()).replace("“", "'").replace("”", "'").replace(";", ",")
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"


def _nothing() -> pd.DataFrame:
    return pd.DataFrame({column: pd.Series(dtype=object) for column in (*COLUMNS, "words")})
