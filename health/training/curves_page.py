"""The section of evaluation.html that compares survival curves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class CurveRow:
    """One model's curves as text."""

    name: str
    concordance: str
    concordance_range: str
    brier: str
    brier_range: str
    against_first: str


@dataclass(frozen=True)
class CurvesPart:
    """The survival section of the page: `about` describes the data, `notes` what is missing."""

    about: str
    rows: tuple[CurveRow, ...]
    notes: tuple[str, ...]


def curves_part(judged: Mapping[str, Any] | None) -> CurvesPart | None:
    """Describe the result of `judge_curves`; None for a version without it."""
    if not judged:
        return None
    curves = judged["curves"]
    about = ""
    if curves:
        about = (
            f"{judged['accounts']:,} accounts followed from {judged['from']} for up to "
            f"{judged['until_days']} days, of which {judged['left']:,} left. Every curve was "
            "fitted on what was known before. Concordance: share of pairs of accounts in which "
            "the one predicted to leave sooner did (0.5 is chance). Integrated Brier score: mean "
            "squared error over these days, lower is better."
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
    """Describe whether a difference is significant, and in which direction."""
    low, high = metric["low"], metric["high"]
    if None in (low, high) or low <= 0 <= high:
        return f"{does} without a significant difference"
    return f"{does} {'better' if (low > 0) == higher_is_better else 'worse'}"
