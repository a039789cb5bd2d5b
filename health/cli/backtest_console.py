"""Print the results of `health backtest` and `health tune`."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from health.backtest.run import Finished
from health.backtest.tune import Tuned, compared_lines
from health.cli.console import say
from models.evaluation.ranking import Interval


def backtest_summary(console: Console, finished: Finished) -> None:
    """Print the answer, the contenders, and where the page is."""
    console.print(f"[bold]{escape(finished.verdict.headline)}[/]", highlight=False)
    for sentence in finished.verdict.sentences:
        say(console, f"  {sentence}")
    _contenders(console, finished)
    say(console, f"Page:    {finished.page}")
    say(console, f"Metrics: {finished.metrics}")


def _contenders(console: Console, finished: Finished) -> None:
    together = finished.backtest.together
    if together is None:
        return
    table = Table("ranked by", "AUC", "average precision", "lift", "precision", "recall", box=None)
    for contender in finished.backtest.contenders:
        metrics = together.figures[contender.key]
        table.add_row(contender.title, *(_shown(metrics[name]) for name in metrics))
    counts = together.counts
    console.print(table)
    say(
        console,
        f"On the same {counts.rows:,} rows of {counts.dates:,} dates, "
        f"{counts.churned_accounts:,} of {counts.accounts:,} accounts left; in brackets the 95 % "
        f"interval; precision and recall of CSMs' lists, which have room for {together.listed:,} "
        "of these rows.",
    )


def _shown(metric: Interval) -> str:
    return f"{metric.value:.2f} ({metric.low:.2f}-{metric.high:.2f})"


def tuned(console: Console, result: Tuned, config: Path) -> None:
    """Print old and new weights, their evaluation, and where the proposal is."""
    if result.proposal is None or result.backtest is None:
        say(
            console,
            f"The configured weights stay: on dates up to {result.learnt_until} no other weights "
            "predicted churn better. Nothing was written.",
        )
        return
    table = Table("component", "measure", "old", "new", box=None)
    for line in result.changes:
        name = "" if line["measure"] else escape(line["component"])
        old, new = (f"{line[key]:g}" for key in ("old", "new"))
        table.add_row(name, line["measure"], old, new)
    console.print(table)
    say(
        console,
        f"Learned from dates up to {result.learnt_until}; old and new weights compared on the "
        f"dates from {result.tested_from} on:",
    )
    for text in compared_lines(result.comparison):
        say(console, f"  {text}")
    say(console, f"Proposal: {result.proposal}")
    say(console, f"Old and new weights in the backtest: {result.backtest.page}")
    say(console, f"{config} is unchanged: to adopt the proposal, copy it there.")
