"""What a feature declares of itself."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Unit = Literal["count", "days", "hours", "share", "ratio", "change", "points", "money", "flag"]


@dataclass(frozen=True)
class Feature:
    """One feature of the catalogue.

    Attributes
    ----------
    name : str
        Its column, with its parameters in it.
    family : str
        ``usage``, ``tickets``, ``surveys``, ``commercial``, ``journey``, ``orders``,
        ``contacts``, ``invoices``, ``interactions`` or ``goals``.
    table : str
        The input table it is made from, first of all.
    window_days : int or None
        How far back it looks; None where the whole history counts.
    unit : str
        What it is counted in; ``ratio`` is a natural logarithm of one level over another,
        ``change`` a share by which a level rose (or fell, below 0).
    direction : int
        1 where higher is healthier, −1 where lower is, 0 where neither.
    null_means, zero_means : str
        What an absent value and a zero say, each readable as a sentence of its own.
    sentence : str
        For CSMs, with ``{value}`` where the number goes; reads well for one and for many.
    size : bool
        It tells how large the account is or how it pays, not how it fares: named as a reason
        only where nothing else stands out.
    also : tuple of str
        Further tables that it is made from; it is null where one of them is not there.
    """

    name: str
    family: str
    table: str
    window_days: int | None
    unit: Unit
    direction: int
    null_means: str
    zero_means: str
    sentence: str
    size: bool = False
    also: tuple[str, ...] = ()

    @property
    def tables(self) -> tuple[str, ...]:
        """Every input table it needs."""
        return (self.table, *self.also)

    def describe(self, value: float | None) -> str:
        """Return the value in words: its sentence, or what null (NaN) or zero means.

        Examples
        --------
        >>> sentence = "Use is {value}"
        >>> trend = Feature("t", "usage", "usage", 28, "ratio", 1, "too young", "", sentence)
        >>> trend.describe(math.log(0.7))
        'Use is down 30 %'
        >>> trend.describe(math.nan)
        'Too young'
        """
        if value is None or math.isnan(value):
            return _capital(self.null_means)
        if self.unit == "ratio":
            return self.sentence.format(value=_change(math.expm1(value)))
        if self.unit == "change":
            return self.sentence.format(value=_change(value))
        if value == 0:
            return _capital(self.zero_means)
        return self.sentence.format(value=_number(value, self.unit))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _number(value: float, unit: Unit) -> str:
    if unit == "share":
        return f"{value:.0%}".replace("%", " %")
    if unit in {"days", "money"} or abs(value) >= 100 or value == round(value):
        return f"{value:,.0f}"
    return f"{value:,.1f}"


def _change(change: float) -> str:
    """Say a relative change in words."""
    if abs(change) < 0.005:
        return "unchanged"
    if change > 2:
        return f"up {change + 1:.1f}-fold"
    return f"{'up' if change > 0 else 'down'} {abs(change):.0%}".replace("%", " %")
