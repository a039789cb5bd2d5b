"""The part of the report for CSMs: the lists of the week, and every account."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from health.business.kinds import Business, business_of, with_money
from health.presentation import wording
from health.presentation.wording import ListKind
from health.report.forecast import known_to_leave

#: Most rows of all lists together: rows of the lowest rank are only in the workbook.
MOST_ROWS = 4000
#: Most accounts in the table of all accounts: the smallest ones are only in the workbook.
MOST_ACCOUNTS = 5000
#: Columns that a row of a list, of all accounts and of the week is worded from.
_OF_ACCOUNT = (
    *("account_id", "name", "csm", "segment", "mrr"),
    *("health_score", "health_band", "days_to_renewal"),
)
_OF_ROW = (
    *(*_OF_ACCOUNT, "health_change", "probability", "base_rate", "value", "offered", "product"),
    *("reasons", "reasons_share", "suggested_play", "since"),
)
_OF_ACCOUNT_ROW = (*_OF_ACCOUNT, "churn_probability", "expected_loss", "stage", "leaves")
_OF_WEEK_ROW = (
    *("account_id", "name", "csm", "segment", "mrr", "health_score", "health_band"),
    *("health_change", "rank", "main_action", "flags", "probability", "base_rate", "value"),
    *("offered", "reasons", "reasons_share", "play", "due", "last_day", "renewal_date", "since"),
    *("last_action", "last_action_at", "note"),
)


@dataclass(frozen=True)
class Row:
    """One row of a list in words; its columns are sorted by `*_sort`."""

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
    not_shown: str
    play: str
    renewal: str
    renewal_in: str
    renewal_sort: float
    since: str
    since_sort: int


@dataclass(frozen=True)
class WeekRow:
    """One account of a CSM's week in words; its columns are sorted by `*_sort`."""

    account: int
    csm: int
    rank: int
    name: str
    under: str
    action: str
    action_sort: int
    lists: str
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
    value_is: str
    offer: str
    reasons: list[str]
    not_shown: str
    play: str
    due: str
    due_is: str
    due_sort: int
    since: str
    last_action: str


@dataclass(frozen=True)
class AccountRow:
    """One row of the table of all accounts in words; its columns are sorted by `*_sort`."""

    account: int
    csm: int
    name: str
    under: str
    mrr: str
    mrr_sort: float
    band: wording.Band
    score: str
    score_sort: float
    chance: str
    chance_sort: float
    loss: str
    loss_sort: float
    stage: str
    renewal: str
    renewal_in: str
    renewal_sort: float
    lists: str


@dataclass(frozen=True)
class FlagList:
    """A list as the page shows it; `total` counts the rows that the page has no room for, too."""

    kind: ListKind
    rows: list[Row]
    total: int
    play: str
    note: str


@dataclass(frozen=True)
class Lists:
    """All lists, all accounts, the CSMs named in them, and whose details the page holds.

    Attributes
    ----------
    lists : list of FlagList
    week : list of WeekRow
        The week of all CSMs: one row per account.
    everyone : list of AccountRow
        Every account, the largest first.
    csms : list of str
        Sorted; an empty text is for accounts without a CSM.
    accounts : pd.Series of str
        account_id in the order of `Row.account`.
    left_out, accounts_left_out : int
        Rows of lists, and accounts, that the page has no room for.
    """

    lists: list[FlagList]
    week: list[WeekRow]
    everyone: list[AccountRow]
    csms: list[str]
    accounts: pd.Series[str]
    left_out: int
    accounts_left_out: int


def shown_accounts(scores: pd.DataFrame, flags: pd.DataFrame) -> pd.Series[str]:
    """Return the accounts whose details the page holds: listed ones first, then the largest.

    Parameters
    ----------
    scores, flags : pd.DataFrame
        The tables of the run directory.

    Returns
    -------
    pd.Series of str
        account_id, each once.
    """
    listed = flags.sort_values("rank", kind="stable").head(MOST_ROWS)["account_id"]
    both = pd.concat([listed, _largest(scores)["account_id"]])
    return pd.Series(both.drop_duplicates().to_numpy(dtype=object), dtype=object)


def _largest(scores: pd.DataFrame) -> pd.DataFrame:
    size = with_money(scores)["mrr"]
    if size.count() > MOST_ACCOUNTS:
        # All others are smaller than these.
        size = size[size >= size.nlargest(MOST_ACCOUNTS).iloc[-1]]
    keys = pd.DataFrame({"size": size, "account_id": scores["account_id"].loc[size.index]})
    order = keys.sort_values(["size", "account_id"], ascending=[False, True])
    return scores.loc[order.index[:MOST_ACCOUNTS]]


