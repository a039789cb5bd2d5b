"""Titles of the terms of a model."""

from __future__ import annotations

from features.catalogue import CATALOGUE


def term_title(term: str) -> str:
    """Return the title of a term of a model, with its unit if it is in the catalogue."""
    title = term.replace("_", " ").capitalize()
    return f"{title} ({CATALOGUE[term].unit})" if term in CATALOGUE else title
