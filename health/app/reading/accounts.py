"""Accounts of a run: searched, filtered, sorted, and one by one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import date, timedelta
from typing import Any

from health.app.access.roles import AccountFilter
from health.app.reading.runs import Run, row_of
from health.presentation import wording

PER_PAGE = 50
#: Most rows of one CSV file.
MOST_ROWS = 200_000
COLUMNS = (
    "account_id",
    "name",
    "csm",
    "segment",
    "industry",
    "region",
    "stage",
    "mrr",
    "monthly_orders",
    "tenure_days",
    "days_to_renewal",
    "renewal_date",
    "known_to_leave",
    "last_day",
    "leaving_arr",
    "seats",
    "health_score",
    "machine_health_score",
    "health_band",
    "health_coverage",
    "health_change",
    "not_scored_reason",
    "churn_probability",
    "churn_base_rate",
    "expected_loss",
    "clv",
    "clv_low",
    "clv_high",
    "upsell_probability",
    "upsell_base_rate",
    "upsell_value",
    "upsell_product",
    "cross_sell_product",
    "cross_sell_probability",
    "cross_sell_base_rate",
    "cross_sell_value",
    "order_probability",
    "orders_expected",
    "past_value",
)
#: What the list shows of an account.
LISTED = (
    "account_id",
    "name",
    "csm",
    "segment",
    "stage",
    "mrr",
    "monthly_orders",
    "health_score",
    "health_band",
    "health_change",
    "churn_probability",
    "expected_loss",
    "days_to_renewal",
    "renewal_date",
    "known_to_leave",
)
RENEWALS = {"30": 30, "60": 60, "90": 90, "180": 180}
#: Sort keys: column, and whether the largest comes first.
SORTS = {
    "loss": ("expected_loss", True),
    "mrr": ("mrr", True),
    "score": ("health_score", False),
    "change": ("health_change", False),
    "risk": ("churn_probability", True),
    "renewal": ("days_to_renewal", False),
    "name": ("name", False),
}


@dataclass(frozen=True)
class AccountQuery:
    """Which accounts are wanted; empty text is no filter.

    Attributes
    ----------
    q : str
        Part of a name or an ID.
    band, stage, segment, csm, flag : str
        ``none`` as a band means not scored.
    renewal : str
        Renewal within this many days; one of `RENEWALS`.
    sort : str
        One of `SORTS`.
    page : int
        From 1 on.
    """

    q: str = ""
    band: str = ""
    stage: str = ""
    segment: str = ""
    csm: str = ""
    flag: str = ""
    renewal: str = ""
    sort: str = "loss"
    page: int = 1

    @classmethod
    def of(cls, values: Mapping[str, str]) -> AccountQuery:
        """Read a query from a form or an address; what is not known is left out."""
        known = {f.name: values.get(f.name, "").strip()[:300] for f in fields(cls)}
        page = known.pop("page")
        number = int(page) if page.isdecimal() else 1
        sort = known.pop("sort")
        return cls(
            **known,
            sort=sort if sort in SORTS else "loss",
            page=min(max(number, 1), 100_000),
        )

    @property
    def filters(self) -> str:
        """The filters as text, to be saved."""
        return json.dumps({key: value for key, value in asdict(self).items() if key != "page"})


@dataclass(frozen=True)
class AccountPage:
    """One page of a list.

    Attributes
    ----------
    rows : list of dict
        Columns `LISTED`, and `flags` (list of str).
    total : int
        Accounts that match.
    page, pages : int
    """

    rows: list[dict[str, Any]]
    total: int
    page: int
    pages: int


@dataclass(frozen=True)
class Choices:
    """What the accounts of a user can be filtered by."""

    stages: list[str]
    segments: list[str]
    csms: list[str]


def find_accounts(
    run: Run,
    scope: AccountFilter,
    query: AccountQuery,
    *,
    columns: Sequence[str] = LISTED,
    per_page: int = PER_PAGE,
) -> AccountPage:
    """Return the accounts that match, one page of them."""
    if per_page != PER_PAGE:
        return _found(run, scope, query, columns, per_page)
    key = ("accounts", scope.key, query, tuple(columns))
    page: AccountPage = run.page(key, lambda: _found(run, scope, query, columns, per_page))
    return page


def _found(
    run: Run, scope: AccountFilter, query: AccountQuery, columns: Sequence[str], per_page: int
) -> AccountPage:
    where, parameters = _condition(run, scope, query)
    counted = run.query(
        f"SELECT count(*) AS n FROM {run.source('scores')} WHERE {where}", parameters
    )
    total = int(counted[0]["n"])
    pages = max(-(-total // per_page), 1)
    page = min(query.page, pages)
    rows = run.rows(
        "scores",
        columns,
        where,
        parameters,
        order=_order(run, query.sort),
        limit=per_page,
        offset=(page - 1) * per_page,
    )
    flags = flags_of(run, [row["account_id"] for row in rows]) if per_page == PER_PAGE else {}
    rows = [
        _with_money(run, scope, row) | {"flags": flags.get(row["account_id"], [])} for row in rows
    ]
    return AccountPage(rows, total, page, pages)


def find_account(run: Run, scope: AccountFilter, account_id: str) -> dict[str, Any] | None:
    """Return one account; None where it is not in the run, or is not for the user to see."""
    where, parameters = scope.sql()
    found = row_of(
        run.rows("scores", COLUMNS, f"account_id = ? AND {where}", [account_id, *parameters])
    )
    return None if found is None else _with_money(run, scope, found)


def choices(run: Run, scope: AccountFilter) -> Choices:
    """Return what a user's accounts can be filtered by."""
    key = ("choices", scope.key)
    if key not in run.kept:
        where, parameters = scope.sql()
        lists = [
            _distinct(run, column, where, parameters) for column in ("stage", "segment", "csm")
        ]
        names = set(lists[2]) if scope.everything else set(scope.csms)
        seen = set(scope.assigned.values()) if scope.everything else set()
        run.kept[key] = Choices(lists[0], lists[1], sorted(names | seen, key=str.casefold))
    found: Choices = run.kept[key]
    return found


