"""The catalogue in words: as a page, and piece by piece for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from features.definitions.feature import Feature

#: What a direction means to a reader.
BETTER = {1: "higher", 0: "neither", -1: "lower"}
_INTRODUCTION = """# The features
Every feature there is, as of a date: what it is counted in, how far back it looks, whether a
higher value is the healthier one, and what an absent value and a zero say. An absent value means
that there was nothing to measure; a zero, that it stopped. Trends, habits and silences over days
that the account was not yet there for are absent (*insufficient history*); counts and levels of a
window are told of young accounts, too: what happened is true of them. Units: a *ratio* is the
natural logarithm of one level over another, a *change* the share by which a level rose, a *flag* 1
or 0.

This page is made by `python -m features > features/CATALOGUE.md` and kept in step by a
test; `health features --list` prints the same. Beside the features the table has account_id,
as_of, the attributes of the account, and stage (the lifecycle stage).
"""
_HEAD = "| feature | tables | window | unit | better | for CSMs | null means | 0 means |"


def families(catalogue: Mapping[str, Feature]) -> dict[str, list[Feature]]:
    """Return the features of a catalogue by family, in order."""
    found: dict[str, list[Feature]] = {}
    for feature in catalogue.values():
        found.setdefault(feature.family, []).append(feature)
    return found


def window(feature: Feature) -> str:
    """Return how far back a feature looks, in words."""
    return f"{feature.window_days} days" if feature.window_days else "all"


def sentence(feature: Feature) -> str:
    """Return the sentence for CSMs, with an ellipsis where the value goes."""
    return feature.sentence.format(value="…")


def catalogue_page(catalogue: Mapping[str, Feature]) -> str:
    """Return the catalogue in Markdown: a table a family."""
    parts = [_INTRODUCTION]
    for family, features in families(catalogue).items():
        parts += [f"## {family.capitalize()} ({len(features)})", _HEAD, "| --- " * 8 + "|"]
        parts += [_row(_cells(feature)) for feature in features]
        parts.append("")
    return "\n".join(parts)


def _cells(feature: Feature) -> tuple[str, ...]:
    return (
        f"`{feature.name}`",
        ", ".join(feature.tables),
        window(feature),
        feature.unit,
        BETTER[feature.direction],
        sentence(feature),
        feature.null_means,
        feature.zero_means,
    )


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
