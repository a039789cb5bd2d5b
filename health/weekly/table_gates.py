"""Gates on the input tables: lost rows, stale tables, money, and rows without an account."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from statistics import median

from features.errors import quantity
from features.reading.source import TableSummary
from health.business.mrr import ratio_hint
from health.presentation.wording import money
from health.settings.weekly import GatesConfig
from health.weekly.gates import Gate

#: Runs whose row counts are compared with.
RUNS = 4
#: Tables that have no new rows only if something is broken.
_STEADY = ("usage", "tickets")
_LEAST_DAYS = 7
#: A gap of this many mean gaps occurs by chance once in e²⁰ gaps.
_GAPS = 20


def row_gates(
    counts: Mapping[str, int], earlier: Sequence[Mapping[str, int]], config: GatesConfig
) -> list[Gate]:
    """Compare the rows of each table with the median of the last runs.

    Parameters
    ----------
    counts : mapping of str to int
        Rows by table.
    earlier : sequence of mapping
        The same of earlier runs, oldest first.
    config : GatesConfig
        Limits.
    """
    recent = earlier[-RUNS:]
    tables = sorted(set(counts) | {table for run in recent for table in run})
    gates = []
    for table in tables:
        known = [run[table] for run in recent if run.get(table)]
        if not known:
            continue
        usual, now = median(known), counts.get(table, 0)
        change = now / usual - 1.0
        held = -config.rows_fall <= change <= config.rows_rise
        limit = config.rows_fall if change < 0 else config.rows_rise
        way = "fewer" if change < 0 else "more"
        runs = quantity(len(known), "run") if len(known) > 1 else "run"
        what = (
            f"{now:,} rows, {abs(change):.0%} {way} than the {usual:,.0f} of the last "
            f"{runs}; at most {limit:.0%} {way} are allowed"
            if table in counts
            else f"is missing; the last {runs} had {usual:,.0f} rows"
        )
        metrics = {"rows": float(now), "usual": float(usual), "limit": limit}
        gates.append(Gate("rows", f"rows of {table}", held, what, figures=metrics))
    return gates


def freshness_gates(
    summaries: Sequence[TableSummary], as_of: datetime, config: GatesConfig
) -> list[Gate]:
    """Check how old the last row of each table is on the scored date."""
    gates = []
    for table in summaries:
        limit = _limit(table, config)
        if limit is None or table.last is None:
            continue
        age = max((as_of - table.last) / timedelta(days=1), 0.0)
        what = f"its last row is {age:.1f} days old; at most {limit:.0f} are allowed"
        metrics = {"age_days": age, "limit": limit}
        gates.append(
            Gate("freshness", f"freshness of {table.table}", age <= limit, what, figures=metrics)
        )
    return gates


def mrr_gate(
    now: float, then: float, *, name: str, currency: str, days: int, config: GatesConfig
) -> Gate:
    """Compare the money of all accounts with that of the last run.

    Parameters
    ----------
    now, then : float
        MRR of this run and of the last one, in the configured currency.
    name : str
        Name of the money.
    currency : str
        The configured currency.
    days : int
        Days between the two runs.
    config : GatesConfig
        Limits.
    """
    limit = config.mrr_change * max(1.0, days / config.compare_days)
    ratio = now / then if then > 0 else 1.0
    passed = -limit <= ratio - 1.0 <= limit
    what = (
        f"{money(now, currency)}, {abs(ratio - 1):.0%} {'less' if ratio < 1 else 'more'} than the "
        f"{money(then, currency)} of the last run; at most {limit:.0%} is allowed"
    )
    what += "" if passed else ratio_hint(ratio)
    metrics = {"mrr": now, "last": then, "limit": limit}
    return Gate("mrr", f"{name} of all accounts", passed, what, figures=metrics)


def unmatched_gates(
    shares: Mapping[str, float], before: Mapping[str, float], config: GatesConfig
) -> list[Gate]:
    """Compare each table's share of rows without an account, 0-1, with that of the last run."""
    gates = []
    for table in sorted(set(shares) & set(before)):
        now, then = shares[table], before[table]
        what = (
            f"{now:.1%} of the rows belong to no account, {then:.1%} in the last run; at most "
            f"{100 * config.unmatched_rise:.0f} points more are allowed"
        )
        metrics = {"share": now, "last": then, "limit": config.unmatched_rise}
        passed = now - then <= config.unmatched_rise
        gates.append(Gate("unmatched", f"accounts of {table}", passed, what, figures=metrics))
    return gates


def _limit(table: TableSummary, config: GatesConfig) -> float | None:
    """Return the maximum age of a table's last row in days; None if it is not checked."""
    if table.table in config.freshness_days:
        return float(config.freshness_days[table.table])
    if table.table not in _STEADY or table.first is None or table.last is None:
        return None
    usual_gap = (table.last - table.first) / timedelta(days=1) / max(table.rows - 1, 1)
    return max(float(_LEAST_DAYS), _GAPS * usual_gap)
