"""The CSMs' part of the report: a list per kind of flag, and the details of each account."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from health.business.kinds import business_of
from health.presentation import wording
from health.presentation.wording import ListKind

#: Most rows of all lists together; what has the lowest rank stays, the workbook holds them all.
MOST_ROWS = 4000


@dataclass(frozen=True)
class Row:
    """One row of a list, worded; `*_sort` are what its columns are sorted by."""

    account: int
    csm: int
    name: str
    under: str
    mrr: str
    mrr_sort: float
    band: wording.Band
    score: str
    score_sort: float
    change: str
    chance: str
    chance_sort: float
    usual: str
    value: str
    value_sort: float
    product: str
    reasons: list[str]
    play: str
    renewal: str
    renewal_sort: float
    since: str
    since_sort: int


@dataclass(frozen=True)
class FlagList:
    """A list as the page shows it."""

    kind: ListKind
    rows: list[Row]
    total: int
    play: str
    note: str


@dataclass(frozen=True)
class Lists:
    """All lists, the CSMs named in them, and the accounts whose details are wanted.

    Attributes
    ----------
    lists : list of FlagList
    csms : list of str
        Sorted; empty text stands for accounts without a CSM.
    accounts : pd.Series of str
        account_id in the order of `Row.account`.
    left_out : int
        Rows that the page has no room for.
    """

    lists: list[FlagList]
    csms: list[str]
    accounts: pd.Series[str]
    left_out: int


def build_lists(scores: pd.DataFrame, flags: pd.DataFrame, run: Mapping[str, Any]) -> Lists:
    """Word the rows of every list."""
    shown = flags.sort_values("rank", kind="stable").head(MOST_ROWS)
    own = scores[scores["account_id"].isin(shown["account_id"])].drop(columns=["name", "csm"])
    own = own.drop_duplicates("account_id")
    rows = shown.merge(own, on="account_id", how="left")
    accounts = pd.Series(rows["account_id"].drop_duplicates().to_numpy(dtype=object), dtype=object)
    csms = sorted({wording.text_of(name) for name in rows["csm"]}, key=str.casefold)
    context = _Context(
        run,
        {account: number for number, account in enumerate(accounts)},
        {csm: number for number, csm in enumerate(csms)},
    )
    kinds = business_of(run).lists
    lists = [_list(kind, rows[rows["flag"] == kind.flag], flags, context) for kind in kinds]
    return Lists(lists, csms, accounts, len(flags) - len(rows))


@dataclass(frozen=True)
class _Context:
    """What wording a row needs beside the row."""

    run: Mapping[str, Any]
    accounts: Mapping[str, int]
    csms: Mapping[str, int]


def _list(kind: ListKind, rows: pd.DataFrame, flags: pd.DataFrame, context: _Context) -> FlagList:
    ordered = rows.sort_values(["value", "account_id"], ascending=[False, True])
    plays = {wording.text_of(play) for play in ordered["suggested_play"]}
    play = plays.pop() if len(plays) == 1 else ""
    worded = [_row(kind, row, context, play) for row in ordered.to_dict("records")]
    total = int((flags["flag"] == kind.flag).sum())
    return FlagList(kind, worded, total, play, _note(kind, context.run))


def _note(kind: ListKind, run: Mapping[str, Any]) -> str:
    """Say where no model stands behind the list's probabilities."""
    judged = run.get("evaluation", {}).get(kind.output)
    by_orders = run.get("evaluation", {}).get("order")
    if by_orders and kind.output == "churn" and not by_orders["has_signal"]:
        return (
            "No chance of having left is published, for the orders do not tell it. The list rests "
            "on the health score."
        )
    if not judged or judged.get("has_signal", True):
        return ""
    return (
        "No model stands behind this list: the past shows no signal, so the chance shown is the "
        "usual rate. The list rests on rules and the health score."
    )


def _row(kind: ListKind, row: Mapping[Any, Any], context: _Context, common_play: str) -> Row:
    run, account = context.run, row["account_id"]
    name, csm = wording.text_of(row["name"]), wording.text_of(row["csm"])
    under = [account if name else "", csm, wording.text_of(row["segment"])]
    play = wording.text_of(row["suggested_play"])
    return Row(
        account=context.accounts[account],
        csm=context.csms[csm],
        name=name or str(account),
        under=" · ".join(part for part in under if part),
        mrr=wording.money(row["mrr"], run["currency"]),
        mrr_sort=row["mrr"],
        band=wording.band_of(row["health_band"]),
        score=wording.score(row["health_score"]),
        score_sort=row["health_score"],
        change=_moved(row["health_change"]),
        chance=wording.percent(row["probability"]),
        chance_sort=row["probability"],
        usual=wording.percent(row["base_rate"]),
        value=wording.money(row["value"], run["currency"]),
        value_sort=row["value"],
        product=wording.text_of(row["product"]),
        reasons=[part for part in wording.text_of(row["reasons"]).split("; ") if part],
        play="" if play == common_play else play,
        renewal=wording.renewal(row["days_to_renewal"]),
        renewal_sort=row["days_to_renewal"],
        since=wording.since(row["since"], run["as_of"]),
        since_sort=(pd.Timestamp(run["as_of"]) - pd.Timestamp(row["since"])).days,
    )


def _moved(change: float) -> str:
    """Say a change of the score, with an arrow; nothing where it stood still."""
    if math.isnan(change) or abs(change) < 0.5:
        return ""
    arrow = "↑" if change > 0 else "↓"
    return f"{arrow} {wording.points(change, signed=True)}"
