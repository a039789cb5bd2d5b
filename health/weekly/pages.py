"""What people read of a run: workbook, report, forecast, Voice, lists, and files per CSM."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from xlsxwriter.exceptions import XlsxWriterException

from health.report.background import Background
from health.report.files import write_csm_reports, write_list_files
from health.report.forecast_page import render_forecast
from health.report.history import History
from health.report.lists import shown_accounts
from health.report.page import render_report
from health.report.stored_background import read_background
from health.runs.directory import PublishedRun, runs_before
from health.voice.page import render_voice
from health.voice.stored import stored_voice
from health.voice.summary import Voice
from health.voice.tables import COMMENTS, THEMES
from health.workbook.book import write_csm_workbooks, write_workbook

REPORT, FORECAST, VOICE, WORKBOOK = "report.html", "forecast.html", "voice.html", "flags.xlsx"
#: Every page of a run; those in folders are one per list or CSM.
PAGES = (REPORT, FORECAST, VOICE, WORKBOOK)
PAGE_FOLDERS = ("lists", "csm")


@dataclass(frozen=True)
class PageContent:
    """What the pages of a run are made from.

    Attributes
    ----------
    scores, reasons, flags : pd.DataFrame
        Tables of the run.
    week : pd.DataFrame or None
        As in my_week.parquet.
    info : mapping
        Content of run.json.
    history : History
        Earlier runs.
    background : Background
        What the input tables add.
    voice : Voice or None
        What customers wrote.
    """

    scores: pd.DataFrame
    reasons: pd.DataFrame
    flags: pd.DataFrame
    week: pd.DataFrame | None
    info: Mapping[str, Any]
    history: History
    background: Background
    voice: Voice | None = None


def write_pages(folder: Path, content: PageContent, *, per_csm: bool) -> None:
    """Write every page of a run into its folder.

    Parameters
    ----------
    folder : Path
        The folder.
    content : PageContent
        What they show.
    per_csm : bool
        Also write a report and a workbook of each CSM's accounts.
    """
    scores, reasons, flags, info = content.scores, content.reasons, content.flags, content.info
    history, background, week = content.history, content.background, content.week
    parts = (scores, reasons, flags)
    _write_workbook(folder / WORKBOOK, *parts, info, week=week, background=background)
    html = render_report(*parts, info, history=history, background=background, week=week)
    (folder / REPORT).write_text(html, encoding="utf-8")
    forecast = render_forecast(scores, flags, info, background=background)
    (folder / FORECAST).write_text(forecast, encoding="utf-8")
    write_list_files(folder, flags, week)
    if per_csm:
        write_csm_reports(folder, parts, info, history=history, background=background, week=week)
        write_csm_workbooks(folder, parts, info, background=background, week=week)
    if content.voice is not None:
        names = scores.set_index("account_id").get("name")
        page = render_voice(content.voice, company=info["company"], names=names)
        (folder / VOICE).write_text(page, encoding="utf-8")


def stored_content(run: PublishedRun, runs_dir: Path, *, quotes: int) -> PageContent:
    """Return what the pages of a published run are made from, read from the run alone.

    Parameters
    ----------
    run : PublishedRun
        A run, published or replaced.
    runs_dir : Path
        Where the runs of earlier dates are.
    quotes : int
        Most quotes of a theme.

    Raises
    ------
    HealthError
        A table of the run cannot be read.
    """
    info = run.info()
    scores, flags = run.table("scores"), run.table("flags")
    changes = run.table("changes") if run.has("changes") else None
    shown = shown_accounts(scores, flags)
    return PageContent(
        scores,
        run.table("reasons"),
        flags,
        run.table("my_week") if run.has("my_week") else None,
        info,
        History.of_runs(runs_before(runs_dir, run.as_of), changes, accounts=shown),
        read_background(run, scores, info, shown),
        stored_voice(run, info, quotes=quotes)
        if run.has(COMMENTS) and run.has(THEMES) and "voice" in info
        else None,
    )


def _write_workbook(path: Path, *parts: Any, **more: Any) -> None:
    try:
        write_workbook(path, *parts, **more)
    except XlsxWriterException as error:
        # The library wraps the error of the disk.
        cause = error.args[0] if error.args else None
        raise cause if isinstance(cause, OSError) else error from None
