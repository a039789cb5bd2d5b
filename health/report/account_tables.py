"""What an account's page shows of the input tables: contracts, contacts and a year of events."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import narwhals as nw
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from features.tables.opened import Tables
from features.tables.point_in_time import collect, known_rows, seen
from features.tables.survey_scales import SCALES, default_scale
from features.windows.contracts import running_contracts
from health.presentation import wording
from health.reasons.sentences import each_once

#: Days of events that are published, and the most events of one account.
YEAR, MOST_EVENTS = 365, 300
CONTRACT_COLUMNS = (
    *("account_id", "product", "plan", "seats", "mrr"),
    *("started_at", "renews_at", "notice_at"),
)
_TIME = "datetime64[us]"
#: The tables that events come from.
_OF_EVENTS = ("tickets", "surveys", "subscriptions", "orders", "interventions", "interactions")
_ALWAYS = ("account_id", "product", "mrr")
CONTACT_COLUMNS = ("account_id", "contact_id", "role", "is_champion", "created_at", "left_at")
_NPS = re.compile(r"NPS (-?\d+(?:\.\d+)?)(?: on |,|$)")
#: The columns of events, and their types in a file.
EVENT_TYPES = pa.schema(
    {
        "account_id": pa.string(),
        "at": pa.timestamp("us"),
        "kind": pa.string(),
        "title": pa.string(),
        "text": pa.string(),
        "is_open": pa.bool_(),
    }
)
EVENT_COLUMNS = tuple(EVENT_TYPES.names)


def account_tables(
    tables: Tables, day: datetime, accounts: Collection[str], *, grace_days: int
) -> dict[str, pd.DataFrame]:
    """Return the tables `contracts` and `contacts` of a run, as known before its date.

    Parameters
    ----------
    tables : Tables
        The input tables.
    day : datetime
        The date of the run.
    accounts : collection of str
        The scored accounts.
    grace_days : int
        A gap that is shorter does not end a contract.

    Returns
    -------
    dict of str to pd.DataFrame
        `contracts` with `CONTRACT_COLUMNS`, one row per running row of a subscription; `contacts`
        with `CONTACT_COLUMNS`, without those who left more than a year ago. Both are sorted by
        account, so that a page reads the rows of one.
    """
    wanted = pd.Index(accounts)
    return {
        "contracts": _contracts(tables, day, wanted, grace_days),
        "contacts": _contacts(tables, day, wanted),
    }


def account_events(
    tables: Tables, day: datetime, accounts: Collection[str], *, currency: str, parts: int = 1
) -> Iterator[pd.DataFrame]:
    """Yield the table `events` of a run in parts of the accounts: the events of a year are many.

    Parameters
    ----------
    tables, day, accounts
        As for `account_tables`.
    currency : str
        Of the amounts in titles.
    parts : int
        How many; more than one only for tables that `parts_of` divides.

    Yields
    ------
    pd.DataFrame
        `EVENT_COLUMNS`, by account and the newest first within one.
    """
    names = pd.Index(accounts).sort_values()
    for places in np.array_split(np.arange(len(names)), parts):
        own = names[places]
        among = tables if parts == 1 else _between(tables, own)
        yield _events(among, day, own, currency)


def _between(tables: Tables, names: pd.Index[str]) -> Tables:
    """Return the tables of events, of the accounts from the first to the last of sorted names."""
    if names.empty:
        return replace(tables, frames={})
    account = nw.col("account_id")
    own = (account >= names[0]) & (account <= names[-1])
    frames = {name: tables[name].filter(own) for name in _OF_EVENTS if tables.has(name)}
    return replace(tables, frames=frames)


def _contracts(
    tables: Tables, day: datetime, accounts: pd.Index[str], grace_days: int
) -> pd.DataFrame:
    if not tables.has("subscriptions"):
        times = dict.fromkeys(("started_at", "renews_at", "notice_at"), "datetime64[us]")
        empty = pd.DataFrame(columns=list(CONTRACT_COLUMNS), dtype=object)
        return empty.astype({"seats": float, "mrr": float, **times})
    columns = [name for name in CONTRACT_COLUMNS if name not in _ALWAYS]
    frame = running_contracts(tables, day, grace_days=grace_days, columns=columns)
    for name in ("started_at", "renews_at", "notice_at"):
        frame[name] = pd.to_datetime(frame[name]).astype("datetime64[us]")
    # A notice that is given later is not known yet; no seats are none that are counted.
    frame["notice_at"] = frame["notice_at"].where(frame["notice_at"] < pd.Timestamp(day))
    frame["seats"] = frame["seats"].where(frame["seats"] > 0)
    own = frame[frame["account_id"].isin(accounts) & (frame["mrr"] > 0)]
    ordered = own.sort_values(["account_id", "product", "started_at", "mrr"], kind="stable")
    return ordered[list(CONTRACT_COLUMNS)].reset_index(drop=True)


def _contacts(tables: Tables, day: datetime, accounts: pd.Index[str]) -> pd.DataFrame:
    types = {"is_champion": "boolean", "created_at": _TIME, "left_at": _TIME}
    if not tables.has("contacts"):
        return pd.DataFrame(columns=list(CONTACT_COLUMNS), dtype=object).astype(types)
    left = seen("left_at", day) if tables.has("contacts", "left_at") else nw.lit(None)
    frame = collect(
        known_rows(tables, "contacts", day).select(
            *("account_id", "contact_id", "created_at"),
            _optional(tables, "contacts", "role", nw.String()),
            _optional(tables, "contacts", "is_champion", nw.Boolean()),
            left.cast(nw.Datetime("us")).alias("left_at"),
        )
    )
    frame = frame.astype(types)
    recent = frame["left_at"].isna() | (frame["left_at"] >= day - timedelta(days=YEAR))
    own = frame[frame["account_id"].isin(accounts) & recent]
    ordered = own.sort_values(["account_id", "contact_id", "created_at"], kind="stable")
    return ordered[list(CONTACT_COLUMNS)].reset_index(drop=True)


def _events(tables: Tables, day: datetime, names: pd.Index[str], currency: str) -> pd.DataFrame:
    """Return the events of accounts, whose names are sorted."""
    since = day - timedelta(days=YEAR)
    frames = [
        _tickets(tables, day, since),
        _answers(tables, day, since),
        _contract_changes(tables, day, since, currency),
        _notices(tables, day, since),
        _orders(tables, day, since, currency),
        _interventions(tables, day, since),
        _interactions(tables, day, since),
    ]
    events = pd.concat([f for f in frames if len(f)] or [_nothing()], ignore_index=True)
    codes, distinct = pd.factorize(events["account_id"], use_na_sentinel=False)
    number = names.get_indexer(distinct)[codes]
    events, number = events[number >= 0], number[number >= 0]
    events["is_open"] = events["is_open"].astype(bool)
    order = _newest_first(events, number)
    number = number[order]
    place = pd.Series(number).groupby(number, sort=False).cumcount().to_numpy()
    # An open ticket is shown however many events came after it.
    is_shown = (place < MOST_EVENTS) | events["is_open"].to_numpy()[order]
    shown: pd.DataFrame = events.iloc[order[is_shown]]
    # All events of a year are many: another copy takes as long as choosing them.
    shown.index = pd.RangeIndex(len(shown))
    return shown


def _newest_first(events: pd.DataFrame, number: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """Return the places of events by number of the account, the newest first, by kind and title."""
    at, kind = -events["at"].to_numpy().astype(np.int64), pd.factorize(events["kind"], sort=True)[0]
    keys = (kind, at, number)
    order = np.lexsort(keys)
    # Titles are many: those that decide nothing are not compared.
    same = np.logical_and.reduce([np.diff(key[order]) == 0 for key in keys])
    tied = np.zeros(len(order), dtype=bool)
    tied[1:] |= same
    tied[:-1] |= same
    own = order[tied]
    title = pd.factorize(events["title"].to_numpy()[own], sort=True)[0]
    order[tied] = own[np.lexsort((title, *(key[own] for key in keys)))]
    return order


def _tickets(tables: Tables, day: datetime, since: datetime) -> pd.DataFrame:
    if not tables.has("tickets"):
        return _nothing()
    ends = [c for c in ("solved_at", "closed_at") if tables.has("tickets", c)]
    rows = known_rows(tables, "tickets", day).select(
        *("account_id", "ticket_id", "opened_at"),
        *(seen(column, day) for column in ends),
        _optional(tables, "tickets", "priority", nw.String()),
        _optional(tables, "tickets", "subject", nw.String()),
    )
    recent = nw.col("opened_at") >= since
    if ends:
        recent |= nw.all_horizontal(*(nw.col(end).is_null() for end in ends), ignore_nulls=False)
    table = rows.filter(recent).collect("pyarrow").to_native()
    # No two identifiers are equal: looking for repeated ones would take longer than all else.
    title = "Ticket " + table.column("ticket_id").to_pandas(deduplicate_objects=False)
    frame = table.drop_columns("ticket_id").to_pandas()
    ended = pd.Series(pd.NaT, index=frame.index, dtype="datetime64[us]")
    for column in ends:
        ended = ended.fillna(frame[column])
    is_open = ended.isna() if ends else pd.Series(False, index=frame.index)
    title += each_once(frame["priority"], _in_brackets)
    if ends:
        title += solved_after((ended - frame["opened_at"]).dt.total_seconds() / 86_400)
    return _made(frame, "opened_at", "ticket", title, frame["subject"], is_open)


def _in_brackets(text: object) -> str:
    return f" ({str(text).lower()})" if wording.text_of(text) else ""


def solved_after(days: pd.Series[float]) -> pd.Series[str]:
    """Write how long tickets were open; NaN for those that still are."""
    # A span of whole days has the text of all that round to it.
    rounded = days.round().where(days < wording.WEEKS_FROM - 1, days)
    return each_once(rounded.mask(days < 1, 0.0), _solved)


def _solved(days: float) -> str:
    if math.isnan(days):
        return ", still open"
    return f", solved {f'after {wording.span(days)}' if days >= 1 else 'within a day'}"


def _answers(tables: Tables, day: datetime, since: datetime) -> pd.DataFrame:
    if not tables.has("surveys"):
        return _nothing()
    rows = known_rows(tables, "surveys", day).filter(nw.col("answered_at") >= since)
    frame = collect(
        rows.select(
            *("account_id", "kind", "answered_at"),
            _optional(tables, "surveys", "score", nw.Float64()),
            _optional(tables, "surveys", "scale", nw.String()),
            _optional(tables, "surveys", "role", nw.String()),
            _optional(tables, "surveys", "comment", nw.String()),
        )
    )
    score = frame["score"].map("{:g}".format, na_action="ignore").astype(object)
    scale = frame["scale"].fillna(each_once(frame["kind"].str.lower(), usual_scale))
    title = frame["kind"].str.upper() + (" " + score).fillna(" without a score")
    title += (" on " + scale).where((scale != "") & score.notna(), "")
    title += (", " + frame["role"]).fillna("")
    return _made(frame, "answered_at", "answer", title, frame["comment"])


def usual_scale(kind: str) -> str:
    """Return the scale of a kind of survey that declares none; empty for a kind of its own."""
    return default_scale(kind) if kind in SCALES else ""


def nps_score(title: str) -> float:
    """Return the score in the title of an NPS answer; NaN for any other title.

    Examples
    --------
    >>> nps_score("NPS 9 on 0-10, admin"), nps_score("NPS without a score")
    (9.0, nan)
    """
    found = _NPS.match(title)
    return float(found[1]) if found else float("nan")


def _contract_changes(
    tables: Tables, day: datetime, since: datetime, currency: str
) -> pd.DataFrame:
    """Return what began, changed in price, seats or plan, and ended."""
    if not tables.has("subscriptions"):
        return _nothing()
    frame = collect(
        known_rows(tables, "subscriptions", day).select(
            *("account_id", "product", "mrr", "started_at"),
            seen("ended_at", day),
            _optional(tables, "subscriptions", "plan", nw.String()),
            _optional(tables, "subscriptions", "seats", nw.Float64()),
        )
    ).sort_values(["account_id", "product", "started_at", "mrr"], kind="stable", ignore_index=True)
    by_contract = frame.groupby(["account_id", "product"], sort=False)
    terms = ["mrr", "plan", "seats"]
    first = by_contract.cumcount() == 0
    before = by_contract[terms].shift()
    same = [(frame[t] == before[t]) | (frame[t].isna() & before[t].isna()) for t in terms]
    changed = first | ~(same[0] & same[1] & same[2])
    last = ~by_contract.cumcount(ascending=False).astype(bool)
    ending = frame[last & (frame["ended_at"] >= since)]
    over = _made(ending, "ended_at", "contract", ending["product"] + " ended", None)
    # Only what is shown is put into words.
    shown = changed & (frame["started_at"] >= since)
    frame, before, first = frame[shown], before[shown], first[shown]
    what = frame["product"] + (", " + frame["plan"]).fillna("")
    # Of nothing but gaps, the mapped column would stay one of numbers.
    seats = frame["seats"].map("{:g}".format, na_action="ignore").astype(object)
    what += (", " + seats + " seats").fillna("")
    price = each_once(frame["mrr"], lambda mrr: wording.money(mrr, currency)) + " a month"
    then = before["mrr"].map(lambda mrr: wording.money(mrr, currency), na_action="ignore")
    then = then.astype(object)
    title = what + ": " + price + (" (before: " + then + ")").where(~first, "").fillna("")
    started = _made(frame, "started_at", "contract", title, None)
    return pd.concat([started, over], ignore_index=True)


def _notices(tables: Tables, day: datetime, since: datetime) -> pd.DataFrame:
    if not tables.has("subscriptions", "notice_at"):
        return _nothing()
    rows = known_rows(tables, "subscriptions", day)
    rows = rows.filter((nw.col("notice_at") < day) & (nw.col("notice_at") >= since))
    frame = collect(rows.select("account_id", "product", "notice_at")).drop_duplicates()
    return _made(frame, "notice_at", "notice", "Notice given: " + frame["product"], None)


def _orders(tables: Tables, day: datetime, since: datetime, currency: str) -> pd.DataFrame:
    if not tables.has("orders"):
        return _nothing()
    rows = known_rows(tables, "orders", day).filter(nw.col("ordered_at") >= since)
    product = _optional(tables, "orders", "product", nw.String())
    frame = collect(rows.select("account_id", "ordered_at", "amount", product))
    amount = frame["amount"].map(lambda value: wording.money(value, currency))
    title = "Order of " + amount + (", " + frame["product"]).fillna("")
    return _made(frame, "ordered_at", "order", title, None)


def _interventions(tables: Tables, day: datetime, since: datetime) -> pd.DataFrame:
    if not tables.has("interventions"):
        return _nothing()
    rows = known_rows(tables, "interventions", day).filter(nw.col("occurred_at") >= since)
    csm = _optional(tables, "interventions", "csm", nw.String())
    frame = collect(rows.select("account_id", "occurred_at", "kind", csm))
    title = frame["kind"].map(wording.title_of) + (" by " + frame["csm"]).fillna("")
    return _made(frame, "occurred_at", "action", title, None)


def _interactions(tables: Tables, day: datetime, since: datetime) -> pd.DataFrame:
    """Return calls, meetings and emails with the customer."""
    if not tables.has("interactions"):
        return _nothing()
    rows = known_rows(tables, "interactions", day).filter(nw.col("occurred_at") >= since)
    frame = collect(
        rows.select(
            *("account_id", "occurred_at", "kind"),
            _optional(tables, "interactions", "direction", nw.String()),
            _optional(tables, "interactions", "contact_id", nw.String()),
            _optional(tables, "interactions", "csm", nw.String()),
        )
    )
    ways = {"in": " from the customer", "out": " to the customer"}
    way = frame["direction"].str.strip().str.lower().map(ways).fillna("")
    # A meeting has no direction for a reader.
    met = frame["kind"].str.strip().str.lower() == "meeting"
    way = way.where(~met, " with the customer")
    title = frame["kind"].map(wording.title_of) + way
    title += (", contact " + frame["contact_id"]).fillna("") + (", " + frame["csm"]).fillna("")
    return _made(frame, "occurred_at", "interaction", title, None)


def _made(
    frame: pd.DataFrame,
    at: str,
    kind: str,
    title: pd.Series[str],
    text: pd.Series[str] | None,
    is_open: pd.Series[bool] | None = None,
) -> pd.DataFrame:
    columns: Mapping[str, Any] = {
        "account_id": frame["account_id"],
        "at": frame[at].astype("datetime64[us]"),
        "kind": kind,
        "title": title,
        "text": "" if text is None else text.fillna(""),
        "is_open": False if is_open is None else is_open,
    }
    return pd.DataFrame(columns, index=frame.index, copy=False)


def _nothing() -> pd.DataFrame:
    return pd.DataFrame(columns=list(EVENT_COLUMNS), dtype=object).astype(
        {"at": "datetime64[us]", "is_open": bool}
    )


def _optional(tables: Tables, table: str, column: str, kind: Any) -> nw.Expr:
    return nw.col(column) if tables.has(table, column) else nw.lit(None, dtype=kind).alias(column)
