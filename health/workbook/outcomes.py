"""Reading back what CSMs wrote into the workbook's outcome and notes columns."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
from openpyxl.utils.exceptions import InvalidFileException

from features.errors import HealthError
from health.flags.actions import COLUMNS as ACTION_COLUMNS
from health.presentation.wording import LISTS
from health.workbook.columns import OUTCOMES

#: Which run a row answers to, beside the columns of the table `actions`.
ANSWERS = "answers_run"
COLUMNS = (*ACTION_COLUMNS, ANSWERS)
#: What makes two rows the same answer, so that a file may be imported twice.
_SAME = ["account_id", "flag", "product", "action", "until", "reason", ANSWERS]
_HEADINGS = {
    "Account id": "account_id",
    "Product": "product",
    "Outcome": "action",
    "Rest until": "until",
    "Notes": "reason",
}
_NEEDED = ("Account id", "Outcome")


@dataclass(frozen=True)
class Imported:
    """What an import did: rows added, rows that stood there before, and where."""

    added: int
    known: int
    file: Path


def import_outcomes(workbook: Path, actions: Path, *, at: datetime, author: str = "") -> Imported:
    """Add the outcomes of a filled-in workbook to a table of actions.

    Parameters
    ----------
    workbook : Path
        A workbook of a run, with outcomes chosen by hand.
    actions : Path
        The CSV file that is the table `actions`; made where it is not there. It is replaced
        whole or not at all, and its other columns are kept.
    at : datetime
        When the outcomes are taken to have been known.
    author : str
        Who filled the workbook in.

    Raises
    ------
    HealthError
        The file is no workbook of a run, or a cell holds an outcome or date that is none: then
        nothing is written.
    """
    rows = read_outcomes(workbook).assign(at=at, author=author or None)
    before = _read_actions(actions)
    both = pd.concat([before, rows.astype(object)], ignore_index=True)
    keys = both.reindex(columns=_SAME).map(_as_text)
    fresh = ~keys.duplicated() | (both.index < len(before))
    _write_whole(both[fresh], actions)
    added = int(fresh.sum()) - len(before)
    return Imported(added, len(rows) - added, actions)


def read_outcomes(workbook: Path) -> pd.DataFrame:
    """Return the rows of a workbook whose outcome is filled in.

    Returns
    -------
    pd.DataFrame
        account_id, action, flag, product, until, reason and the date of the run that they
        answer to (None where the program that saved the file has dropped it).
    """
    book = _open(workbook)
    run = next((p.value for p in book.custom_doc_props.props if p.name == "as_of"), None)
    sheets = [kind for kind in LISTS if kind.title in book.sheetnames]
    if not sheets:
        raise HealthError(
            f"holds none of the lists {', '.join(kind.title for kind in LISTS)}",
            where=str(workbook),
            fix="give the flags.xlsx of a run, filled in",
        )
    found = [_sheet(workbook, kind.flag, book[kind.title]) for kind in sheets]
    rows = pd.DataFrame([row for rows in found for row in rows], columns=list(COLUMNS))
    return rows.assign(**{ANSWERS: run})


def _open(workbook: Path) -> Any:
    try:
        return openpyxl.load_workbook(workbook, data_only=True)
    except FileNotFoundError:
        raise HealthError(
            "there is no such file", where=str(workbook), fix="check the path"
        ) from None
    except (InvalidFileException, zipfile.BadZipFile, KeyError, OSError, ValueError) as error:
        raise HealthError(
            f"not a readable workbook: {str(error).splitlines()[0]}",
            where=str(workbook),
            fix="save it as .xlsx",
        ) from None


def _sheet(workbook: Path, flag: str, sheet: Any) -> list[dict[str, Any]]:
    rows = list(sheet.iter_rows(values_only=True))
    if len(rows) < 2:
        return []
    places = {str(title): place for place, title in enumerate(rows[0]) if title is not None}
    missing = [title for title in _NEEDED if title not in places]
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
        if own["action"] is not None:
            answers.append(_answer(own, flag, where))
    return answers


def _cell(cells: tuple[Any, ...], places: dict[str, int], title: str) -> Any:
    value = cells[places[title]] if title in places else None
    if isinstance(value, str):
        value = value.strip()
    return None if value == "" else value


def _answer(own: dict[str, Any], flag: str, where: str) -> dict[str, Any]:
    outcome = str(own["action"]).casefold()
    if outcome not in OUTCOMES:
        raise HealthError(
            f"the outcome {own['action']!r} is none",
            where=where,
            fix=f"choose one of: {', '.join(OUTCOMES)}",
        )
    if own["account_id"] is None:
        raise HealthError(
            "an outcome without an account", where=where, fix="restore the column Account id"
        )
    if own["until"] is not None and not isinstance(own["until"], datetime):
        raise HealthError(
            f"{own['until']!r} is no date", where=where, fix="write a date, or leave it empty"
        )
    # A spreadsheet may have taken an id of digits for a number.
    account = own["account_id"]
    whole = isinstance(account, float) and account.is_integer()
    product = own["product"] if flag in {"cross_sell", "upsell"} else None
    return {
        **own,
        "account_id": str(int(account)) if whole else str(account),
        "action": OUTCOMES[outcome],
        "flag": flag,
        "product": product,
        "reason": None if own["reason"] is None else str(own["reason"]),
    }


def _read_actions(actions: Path) -> pd.DataFrame:
    if not actions.is_file():
        return pd.DataFrame(columns=list(COLUMNS), dtype=object)
    try:
        return pd.read_csv(actions, dtype=object, keep_default_na=False, na_values=[""])
    except (ValueError, OSError) as error:
        raise HealthError(
            f"cannot be read: {str(error).splitlines()[0]}",
            where=str(actions),
            fix="mend the file, or move it away",
        ) from None


def _as_text(value: Any) -> str:
    if value is None or pd.isna(value):
        return ""
    return value.isoformat(sep=" ") if isinstance(value, datetime) else str(value)


def _write_whole(rows: pd.DataFrame, file: Path) -> None:
    temporary = file.with_name(f".{file.name}.tmp")
    try:
        rows.map(_as_text).to_csv(temporary, index=False, encoding="utf-8")
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)
