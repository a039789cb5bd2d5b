"""Runs that are freed of a customer or a person, with their pages written again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pandas as pd

from features.errors import HealthError
from health.erasure.stored_files import (
    Erased,
    erase_from_file,
    mentions,
    replace_table,
    stored_files,
)
from health.erasure.subject import Subject
from health.runs.directory import RUN, PublishedRun, scratch_folder
from health.runs.durable import sync_folder, sync_tree
from health.voice.tables import COMMENTS
from health.weekly.pages import PAGE_FOLDERS, PAGES, stored_content, write_pages

#: In a run whose tables are being freed: its pages may show what the tables no longer have.
OUTDATED = ".outdated-pages"
_TIME = "datetime64[us]"
#: What a run of an earlier version may raise where it lacks a column or a value.
_UNUSABLE = (HealthError, LookupError, TypeError, ValueError, AttributeError, ArithmeticError)


def find_stored_runs(runs_dir: Path) -> list[PublishedRun]:
    """Return every complete run below a folder, replaced ones included, the oldest first."""
    folders = (
        {path.parent for path in runs_dir.rglob("scores.parquet")} if runs_dir.exists() else ()
    )
    found = [
        PublishedRun(day, folder)
        for folder in folders
        if not folder.is_symlink()
        and (folder / "run.json").is_file()
        and (day := _date_of(folder)) is not None
    ]
    return sorted(found, key=lambda run: (run.as_of, str(run.folder)))


def erase_from_run(
    run: PublishedRun, runs_dir: Path, subject: Subject, erased: Erased, *, quotes: int
) -> None:
    """Free the tables of a run, and write its pages again from what is left.

    A page that cannot be written again is removed. After a kill, the next call continues.

    Parameters
    ----------
    run : PublishedRun
        The run, published or replaced.
    runs_dir : Path
        Where the runs of earlier dates are.
    subject : Subject
        Who is erased.
    erased : Erased
        Counts are added to it.
    quotes : int
        Most quotes of a theme on the Voice page.
    """
    mark = run.folder / OUTDATED
    is_outdated = mark.exists()
    pages = list(_pages(run.folder))
    is_shown = any(mentions(page, subject) for page in pages)
    mark.touch()
    before = erased.files
    _free_unnamed_comments(run, subject, erased)
    for file in sorted(stored_files(run.folder)):
        if file not in pages:
            erase_from_file(file, subject, erased)
    if is_outdated or is_shown or erased.files > before:
        _rebuild(run, runs_dir, subject, erased, quotes)
    mark.unlink()


def has_comments_of(run: PublishedRun, subject: Subject) -> bool:
    """Whether they wrote one of the comments that a run has: pages quote it without a name."""
    return bool(len(_comments_of(run, subject)))


def _comments_of(run: PublishedRun, subject: Subject) -> pd.DataFrame:
    if not run.has(COMMENTS):
        return pd.DataFrame()
    column = "account_id" if subject.kind == "account" else "respondent_id"
    columns = ["account_id", "written_at", column]
    if not {*columns} <= {*run.columns(COMMENTS)}:
        return pd.DataFrame()
    return run.table(
        COMMENTS, list(dict.fromkeys(columns)), filters=[(column, "==", subject.identifier)]
    )


def _free_unnamed_comments(run: PublishedRun, subject: Subject, erased: Erased) -> None:
    """Remove a person's answers and tickets from events, which do not name who wrote them."""
    own = _comments_of(run, subject)
    if own.empty or not run.has("events"):
        return
    events = run.table("events")
    written = pd.MultiIndex.from_frame(
        own[["account_id", "written_at"]].astype({"account_id": object, "written_at": _TIME})
    )
    rows = pd.MultiIndex.from_frame(
        events[["account_id", "at"]].astype({"account_id": object, "at": _TIME})
    )
    is_own = rows.isin(written) & events["kind"].isin(["answer", "ticket"]).to_numpy()
    if is_own.any():
        replace_table(run.folder / "events.parquet", events[~is_own])
        erased.rows += int(is_own.sum())
        erased.files += 1


def _rebuild(
    run: PublishedRun, runs_dir: Path, subject: Subject, erased: Erased, quotes: int
) -> None:
    old, why = set(_pages(run.folder)), "an earlier version did not write it from stored tables"
    with scratch_folder(runs_dir) as made:
        try:
            content = stored_content(run, runs_dir, quotes=quotes)
            write_pages(made, content, per_csm=(run.folder / "csm").is_dir())
        except _UNUSABLE as error:
            why = f"it cannot be written again: {error}"
            for path in _pages(made):
                path.unlink()
        sync_tree(made)
        for page in sorted(_pages(made)):
            target = run.folder / page.relative_to(made)
            if mentions(page, subject):
                why = "the run still mentions them in a form that is not replaced"
                continue
            if target not in old and target.name in PAGES:
                # The run never had this page.
                continue
            target.parent.mkdir(exist_ok=True)
            page.replace(target)
            erased.rebuilt.append(target)
            old.discard(target)
    for page in sorted(old):
        page.unlink()
        is_of_csm = page.parent.name == "csm" and erased.rebuilt
        erased.removed.append((page, "the CSM has no account left" if is_of_csm else why))
    sync_folder(run.folder)


def _pages(folder: Path) -> Iterator[Path]:
    for name in PAGES:
        if (folder / name).is_file():
            yield folder / name
    for name in PAGE_FOLDERS:
        yield from (path for path in (folder / name).glob("*") if path.is_file())


def _date_of(folder: Path) -> date | None:
    name = folder.name.removeprefix(RUN)[: len("2026-01-01")]
    try:
        return date.fromisoformat(name)
    except ValueError:
        return None
