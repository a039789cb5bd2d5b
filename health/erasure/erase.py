"""`health erase`: one customer or person, removed from all that the product has stored."""

from __future__ import annotations

import io
import json
import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
from sqlalchemy.engine import make_url

from features.errors import HealthError
from features.tables.casting import quoted
from features.tables.identifiers import normalised
from features.tables.regular_files import read_regular
from health.app.access.users import find_user
from health.app.records.erase import erase_account, erase_person, free_texts
from health.app.serve import open_app_database
from health.business.app_database import database_url
from health.business.company import ACTIONS_FILE
from health.erasure.stored_databases import erase_from_schemas, erase_from_table
from health.erasure.stored_files import (
    Erased,
    erase_from_file,
    erase_from_folder,
    mentions,
    remove_page,
    stored_files,
)
from health.erasure.stored_runs import erase_from_run, find_stored_runs, has_comments_of
from health.erasure.subject import Subject
from health.publishing.publish import TABLES
from health.publishing.targets import compact, empty_journal, transaction
from health.runs.durable import write_whole
from health.runs.leftovers import clean_up
from health.runs.lock import locked, only_run
from health.settings.config import Config
from health.settings.secrets import secret
from health.training import registry
from health.voice.tables import COMMENTS

#: What was erased and when, without who it was.
RECORD = "erasures.jsonl"
#: Who is being erased; it is there while an erasure is not complete.
_NOTED = ".erasing"


def erase(config: Config, identifier: str, *, kind: str, now: datetime, by: str) -> Erased:
    """Remove an account or a person from everything that is stored.

    That is runs (published, replaced, refused and restated), backtests, pages, workbooks and
    lists, kept roll-ups, held-out rows of model versions, files of changed accounts, the table of
    actions, the app's database and its backups, and the database of `[publish]`. The tables of
    the company are its own: they are not changed. Pages of runs are written again from what is
    left. A kill is repaired by calling it again.

    Parameters
    ----------
    config : Config
        The configuration.
    identifier : str
        Of the account, or of the person as surveys, tickets, usage, contacts or the app have it.
    kind : str
        ``"account"`` or ``"person"``.
    now : datetime
        The time, for the record.
    by : str
        Who erases, for the record.

    Raises
    ------
    HealthError
        Another command is at work, or something cannot be written.
    """
    known = normalised(identifier)
    if known is None:
        raise HealthError("no identifier", where="health erase", fix="give the account's id")
    erased = Erased()
    with ExitStack() as locks, _unfinished_is_reported(config.runs_dir):
        locks.enter_context(only_run(config.runs_dir, wait=False))
        locks.enter_context(locked(config.runs_dir, work="publication", name=".publish.lock"))
        clean_up(config.runs_dir)
        found = _names(config, known) if kind == "account" else _name_of_user(config, known, now)
        names = _noted_names(config.runs_dir, kind, known, found)
        texts = _known_texts(config, kind)
        subject = Subject(kind, known, names).among(texts)
        _erase_runs(config, subject, erased)
        _erase_rollups(config, erased)
        _erase_versions(config, subject, erased)
        _erase_actions(config, subject, erased)
        _erase_events(config, subject, erased)
        _erase_app(config, subject, erased, now)
        _erase_published(config, subject, erased)
        line: dict[str, object] = {
            "at": now.isoformat(timespec="seconds"),
            "by": subject.freed(by),
            "kind": kind,
            "files": erased.files,
            "rows": erased.rows,
            "rebuilt": len(erased.rebuilt),
            "removed": len(erased.removed),
        }
        record = config.runs_dir / RECORD
        before = record.read_bytes() if record.is_file() else b""
        write_whole(record, before + json.dumps(line).encode() + b"\n")
        _forget_names(config.runs_dir, kind, known)
        if not erased.rows and not erased.removed and not erased.rebuilt:
            erased.similar += sorted(
                t for t in texts if t != known and t.casefold() == known.casefold()
            )
        erased.left += [
            f"{file}: it is of an unknown kind; remove it"
            for file in sorted(stored_files(config.runs_dir))
            if mentions(file, subject)
        ]
    return erased


@contextmanager
def _unfinished_is_reported(runs_dir: Path) -> Iterator[None]:
    """Report what the disk refuses, and that a repetition goes on: some files are done by then."""
    try:
        yield
    except OSError as error:
        raise HealthError(
            f"the erasure is not complete: {error.strerror or error}",
            where=str(error.filename or runs_dir),
            fix="free some space, or grant access, then repeat the command: it goes on from there",
        ) from None