def build_lists(
    scores: pd.DataFrame,
    flags: pd.DataFrame,
    run: Mapping[str, Any],
    week: pd.DataFrame | None = None,
) -> Lists:
    """Format the rows of every list, of the week and of the table of all accounts.

    Parameters
    ----------
    scores, flags : pd.DataFrame
        The tables of the run directory.
    run : mapping
        Content of run.json.
    week : pd.DataFrame, optional
        As in my_week.parquet; runs of earlier versions have none.
    """
    shown = flags.sort_values("rank", kind="stable").head(MOST_ROWS)
    own = scores[scores["account_id"].isin(shown["account_id"])].drop(columns=["name", "csm"])
    own = own.drop_duplicates("account_id")
    rows = shown.merge(own, on="account_id", how="left", suffixes=("", "_of_account"))
    largest = _largest(scores).assign(leaves=known_to_leave(scores))
    accounts = shown_accounts(scores, flags)
    named = {wording.text_of(name) for name in [*rows["csm"], *largest["csm"]]}
    csms = sorted(named, key=str.casefold)
    context = _Context(
        run,
        {account: number for number, account in enumerate(accounts)},
        {csm: number for number, csm in enumerate(csms)},
    )
    kinds = business_of(run).lists
    lists = [_list(kind, rows[rows["flag"] == kind.flag], flags, context) for kind in kinds]
    titles = {kind.flag: kind.title for kind in kinds}
    lists_of = titles_by_account(flags, titles)
    everyone = [
        _account_row(row, lists_of.get(row["account_id"], ""), context)
        for row in _records(largest, _OF_ACCOUNT_ROW)
    ]
    return Lists(
        lists,
        _week(week, scores, context) if week is not None else [],
        everyone,
        csms,
        accounts,
        len(flags) - len(rows),
        len(scores) - len(largest),
    )


def titles_by_account(flags: pd.DataFrame, titles: Mapping[str, str]) -> dict[str, str]:
    """Return the titles of the lists that each account is on, in words.

    Parameters
    ----------
    flags : pd.DataFrame
        flags.parquet.
    titles : mapping of str to str
        Title by flag; other flags are left out.
    """
    found: dict[str, dict[str, None]] = defaultdict(dict)
    for account, flag in zip(flags["account_id"], flags["flag"], strict=True):
        if flag in titles:
            found[account][titles[flag]] = None
    return {account: ", ".join(names) for account, names in found.items()}


def _records(rows: pd.DataFrame, columns: tuple[str, ...]) -> list[dict[Any, Any]]:
    """Return rows one by one, with the columns that are read: each cell becomes an object."""
    return rows[[name for name in columns if name in rows]].to_dict("records")


@dataclass(frozen=True)
class _Context:
    """What wording a row needs in addition to the row."""

    run: Mapping[str, Any]
    accounts: Mapping[str, int]
    csms: Mapping[str, int]


def _list(kind: ListKind, rows: pd.DataFrame, flags: pd.DataFrame, context: _Context) -> FlagList:
    ordered = rows.sort_values(["value", "mrr", "account_id"], ascending=[False, False, True])
    plays = {wording.text_of(play) for play in ordered["suggested_play"]}
    play = plays.pop() if len(plays) == 1 else ""
    worded = [_row(kind, row, context, play) for row in _records(ordered, _OF_ROW)]
    total = int((flags["flag"] == kind.flag).sum())
    return FlagList(kind, worded, total, play, _note(kind, context.run))


def _note(kind: ListKind, run: Mapping[str, Any]) -> str:
    """State that a list is not based on a model."""
    judged = run.get("evaluation", {}).get(kind.output)
    by_orders = run.get("evaluation", {}).get("order")
    if by_orders and kind.output == "churn" and not by_orders["has_signal"]:
        return (
            "No chance of having left is published, because past orders do not predict it. This "
            "list is based on the health score."
        )
    if not judged or judged.get("has_signal", True):
        return ""
    return (
        "No model is used for this list: past data show no signal, so any chance shown is the base "
        "rate. The list is based on rules and the health score."
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
        product=wording.text_of(row.get("offered")) or wording.text_of(row["product"]),
        reasons=[part for part in wording.text_of(row["reasons"]).split("; ") if part],
        not_shown=wording.not_shown(row.get("reasons_share")),
        play="" if play == common_play else play,
        **_renewal(row, run),
        since=wording.since(row["since"], run["as_of"]),
        since_sort=(pd.Timestamp(run["as_of"]) - pd.Timestamp(row["since"])).days,
    )


def _renewal(row: Mapping[Any, Any], run: Mapping[str, Any]) -> dict[str, Any]:
    """Describe the end of a term: its date, and how far away it is."""
    days = row["days_to_renewal"]
    return {
        "renewal": wording.day_after(run["as_of"], days),
        "renewal_in": "" if math.isnan(days) else wording.renewal(days),
        "renewal_sort": days,
    }


