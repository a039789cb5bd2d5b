"""A CSM's week: one row per account, with what is left to do and what was done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from health.app.access.roles import AccountFilter
from health.app.database.models import Action
from health.app.reading.accounts import choices, names_of, renewal_date
from health.app.reading.runs import Run, json_list
from health.app.records.entries import FINISHING
from health.app.records.read import actions_since

#: The file of the run with one row per account.
MY_WEEK = "my_week"
#: Which flag decides what is done first, where an account has several.
PRIORITY = (
    *("leaving", "silent", "at_risk", "renewal", "disagreement"),
    *("cross_sell", "upsell", "advocate"),
)
_OFFERS = frozenset({"upsell", "cross_sell"})
_MOST_REASONS = 3
#: What the money of a row or flag is: always of a year.
VALUES = {
    "upsell": "expected gain",
    "cross_sell": "expected gain",
    "at_risk": "expected loss",
    "renewal": "expected loss",
    "disagreement": "expected loss",
    "leaving": "a year leaving",
    "silent": "expected loss",
}


@dataclass(frozen=True)
class WeekRow:
    """One account of the week.

    Attributes
    ----------
    account_id, name, csm, segment : str
    flag : str
        The main one; `flags` are all of them, the main one first.
    product, offered : str
        What to offer, where the row is about an offer, and how much at what price.
    reasons : list of str
    play : str
        What to do.
    value : float or None
        Money the row is about.
    probability, base_rate : float or None
        The chance behind it, and that of similar accounts.
    mrr, health_score, health_band : see scores.parquet
    since, due : date
        When the flag was raised, and when it is overdue.
    last_day : date or None
        Of an account that gave notice.
    renews_at : date or None
    action : Action or None
        What finished it this week.
    """

    account_id: str
    name: str
    csm: str
    segment: str
    flag: str
    flags: tuple[str, ...]
    product: str
    offered: str
    reasons: list[str]
    play: str
    value: float | None
    probability: float | None
    base_rate: float | None
    mrr: float | None
    health_score: float | None
    health_band: str | None
    health_change: float | None
    since: date
    due: date
    last_day: date | None
    renews_at: date | None
    action: Action | None

    @property
    def value_title(self) -> str:
        """What the money of the row is; empty where there is no name for it."""
        return VALUES.get(self.flag, "")

    @property
    def is_offer(self) -> bool:
        """Whether the row is about something to sell, so that its chance is one of buying."""
        return self.flag in _OFFERS


@dataclass(frozen=True)
class Week:
    """What is left and what is done of a week."""

    open: list[WeekRow]
    done: list[WeekRow]


@dataclass(frozen=True)
class Summary:
    """What differs from the run before.

    Attributes
    ----------
    before : date or None
        The run it is compared with.
    new, ended : list of (account_id, name, flags)
        The most urgent flags that were raised, and that ended, by account.
    changed : list of dict
        Accounts whose band changed, the largest falls first: account_id, name, before, now,
        change.
    counts : tuple of int
        Accounts with a new flag, with one that ended, and with another band.
    gone : frozenset of str
        Accounts of `ended` that are no longer in the run.
    """

    before: date | None
    new: list[tuple[str, str, list[str]]]
    ended: list[tuple[str, str, list[str]]]
    changed: list[dict[str, Any]]
    counts: tuple[int, int, int] = (0, 0, 0)
    gone: frozenset[str] = frozenset()


def read_week(
    session: Session, run: Run, scope: AccountFilter, *, capacity: int, overdue_days: int
) -> Week:
    """Return the week of the accounts in `scope`, the most urgent first.

    Parameters
    ----------
    session : Session
        Of the app's database: what was done since the run.
    run : Run
    scope : AccountFilter
        One CSM's accounts, or those of several.
    capacity : int
        Most accounts.
    overdue_days : int
        A flag is due this many days after it was raised, and before the renewal.
    """
    listed = _listed(run, scope, capacity)
    accounts = [row["account_id"] for row in listed]
    finished = _finished(session, run, accounts)
    scores = _scores(run, accounts)
    rows = [
        _row(run, scope, row, scores.get(row["account_id"], {}), finished, overdue_days)
        for row in listed
    ]
    return Week([r for r in rows if r.action is None], [r for r in rows if r.action is not None])


def summarise(run: Run, before: Run | None, scope: AccountFilter, *, most: int = 20) -> Summary:
    """Return what is new, ended and changed since the run before; kept with the run."""
    if before is None:
        return Summary(None, [], [], [])
    key = ("summary", before.as_of, scope.key, most)
    if key not in run.kept:
        run.kept[key] = _summarise(run, before, scope, most)
    found: Summary = run.kept[key]
    return found


def _listed(run: Run, scope: AccountFilter, capacity: int) -> list[dict[str, Any]]:
    """Return account_id, flag, flags, product, reasons, play, value, since of the week's rows."""
    if run.has(MY_WEEK):
        return _of_file(run, scope, capacity)
    return _of_flags(run, scope, capacity)


def _of_file(run: Run, scope: AccountFilter, capacity: int) -> list[dict[str, Any]]:
    where, parameters = scope.sql()
    columns = ["account_id", "csm", "flags", "product", "offered", "reasons", "play", "value"]
    # Ranks are of one CSM; the accounts of several are put in order by their money.
    of_one = len(scope.csms) == 1 or len(choices(run, scope).csms) < 2
    order = "rank" if of_one else "value DESC NULLS LAST, rank"
    return run.rows(
        MY_WEEK,
        [*columns, "probability", "base_rate", "since", "due", "last_day"],
        where,
        parameters,
        order=f"{order}, account_id",
        limit=capacity,
    )


