"""Which comments ask for something, by phrases of the languages that are covered."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from features.definitions.requests import (
    ASKED_FOR,
    LACKS,
    LATER_NEGATIONS,
    NEGATIONS,
    NOT_ONLY,
    REQUESTS,
    RequestPhrases,
)
from features.voice.languages import is_covered

#: Words before a phrase, in the same clause, among which a negation denies it.
_REACH = 5
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_NEW_CLAUSE = re.compile(
    r"[.!?;,:()]|\s[-–—]\s|(?<!\w)(?:and|but|because|since|so|und|aber|weil|denn|sondern|et|mais|car"
    r"|y|pero|porque|ma|perché|maar|omdat|en|e|mas|porém|ale|bo|och|men)(?!\w)",
    re.I,
)


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
        and its label is none of the company's. A phrase that is denied ("we do not need more
        seats") is no request.
    """
    by_kind = [
        phrase_pattern([phrase for own in phrases.values() for phrase in getattr(own, kind)])
        for kind in REQUESTS
    ]
    covered = [code for code, own in phrases.items() if any(getattr(own, k) for k in REQUESTS)]
    denies = _Denials(covered)
    codes = [{label.strip().casefold() for label in getattr(own_labels, kind)} for kind in REQUESTS]
    found: dict[tuple[str, str], list[float]] = {}
    for text, label in zip(texts, labels, strict=True):
        if (text, label) in found:
            continue
        labelled = [label in own for own in codes]
        if is_covered(text, covered):
            asked = denies.asked(text, by_kind)
            found[text, label] = [float(own or a) for own, a in zip(labelled, asked, strict=True)]
        else:
            # The label is known even if the words are not.
            found[text, label] = [float(own) if any(labelled) else np.nan for own in labelled]
    rows = [found[key] for key in zip(texts, labels, strict=True)]
    return np.array(rows, dtype="float64").reshape(len(rows), len(REQUESTS))


class _Denials:
    """Finds phrases that nothing in their clause denies, in some languages."""

    def __init__(self, languages: Sequence[str]) -> None:
        self._negations, self._lacks, self._only = (
            phrase_pattern([word for code in languages for word in words.get(code, ())])
            for words in (NEGATIONS, LACKS, NOT_ONLY)
        )
        later = [LATER_NEGATIONS[code] for code in languages if code in LATER_NEGATIONS]
        self._later = re.compile("|".join(f"(?:{one})" for one in later), re.I) if later else None

    def asked(self, text: str, by_kind: Sequence[re.Pattern[str] | None]) -> list[bool]:
        """Return which kinds a text asks for."""
        text = text.replace("’", "'")
        spans = [
            [match.span() for match in pattern.finditer(text)] if pattern is not None else []
            for pattern in by_kind
        ]
        # "There is no way to add users": the negation is part of what is asked.
        taken = [span for own in spans for span in own]
        return [
            any(not self._denied(text, span, kind, taken) for span in own)
            for kind, own in zip(REQUESTS, spans, strict=True)
        ]

    def _denied(
        self, text: str, span: tuple[int, int], kind: str, taken: Sequence[tuple[int, int]]
    ) -> bool:
        if self._later is not None and self._later.match(text, span[1]):
            return True
        if self._negations is None:
            return False
        clause = max((m.end() for m in _NEW_CLAUSE.finditer(text, 0, span[0])), default=0)
        words = [m.span() for m in _WORD.finditer(text, clause, span[0])]
        near = words[-_REACH:]
        for place, (start, end) in enumerate(near):
            inside = any(first <= start < last for first, last in taken)
            if inside or self._negations.fullmatch(text, start, end) is None:
                continue
            following = text[end : span[0]]
            if self._only is not None and self._only.match(following.lstrip()):
                continue
            before = near[max(place - 2, 0)][0]
            if kind in ASKED_FOR and self._lacks is not None:
                lacking = self._lacks.search(text, before, span[0])
                if lacking and not text[lacking.end() :].lstrip().lower().startswith("to "):
                    continue
            return True
        return False
