"""The scales of survey questions and ratings, and where good and bad answers start."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import narwhals as nw


@dataclass(frozen=True)
class Scale:
    """One scale of one kind of question; a higher answer is always the better one.

    Attributes
    ----------
    low, high : float
        The lowest and the highest answer.
    good_from : float
        The lowest good answer: a promoter, a satisfied or an easy one.
    bad_to : float
        The highest bad answer: a detractor, a dissatisfied or a hard one. Between is neutral.
    """

    low: float
    high: float
    good_from: float
    bad_to: float


#: Scales by kind of survey; the first of a kind is what no scale means. NPS is defined on 0-10
#: alone (Reichheld 2003). CSAT on 1-5 counts the top two boxes; the longer scales begin to count
#: at the same height, and below their middle they are bad. CES is asked so that high means easy.
SCALES: dict[str, dict[str, Scale]] = {
    "nps": {"0-10": Scale(0, 10, 9, 6)},
    "csat": {
        "1-5": Scale(1, 5, 4, 2),
        "1-3": Scale(1, 3, 3, 1),
        "good/bad": Scale(0, 1, 1, 0),
        "1-7": Scale(1, 7, 6, 3),
        "0-10": Scale(0, 10, 8, 4),
        "0-100": Scale(0, 100, 80, 40),
    },
    "ces": {
        "1-7": Scale(1, 7, 5, 3),
        "1-5": Scale(1, 5, 4, 2),
        "0-10": Scale(0, 10, 7, 3),
        "0-100": Scale(0, 100, 67, 33),
    },
}


def by_scale(kind: str, value: Callable[[Scale], nw.Expr], *, column: str | None = None) -> nw.Expr:
    """Return a value by the scale of each row; null where the scale is not understood.

    Parameters
    ----------
    kind : str
        The kind of question.
    value : callable
        Returns the value on a scale.
    column : str, optional
        The column that names the scale; every row is on the default scale of the kind without
        it, and so is a row where it is empty.
    """
    usual = default_scale(kind)
    if column is None:
        return value(SCALES[kind][usual])
    found: nw.Expr = nw.lit(None)
    for name, scale in SCALES[kind].items():
        named = nw.col(column) == name
        is_on = named.fill_null(True) if name == usual else named
        found = nw.when(is_on).then(value(scale)).otherwise(found)
    return found


def default_scale(kind: str) -> str:
    """Return the scale that a question of a kind is on where none is given."""
    return next(iter(SCALES[kind]))


def understood_scales() -> str:
    """List the scales in `SCALES`, for messages."""
    return "; ".join(f"{kind} {', '.join(scales)}" for kind, scales in SCALES.items())