def _of_flags(run: Run, scope: AccountFilter, capacity: int) -> list[dict[str, Any]]:
    """Merge the flags of an account: the most urgent kind leads, then the money decides."""
    where, parameters = scope.sql()
    place = " ".join(f"WHEN '{flag}' THEN {n}" for n, flag in enumerate(PRIORITY))
    return run.query(
        f"""
        WITH own AS (
            SELECT *, CASE flag {place} ELSE {len(PRIORITY)} END AS place
            FROM {run.source("flags")} WHERE {where}
        )
        SELECT account_id, csm, product, NULL AS offered, reasons, suggested_play AS play,
            value, NULL AS probability, NULL AS base_rate, since, NULL AS due, NULL AS last_day,
            string_agg(flag, '; ') OVER (PARTITION BY account_id ORDER BY place, rank
                ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS flags
        FROM own
        QUALIFY row_number() OVER (PARTITION BY account_id ORDER BY place, rank, product) = 1
        ORDER BY place >= {PRIORITY.index("cross_sell")}, value DESC NULLS LAST, account_id
        LIMIT {int(capacity)}
        """,
        parameters,
    )


def _row(
    run: Run,
    scope: AccountFilter,
    row: Mapping[str, Any],
    score: Mapping[str, Any],
    finished: Mapping[str, Action],
    overdue_days: int,
) -> WeekRow:
    since = _day(row["since"]) or run.as_of
    renews_at = renewal_date(run, score)
    due = _day(row["due"]) or since + timedelta(days=overdue_days)
    if row["due"] is None and renews_at is not None and run.as_of <= renews_at < due:
        due = renews_at
    # An action is about a flag: of an expansion, that of the offer.
    flags = tuple(dict.fromkeys(json_list(row["flags"])))
    offers = flags[0] in _OFFERS
    return WeekRow(
        account_id=row["account_id"],
        name=score.get("name") or row["account_id"],
        csm=scope.csm_of(row["account_id"], score.get("csm") or row.get("csm")),
        segment=score.get("segment") or "",
        flag=flags[0],
        flags=flags,
        product=(row["product"] or "") if offers else "",
        offered=(row["offered"] or "") if offers else "",
        reasons=json_list(row["reasons"])[:_MOST_REASONS],
        play=row["play"] or "",
        value=row["value"],
        probability=row["probability"],
        base_rate=row["base_rate"],
        mrr=score.get(run.business.column),
        health_score=score.get("health_score"),
        health_band=score.get("health_band"),
        health_change=score.get("health_change"),
        since=since,
        due=due,
        last_day=_day(row["last_day"]),
        renews_at=renews_at,
        action=finished.get(row["account_id"]),
    )


def _scores(run: Run, accounts: Sequence[str]) -> dict[str, dict[str, Any]]:
    if not accounts:
        return {}
    columns = ["account_id", "name", "csm", "segment", run.business.column]
    columns += ["health_score", "health_band", "health_change", "days_to_renewal"]
    columns.append("renewal_date")
    marks = ", ".join("?" * len(accounts))
    rows = run.rows("scores", columns, f"account_id IN ({marks})", list(accounts))
    return {row["account_id"]: row for row in rows}


def _finished(session: Session, run: Run, accounts: Sequence[str]) -> dict[str, Action]:
    """Return the newest action that finished each account's row since the run."""
    found: dict[str, Action] = {}
    for action in actions_since(session, run.midnight, accounts):
        if action.action in FINISHING:
            found.setdefault(action.account_id, action)
    return found


def _summarise(run: Run, before: Run, scope: AccountFilter, most: int) -> Summary:
    where, parameters = scope.sql()

    def flags(of: Run) -> set[tuple[str, str]]:
        rows = of.rows("flags", ["account_id", "flag"], where, parameters)
        return {(row["account_id"], row["flag"]) for row in rows}

    now, then = flags(run), flags(before)
    all_new, all_ended = _by_account(now - then), _by_account(then - now)
    new, ended = all_new[:most], all_ended[:most]
    past = names_of(before, [account for account, _ in ended])
    present = names_of(run, [account for account, _ in (*new, *ended)])
    names = past | present
    changed = run.query(
        f"""
        SELECT now.account_id, coalesce(now.name, now.account_id) AS name,
            past.health_band AS before, now.health_band AS now,
            now.health_score - past.health_score AS change, count(*) OVER () AS total
        FROM (
            SELECT account_id, name, csm, health_band, health_score
            FROM {run.source("scores")} WHERE {where}
        ) AS now
        JOIN {before.source("scores")} AS past USING (account_id)
        WHERE now.health_band <> past.health_band
        ORDER BY change, now.account_id LIMIT {int(most)}
        """,
        parameters,
    )
    return Summary(
        before.as_of,
        [(account, names.get(account, account), own) for account, own in new],
        [(account, names.get(account, account), own) for account, own in ended],
        changed,
        (len(all_new), len(all_ended), int(changed[0]["total"]) if changed else 0),
        frozenset(account for account, _ in ended if account not in present),
    )


def _by_account(flags: set[tuple[str, str]]) -> list[tuple[str, list[str]]]:
    """Return each account with its flags, the most urgent first."""
    found: dict[str, list[str]] = {}
    for account, flag in sorted(flags, key=_urgency):
        found.setdefault(account, []).append(flag)
    return list(found.items())


def _urgency(row: tuple[str, str]) -> tuple[int, str]:
    return urgency(row[1]), row[0]


def urgency(flag: str) -> int:
    """Return the place of a flag among those of an account: 0 is done first."""
    return PRIORITY.index(flag) if flag in PRIORITY else len(PRIORITY)


def _day(value: Any) -> date | None:
    if isinstance(value, datetime):
        return value.date()
    return value if isinstance(value, date) else None
