"""The whole book: renewals, the team, expansion, and what past runs foresaw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
from sqlalchemy.orm import Session

from health.app.access.roles import AccountFilter
from health.app.database.models import Forecast
from health.app.reading.accounts import renewal_date
from health.app.reading.runs import Run, Runs
from health.app.records.read import actions_since, latest_forecasts

#: Draws of renewals for a range, and the ends of an 80 % range.
_DRAWS, _LOW, _HIGH = 2000, 10, 90
#: Coming days that are shown, days back over which outcomes are, and those over which savings are.
COMING_DAYS, BACK, SAVED_DAYS = 366, 120, 90
#: The share that a CSM's call means, for the comparison with the model.
CALL_SHARES = {"commit": 0.95, "likely": 0.75, "at_risk": 0.4, "lost": 0.0}
#: A product that could be offered now.
_OFFERED = "status = 'open' AND coalesce(why_not, '') = ''"
#: A call differs from the model where their shares do by at least this much.
_DISAGREES = 0.3


@dataclass(frozen=True)
class Renewal:
    """One account's renewal."""

    account_id: str
    name: str
    csm: str
    day: date
    arr: float
    probability: float | None
    health_score: float | None
    health_band: str | None
    call: Forecast | None
    known_to_leave: bool = False

    @property
    def staying(self) -> float | None:
        """The chance of staying: 0 after a notice; None without a probability."""
        if self.known_to_leave:
            return 0.0
        return None if self.probability is None else 1 - self.probability

    @property
    def expected(self) -> float | None:
        """ARR × the chance of staying; None where that is not known."""
        return None if self.staying is None else self.arr * self.staying

    @property
    def disagreement(self) -> float:
        """How far the CSM's call is from the model, as a share of the ARR; 0 without a call."""
        if self.call is None or self.staying is None:
            return 0.0
        return abs(CALL_SHARES[self.call.call] - self.staying)

    @property
    def disagrees(self) -> bool:
        """Whether call and model say different things."""
        return self.disagreement >= _DISAGREES


@dataclass(frozen=True)
class Period:
    """The renewals of a month or quarter: what is due, expected, and called.

    Attributes
    ----------
    title : str
    count : int
        Renewals, of which `unknown` have no chance of staying and are not in what is expected.
    arr, expected, low, high : float
        What is due, what is expected of it, and the 80 % range; None where nothing is known.
    called : float
        What the CSMs' calls come to.
    calls, unknown : int
    """

    title: str
    count: int
    arr: float
    expected: float | None
    low: float | None
    high: float | None
    called: float
    calls: int
    unknown: int


@dataclass(frozen=True)
class Outcome:
    """What became of a renewal that an earlier run saw coming."""

    account_id: str
    name: str
    day: date
    arr: float
    probability: float | None
    call: Forecast | None
    arr_now: float | None


def renewals_of(session: Session, run: Run, scope: AccountFilter) -> list[Renewal]:
    """Return the renewals of the next twelve months, by date."""
    rows = _due(run, scope, COMING_DAYS)
    calls = latest_forecasts(session, [row["account_id"] for row in rows])
    return [
        Renewal(
            row["account_id"],
            row["name"] or row["account_id"],
            scope.csm_of(row["account_id"], row["csm"]),
            renewal_date(run, row) or run.as_of,
            12 * (row["mrr"] or 0.0),
            row["churn_probability"],
            row["health_score"],
            row["health_band"],
            calls.get(row["account_id"]),
            bool(row["known_to_leave"]),
        )
        for row in rows
    ]


def periods(renewals: Sequence[Renewal], *, by_quarter: bool) -> list[Period]:
    """Sum renewals by month or quarter, with an 80 % range of what is expected."""
    groups: dict[str, list[Renewal]] = {}
    for renewal in renewals:
        groups.setdefault(_title(renewal.day, by_quarter), []).append(renewal)
    return [_period(title, own) for title, own in groups.items()]


