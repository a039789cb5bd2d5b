"""Monitoring: predictions of past runs compared with the outcomes, once the horizon has passed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pandas as pd

from features.tables.opened import Tables
from health.business.kinds import business_of, business_of_tables
from health.runs.directory import PublishedRun
from health.settings.config import Config
from health.weekly.outcomes import CHURN, OUTCOMES

#: Standard normal quantile beyond which a difference is not explained by chance.
_BEYOND_CHANCE = 1.96
COLUMNS = (
    "as_of",
    "measured_at",
    "scored_at",
    "model_version",
    "outcome",
    "accounts",
    "churned",
    "ordered",
    "expected",
    "expected_loss",
    "expected_loss_low",
    "expected_loss_high",
    "lost_arr",
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
    "orders",
    "orders_expected",
    "orders_ratio",
    "orders_ratio_low",
    "orders_ratio_high",
    "orders_error",
    "health_auc",
    "listed",
    "listed_churned",
    "precision_at_capacity",
    "precision_low",
    "precision_high",
    "precision_by_chance",
    "called",
    "saved",
    "false_alarms",
    "precision_without_saved",
)
_TIMES = ("as_of", "measured_at")
_TEXTS = ("scored_at", "model_version", "outcome")


@dataclass(frozen=True)
class Monitored:
    """The outcomes of past runs.

    Attributes
    ----------
    table : pd.DataFrame
        Columns `COLUMNS`, a row per past run whose horizon (and, of contracts, grace) has passed,
        oldest first. `outcome` is the predicted event: ``churn``, or ``order`` (an order within
        the horizon) for customers without a contract; `churned` or `ordered` counts it, the other
        is NaN. `expected` is the sum of the probabilities, `expected_loss` that of the
        expected losses in ARR with its 80 % range, `lost_arr` the ARR of accounts that left,
        `base_rate` the share of all. `orders` (days with one) is what happened,
        `orders_expected` what was expected, `orders_error` the mean absolute error per customer. Of
        the accounts `listed` at risk, `listed_churned` left (of customers without a contract:
        ordered nothing within the horizon), as `precision_by_chance` of all did; of those that
        stayed, CSMs recorded `saved` and `false_alarms`.
    warnings : list of str
        What became worse, since when, and what to do.
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
        The previous runs, oldest first. Values measured by the last one are reused for runs
        that have not been replaced since. Runs of another kind of business are skipped.
    config : Config
        Grace, and the limits of warnings.
    day : datetime
        The date that is scored.
    actions : pd.DataFrame
        What people did about flags before it.
    """
    known = tables.until(min(day, tables.observed_until))
    business, measured = business_of_tables(tables), _measured(earlier)
    outcomes = OUTCOMES[business.key](known, config, actions)
    rows = []
    for run in earlier:
        info = run.info()
        horizon = int(info.get("horizon_days", config.labels.horizon_days))
        days = timedelta(days=horizon + outcomes.delay_days)
        reach = datetime.combine(run.as_of, datetime.min.time()) + days
        if business_of(info) is not business or reach > known.observed_until:
            continue
        key = (pd.Timestamp(run.as_of), str(info.get("started", "")))
        if key in measured:
            rows.append(measured[key])
            continue
        row = outcomes.measure(run, info, horizon)
        rows.append({**row, "as_of": key[0], "measured_at": pd.Timestamp(day), "scored_at": key[1]})
    table = _typed(pd.DataFrame(rows, columns=list(COLUMNS)))
    return Monitored(table, slips(table, config))


def slips(table: pd.DataFrame, config: Config) -> list[str]:
    """Return what has become worse in the last measured runs, and since which month."""
    limits = config.monitor
    if table.empty:
        return []

    def beyond(ratio: pd.Series[float]) -> pd.Series[bool]:
        return (ratio > limits.calibration_ratio) | (ratio < 1 / limits.calibration_ratio)

    of = next(o for o in OUTCOMES.values() if o.outcome == table["outcome"].iloc[-1])
    off = (table["calibration_z"].abs() > _BEYOND_CHANCE) & beyond(table["calibration_ratio"])
    blind = table["auc_high"] < (table["auc_trained"] - limits.auc_drop).clip(lower=0.5)
    idle = table["precision_high"] < limits.list_lift * table["precision_by_chance"]
    by_chance = (table["orders_ratio_low"] <= 1) & (table["orders_ratio_high"] >= 1)
    off_count = beyond(table["orders_ratio"]) & ~by_chance
    found = []
    for slipped, what, metrics in (
        (off, "calibration", f"{of.happened}, {{expected:,.1f}} were expected"),
        (
            off_count,
            "the number of orders",
            "{orders:,.0f} orders, {orders_expected:,.1f} were expected",
        ),
        (blind, "ranking", "AUC {auc:.2f}, {auc_trained:.2f} in training"),
        (
            idle,
            "the list of accounts at risk",
            f"{{listed_churned:,.0f}} of {{listed:,.0f}} listed {of.not_retained}, "
            "{precision_by_chance:.1%} of all accounts",
        ),
    ):
        since = _since(slipped)
        if since is not None:
            month = pd.Timestamp(table["as_of"].iloc[since]).strftime("%Y-%m")
            last = table.iloc[-1]
            result = metrics.format(**{str(k): v for k, v in last.items()})
            found.append(
                f"retrain: {what} slipped since {month} (run of {last['as_of']:%Y-%m-%d}: {result})"
            )
    return found


def _since(slipped: pd.Series[bool]) -> int | None:
    """Return the index at which the final series of slips starts; None without one."""
    place = len(slipped)
    while place and bool(slipped.iloc[place - 1]):
        place -= 1
    return place if place < len(slipped) else None


def _measured(earlier: Sequence[PublishedRun]) -> dict[tuple[pd.Timestamp, str], dict[str, Any]]:
    if not earlier or not earlier[-1].has("monitor"):
        return {}
    table = earlier[-1].table("monitor")
    if "outcome" not in table.columns:
        # Written by a release that did not measure outcomes of orders.
        table = table.assign(outcome=CHURN, precision_by_chance=table["base_rate"])
    rows = table.to_dict("records")
    return {(row["as_of"], row["scored_at"]): {str(k): v for k, v in row.items()} for row in rows}


def _typed(table: pd.DataFrame) -> pd.DataFrame:
    kinds = {
        name: "datetime64[us]" if name in _TIMES else "object" if name in _TEXTS else "float64"
        for name in COLUMNS
    }
    return table.astype(kinds)