def _erase_runs(config: Config, subject: Subject, erased: Erased) -> None:
    """Free every run, with its pages, and all that is kept next to runs."""
    runs = find_stored_runs(config.runs_dir)
    page = config.runs_dir / "voice.html"
    if page.is_file() and any(has_comments_of(run, subject) for run in runs):
        remove_page(page, erased)
        erased.files += 1
    for run in runs:
        erase_from_run(run, config.runs_dir, subject, erased, quotes=config.voice.quotes)
    erase_from_folder(config.runs_dir, subject, erased, without=[run.folder for run in runs])


def _noted_names(
    runs_dir: Path, kind: str, identifier: str, names: tuple[str, ...]
) -> tuple[str, ...]:
    """Note the names until the erasure is complete; return them with those of one that was stopped.

    By then, the tables that had the name may be freed, and other texts not.
    """
    noted = _noted(runs_dir)
    known = sorted({*names, *noted.get(f"{kind} {identifier}", [])})
    write_whole(runs_dir / _NOTED, json.dumps({**noted, f"{kind} {identifier}": known}))
    return tuple(known)


def _forget_names(runs_dir: Path, kind: str, identifier: str) -> None:
    others = _noted(runs_dir)
    others.pop(f"{kind} {identifier}", None)
    if others:
        write_whole(runs_dir / _NOTED, json.dumps(others))
    else:
        (runs_dir / _NOTED).unlink(missing_ok=True)


def _noted(runs_dir: Path) -> dict[str, list[str]]:
    try:
        noted: dict[str, list[str]] = json.loads(read_regular(runs_dir / _NOTED))
    except (OSError, ValueError):
        return {}
    return noted


def _names(config: Config, account: str) -> tuple[str, ...]:
    """Return every name that a stored run has for an account."""
    names: set[str] = set()
    for run in find_stored_runs(config.runs_dir):
        if "name" not in run.columns("scores"):
            continue
        scores = run.table("scores", ["account_id", "name"])
        found = scores.loc[scores["account_id"].astype(str) == account, "name"]
        names |= {name for name in found if isinstance(name, str)}
    return tuple(sorted(names))


def _known_texts(config: Config, kind: str) -> set[str]:
    """Return the identifiers and names of all accounts, or the identifiers of all persons."""
    columns = {
        "account": (("scores", "account_id"), ("scores", "name")),
        "person": (("contacts", "contact_id"), (COMMENTS, "respondent_id")),
    }
    found: set[str] = set()
    for run in find_stored_runs(config.runs_dir):
        for table, column in columns[kind]:
            if run.has(table) and column in run.columns(table):
                found |= set(run.table(table, [column])[column].dropna().astype(str))
    return found


def _name_of_user(config: Config, login: str, now: datetime) -> tuple[str, ...]:
    """Return the full name of a user of the app, if that is who the person is.

    One word alone would be found in sentences that are not about them.
    """
    url = make_url(database_url(config.app.database, runs_dir=config.runs_dir))
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        return ()
    database = open_app_database(config, now=now)
    try:
        user = find_user(database, login)
    finally:
        database.close()
    return (user.name,) if user is not None and " " in user.name.strip() else ()


def _erase_rollups(config: Config, erased: Erased) -> None:
    """Remove the kept roll-ups: the next run makes those that it needs anew."""
    if config.rollups_dir.is_dir():
        erased.files += sum(path.is_file() for path in config.rollups_dir.rglob("*"))
        shutil.rmtree(config.rollups_dir)


def _erase_versions(config: Config, subject: Subject, erased: Erased) -> None:
    if not config.models_dir.is_dir():
        return
    with registry.changing(config.models_dir):
        for notes in ("champion.json", registry.PROMOTIONS, "*/trained.json"):
            for file in config.models_dir.glob(notes):
                erase_from_file(file, subject, erased)
        for version in registry.list_versions(config.models_dir):
            folder = config.models_dir / version.name
            rows = _free_held_out(config, version, subject)
            erased.rows += rows
            erased.files += rows > 0
            for file in sorted(folder.glob("*")) if folder.is_dir() else ():
                if file.suffix in (".joblib", ".html") and mentions(file, subject):
                    erased.left.append(f"{file}: train again, then remove the version's folder")


def _free_held_out(config: Config, version: registry.Version, subject: Subject) -> int:
    """Remove rows from a version's held-out table and seal it anew, under its new name."""
    rows = 0
    changed: dict[str, bytes] = {}
    for name in version.manifest["checksums"]:
        if name.endswith(".parquet"):
            content = registry.read_file(config.models_dir, version, name) or b""
            table, removed = subject.freed_table(_parquet(content))
            if removed:
                rows += removed
                changed[name] = _as_parquet(table)
    if changed:
        registry.reseal(config.models_dir, version, changed, key=config.model_key)
    return rows


