"""More files for readers: a CSV file per list, a report per CSM."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from health.presentation import wording
from health.presentation.wording import LISTS
from health.reasons.sentences import each_once
from health.report.background import Background
from health.report.history import History
from health.report.page import render_report

#: A spreadsheet runs a text that starts like this as a formula (OWASP, "CSV injection"), full-width
#: signs included. Where its list separator is another one, a cell also starts behind that.
_FORMULA = re.compile(r"(^|[;|\t\r\n])([\s\"']*)([=+\-@＝＋－＠])")
#: Put before a text that starts with a separator.
_SEPARATED = ("\t", "\r", "\n")
_MOST_LETTERS = 40


def write_list_files(folder: Path, flags: pd.DataFrame, week: pd.DataFrame | None = None) -> None:
    """Write each list as ``lists/FLAG.csv``: UTF-8, one row per flag, no text that runs.

    Parameters
    ----------
    folder : Path
        The run directory; ``lists`` is created in it.
    flags : pd.DataFrame
        The flags of the run. An empty list is a file with only its header.
    week : pd.DataFrame, optional
        As in my_week.parquet, for ``lists/my_week.csv``.
    """
    target = folder / "lists"
    target.mkdir()
    for kind in LISTS:
        own = flags[flags["flag"] == kind.flag].drop(columns="flag")
        inert_text(own).to_csv(target / f"{kind.flag}.csv", index=False, encoding="utf-8")
    if week is not None:
        inert_text(week).to_csv(target / "my_week.csv", index=False, encoding="utf-8")


def inert_text(frame: pd.DataFrame) -> pd.DataFrame:
    """Put an apostrophe before every text, or part of one, that a spreadsheet would run.

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
    if not isinstance(value, str):
        return value
    inert = _FORMULA.sub(r"\1\2'\3", value)
    return f"'{inert}" if inert.startswith(_SEPARATED) else inert


def write_csm_reports(
    folder: Path,
    tables: tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame],
    run: Mapping[str, Any],
    *,
    history: History,
    background: Background,
    week: pd.DataFrame | None = None,
) -> dict[str, str]:
    """Write a report of each CSM's own accounts to ``csm/``.

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
        Revenue, survey results, retention and past lists are of all accounts: they are left out.

    week : pd.DataFrame, optional
        As in my_week.parquet.

    Returns
    -------
    dict of str to str
        File name by CSM; accounts without a CSM are under "".
    """
    target = folder / "csm"
    target.mkdir(exist_ok=True)
    names = {}
    for csm, (scores, reasons, flags) in accounts_by_csm(*tables).items():
        ids = scores["account_id"]
        html = render_report(
            scores,
            reasons,
            flags,
            {**run, "company": csm_title(csm, run)},
            history=history.of_csm(csm, ids),
            background=of_accounts(background),
            week=None if week is None else week[week["account_id"].isin(ids)],
            csm=csm,
        )
        names[csm] = file_name(csm) + ".html"
        (target / names[csm]).write_text(html, encoding="utf-8")
    return names


def of_accounts(background: Background) -> Background:
    """Return what the background knows about single accounts, without what is about all."""
    return Background(
        owned=background.owned,
        plans=background.plans,
        nps=background.nps,
        open=background.open,
        events=background.events,
    )


def csm_title(csm: str, run: Mapping[str, Any]) -> str:
    """Return the title of a CSM's files."""
    return f"{csm or 'No CSM named'}, {run['company']}".rstrip(", ")


def accounts_by_csm(
    scores: pd.DataFrame, reasons: pd.DataFrame, flags: pd.DataFrame
) -> dict[str, tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]]:
    """Split the tables of a run by CSM, in the order of their names; "" is no CSM."""
    owner = each_once(scores["csm"], wording.text_of)
    of_account = dict(zip(scores["account_id"], owner, strict=True))
    rows = [
        (frame, frame.groupby(frame["account_id"].map(of_account)).indices)
        for frame in (scores, reasons, flags)
    ]
    parts = {}
    for csm in sorted(owner.unique()):
        own = [frame.iloc[places.get(csm, [])] for frame, places in rows]
        parts[csm] = (own[0], own[1], own[2])
    return parts


def file_name(text: str) -> str:
    """Return a file name that is safe on every system and differs where the text does.

    Examples
    --------
    >>> file_name("Ana/Luis Pérez"), file_name("../..")
    ('ana-luis-perez-31d816b0', 'x-0cfd1c96')
    """
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    letters = re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")[:_MOST_LETTERS]
    mark = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{letters.strip('-') or 'x'}-{mark}"
