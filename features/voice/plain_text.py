"""Comments as plain text, whatever the markup, encoding or length they come with."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

#: Characters of a comment that are read: enough for an answer or the first message of a ticket.
LONGEST = 5_000
_TAG = re.compile(
    r"<(?:script|style)\b.*?</(?:script|style)\s*>|<!--.*?-->|</?[a-z][^<>]{0,500}>", re.S | re.I
)
#: UTF-8 that was read as Windows-1252 has one of these: "schÃ¶n", "donâ€™t", "ðŸ‘\x8d".
_MISREAD = re.compile(r"[ÂÃâð][^\x00-\x7f]")
_SPACE = re.compile(r"\s+")
#: Control characters and halves of surrogate pairs: the categories Cc and Cs of Unicode.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_MAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,64}(?:\.[\w-]{1,64}){1,4}")
_LINK = re.compile(r"(?:https?://|www\.)\S+", re.I)
_PHONE = re.compile(r"(?<!\w)\+?\(?\d[\d\s().\-/]{6,18}\d(?!\w)")


def clean_comments(comments: Iterable[Any]) -> npt.NDArray[np.object_]:
    """Return each comment as plain text in normal form; ``""`` where there is none.

    UTF-8 that was read as Windows-1252 or Latin-1 is read again ("schÃ¶n" is "schön"). HTML tags
    are removed and entities decoded, Unicode is normalised (NFKC), control characters and repeated
    whitespace become one space, and at most `LONGEST` characters stay.

    Parameters
    ----------
    comments : iterable of str or missing

    Returns
    -------
    array of str, shape = (n_comments,)
    """
    values = list(comments)
    return np.array([_clean(value) for value in values], dtype=object)


def _clean(comment: Any) -> str:
    if not isinstance(comment, str):
        return "" if comment is None or pd.isna(comment) else str(comment)
    # Markup may triple a text's length; what is never read need not be cleaned.
    text = html.unescape(_TAG.sub(" ", _well_read(comment[: 4 * LONGEST])))
    text = unicodedata.normalize("NFKC", text)
    return _SPACE.sub(" ", _CONTROL.sub(" ", text)).strip()[:LONGEST]


def _well_read(text: str) -> str:
    """Return the characters that were meant, where UTF-8 was read as a Western encoding."""
    if not _MISREAD.search(text):
        return text
    for encoding in ("cp1252", "latin-1"):
        try:
            return _well_read(text.encode(encoding).decode("utf-8"))
        except UnicodeError:
            # Text as it was written is hardly ever valid in another encoding.
            continue
    return text


def blank_contacts(comment: str) -> str:
    """Return a comment with email addresses, links and telephone numbers replaced by "[…]"."""
    for pattern in (_LINK, _MAIL, _PHONE):
        comment = pattern.sub("[…]", comment)
    return comment
