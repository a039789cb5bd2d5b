"""The part of the report for the head of customer success: the book of business at a glance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
from markupsafe import Markup

from health.business.kinds import business_of, with_money
from health.presentation import wording
from health.reasons.sentences import each_once
from health.report import charts
from health.report.background import Background
from health.report.forecast import MONTHS_OF_YEAR, expected_losses, known_to_leave
from health.report.hindsight import cause_rows, driver_note, driver_rows, past_list_rows
from health.report.history import History, score_changes
from health.report.overview import retention_plot, revenue_rows, stage_rows, voice_row

#: Movers shown in each direction, and by how many points a score has to move.
MOST_MOVERS = 8
LEAST_MOVE = 3.0
_OF_MOVER = (
    *("account_id", "name", "csm", "segment", "mrr"),
    *("health_change", "health_score", "health_band"),
)
#: Where the evaluation does not state the reason.
_NO_CHANCE = "no probability is published"


@dataclass(frozen=True)
class Tile:
    """One metric with its name and its definition."""

    title: str
    metric: str
    about: str


@dataclass(frozen=True)
class BandRow:
    """One band of the book: accounts and MRR, and the accounts of the previous run."""

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
    """The accounts of one CSM: amounts in words, `sorts` for the sortable columns."""

    csm: str
    cells: list[str]
    sorts: list[float]


@dataclass(frozen=True)
class Verdict:
    """How reliable one model is, in words."""

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
    small: list[Mover]
    small_below: str
    causes_known: bool
    renewals: list[list[str]]
    loads: list[Load]
    verdicts: list[Verdict]
    stages: list[list[str]]
    revenue: list[list[str]]
    voices: list[list[str]]
    retention: list[Markup]
    drivers: list[list[str]]
    drivers_note: str
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
    """Add up the book of business.

    Parameters
    ----------
    scores, reasons, flags : pd.DataFrame
        The tables of the run directory.
    run : mapping
        Content of run.json.
    history : History
        Earlier runs.
    background : Background
        What the input tables add.
    """
    bands = each_once(scores["health_band"], lambda name: wording.band_of(name).name)
    money = business_of(run).money
    limit, moved = small_below(scores), movers(scores)
    return Book(
        tiles=_tiles(scores, flags, run),
        bands=_band_rows(scores, bands, run, history),
        accounts_bar=charts.stacked_bar(dict(bands.value_counts()), "Accounts by band"),
        mrr_bar=charts.stacked_bar(dict(scores["mrr"].groupby(bands).sum()), f"{money} by band"),
        histogram=charts.histogram(scores["health_score"], bands),
        has_before=not history.last.empty,
        up=_described(moved["up"], reasons, run, history, rising=True),
        down=_described(moved["down"], reasons, run, history, rising=False),
        small=_described(moved["small"], reasons, run, history, rising=False),
        small_below=wording.money(limit, run["currency"]),
        causes_known=not history.changes.empty,
        renewals=_renewals(scores, run),
        loads=_loads(scores, flags, run),
        verdicts=[_verdict(name, scores, run) for name in run.get("evaluation", {})],
        stages=stage_rows(scores, run),
        revenue=revenue_rows(background),
        voices=[voice_row(voice) for voice in background.voice],
        retention=[
            retention_plot(background.retention, "started in "),
            retention_plot(background.retention_by_segment),
        ],
        drivers=driver_rows(run),
        drivers_note=driver_note(run),
        past_lists=past_list_rows(background.monitor),
        causes=cause_rows(history, len(scores)),
    )


def small_below(scores: pd.DataFrame) -> float:
    """Return the monthly amount below which an account is small: half of the mean account's."""
    paid = scores["mrr"].dropna()
    return float(paid.mean()) / 2 if len(paid) else 0.0


def _tiles(scores: pd.DataFrame, flags: pd.DataFrame, run: Mapping[str, Any]) -> list[Tile]:
    currency, business = run["currency"], business_of(run)
    listed = flags["account_id"].nunique()
    tiles = [
        Tile(
            business.customers,
            wording.count(len(scores)),
            f"{wording.count(listed)} of them are on a list this week",
        ),
        Tile(
            business.money,
            wording.money_short(scores["mrr"].sum(), currency),
            f"{business.money_of_all}; "
            f"{wording.money_short(scores['mrr'].sum() * MONTHS_OF_YEAR, currency)} a year",
        ),
        _at_risk_tile(scores, flags, run),
    ]
    if not business.has_terms:
        return [*tiles, *_order_tiles(scores, run)]
    return [*tiles, _leaving_tile(scores, currency), *_offer_tiles(flags, currency)]


