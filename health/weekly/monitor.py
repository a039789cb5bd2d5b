"""Predicted against actual: what became of the accounts of runs whose horizon has passed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from features.labels import build_labels
from features.metrics import wilson_interval
from features.tables import Tables
from health.business import ORDERS, lives_by
from health.config import Config
from health.weekly.run_directory import PublishedRun
from models.evaluation import evaluate
from models.ranking import Interval

#: A standard normal value beyond which chance is no good reason.
_BEYOND_CHANCE = 1.96
#: Resamples behind an interval; of many accounts fewer tell as much.
_RESAMPLES, _FEW_RESAMPLES, _MANY = 200, 40, 50_000
_SCORES = ["account_id", "as_of", "churn_probability", "health_score"]
COLUMNS = (
    "as_of",
    "measured_at",
    "scored_at",
    "model_version",
    "accounts",
    "churned",
    "expected",
    "base_rate",
    "calibration_ratio",
    "calibration_z",
    "calibration_error",
    "calibration_error_low",
    "calibration_error_high",
    "auc",
    "auc_low",
    "auc_high",
    "auc_trained",
    "brier",
    "brier_low",
    "brier_high",
    "brier_of_base_rate",
    "health_auc",
    "listed",
    "listed_churned",
    "precision_at_capacity",
    "precision_low",
    "precision_high",
    "called",
    "saved",
    "false_alarms",
    "precision_without_saved",
)
_TIMES = ("as_of", "measured_at")
_TEXTS = ("scored_at", "model_version")


@dataclass(frozen=True)
class Monitored:
    """What looking back found.

    Attributes
    ----------
    table : pd.DataFrame
        Columns `COLUMNS`, a row per past run whose horizon and grace have passed, oldest first.
        `expected` is the sum of the probabilities; of those `listed` at risk, `listed_churned`
        left, and of those that stayed `saved` and `false_alarms` were called so by somebody.
    warnings : list of str
        What slipped, since when, and what to do.
    """

    table: pd.DataFrame
    warnings: list[str]


def look_back(
    tables: Tables,
    earlier: Sequence[PublishedRun],
    config: Config,
    day: datetime,
    actions: pd.DataFrame,
) -> Monitored:
    """Compare past runs with what followed, as far as it was known before `day`.

    Parameters
    ----------
    tables : Tables
        The input tables.
    earlier : sequence of PublishedRun
        The runs before, oldest first. What the last one measured is taken over for runs that
        have not been replaced since.
    config : Config
        Grace, and the limits of warnings.
    day : datetime
        The date that is scored.
    actions : pd.DataFrame
        What people did about flags before it.
    """
    if lives_by(tables).key == ORDERS:
        # Nobody is seen leaving who has no contract: training tests what can be seen.
        return Monitored(_typed(pd.DataFrame(columns=list(COLUMNS))), [])
    known = replace(tables, observed_until=min(day, tables.observed_until))
    measured = _measured(earlier)
    rows = []
    for run in earlier:
        info = run.info()
        horizon = int(info.get("horizon_days", config.labels.horizon_days))
        reach = timedelta(days=horizon + config.labels.grace_days)
        if datetime.combine(run.as_of, datetime.min.time()) + reach > known.observed_until:
            continue
        key = (pd.Timestamp(run.as_of), str(info.get("started", "")))
        if key in measured:
            rows.append(measured[key])
            continue
        row = _measure(known, run, info, horizon, config, actions)
        rows.append({**row, "as_of": key[0], "measured_at": pd.Timestamp(day), "scored_at": key[1]})
    table = _typed(pd.DataFrame(rows, columns=list(COLUMNS)))
    return Monitored(table, slips(table, config))


def slips(table: pd.DataFrame, config: Config) -> list[str]:
    """Say what has slipped in the last runs that were measured, and since which month."""
    limits = config.monitor
    off = (table["calibration_z"].abs() > _BEYOND_CHANCE) & (
        (table["calibration_ratio"] > limits.calibration_ratio)
        | (table["calibration_ratio"] < 1 / limits.calibration_ratio)
    )
    blind = table["auc_high"] < (table["auc_trained"] - limits.auc_drop).clip(lower=0.5)
    idle = table["precision_high"] < limits.list_lift * table["base_rate"]
    found = []
    for slipped, what, figures in (
        (off, "calibration", "{churned:,.0f} accounts left, {expected:,.1f} were expected"),
        (blind, "ranking", "AUC {auc:.2f}, {auc_trained:.2f} in training"),
        (
            idle,
            "the list of accounts at risk",
            "{listed_churned:,.0f} of {listed:,.0f} listed left, {base_rate:.1%} of all accounts",
        ),
    ):
        since = _since(slipped)
        if since is not None:
            month = pd.Timestamp(table["as_of"].iloc[since]).strftime("%Y-%m")
            last = table.iloc[-1]
            told = figures.format(**{str(k): v for k, v in last.items()})
            found.append(
                f"retrain: {what} slipped since {month} (run of {last['as_of']:%Y-%m-%d}: {told})"
            )
    return found


def _since(slipped: pd.Series[bool]) -> int | None:
    """Return the place where the unbroken row of slips at the end begins; None without one."""
    place = len(slipped)
    while place and bool(slipped.iloc[place - 1]):
        place -= 1
    return place if place < len(slipped) else None


def _measured(earlier: Sequence[PublishedRun]) -> dict[tuple[pd.Timestamp, str], dict[str, Any]]:
    if not earlier or not earlier[-1].has("monitor"):
        return {}
    rows = earlier[-1].table("monitor").to_dict("records")
    return {(row["as_of"], row["scored_at"]): {str(k): v for k, v in row.items()} for row in rows}


def _measure(
    tables: Tables,
    run: PublishedRun,
    info: dict[str, Any],
    horizon: int,
    config: Config,
    actions: pd.DataFrame,
) -> dict[str, Any]:
    scores = run.table("scores", _SCORES).drop_duplicates("account_id")
    if run.has("features"):
        # Who had given notice was never ranked by its chance to leave.
        notice = run.table("features", ["account_id", "notice_given"])
        given = notice.loc[notice["notice_given"] > 0, "account_id"]
        scores = scores[~scores["account_id"].isin(given)].reset_index(drop=True)
    labels = build_labels(
        tables,
        scores[["account_id", "as_of"]],
        horizon_days=horizon,
        grace_days=config.labels.grace_days,
        upsell_step=config.labels.upsell_step,
    )
    happened = scores["account_id"].map(labels.set_index("account_id")["churned"])
    trained = (info.get("evaluation", {}).get("churn", {}).get("auc") or {}).get("value")
    return {
        "model_version": str(info.get("model_version", "")),
        "accounts": int(happened.notna().sum()),
        "churned": float(happened.sum()),
        "base_rate": float(happened.mean()),
        "auc_trained": float("nan") if trained is None else float(trained),
        **_of_probabilities(scores["churn_probability"], happened),
        "health_auc": _auc(-scores["health_score"], happened),
        **_of_lists(run, happened.groupby(scores["account_id"]).first(), horizon, actions),
    }


def _of_probabilities(chance: pd.Series[float], happened: pd.Series[float]) -> dict[str, float]:
    """Return what the probabilities were worth; nothing where none was published."""
    known = chance.notna() & happened.notna()
    if not known.any():
        return {}
    p, y = chance[known].to_numpy(), happened[known].to_numpy()
    found = evaluate(y, p, n_resamples=_RESAMPLES if len(y) <= _MANY else _FEW_RESAMPLES)
    expected, spread = float(p.sum()), float(np.sqrt((p * (1 - p)).sum()))
    return {
        "expected": expected,
        "calibration_ratio": float(y.sum()) / max(expected, 1e-9),
        "calibration_z": (float(y.sum()) - expected) / max(spread, 1e-9),
        **_with_ends("calibration_error", found.calibration_error),
        **_with_ends("auc", found.auc),
        **_with_ends("brier", found.brier),
        "brier_of_base_rate": float(y.mean() * (1 - y.mean())),
    }


def _with_ends(name: str, interval: Interval) -> dict[str, float]:
    return {name: interval.value, f"{name}_low": interval.low, f"{name}_high": interval.high}


def _auc(score: pd.Series[float], happened: pd.Series[float]) -> float:
    """Return the chance that an account that left has the higher score (Mann-Whitney)."""
    known = score.notna() & happened.notna()
    ranks, left = score[known].rank(), happened[known] == 1
    n, stayed = int(left.sum()), int((~left).sum())
    if not n or not stayed:
        return float("nan")
    return float((ranks[left].sum() - n * (n + 1) / 2) / (n * stayed))


def _of_lists(
    run: PublishedRun, happened: pd.Series[float], horizon: int, actions: pd.DataFrame
) -> dict[str, float]:
    """Return what became of the accounts that the run listed at risk, as the lists were."""
    flags = run.table("flags", ["account_id", "flag"])
    listed = happened.reindex(flags.loc[flags["flag"] == "at_risk", "account_id"].unique()).dropna()
    done = _done_about(run.as_of, horizon, actions)
    stayed = listed.index[listed == 0]
    saved, alarms = (int(stayed.isin(done[outcome]).sum()) for outcome in ("saved", "false_alarm"))
    count, left = len(listed), float(listed.sum())
    ends = wilson_interval(pd.Series([left]), pd.Series([float(count)]))
    return {
        "listed": float(count),
        "listed_churned": left,
        "precision_at_capacity": left / count if count else float("nan"),
        "precision_low": float(ends.low.iloc[0]),
        "precision_high": float(ends.high.iloc[0]),
        "called": float(listed.index.isin(done["called"]).sum()),
        "saved": float(saved),
        "false_alarms": float(alarms),
        "precision_without_saved": left / (count - saved) if count > saved else float("nan"),
    }


def _done_about(as_of: date, horizon: int, actions: pd.DataFrame) -> dict[str, set[str]]:
    """Return the accounts of each outcome that was written down within a run's horizon."""
    begin = pd.Timestamp(as_of)
    within = actions["at"].between(begin, begin + pd.Timedelta(days=horizon))
    meant = actions["flag"].isna() | (actions["flag"] == "at_risk")
    own = actions[within & meant]
    by = own.groupby("action")["account_id"].agg(set).to_dict()
    outcomes = {name: by.get(name, set()) for name in ("saved", "false_alarm")}
    # Whoever closed a case has spoken with the account.
    return {**outcomes, "called": set().union(by.get("called", set()), *outcomes.values())}


def _typed(table: pd.DataFrame) -> pd.DataFrame:
    kinds = {
        name: "datetime64[us]" if name in _TIMES else "object" if name in _TEXTS else "float64"
        for name in COLUMNS
    }
    return table.astype(kinds)
