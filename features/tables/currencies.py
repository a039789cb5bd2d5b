"""Amounts in several currencies, converted to the company's."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import narwhals as nw

from features.tables.schema import Table

Frame = nw.LazyFrame[Any]


@dataclass(frozen=True)
class Currencies:
    """The company's currency, and the value in it of one unit of each other currency.

    Attributes
    ----------
    own : str
        The company's currency; empty where it is not known, and then one currency is accepted.
    rates : mapping of str to float
        By currency, in upper case: units of `own` for one unit of it, above 0.

    Examples
    --------
    >>> Currencies("USD", {"EUR": 1.1}).rate("eur")
    1.1
    """

    own: str = ""
    rates: Mapping[str, float] = field(default_factory=dict)

    def rate(self, currency: str) -> float:
        """Return the units of `own` for one unit of a currency; KeyError where there is no rate."""
        code = currency.strip().upper()
        return 1.0 if code == self.own.upper() else self.rates[code]

    def converts(self, table: Table, present: Collection[str]) -> bool:
        """Return whether amounts of a table with these columns may need converting."""
        return bool(self.rates) and "currency" in present and bool(table.amounts)

    def converted(self, rows: Frame, table: Table) -> Frame:
        """Return the rows of a table with its amounts in the company's currency.

        Amounts in a currency without a rate, or in none, stay as they are.
        """
        present = rows.collect_schema().names()
        if not self.converts(table, present):
            return rows
        code, rate = nw.col("currency").str.to_uppercase(), nw.lit(1.0)
        for other, value in self.rates.items():
            rate = nw.when(code == other).then(nw.lit(value)).otherwise(rate)
        amounts = [nw.col(c.name) * rate for c in table.amounts if c.name in present]
        is_converted = code.is_in([*self.rates]).fill_null(value=False)
        own = nw.when(is_converted).then(nw.lit(self.own.upper())).otherwise(code)
        return rows.with_columns(*amounts, own.alias("currency"))

    def others(self, rows: Frame) -> OtherCurrencies:
        """Return the rows of a table that are in another currency than the company's.

        Parameters
        ----------
        rows : narwhals.LazyFrame
            Rows after their conversion. Without a currency of the company's own, the one of most
            rows is taken for it.
        """
        code = nw.col("currency").str.to_uppercase().alias("code")
        counted = rows.filter(~nw.col("currency").is_null()).select(code)
        found = counted.group_by("code").agg(nw.len().alias("n")).collect("pyarrow")
        counts = {row["code"]: int(row["n"]) for row in found.iter_rows(named=True)}
        codes = sorted(counts, key=lambda code: (-counts[code], code))
        own = self.own.upper() or next(iter(codes), "")
        return OtherCurrencies(own, {code: counts[code] for code in codes if code != own})


@dataclass(frozen=True)
class OtherCurrencies:
    """The company's currency, and how many rows are in each other one, most rows first."""

    own: str
    rows: Mapping[str, int]

    def what(self, amounts: str, *, is_own_known: bool) -> str:
        """Return what is wrong with these rows, whose columns of money are `amounts`."""
        listed = ", ".join(self.rows)
        if not is_own_known:
            return f"amounts are in several currencies ({listed} besides {self.own})"
        return f"the company's currency is {self.own}, and {amounts} of these rows are in {listed}"
