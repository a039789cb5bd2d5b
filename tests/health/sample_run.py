"""A made-up run with hostile names, for the tests of report and workbook."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from features.catalogue import CATALOGUE
from health.reasons.reasons import reason_rows, strongest
from health.reasons.signals import BASELINE

AS_OF = pd.Timestamp("2026-11-01")
HOSTILE = (
    "<script>alert(1)</script>",
    '=HYPERLINK("http://evil.example/x","click")',
    "شركة الأفق للتجارة",
    "W" * 150 + " " + "long name " * 15,
    "</script><img src=x onerror=alert(1)>",
    'O\'Brien & Söhne "GmbH"',
    "{{ 7 * 7 }}",
    "@SUM(A1:A9)",
    "http://link.example/account",
)
CSMS = ("Ana/Luis Pérez", "Chloe Okafor", "Lena Fischer", "Viktor Ueda", "=1+1")
PRODUCTS = ("Automations", "Analytics", "<b>Sync</b>")
PLAYS = {
    "at_risk": "Call the sponsor this week, agree one goal for the next 30 days",
    "upsell": "Offer the next plan or more seats, with their own usage as the argument",
    "cross_sell": "Show the product in a 30-minute session with the team that would use it",
    "advocate": "Ask for a reference, a review or a case story",
    "renewal": "Agree the terms before the notice date",
    "leaving": "Exit interview; agree what would have to change for them to stay",
    "silent": "Find out who left or what broke; a login check and a call",
}
HEALTH_TERMS = tuple(name for name, f in CATALOGUE.items() if f.direction)[:20]


@dataclass(frozen=True)
class SampleRun:
    """The four things report and workbook are made from, and the runs before."""

    scores: pd.DataFrame
    reasons: pd.DataFrame
    flags: pd.DataFrame
    run: dict[str, Any]
    past_scores: pd.DataFrame = field(default_factory=pd.DataFrame)
    changes: pd.DataFrame = field(default_factory=pd.DataFrame)

    @property
    def parts(self) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, dict[str, Any]]:
        return self.scores, self.reasons, self.flags, self.run


def sample_run(
    accounts: int = 200, *, seed: int = 7, weeks: int = 8, everyone: bool = False
) -> SampleRun:
    """Make up a run; with `everyone` each account stands on at least one list."""
    rng = np.random.default_rng(seed)
    inputs = _inputs(accounts, rng)
    health, missing = _health(inputs, rng)
    reasons = [reason_rows("health", health, inputs, missing=missing)]
    scores = _identity(inputs, rng)
    score = health.sum(axis=1).where(rng.random(accounts) > 0.03)
    unscored = inputs["account_id"][score.isna()]
    scores["health_score"] = score
    scores["health_band"] = _bands(score)
    scores["health_coverage"] = rng.uniform(0.55, 1.0, accounts)
    before = health + rng.normal(0, 0.6, health.shape) * (rng.random(health.shape) < 0.3)
    scores["health_change"] = score - before.sum(axis=1)
    scores["not_scored_reason"] = np.where(
        score.isna(), "30 % of the measures have data, 50 % are needed", None
    )
    for output, base in (("churn", -2.8), ("upsell", -2.2), ("cross_sell", -3.4)):
        logits = _logits(accounts, base, rng)
        scores[f"{output}_probability"] = 1 / (1 + np.exp(-logits.sum(axis=1)))
        scores[f"{output}_base_rate"] = 1 / (1 + np.exp(-base))
        reasons.append(reason_rows(output, logits, inputs, baseline_text="Where all start from"))
    scores = _money(scores, rng)
    rows = _as_stored(pd.concat(reasons, ignore_index=True))
    rows = rows[~((rows["output"] == "health") & rows["account_id"].isin(unscored))]
    flags = _flags(scores, rows, everyone)
    changes = _changes(health - before, inputs)
    return SampleRun(scores, rows, flags, _run(scores), _past(scores, weeks, rng), changes)


def _changes(moved: pd.DataFrame, inputs: pd.DataFrame) -> pd.DataFrame:
    rows = reason_rows("health", moved, inputs).rename(columns={"contribution": "change"})
    moved_rows = rows[rows["change"] != 0].assign(kind="measure")
    return _as_stored(moved_rows[["account_id", "term", "kind", "change", "text"]])


def _as_stored(rows: pd.DataFrame) -> pd.DataFrame:
    """Return categorical columns as texts, as tables of a run have them."""
    coded = rows.select_dtypes("category").columns
    return rows.astype(dict.fromkeys(coded, object))


def _inputs(count: int, rng: np.random.Generator) -> pd.DataFrame:
    draw = {
        "count": lambda: rng.poisson(6, count).astype(float),
        "days": lambda: rng.integers(0, 200, count).astype(float),
        "hours": lambda: rng.gamma(2, 8, count).round(1),
        "share": lambda: rng.beta(2, 2, count).round(3),
        "ratio": lambda: rng.normal(0, 0.3, count).round(3),
        "points": lambda: rng.integers(0, 11, count).astype(float),
        "money": lambda: rng.lognormal(6, 1, count).round(0),
        "flag": lambda: rng.integers(0, 2, count).astype(float),
    }
    columns = {name: draw.get(f.unit, draw["ratio"])() for name, f in CATALOGUE.items()}
    return pd.DataFrame({"account_id": [f"ACC-{i:05d}" for i in range(count)], **columns})


def _health(inputs: pd.DataFrame, rng: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame]:
    weights = rng.dirichlet(np.full(len(HEALTH_TERMS), 4.0)) * 100
    level = rng.beta(3, 1.6, (len(inputs), 1))
    share = np.clip(level + rng.normal(0, 0.25, (len(inputs), len(HEALTH_TERMS))), 0, 1)
    earned = pd.DataFrame(share * weights, columns=list(HEALTH_TERMS))
    return earned, pd.DataFrame((1 - share) * weights, columns=list(HEALTH_TERMS))


def _logits(count: int, base: float, rng: np.random.Generator) -> pd.DataFrame:
    terms = [*CATALOGUE, BASELINE]
    logits = pd.DataFrame(rng.normal(0, 0.14, (count, len(terms))), columns=terms)
    return logits.assign(**{BASELINE: base})


def _bands(score: pd.Series) -> pd.Series:
    names = np.select([score < 50, score < 75, score >= 75], ["red", "yellow", "green"], "")
    return pd.Series(names, index=score.index, dtype=object).replace("", None)


def _identity(inputs: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    count = len(inputs)
    words = [("Maple", "North", "Blue", "Iron", "Winter"), ("gate", "field", "works", "loft")]
    kinds = ("Partners", "Industries", "Academy", "Logistics", "Health")
    names = [
        f"{rng.choice(words[0])}{rng.choice(words[1])} {rng.choice(kinds)}" for _ in range(count)
    ]
    return pd.DataFrame(
        {
            "account_id": inputs["account_id"],
            "as_of": AS_OF,
            "name": names,
            "csm": [None if i % 41 == 40 else CSMS[i % 5] for i in range(count)],
            "segment": rng.choice(["SMB", "Mid-market", "Enterprise"], count),
            "industry": rng.choice(["Retail", "Education", "Health care"], count),
            "region": rng.choice(["Europe", "North America"], count),
            "stage": rng.choice(["onboarding", "adoption", "retention", "renewal"], count),
            "mrr": rng.lognormal(6.5, 1, count).round(2),
            "tenure_days": rng.integers(20, 1800, count).astype(float),
            "days_to_renewal": np.where(
                rng.random(count) < 0.3, np.nan, rng.integers(0, 400, count)
            ),
        }
    )


def _money(scores: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    churn = scores["churn_probability"]
    clv = scores["mrr"] * 0.8 * 30 * (1 - churn)
    return scores.assign(
        expected_loss=churn * scores["mrr"] * 12,
        clv=clv,
        clv_low=clv * 0.8,
        clv_high=clv * 1.15,
        upsell_value=scores["upsell_probability"] * scores["mrr"] * 2,
        cross_sell_product=rng.choice(PRODUCTS, len(scores)),
        cross_sell_value=scores["cross_sell_probability"] * 3000,
    )


def _flags(scores: pd.DataFrame, reasons: pd.DataFrame, everyone: bool) -> pd.DataFrame:
    """Raise made-up flags; the riskiest accounts get the hostile names first."""
    ordered = scores.sort_values("expected_loss", ascending=False)
    for index, name in zip(ordered.index, HOSTILE, strict=False):
        scores.loc[index, "name"] = name
    count = len(scores)
    at_risk = ordered.index if everyone else ordered.index[: count // 4]
    chosen = {
        "at_risk": (at_risk, "expected_loss", "churn_probability", "churn"),
        "upsell": (scores.index[: count // 6], "upsell_value", "upsell_probability", "upsell"),
        "cross_sell": (
            scores.index[-count // 8 :],
            "cross_sell_value",
            "cross_sell_probability",
            "cross_sell",
        ),
        "advocate": (scores.index[scores["health_score"] > 85], "mrr", "", "health"),
        "renewal": (
            scores.index[scores["days_to_renewal"] <= 90],
            "expected_loss",
            "churn_probability",
            "churn",
        ),
        "leaving": (scores.index[3 : 3 + max(1, count // 60)], "mrr", "", "health"),
    }
    lists = [
        _flag(scores.loc[index], flag, *rest, reasons) for flag, (index, *rest) in chosen.items()
    ]
    return pd.concat(lists, ignore_index=True)


def _flag(
    scores: pd.DataFrame, flag: str, value: str, chance: str, output: str, reasons: pd.DataFrame
) -> pd.DataFrame:
    own = scores.sort_values(value, ascending=False)
    sentences = strongest(reasons, output, "contribution")
    age = pd.to_timedelta(7 * (np.arange(len(own)) % 9), unit="D")
    return pd.DataFrame(
        {
            "account_id": own["account_id"],
            "name": own["name"],
            "csm": own["csm"],
            "flag": flag,
            "rank": own.groupby("csm", dropna=False).cumcount() + 1,
            "value": own[value],
            "probability": own[chance] if chance else np.nan,
            "base_rate": own[f"{output}_base_rate"] if chance else np.nan,
            "since": AS_OF - age,
            "product": own["cross_sell_product"] if flag == "cross_sell" else None,
            "reasons": own["account_id"].map(sentences).fillna(""),
            "suggested_play": PLAYS[flag],
        }
    )


def sample_week(sample: SampleRun) -> pd.DataFrame:
    """Return a week as in my_week.parquet: the first flag of each account is its main action."""
    own = sample.flags.drop_duplicates("account_id")
    mrr = own["account_id"].map(sample.scores.set_index("account_id")["mrr"])
    offers = own["flag"].isin(["upsell", "cross_sell"])
    week = pd.DataFrame(
        {
            "account_id": own["account_id"],
            "name": own["name"],
            "csm": own["csm"],
            "rank": own.groupby("csm", dropna=False).cumcount() + 1,
            "main_action": own["flag"].where(~offers, "expansion"),
            "flags": own["flag"],
            "value": own["value"],
            "probability": own["probability"],
            "base_rate": 0.06,
            "mrr": mrr,
            "reasons": own["reasons"],
            "play": own["suggested_play"],
            "since": own["since"],
            "due": AS_OF + pd.Timedelta(days=6),
            "last_day": pd.NaT,
            "renewal_date": pd.NaT,
            "product": own["product"],
            "offered": np.where(offers, "3 more seats (7 → 10), about USD 90 a month more", ""),
            "last_action": None,
            "last_action_at": pd.NaT,
            "note": None,
        }
    )
    return week.reset_index(drop=True)


def _past(scores: pd.DataFrame, weeks: int, rng: np.random.Generator) -> pd.DataFrame:
    frames = []
    score = scores["health_score"] - scores["health_change"]
    for week in range(1, weeks + 1):
        past = scores[["account_id", "mrr"]].assign(
            as_of=AS_OF - pd.Timedelta(days=7 * week),
            health_score=score.clip(0, 100),
            health_band=_bands(score),
        )
        frames.append(past)
        score = score + rng.normal(0, 2, len(score))
    return pd.concat(frames[::-1], ignore_index=True)


def _evaluation(
    value: float, *, oracle: float | None = None, signal: bool = True
) -> dict[str, Any]:
    half = 0.04 if signal else 0.1
    return {
        "basis": "model" if signal else "base rate",
        "has_signal": signal,
        "accounts": 905,
        "event_accounts": 234,
        "base_rate": 0.057,
        "note": "234 of 905 accounts churned: enough for a full model",
        "auc": {"value": value, "low": value - half, "high": value + half},
        "brier": {"value": 0.048, "low": 0.04, "high": 0.055},
        "lift_top_decile": {"value": 2.67, "low": 2.1, "high": 3.3},
        "oracle_auc": oracle,
    }


def _run(scores: pd.DataFrame) -> dict[str, Any]:
    return {
        "as_of": "2026-11-01",
        "started": "2026-11-02T05:00:00",
        "finished": "2026-11-02T05:00:41",
        "company": "Fjord & Sons <Ltd>",
        "currency": "USD",
        "config_hash": "eeb5553f14c635d5",
        "model_version": "2026-11-01-34f99922",
        "engine": "duckdb://",
        "horizon_days": 90,
        "row_counts": {"accounts": len(scores) + 40, "subscriptions": 3410, "usage": 1476925},
        "missing_tables": ["orders"],
        "skipped": {"not paying on the date": 40, "too little data for a health score": 6},
        "warnings": ["usage.account_id (usage.csv): 3 accounts are <unknown>; 12 of 900 rows"],
        "gates": [{"name": "accounts are scored", "passed": True, "what": "194 of 200"}],
        "timings": {"read and check": 2.1, "features": 0.61, "score": 0.6},
        "evaluation": {
            "churn": _evaluation(0.76, oracle=0.81),
            "upsell": _evaluation(0.69),
            "cross_sell": _evaluation(0.52, signal=False),
        },
        "drivers": [
            {
                "feature": name,
                "auc": 0.71,
                "direction": -1.0,
                "with_event": 3.0,
                "without": 12.0,
                "missing_share": 0.1,
            }
            for name in HEALTH_TERMS[:4]
        ],
        "my_week": {"accounts": 0, "rule": "Each CSM's week has room for 15 accounts."},
        "clv": {"horizon_months": 36, "margin": 0.8, "discount_rate": 0.1, "currency": "USD"},
    }
