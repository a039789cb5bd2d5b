"""What `health experiment` prints."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from health.experiment.effects import Effect
from health.experiment.readout import Readout
from health.experiment.responders import Responders


def print_readouts(console: Console, found: Sequence[Readout]) -> None:
    """Print each experiment: arms, balance before, effects with intervals, warnings."""
    for readout in found:
        _print_readout(console, readout)


def _print_readout(console: Console, readout: Readout) -> None:
    console.print(f"\n[bold]{escape(readout.name)}[/]", highlight=False)
    console.print(
        f"{readout.treated:,} treated and {readout.control:,} control accounts, assigned "
        f"{readout.first:%Y-%m-%d} to {readout.last:%Y-%m-%d}",
        highlight=False,
    )
    before = Table(title="Before: are the arms similar?", title_justify="left", box=None)
    for column in ("", "treated", "control", "difference (standard deviations)"):
        before.add_column(column, justify="right" if column else "left")
    for row in readout.balance.to_dict("records"):
        mark = " not similar" if row["unlike"] else ""
        metrics = (_metric(row["treated"]), _metric(row["control"]))
        name = str(row["measure"]).replace("_", " ")
        before.add_row(escape(name), *metrics, f"{row['difference']:+.2f}{mark}")
    console.print(before)
    after = Table(title="After: treated and control", title_justify="left", box=None)
    for column in ("", "treated", "control", "difference", "95 % interval"):
        after.add_column(column, justify="right" if column else "left")
    for effect in readout.effects:
        after.add_row(escape(effect.outcome), *_cells(effect))
    console.print(after)
    _print_responders(console, readout.responders)
    for doubt in readout.warnings:
        console.print(f"[yellow]warning[/] {escape(doubt)}", highlight=False)


def _print_responders(console: Console, found: Responders) -> None:
    console.print(f"Power: {escape(found.power)}", highlight=False)
    if len(found.by_segment):
        title = "Effect on churn by segment, in percentage points"
        table = Table(title=title, title_justify="left", box=None)
        for column in ("", "treated", "control", "effect", "95 % interval", "shrunk to the mean"):
            table.add_column(column, justify="right" if column else "left")
        for segment, row in found.by_segment.iterrows():
            table.add_row(
                escape(str(segment)),
                f"{row['treated']:,.0f}",
                f"{row['control']:,.0f}",
                f"{100 * row['effect']:+.1f}",
                f"{100 * row['low']:+.1f} to {100 * row['high']:+.1f}",
                f"{100 * row['shrunk']:+.1f}",
            )
        console.print(table)
    console.print(f"Savable accounts: {escape(found.savable)}", highlight=False)


def _cells(effect: Effect) -> tuple[str, str, str, str]:
    share = effect.outcome.startswith("churn")
    scale, unit = (100, " %") if share else (1, "")
    values = (effect.treated, effect.control, effect.difference, effect.low, effect.high)
    if any(math.isnan(value) for value in values[:3]):
        return "-", "-", "-", "not known"
    one, other, difference, low, high = (_metric(value * scale) for value in values)
    sign = "+" if effect.difference > 0 else ""
    interval = "not known" if math.isnan(effect.low) else f"{low} to {high}"
    return (
        f"{one}{unit} of {effect.n_treated:,}",
        f"{other}{unit} of {effect.n_control:,}",
        f"{sign}{difference}",
        interval,
    )


def _metric(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.2f}"
