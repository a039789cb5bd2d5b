"""Print what an account owns and could still buy."""

from __future__ import annotations

from typing import Any

import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from health.presentation.wording import money, percent

#: Words for a basis.
_BASES = {"rules": "rules, no model"}


def show_whitespace(console: Console, whitespace: pd.DataFrame, currency: str) -> None:
    """Print a row per product: chance, value in a year, and what speaks for it and against it."""
    table = Table(title="\nProducts: what could be offered", title_justify="left", box=None)
    for column in ("product", "now", "chance", "basis", "a month", "worth a year"):
        table.add_column(column, justify="right" if column in _NUMBERS else "left")
    table.add_column("why, and why not", overflow="fold")
    order = whitespace.sort_values(["offer", "value"], ascending=[False, False]).index
    for row in whitespace.loc[order].to_dict("records"):
        table.add_row(
            escape(str(row["product"])),
            row["status"] + (" (listed)" if row["listed"] else ""),
            percent(row["probability"], 1),
            _BASES.get(row["basis"], row["basis"]),
            money(row["step_mrr"], currency),
            money(row["value"], currency),
            escape(_both(row)),
        )
    console.print(table)


_NUMBERS = ("chance", "a month", "worth a year")


def _both(row: dict[Any, Any]) -> str:
    """Word what speaks for an offer, then what speaks against it."""
    signs = "; ".join(text for text in (row["asked"], row["signs"]) if text)
    both = (row["why"] or signs, row["why_not"])
    return "; ".join(text for text in both if text) or "nothing speaks for it now"