def _account_row(row: Mapping[Any, Any], lists: str, context: _Context) -> AccountRow:
    run, account = context.run, row["account_id"]
    name, csm = wording.text_of(row["name"]), wording.text_of(row["csm"])
    under = [account if name else "", csm, wording.text_of(row["segment"])]
    leaves = bool(row["leaves"])
    return AccountRow(
        account=context.accounts[account],
        csm=context.csms[csm],
        name=name or str(account),
        under=" · ".join(part for part in under if part),
        mrr=wording.money(row["mrr"], run["currency"]),
        mrr_sort=row["mrr"],
        band=wording.band_of(row["health_band"]),
        score=wording.score(row["health_score"]),
        score_sort=row["health_score"],
        chance="gave notice" if leaves else wording.percent(row["churn_probability"]),
        chance_sort=row["churn_probability"],
        loss="" if leaves else wording.money(row["expected_loss"], run["currency"]),
        loss_sort=math.nan if leaves else row["expected_loss"],
        stage=wording.title_of(wording.text_of(row["stage"])),
        **_renewal(row, run),
        lists=lists,
    )


def week_titles(business: Business) -> list[str]:
    """Return the headings of the week's columns, in order."""
    money = [business.money, "Health", "Chance", "Value"]
    return ["#", "Account", "Action", *money, "Why, and what to do", "Due", "Since"]


def _week(week: pd.DataFrame, scores: pd.DataFrame, context: _Context) -> list[WeekRow]:
    """Describe a week: the most valuable account first, in the order of the ranks within a CSM."""
    columns = ["account_id", "segment", "health_score", "health_band", "health_change"]
    own = scores[columns].drop_duplicates("account_id")
    rows = week[week["account_id"].isin(list(context.accounts))]
    rows = rows.merge(own, on="account_id", how="left")
    # Without a probability, accounts at risk have no value to order by.
    no_value = rows.loc[rows["main_action"] == "at_risk", "value"].isna().any()
    by_rank = rows["csm"].nunique(dropna=False) == 1 or no_value
    keys, up = (["rank", "csm"], True) if by_rank else (["value", "account_id"], [False, True])
    ordered = rows.sort_values(keys, ascending=up, na_position="last", kind="stable")
    return [_week_row(row, context) for row in _records(ordered, _OF_WEEK_ROW)]


def _week_row(row: Mapping[Any, Any], context: _Context) -> WeekRow:
    run, account = context.run, row["account_id"]
    kinds = business_of(run).lists
    titles = {kind.flag: kind.title for kind in kinds}
    name, csm = wording.text_of(row["name"]), wording.text_of(row["csm"])
    under = [account if name else "", csm, wording.text_of(row["segment"])]
    flags = [flag for flag in wording.text_of(row["flags"]).split("; ") if flag]
    done = wording.text_of(row["last_action"])
    text = f"{wording.title_of(done)} on {wording.day(row['last_action_at'])}" if done else ""
    return WeekRow(
        account=context.accounts[account],
        csm=context.csms[csm],
        rank=int(row["rank"]),
        name=name or str(account),
        under=" · ".join(part for part in under if part),
        action=wording.ACTIONS.get(row["main_action"], wording.title_of(str(row["main_action"]))),
        action_sort=list(wording.ACTIONS).index(row["main_action"])
        if row["main_action"] in wording.ACTIONS
        else len(wording.ACTIONS),
        lists=", ".join(titles.get(flag, wording.title_of(flag)) for flag in flags),
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
        value_is=wording.VALUE_IS.get(row["main_action"], "expected loss")
        if row["value"] >= 0
        else "",
        offer=wording.text_of(row["offered"]),
        reasons=[part for part in wording.text_of(row["reasons"]).split("; ") if part],
        not_shown=wording.not_shown(row.get("reasons_share")),
        play=wording.text_of(row["play"]),
        due=wording.day(row["due"]),
        due_is=_due_is(row),
        due_sort=(pd.Timestamp(row["due"]) - pd.Timestamp(run["as_of"])).days,
        since=wording.since(row["since"], run["as_of"]),
        last_action=" · ".join(part for part in (text, wording.text_of(row["note"])) if part),
    )


def _due_is(row: Mapping[Any, Any]) -> str:
    """Describe what happens on the date by which a row is due."""
    if row["due"] == row["last_day"]:
        return "last day"
    return "renewal" if row["due"] == row["renewal_date"] else "end of the week"


def _moved(change: float) -> str:
    """Format a change of the score with an arrow; nothing where it did not change."""
    if math.isnan(change) or abs(change) < 0.5:
        return ""
    arrow = "↑" if change > 0 else "↓"
    return f"{arrow} {wording.points(change, signed=True)}"