def outcomes_of(
    session: Session, runs: Runs, run: Run, scope: AccountFilter
) -> tuple[date | None, list[Outcome]]:
    """Return the renewals that fell between an earlier run and this one, and what became of them.

    The earlier run is the oldest of the last four months.
    """
    first = run.as_of - timedelta(days=BACK)
    earlier = [p for p in runs.published() if first <= p.as_of < run.as_of]
    if not earlier:
        return None, []
    past = runs.open(earlier[0])
    rows = _due(past, scope, (run.as_of - past.as_of).days - 1)
    accounts = [row["account_id"] for row in rows]
    now = _mrr(run, accounts)
    calls = latest_forecasts(session, accounts)
    return past.as_of, [
        Outcome(
            row["account_id"],
            row["name"] or row["account_id"],
            renewal_date(past, row) or past.as_of,
            12 * (row["mrr"] or 0.0),
            row["churn_probability"],
            calls.get(row["account_id"]),
            12 * now[row["account_id"]] if row["account_id"] in now else None,
        )
        for row in rows
    ]


@dataclass(frozen=True)
class Load:
    """What one CSM has: accounts, money, and how far the flags are worked."""

    csm: str
    accounts: int
    mrr: float
    red: int
    loss: float | None
    flagged: int
    worked: int
    overdue: int
    saved: int


def team_of(
    session: Session, run: Run, scope: AccountFilter, *, now: datetime, overdue_days: int
) -> list[Load]:
    """Return the load of every CSM, the largest book first."""
    where, parameters = scope.sql()
    money = run.business.column
    accounts = run.query(
        f"""
        SELECT account_id, coalesce(csm, '') AS csm, coalesce("{money}", 0) AS mrr, health_band,
            expected_loss
        FROM {run.source("scores")} WHERE {where}
        """,
        parameters,
    )
    flags = run.query(
        f"SELECT account_id, min(since) AS since FROM {run.source('flags')} "
        f"WHERE {where} GROUP BY account_id",
        parameters,
    )
    since = {row["account_id"]: row["since"] for row in flags}
    worked = {action.account_id for action in actions_since(session, run.midnight)}
    recent = actions_since(session, now - timedelta(days=SAVED_DAYS))
    ever = {action.account_id for action in actions_since(session, datetime.min)}
    saved = {action.account_id for action in recent if action.action == "saved"}
    late = min(now, run.midnight + timedelta(days=6)) - timedelta(days=overdue_days)
    rows: dict[str, list[dict[str, Any]]] = {}
    for row in accounts:
        rows.setdefault(scope.csm_of(row["account_id"], row["csm"]), []).append(row)
    loads = [_load(csm, own, since, worked, ever, saved, late) for csm, own in rows.items()]
    return sorted(loads, key=lambda load: (-load.mrr, load.csm))


def segments_of(run: Run, scope: AccountFilter) -> list[dict[str, Any]]:
    """Return accounts, money, bands and loss by segment, the largest first."""
    if "segment" not in run.columns("scores"):
        return []
    where, parameters = scope.sql()
    return run.query(
        f"""
        SELECT coalesce(segment, '') AS segment, count(*) AS accounts,
            sum("{run.business.column}") AS mrr,
            count(*) FILTER (health_band = 'red') AS red,
            count(*) FILTER (health_band = 'yellow') AS yellow,
            count(*) FILTER (health_band = 'green') AS green,
            sum(expected_loss) AS loss
        FROM {run.source("scores")} WHERE {where} GROUP BY ALL ORDER BY mrr DESC NULLS LAST, segment
        """,
        parameters,
    )


@dataclass(frozen=True)
class Grid:
    """Accounts × products: each cell a row of whitespace.parquet."""

    products: list[str]
    rows: list[tuple[str, str, dict[str, dict[str, Any]]]]
    total: int
    pages: int
    page: int
    value: dict[str, float]


