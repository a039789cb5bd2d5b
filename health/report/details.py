"""The details of an account that a row shows when opened, packed for the page's script."""

from __future__ import annotations

import base64
import gzip
import json
import math
from collections import defaultdict
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from health.business.kinds import business_of
from health.presentation import wording
from health.presentation.lifetime_value import ranges_in_words
from health.reasons.sentences import each_once
from health.reasons.signals import BASELINE
from health.report.background import Background
from health.report.forecast import MONTHS_OF_YEAR, known_to_leave, last_days
from health.report.history import History, score_changes

#: Terms of a model shown one by one; the others are summed in one line.
MOST_TERMS = 8
#: Changes of an account's score shown.
MOST_CHANGES = 6
FACTS = (
    "Known to leave",
    "Chance of leaving",
    "Expected loss",
    "Chance of growing",
    "Chance of buying",
    "Health score",
    "NPS",
    "MRR",
    "Renewal date",
    "Plan",
    "Seats",
    "Products",
    "Could be offered",
    "Lifetime value",
    "CSM",
    "Customer for",
    "Segment",
)
#: The same of customers who order and have no contract.
ORDER_FACTS = (
    "Chance of having left",
    "Expected loss",
    "Chance of an order",
    "Expected orders",
    "Health score",
    "NPS",
    "Monthly orders",
    "Lifetime value",
    "Earned so far",
    "CSM",
    "Customer for",
    "Segment",
)
#: Headings above and below the terms of the risk.
_LEAVING = ("What makes leaving more or less likely", "Chance of leaving")
_LEFT = ("What makes having left more or less likely", "Chance of having left")


class _Texts:
    """Sentences, each stored once and referred to by its number."""

    def __init__(self) -> None:
        self.stored: dict[str, int] = {}

    def numbers(self, texts: pd.Series[str]) -> np.ndarray:
        """Return the number of each text, and store new ones."""
        codes, distinct = pd.factorize(texts.astype(object))
        known = [self.stored.setdefault(str(text), len(self.stored)) for text in distinct]
        return np.array([*known, -1], dtype=int)[codes]


def packed_details(
    accounts: pd.Series[str],
    scores: pd.DataFrame,
    reasons: pd.DataFrame,
    flags: pd.DataFrame,
    run: Mapping[str, Any],
    history: History,
    background: Background,
) -> Markup:
    """Return the details of some accounts as zipped JSON in base64.

    Parameters
    ----------
    accounts : pd.Series of str
        Whose details, in the order the page counts them.
    scores, reasons, flags : pd.DataFrame
        The tables of the run.
    run : mapping
        Content of run.json.
    history : History
        Earlier runs.
    background : Background
        Products, plans, answers and tickets.
    """
    texts = _Texts()
    own = reasons[reasons["account_id"].isin(accounts)]
    health = _health(own, texts)
    models = {output: _model(own, output, texts) for output in ("churn", "upsell", "cross_sell")}
    wanted = _wanted(flags)
    changes = _changes(score_changes(history, accounts), texts)
    facts = _facts(accounts, scores, run, background)
    events = _events(background.events)
    lines = _lines(accounts, scores, history)
    rows = []
    for account in accounts:
        row: dict[str, Any] = {"f": facts.get(account, [])}
        if account in health:
            row["h"] = health[account]
        outputs = [
            o for o in models if o in wanted.get(account, ("churn",)) and account in models[o]
        ]
        if outputs:
            row["m"] = {output: models[output][account] for output in outputs}
        if account in changes:
            row["d"] = changes[account]
        if account in lines:
            row["l"] = lines[account]
        if account in events:
            row["e"] = events[account]
        rows.append(row)
    terms = business_of(run).has_terms
    content = {
        "facts": FACTS if terms else ORDER_FACTS,
        "risk": _LEAVING if terms else _LEFT,
        "texts": list(texts.stored),
        "accounts": rows,
    }
    return _pack(content)


