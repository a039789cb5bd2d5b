"""Amounts in several currencies, converted to the company's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from features.tables.casting import cast_sql, literal
from features.tables.schema import Column, Table


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

    def converts(self, table: Table, present: Mapping[str, str]) -> bool:
        """Return whether amounts of a table with these columns may need converting."""
        return bool(self.rates) and "currency" in present and bool(table.amounts)

    def cast_sql(self, table: Table, column: Column, types: Mapping[str, str]) -> str:
        """Return the SQL that casts a raw column and converts it where it is an amount.

        Parameters
        ----------
        table : Table
            The column's table.
        column : Column
            The column.
        types : mapping of str to str
            SQL type of each raw column.
        """
        cast = cast_sql(column, types[column.name])
        if not self.converts(table, types):
            return cast
        currency = f"upper({cast_sql(table.column('currency'), types['currency'])})"
        if column.name == "currency":
            known = ", ".join(literal(code) for code in self.rates)
            own = literal(self.own.upper())
            return f"CASE WHEN {currency} IN ({known}) THEN {own} ELSE {currency} END"
        if not column.is_amount:
            return cast
        cases = " ".join(f"WHEN {literal(c)} THEN {rate!r}" for c, rate in self.rates.items())
        return f"({cast}) * CASE {currency} {cases} ELSE 1.0 END"
