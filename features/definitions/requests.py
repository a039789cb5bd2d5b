"""What customers ask for, and the phrases by which each language asks for it."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Phrases = tuple[Annotated[str, Field(min_length=2)], ...]


class RequestPhrases(BaseModel):
    """Phrases of one language, or reason codes, by what they ask for.

    A phrase is matched as whole words in any case; ``*`` at the end of a word stands for any
    ending.

    Attributes
    ----------
    seats : tuple of str
        More seats, users or licences.
    function : tuple of str
        A function that is missing.
    price : tuple of str
        The price.
    leaving : tuple of str
        The end of the contract.
    competitor : tuple of str
        Another supplier.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    seats: Phrases = ()
    function: Phrases = ()
    price: Phrases = ()
    leaving: Phrases = ()
    competitor: Phrases = ()


#: Kinds of requests, in the order of the catalogue.
REQUESTS = tuple(RequestPhrases.model_fields)

#: Short lists, which `[voice.requests]` replaces by language.
DEFAULT_REQUESTS = {
    "en": RequestPhrases(
        seats=(
            *("more seats", "additional seats", "extra seats", "add seats", "out of seats"),
            *("more users", "additional users", "add users", "more licen*", "additional licen*"),
        ),
        function=(
            *("feature request", "missing feature*", "missing function*", "please add"),
            *("would be great if", "would be nice if", "is there a way to", "there is no way to"),
            *("doesn't support", "does not support", "wish it had", "wish we could"),
        ),
        price=(
            *("too expensive", "overpriced", "over budget", "price increase*", "discount*"),
            *("cheaper", "costs too much", "pricing", "price is too high"),
        ),
        leaving=(
            *("cancel our", "cancel my", "cancel the", "cancellation", "not renew", "won't renew"),
            *("not be renewing", "terminate our", "terminate the", "stop using", "leaving you"),
        ),
        competitor=(
            *("competitor*", "switching to", "switch to another", "moving to another"),
            *("another provider", "another vendor", "other vendors", "evaluating other"),
        ),
    ),
    "de": RequestPhrases(
        seats=(
            *("mehr lizenzen", "weitere* lizenzen", "zusätzliche* lizenzen", "mehr plätze"),
            *("weitere* plätze", "mehr nutzer*", "weitere* nutzer*", "zusätzliche* nutzer*"),
            *("mehr benutzer*", "weitere* benutzer*", "zusätzliche* benutzer*"),
        ),
        function=(
            *("funktion fehlt", "fehlende funktion*", "fehlt eine funktion", "fehlt uns"),
            *(
                "funktionswunsch",
                "wäre schön, wenn",
                "wäre schön wenn",
                "gibt es keine möglichkeit",
            ),
            *("gibt es eine möglichkeit", "wird nicht unterstützt"),
        ),
        price=(
            *("zu teuer", "preiserhöhung*", "rabatt*", "günstiger*", "billiger*"),
            *("kostet zu viel", "preis ist zu hoch", "preise sind zu hoch"),
        ),
        leaving=(
            *("kündigen", "kündigung", "gekündigt", "nicht verlängern", "vertrag beenden"),
            *("vertrag auflösen", "nicht mehr nutzen"),
        ),
        competitor=(
            *("wettbewerber*", "konkurrenz*", "anderen anbieter*", "andere anbieter*"),
            *("anbieterwechsel", "wechseln zu"),
        ),
    ),
}

#: Words that deny what follows them, by language; ``*`` as in phrases.
NEGATIONS: dict[str, Phrases] = {
    "en": (
        *("not", "no", "never", "without", "neither", "nor", "nobody", "don't", "doesn't"),
        *("didn't", "won't", "wouldn't", "isn't", "aren't", "wasn't", "weren't", "dont", "doesnt"),
    ),
    "de": ("nicht", "kein*", "nie", "niemals", "ohne", "weder", "niemand"),
    "fr": ("ne", "n", "pas", "sans", "jamais", "aucun*"),
    "es": ("no", "sin", "nunca", "ningun*", "ningún"),
    "it": ("non", "senza", "mai", "nessun*"),
    "nl": ("niet", "geen", "zonder", "nooit"),
    "pt": ("não", "sem", "nunca", "nenhum*"),
    "pl": ("nie", "bez", "nigdy", "żadn*"),
    "sv": ("inte", "utan", "aldrig", "ingen", "inga", "inget"),
}
#: What follows a phrase and denies it, where a language has it: "more seats are not needed".
LATER_NEGATIONS = {
    "en": r"(?:\s+(?:are|is|were|was|will|be|we|i|do))*\s*(?:n't|\bnot)\s+(?:be\s+)?"
    r"(?:need|needed|required|necessary|want|wanted|planned)\b",
    "de": r"(?:\s+(?:wir|ich|sie|es|das|ist|sind|wollen|will|brauchen|brauche|benötigen|werden"
    r"|möchten|können|aktuell|derzeit))*\s+nicht(?:\s+(?:nötig|notwendig|erforderlich|geplant"
    r"|gebraucht|benötigt|brauchen|benötigen|wollen))?\s*(?=[.!?;,:]|$)",
}
#: To lack something is to ask for it: "we have no more seats", "not enough", "not only".
LACKS: dict[str, Phrases] = {
    "en": ("have", "has", "had", "get", "got", "left", "enough"),
    "de": ("haben", "hat", "hatten", "gibt", "bekommen", "genug", "genügend"),
}
#: Kinds that are asked for by lacking them.
ASKED_FOR = ("seats", "function", "price")
#: Words that turn a negation into its opposite: "not only too expensive".
NOT_ONLY: dict[str, Phrases] = {"en": ("only", "just"), "de": ("nur", "bloß")}