def _pack(content: Any) -> Markup:
    """Write zipped JSON in base64: a quarter of the size, and nothing in it is markup."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    # Without a timestamp, the same details give the same bytes.
    zipped = gzip.compress(text.encode("utf-8"), compresslevel=9, mtime=0)
    return Markup(base64.b64encode(zipped).decode("ascii"))


def _wanted(flags: pd.DataFrame) -> dict[str, set[str]]:
    """Return the models whose reasons each account's lists need; churn's for all of them."""
    outputs = flags["flag"].where(flags["flag"].isin(["upsell", "cross_sell"]), "churn")
    wanted: dict[str, set[str]] = defaultdict(lambda: {"churn"})
    for account, output in zip(flags["account_id"], outputs, strict=True):
        wanted[str(account)].add(output)
    return dict(wanted)


def _health(reasons: pd.DataFrame, texts: _Texts) -> dict[str, list[float]]:
    """Return text, points earned and points missing of every measure, most missing first."""
    own = reasons[reasons["output"] == "health"]
    if "missing" not in own.columns:
        own = own.assign(missing=np.nan)
    ordered = own.sort_values(
        ["account_id", "missing", "contribution", "term"], ascending=[True, False, False, True]
    )
    table = pd.DataFrame(
        {
            "text": texts.numbers(ordered["text"]),
            "earned": ordered["contribution"].round(2).to_numpy(),
            "missing": ordered["missing"].round(2).fillna(0.0).to_numpy(),
        }
    )
    return _flat(ordered["account_id"], table)


def _model(reasons: pd.DataFrame, output: str, texts: _Texts) -> dict[str, dict[str, Any]]:
    """Return the strongest terms of a model, the sum of the others, and the start."""
    own = reasons[reasons["output"] == output]
    start = own[own["term"] == BASELINE].set_index("account_id")["contribution"].to_dict()
    terms = own[own["term"] != BASELINE]
    terms = terms.assign(size=terms["contribution"].abs())
    terms = terms.sort_values(["account_id", "size", "term"], ascending=[True, False, True])
    place = terms.groupby("account_id", observed=True).cumcount()
    shown, rest = terms[place < MOST_TERMS], terms[place >= MOST_TERMS]
    table = pd.DataFrame(
        {
            "text": texts.numbers(shown["text"]),
            "contribution": shown["contribution"].round(3).to_numpy(),
        }
    )
    flat = _flat(shown["account_id"], table)
    others = (
        rest.groupby("account_id", observed=True)["contribution"].agg(["size", "sum"]).to_dict()
    )
    return {
        str(account): {
            "b": round(float(baseline), 3),
            "r": flat.get(str(account), []),
            "n": int(others["size"].get(account, 0)),
            "s": round(float(others["sum"].get(account, 0.0)), 3),
        }
        for account, baseline in start.items()
    }


def _changes(changes: pd.DataFrame, texts: _Texts) -> dict[str, list[float]]:
    top = changes[changes.groupby("account_id", observed=True).cumcount() < MOST_CHANGES]
    table = pd.DataFrame(
        {"text": texts.numbers(top["text"]), "change": top["change"].round(1).to_numpy()}
    )
    return _flat(top["account_id"], table)


def _flat(accounts: pd.Series[str], table: pd.DataFrame) -> dict[str, list[float]]:
    """Return the rows of each account, which follow one another, as one flat list of numbers."""
    if table.empty:
        return {}
    names, values = accounts.to_numpy(dtype=object), table.to_numpy(dtype=float).ravel()
    # Whole numbers without a decimal point: a tenth of the page.
    short = values.astype(object)
    is_whole = values == np.floor(values)
    short[is_whole] = values[is_whole].astype(np.int64)
    numbers, width = short.tolist(), table.shape[1]
    begins = [0, *(np.flatnonzero(names[1:] != names[:-1]) + 1).tolist(), len(names)]
    return {
        str(names[begin]): numbers[begin * width : end * width] for begin, end in pairwise(begins)
    }


def _facts(
    accounts: pd.Series[str],
    scores: pd.DataFrame,
    run: Mapping[str, Any],
    background: Background,
) -> dict[str, list[str]]:
    """Describe the values of each account in the order of `FACTS`, or of `ORDER_FACTS`."""
    rows = scores[scores["account_id"].isin(accounts)].drop_duplicates("account_id")
    ends = last_days(rows, run["as_of"]).map(wording.day)
    rows = rows.assign(leaves=known_to_leave(rows), ends=ends)
    worded = _fact_texts if business_of(run).has_terms else _order_fact_texts
    return {str(row["account_id"]): worded(row, run, background) for row in rows.to_dict("records")}


def _lines(
    accounts: pd.Series[str], scores: pd.DataFrame, history: History
) -> dict[str, list[int | None]]:
    """Return each account's scores of the last runs and of this one, rounded; None: not scored."""
    past = history.lines(accounts)
    own = scores.loc[scores["account_id"].isin(accounts), ["account_id", "health_score"]]
    now = own.drop_duplicates("account_id").set_index("account_id")["health_score"]
    lines = {account: [*before, float(now[account])] for account, before in past.items()}
    return {
        account: [None if math.isnan(score) else round(score) for score in line]
        for account, line in lines.items()
    }


