"""`health experiment`: every experiment there is, read out."""

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
from health.runs.directory import list_runs
from health.settings.config import Config


@dataclass(frozen=True)
class Readout:
    """One experiment.

    Attributes
    ----------
    name : str
        The intervention, or the list that held out.
    treated, control : int
        Accounts that were assigned and paid.
    first, last : pd.Timestamp
        First and last day of assignment.
    balance : pd.DataFrame
        As from `effects.balance`.
    effects : tuple of Effect
        Churn, health, MRR.
    warnings : tuple of str
        Why the figures may not show what they seem to.
    """

    name: str
    treated: int
    control: int
    first: pd.Timestamp
    last: pd.Timestamp
    balance: pd.DataFrame
    effects: tuple[Effect, ...]
    warnings: tuple[str, ...]


def read_out(config: Config, *, until: datetime | None = None) -> list[Readout]:
    """Read out every experiment, the largest first.

    Parameters
    ----------
    config : Config
        Tables, runs, horizon and grace.
    until : datetime, optional
        Pretend that the data ends here.

    Raises
    ------
    HealthError
        There is no experiment.
    """
    company = open_company(config)
    tables = company.opened.tables
    require_contracts(tables, str(config.file))
    end = min(until or tables.observed_until, tables.observed_until)
    runs = [run for run in list_runs(config.runs_dir) if run.as_of < end.date()]
    assigned = assignments(tables, runs, end)
    if assigned.empty:
        raise HealthError(
            "there is no experiment to read out",
            where=str(config.file),
            fix="give interventions.arm (treated or control), or let lists hold some accounts "
            "out: flags.hold_out = 0.1",
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
            found.append(_readout(str(name), rows, config))
    return sorted(found, key=lambda readout: -(readout.treated + readout.control))


def _readout(name: str, rows: pd.DataFrame, config: Config) -> Readout:
    treated, control = (rows[rows["arm"] == arm] for arm in (TREATED, CONTROL))
    days = config.labels.horizon_days
    effects = (
        share_effect(f"churn within {days} days", treated["churned"], control["churned"]),
        mean_effect(
            f"change of health in {days} days", treated["health_change"], control["health_change"]
        ),
        mean_effect(f"change of MRR in {days} days", treated["mrr_change"], control["mrr_change"]),
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
        tuple(_doubts(alike, effects)),
    )


def _doubts(alike: pd.DataFrame, effects: tuple[Effect, ...]) -> list[str]:
    doubts = [
        f"the arms were not alike before: {row.measure} lies {row.difference:+.2f} standard "
        "deviations apart, so a difference after it may be an old one"
        for row in alike[alike["unlike"]].itertuples()
    ]
    for effect in effects:
        if not effect.too_small:
            continue
        sizes = f"{effect.n_treated:,} treated and {effect.n_control:,} control accounts are known"
        more = f"; about {effect.needed:,.0f} in each arm are needed" if effect.needed > 0 else ""
        doubts.append(f"too small a sample for {effect.outcome}: {sizes}{more}")
    health = next(effect for effect in effects if "health" in effect.outcome)
    churn = next(effect for effect in effects if "churn" in effect.outcome)
    if health.n_treated + health.n_control < churn.n_treated + churn.n_control:
        doubts.append("health is known of accounts only that still pay and were scored")
    return doubts
