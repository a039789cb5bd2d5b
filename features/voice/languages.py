"""The language of a comment, by its most common words."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection

_WORD = re.compile(r"[^\W\d_]+")
#: Frequent short words that few other of these languages have.
_WORDS: dict[str, frozenset[str]] = {
    code: frozenset(words.split())
    for code, words in {
        "en": "the and is are to of we you it that with our for this not have they i",
        "de": "der das und ist nicht wir sie mit für ein eine zu auf wird ich sehr von",
        "fr": "le les des est et nous vous pas une pour dans avec très sur je mais",
        "es": "el los las es para con por muy está más pero nos hay son del",
        "it": "il gli è per con una che di sono molto questo della ma più",
        "nl": "het een van niet wij voor dat zijn maar ook naar deze ik wordt",
        "pt": "os não para com uma muito por mais está são mas foi nós pelo",
        "pl": "na nie się jest że jak ale dla bardzo są od jestem mamy",
        "sv": "och är inte att det som för med vi har på jag av",
    }.items()
}
#: Function words with four letters or more, of the languages in which comments are read most.
_FUNCTION_WORDS = frozenset(
    word
    for line in (
        "about after again already also although always another because been before being both",
        "could does doing done don't down even ever every from have haven't having here i've",
        "it's just like made make more most much never only other over really same should since",
        "some such than that that's their them then there these they they're this those through",
        "until upon very want well were what when where which while will with without would",
        "you've your you're aber alle andere auch beim damit dann dass dazu denn dein diese",
        "dieser dieses doch durch einen einem einer eines euch eure haben habe hatte hier ihnen",
        "ihre immer jetzt kann kein keine können mehr mein meine nach nein nicht noch oder ohne",
        "schon sehr seit sein seine sich sind über unser unsere unter viel waren warum wegen",
        "weil weiter wenn werden wieder wird wurde zwar",
    )
    for word in line.split()
)
#: Words from which a text has enough to tell that it is in none of the languages.
_MANY = 8


def is_function_word(word: str) -> bool:
    """Return whether a lower-case word says nothing by itself, as far as it is known.

    Examples
    --------
    >>> is_function_word("because"), is_function_word("für"), is_function_word("invoice")
    (True, True, False)
    """
    return word in _FUNCTION_WORDS or any(word in own for own in _WORDS.values())


def is_covered(text: str, covered: Collection[str]) -> bool:
    """Return whether a text is in one of some languages, as far as its common words show.

    Parameters
    ----------
    text : str
        A cleaned comment.
    covered : collection of str
        Languages by their two-letter code. One that is not known here takes every text that is
        in no known language.

    Returns
    -------
    bool
        The best language counts; one that ties with it is enough. Short texts without a common
        word are covered ("More seats!"); longer ones, and those that are not written in Latin
        letters, only by a language that is not known here.

    Examples
    --------
    >>> is_covered("We need the report", ["en"]), is_covered("Nous avons les seats", ["en"])
    (True, False)
    """
    words = _WORD.findall(text.casefold())
    found = {code: sum(word in own for word in words) for code, own in _WORDS.items()}
    best = max(found.values())
    if best:
        return any(found.get(code, 0) == best for code in covered)
    if any(code not in _WORDS for code in covered):
        return True
    return bool(covered) and len(words) < _MANY and all(map(_is_latin, "".join(words)))


def _is_latin(letter: str) -> bool:
    return letter.isascii() or unicodedata.name(letter, "").startswith("LATIN")