def names_of(run: Run, accounts: Sequence[str]) -> dict[str, str]:
    """Return the name of each account, its ID where it has none."""
    if not accounts:
        return {}
    marks = ", ".join("?" * len(accounts))
    rows = run.rows("scores", ["account_id", "name"], f"account_id IN ({marks})", list(accounts))
    return {row["account_id"]: row["name"] or row["account_id"] for row in rows}


def flags_of(run: Run, accounts: Sequence[str]) -> dict[str, list[str]]:
    """Return the titles of the flags of each account, in the order of the lists."""
    if not accounts:
        return {}
    marks = ", ".join("?" * len(accounts))
    rows = run.rows("flags", ["account_id", "flag"], f"account_id IN ({marks})", list(accounts))
    order = {kind.flag: number for number, kind in enumerate(run.business.lists)}
    found: dict[str, set[str]] = {}
    for row in rows:
        found.setdefault(row["account_id"], set()).add(row["flag"])
    titles = {kind.flag: kind.title for kind in run.business.lists}
    return {
        account: [
            titles.get(f, wording.title_of(f)) for f in sorted(own, key=lambda f: order.get(f, 99))
        ]
        for account, own in found.items()
    }


def renewal_date(run: Run, row: Mapping[str, Any]) -> date | None:
    """Return the date of an account's renewal, None where none is known.

    Runs of older releases have the days until then only.
    """
    published = row.get("renewal_date")
    if published is not None:
        day: date = published.date()
        return day
    days = row.get("days_to_renewal")
    if days is None or "renewal_date" in run.columns("scores"):
        return None
    return run.as_of + timedelta(days=round(days))


def _with_money(run: Run, scope: AccountFilter, row: dict[str, Any]) -> dict[str, Any]:
    row["name"] = row.get("name") or row["account_id"]
    row["csm"] = scope.csm_of(row["account_id"], row.get("csm"))
    if run.business.column in row:
        row["mrr"] = row[run.business.column]
    row["renews_at"] = renewal_date(run, row)
    return row


def _condition(run: Run, scope: AccountFilter, query: AccountQuery) -> tuple[str, list[Any]]:
    if query.csm:
        scope = scope.for_csm(query.csm)
    clause, first = scope.sql()
    clauses, parameters = [clause], list[Any](first)
    if query.q:
        clauses.append(
            "(contains(lower(coalesce(name, '')), lower(?)) "
            "OR contains(lower(account_id), lower(?)))"
        )
        parameters += [query.q, query.q]
    if query.band:
        clauses.append("health_band IS NULL" if query.band == "none" else "health_band = ?")
        parameters += [] if query.band == "none" else [query.band]
    known = run.columns("scores")
    for column in ("stage", "segment"):
        value = getattr(query, column)
        if value:
            clauses.append(f"{column} = ?" if column in known else "FALSE")
            parameters += [value] if column in known else []
    if query.renewal in RENEWALS and "days_to_renewal" in known:
        clauses.append("days_to_renewal BETWEEN 0 AND ?")
        parameters.append(RENEWALS[query.renewal])
    if query.flag:
        clauses.append(
            f"account_id IN (SELECT account_id FROM {run.source('flags')} WHERE flag = ?)"
        )
        parameters.append(query.flag)
    return " AND ".join(clauses), parameters


def _order(run: Run, sort: str) -> str:
    column, largest = SORTS[sort]
    if column == "mrr":
        column = run.business.column
    if column not in run.columns("scores"):
        column, largest = run.business.column, True
    return f'"{column}" {"DESC" if largest else "ASC"} NULLS LAST, file_row_number'


def _distinct(run: Run, column: str, where: str, parameters: Sequence[Any]) -> list[str]:
    if column not in run.columns("scores"):
        return []
    rows = run.query(
        f"SELECT DISTINCT {column} AS value FROM {run.source('scores')} WHERE {where}", parameters
    )
    return sorted((row["value"] for row in rows if row["value"]), key=str.casefold)
