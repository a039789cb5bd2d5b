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
            *("mehr lizenzen", "weitere lizenzen", "zusätzliche lizenzen", "mehr plätze"),
            *("weitere plätze", "mehr nutzer*", "weitere nutzer*", "zusätzliche nutzer*"),
            *("mehr benutzer*", "weitere benutzer*", "zusätzliche benutzer*"),
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
