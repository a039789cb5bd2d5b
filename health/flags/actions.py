"""What people did about flags: calls, outcomes, and flags snoozed until a date."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import narwhals as nw
import pandas as pd

from features.errors import HealthError
from features.tables.opened import Tables
from features.tables.point_in_time import collect, known_rows
from health.settings.flags import DEFAULT_PLAYS

#: A case that ended: its flag rests until the condition has ended and started again.
OUTCOMES = ("saved", "lost", "bought", "false_alarm")
#: A flag snoozed until a date.
SNOOZE = "snooze"
#: Something that somebody wrote down; it changes no list.
NOTE = "note"
ACTIONS = ("called", *OUTCOMES, SNOOZE, NOTE)
#: Words that mean the same.
_SYNONYMS = {"not_now": SNOOZE, "snoozed": SNOOZE, "call": "called", "save": "saved", "notes": NOTE}
COLUMNS = ("account_id", "action", "at", "flag", "product", "until", "reason", "author")


def read_actions(tables: Tables, as_of: datetime) -> pd.DataFrame:
    """Return what was done before a date, oldest first.

    Parameters
    ----------
    tables : Tables
        With or without a table `actions`.
    as_of : datetime
        The date that is scored; later actions are not known.

    Returns
    -------
    pd.DataFrame
        Columns `COLUMNS`; the action is one of `ACTIONS`; flag and product are None where all of
        the account are meant.

    Raises
    ------
    HealthError
        An action or a flag is unknown, or a flag is snoozed until a time before the action.
    """
    if not tables.has("actions"):
        return no_actions()
    known = known_rows(tables, "actions", as_of)
    if tables.has("actions", "undone_at"):
        undone = nw.col("undone_at")
        known = known.filter(undone.is_null() | (undone >= as_of))
    rows = collect(known)
    for column in COLUMNS:
        if column not in rows.columns:
            rows[column] = pd.NaT if column == "until" else None
    rows["action"] = _as_codes(rows["action"]).replace(_SYNONYMS)
    rows["flag"] = _as_codes(rows["flag"])
    _refuse(rows, ~rows["action"].isin(ACTIONS), "action", f"use one of {', '.join(ACTIONS)}")
    unknown = rows["flag"].notna() & ~rows["flag"].isin(list(DEFAULT_PLAYS))
    flags = f"use one of {', '.join(DEFAULT_PLAYS)}, or leave it empty for all"
    _refuse(rows, unknown, "flag", flags)
    late = "give a date after the action until which the flag is snoozed"
    _refuse(rows, rows["until"] <= rows["at"], "until", late)
    ordered = rows.sort_values(["at", "account_id", "flag", "action"], kind="stable")
    return ordered[list(COLUMNS)].reset_index(drop=True)


def of_flags(actions: pd.DataFrame, flags: pd.DataFrame) -> pd.DataFrame:
    """Join actions with the flags they are meant for.

    Parameters
    ----------
    actions : pd.DataFrame
        As from `read_actions`.
    flags : pd.DataFrame
        account_id, flag, product, on a unique index.

    Returns
    -------
    pd.DataFrame
        `row` (the flag's place in the index), action, at, until, reason, author; oldest first.
    """
    keyed = flags[["account_id", "flag", "product"]].rename_axis("row").reset_index()
    both = actions.merge(keyed, on="account_id", suffixes=("_meant", ""))
    meant = both["flag_meant"].isna() | (both["flag_meant"] == both["flag"])
    meant &= both["product_meant"].isna() | (both["product_meant"] == both["product"])
    return both.loc[meant, ["row", "action", "at", "until", "reason", "author"]]


def _as_codes(words: pd.Series[Any]) -> pd.Series[Any]:
    """Return labels as the codes they stand for: `False alarm` becomes `false_alarm`."""
    texts = words.astype("string").str.strip().str.lower().str.replace(r"[\s-]+", "_", regex=True)
    spelt = [None if pd.isna(text) or not text else str(text) for text in texts]
    return pd.Series(spelt, index=words.index, dtype=object)


def _refuse(rows: pd.DataFrame, wrong: pd.Series[bool], column: str, fix: str) -> None:
    if not wrong.any():
        return
    example = rows[wrong].iloc[0]
    raise HealthError(
        f"{int(wrong.sum()):,} of {len(rows):,} rows have an unusable {column}; "
        f"e.g. {example[column]} of account {example['account_id']}",
        where=f"actions.{column}",
        fix=fix,
    )


def no_actions() -> pd.DataFrame:
    """Return the empty result of `read_actions`."""
    times = dict.fromkeys(("at", "until"), "datetime64[us]")
    return pd.DataFrame(columns=list(COLUMNS), dtype=object).astype(times)
