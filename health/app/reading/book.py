"""The whole book: renewals, the team, expansion, and what past runs foresaw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
from sqlalchemy.orm import Session

from health.app.access.roles import AccountFilter
from health.app.database.models import Forecast
from health.app.reading.accounts import renewal_date
from health.app.reading.runs import Run, Runs
from health.app.records.read import actions_since, latest_forecasts
from health.renewals.calls import COLUMNS as CALL_COLUMNS
from health.renewals.calls import no_calls
from health.renewals.forecast import (
    NEAR,
    Basis,
    due_accounts,
    month_table,
    no_basis,
    quarter_title,
    with_calls,
)
from health.renewals.history import MONTHLY, TERM
from health.renewals.ledger import Judged, judge
from models.renewal.dependence import Dependence

#: Coming days that are shown, days back over which outcomes are, and those over which savings are.
COMING_DAYS, BACK, SAVED_DAYS = 366, 120, 90
#: A product that could be offered now.
_OFFERED = "status = 'open' AND coalesce(why_not, '') = ''"
#: Months of retention shown where there are renewals as well.
_RETENTION_MONTHS = 3
#: What `due_accounts` needs of scores.
_DUE_NUMBERS = (
    *("mrr", "days_to_renewal", "churn_probability"),
    *("upsell_probability", "upsell_base_rate"),
)
_DUE_COLUMNS = ["account_id", "known_to_leave", *_DUE_NUMBERS]


@dataclass(frozen=True)
class Renewal:
    """One account's renewal.

    Attributes
    ----------
    account_id, name, csm : str
    day : date
        When the term ends.
    arr : float
    staying : float or None
        Chance of staying: the model's as far as it reaches, then the share of past renewals that
        stayed, but not more than the model's; 0 after a notice; None where nothing is known.
    from_model : bool
        Whether it is the model's.
    basis : str
        Otherwise what it is: the past rate, or the most that the model's chance allows.
    health_score, health_band : see scores.parquet
    call : Forecast or None
        The CSM's last call on this renewal.
    called : float or None
        The share of the ARR that the call means.
    limit : float
        Call and model disagree from this difference on.
    known_to_leave : bool
    """

    account_id: str
    name: str
    csm: str
    day: date
    arr: float
    staying: float | None
    from_model: bool
    basis: str
    health_score: float | None
    health_band: str | None
    call: Forecast | None
    called: float | None
    limit: float
    known_to_leave: bool = False

    @property
    def expected(self) -> float | None:
        """ARR × the chance of staying; None where that is not known."""
        return None if self.staying is None else self.arr * self.staying

    @property
    def disagrees(self) -> bool:
        """Whether call and model say different things."""
        if self.called is None or self.staying is None or not self.from_model:
            return False
        return abs(self.called - self.staying) >= self.limit


@dataclass(frozen=True)
class Period:
    """What a month or quarter is expected to bring, and the CSMs' calls.

    Attributes
    ----------
    title : str
    count : int
        Accounts due, of which `unknown` have no chance of staying and are in no expectation.
    arr : float
        What is due.
    leaves, contracts, expands, kept, low, high : float or None
        What is expected, and the 80 % range of what is kept; None where nothing is known.
    calls : int
    called, expected_of_called : float
        What the CSMs' calls come to, and what the model expects of the same accounts.
    unknown : int
    """

    title: str
    count: int
    arr: float
    leaves: float | None
    contracts: float | None
    expands: float | None
    kept: float | None
    low: float | None
    high: float | None
    calls: int
    called: float
    expected_of_called: float
    unknown: int


@dataclass(frozen=True)
class Book:
    """The renewals of a user's accounts.

    Attributes
    ----------
    renewals : list of Renewal
        Of the next twelve months, by date.
    months, quarters : list of Period
        Their sums.
    retention : list of Period
        The months ahead of accounts without a term.
    judged : list of Judged
        The ledger: CSMs' calls against the model, after the date.
    dependence : Dependence
        How far accounts of a month are taken to leave together.
    """

    renewals: list[Renewal]
    months: list[Period]
    quarters: list[Period]
    retention: list[Period]
    judged: list[Judged]
    dependence: Dependence


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


def book_of(session: Session, run: Run, scope: AccountFilter, *, limit: float) -> Book:
    """Return what is due in the next twelve months, by account and by month, and the ledger.

    Parameters
    ----------
    session : Session
        Where calls are.
    run : Run
        Scores, and what past months teach.
    scope : AccountFilter
        Whose accounts.
    limit : float
        Call and model disagree from this difference on.
    """
    basis = Basis.from_dict(run.info["renewals"]) if "renewals" in run.info else no_basis()
    rows = _due(run, scope, COMING_DAYS)
    last = _latest_calls(session, run, [row["account_id"] for row in rows])
    due = _with_calls(_due_of(rows, run, basis), last, run)
    of_account = due.set_index("account_id")[["leaves", "called", "pool"]].to_dict("index")
    end = (pd.Timestamp(run.as_of).to_period("M") + 12).to_timestamp().date()
    renewals = [
        _renewal(row, of_account.get(row["account_id"]), last, run, scope, limit=limit)
        for row in rows
        if (renewal_date(run, row) or run.as_of) < end
    ]
    quarters = due.assign(quarter=[str(pd.Period(m, "M").asfreq("Q")) for m in due["month"]])
    key = ("retention", scope.key)
    retention = run.page(key, lambda: _retention(run, scope, basis))
    return Book(
        renewals,
        _periods(month_table(due, basis), run, "M"),
        _periods(month_table(quarters, basis, by="quarter"), run, "Q"),
        retention[:_RETENTION_MONTHS] if renewals else retention,
        judge(_ledger(run, scope)),
        basis.dependence[TERM if renewals else MONTHLY],
    )


def _latest_calls(session: Session, run: Run, accounts: Sequence[str]) -> dict[str, Forecast]:
    """Return the last call on each account: of the app, else as the run read it from a file."""
    found: dict[str, Forecast] = {}
    if run.has("calls") and accounts:
        marks = ", ".join("?" * len(accounts))
        columns = ["account_id", "call", "amount", "author", "created_at", "renews_at"]
        rows = run.rows("calls", columns, f"account_id IN ({marks})", list(accounts))
        for row in rows:
            known = row["amount"] is not None and not np.isnan(row["amount"])
            amount = row["amount"] if known else None
            found[row["account_id"]] = Forecast(**{**row, "amount": amount})
    return found | latest_forecasts(session, accounts)


def _renewal(
    row: Mapping[str, Any],
    due: Mapping[Any, Any] | None,
    last: Mapping[str, Forecast],
    run: Run,
    scope: AccountFilter,
    *,
    limit: float,
) -> Renewal:
    due = due or {"leaves": np.nan, "called": np.nan, "pool": ""}
    called, chance = due["called"], row["churn_probability"]
    # Whoever leaves within the horizon is not there to renew after it.
    leaves = due["leaves"] if chance is None else max(due["leaves"], chance)
    staying = None if np.isnan(leaves) else 1 - leaves
    arr, leaving = 12 * (row["mrr"] or 0.0), bool(row["known_to_leave"])
    return Renewal(
        row["account_id"],
        row["name"] or row["account_id"],
        scope.csm_of(row["account_id"], row["csm"]),
        renewal_date(run, row) or run.as_of,
        arr,
        0.0 if leaving else staying,
        due["pool"] == NEAR and row["churn_probability"] is not None,
        _basis_of(due["pool"], leaves, chance),
        row["health_score"],
        row["health_band"],
        last.get(row["account_id"]),
        None if np.isnan(called) or not arr else called / arr,
        limit,
        leaving,
    )


def _basis_of(pool: str, leaves: float, chance: float | None) -> str:
    """Describe what a chance of renewing is where it is not that of the account's page."""
    if pool == NEAR and chance is not None:
        return ""
    return "at most" if chance is not None and leaves <= chance else "past rate"


