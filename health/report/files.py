"""Files for readers beside the report itself: a CSV a list, a report a CSM."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from health.presentation import wording
from health.presentation.wording import LISTS
from health.report.background import Background
from health.report.history import History
from health.report.page import render_report

#: A text that begins so would be run as a formula by a spreadsheet (OWASP, "CSV injection").
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_MOST_LETTERS = 40


def write_list_files(folder: Path, flags: pd.DataFrame) -> None:
    """Write each list as ``lists/FLAG.csv``: UTF-8, a row a flag, text that no sheet will run.

    Parameters
    ----------
    folder : Path
        The run directory; ``lists`` is made in it.
    flags : pd.DataFrame
        The flags of the run. An empty list is a file with its header alone.
    """
    target = folder / "lists"
    target.mkdir()
    for kind in LISTS:
        own = flags[flags["flag"] == kind.flag].drop(columns="flag")
        inert_text(own).to_csv(target / f"{kind.flag}.csv", index=False, encoding="utf-8")


def inert_text(frame: pd.DataFrame) -> pd.DataFrame:
    """Put an apostrophe before every text that a spreadsheet would take for a formula.

    Examples
    --------
    >>> inert_text(pd.DataFrame({"name": ["=1+1", "Acme"], "value": [-1.0, 2.0]}))
        name  value
    0  '=1+1   -1.0
    1   Acme    2.0
    """
    texts = frame.select_dtypes(include=["object", "string", "category"])
    return frame.assign(**{str(name): texts[name].map(_inert) for name in texts})


def _inert(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def write_csm_reports(
    folder: Path,
    tables: tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame],
    run: Mapping[str, Any],
    *,
    history: History,
    background: Background,
) -> dict[str, str]:
    """Write a report of each CSM's accounts alone to ``csm/``.

    Parameters
    ----------
    folder : Path
        The run directory.
    tables : tuple of pd.DataFrame
        scores, reasons and flags of the run.
    run : mapping
        Content of run.json.
    history : History
        Earlier runs.
    background : Background
        Revenue is of the whole book, so it is left out here.

    Returns
    -------
    dict of str to str
        File name by CSM; accounts without a CSM have the one of "".
    """
    scores, reasons, flags = tables
    target = folder / "csm"
    target.mkdir()
    owner = scores["csm"].map(wording.text_of)
    names = {}
    for csm in sorted(owner.unique()):
        own = scores[owner == csm]
        ids = own["account_id"]
        past = history.scores[history.scores["account_id"].isin(ids)]
        moved = history.changes[history.changes["account_id"].isin(ids)]
        html = render_report(
            own,
            reasons[reasons["account_id"].isin(ids)],
            flags[flags["account_id"].isin(ids)],
            {**run, "company": f"{csm or 'No CSM named'}, {run['company']}".rstrip(", ")},
            history=replace(history, scores=past, changes=moved),
            background=replace(background, revenue={}, voice=()),
        )
        names[csm] = file_name(csm) + ".html"
        (target / names[csm]).write_text(html, encoding="utf-8")
    return names


def file_name(text: str) -> str:
    """Return a name that is safe as a file's on every system, and differs where the text does.

    Examples
    --------
    >>> file_name("Ana/Luis Pérez"), file_name("../..")
    ('ana-luis-perez-31d816b0', 'x-0cfd1c96')
    """
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    letters = re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")[:_MOST_LETTERS]
    mark = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{letters.strip('-') or 'x'}-{mark}"
