"""`health check`: what the tables add up to, by month."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from health.business.reconciliation import Reconciliation
from health.presentation.wording import money, percent

_MOVED = ("gained", "lost", "expanded", "contracted")


def show_reconciliation(console: Console, found: Reconciliation) -> None:
    """Print money and accounts by month, and which accounts and rows the tables cover."""
    title = f"\n{found.money} by month ({found.currency}), to be compared with your books"
    table = Table(title=escape(title), title_justify="left", box=None)
    table.add_column("until")
    for column in (found.money, "accounts", *_MOVED):
        table.add_column(escape(column), justify="right")
    for row in found.months.to_dict("records"):
        amounts = [money(row[name], "") for name in ("mrr", *_MOVED)]
        table.add_row(str(row["until"]), amounts[0], f"{row['accounts']:,}", *amounts[1:])
    console.print(table)
    lines = [
        f"{found.money} per account: median {money(found.median, found.currency)}, largest "
        f"{money(found.largest, found.currency)} ({found.largest_account or 'none'})."
    ]
    if found.covered:
        shares = [f"{percent(share)} have {what}" for what, share in found.covered.items()]
        lines.append(f"Of the paying accounts {', '.join(shares)}.")
    without = [
        f"{name} {int(of['rows']):,} ({percent(of['share'], 1)})"
        for name, of in found.unmatched.items()
        if of["rows"]
    ]
    lines.append(f"Rows that belong to no account: {', '.join(without) or 'none'}.")
    for line in lines:
        console.print(escape(line), highlight=False)