def _due_of(rows: Sequence[Mapping[str, Any]], run: Run, basis: Basis) -> pd.DataFrame:
    scores = pd.DataFrame(list(rows), columns=_DUE_COLUMNS)
    return due_accounts(
        scores.astype(dict.fromkeys(_DUE_NUMBERS, float)),
        basis,
        as_of=pd.Timestamp(run.as_of),
        horizon_days=int(run.info["horizon_days"]),
    )


def _with_calls(due: pd.DataFrame, last: Mapping[str, Forecast], run: Run) -> pd.DataFrame:
    calls = [(a, c.call, c.amount, c.author, c.created_at, c.renews_at) for a, c in last.items()]
    frame = pd.DataFrame(calls, columns=list(CALL_COLUMNS)) if calls else no_calls()
    frame = frame.astype({"amount": float, "created_at": "datetime64[us]"})
    return with_calls(due, frame, pd.Timestamp(run.as_of))


def _periods(table: pd.DataFrame, run: Run, unit: str) -> list[Period]:
    def known(value: float) -> float | None:
        return None if np.isnan(value) else float(value)

    amounts = {name: name for name in ("leaves", "contracts", "expands", "kept")}
    amounts |= {"low": "kept_low", "high": "kept_high"}
    return [
        Period(
            _title(str(row["month"]), run, unit),
            int(row["accounts"]),
            float(row["arr"]),
            calls=int(row["calls"]),
            called=float(row["called"]),
            expected_of_called=float(row["expected_of_called"]),
            unknown=int(row["unknown"]),
            **{field: known(row[name]) for field, name in amounts.items()},
        )
        for row in table.to_dict("records")
    ]


