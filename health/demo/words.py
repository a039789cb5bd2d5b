"""What the demo's customers write: sentences by topic, tone and language, in several styles."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.random import Generator

from health.demo.latent import Ints

#: Share of accounts that write German; the others write English.
GERMAN_SHARE = 0.25
Sentences = Mapping[str, Sequence[str]]
#: By language: what people write in an answer, by what moves them.
ANSWERS: Mapping[str, Sentences] = {
    "en": {
        "low": (
            "too slow, and support took far too long",
            "we expected more for the price",
            "reports fail too often for us to rely on them",
            "half of the team has stopped using it",
            "the last release broke our scheduled export",
            "we waited nine days for an answer",
            "far too expensive for what it does",
        ),
        "middle": (
            "does what it should, some parts are clumsy",
            "fine, but the export needs work",
            "good product, support could be quicker",
            "the dashboard is useful, the editor less so",
            "would be nice if reports could be shared with guests",
        ),
        "high": (
            "saves us hours every week",
            "great support, thank you",
            "the team likes working with it",
            "setting up a report takes minutes now",
            "reliable, and always quick to help",
        ),
        "more": (
            "we need more seats, new colleagues are waiting",
            "could we get access for another department",
            "our sales team wants in, can we add users",
        ),
    },
    "de": {
        "low": (
            "viel zu langsam, und der Support hat ewig gebraucht",
            "für den Preis haben wir mehr erwartet",
            "die Berichte brechen zu oft ab",
            "das halbe Team nutzt es nicht mehr",
            "seit dem letzten Update ist der Export kaputt",
            "zu teuer für das, was es kann",
        ),
        "middle": (
            "tut, was es soll, manches ist umständlich",
            "in Ordnung, aber der Export braucht Arbeit",
            "gutes Produkt, der Support könnte schneller sein",
            "wäre schön, wenn man Berichte mit Gästen teilen könnte",
        ),
        "high": (
            "spart uns jede Woche Stunden",
            "super Support, vielen Dank",
            "das Team arbeitet gerne damit",
            "zuverlässig und immer schnell geholfen",
        ),
        "more": (
            "wir brauchen mehr Lizenzen, neue Kollegen warten",
            "können wir weitere Nutzer freischalten",
        ),
    },
}
#: The same for the first line of a ticket.
TICKETS: Mapping[str, Sentences] = {
    "en": {
        "bad": (
            "export fails again since the update",
            "dashboard does not load for the whole team",
            "scheduled report was not sent, third time",
            "data is missing after the import",
            "nobody has answered our last ticket",
        ),
        "good": (
            "how do I share a report with a colleague",
            "question about the invoice",
            "change the owner of a dashboard",
            "reset the password of a user",
            "how to schedule an export for Monday",
        ),
        "more": ("please send an offer for more seats", "we want to add users in May"),
        "leaving": (
            "how can we cancel the contract",
            "we are thinking of switching to another provider",
            "the price increase is too much for us",
        ),
    },
    "de": {
        "bad": (
            "Export bricht seit dem Update ab",
            "Dashboard lädt beim ganzen Team nicht",
            "geplanter Bericht kam wieder nicht an",
            "nach dem Import fehlen Daten",
        ),
        "good": (
            "wie teile ich einen Bericht mit Kollegen",
            "Frage zur Rechnung",
            "Passwort eines Nutzers zurücksetzen",
            "wie plane ich einen Export für Montag",
        ),
        "more": ("bitte ein Angebot für weitere Lizenzen", "wir möchten mehr Nutzer anlegen"),
        "leaving": (
            "wie können wir den Vertrag kündigen",
            "wir sehen uns andere Anbieter an",
            "die Preiserhöhung ist zu viel für uns",
        ),
    },
}


def _first_capital(text: str) -> str:
    return text[:1].upper() + text[1:]


#: How people write: plainly, in lower case, politely, in a hurry, and hesitating. Only short words
#: are added, as phrases of a style would be themes of their own.
_STYLES: Mapping[str, Sequence[Callable[[str], str]]] = {
    "en": (
        lambda text: f"{_first_capital(text)}.",
        lambda text: text,
        lambda text: f"Hi all, {text}. Thx",
        lambda text: f"{_first_capital(text)}!!",
        lambda text: f"Hm. {_first_capital(text)}, so far ...",
    ),
    "de": (
        lambda text: f"{_first_capital(text)}.",
        lambda text: text.lower(),
        lambda text: f"Hi, {text}. LG",
        lambda text: f"{_first_capital(text)}!!",
        lambda text: f"Na ja. {_first_capital(text)}, bis auf w. ...",
    ),
}


def languages(accounts: int, rng: Generator) -> Ints:
    """Draw the language in which each account writes: an array of text."""
    return np.where(rng.random(accounts) < GERMAN_SHARE, "de", "en").astype(object)


def write(
    sentences: Mapping[str, Sentences], moved_by: Ints, language: Ints, rng: Generator
) -> Ints:
    """Write a text each; None where `moved_by` is None.

    Parameters
    ----------
    sentences : mapping
        `ANSWERS` or `TICKETS`.
    moved_by : array of str or None, shape = (texts,)
        What moves the author, a key of the sentences.
    language : array of str, shape = (texts,)
    rng : Generator
        Chance of the words alone: nothing else depends on it.
    """
    sentence, style = rng.random(len(moved_by)), rng.random(len(moved_by))
    texts = np.full(len(moved_by), None, dtype=object)
    for row, what in enumerate(moved_by):
        if what is not None:
            own, styles = sentences[language[row]][what], _STYLES[language[row]]
            plain = own[int(sentence[row] * len(own))]
            texts[row] = styles[int(style[row] * len(styles))](plain)
    return texts
