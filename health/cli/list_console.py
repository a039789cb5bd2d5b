"""Print one list."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from health.flags.listing import Listing
from health.presentation import wording

_COLOURS = {"red": "red", "yellow": "yellow", "green": "green"}


def print_list(console: Console, listing: Listing) -> None:
    """Print a list with its reasons; names are printed as plain text, whatever they contain."""
    kind, rows = listing.kind, listing.rows
    whose = f" of {listing.csm}" if listing.csm else ""
    title = f"{kind.title}{whose}, {wording.day(listing.as_of)}"
    if rows.empty:
        console.print(escape(f"{title}: no account is on this list."), highlight=False)
        return
    table = Table(title=escape(title), title_justify="left", box=None, pad_edge=False)
    for heading, side in _headings(listing):
        table.add_column(heading, justify=side, overflow="fold")
    for row in rows.to_dict("records"):
        table.add_row(*_cells(row, listing))
    console.print(table)
    ranked_by, of = ("value", "a year") if kind.value else ("mrr", "a month")
    total = rows[ranked_by].sum(min_count=1)
    metric = wording.money(total, listing.currency)
    about = f", {metric} {of} in total" if metric != wording.NONE else ""
    console.print(f"{wording.count(len(rows), 'row')}{about}", highlight=False)


def _headings(listing: Listing) -> list[tuple[str, Any]]:
    kind = listing.kind
    money = [(kind.chance, "right"), (kind.value, "right")] if kind.chance else []
    csm = [] if listing.csm else [("CSM", "left")]
    return [
        ("#", "right"),
        ("Account", "left"),
        *csm,
        (listing.business.money, "right"),
        ("Health", "left"),
        *money,
        ("Why", "left"),
        *((title, "left") for title in listing.business.term_titles),
        ("Since", "left"),
    ]


def _cells(row: dict[Any, Any], listing: Listing) -> list[str]:
    kind, currency = listing.kind, listing.currency
    name = wording.text_of(row["name"]) or str(row["account_id"])
    product = wording.text_of(row.get("offered")) or wording.text_of(row["product"])
    band = wording.band_of(row["health_band"])
    colour = _COLOURS.get(band.name, "default")
    money = [wording.percent(row["probability"]), wording.money(row["value"], currency)]
    csm = [] if listing.csm else [escape(wording.text_of(row["csm"]))]
    return [
        str(int(row["rank"])),
        escape(f"{name} → {product}" if product else name),
        *csm,
        wording.money(row["mrr"], currency),
        f"[{colour}]{band.letter} {wording.score(row['health_score'])}[/]",
        *(money if kind.chance else []),
        escape(wording.text_of(row["reasons"])),
        *(wording.renewal(row["days_to_renewal"]) for _ in listing.business.term_titles),
        wording.since(row["since"], listing.as_of),
    ]
