"""Renewals, Team, Expansion and Trust: the whole book of a user."""

from __future__ import annotations

from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import Response

from health.app.chart import reliability_chart
from health.app.reading.accounts import choices
from health.app.reading.book import (
    book_of,
    grid_of,
    outcomes_of,
    segments_of,
    team_of,
)
from health.app.web import Asked
from health.presentation import wording
from health.renewals.calls import CALL_TITLES
from health.renewals.ledger import LEAST_CALLS
from health.report.forecast_renewals import closer_words
from health.training.rivals import CHANCE, score_verdict

#: Renewals shown at once, disagreements first.
_RENEWALS_PER_PAGE = 50
_TITLES = {
    "churn": "Chance of leaving",
    "upsell": "Chance of growing",
    "order": "Chance of ordering again",
}


def renewals(asked: Asked) -> Response:
    """Show what is due, what the model and the CSMs expect, and what became of the last ones."""
    run = asked.run
    _require_terms(asked)
    name = asked.query.get("csm", "")
    scope = asked.scope.for_csm(name) if name else asked.scope
    with asked.app.database.read() as session:
        book = book_of(session, run, scope, limit=asked.app.config.flags.call_difference)
        since, outcomes = outcomes_of(session, asked.app.runs, run, scope)
    page = page_number(asked)
    found = book.renewals
    ordered = sorted(found, key=lambda r: (not r.disagrees, r.day, r.account_id))
    return asked.page(
        "renewals.html.j2",
        run=run,
        csm=name,
        csms=choices(run, asked.scope).csms,
        book=book,
        closer=closer_words,
        least_calls=LEAST_CALLS,
        renewals=ordered[(page - 1) * _RENEWALS_PER_PAGE : page * _RENEWALS_PER_PAGE],
        page=page,
        pages=max(-(-len(found) // _RENEWALS_PER_PAGE), 1),
        total=len(found),
        leaving=sum(r.known_to_leave for r in found),
        disagreements=sum(r.disagrees for r in found),
        since=since,
        outcomes=outcomes,
        calls=CALL_TITLES,
    )


def team(asked: Asked) -> Response:
    """Show the load of every CSM and the book by segment."""
    run = asked.run
    with asked.app.database.read() as session:
        loads = team_of(
            session,
            run,
            asked.scope,
            now=asked.now,
            overdue_days=asked.app.config.app.overdue_days,
        )
    return asked.page(
        "team.html.j2",
        run=run,
        loads=loads,
        segments=segments_of(run, asked.scope),
        csms=choices(run, asked.scope).csms,
    )


def expansion(asked: Asked) -> Response:
    """Show accounts × products."""
    run = asked.run
    _require_terms(asked)
    page = page_number(asked)
    product = asked.query.get("product", "")
    grid = grid_of(run, asked.scope, page=page, product=product) if run.has("whitespace") else None
    return asked.page("expansion.html.j2", run=run, grid=grid, product=product)


def trust(asked: Asked) -> Response:
    """Show whether the score and the models predict, the gates, the data and the runs."""
    run = asked.run
    monitor = run.rows("monitor", _MONITOR, order="as_of") if run.has("monitor") else []
    return asked.page(
        "trust.html.j2",
        run=run,
        info=run.info,
        verdicts=[
            *_of_score(run.info.get("score_auc")),
            *(_verdict(name, judged, run.info) for name, judged in _evaluations(run.info)),
        ],
        monitor=monitor,
        runs=asked.app.runs.published()[::-1][:60],
    )


_MONITOR = [
    "as_of",
    "outcome",
    "accounts",
    "churned",
    "expected",
    "auc",
    "health_auc",
    "listed",
    "listed_churned",
]


def page_number(asked: Asked) -> int:
    """Return the number of the page that is asked for, from 1 on."""
    number = asked.query.get("page", "1")
    return min(max(int(number), 1), 100_000) if number.isdecimal() else 1


def _require_terms(asked: Asked) -> None:
    """404 where customers order: there are no terms that end, and no products that are owned."""
    if not asked.run.business.has_terms:
        raise HTTPException(404)


def _evaluations(info: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return list(info.get("evaluation", {}).items())


def _of_score(auc: dict[str, float] | None) -> list[dict[str, Any]]:
    """State how far the health score can be trusted, if it was tested."""
    if not auc:
        return []
    signal = auc["low"] > CHANCE
    return [
        {
            "title": "Health score",
            "chip": _chip(auc, signal=signal),
            "good": signal,
            "lines": [score_verdict(auc)],
            "bins": [],
            "chart": "",
        }
    ]


def _chip(auc: dict[str, float] | None, *, signal: bool) -> str:
    if not auc:
        return "Not tested"
    if not signal:
        return "No signal"
    return "Useful" if auc["value"] >= 0.7 else "Some signal"


def _verdict(name: str, judged: dict[str, Any], info: dict[str, Any]) -> dict[str, Any]:
    """State how far a model can be trusted."""
    auc, lift = judged.get("auc"), judged.get("lift_top_decile")
    signal = bool(auc) and judged.get("has_signal", True)
    lines = []
    if auc:
        lines.append(
            f"AUC {auc['value']:.2f} (95 % interval {auc['low']:.2f} to {auc['high']:.2f}) on "
            "later dates than it was trained on; 0.5 is chance."
        )
    if auc and not signal:
        lines.append("It does not rank better than chance, so no list is based on it.")
    if signal and lift:
        lines.append(f"The top tenth has {lift['value']:.1f} times the usual rate.")
    if judged.get("base_rate") is not None:
        usual = wording.percent(judged["base_rate"], 1)
        lines.append(f"Usual rate in {info['horizon_days']} days: {usual}.")
    bins = judged.get("reliability") or []
    return {
        "title": _TITLES.get(name, f"Chance of buying ({wording.title_of(name)})"),
        "chip": _chip(auc, signal=signal),
        "good": signal,
        "lines": lines,
        "bins": bins,
        "chart": reliability_chart(bins) if bins else "",
    }
