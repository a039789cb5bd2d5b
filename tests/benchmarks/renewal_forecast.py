"""Coverage and error of the renewal forecast on past dates, by demo seeds or for a configuration.

    uv run python -m tests.benchmarks.renewal_forecast [--seeds 101-140] [--accounts 300]
    uv run python -m tests.benchmarks.renewal_forecast --config health.toml

Every date is forecast with what was known then: a churn model fitted on outcomes known by then, and
the renewals before it. A month counts if all of it is due within the horizon (near) or after it
(far). The error is |forecast − outcome| ÷ ARR due, summed over months; last year's rate keeps the
share of ARR that was kept of the renewals of the twelve months before, seen as far ahead. Prints
one row per company and the table over all: coverage with its standard error over companies.

Demo companies are read without sentiment and themes: these take half of the time, and are no part
of a forecast of renewals but through the chance of leaving. `--keep FILE` keeps the months of every
company; companies that it has are not measured again.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from datetime import date
from importlib.resources import files
from pathlib import Path

import numpy as np
import pandas as pd

from features.commercial.contracts import COLUMNS as CONTRACT_COLUMNS
from features.windows.contracts import load_contracts
from features.windows.table_columns import DAY_US, moment
from health.backtest.walk_forward import model_on_past
from health.business.company import open_company
from health.demo import simulate_company, write_company
from health.renewals.forecast import (
    FAR,
    MONTHLY,
    NEAR,
    Basis,
    due_accounts,
    learn_basis,
    month_table,
    with_level,
)
from health.renewals.history import MONTHS, TERM, paid_after, past_renewals
from health.settings.config import Config, load_config
from health.training.rows import build_account_rows, churn_inputs
from health.training.score_terms import score_terms

#: Days between two dates that are forecast: their near months do not overlap.
EVERY_DAYS, FIRST_DAYS, REFIT_DAYS = 84, 300, 168


def months_of(config: Config) -> pd.DataFrame:
    """Return every month that was forecast, with what came."""
    tables = open_company(config).opened.tables
    rows = build_account_rows(tables, config)
    terms = score_terms(rows, config.score_settings)
    rows = rows.drop(columns=terms.columns, errors="ignore").join(terms)
    horizon, grace = config.labels.horizon_days, config.labels.grace_days
    dates = pd.DatetimeIndex(np.sort(rows["as_of"].unique()))
    last = pd.Timestamp(tables.observed_until) - pd.Timedelta(days=horizon + grace)
    # A short history is forecast from its middle on.
    first = dates[0] + min(pd.Timedelta(days=FIRST_DAYS), (last - dates[0]) / 2)
    dates = dates[(dates >= first) & (dates <= last)]
    chosen = dates[:: EVERY_DAYS // config.training.every_days]
    # Fitted twice a year, as companies do it.
    backtest = config.backtest.model_copy(update={"refit_days": REFIT_DAYS})
    config = config.model_copy(update={"backtest": backtest})
    predicted = model_on_past(rows, churn_inputs(rows, config), config, chosen[0]).predicted
    contracts = load_contracts(tables, grace_days=grace, columns=CONTRACT_COLUMNS)
    now = contracts.as_of(tables.observed_until)
    names = contracts.rows.texts["account_id"].to_pandas()
    number = pd.Series(np.arange(len(names)), index=names)
    found = []
    for day in chosen:
        own = rows["as_of"] == day
        scores = rows.loc[own, ["account_id", "mrr", "days_to_renewal"]].assign(
            churn_probability=predicted.loc[own, "probability"]
        )
        past = past_renewals(tables, day.to_pydatetime(), grace_days=grace)
        basis = learn_basis(past, horizon_days=horizon)
        basis = with_level(basis, scores, horizon_days=horizon)
        due = due_accounts(scores, basis, as_of=day, horizon_days=horizon)
        account = number.loc[due["account_id"]].to_numpy()
        due["account"] = account
        found += list(_judged(due, basis, day, contracts, now, tables.observed_until, config))
    return pd.DataFrame(found)


def _judged(due, basis: Basis, day, contracts, now, until, config) -> Iterator[dict]:
    horizon, grace = config.labels.horizon_days, config.labels.grace_days
    for (kind, month), own in due.groupby(["kind", "month"]):
        period = pd.Period(month, "M")
        end = (period + 1).to_timestamp()
        near = end <= day + pd.Timedelta(days=horizon)
        if not near and period.to_timestamp() < day + pd.Timedelta(days=horizon):
            continue
        if end + pd.Timedelta(days=grace) > pd.Timestamp(until):
            continue
        line = month_table(own, basis).iloc[0]
        if np.isnan(line["kept"]):
            continue
        if kind == TERM:
            at = own["due"].to_numpy().astype("datetime64[us]").astype("int64") + grace * DAY_US
        else:
            at = np.full(len(own), moment(end))
        account = own["account"].to_numpy()
        after = MONTHS * paid_after(contracts, now, account, at)
        kept = float(after.sum())
        pool = basis.pools[MONTHLY if kind == MONTHLY else NEAR if near else FAR]
        rated = own["today"].sum() * pool.kept_share ** own["elapsed"].max()
        yield {
            "kind": kind,
            "reach": "near" if near else "far",
            "covered": line["kept_low"] <= kept <= line["kept_high"],
            "accounts": len(own),
            "expected": line["kept"],
            "low": line["kept_low"],
            "high": line["kept_high"],
            "kept": kept,
            "leaves": line["leaves"],
            "lost": float(own["arr"].to_numpy()[after <= 0].sum()),
            "error": abs(line["kept"] - kept),
            "error_of_rate": abs(rated - kept),
            "arr": line["arr"],
            "correlation": basis.dependence[kind].correlation,
        }


def demo(seed: int, accounts: int, weeks: int) -> pd.DataFrame:
    """Return the months of a demo company."""
    company = simulate_company(accounts, weeks=weeks, end=date(2026, 11, 1), seed=seed)
    with tempfile.TemporaryDirectory() as folder:
        write_company(company, Path(folder))
        text = files("health.demo").joinpath("health.toml").read_text(encoding="utf-8")
        text = text.replace("OBSERVED_UNTIL", str(company.observed_until.date()))
        (Path(folder) / "health.toml").write_text(text, encoding="utf-8")
        config = load_config(Path(folder) / "health.toml")
        unread = config.voice.model_copy(update={"features": False})
        return months_of(config.model_copy(update={"voice": unread}))


def show(months: pd.DataFrame) -> None:
    """Print coverage and errors by kind and reach."""
    for (kind, reach), own in months.groupby(["kind", "reach"]):
        arr = own["arr"].sum()
        by = own.groupby("company")["covered"].agg(["mean", "size"])
        spread = by["mean"].std(ddof=1) / np.sqrt(len(by)) if len(by) > 1 else np.nan
        saved = own.groupby("company")[["error", "error_of_rate"]].sum()
        better = (saved["error"] < saved["error_of_rate"]).mean()
        print(
            f"{kind:8s} {reach:5s} months {len(own):4d}  covered {own['covered'].mean():.1%} "
            f"(±{spread:.1%})  error {own['error'].sum() / arr:.2%}  last year's rate "
            f"{own['error_of_rate'].sum() / arr:.2%}  better for {better:.0%} of companies  "
            f"correlation {own['correlation'].mean():.3f}",
            flush=True,
        )


def main() -> None:
    """Print one block per company and one over all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", default="101-140")
    parser.add_argument("--accounts", type=int, default=300)
    parser.add_argument("--weeks", type=int, default=130)
    parser.add_argument("--config", type=Path)
    parser.add_argument("--keep", type=Path, help="append the months to this CSV file, and resume")
    asked = parser.parse_args()
    parts, known = [], set()
    if asked.keep and asked.keep.exists():
        parts.append(pd.read_csv(asked.keep))
        known = set(parts[0]["company"].astype(str))
    if asked.config:
        parts.append(months_of(load_config(asked.config)).assign(company=str(asked.config)))
    else:
        first, _, last = asked.seeds.partition("-")
        for seed in range(int(first), int(last or first) + 1):
            if str(seed) in known:
                continue
            months = demo(seed, asked.accounts, asked.weeks).assign(company=seed)
            parts.append(months)
            near = months[months["reach"] == "near"]
            print(
                f"seed {seed}: {len(near)} months, covered {near['covered'].mean():.0%}", flush=True
            )
            if asked.keep:
                months.to_csv(asked.keep, mode="a", header=not asked.keep.exists(), index=False)
    show(pd.concat(parts, ignore_index=True))


if __name__ == "__main__":
    main()