def _offer_tiles(flags: pd.DataFrame, currency: str) -> list[Tile]:
    value = flags.groupby("flag")["value"].sum()
    accounts = flags.groupby("flag")["account_id"].nunique()
    return [
        Tile(
            f"{wording.title_of(flag)} value",
            wording.money_short(float(value.get(flag, 0.0)), currency),
            "expected in a year from "
            f"{wording.count(int(accounts.get(flag, 0)), 'account')} on the list",
        )
        for flag in ("upsell", "cross_sell")
    ]


def _leaving_tile(scores: pd.DataFrame, currency: str) -> Tile:
    own = scores[known_to_leave(scores)]
    return Tile(
        "Known to leave",
        wording.money_short(own["mrr"].sum() * MONTHS_OF_YEAR, currency),
        f"a year of MRR of {wording.count(len(own), 'account')} that gave notice; "
        "not part of the money at risk",
    )


def _order_tiles(scores: pd.DataFrame, run: Mapping[str, Any]) -> list[Tile]:
    """Describe what customers who order are still expected to bring."""
    clv = run["clv"]
    expected = scores["orders_expected"]
    soon = wording.count(round(expected.sum())) if expected.notna().any() else wording.NONE
    return [
        Tile("Expected orders", soon, f"in the next {run['horizon_days']} days"),
        Tile(
            "Lifetime value",
            wording.money_short(scores["clv"].sum(min_count=1), run["currency"]),
            f"margin expected over the next {clv['horizon_months']} months, discounted",
        ),
    ]


def _at_risk_tile(scores: pd.DataFrame, flags: pd.DataFrame, run: Mapping[str, Any]) -> Tile:
    business, currency = business_of(run), run["currency"]
    at_risk = flags[flags["flag"] == "at_risk"]
    listed = at_risk["account_id"].nunique()
    loss = expected_losses(scores)
    if loss.notna().any():
        own = loss[scores["account_id"].isin(at_risk["account_id"])].sum()
        within = business.horizon(run["horizon_days"])
        about = (
            f"{business.risk}{within} × {business.a_year}, all {business.customers.lower()}; "
            f"{wording.money_short(own, currency)} of it on the {wording.count(listed)} on the list"
        )
        return Tile("Money at risk", wording.money_short(loss.sum(), currency), about)
    paid = scores.loc[scores["account_id"].isin(at_risk["account_id"]), "mrr"].sum()
    about = (
        f"on the list; together they {business.pay} "
        f"{wording.money_short(paid, currency)} a month. No expected loss: {no_chance(run)}"
    )
    return Tile("At risk", wording.count(listed, "account"), about)


def no_chance(run: Mapping[str, Any]) -> str:
    """Explain why no probability of leaving is published."""
    evaluation = run.get("evaluation", {})
    if "order" in evaluation:
        return (
            "past orders do not predict who orders again, so no chance of having left is published"
        )
    judged = evaluation.get("churn") or {}
    left, known = judged.get("event_accounts"), judged.get("accounts")
    if left is None or not known:
        return _NO_CHANCE
    counted = (
        f"{wording.count(left)} of {wording.count(known, 'account')} with a known outcome left"
    )
    # Runs of earlier versions do not state the threshold.
    needed = judged.get("event_accounts_needed")
    if needed is None or left >= needed:
        return f"{counted}; {_NO_CHANCE}"
    return f"only {counted}; a probability needs at least {wording.count(needed)}"


def _band_rows(
    scores: pd.DataFrame, bands: pd.Series[str], run: Mapping[str, Any], history: History
) -> list[BandRow]:
    counts, mrr = bands.value_counts(), scores["mrr"].groupby(bands).sum()
    before = each_once(history.last["health_band"], lambda name: wording.band_of(name).name)
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


