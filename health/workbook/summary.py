"""The summary of the workbook: accounts by band, the lists and the legend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from health.business.kinds import business_of
from health.presentation import wording
from health.presentation.wording import BANDS
from health.reasons.sentences import each_once
from health.report.forecast import known_to_leave
from health.workbook.cells import MOST_ROWS, write_cell
from health.workbook.columns import list_columns, week_columns


@dataclass(frozen=True)
class _Block:
    """A small table: a heading row, then rows of values; one style per column."""

    head: Sequence[str]
    styles: Sequence[str]
    rows: Sequence[Sequence[Any]]


def write_summary(
    sheet: Any,
    formats: Mapping[str, Any],
    scores: pd.DataFrame,
    rows: pd.DataFrame,
    run: Mapping[str, Any],
    *,
    for_csm: bool = False,
) -> None:
    """Write the summary and legend.

    Parameters
    ----------
    sheet : xlsxwriter worksheet
        An empty sheet.
    formats : mapping of str to xlsxwriter format
        The cell formats by style.
    scores, rows : pd.DataFrame
        The accounts, and the flags joined with them.
    run : mapping
        Content of run.json.
    for_csm : bool
        Leave out what only operators need.
    """
    sheet.hide_gridlines(2)
    sheet.set_column(0, 0, 30)
    sheet.set_column(1, 2, 16)
    sheet.set_column(3, 3, 22)
    sheet.set_column(4, 4, 90)
    title = wording.text_of(run["company"]) or "Customer health"
    sheet.write_string(0, 0, title, formats["title"])
    days = run["horizon_days"]
    about = f"As of {wording.day(run['as_of'])}, for the next {days} days."
    sheet.write_string(1, 0, about, formats["about"])
    at = 3
    terms = _terms(run, for_csm=for_csm)
    for block in (_book(scores, run), _lists(rows, run), _legend(run), terms):
        at = _write_block(sheet, at, block, formats) + 1
    sheet.set_landscape()
    sheet.set_paper(9)
    sheet.fit_to_pages(1, 0)


def _write_block(sheet: Any, at: int, block: _Block, formats: Mapping[str, Any]) -> int:
    for place, (title, style) in enumerate(zip(block.head, block.styles, strict=True)):
        heading = "heading" if style == "text" else "heading_right"
        sheet.write_string(at, place, title, formats[heading])
    for row, values in enumerate(block.rows, start=at + 1):
        for place, (value, style) in enumerate(zip(values, block.styles, strict=True)):
            write_cell(sheet, row, place, value, formats, style)
    return at + len(block.rows) + 1


def _book(scores: pd.DataFrame, run: Mapping[str, Any]) -> _Block:
    unit = f" ({run['currency']})" if run["currency"] else ""
    bands = each_once(scores["health_band"], lambda name: wording.band_of(name).name)
    leaves = scores.loc[known_to_leave(scores), ["mrr"]]
    # Selecting rows copies all their columns.
    scores = scores[["mrr", "expected_loss"]]
    parts = [(f"{b.letter}  {b.title}", scores[bands == b.name]) for b in BANDS]
    rows = [
        (title, len(own), own["mrr"].sum(), own["expected_loss"].sum(min_count=1))
        for title, own in [*parts, ("All accounts", scores)]
    ]
    if business_of(run).has_terms:
        # Part of the bands above; a probability and an expected loss are for the others only.
        rows.append(("of these known to leave", len(leaves), leaves["mrr"].sum(), None))
    if len(scores) > MOST_ROWS:
        largest = scores["mrr"].nlargest(MOST_ROWS)
        rows.append(("of these on the sheet All accounts", MOST_ROWS, largest.sum(), None))
    head = (
        "Accounts by band",
        "Accounts",
        f"{business_of(run).money}{unit}",
        f"Expected loss{unit}",
    )
    return _Block(head, ("text", "whole", "money", "money"), rows)


def _lists(rows: pd.DataFrame, run: Mapping[str, Any]) -> _Block:
    unit = f" ({run['currency']})" if run["currency"] else ""
    business = business_of(run)
    own = {kind.flag: rows[rows["flag"] == kind.flag] for kind in business.lists}
    made = [
        (
            k.title,
            len(own[k.flag]),
            own[k.flag]["value" if k.value else "mrr"].sum(min_count=1),
            f"{k.value}, a year" if k.value else business.money,
            k.about + _cut(len(own[k.flag])),
        )
        for k in business.lists
    ]
    head = ("Lists", "Accounts", f"Money{unit}", "Money is", "Who is on the list")
    return _Block(head, ("text", "whole", "money", "text", "text"), made)


def _cut(rows: int) -> str:
    """State how many rows of a long list its sheet has; nothing where it has all of them."""
    return f" The sheet has the first {MOST_ROWS:,}." if rows > MOST_ROWS else ""


def _legend(run: Mapping[str, Any]) -> _Block:
    sheets = [list_columns(kind, run) for kind in business_of(run).lists]
    meanings: dict[str, str] = {}
    for column in (c for columns in [*sheets, week_columns(run)] for c in columns):
        meanings.setdefault(column.title, column.meaning)
    return _Block(("Column", "Meaning"), ("text", "text"), list(meanings.items()))


def _terms(run: Mapping[str, Any], *, for_csm: bool) -> _Block:
    clv = run["clv"]
    rows = [
        ("Lifetime value: horizon", f"{clv['horizon_months']} months"),
        ("Lifetime value: margin", wording.percent(clv["margin"])),
        ("Lifetime value: discount rate", f"{wording.percent(clv['discount_rate'])} a year"),
        ("Currency", clv["currency"]),
    ]
    if not for_csm:
        rows += [
            ("Model version", wording.text_of(run["model_version"])),
            ("Configuration", wording.text_of(run["config_hash"])),
        ]
    return _Block(("Terms of this run", ""), ("text", "text"), rows)
