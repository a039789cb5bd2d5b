"""`health experiment`: the results of every experiment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import pandas as pd

from features.errors import HealthError
from health.business.company import open_company
from health.business.kinds import require_contracts
from health.experiment.assignment import CONTROL, TREATED, assignments
from health.experiment.effects import Effect, balance, mean_effect, share_effect
from health.experiment.outcomes import with_outcomes
from health.experiment.responders import Responders, who_responds, with_segments
from health.runs.directory import list_runs
from health.settings.config import Config


@dataclass(frozen=True)
class Readout:
    """One experiment.

    Attributes
    ----------
    name : str
        The intervention, or the list with hold-outs.
    treated, control : int
        Number of assigned accounts that paid.
    first, last : pd.Timestamp
        First and last day of assignment.
    balance : pd.DataFrame
        As from `effects.balance`.
    effects : tuple of Effect
        Churn, health, MRR.
    responders : Responders
        Power, effects by segment, and whether single accounts can be called savable.
    warnings : tuple of str
        Why the results may be misleading.
    """

    name: str
    treated: int
    control: int
    first: pd.Timestamp
    last: pd.Timestamp
    balance: pd.DataFrame
    effects: tuple[Effect, ...]
    responders: Responders
    warnings: tuple[str, ...]


def read_out(config: Config, *, until: datetime | None = None) -> list[Readout]:
    """Return the results of every experiment, the largest first.

    Parameters
    ----------
    config : Config
        Tables, runs, horizon and grace.
    until : datetime, optional
        Ignore data from this time on.

    Raises
    ------
    HealthError
        No experiment exists.
    """
    company = open_company(config)
    tables = company.opened.tables
    require_contracts(tables, str(config.file))
    end = min(until or tables.observed_until, tables.observed_until)
    runs = [run for run in list_runs(config.runs_dir) if run.as_of < end.date()]
    assigned = assignments(tables, runs, end)
    if assigned.empty:
        raise HealthError(
            "no experiment found",
            where=str(config.file),
            fix="provide interventions.arm (treated or control), or hold some accounts out of the "
            "lists: flags.hold_out = 0.1",
        )
    found = []
    for name, own in assigned.groupby("experiment", sort=True):
        rows = with_outcomes(
            own,
            tables,
            runs,
            end,
            horizon_days=config.labels.horizon_days,
            grace_days=config.labels.grace_days,
        )
        if len(rows):
            found.append(_readout(str(name), with_segments(rows, tables), config))
    return sorted(found, key=lambda readout: -(readout.treated + readout.control))


def _readout(name: str, rows: pd.DataFrame, config: Config) -> Readout:
    treated, control = (rows[rows["arm"] == arm] for arm in (TREATED, CONTROL))
    days = config.labels.horizon_days
    effects = (
        share_effect(f"churn within {days} days", treated["churned"], control["churned"]),
        mean_effect(
            f"change in health in {days} days", treated["health_change"], control["health_change"]
        ),
        mean_effect(f"change in MRR in {days} days", treated["mrr_change"], control["mrr_change"]),
    )
    alike = balance(rows)
    return Readout(
        name,
        len(treated),
        len(control),
        rows["as_of"].min(),
        rows["as_of"].max(),
        alike,
        effects,
        who_responds(rows),
        (*_changed_arms(rows), *_doubts(alike, effects)),
    )


def _changed_arms(rows: pd.DataFrame) -> list[str]:
    """Report accounts with rows of both arms: the comparison is as they were assigned."""
    changed = rows[rows["changed"]]
    if changed.empty:
        return []
    return [
        f"{len(changed):,} of {len(rows):,} accounts have later rows of the other arm, e.g. "
        f"{changed['account_id'].min()}; they count in their first arm, so an effect can look "
        "smaller than it is"
    ]


def _doubts(alike: pd.DataFrame, effects: tuple[Effect, ...]) -> list[str]:
    doubts = [
        f"the arms already differed before: {row.measure} by {row.difference:+.2f} standard "
        "deviations, so a later difference may not be an effect"
        for row in alike[alike["unlike"]].itertuples()
    ]
    for effect in effects:
        if not effect.too_small:
            continue
        sizes = f"{effect.n_treated:,} treated and {effect.n_control:,} control outcomes known"
        more = f"; about {effect.needed:,.0f} in each arm are needed" if effect.needed > 0 else ""
        doubts.append(f"too small a sample for {effect.outcome}: {sizes}{more}")
    health = next(effect for effect in effects if "health" in effect.outcome)
    churn = next(effect for effect in effects if "churn" in effect.outcome)
    if health.n_treated + health.n_control < churn.n_treated + churn.n_control:
        doubts.append("health is known only for accounts that still pay and were scored")
    return doubts