def grid_of(run: Run, scope: AccountFilter, *, page: int, product: str, per_page: int = 40) -> Grid:
    """Return a page of the whitespace, the accounts with the largest value first."""
    where, parameters = scope.sql()
    source = run.source("whitespace")
    products = run.query(
        f"SELECT product, sum(value) FILTER ({_OFFERED}) AS value FROM {source} "
        f"WHERE {where} GROUP BY product ORDER BY product",
        parameters,
    )
    only = " AND product = ?" if product else ""
    chosen = [*parameters, product] if product else list(parameters)
    found = run.query(
        f"""
        SELECT account_id, any_value(name) AS name,
            sum(value) FILTER ({_OFFERED}) AS value, count(*) OVER () AS total
        FROM {source} WHERE {where}{only} GROUP BY account_id
        ORDER BY value DESC NULLS LAST, account_id
        LIMIT {int(per_page)} OFFSET {int((page - 1) * per_page)}
        """,
        chosen,
    )
    accounts = [row["account_id"] for row in found]
    marks = ", ".join("?" * len(accounts)) or "''"
    columns = ["account_id", "product", "status", "held_mrr", "probability", "value"]
    cells = run.rows(
        "whitespace", [*columns, "why", "why_not"], f"account_id IN ({marks})", accounts
    )
    by_account: dict[str, dict[str, dict[str, Any]]] = {}
    for cell in cells:
        by_account.setdefault(cell["account_id"], {})[cell["product"]] = cell
    total = int(found[0]["total"]) if found else 0
    return Grid(
        [row["product"] for row in products],
        [
            (r["account_id"], r["name"] or r["account_id"], by_account[r["account_id"]])
            for r in found
        ],
        total,
        max(-(-total // per_page), 1),
        page,
        {row["product"]: row["value"] or 0.0 for row in products},
    )


def _due(run: Run, scope: AccountFilter, days: int) -> list[dict[str, Any]]:
    if "days_to_renewal" not in run.columns("scores"):
        return []
    where, parameters = scope.sql()
    columns = ["account_id", "name", "csm", "mrr", "days_to_renewal", "churn_probability"]
    columns += ["renewal_date", "known_to_leave"]
    return run.rows(
        "scores",
        [*columns, "health_score", "health_band"],
        f"{where} AND days_to_renewal BETWEEN 0 AND ?",
        [*parameters, days],
        order="days_to_renewal, account_id",
    )


def _mrr(run: Run, accounts: Sequence[str]) -> dict[str, float]:
    if not accounts:
        return {}
    marks = ", ".join("?" * len(accounts))
    rows = run.rows("scores", ["account_id", "mrr"], f"account_id IN ({marks})", list(accounts))
    return {row["account_id"]: row["mrr"] or 0.0 for row in rows}


def _title(day: date, by_quarter: bool) -> str:
    return f"Q{(day.month - 1) // 3 + 1} {day.year}" if by_quarter else f"{day:%b} {day.year}"


def _period(title: str, renewals: Sequence[Renewal]) -> Period:
    arr = np.array([r.arr for r in renewals])
    known = [r for r in renewals if r.staying is not None]
    called = sum(r.arr * CALL_SHARES[r.call.call] for r in renewals if r.call is not None)
    expected = low = high = None
    if known:
        stays, due = np.array([r.staying for r in known]), np.array([r.arr for r in known])
        expected = float(due @ stays)
        draws = np.random.default_rng(0).random((_DRAWS, len(known))) < stays
        low, high = (float(end) for end in np.percentile(draws @ due, [_LOW, _HIGH]))
    calls = sum(r.call is not None for r in renewals)
    unknown = len(renewals) - len(known)
    total = float(arr.sum())
    return Period(title, len(renewals), total, expected, low, high, called, calls, unknown)


def _load(
    csm: str,
    rows: Sequence[Mapping[str, Any]],
    since: Mapping[str, datetime],
    worked: set[str],
    ever: set[str],
    saved: set[str],
    late: datetime,
) -> Load:
    accounts = [row["account_id"] for row in rows]
    flagged = [account for account in accounts if account in since]
    losses = [row["expected_loss"] for row in rows if row["expected_loss"] is not None]
    return Load(
        csm,
        len(rows),
        sum(row["mrr"] for row in rows),
        sum(row["health_band"] == "red" for row in rows),
        sum(losses) if losses else None,
        len(flagged),
        sum(account in worked for account in flagged),
        sum(since[account] < late and account not in ever for account in flagged),
        sum(account in saved for account in accounts),
    )
