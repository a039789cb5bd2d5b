"""The portfolio of a published run, by one grouping and weighting."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

import pandas as pd

from features.errors import HealthError
from health.business.kinds import business_of
from health.runs.directory import find_run
from health.scorecard.portfolio import GROUPINGS, WEIGHTINGS
from health.settings.config import Config


@dataclass(frozen=True)
class PortfolioReport:
    """The groups of one grouping.

    Attributes
    ----------
    rows : pd.DataFrame
        group, accounts, scored, mrr, health, change (of the weighting asked for), red_accounts,
        yellow_accounts, green_accounts, red_mrr; the least healthy first.
    whole : pd.Series
        The same columns for all accounts.
    grouping, weighting : str
    as_of : date
    currency : str
    """

    rows: pd.DataFrame
    whole: pd.Series
    grouping: str
    weighting: str
    as_of: date
    currency: str
    money: str = "MRR"


def read_portfolio(
    config: Config, grouping: str, weighting: str, as_of: datetime | None = None
) -> PortfolioReport:
    """Read the portfolio of the run of a date, or of the last one.

    Raises
    ------
    HealthError
        The grouping, weighting or run does not exist, or the run has no portfolio.
    """
    _require(grouping, tuple(GROUPINGS), "--by")
    _require(weighting, WEIGHTINGS, "--weight")
    run = find_run(config.runs_dir, as_of, config.file)
    if not run.has("portfolio"):
        raise HealthError(
            f"the run of {run.as_of} has no portfolio, because an earlier version wrote it",
            where=str(run.folder),
            fix="score the date again with --replace",
        )
    table = run.table("portfolio")
    table = table.assign(
        health=table[f"health_by_{weighting}"], change=table[f"change_by_{weighting}"]
    )
    rows = table[table["grouping"] == grouping]
    if rows.empty:
        raise HealthError(
            f"the accounts of {run.as_of} have no {GROUPINGS[grouping]}",
            where=str(run.folder),
            fix=f"map the column in [tables.accounts], or group by {' or '.join(GROUPINGS)}",
        )
    rows = rows.sort_values(["health", "group"], na_position="last").reset_index(drop=True)
    whole = table[table["grouping"] == "all"].iloc[0]
    money = business_of(run.info()).money_in_sentence
    return PortfolioReport(rows, whole, grouping, weighting, run.as_of, config.currency, money)


def _require(given: str, known: tuple[str, ...], option: str) -> None:
    if given not in known:
        raise HealthError(
            f"{given!r} is not known", where=option, fix=f"one of: {', '.join(known)}"
        )
