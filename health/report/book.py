"""The head of customer success's part of the report: the book of business at a glance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
from markupsafe import Markup

from health.business.kinds import business_of
from health.presentation import wording
from health.reasons.sentences import each_once
from health.report import charts
from health.report.background import Background
from health.report.hindsight import cause_rows, driver_rows, past_list_rows
from health.report.history import History, score_changes
from health.report.standing import retention_plot, revenue_rows, stage_rows, voice_row

#: Movers shown in each direction, and how much a score has to move to be one, in points.
MOST_MOVERS = 8
LEAST_MOVE = 3.0


@dataclass(frozen=True)
class Tile:
    """One figure with its name and what it means."""

    title: str
    metric: str
    about: str


@dataclass(frozen=True)
class BandRow:
    """One band of the book: accounts and MRR, and the accounts of the run before."""

    band: wording.Band
    accounts: str
    share: str
    before: str
    mrr: str
    mrr_share: str


@dataclass(frozen=True)
class Mover:
    """An account whose score moved, and why."""

    name: str
    under: str
    change: str
    score: str
    band: wording.Band
    mrr: str
    causes: list[str]


@dataclass(frozen=True)
class Load:
    """What one CSM holds: money worded, `sorts` for the sortable columns."""

    csm: str
    cells: list[str]
    sorts: list[float]


@dataclass(frozen=True)
class Verdict:
    """How far one model is to be trusted, in words."""

    title: str
    chip: str
    good: bool
    sentences: list[str]
    note: str


@dataclass(frozen=True)
class Book:
    """Everything the first part shows."""

    tiles: list[Tile]
    bands: list[BandRow]
    accounts_bar: Markup
    mrr_bar: Markup
    histogram: Markup
    has_before: bool
    up: list[Mover]
    down: list[Mover]
    causes_known: bool
    renewals: list[list[str]]
    loads: list[Load]
    verdicts: list[Verdict]
    stages: list[list[str]]
    revenue: list[list[str]]
    voices: list[list[str]]
    retention: list[Markup]
    drivers: list[list[str]]
    past_lists: list[list[str]]
    causes: list[list[str]]


def build_book(
    scores: pd.DataFrame,
    reasons: pd.DataFrame,
    flags: pd.DataFrame,
    run: Mapping[str, Any],
    history: History,
    background: Background,
) -> Book:
    """Sum the book up."""
    bands = each_once(scores["health_band"], lambda name: wording.band_of(name).name)
    money = business_of(run).money
    return Book(
        tiles=_tiles(scores, flags, run),
        bands=_band_rows(scores, bands, run, history),
        accounts_bar=charts.stacked_bar(dict(bands.value_counts()), "Accounts by band"),
        mrr_bar=charts.stacked_bar(dict(scores["mrr"].groupby(bands).sum()), f"{money} by band"),
        histogram=charts.histogram(scores["health_score"], bands),
        has_before=not history.last.empty,
        up=_movers(scores, reasons, run, history, rising=True),
        down=_movers(scores, reasons, run, history, rising=False),
        causes_known=not history.changes.empty,
        renewals=_renewals(scores, run),
        loads=_loads(scores, flags, run),
        verdicts=[_verdict(name, scores, run) for name in run.get("evaluation", {})],
        stages=stage_rows(scores, run),
        revenue=revenue_rows(background),
        voices=[voice_row(voice) for voice in background.voice],
        retention=[
            retention_plot(background.retention, "began "),
            retention_plot(background.retention_by_segment),
        ],
        drivers=driver_rows(run),
        past_lists=past_list_rows(background.monitor),
        causes=cause_rows(history, len(scores)),
    )


def _tiles(scores: pd.DataFrame, flags: pd.DataFrame, run: Mapping[str, Any]) -> list[Tile]:
    currency, business = run["currency"], business_of(run)
    value = flags.groupby("flag")["value"].sum()
    accounts = flags.groupby("flag")["account_id"].nunique()
    tiles = [
        Tile(
            "Accounts",
            wording.count(len(scores)),
            f"{wording.count(flags['account_id'].nunique())} are on a list this week",
        ),
        Tile(
            business.money,
            wording.money_short(scores["mrr"].sum(), currency),
            business.money_of_all,
        ),
        _at_risk_tile(scores, flags, run),
    ]
    if not business.has_terms:
        return [*tiles, *_order_tiles(scores, run)]
    for flag in ("upsell", "cross_sell"):
        listed = int(accounts.get(flag, 0))
        tiles.append(
            Tile(
                f"{wording.title_of(flag)} value",
                wording.money_short(float(value.get(flag, 0.0)), currency),
                f"expected in a year from {wording.count(listed, 'listed account')}",
            )
        )
    return tiles


def _order_tiles(scores: pd.DataFrame, run: Mapping[str, Any]) -> list[Tile]:
    """Say what customers who order are still expected to bring."""
    clv = run["clv"]
    expected = scores["orders_expected"]
    soon = wording.count(round(expected.sum())) if expected.notna().any() else wording.NONE
    return [
        Tile("Orders ahead", soon, f"expected in {run['horizon_days']} days"),
        Tile(
            "Lifetime value ahead",
            wording.money_short(scores["clv"].sum(min_count=1), run["currency"]),
            f"margin expected in {clv['horizon_months']} months, discounted",
        ),
    ]


def _at_risk_tile(scores: pd.DataFrame, flags: pd.DataFrame, run: Mapping[str, Any]) -> Tile:
    business, currency = business_of(run), run["currency"]
    at_risk = flags[flags["flag"] == "at_risk"]
    listed = wording.count(at_risk["account_id"].nunique(), "listed account")
    own = wording.money_short(at_risk["value"].sum(), currency)
    if scores["expected_loss"].notna().any():
        total = wording.money_short(scores["expected_loss"].sum(), currency)
        within = f" in {run['horizon_days']} days" if business.has_terms else ""
        about = f"{business.risk}{within} × {business.a_year}; {own} of it on {listed}"
        return Tile("Money at risk", total, about)
    return Tile("Money at risk", own, f"{business.a_year} of {listed}; no chance is published")


def _band_rows(
    scores: pd.DataFrame, bands: pd.Series[str], run: Mapping[str, Any], history: History
) -> list[BandRow]:
    counts, mrr = bands.value_counts(), scores["mrr"].groupby(bands).sum()
    before = history.last["health_band"].map(lambda name: wording.band_of(name).name)
    then = before.value_counts()
    total, all_mrr = max(len(scores), 1), float(scores["mrr"].sum()) or 1.0
    return [
        BandRow(
            band,
            wording.count(int(counts.get(band.name, 0))),
            wording.percent(int(counts.get(band.name, 0)) / total),
            wording.count(int(then.get(band.name, 0))),
            wording.money_short(float(mrr.get(band.name, 0.0)), run["currency"]),
            wording.percent(float(mrr.get(band.name, 0.0)) / all_mrr),
        )
        for band in wording.BANDS
        if band.name or counts.get("", 0) or then.get("", 0)
    ]


def _movers(
    scores: pd.DataFrame,
    reasons: pd.DataFrame,
    run: Mapping[str, Any],
    history: History,
    *,
    rising: bool,
) -> list[Mover]:
    moved = scores[scores["health_change"] * (1 if rising else -1) >= LEAST_MOVE]
    top = moved.sort_values(["health_change", "account_id"], ascending=[not rising, True])
    top = top.head(MOST_MOVERS)
    causes = _causes(top["account_id"], reasons, history, rising=rising)
    return [_mover(row, causes, run) for row in top.to_dict("records")]


def _mover(
    row: Mapping[Any, Any], causes: Mapping[str, list[str]], run: Mapping[str, Any]
) -> Mover:
    under = (wording.text_of(row["csm"]), wording.text_of(row["segment"]))
    return Mover(
        name=wording.text_of(row["name"]) or str(row["account_id"]),
        under=" · ".join(part for part in under if part),
        change=wording.points(row["health_change"], signed=True),
        score=wording.score(row["health_score"]),
        band=wording.band_of(row["health_band"]),
        mrr=wording.money_short(row["mrr"], run["currency"]),
        causes=causes.get(row["account_id"], []),
    )


def _causes(
    accounts: pd.Series[str], reasons: pd.DataFrame, history: History, *, rising: bool
) -> dict[str, list[str]]:
    """Name what moved each account most; without an earlier run, what weighs most now."""
    sign = 1 if rising else -1
    if not history.changes.empty:
        moves = score_changes(history, accounts)
        moves = moves[moves["change"] * sign > 0]
        metrics = moves["change"].map(lambda change: wording.points(change, signed=True))
        texts = moves["text"] + " (" + metrics + ")"
        top = moves.assign(text=texts).groupby("account_id").head(3)
        return dict(top.groupby("account_id")["text"].agg(list))
    own = reasons[(reasons["output"] == "health") & reasons["account_id"].isin(accounts)]
    by = "contribution" if rising or "missing" not in own.columns else "missing"
    ordered = own.sort_values(["account_id", by, "term"], ascending=[True, False, True])
    return dict(ordered.groupby("account_id").head(2).groupby("account_id")["text"].agg(list))


def _renewals(scores: pd.DataFrame, run: Mapping[str, Any]) -> list[list[str]]:
    """Sum the terms that end within 90 days, a month at a time."""
    rows = []
    for first, last in ((0, 30), (31, 60), (61, 90)):
        own = scores[scores["days_to_renewal"].between(first, last)]
        loss = own["expected_loss"].sum(min_count=1)
        red = int((own["health_band"] == "red").sum())
        rows.append(
            [
                f"in {first} to {last} days",
                wording.count(len(own)),
                wording.count(red),
                wording.money_short(own["mrr"].sum(), run["currency"]),
                wording.money_short(loss, run["currency"]),
            ]
        )
    return rows if scores["days_to_renewal"].notna().any() else []


def _loads(scores: pd.DataFrame, flags: pd.DataFrame, run: Mapping[str, Any]) -> list[Load]:
    """Count what each CSM holds, the largest book first."""
    csm = each_once(scores["csm"], wording.text_of)
    table = pd.DataFrame(
        {
            "accounts": scores.groupby(csm).size(),
            "mrr": scores["mrr"].groupby(csm).sum(),
            "red": (scores["health_band"] == "red").groupby(csm).sum(),
            "loss": scores["expected_loss"].groupby(csm).sum(min_count=1),
        }
    )
    listed = pd.crosstab(flags["csm"].map(wording.text_of), flags["flag"])
    counted = [kind.flag for kind in business_of(run).lists]
    table = table.join(listed.reindex(columns=counted, fill_value=0)).fillna(
        dict.fromkeys(counted, 0)
    )
    ordered = table.sort_values("mrr", ascending=False, kind="stable")
    return [_load(str(name), row, counted, run["currency"]) for name, row in ordered.iterrows()]


def _load(csm: str, row: pd.Series[float], counted: list[str], currency: str) -> Load:
    cells = [
        wording.count(row["accounts"]),
        wording.money_short(row["mrr"], currency),
        wording.count(row["red"]),
        wording.money_short(row["loss"], currency),
        *(wording.count(row[flag]) for flag in counted),
    ]
    return Load(csm, cells, [float(value) for value in row])


def _verdict(name: str, scores: pd.DataFrame, run: Mapping[str, Any]) -> Verdict:
    """Say how far a model is to be trusted: its test, its base rate, its limits."""
    judged, days = run["evaluation"][name], run["horizon_days"]
    title = _TITLES.get(name, _TITLES[""])
    auc, note = judged.get("auc"), wording.text_of(judged.get("note"))
    published = scores[f"{name}_probability"].notna().any()
    rate = wording.percent(judged.get("base_rate"), 1)
    usual = f"Usual rate in {days} days: {rate}." if rate != wording.NONE else ""
    if not published or auc is None:
        sentences = ["No chance is published." if not published else "Not tested.", usual]
        return Verdict(title, "Not published", False, [s for s in sentences if s], note)
    test = f"Shown {_PAIRS.get(name, _PAIRS[''])}, it picks the first: {wording.auc_in_words(auc)}."
    if not judged.get("has_signal", auc["low"] > 0.5):
        why = _NO_ORDER_SIGNAL if name == "order" else _NO_SIGNAL
        return Verdict(title, "No signal", False, [*why, test, usual], note)
    sentences = [test, _best(judged), _lift(judged), usual]
    chip = "Useful" if auc["value"] >= 0.7 else "Some signal"
    return Verdict(title, chip, True, [s for s in sentences if s], note)


_TITLES = {
    "churn": "Chance of leaving",
    "upsell": "Chance of growing",
    "order": "Chance of ordering again",
    "": "Chance of buying a further product",
}
#: Whom a model has to tell apart; its AUC is how often it does.
_PAIRS = {
    "churn": "an account that left and one that stayed",
    "upsell": "an account that grew and one that did not",
    "order": "a customer that ordered again and one that did not",
    "": "an account that bought and one that did not",
}
_NO_SIGNAL = (
    "The past cannot be told from chance, so every account shows the usual rate of its group "
    "and no list rests on this model.",
)


_NO_ORDER_SIGNAL = (
    "Who orders again cannot be told from chance, so no chance of having left is published and no "
    "list rests on this model.",
)


def _best(judged: Mapping[str, Any]) -> str:
    oracle = judged.get("oracle_auc")
    if not oracle:
        return ""
    return f"The best anyone could do on this made-up company is {round(100 * oracle)} times."


def _lift(judged: Mapping[str, Any]) -> str:
    lift = judged.get("lift_top_decile")
    if not lift:
        return ""
    return f"In the tenth it ranks highest it happens {lift['value']:.1f} times as often."
