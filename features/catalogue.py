"""The catalogue: every feature there is, by name."""

from __future__ import annotations

from features.commercial import family as commercial
from features.definitions.feature import Feature
from features.journey import family as journey
from features.orders import family as orders
from features.relationship import contacts, goals, interactions, invoices
from features.surveys import family as surveys
from features.targets import growth, offers
from features.tickets import family as tickets
from features.usage import family as usage
from features.voice import family as voice

CATALOGUE: dict[str, Feature] = {
    feature.name: feature
    for family in (
        *(usage, tickets, surveys, commercial, journey, orders),
        *(contacts, invoices, interactions, goals, voice),
    )
    for feature in family.FEATURES
}

#: In addition to the catalogue: features that only the expansion models use.
OFFERED: dict[str, Feature] = {
    feature.name: feature for family in (growth, offers) for feature in family.FEATURES
}
DESCRIBED = CATALOGUE | OFFERED


def describe(name: str, value: float | None) -> str:
    """Return the sentence of a feature's value for CSMs; KeyError for an unknown feature."""
    return DESCRIBED[name].describe(value)
