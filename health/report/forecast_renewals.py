"""Renewals on the forecast page: the months ahead next to the CSMs' calls, and the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from health.presentation import wording
from health.reasons.sentences import each_once
from health.renewals.forecast import LEAST_RENEWALS, month_table, quarter_title, total_range
from health.renewals.history import MONTHLY, TERM
from health.renewals.ledger import LEAD_DAYS, LEAST_CALLS, Judged, judge
from health.renewals.outlook import Outlook
from health.report.forecast import LATER, NO_DATE, OVERDUE, Forecast
from health.report.forecast_tables import Line, Table

_BUCKETS = {
    OVERDUE: "Term has ended, still paying",
    LATER: "Later",
    NO_DATE: "Month to month, or no renewal date",
}
_CALL_HEADS = ["CSMs’ calls", "Model, same"]
_HEADS = ["Churn", "Contraction", "Expansion", "Renewed ARR", "80 % range"]
#: Months of retention that are shown.
_RETENTION_MONTHS = 3


def due_table(forecast: Forecast, outlook: Outlook, run: Mapping[str, Any]) -> Table:
    """Describe the months with their quarters; the last line is the total.

    Parameters
    ----------
    forecast : Forecast
        Who is due when; every account is in one line.
    outlook : Outlook
        What is expected of them, and the calls.
    run : mapping
        Content of run.json.
    """
    months = forecast.due.set_index("place")
    quarters = forecast.quarters.set_index("place")
    upcoming = _expected(outlook, "month")
    of_quarter = _expected(outlook, "quarter")
    lines: list[Line] = []
    last = ""
    nothing_due = not outlook.has_terms and not _accounts(
        months.drop(list(_BUCKETS), errors="ignore")
    )
    for place, row in months.iterrows():
        name = str(place)
        if name in _BUCKETS:
            lines.append(_due_line(_BUCKETS[name], row, None))
            continue
        if nothing_due:
            continue
        month = pd.Period(name, "M")
        quarter = str(month.asfreq("Q"))
        if quarter != last:
            whole = quarters[quarters.index == quarter].iloc[0]
            title = quarter_title(month.asfreq("Q"), pd.Timestamp(run["as_of"]))
            lines.append(_due_line(title, whole, of_quarter.get(quarter), strong=True))
            last = quarter
        lines.append(_due_line(f"  {month.strftime('%b %Y')}", row, upcoming.get(name)))
    total = total_range(outlook.due, outlook.basis) if outlook.has_terms else None
    lines.append(_due_line("All accounts", forecast.total, total, strong=True))
    heads = ["Due", "Accounts", "ARR due", "Known to leave", *_HEADS, *_CALL_HEADS]
    if nothing_due:
        return Table(
            "Renewals by quarter and month",
            heads[:4],
            [replace(line, cells=line.cells[:4]) for line in lines],
            "No account has a renewal date within twelve months and a term of more than 35 days.",
        )
    if not any(any(line.cells[-len(_CALL_HEADS) :]) for line in lines):
        # Without a single call, their columns would only be empty.
        heads = heads[: -len(_CALL_HEADS)]
        lines = [replace(line, cells=line.cells[: len(heads)]) for line in lines]
    return Table("Renewals by quarter and month", heads, lines, _note(outlook, run))


def _accounts(rows: pd.DataFrame) -> int:
    return int((rows["accounts"] + rows["leaving_accounts"]).sum())


def _expected(outlook: Outlook, by: str) -> dict[str, pd.Series[Any]]:
    """Return what is expected of the renewals of each month or quarter."""
    if not outlook.has_terms:
        return {}
    table = outlook.months[outlook.months["kind"] == TERM]
    if by == "quarter":
        own = outlook.due[outlook.due["kind"] == TERM]
        quarters = each_once(own["month"], lambda month: str(pd.Period(month, "M").asfreq("Q")))
        table = month_table(own.assign(quarter=quarters), outlook.basis, by=by)
    return {str(row["month"]): row for _, row in table.iterrows()}


def _due_line(
    title: str,
    row: pd.Series[Any],
    expected: pd.Series[Any] | None,
    *,
    strong: bool = False,
) -> Line:
    # The page names the currency.
    leaving = wording.money(row["leaving_arr"], "") if row["leaving_accounts"] else ""
    cells = [
        title,
        wording.count(row["accounts"] + row["leaving_accounts"]),
        wording.money(row["arr"], ""),
        leaving,
    ]
    if expected is None:
        return Line([*cells, *[""] * (len(_HEADS) + len(_CALL_HEADS))], strong)
    return Line([*cells, *_amounts(expected), *_calls(expected)], strong)


def _amounts(row: pd.Series[Any]) -> list[str]:
    """Write what is expected, short: the page names the currency."""
    names = ("leaves", "contracts", "expands", "kept")
    amounts = [wording.money_short(row[name], "") for name in names]
    if row["kept"] != row["kept"]:
        return [*amounts, wording.NONE]
    low, high = (wording.money_short(row[name], "") for name in ("kept_low", "kept_high"))
    return [*amounts, f"{low} to {high}"]


def _calls(row: pd.Series[Any]) -> list[str]:
    if not row["calls"]:
        return ["", ""]
    called = wording.money_short(row["called"], "")
    of = f"{called} ({row['calls']:.0f} of {row['accounts']})"
    return [of, wording.money_short(row["expected_of_called"], "")]


def _note(outlook: Outlook, run: Mapping[str, Any]) -> str:
    days = run["horizon_days"]
    parts = [
        "By the date on which the running term ends; calendar quarters within the next twelve "
        "months. Accounts known to leave are in the month of their last day and not part of ARR "
        "due. Renewed ARR = ARR due − churn − contraction + expansion.",
        f"Churn: each account's chance of leaving for terms that end within {days} days",
    ]
    far = outlook.basis.pools["far"]
    parts[-1] += (
        f"; later, the share of past renewals that left when seen as far ahead "
        f"({wording.percent(far.rate)} of {far.renewals:,})."
        if far.renewals >= LEAST_RENEWALS
        else f"; later, nothing is expected: fewer than {LEAST_RENEWALS} past renewals are known."
    )
    parts.append(
        "Contraction and expansion: as at past renewals. Ranges of parts do not add up to the "
        f"range of the total. {_dependence(outlook, TERM)} CSMs’ calls: renewals with a call and "
        "their total by the calls, next to what the model expects of the same accounts. The two "
        "are never averaged."
    )
    return " ".join(parts)


def _dependence(outlook: Outlook, kind: str) -> str:
    own = outlook.basis.dependence[kind]
    if not own.months:
        return "No past month is known, so the range takes accounts as independent."
    return (
        f"The range allows for accounts of a month leaving together (correlation "
        f"{own.correlation:.2f}, from {own.months} past months)."
    )


def retention_tables(outlook: Outlook) -> dict[str, Table]:
    """Describe the retention of accounts without a term, where there are any.

    Parameters
    ----------
    outlook : Outlook
        The months ahead.
    """
    if outlook.months.empty or not (outlook.months["kind"] == MONTHLY).any():
        return {}
    own = outlook.months[outlook.months["kind"] == MONTHLY]
    # A book without terms has no other forecast.
    shown = own.head(_RETENTION_MONTHS) if outlook.has_terms else own
    lines = [
        Line(
            [
                pd.Period(row["month"], "M").strftime("%b %Y"),
                wording.count(row["accounts"]),
                wording.money(row["arr"], ""),
                *_amounts(row),
            ]
        )
        for _, row in shown.iterrows()
    ]
    table = Table(
        "Retention of month-to-month accounts",
        ["Month", "Accounts today", "ARR at its start", *_HEADS[:3], "ARR at its end", _HEADS[4]],
        lines,
        "Accounts without a term of more than 35 days: there is nothing to renew, so each may "
        "leave in any month, by its chance of leaving within the horizon and at the past rate "
        f"after it. ARR at the start is what is expected to be left by then. "
        f"{_dependence(outlook, MONTHLY)}",
    )
    return {"retention": table}


def ledger_table(ledger: pd.DataFrame, run: Mapping[str, Any]) -> Table:
    """State who was right, the model or the CSMs.

    Parameters
    ----------
    ledger : pd.DataFrame
        As from `build_ledger`.
    run : mapping
        Content of run.json.
    """
    currency = run["currency"]
    lines = [
        Line(
            [
                own.who or "All CSMs",
                wording.count(own.renewals),
                wording.money(own.due, currency),
                wording.money(own.kept, currency),
                wording.money(own.called, currency),
                wording.money(own.expected, currency),
                wording.money(own.csm_error, currency),
                wording.money(own.model_error, currency),
                closer_words(own, currency),
            ],
            strong=not own.who,
        )
        for own in judge(ledger)
    ]
    return Table(
        "Ledger: CSMs’ calls and the model after the date",
        [
            *("Calls of", "Renewals", "ARR due", "Kept", "By the calls", "By the model"),
            *("Error of a call", "Error of the model", "Closer"),
        ],
        lines,
        f"Renewals whose date and grace period have passed, with a call made at least {LEAD_DAYS} "
        "days before and a chance published before the call. Error: mean distance from the ARR "
        f"that was kept, per renewal. A CSM has a line from {LEAST_CALLS} renewals on. "
        "The interval covers the difference of the two errors in 95 of 100 cases.",
        "No renewal with a CSM’s call has passed yet.",
    )


def closer_words(judged: Judged, currency: str) -> str:
    """State who was closer and by how much, with the interval.

    Parameters
    ----------
    judged : Judged
        Model against CSMs.
    currency : str
        Of the amounts.
    """
    if judged.difference != judged.difference:
        return f"too few to say: {judged.renewals} of {LEAST_CALLS}"
    who = "CSMs" if not judged.who else "CSM"
    name = {"model": "Model", "csm": who, "": "No difference beyond chance"}[judged.closer]
    sign = 1 if judged.difference >= 0 else -1
    ends = sorted((sign * judged.low, sign * judged.high))
    low, high = (wording.money(end, currency) for end in ends)
    by = wording.money(abs(judged.difference), currency)
    lean = "" if judged.closer else f" ({'model' if sign > 0 else who} closer)"
    return f"{name}{lean}: by {by} a renewal ({low} to {high})"
