"""`health voice`: what customers write, as a page, a table and a summary on the terminal."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from features.errors import HealthError
from features.tables.point_in_time import collect
from health.business.company import open_company
from health.cli import console as show
from health.presentation import wording
from health.runs.durable import write_whole
from health.settings.config import Config
from health.voice.page import render_voice
from health.voice.summary import Voice, listen


def run_voice(
    config: Config, *, console: Console, until: datetime | None, output: Path | None
) -> None:
    """Write the page and print the themes.

    Raises
    ------
    HealthError
        No table has comments.
    """
    tables = open_company(config).opened.tables
    end = min(until or tables.observed_until, tables.observed_until)
    if not (tables.has("surveys", "comment") or tables.has("tickets", "subject")):
        raise HealthError(
            "there are no comments to read",
            where=str(config.file),
            fix="map surveys.comment or tickets.subject in [tables]",
        )
    voice = listen(tables, end, config.voice)
    names = None
    if tables.has("accounts", "name"):
        known = collect(tables["accounts"].select("account_id", "name"))
        names = known.set_index("account_id")["name"]
    path = output or config.runs_dir / "voice.html"
    write_whole(path, render_voice(voice, company=config.company, names=names))
    _print(console, voice)
    show.say(console, f"Page: {path}")


def _print(console: Console, voice: Voice) -> None:
    show.say(console, f"{wording.count(len(voice.comments), 'comment')}. {voice.sentiment}")
    show.say(console, voice.stability)
    if not voice.themes:
        return
    table = Table("theme", box=None, pad_edge=False)
    for heading in ("comments", "share", "impact", "95 % interval"):
        table.add_column(heading, justify="right")
    for theme in voice.themes:
        impact = theme.impact
        table.add_row(
            escape(theme.name),
            wording.count(theme.mentions),
            wording.percent(theme.share),
            wording.points(impact.value, signed=True),
            f"{wording.points(impact.low, signed=True)} to "
            f"{wording.points(impact.high, signed=True)}",
        )
    console.print(table)
