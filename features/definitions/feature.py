"""What a feature declares about itself."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Unit = Literal["count", "days", "hours", "share", "ratio", "change", "points", "money", "flag"]


@dataclass(frozen=True)
class Feature:
    """One feature of the catalogue.

    Attributes
    ----------
    name : str
        Name of the column, including its parameters.
    family : str
        ``usage``, ``tickets``, ``surveys``, ``commercial``, ``journey``, ``orders``,
        ``contacts``, ``invoices``, ``interactions``, ``goals`` or ``voice``.
    table : str
        The main input table.
    window_days : int or None
        Length of the window; None if the whole history counts.
    unit : str
        Unit of the value; ``ratio`` is the natural logarithm of one level over another, ``change``
        the relative increase of a level (a decrease if below 0).
    direction : int
        1 if higher is healthier, −1 if lower is, 0 if neither.
    null_means, zero_means : str
        Meaning of a missing value and of zero, each readable as a sentence.
    sentence : str
        Sentence for CSMs, with ``{value}`` for the number; reads well in singular and plural.
    size : bool
        Whether it describes the size or the payment of the account rather than how well it is
        doing: it is a reason only if there is no other.
    also : tuple of str
        Additional input tables; the feature is null if one of them is missing.
    is_reason : bool
        Whether it may be shown as a reason; False if only models should use it.
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
    is_reason: bool = True

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


@dataclass(frozen=True, kw_only=True)
class FeatureFamily:
    """Declares the features of a family, with the values that most of them have in common.

    Attributes
    ----------
    name : str
        The family.
    table : str
        The main input table of its features.
    prefix : str
        Added in front of every name.
    null_means : str
        What a missing value means, unless a feature declares it.
    direction : int
        Direction of health, unless a feature declares it.

    Examples
    --------
    >>> usage = FeatureFamily(name="usage", table="usage", prefix="usage_")
    >>> weekly, monthly = usage.in_windows(
    ...     (7, 28),
    ...     name="events_{days}d",
    ...     unit="count",
    ...     sentence="Actions in {days} days: {value}",
    ...     zero_means="no action in {days} days",
    ... )
    >>> monthly.name, monthly.describe(3)
    ('usage_events_28d', 'Actions in 28 days: 3')
    """

    name: str
    table: str
    prefix: str = ""
    null_means: str = ""
    direction: int = 1

    def feature(
        self,
        *,
        name: str,
        unit: Unit,
        sentence: str,
        zero_means: str,
        window_days: int | None = None,
        direction: int | None = None,
        null_means: str | None = None,
        table: str | None = None,
        size: bool = False,
        also: tuple[str, ...] = (),
        is_reason: bool = True,
    ) -> Feature:
        """Return a feature of the family; the parameters are those of `Feature`."""
        return Feature(
            name=f"{self.prefix}{name}",
            family=self.name,
            table=self.table if table is None else table,
            window_days=window_days,
            unit=unit,
            direction=self.direction if direction is None else direction,
            null_means=self.null_means if null_means is None else null_means,
            zero_means=zero_means,
            sentence=sentence,
            size=size,
            also=also,
            is_reason=is_reason,
        )

    def in_windows(
        self,
        days: Sequence[int],
        *,
        name: str,
        unit: Unit,
        sentence: str,
        zero_means: str,
        direction: int | None = None,
        null_means: str | None = None,
        size: bool = False,
    ) -> tuple[Feature, ...]:
        """Return a feature per window; its days replace ``{days}`` in the texts."""
        return tuple(
            self.feature(
                name=_in_window(name, window),
                unit=unit,
                sentence=_in_window(sentence, window),
                zero_means=_in_window(zero_means, window),
                window_days=window,
                direction=direction,
                null_means=None if null_means is None else _in_window(null_means, window),
                size=size,
            )
            for window in days
        )


def _in_window(text: str, days: int) -> str:
    return text.replace("{days}", str(days))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _number(value: float, unit: Unit) -> str:
    if unit == "share":
        return _minus(f"{value:.0%}").replace("%", " %")
    # A score from −100 to 100 needs no decimal, one of 5, 7 or 10 does.
    whole = 10 if unit == "points" else 100
    if unit in {"days", "money"} or abs(value) > whole or value == round(value):
        return _minus(f"{value:,.0f}")
    return _minus(f"{value:,.1f}")


def _minus(text: str) -> str:
    return text.replace("-", "−")


def _change(change: float) -> str:
    """Describe a relative change in words."""
    if abs(change) < 0.005:
        return "unchanged"
    if change > 2:
        return f"up {change + 1:.1f}-fold"
    return f"{'up' if change > 0 else 'down'} {abs(change):.0%}".replace("%", " %")
