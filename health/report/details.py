"""What a row of the report holds when it is opened, as packed data for the page's script."""

from __future__ import annotations

import base64
import gzip
import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from health.business.kinds import business_of
from health.presentation import wording
from health.reasons.reasons import BASELINE
from health.report.background import Background
from health.report.history import History, score_changes

#: Terms of a model shown one by one; the others are summed in one line.
MOST_TERMS = 8
#: Changes of an account's score shown.
MOST_CHANGES = 6
FACTS = (
    "Chance of leaving",
    "Chance of growing",
    "Chance of buying",
    "Health score",
    "Lifetime value",
    "End of term",
    "Customer for",
    "Who they are",
    "Holds",
    "Could be offered",
)


#: Headings over, and below, what makes the risk.
_LEAVING = ("What makes leaving more or less likely", "Chance of leaving")
_LEFT = ("What makes having left more or less likely", "Chance of having left")
#: The same of customers who order and have no contract.
ORDER_FACTS = (
    "Chance of having left",
    "Chance of an order",
    "Orders ahead",
    "Health score",
    "Lifetime value",
    "Earned so far",
    "Customer for",
    "Who they are",
)


class _Texts:
    """Sentences, each held once and named by its number."""

    def __init__(self) -> None:
        self.held: dict[str, int] = {}

    def numbers(self, texts: pd.Series[str]) -> np.ndarray:
        """Return the number of each text, adding those not held yet."""
        codes, distinct = pd.factorize(texts.astype(object))
        known = [self.held.setdefault(str(text), len(self.held)) for text in distinct]
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
        The runs before.
    background : Background
        Products held, tickets and answers.
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
        outputs = [o for o in models if o in wanted.get(account, ()) and account in models[o]]
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
        "texts": list(texts.held),
        "accounts": rows,
    }
    return _pack(content)


def _pack(content: Any) -> Markup:
    """Write JSON, zipped and in base64: a quarter of the size, and nothing in it is markup."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    # Without a time of its own, the same details give the same bytes.
    zipped = gzip.compress(text.encode("utf-8"), compresslevel=9, mtime=0)
    return Markup(base64.b64encode(zipped).decode("ascii"))


def _wanted(flags: pd.DataFrame) -> dict[str, set[str]]:
    """Return which models' reasons each account's lists call for; churn's for everybody."""
    outputs = flags["flag"].where(flags["flag"].isin(["upsell", "cross_sell"]), "churn")
    wanted = outputs.groupby(flags["account_id"]).agg(set)
    return {str(account): names | {"churn"} for account, names in wanted.items()}


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
    start = own[own["term"] == BASELINE].set_index("account_id")["contribution"]
    terms = own[own["term"] != BASELINE]
    terms = terms.assign(size=terms["contribution"].abs())
    terms = terms.sort_values(["account_id", "size", "term"], ascending=[True, False, True])
    place = terms.groupby("account_id").cumcount()
    shown, rest = terms[place < MOST_TERMS], terms[place >= MOST_TERMS]
    table = pd.DataFrame(
        {
            "text": texts.numbers(shown["text"]),
            "contribution": shown["contribution"].round(3).to_numpy(),
        }
    )
    flat = _flat(shown["account_id"], table)
    others = rest.groupby("account_id")["contribution"].agg(["size", "sum"])
    return {
        account: {
            "b": round(float(start.get(account, 0.0)), 3),
            "r": flat.get(account, []),
            "n": int(others["size"].get(account, 0)),
            "s": round(float(others["sum"].get(account, 0.0)), 3),
        }
        for account in start.index
    }


def _changes(changes: pd.DataFrame, texts: _Texts) -> dict[str, list[float]]:
    top = changes[changes.groupby("account_id").cumcount() < MOST_CHANGES]
    table = pd.DataFrame(
        {"text": texts.numbers(top["text"]), "change": top["change"].round(1).to_numpy()}
    )
    return _flat(top["account_id"], table)


def _flat(accounts: pd.Series[str], table: pd.DataFrame) -> dict[str, list[float]]:
    """Return each account's rows one after another in one list of numbers."""
    rows = list(zip(*(table[column].tolist() for column in table), strict=True))
    flat: dict[str, list[float]] = {}
    for account, row in zip(accounts, rows, strict=True):
        flat.setdefault(str(account), []).extend(_short(value) for value in row)
    return flat


def _short(value: float) -> float:
    return int(value) if value == int(value) else value


def _facts(
    accounts: pd.Series[str],
    scores: pd.DataFrame,
    run: Mapping[str, Any],
    background: Background,
) -> dict[str, list[str]]:
    """Word the figures of each account in the order of `FACTS`, or of `ORDER_FACTS`."""
    has_terms = business_of(run).has_terms
    rows = scores[scores["account_id"].isin(accounts)].drop_duplicates("account_id")
    say = _fact_texts if has_terms else _order_fact_texts
    facts = {str(row["account_id"]): say(row, run) for row in rows.to_dict("records")}
    if not has_terms:
        return facts
    return {
        account: [
            *texts,
            ", ".join(background.held.get(account, [])),
            ", ".join(background.open.get(account, [])),
        ]
        for account, texts in facts.items()
    }


def _lines(
    accounts: pd.Series[str], scores: pd.DataFrame, history: History
) -> dict[str, list[int | None]]:
    """Return each account's scores of the last runs and now, in whole points; None: not scored."""
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
    days = events["at"].map(wording.day)
    flat: dict[str, list[str]] = {}
    for account, day, text in zip(events["account_id"], days, events["text"], strict=True):
        flat.setdefault(str(account), []).extend((day, str(text)))
    return flat


def _fact_texts(row: Mapping[Any, Any], run: Mapping[str, Any]) -> list[str]:
    days = run["horizon_days"]
    product = wording.text_of(row["cross_sell_product"])
    ends = wording.renewal(row["days_to_renewal"])
    return [
        _chance(row, "churn", days),
        _chance(row, "upsell", days),
        f"{product}: {_chance(row, 'cross_sell', days)}" if product else "no product left to offer",
        _health_fact(row),
        _value_fact(row, run),
        "no end of term is known" if ends == wording.NONE else ends,
        wording.span(row["tenure_days"]),
        _who(row),
    ]


def _order_fact_texts(row: Mapping[Any, Any], run: Mapping[str, Any]) -> list[str]:
    left, base, days = row["churn_probability"], row["churn_base_rate"], run["horizon_days"]
    known = wording.percent(left) != wording.NONE
    usual = f"{wording.percent(left)}; customers like this: {wording.percent(base)}"
    ahead = row["orders_expected"]
    return [
        f"{usual}; inferred from the orders, for nobody sees it" if known else "cannot be told",
        f"{wording.percent(row['order_probability'])} in {days} days",
        f"{ahead:.1f} expected in {days} days" if not math.isnan(ahead) else "",
        _health_fact(row),
        _value_fact(row, run),
        wording.money(row["past_value"], run["currency"]),
        wording.span(row["tenure_days"]),
        _who(row),
    ]


def _value_fact(row: Mapping[Any, Any], run: Mapping[str, Any]) -> str:
    low, high = (wording.money(row[key], "") for key in ("clv_low", "clv_high"))
    value = wording.money(row["clv"], run["currency"])
    return f"{value} over {run['clv']['horizon_months']} months (likely {low} to {high})"


def _who(row: Mapping[Any, Any]) -> str:
    who = (row["segment"], row["industry"], row["region"], row["stage"])
    return ", ".join(wording.text_of(part) for part in who if wording.text_of(part))


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
