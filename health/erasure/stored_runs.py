"""Runs that are freed of a customer or a person, with their pages written again."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
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
from health.erasure.subject import ERASED, Subject
from health.runs.directory import RUN, PublishedRun, scratch_folder
from health.runs.durable import sync_folder, sync_tree
from health.voice.followup import EFFECTS, ROWS
from health.voice.tables import COMMENTS, TERMS, THEMES
from health.weekly.pages import PAGE_FOLDERS, PAGES, stored_content, write_pages
from models.text.themes import SEPARATOR, phrases_of

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
    _free_themes(run, subject, erased)
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


def _free_themes(run: PublishedRun, subject: Subject, erased: Erased) -> None:
    """Remove the phrases of themes that nobody else used, from their terms and names.

    The tables that name themes come first, and their comments are removed later: after a kill, the
    same phrases are found again.
    """
    if not (run.has(THEMES) and has_comments_of(run, subject)):
        return
    column = "account_id" if subject.kind == "account" else "respondent_id"
    comments = run.table(COMMENTS)
    is_own = (comments[column] == subject.identifier).fillna(False)
    own, others = (
        {phrase for text in comments.loc[rows, "comment"] for phrase in phrases_of(text)}
        for rows in (is_own, ~is_own)
    )
    gone = own - others
    themes = run.table(THEMES)
    names = {name: _without(name, gone) for name in themes["theme"]}
    freed = themes.assign(
        theme=themes["theme"].map(names), phrases=[_without(p, gone) for p in themes["phrases"]]
    )
    if TERMS in themes:
        kept = [
            {term: weight for term, weight in json.loads(terms or "{}").items() if term not in gone}
            for terms in themes[TERMS]
        ]
        freed[TERMS] = [json.dumps(terms, ensure_ascii=False) for terms in kept]
    tables = {COMMENTS: comments.assign(themes=[_renamed(t, names) for t in comments["themes"]])}
    for name in (ROWS, EFFECTS):
        if run.has(name):
            rows = run.table(name)
            tables[name] = rows.assign(subject=rows["subject"].map(lambda s: names.get(s, s)))
    tables[THEMES] = freed
    for name, table in tables.items():
        old = run.table(name)
        new = table.astype(old.dtypes)
        if not new.equals(old):
            replace_table(run.folder / f"{name}.parquet", new)
            erased.files += 1


def _without(name: str, gone: Collection[str]) -> str:
    """Return the name of a theme, or of several that are one, without some phrases."""
    parts = [
        SEPARATOR.join(phrase for phrase in part.split(SEPARATOR) if phrase.casefold() not in gone)
        for part in name.split("; ")
    ]
    return "; ".join(part for part in parts if part) or ERASED


def _renamed(themes: str, names: Mapping[str, str]) -> str:
    """Return a list of themes as JSON with other names."""
    return json.dumps(
        [names.get(own, own) for own in json.loads(themes or "[]")], ensure_ascii=False
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
