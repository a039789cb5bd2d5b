"""What `health features --list` prints: the catalogue."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from features.catalogue_page import BETTER, families, sentence, window
from features.definitions.feature import Feature
from health.cli.console import say


def catalogue(console: Console, features: Mapping[str, Feature]) -> None:
    """Print every feature with what it means."""
    for family, listed in families(features).items():
        table = Table("feature", "unit", "window", "better", "meaning", box=None, pad_edge=False)
        table.columns[0].no_wrap = True
        for feature in listed:
            meaning = f"{sentence(feature)}\nnull: {feature.null_means}\n0: {feature.zero_means}"
            better = BETTER[feature.direction]
            table.add_row(feature.name, feature.unit, window(feature), better, escape(meaning))
        console.rule(f"{family}, from {', '.join(sorted({t for f in listed for t in f.tables}))}")
        console.print(table)
    say(console, f"{len(features)} features; null: nothing to measure, 0: activity stopped")