def movers(scores: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the accounts whose health rose (up) or fell (down, small) most, by their MRR."""
    limit = small_below(scores)
    # Selecting rows copies all their columns.
    few = scores[list(_OF_MOVER)]
    large, small = few[few["mrr"] >= limit], few[few["mrr"] < limit]
    return {"up": _moved(large, 1), "down": _moved(large, -1), "small": _moved(small, -1)}


def named_accounts(scores: pd.DataFrame, *, per_csm: bool) -> list[str]:
    """Return the accounts that `movers` finds among all, and if wanted among those of each CSM."""
    money = with_money(scores)
    books = [money]
    if per_csm:
        books += [own for _, own in money.groupby(each_once(scores["csm"], wording.text_of))]
    return [name for own in books for top in movers(own).values() for name in top["account_id"]]


def _moved(scores: pd.DataFrame, sign: int) -> pd.DataFrame:
    moved = scores[scores["health_change"] * sign >= LEAST_MOVE]
    weighed = moved.assign(weight=moved["health_change"].abs() * moved["mrr"])
    return weighed.sort_values(["weight", "account_id"], ascending=[False, True]).head(MOST_MOVERS)


def _described(
    top: pd.DataFrame,
    reasons: pd.DataFrame,
    run: Mapping[str, Any],
    history: History,
    *,
    rising: bool,
) -> list[Mover]:
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
    """Return what moved each account most; without an earlier run, what counts most now."""
    sign = 1 if rising else -1
    if not history.changes.empty:
        moves = score_changes(history, accounts)
        moves = moves[moves["change"] * sign > 0]
        metrics = moves["change"].map(lambda change: wording.points(change, signed=True))
        texts = moves["text"] + " (" + metrics + ")"
        top = moves.assign(text=texts).groupby("account_id", observed=True).head(3)
        return dict(top.groupby("account_id", observed=True)["text"].agg(list))
    own = reasons[(reasons["output"] == "health") & reasons["account_id"].isin(accounts)]
    by = "contribution" if rising or "missing" not in own.columns else "missing"
    ordered = own.sort_values(["account_id", by, "term"], ascending=[True, False, True])
    return dict(
        ordered.groupby("account_id", observed=True)
        .head(2)
        .groupby("account_id", observed=True)["text"]
        .agg(list)
    )


def _renewals(scores: pd.DataFrame, run: Mapping[str, Any]) -> list[list[str]]:
    """Sum the renewals of the next 90 days, 30 days at a time, without who is known to leave."""
    columns = ["mrr", "days_to_renewal", "expected_loss", "health_band"]
    staying = scores.loc[~known_to_leave(scores), columns]
    rows = []
    for first, last in ((0, 30), (31, 60), (61, 90)):
        own = staying[staying["days_to_renewal"].round().between(first, last)]
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
    """Count the accounts and lists of each CSM, the largest book first."""
    csm = each_once(scores["csm"], wording.text_of)
    table = pd.DataFrame(
        {
            "accounts": scores.groupby(csm).size(),
            "mrr": scores["mrr"].groupby(csm).sum(),
            "red": (scores["health_band"] == "red").groupby(csm).sum(),
            "loss": expected_losses(scores).groupby(csm).sum(min_count=1),
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
    """Describe how reliable a model is: its test, its base rate, its limits."""
    judged, days = run["evaluation"][name], run["horizon_days"]
    title = _TITLES.get(name, _TITLES[""])
    auc, note = judged.get("auc"), wording.text_of(judged.get("note"))
    column = f"{name}_probability"
    published = column in scores.columns and scores[column].notna().any()
    rate = wording.percent(judged.get("base_rate"), 1)
    usual = f"Base rate in {days} days: {rate}." if rate != wording.NONE else ""
    if not published or auc is None:
        sentences = ["No probability is published." if not published else "Not tested.", usual]
        return Verdict(title, "Not published", False, [s for s in sentences if s], note)
    test = f"{wording.auc_in_words(auc)} It ranks {_PAIRS.get(name, _PAIRS[''])}."
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
#: What a model ranks; its AUC is the share of pairs in the right order.
_PAIRS = {
    "churn": "accounts that left above accounts that stayed",
    "upsell": "accounts that grew above accounts that did not",
    "order": "customers that ordered again above customers that did not",
    "": "accounts that bought above accounts that did not",
}
_NO_SIGNAL = (
    "The model does no better than chance on past data, so every account gets the base rate of "
    "its group and no list uses the model.",
)


_NO_ORDER_SIGNAL = (
    "The model does no better than chance at predicting who orders again, so no chance of having "
    "left is published and no list uses the model.",
)


def _best(judged: Mapping[str, Any]) -> str:
    oracle = judged.get("oracle_auc")
    if not oracle:
        return ""
    return f"The best possible AUC on this simulated company is {oracle:.2f}."


def _lift(judged: Mapping[str, Any]) -> str:
    lift = judged.get("lift_top_decile")
    if not lift:
        return ""
    return f"In the tenth that it ranks highest, it happens {lift['value']:.1f} times as often."