def _parquet(content: bytes) -> pd.DataFrame:
    return pd.read_parquet(io.BytesIO(content))


def _as_parquet(table: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    table.to_parquet(buffer, index=False)
    return buffer.getvalue()


def _erase_actions(config: Config, subject: Subject, erased: Erased) -> None:
    source = config.tables.get("actions")
    file = config.base / (ACTIONS_FILE if source is None else source.path or "")
    if file.suffix == ".csv" and file.is_file():
        with locked(file.parent, work="import", name=f".{file.name}.lock"):
            erase_from_file(file, subject, erased)
    if config.publish is not None:
        erase_from_folder(config.base / config.publish.delta_dir, subject, erased)


def _erase_events(config: Config, subject: Subject, erased: Erased) -> None:
    """Free the messages of failed runs, which may give an account as an example."""
    file = config.observability.openlineage_file
    if file is not None and (config.base / file).is_file():
        erase_from_file(config.base / file, subject, erased)


def _erase_app(config: Config, subject: Subject, erased: Erased, now: datetime) -> None:
    url = make_url(database_url(config.app.database, runs_dir=config.runs_dir))
    file = Path(url.database or "") if url.get_backend_name() == "sqlite" else None
    rows = 0
    if file is None or file.is_file():
        database = open_app_database(config, now=now)
        try:
            of_kind = erase_account if subject.kind == "account" else erase_person
            rows += of_kind(database, subject.identifier, now=now)
            rows += free_texts(database, subject.freed, now=now)
            if file is None:
                rows += erase_from_schemas(database.engine, subject, prefix="backup_")
        finally:
            database.close()
    if file is not None:
        backups = sorted(file.parent.glob(f"{file.stem}.before_*{file.suffix}"))
        for backup in backups:
            rows += _erase_from_sqlite(backup, subject)
        for stored in (file, *backups):
            if stored.is_file():
                _compact(stored)
    erased.rows += rows
    erased.files += rows > 0


def _erase_from_sqlite(file: Path, subject: Subject) -> int:
    """Remove rows and mentions from every table of a backup."""
    rows = 0
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        for (table,) in tables.fetchall():
            content = pd.read_sql_query(f"SELECT rowid AS _row, * FROM {quoted(table)}", connection)
            freed, changed = subject.freed_table(content)
            if not changed:
                continue
            rows += changed
            gone = sorted(set(content["_row"]) - set(freed["_row"]))
            connection.executemany(
                f"DELETE FROM {quoted(table)} WHERE rowid = ?", [(int(r),) for r in gone]
            )
            _update(connection, table, content.set_index("_row"), freed.set_index("_row"))
        connection.execute("COMMIT")
    return rows


def _update(
    connection: sqlite3.Connection, table: str, before: pd.DataFrame, after: pd.DataFrame
) -> None:
    for column in after.columns:
        old, new = before.loc[after.index, column], after[column]
        differs = new.ne(old) & ~(new.isna() & old.isna())
        statement = f"UPDATE {quoted(table)} SET {quoted(str(column))} = ? WHERE rowid = ?"
        changes: Mapping[Any, Any] = new[differs].to_dict()
        connection.executemany(statement, [(value, int(row)) for row, value in changes.items()])


def _compact(file: Path) -> None:
    """Let the file keep nothing of the rows that were deleted.

    Raises
    ------
    HealthError
        Another program is reading it, so that the journal keeps them.
    """
    try:
        with closing(sqlite3.connect(file, isolation_level=None, timeout=10)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.execute("VACUUM")
            empty_journal(connection)
    except sqlite3.Error as error:
        raise HealthError(
            f"the rows are deleted, but the file still has them: {error}",
            where=str(file),
            fix="end the programs that have it open, such as `health serve`, and erase again",
        ) from None


def _erase_published(config: Config, subject: Subject, erased: Erased) -> None:
    """Delete rows and mentions from every table of every published run."""
    settings = config.publish
    if settings is None:
        return
    url = secret(settings.url, where="publish.url", base=config.base)
    record = f"{settings.prefix}runs"
    with transaction(url, schema=settings.schema_name, base=config.base) as target:
        if not target.exists(record):
            return
        for (as_of,) in target.run(f'SELECT "as_of" FROM {target.named(record)}'):
            for table in TABLES:
                name = f"{settings.prefix}{table}_{str(as_of).replace('-', '')}"
                if target.exists(name):
                    columns = target.text_columns(name)
                    erased.rows += erase_from_table(
                        target.run, target.named(name), columns, subject
                    )
    compact(url, base=config.base)
