"""One account, explained from published runs: values, reasons, what changed, history."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import pandas as pd

from health.runs.account_names import find_account
from health.runs.directory import PublishedRun, find_run, runs_before
from health.scoring.change import COLUMNS
from health.settings.config import Config

#: Maximum number of past runs shown as history.
_HISTORY = 12


@dataclass(frozen=True)
class Explanation:
    """What is known about one account in one run.

    Attributes
    ----------
    scores : pd.Series
        Its row of scores.parquet.
    reasons : pd.DataFrame
        Its rows of reasons.parquet.
    flags : pd.DataFrame
        Its rows of flags.parquet.
    change : pd.DataFrame
        Its rows of changes.parquet: what moved the health score since the previous run, largest
        first; they sum to the score's change. Empty if there is none.
    history : pd.DataFrame
        as_of, health_score, health_band, churn_probability, mrr of the last runs.
    whitespace : pd.DataFrame
        Its rows of whitespace.parquet: each product with the reasons for and against it; empty
        for a run of an older version.
    currency : str
        Of every amount.
    """

    scores: pd.Series
    reasons: pd.DataFrame
    flags: pd.DataFrame
    change: pd.DataFrame
    history: pd.DataFrame
    whitespace: pd.DataFrame
    currency: str


def explain_account(config: Config, account: str, as_of: datetime | None = None) -> Explanation:
    """Explain an account from the run of a date, or from the last one.

    Parameters
    ----------
    config : Config
        The configuration.
    account : str
        An account_id, or the name of an account.
    as_of : datetime, optional
        The date of the run.

    Raises
    ------
    HealthError
        There is no run, or the account is not in it; the message lists the closest ones.
    """
    run = find_run(config.runs_dir, as_of, config.file)
    runs = [*runs_before(config.runs_dir, run.as_of), run]
    scores = run.table("scores")
    account = find_account(scores, account, where=f"the run of {run.as_of} ({run.folder})")
    return Explanation(
        scores[scores["account_id"] == account].iloc[0],
        _own(run, "reasons", account),
        _own(run, "flags", account),
        _own(run, "changes", account)
        if run.has("changes")
        else pd.DataFrame(columns=list(COLUMNS)),
        _history(runs[-_HISTORY:], account),
        _own(run, "whitespace", account) if run.has("whitespace") else pd.DataFrame(),
        config.currency,
    )


def _own(run: PublishedRun, table: str, account: str) -> pd.DataFrame:
    frame = run.table(table, filters=[("account_id", "==", account)])
    return frame.reset_index(drop=True)


def _history(runs: list[PublishedRun], account: str) -> pd.DataFrame:
    columns = ["account_id", "as_of", "health_score", "health_band", "churn_probability", "mrr"]
    rows = [run.table("scores", columns) for run in runs]
    history = pd.concat([row[row["account_id"] == account] for row in rows])
    return history.drop(columns="account_id").reset_index(drop=True)
