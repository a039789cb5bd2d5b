"""The background of a run's pages, stored with the run so that they can be written again.

What is about all accounts is `background.json`; what is about one account is read from the run's
other tables, from which an account or a person can be erased.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import pandas as pd

from features.errors import HealthError
from features.tables.regular_files import read_regular
from health.presentation import wording
from health.renewals.outlook import Outlook, stored_outlook
from health.report.account_tables import nps_score
from health.report.background import (
    Background,
    Voice,
    latest_events,
    of_contracts,
    open_products,
    plans_of,
)
from health.report.revenue import RevenueMovements
from health.runs.directory import PublishedRun

BACKGROUND = "background.json"
_RETENTION = ("retention", "retention_by_segment")


def write_background(folder: Path, background: Background) -> None:
    """Write what a background has about all accounts to ``background.json``."""
    content = {
        "revenue": _records(background.revenue, "period"),
        "periods": _records({str(k): v for k, v in background.periods.items()}, "period"),
        "voice": _records({voice.kind: voice for voice in background.voice}, "period"),
        **{name: _of_frame(getattr(background, name)) for name in _RETENTION},
    }
    text = json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False)
    (folder / BACKGROUND).write_text(text + "\n", encoding="utf-8")


def read_background(
    run: PublishedRun, scores: pd.DataFrame, info: Mapping[str, Any], accounts: Collection[str]
) -> Background:
    """Return the background of a published run, from what is stored with it.

    Parameters
    ----------
    run : PublishedRun
        The run; what an earlier version did not write is left out.
    scores : pd.DataFrame
        Its scores.
    info : mapping
        Its run.json.
    accounts : collection of str
        Accounts whose products, plans, tickets and answers are shown.

    Raises
    ------
    HealthError
        A stored file cannot be read.
    """
    stored = _stored(run)
    day = pd.Timestamp(run.as_of)
    contracts = _table(run, "contracts", accounts)
    events = _table(run, "events", accounts)
    monitor = run.table("monitor") if run.has("monitor") else pd.DataFrame()
    return Background(
        revenue={name: RevenueMovements(**own) for name, own in stored["revenue"].items()},
        periods={
            pd.Timestamp(end): RevenueMovements(**own) for end, own in stored["periods"].items()
        },
        voice=tuple(Voice(**own) for own in stored["voice"].values()),
        **{name: stored[name] for name in _RETENTION},
        owned={} if contracts.empty else of_contracts(contracts, "product"),
        plans={} if contracts.empty else plans_of(contracts),
        nps=_nps(events),
        open=open_products(_table(run, "whitespace", accounts), accounts),
        monitor=monitor,
        outlook=_outlook(run, scores, info),
        events=Background().events if events.empty else latest_events(events, day),
    )


def _records(values: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    return _of_frame(pd.DataFrame([{key: name, **asdict(own)} for name, own in values.items()]))


def _of_frame(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows as JSON has them, missing numbers as null."""
    rows: list[dict[str, Any]] = json.loads(frame.to_json(orient="records", double_precision=15))
    return rows


def _stored(run: PublishedRun) -> dict[str, Any]:
    """Read ``background.json``; all of it is empty in a run of an earlier version."""
    path = run.folder / BACKGROUND
    empty: dict[str, Any] = {"revenue": [], "periods": [], "voice": [], **dict.fromkeys(_RETENTION)}
    try:
        content = json.loads(read_regular(path)) if path.exists() else empty
        kinds = {"revenue": RevenueMovements, "periods": RevenueMovements, "voice": Voice}
        return {
            **{name: _of_records(content[name], kind) for name, kind in kinds.items()},
            **{name: _retention(content[name]) for name in _RETENTION},
        }
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise HealthError(
            f"the background of a run's pages cannot be read: {error}",
            where=str(path),
            fix="restore the file from a backup, or score the date again with --replace",
        ) from None


def _of_records(rows: list[dict[str, Any]], kind: type[Any]) -> dict[str, dict[str, Any]]:
    names = {field.name for field in fields(kind)}
    return {
        row["period"]: {
            name: float("nan") if value is None else value
            for name, value in row.items()
            if name in names
        }
        for row in rows
    }


def _retention(rows: list[dict[str, Any]] | None) -> pd.DataFrame:
    frame = pd.DataFrame(rows or [])
    return frame.astype({name: float for name in frame.columns if name != "group"})


def _table(run: PublishedRun, name: str, accounts: Collection[str]) -> pd.DataFrame:
    if not run.has(name):
        return pd.DataFrame()
    table = run.table(name)
    return table[table["account_id"].isin(list(accounts))]


def _nps(events: pd.DataFrame) -> dict[str, str]:
    if events.empty:
        return {}
    answers = events[events["kind"] == "answer"]
    scored = answers.assign(score=answers["title"].map(nps_score)).dropna(subset=["score"])
    latest = scored.sort_values("at").drop_duplicates("account_id", keep="last")
    return {
        str(row["account_id"]): f"{row['score']:g} of 10 on {wording.day(row['at'])}"
        for row in latest.to_dict("records")
    }


def _outlook(run: PublishedRun, scores: pd.DataFrame, info: Mapping[str, Any]) -> Outlook:
    if "renewals" not in info or not (run.has("calls") and run.has("ledger")):
        return Outlook()
    return stored_outlook(
        info["renewals"],
        scores,
        run.table("calls"),
        run.table("ledger"),
        as_of=pd.Timestamp(run.as_of),
        horizon_days=int(info["horizon_days"]),
    )
