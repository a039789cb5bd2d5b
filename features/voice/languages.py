"""The language of a comment, by its most common words."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from heapq import nlargest
from math import fsum, log

import numpy as np
import numpy.typing as npt

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
LANGUAGES = {
    **{"en": "English", "de": "German", "fr": "French", "es": "Spanish", "it": "Italian"},
    **{"nl": "Dutch", "pt": "Portuguese", "pl": "Polish", "sv": "Swedish"},
}
#: Function words with four letters or more, by language.
_LONG_WORDS: dict[str, frozenset[str]] = {
    code: frozenset(words.split())
    for code, words in {
        "en": (
            "about after again already also although always another because been before being "
            "both could does doing done don't down even ever every from have haven't having "
            "here i've it's just like made make more most much never only other over really "
            "same should since some such than that that's their them then there these they "
            "they're this those through until upon very want well were what when where which "
            "while will with without would you've your you're"
        ),
        "de": (
            "aber alle andere auch beim damit dann dass dazu denn dein diese dieser dieses "
            "doch durch einen einem einer eines euch eure haben habe hatte hier ihnen ihre "
            "immer jetzt kann kein keine können mehr mein meine nach nein nicht noch oder "
            "ohne schon sehr seit sein seine sich sind über unser unsere unter viel waren "
            "warum wegen weil weiter wenn werden wieder wird wurde zwar"
        ),
        "fr": (
            "ainsi alors après aussi autre avant avec avoir avons beaucoup bien cela cette "
            "ceux chaque comme dans depuis donc elle elles encore entre être fait jamais leur "
            "leurs mais même moins notre nous parce plus pour pourquoi quand quel quelle sans "
            "sont sous sera suis toujours tous tout toute toutes trop très vers votre vous"
        ),
        "es": (
            "ahora algo algunos ante antes aunque cada como cuando cual desde donde ella "
            "ellos entre era esta está están estamos estas este esto estos fueron hace hacer "
            "hasta mejor menos mismo mucha muchas mucho muchos nada nadie nosotros nuestra "
            "nuestras nuestro nuestros nunca otra otras otro otros para pero poco porque "
            "puede puedo quien siempre sido sobre solo también tanto tiene tienen tenemos "
            "toda todas todo todos unos vamos"
        ),
        "it": (
            "abbiamo alla anche ancora bene come così dalla della delle degli dopo dove "
            "essere fare hanno loro meno molto nella nostra nostro ogni perché però poco "
            "prima proprio quale quando quello questa queste questi questo sempre senza siamo "
            "sono stato sulla tutti tutto vostro"
        ),
        "nl": (
            "alleen alles alsof andere deze door echt eens geen gewoon goed haar hebben heeft "
            "hier iets jullie kunnen maar meer mijn moet naar niet niets omdat onze over "
            "steeds toch veel voor waar wanneer want worden wordt zeer zich zijn zonder zoals"
        ),
        "pt": (
            "agora ainda algum antes aqui assim cada como depois desde dois ela eles então "
            "essa esse esta este estão estamos fazer foram isso isto mais mesmo minha muito "
            "muitos nada nossa nosso nunca onde outra outro para pela pelo porque pode quando "
            "quem sempre também temos tudo uma você"
        ),
        "pl": (
            "bardzo było bowiem chyba dlatego gdzie jako jednak jestem jeszcze jeśli kiedy "
            "który która które może mnie nasza nasze nawet nich nigdy oraz ponieważ przed "
            "przez przy tego teraz tylko tutaj wszystko zawsze żeby"
        ),
        "sv": (
            "alla allt aldrig andra bara blir blev denna deras dessa detta eller efter "
            "eftersom finns från genom hade inga ingen inte kommer kunde mellan mycket måste "
            "nånting också sedan skulle till under utan varför vara varit våra vårt är"
        ),
    }.items()
}
_FUNCTION_WORDS = frozenset[str]().union(*_WORDS.values(), *_LONG_WORDS.values())
#: Uses of every word that are added in each language.
_SMOOTHING = 0.1
#: Rounds in which words of texts that were decided decide further texts.
_ROUNDS = 5
#: Words from which a text has enough to tell that it is in none of the languages.
_MANY = 8


def is_function_word(word: str) -> bool:
    """Return whether a lower-case word says nothing by itself, as far as it is known.

    Examples
    --------
    >>> is_function_word("because"), is_function_word("für"), is_function_word("invoice")
    (True, True, False)
    """
    return word in _FUNCTION_WORDS


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
    found = _common_words(words)
    best = max(found.values())
    if best:
        return any(found.get(code, 0) == best for code in covered)
    if any(code not in _WORDS for code in covered):
        return True
    return bool(covered) and len(words) < _MANY and all(map(_is_latin, "".join(words)))


class Languages:
    """The languages of texts, by their common words and by the words of other texts.

    The most common words decide. A text without any of them, or with as many of two languages, is
    in the language that its other words and their pieces of three characters point to, in other
    texts and in the common words themselves (naive Bayes).

    Parameters
    ----------
    texts : iterable of str
        Cleaned comments, whose words are learned.

    Examples
    --------
    >>> known = Languages(["the invoice is wrong", "die rechnung ist falsch"])
    >>> known.of(["Rechnung", "wrong invoice", "fatura"])
    array(['de', 'en', ''], dtype='<U2')
    """

    def __init__(self, texts: Iterable[str]) -> None:
        split = [_WORD.findall(text.casefold()) for text in texts]
        found = [_by_votes(_common_words(words)) for words in split]
        for _ in range(_ROUNDS):
            self._learn(found, split)
            unknown = [place for place, code in enumerate(found) if not code]
            for place in unknown:
                found[place] = self._by_other_words(split[place])
            # The words of these texts can decide further ones.
            if not any(found[place] for place in unknown):
                break

    def of(self, texts: Iterable[str]) -> npt.NDArray[np.str_]:
        """Return the two-letter code of each text, "" where none is known."""
        found = []
        for text in texts:
            words = _WORD.findall(text.casefold())
            found.append(_by_votes(_common_words(words)) or self._by_other_words(words))
        return np.array(found, dtype="<U2")

    def _learn(self, codes: Sequence[str], texts: Sequence[Sequence[str]]) -> None:
        self._uses: dict[str, Counter[str]] = {}
        for code, words in zip(codes, texts, strict=True):
            if code:
                if code not in self._uses:
                    known = _WORDS[code] | _LONG_WORDS[code]
                    self._uses[code] = Counter(_pieces(known))
                self._uses[code].update(_pieces(words))
        self._known = set().union(*self._uses.values())

    def _by_other_words(self, words: Sequence[str]) -> str:
        shown = self._known & _pieces(words)
        if not shown.intersection(words):
            # Pieces alone would find a language for any word.
            return ""
        smooth = _SMOOTHING * len(self._known)
        votes = {}
        for code, own in self._uses.items():
            total = own.total()
            chances = ((own[piece] + _SMOOTHING) / (total + smooth) for piece in shown)
            # Summed exactly, as the order of a set is not the same in every process.
            votes[code] = log(total) + fsum(map(log, chances))
        return _by_votes(votes, least=float("-inf"))


def _pieces(words: Iterable[str]) -> set[str]:
    """Return the words and their pieces of three characters."""
    found = set(words)
    for word in list(found):
        found.update(f" {word} "[place : place + 3] for place in range(len(word)))
    return found


def _common_words(words: Collection[str]) -> dict[str, int]:
    """Count the common words of each language."""
    return {code: sum(word in own for word in words) for code, own in _WORDS.items()}


def _by_votes(votes: Mapping[str, float], *, least: float = 0.0) -> str:
    """Return the code with most votes; "" where none has more than the least, or two have them."""
    first, second = nlargest(2, [*votes.values(), least])
    return max(votes, key=lambda code: votes[code]) if first > second else ""


def _is_latin(letter: str) -> bool:
    return letter.isascii() or unicodedata.name(letter, "").startswith("LATIN")
