"""The part of evaluation.html that compares survival curves, in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class CurveRow:
    """One model's curves, worded."""

    name: str
    concordance: str
    concordance_range: str
    brier: str
    brier_range: str
    against_first: str


@dataclass(frozen=True)
class CurvesPart:
    """What the page shows of survival curves: `about` says of whom, `notes` what is missing."""

    about: str
    rows: tuple[CurveRow, ...]
    notes: tuple[str, ...]


def curves_part(judged: Mapping[str, Any] | None) -> CurvesPart | None:
    """Word what `judge_curves` found; None for a version that does not hold it."""
    if not judged:
        return None
    curves = judged["curves"]
    about = ""
    if curves:
        about = (
            f"{judged['accounts']:,} accounts from {judged['from']} on, of which "
            f"{judged['left']:,} left, up to {judged['until_days']} days ahead. Every curve was "
            "fitted on what was known before. Concordance: how often, of two accounts, the one "
            "said to leave sooner did (0.5 is a coin). Integrated Brier score: mean squared "
            "distance over the days ahead, lower is better."
        )
    rows = tuple(_row(name, quality, place) for place, (name, quality) in enumerate(curves.items()))
    return CurvesPart(about, rows, tuple(judged["notes"]))


def _row(name: str, quality: Mapping[str, Any], place: int) -> CurveRow:
    c, brier = quality["concordance"], quality["integrated_brier"]
    against = ""
    if place:
        ranks = _difference(quality["concordance_against_first"], "ranks", higher_is_better=True)
        near = quality["integrated_brier_against_first"]
        against = f"{ranks}; {_difference(near, 'fits', higher_is_better=False)}"
    return CurveRow(
        name.capitalize() if name.islower() else name,
        f"{c['value']:.3f}",
        _range(c),
        f"{brier['value']:.4f}",
        _range(brier, 4),
        against,
    )


def _range(metric: Mapping[str, Any], digits: int = 3) -> str:
    ends = metric["low"], metric["high"]
    return "" if None in ends else f"{ends[0]:.{digits}f} to {ends[1]:.{digits}f}"


def _difference(metric: Mapping[str, Any], does: str, *, higher_is_better: bool) -> str:
    """Say whether a difference lies beyond chance, and which way."""
    low, high = metric["low"], metric["high"]
    if None in (low, high) or low <= 0 <= high:
        return f"{does} no differently, as far as this tells"
    return f"{does} {'better' if (low > 0) == higher_is_better else 'worse'}"