def _events(events: pd.DataFrame) -> dict[str, list[str]]:
    """Return day and text of each account's tickets and answers, one after another."""
    days = each_once(pd.to_datetime(events["at"]).dt.normalize(), wording.day)
    flat: dict[str, list[str]] = {}
    for account, day, text in zip(events["account_id"], days, events["text"], strict=True):
        flat.setdefault(str(account), []).extend((day, str(text)))
    return flat


def _fact_texts(
    row: Mapping[Any, Any], run: Mapping[str, Any], background: Background
) -> list[str]:
    days, currency, account = run["horizon_days"], run["currency"], str(row["account_id"])
    product, leaves = wording.text_of(row["cross_sell_product"]), row["leaves"]
    offer = f"{product}: {_chance(row, 'cross_sell', days)}" if product else "no product to offer"
    return [
        f"gave notice; last day: {row['ends']}" if leaves else "",
        "" if leaves else _chance(row, "churn", days),
        "" if leaves else _loss_fact(row, run),
        "" if leaves else _chance(row, "upsell", days),
        "" if leaves else offer,
        _health_fact(row),
        background.nps.get(account, ""),
        f"{wording.money(row['mrr'], currency)} a month, ARR "
        f"{wording.money(row['mrr'] * MONTHS_OF_YEAR, currency)}",
        "" if leaves else _renewal_fact(row, run),
        background.plans.get(account, ""),
        _seats_fact(row),
        ", ".join(background.owned.get(account, [])),
        "" if leaves else ", ".join(background.open.get(account, [])),
        _value_fact(row, run),
        wording.text_of(row["csm"]),
        wording.span(row["tenure_days"]),
        _segment_fact(row),
    ]


def _renewal_fact(row: Mapping[Any, Any], run: Mapping[str, Any]) -> str:
    days = row["days_to_renewal"]
    if math.isnan(days):
        return "none: month to month, or not recorded"
    return f"{wording.day_after(run['as_of'], days)} ({wording.renewal(days)})"


def _seats_fact(row: Mapping[Any, Any]) -> str:
    seats = row.get("seats")
    return "" if seats is None or pd.isna(seats) or seats <= 0 else wording.count(seats)


def _loss_fact(row: Mapping[Any, Any], run: Mapping[str, Any]) -> str:
    loss = wording.money(row["expected_loss"], run["currency"])
    return "" if loss == wording.NONE else f"{loss} (chance × {business_of(run).a_year})"


def _order_fact_texts(
    row: Mapping[Any, Any], run: Mapping[str, Any], background: Background
) -> list[str]:
    left, base, days = row["churn_probability"], row["churn_base_rate"], run["horizon_days"]
    known = wording.percent(left) != wording.NONE
    chance = f"{wording.percent(left)}; similar customers: {wording.percent(base)}"
    expected, again = row["orders_expected"], row["order_probability"]
    account = str(row["account_id"])
    return [
        f"{chance}; inferred from past orders" if known else "not published",
        _loss_fact(row, run),
        "" if math.isnan(again) else f"{wording.percent(again)} in {days} days",
        "" if math.isnan(expected) else f"{expected:.1f} in {days} days",
        _health_fact(row),
        background.nps.get(account, ""),
        wording.money(row["mrr"], run["currency"]),
        _value_fact(row, run),
        wording.money(row["past_value"], run["currency"]),
        wording.text_of(row["csm"]),
        wording.span(row["tenure_days"]),
        _segment_fact(row),
    ]


def _value_fact(row: Mapping[Any, Any], run: Mapping[str, Any]) -> str:
    value = wording.money(row["clv"], run["currency"])
    if value == wording.NONE:
        return ""
    ranges = "; ".join(ranges_in_words(row, run["currency"]))
    return f"{value} over {run['clv']['horizon_months']} months" + (
        f" ({ranges})" if ranges else ""
    )


def _segment_fact(row: Mapping[Any, Any]) -> str:
    stage = wording.text_of(row["stage"])
    who = [wording.text_of(row[name]) for name in ("segment", "industry", "region")]
    return ", ".join(part for part in [*who, f"stage: {stage}" if stage else ""] if part)


def _chance(row: Mapping[Any, Any], output: str, days: int) -> str:
    p, base = row[f"{output}_probability"], row[f"{output}_base_rate"]
    text = wording.chance(p, base, days)
    words = [word for word in (wording.one_in(p), wording.against_usual(p, base)) if word]
    return f"{text} ({', '.join(words)})" if words else text


def _health_fact(row: Mapping[Any, Any]) -> str:
    band, coverage = wording.band_of(row["health_band"]), wording.percent(row["health_coverage"])
    if not band.name:
        return f"not scored: {wording.text_of(row['not_scored_reason']) or 'too little data'}"
    return (
        f"{wording.points(row['health_score'])} of 100, {band.title.lower()}; "
        f"{coverage} of the measures had data"
    )
