"""Read back what CSMs wrote into the workbook: outcomes, dates and notes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from features.errors import HealthError
from features.reading.workbooks import open_workbook, rows_of, uncomputed_cells
from features.tables.identifiers import normalised
from health.flags.actions import COLUMNS as ACTION_COLUMNS
from health.flags.actions import NOTE, SNOOZE
from health.presentation.wording import LISTS, MY_WEEK
from health.runs.durable import whole_file
from health.runs.lock import locked
from health.workbook.columns import OUTCOMES

#: The run that a row answers to, in addition to the columns of the table `actions`.
ANSWERS = "answers_run"
COLUMNS = (*ACTION_COLUMNS, ANSWERS)
#: Two rows that agree in these are the same answer, so a file may be imported twice.
_SAME = ["account_id", "flag", "product", "action", "until", "reason", ANSWERS]
_HEADINGS = {
    "Account id": "account_id",
    "Product": "product",
    "Outcome": "action",
    "Rest until": "until",
    "Notes": "reason",
}
_NEEDED = ("Account id", "Outcome", "Rest until", "Notes")
#: Lists of offers: an answer is about a product.
_OF_PRODUCTS = ("cross_sell", "upsell")
#: What somebody fills in by hand.
_WRITTEN = ("action", "until", "reason")


@dataclass(frozen=True)
class Imported:
    """What an import did.

    Attributes
    ----------
    added, known : int
        Rows added to the file, and rows that it already had.
    notes : int
        How many of the rows of the workbook have a note but no outcome; they count above, too.
    file : Path
        The table `actions`.
    """

    added: int
    known: int
    notes: int
    file: Path


def import_outcomes(
    workbook: Path,
    actions: Path,
    *,
    at: datetime,
    author: str = "",
    verify: Callable[[Path], None] = lambda _: None,
) -> Imported:
    """Add the outcomes of a filled-in workbook to a table of actions.

    Parameters
    ----------
    workbook : Path
        A workbook of a run, with outcomes or notes filled in by hand.
    actions : Path
        The CSV file that is the table `actions`; created if missing. It is replaced as a whole
        or not at all, and its other columns are kept.
    at : datetime
        When the outcomes count as known.
    author : str
        Who filled the workbook in.
    verify : callable
        Called with the new file before it replaces the table; raises HealthError to refuse it.

    Raises
    ------
    HealthError
        The file is not a workbook of a run, or a cell has an unknown outcome or an unreadable
        date, or `verify` refuses the rows. Nothing is written then.
    """
    rows = read_outcomes(workbook).assign(at=at, author=author or None)
    # Reading and replacing the file is one step: no other import comes in between.
    with locked(actions.parent, work="import", name=f".{actions.name}.lock"):
        before = _read_actions(actions)
        both = pd.concat([before, rows.astype(object)], ignore_index=True)
        keys = both.reindex(columns=_SAME).map(_as_text)
        fresh = ~keys.duplicated() | (both.index < len(before))
        with whole_file(actions) as made:
            both[fresh].map(_as_text).to_csv(made, index=False, encoding="utf-8")
            verify(made)
    added = int(fresh.sum()) - len(before)
    return Imported(added, len(rows) - added, int((rows["action"] == NOTE).sum()), actions)


def read_outcomes(workbook: Path) -> pd.DataFrame:
    """Return the rows of a workbook in which somebody filled something in.

    A note without an outcome has the action `note`; a date to rest until without an outcome is
    a snooze.

    Returns
    -------
    pd.DataFrame
        account_id, action, flag (None for a row that is about the account as a whole), product,
        until, reason and the date of the run that they answer to (None if the program that saved
        the file dropped it).
    """
    flags: dict[str, str | None] = {kind.title: kind.flag for kind in LISTS}
    flags = {MY_WEEK: None, **flags}
    try:
        with open_workbook(workbook) as book:
            sheets = [title for title in flags if title in book.sheetnames]
            if not sheets:
                raise HealthError(
                    f"has none of the lists {', '.join(kind.title for kind in LISTS)}",
                    where=str(workbook),
                    fix="give the flags.xlsx of a run, filled in",
                )
            found = [_sheet(workbook, flags[title], book[title]) for title in sheets]
            _refuse_other_answers(workbook, book, known=flags)
            run = _run_of(book)
            for title in sheets:
                headings = next(book[title].iter_rows(max_row=1, values_only=True), ())
                _refuse_formulas(workbook, book[title], headings)
    except OSError as error:
        raise HealthError(
            f"cannot be read: {error.strerror}", where=str(workbook), fix="check the permissions"
        ) from None
    rows = pd.DataFrame([row for rows in found for row in rows], columns=list(COLUMNS))
    return rows.assign(**{ANSWERS: run})


def _run_of(book: Any) -> str | None:
    """Return the date of the run that a workbook is of; None if the file does not have it."""
    value = next((p.value for p in book.custom_doc_props.props if p.name == "as_of"), None)
    try:
        return str(date.fromisoformat(str(value)))
    except ValueError:
        return None


def _sheet(workbook: Path, flag: str | None, sheet: Any) -> list[dict[str, Any]]:
    rows = rows_of(workbook, sheet)
    if len(rows) < 2:
        return []
    titles = [str(title).strip() for title in rows[0] if title is not None]
    places = _places(rows[0])
    needed = (*_NEEDED, "Product") if flag in _OF_PRODUCTS else _NEEDED
    missing = [title for title in needed if title not in places]
    twice = [title for title in needed if titles.count(title) > 1]
    if twice:
        raise HealthError(
            f"has the column {twice[0]} {titles.count(twice[0])} times",
            where=f"{workbook}, sheet {sheet.title}",
            fix="keep the one that is filled in",
        )
    if missing:
        raise HealthError(
            f"has no column {' and no column '.join(missing)}",
            where=f"{workbook}, sheet {sheet.title}",
            fix="keep the headings of the workbook as they were written",
        )
    answers = []
    for number, cells in enumerate(rows[1:], start=2):
        where = f"{workbook}, sheet {sheet.title}, row {number}"
        own = {name: _cell(cells, places, title) for title, name in _HEADINGS.items()}
        if any(own[name] is not None for name in _WRITTEN):
            answers.append(_answer(own, flag, where))
    return answers


def _refuse_formulas(workbook: Path, sheet: Any, headings: Sequence[Any]) -> None:
    """Refuse formulas of which the file has no value: what they stand for would be lost."""
    columns = {at + 1: title for title, at in _places(tuple(headings)).items()}
    written = {title for title, name in _HEADINGS.items() if name in _WRITTEN}
    for row, column in uncomputed_cells(workbook, sheet):
        title = columns.get(column)
        if row > 1 and title in written:
            raise HealthError(
                f"{title} is a formula without a value",
                where=f"{workbook}, sheet {sheet.title}, row {row}",
                fix="write the text or the date itself",
            )


def _places(headings: tuple[Any, ...]) -> dict[str, int]:
    """Return where each heading is."""
    return {str(title).strip(): at for at, title in enumerate(headings) if title is not None}


def _refuse_other_answers(workbook: Path, book: Any, *, known: Collection[str]) -> None:
    """Refuse answers in a sheet that is none of the lists: they would be lost without a message."""
    for sheet in book.worksheets:
        places = _places(next(sheet.iter_rows(max_row=1, values_only=True), ()))
        if sheet.title in known or not {"Account id", "Outcome"} <= places.keys():
            continue
        written = [column for column, name in _HEADINGS.items() if name in _WRITTEN]
        filled = [
            number
            for number, cells in enumerate(rows_of(workbook, sheet)[1:], start=2)
            if any(_cell(cells, places, column) is not None for column in written)
        ]
        if filled:
            raise HealthError(
                f"is none of the lists, and {len(filled):,} of its rows are filled in",
                where=f"{workbook}, sheet {sheet.title}, row {filled[0]}",
                fix=f"give the sheet its own name again, one of: {', '.join(known)}",
            )


def _cell(cells: tuple[Any, ...], places: dict[str, int], title: str) -> Any:
    place = places.get(title, len(cells))
    value = cells[place] if place < len(cells) else None
    if isinstance(value, str):
        value = value.strip()
    return None if value == "" else value


def _answer(own: dict[str, Any], flag: str | None, where: str) -> dict[str, Any]:
    action = _action(own, where)
    account = normalised(str(own["account_id"])) if own["account_id"] is not None else None
    if account is None:
        raise HealthError(
            "an outcome or a note without an account",
            where=where,
            fix="restore the column Account id",
        )
    if own["until"] is not None and not isinstance(own["until"], datetime):
        raise HealthError(
            f"{own['until']!r} is not a date", where=where, fix="write a date, or leave it empty"
        )
    product = own["product"] if flag in _OF_PRODUCTS else None
    return {
        **own,
        # A spreadsheet may have read an id of digits as a number.
        "account_id": account,
        "action": action,
        "flag": flag,
        "product": product,
        "reason": None if own["reason"] is None else str(own["reason"]),
    }


def _action(own: dict[str, Any], where: str) -> str:
    if own["action"] is None:
        return NOTE if own["until"] is None else SNOOZE
    outcome = str(own["action"]).casefold()
    if outcome not in OUTCOMES:
        raise HealthError(
            f"{own['action']!r} is not an outcome",
            where=where,
            fix=f"choose one of: {', '.join(OUTCOMES)}",
        )
    return OUTCOMES[outcome]


def _read_actions(actions: Path) -> pd.DataFrame:
    if not actions.is_file():
        return pd.DataFrame(columns=list(COLUMNS), dtype=object)
    try:
        return pd.read_csv(actions, dtype=object, keep_default_na=False, na_values=[""])
    except (ValueError, OSError) as error:
        raise HealthError(
            f"cannot be read: {str(error).splitlines()[0]}",
            where=str(actions),
            fix="repair the file, or move it away",
        ) from None


def _as_text(value: Any) -> str:
    if value is None or pd.isna(value):
        return ""
    return value.isoformat(sep=" ") if isinstance(value, datetime) else str(value)
