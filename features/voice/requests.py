"""Which comments ask for something, by phrases of the languages that are covered."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from features.definitions.requests import REQUESTS, RequestPhrases
from features.voice.languages import is_covered


def phrase_pattern(phrases: Sequence[str]) -> re.Pattern[str] | None:
    """Return a pattern that finds any of some phrases as whole words, in any case.

    Examples
    --------
    >>> bool(phrase_pattern(["more licen*"]).search("We need MORE  licences."))
    True
    """
    alternatives = "|".join(
        r"\s+".join(re.escape(word).replace(r"\*", r"\w*") for word in phrase.split())
        for phrase in phrases
        if phrase.strip(" *")
    )
    return re.compile(rf"(?<!\w)(?:{alternatives})(?!\w)", re.I) if alternatives else None


def find_requests(
    texts: Sequence[str],
    labels: Sequence[str],
    phrases: Mapping[str, RequestPhrases],
    own_labels: RequestPhrases,
) -> npt.NDArray[np.float64]:
    """Return which requests each comment contains, shape = (n_comments, n_requests).

    Parameters
    ----------
    texts : sequence of str
        Cleaned comments.
    labels : sequence of str
        The reason code of each, in lower case; empty where there is none.
    phrases : mapping of str to RequestPhrases
        By language, as its two-letter code. A comment is read with the phrases of every language,
        if it is in one of them.
    own_labels : RequestPhrases
        Reason codes that are requests, whatever the language.

    Returns
    -------
    array of float
        1 or 0 in the order of `REQUESTS`; NaN where a comment is in no language that is covered
        and its label is none of the company's.
    """
    by_kind = [
        phrase_pattern([phrase for own in phrases.values() for phrase in getattr(own, kind)])
        for kind in REQUESTS
    ]
    covered = [code for code, own in phrases.items() if any(getattr(own, k) for k in REQUESTS)]
    codes = [{label.strip().casefold() for label in getattr(own_labels, kind)} for kind in REQUESTS]
    found: dict[tuple[str, str], list[float]] = {}
    for text, label in zip(texts, labels, strict=True):
        if (text, label) in found:
            continue
        labelled = [label in own for own in codes]
        if is_covered(text, covered):
            found[text, label] = [
                float(own or (pattern is not None and pattern.search(text) is not None))
                for own, pattern in zip(labelled, by_kind, strict=True)
            ]
        else:
            # The label is known even if the words are not.
            found[text, label] = [float(own) if any(labelled) else np.nan for own in labelled]
    rows = [found[key] for key in zip(texts, labels, strict=True)]
    return np.array(rows, dtype="float64").reshape(len(rows), len(REQUESTS))