def _title(name: str, run: Run, unit: str) -> str:
    period = pd.Period(name, unit)
    if unit == "Q":
        return quarter_title(period, pd.Timestamp(run.as_of))
    return str(period.strftime("%b %Y"))


def _retention(run: Run, scope: AccountFilter, basis: Basis) -> list[Period]:
    """Sum the months ahead of accounts without a term."""
    where, parameters = scope.sql()
    if "days_to_renewal" not in run.columns("scores"):
        return []
    rows = run.rows("scores", _DUE_COLUMNS, f"{where} AND days_to_renewal IS NULL", parameters)
    due = _due_of(rows, run, basis)
    return _periods(month_table(due, basis), run, "M")


def _ledger(run: Run, scope: AccountFilter) -> pd.DataFrame:
    if not run.has("ledger"):
        return pd.DataFrame()
    # The accounts of the scope: the ledger has accounts that have left and have no CSM any more.
    own = f"account_id IN (SELECT account_id FROM {run.source('scores')} WHERE {scope.sql()[0]})"
    condition = "TRUE" if scope.everything else f"({own} OR author IN {_authors(scope)})"
    parameters = [] if scope.everything else [*scope.sql()[1], *scope.csms]
    columns = ["account_id", "author", "arr", "kept", "called", "expected"]
    columns += ["csm_error", "model_error"]
    rows = run.rows("ledger", columns, condition, parameters, order="due, account_id")
    frame = pd.DataFrame(rows, columns=columns)
    return frame.astype(dict.fromkeys(columns[2:], float))


def _authors(scope: AccountFilter) -> str:
    return "(" + ", ".join("?" * len(scope.csms)) + ")" if scope.csms else "(NULL)"


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
    open: int
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
    columns = ["name", "csm", "renewal_date", "health_score", "health_band"]
    return run.rows(
        "scores",
        [*_DUE_COLUMNS, *columns],
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
        sum(account not in worked for account in flagged),
        sum(account in worked for account in flagged),
        sum(since[account] < late and account not in ever for account in flagged),
        sum(account in saved for account in accounts),
    )
